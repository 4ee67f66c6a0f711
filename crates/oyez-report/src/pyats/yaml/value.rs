//! Values as nodes of YAML.

use base64::Engine;
use oyez_model::Value;
use oyez_wire::pyats::known::{self, Shape, shape};
use oyez_wire::pyats::plain::Plain;
use oyez_wire::pyats::repr;
use oyez_wire::pyats::tree::{Counter, Field, Logs, Verdict};

use super::emit::Emitter;
use super::scalar::{BINARY, Scalar, Text, trimmed};
use crate::pyats::clock::Clock;
use crate::pyats::python::{DEEPEST, TOO_DEEP, digits, is_true, push_float, sorted};

impl Emitter {
    /// A field of an object whose keys have this indent.
    pub(super) fn field(&mut self, out: &mut Vec<u8>, indent: usize, field: &Field<'_>, clock: &Clock) {
        match field {
            Field::Text(text) => self.text(out, indent, text),
            Field::Value(value) => self.value(out, indent, value, 0),
            Field::Time(nanos) => {
                self.space(out);
                let start = out.len();
                clock.push_full(out, *nanos);
                (self.column, self.after_space, self.only_indent) =
                    (self.column + out.len() - start, false, false);
            }
            Field::Seconds(f) => self.float(out, indent, *f, false),
            Field::Result(verdict) => self.verdict(out, indent, verdict, 0),
            Field::Counter(counter) => self.counter(out, indent, counter),
            Field::List(items) => self.list(out, indent, items, 0),
            Field::Map(pairs) => self.map(out, indent, pairs, 0),
            Field::Logs(Some(logs)) => self.logs(out, indent, logs),
            Field::Int(n) => self.indicator(out, &n.to_string()),
            // What is empty is left out; ids and children are written where they come up.
            Field::Nothing | Field::Logs(None) | Field::FullId | Field::Ids(_) | Field::Children(_) => {
                self.indicator(out, "null");
            }
        }
    }

    /// A text, with its lines as lines.
    pub(super) fn text(&mut self, out: &mut Vec<u8>, indent: usize, text: &str) {
        self.any_text(out, indent, text, false);
    }

    fn any_text(&mut self, out: &mut Vec<u8>, indent: usize, text: &str, is_key: bool) {
        let lines = text.contains('\n').then(|| trimmed(text));
        let text = lines.as_deref().unwrap_or(text);
        self.scalar(out, indent, of_text(text, lines.is_some()), is_key);
    }

    fn float(&mut self, out: &mut Vec<u8>, indent: usize, f: f64, is_key: bool) {
        let text = rounded(f);
        self.scalar(out, indent, Scalar { is: Plain::Float, ..typed(&text, "!!float") }, is_key);
    }

    fn verdict(&mut self, out: &mut Vec<u8>, indent: usize, verdict: &Verdict, depth: usize) {
        let at = indent + 2;
        for (key, part) in [("data", verdict.data()), ("reason", verdict.reason())] {
            if is_true(part) {
                self.key(out, at, key);
                self.value(out, at, part, depth + 1);
            }
        }
        self.key(out, at, "value");
        self.indicator(out, verdict.outcome.as_str());
    }

    fn counter(&mut self, out: &mut Vec<u8>, indent: usize, counter: &Counter) {
        for (name, n) in Counter::NAMES.iter().zip(counter.of) {
            self.number(out, indent + 2, name, n);
        }
        // A sum carries both along among its numbers, and they are said of every counter.
        for _ in 0..1 + usize::from(counter.summed) {
            self.number(out, indent + 2, "total", counter.total());
            self.key(out, indent + 2, "success_rate");
            self.float(out, indent, counter.success_rate(), false);
        }
    }

    fn number(&mut self, out: &mut Vec<u8>, indent: usize, key: &str, n: u64) {
        self.key(out, indent, key);
        self.space(out);
        let start = out.len();
        crate::moment::push_number(out, n);
        (self.column, self.after_space) = (self.column + out.len() - start, false);
    }

    fn logs(&mut self, out: &mut Vec<u8>, indent: usize, logs: &Logs) {
        let at = indent + 2;
        self.number(out, at, "begin", logs.begin);
        if let Some(n) = logs.begin_lines {
            self.number(out, at, "begin_lines", n);
        }
        self.key(out, at, "file");
        self.text(out, at, &logs.file);
        for (key, n) in [("size", logs.size), ("size_lines", logs.size_lines)] {
            if let Some(n) = n {
                self.number(out, at, key, n);
            }
        }
    }

    // Calls itself no deeper than `DEEPEST`.
    fn value(&mut self, out: &mut Vec<u8>, indent: usize, value: &Value, depth: usize) {
        if depth > DEEPEST {
            return self.text(out, indent, TOO_DEEP);
        }
        match value {
            Value::List(items) | Value::Tuple(items) => self.list(out, indent, items, depth),
            Value::Set(items) => self.set(out, indent, items, depth),
            Value::Map(pairs) => self.map(out, indent, pairs, depth),
            Value::Opaque(o) => match shape(o) {
                Shape::Result(verdict) => self.verdict(out, indent, &verdict, depth),
                Shape::Counter(counter) => self.counter(out, indent, &counter),
                Shape::AttrDict(pairs) => self.map(out, indent, pairs, depth),
                Shape::Set(items) if o.name == "set" => self.set(out, indent, items, depth),
                Shape::Date(_) | Shape::Class | Shape::Placeholder => self.leaf(out, indent, value, false),
                _ => {
                    self.key(out, indent + 2, "repr");
                    self.text(out, indent + 2, &repr::repr(value));
                    self.key(out, indent + 2, "type");
                    let class = known::class(o);
                    match metaclass(&class) {
                        None => self.text(out, indent + 2, &class),
                        Some(of) => {
                            self.key(out, indent + 4, "repr");
                            self.text(out, indent + 4, &class);
                            self.key(out, indent + 4, "type");
                            self.text(out, indent + 4, of);
                        }
                    }
                }
            },
            _ => self.leaf(out, indent, value, false),
        }
    }

