//! `results.json`: one line, as Python's `json.dumps` writes it, with all that is not ASCII escaped.

use std::io::{self, Write};

use oyez_model::Value;
use oyez_wire::pyats::known::{self, Shape, shape};
use oyez_wire::pyats::repr;
use oyez_wire::pyats::tree::{Counter, Field, Ix, Kind, Logs, RESULTS_VERSION, Tree, Verdict};

use super::clock::Clock;
use super::python::{DEEPEST, TOO_DEEP, digits, is_left_out, is_true, push_float};
use crate::moment::push_number;
use crate::out::Out;

/// An object that is begun: where its keys and its children stand.
struct Open {
    ix: Ix,
    /// The next key in its order.
    key: usize,
    /// The next child.
    child: usize,
    /// Whether a key has been written.
    any: bool,
    /// How long the ids were before its own came to them.
    full: usize,
    list: usize,
}

struct Report<'t, 'w> {
    tree: &'t Tree,
    clock: Clock,
    out: Out<'w>,
    /// The ids of what is open, from the task down, escaped: joined by dots, and as items of a list.
    full: Vec<u8>,
    list: Vec<u8>,
    open: Vec<Open>,
}

pub(super) fn write(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    let mut report = Report {
        tree,
        clock: Clock::new(tree.zone()),
        out: Out::new(to),
        full: Vec::new(),
        list: Vec::new(),
        open: Vec::new(),
    };
    report.out.text("{\"version\": \"");
    report.out.text(RESULTS_VERSION);
    report.out.text("\", \"report\": ");
    match tree.suite() {
        Some(suite) => report.all(suite)?,
        None => report.out.text("{}"),
    }
    report.out.text("}");
    report.out.finish()
}

impl Report<'_, '_> {
    // No recursion: a tree may be deeper than a stack.
    fn all(&mut self, suite: Ix) -> io::Result<()> {
        self.begin(suite);
        while let Some(open) = self.open.last_mut() {
            let node = self.tree.node(open.ix);
            if open.child > 0 {
                if let Some(&child) = node.children.get(open.child) {
                    open.child += 1;
                    self.out.text(", ");
                    self.begin(child);
                    continue;
                }
                open.child = 0;
                self.out.buf.push(b']');
            }
            self.keys();
            self.out.settle()?;
        }
        Ok(())
    }

    fn begin(&mut self, ix: Ix) {
        let node = self.tree.node(ix);
        // The suite's own id is no part of the ids of what is in it.
        if self.open.len() == 1 {
            self.full.clear();
            self.list.clear();
        }
        let (full, list) = (self.full.len(), self.list.len());
        if self.open.len() > 1 {
            self.full.push(b'.');
            self.list.extend_from_slice(b", ");
        }
        let start = self.list.len();
        self.list.push(b'"');
        escape(&mut self.list, &node.id);
        self.list.push(b'"');
        self.full.extend_from_slice(&self.list[start + 1..self.list.len() - 1]);
        self.open.push(Open { ix, key: 0, child: 0, any: false, full, list });
        self.out.buf.push(b'{');
    }

    /// Writes keys up to the children, or to the end.
    fn keys(&mut self) {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else { return };
        let (ix, tree) = (open.ix, self.tree);
        let details = super::details(tree, ix, depth);
        let order = tree.node(ix).kind.order();
        while let Some(&key) = order.get(open.key) {
            open.key += 1;
            let buf = &mut self.out.buf;
            if matches!(key, "fullid" | "idlist") {
                buf.extend_from_slice(if key == "fullid" { b", \"fullid\": \"" } else { b", \"idlist\": [" });
                buf.extend_from_slice(if key == "fullid" { &self.full } else { &self.list });
                buf.push(if key == "fullid" { b'"' } else { b']' });
                continue;
            }
            let field = match tree.field(ix, key) {
                None => continue,
                Some(Field::Children(_)) if depth >= super::DEEPEST => continue,
                Some(Field::List(_)) if key == "details" => Field::List(&details),
                Some(field) => field,
            };
            if is_left_out(&field) {
                continue;
            }
            if open.any {
                buf.extend_from_slice(b", ");
            }
            open.any = true;
            buf.push(b'"');
            buf.extend_from_slice(key.as_bytes());
            buf.extend_from_slice(b"\": ");
            if let Field::Children(children) = field {
                buf.push(b'[');
                open.child = 1;
                if let Some(&first) = children.first() {
                    self.begin(first);
                }
                return;
            }
            self.clock.field(buf, &field);
        }
        if !tree.node(ix).rolled_up && tree.node(ix).kind == Kind::Section {
            self.out.buf.extend_from_slice(b", \"ignore\": true");
        }
        self.out.buf.push(b'}');
        let (full, list) = (open.full, open.list);
        self.full.truncate(full);
        self.list.truncate(list);
        self.open.pop();
    }
}