    /// A value that has no others in it.
    fn leaf(&mut self, out: &mut Vec<u8>, indent: usize, value: &Value, is_key: bool) {
        with_scalar(value, |scalar| self.scalar(out, indent, scalar, is_key));
    }

    fn list(&mut self, out: &mut Vec<u8>, indent: usize, items: &[Value], depth: usize) {
        if items.is_empty() {
            return self.indicator(out, "[]");
        }
        for item in items {
            self.item(out, indent + 2);
            self.value(out, indent + 2, item, depth + 1);
        }
    }

    fn set(&mut self, out: &mut Vec<u8>, indent: usize, items: &[Value], depth: usize) {
        self.indicator(out, "!!set");
        let pairs: Vec<(Value, Value)> = items.iter().map(|item| (item.clone(), Value::Null)).collect();
        self.map(out, indent, &pairs, depth);
    }

    fn map(&mut self, out: &mut Vec<u8>, indent: usize, pairs: &[(Value, Value)], depth: usize) {
        if pairs.is_empty() {
            return self.indicator(out, "{}");
        }
        match sorted(pairs) {
            None => pairs.iter().for_each(|(key, value)| self.pair(out, indent + 2, key, value, depth)),
            Some(refs) => refs.iter().for_each(|(key, value)| self.pair(out, indent + 2, key, value, depth)),
        }
    }

    fn pair(&mut self, out: &mut Vec<u8>, indent: usize, key: &Value, value: &Value, depth: usize) {
        let simple = match key {
            Value::List(items) | Value::Tuple(items) => items.is_empty(),
            Value::Map(pairs) => pairs.is_empty(),
            Value::Opaque(o) if !matches!(shape(o), Shape::Date(_) | Shape::Class | Shape::Placeholder) => {
                false
            }
            Value::Set(_) => false,
            leaf => {
                let mut simple = false;
                with_scalar(leaf, |scalar| simple = scalar.is_simple_key());
                simple
            }
        };
        if simple {
            self.indent(out, indent);
            match key {
                Value::List(_) | Value::Tuple(_) | Value::Map(_) => self.value(out, indent, key, depth + 1),
                leaf => self.leaf(out, indent, leaf, true),
            }
            self.colon(out);
        } else {
            self.mark(out, indent, "?");
            self.value(out, indent, key, depth + 1);
            self.mark(out, indent, ":");
        }
        self.value(out, indent, value, depth + 1);
    }
}

fn of_text(text: &str, block: bool) -> Scalar<'_> {
    Scalar { text: Text::Utf8(text), is: Plain::Text, tag: "!!str", block }
}

fn typed<'t>(text: &'t str, tag: &'static str) -> Scalar<'t> {
    let is = match tag {
        "!!null" => Plain::Null,
        "!!bool" => Plain::Bool,
        "!!int" => Plain::Int,
        "!!timestamp" => Plain::Timestamp,
        _ => Plain::Text,
    };
    Scalar { text: Text::Utf8(text), is, tag, block: false }
}

/// Hands a value that has no others in it to `to` as a scalar.
fn with_scalar(value: &Value, to: impl FnOnce(Scalar<'_>)) {
    match value {
        Value::Null => to(typed("null", "!!null")),
        Value::Bool(true) => to(typed("true", "!!bool")),
        Value::Bool(false) => to(typed("false", "!!bool")),
        Value::Int(n) => to(typed(&n.to_string(), "!!int")),
        Value::Big(n) => match digits(n) {
            Some(digits) => to(typed(&digits, "!!int")),
            None => to(of_text(&n.to_string(), false)),
        },
        Value::Float(f) => to(Scalar { is: Plain::Float, ..typed(&rounded(*f), "!!float") }),
        Value::Text(text) if text.contains('\n') => to(of_text(&trimmed(text), true)),
        Value::Text(text) => to(of_text(text, false)),
        Value::Surrogates(wtf8) => to(Scalar { text: Text::Wtf8(wtf8), ..of_text("", false) }),
        Value::Bytes(bytes) => to(Scalar { block: true, ..typed(&lines_of_base64(bytes), BINARY) }),
        Value::DateTime(t) => to(typed(&repr::datetime(t, ' '), "!!timestamp")),
        Value::Opaque(o) => match shape(o) {
            Shape::Date(date) => to(typed(&date.to_string(), "!!timestamp")),
            _ => to(of_text(&repr::repr(value), false)),
        },
        other => to(of_text(&repr::repr(other), false)),
    }
}

/// Two digits after the point; then as Python prints it.
fn rounded(f: f64) -> String {
    // Beyond this a float has no digits after the point.
    let f = if f.abs() < 4_503_599_627_370_496.0 { format!("{f:.2}").parse().unwrap_or(f) } else { f };
    let mut out = Vec::with_capacity(24);
    push_float(&mut out, f);
    String::from_utf8(out).unwrap_or_default()
}

/// Base 64 in lines of 76 characters, each ended.
fn lines_of_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() / 57 * 77 + 80);
    for line in bytes.chunks(57) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut out);
        out.push('\n');
    }
    out
}

/// The classes of Python's library that are no plain types, and what they are: pyATS writes a class that is not a plain
/// type as any other unknown object.
fn metaclass(class: &str) -> Option<&'static str> {
    matches!(class, "<class 'fractions.Fraction'>").then_some("<class 'abc.ABCMeta'>")
}