impl Clock {
    fn field(&self, out: &mut Vec<u8>, field: &Field<'_>) {
        match field {
            Field::Text(t) => string(out, t),
            Field::Value(v) => value(out, v, 0),
            Field::Time(nanos) => {
                out.push(b'"');
                self.push_full(out, *nanos);
                out.push(b'"');
            }
            Field::Seconds(f) => float(out, *f),
            Field::Result(v) => verdict(out, v, 0),
            Field::Counter(c) => counter(out, c),
            Field::List(items) => list(out, items, 0),
            Field::Map(pairs) => map(out, pairs, 0),
            Field::Logs(Some(l)) => logs(out, l),
            Field::Int(n) => push_number(out, *n),
            // What is empty is left out; ids and children are written where they come up.
            Field::Nothing | Field::Logs(None) | Field::FullId | Field::Ids(_) | Field::Children(_) => {
                out.extend_from_slice(b"null");
            }
        }
    }
}

fn counter(out: &mut Vec<u8>, counter: &Counter) {
    out.push(b'{');
    for (name, n) in Counter::NAMES.iter().zip(counter.of) {
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\": ");
        push_number(out, n);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(b"\"total\": ");
    push_number(out, counter.total());
    out.extend_from_slice(b", \"success_rate\": ");
    float(out, counter.success_rate());
    out.push(b'}');
}

fn logs(out: &mut Vec<u8>, logs: &Logs) {
    out.extend_from_slice(b"{\"file\": ");
    string(out, &logs.file);
    let numbers = [
        (", \"begin\": ", Some(logs.begin)),
        (", \"begin_lines\": ", logs.begin_lines),
        (", \"size\": ", logs.size),
        (", \"size_lines\": ", logs.size_lines),
    ];
    for (key, n) in numbers {
        if let Some(n) = n {
            out.extend_from_slice(key.as_bytes());
            push_number(out, n);
        }
    }
    out.push(b'}');
}

fn verdict(out: &mut Vec<u8>, verdict: &Verdict, depth: usize) {
    out.extend_from_slice(b"{\"value\": \"");
    out.extend_from_slice(verdict.outcome.as_str().as_bytes());
    out.push(b'"');
    for (key, part) in [(", \"reason\": ", verdict.reason()), (", \"data\": ", verdict.data())] {
        if is_true(part) {
            out.extend_from_slice(key.as_bytes());
            value(out, part, depth + 1);
        }
    }
    out.push(b'}');
}

// Calls itself no deeper than `DEEPEST`.
fn value(out: &mut Vec<u8>, from: &Value, depth: usize) {
    if depth > DEEPEST {
        return string(out, TOO_DEEP);
    }
    match from {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => int(out, *n),
        Value::Big(n) => match digits(n) {
            Some(digits) => out.extend_from_slice(digits.as_bytes()),
            None => string(out, &n.to_string()),
        },
        Value::Float(f) => float(out, *f),
        Value::Text(text) => string(out, text),
        Value::Surrogates(wtf8) => {
            out.push(b'"');
            escape_wtf8(out, wtf8);
            out.push(b'"');
        }
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => list(out, items, depth),
        Value::Map(pairs) => map(out, pairs, depth),
        Value::Bytes(_) => string(out, &repr::repr(from)),
        Value::DateTime(t) => string(out, &repr::datetime(t, ' ')),
        Value::Opaque(o) => match shape(o) {
            Shape::Result(v) => verdict(out, &v, depth),
            Shape::Counter(c) => counter(out, &c),
            Shape::AttrDict(pairs) | Shape::Dict(pairs) => map(out, pairs, depth),
            Shape::List(items) | Shape::Set(items) => list(out, items, depth),
            Shape::Text(text) => string(out, text),
            Shape::Date(date) => string(out, &date.to_string()),
            Shape::Bytes(_) | Shape::Exception | Shape::Class | Shape::Placeholder => {
                string(out, &repr::repr(from));
            }
            Shape::Object => {
                out.extend_from_slice(b"{\"repr\": ");
                string(out, &repr::repr(from));
                out.extend_from_slice(b", \"type\": ");
                string(out, &known::class(o));
                out.push(b'}');
            }
        },
    }
}

fn list(out: &mut Vec<u8>, items: &[Value], depth: usize) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        value(out, item, depth + 1);
    }
    out.push(b']');
}

fn map(out: &mut Vec<u8>, pairs: &[(Value, Value)], depth: usize) {
    out.push(b'{');
    for (i, (key, of)) in pairs.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        match key {
            Value::Text(text) => string(out, text),
            // What Python makes a key of is what it would write as a value, in quotes.
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                out.push(b'"');
                value(out, key, 0);
                out.push(b'"');
            }
            Value::Surrogates(_) => value(out, key, 0),
            other => string(out, &repr::plain(other)),
        }
        out.extend_from_slice(b": ");
        value(out, of, depth + 1);
    }
    out.push(b'}');
}

fn int(out: &mut Vec<u8>, n: i64) {
    if n < 0 {
        out.push(b'-');
    }
    push_number(out, n.unsigned_abs());
}

fn float(out: &mut Vec<u8>, f: f64) {
    if f.is_finite() {
        push_float(out, f);
    } else if f.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if f > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text);
    out.push(b'"');
}

/// A text between its quotes.
fn escape(out: &mut Vec<u8>, text: &str) {
    let plain = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    let mut rest = text;
    loop {
        let bytes = rest.as_bytes();
        let end = bytes.iter().position(|b| !plain(b)).unwrap_or(bytes.len());
        out.extend_from_slice(&bytes[..end]);
        let mut chars = rest[end..].chars();
        let Some(c) = chars.next() else { return };
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| unicode(out, *unit)),
        }
        rest = chars.as_str();
    }
}

fn unicode(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(b"0123456789abcdef"[usize::from(unit >> shift & 0xf)]);
    }
}

/// The same with lone surrogates, which take three bytes each: ED, A0 to BF, 80 to BF.
fn escape_wtf8(out: &mut Vec<u8>, wtf8: &[u8]) {
    let mut rest = wtf8;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(_) => rest.len(),
            Err(e) => e.valid_up_to(),
        };
        escape(out, std::str::from_utf8(&rest[..valid]).unwrap_or_default());
        rest = match &rest[valid..] {
            [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, rest @ ..] => {
                unicode(out, 0xd000 | u16::from(b & 0x3f) << 6 | u16::from(c & 0x3f));
                rest
            }
            [_, rest @ ..] => {
                unicode(out, 0xfffd);
                rest
            }
            [] => &[],
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_ascii_and_keys_are_what_python_makes_of_them() {
        let written = |v: Value| {
            let mut out = Vec::new();
            value(&mut out, &v, 0);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(Value::text("\u{0}\"\\/é😀\u{7f}\n")),
            r#""\u0000\"\\/\u00e9\ud83d\ude00\u007f\n""#
        );
        assert_eq!(written(Value::Surrogates(b"a\xed\xa0\x80".to_vec())), r#""a\ud800""#);
        let keys = [Value::Null, true.into(), 1.into(), 1.5.into(), Value::Tuple(vec![1.into()])];
        let map = Value::Map(keys.into_iter().map(|k| (k, Value::Null)).collect());
        assert_eq!(written(map), r#"{"null": null, "true": null, "1": null, "1.5": null, "(1,)": null}"#);
    }
}
