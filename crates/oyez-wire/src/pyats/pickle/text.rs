//! What people read instead of an object, and what everybody gets but the user whom an object came from.

use super::build::RECURSIVE;
use std::fmt::{self, Write};

use oyez_model::Value;
use oyez_model::value::{MAX_DEPTH, Opaque, OpaqueForm};

/// Longer texts are cut: they are to be read.
const MAX_TEXT: usize = 4_096;

/// A value much as Python's `repr` shows it: `decimal.Decimal('1.5')`. No more than 4 KiB of it.
#[must_use]
pub fn to_text(value: &Value) -> String {
    let mut text = Text { out: String::new() };
    // The only error is that there is enough of it.
    if text.value(value, MAX_DEPTH).is_err() {
        text.out.push_str("...");
    }
    text.out
}

/// The value with a text in place of each object that is not looked into ([`to_text`]).
#[must_use]
pub fn without_opaque(value: &Value) -> Value {
    plain(value, MAX_DEPTH)
}

fn plain(value: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::from("(left out: nested too deep)") };
    let all = |items: &[Value]| items.iter().map(|item| plain(item, depth)).collect();
    match value {
        Value::List(items) => Value::List(all(items)),
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::Set(items) => Value::Set(all(items)),
        Value::Map(pairs) => {
            Value::Map(pairs.iter().map(|(k, v)| (plain(k, depth), plain(v, depth))).collect())
        }
        Value::Opaque(_) => Value::Text(to_text(value)),
        other => other.clone(),
    }
}

struct Text {
    out: String,
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = MAX_TEXT.saturating_sub(self.out.len());
        if s.len() <= room {
            self.out.push_str(s);
            return Ok(());
        }
        self.out.push_str(&s[..s.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

impl Text {
    fn value(&mut self, value: &Value, depth: usize) -> fmt::Result {
        let Some(depth) = depth.checked_sub(1) else { return self.write_str("...") };
        match value {
            Value::Null => self.write_str("None"),
            Value::Bool(true) => self.write_str("True"),
            Value::Bool(false) => self.write_str("False"),
            Value::Int(n) => write!(self, "{n}"),
            Value::Big(n) => write!(self, "{n}"),
            // `1.0`, not `1`; `nan` and `inf` as in Python.
            Value::Float(n) if n.is_finite() => write!(self, "{n:?}"),
            Value::Float(n) => self.write_str(if n.is_nan() {
                "nan"
            } else if *n > 0.0 {
                "inf"
            } else {
                "-inf"
            }),
            Value::Text(text) => self.quoted(text),
            Value::Surrogates(bytes) => self.quoted(&String::from_utf8_lossy(bytes)),
            Value::Bytes(bytes) => {
                self.write_str("b'")?;
                for byte in bytes {
                    write!(self, "{}", byte.escape_ascii())?;
                }
                self.write_char('\'')
            }
            Value::List(items) => self.items("[", items, "]", depth),
            Value::Tuple(items) if items.len() == 1 => self.items("(", items, ",)", depth),
            Value::Tuple(items) => self.items("(", items, ")", depth),
            Value::Set(items) if items.is_empty() => self.write_str("set()"),
            Value::Set(items) => self.items("{", items, "}", depth),
            Value::Map(pairs) => self.pairs(pairs, depth),
            Value::DateTime(t) => {
                write!(self, "{}", t.civil)?;
                match (t.offset, &t.zone) {
                    (_, Some(zone)) => write!(self, " {zone}"),
                    (Some(offset), None) => write!(self, " {offset:+} s"),
                    (None, None) => Ok(()),
                }
            }
            Value::Opaque(o) => self.object(o, depth),
        }
    }

    fn object(&mut self, o: &Opaque, depth: usize) -> fmt::Result {
        let args = match o.form {
            OpaqueForm::CallObject | OpaqueForm::NewObject if !o.args.is_empty() => {
                self.value(&o.args[0], depth)?;
                &o.args[1..]
            }
            OpaqueForm::Placeholder => {
                write!(self, "<{}", o.name)?;
                for arg in o.args.iter().filter(|_| o.name != RECURSIVE) {
                    self.write_char(' ')?;
                    self.value(arg, depth)?;
                }
                return self.write_char('>');
            }
            OpaqueForm::Global => return write!(self, "<{}.{}>", o.module, o.name),
            // As Python's own `repr` has it.
            _ if o.module == "builtins" => {
                self.write_str(&o.name)?;
                &o.args[..]
            }
            _ => {
                write!(self, "{}.{}", o.module, o.name)?;
                &o.args[..]
            }
        };
        self.items("(", args, "", depth)?;
        let mut first = args.is_empty();
        for (name, value) in &o.kwargs {
            self.comma(&mut first)?;
            match name {
                Value::Text(name) => self.write_str(name)?,
                name => self.value(name, depth)?,
            }
            self.write_char('=')?;
            self.value(value, depth)?;
        }
        if !o.items.is_empty() {
            self.comma(&mut first)?;
            self.items("[", &o.items, "]", depth)?;
        }
        if !o.entries.is_empty() {
            self.comma(&mut first)?;
            self.pairs(&o.entries, depth)?;
        }
        if !o.members.is_empty() {
            self.comma(&mut first)?;
            self.items("{", &o.members, "}", depth)?;
        }
        if let Some(state) = &o.state {
            self.comma(&mut first)?;
            self.value(state, depth)?;
        }
        self.write_char(')')
    }

    fn comma(&mut self, first: &mut bool) -> fmt::Result {
        if std::mem::take(first) { Ok(()) } else { self.write_str(", ") }
    }

    fn items(&mut self, open: &str, items: &[Value], close: &str, depth: usize) -> fmt::Result {
        self.write_str(open)?;
        let mut first = true;
        for item in items {
            self.comma(&mut first)?;
            self.value(item, depth)?;
        }
        self.write_str(close)
    }

    fn pairs(&mut self, pairs: &[(Value, Value)], depth: usize) -> fmt::Result {
        self.write_char('{')?;
        let mut first = true;
        for (key, value) in pairs {
            self.comma(&mut first)?;
            self.value(key, depth)?;
            self.write_str(": ")?;
            self.value(value, depth)?;
        }
        self.write_char('}')
    }

    fn quoted(&mut self, text: &str) -> fmt::Result {
        self.write_char('\'')?;
        for c in text.chars() {
            match c {
                '\'' | '\\' => write!(self, "\\{c}")?,
                c if c.is_control() => write!(self, "{}", c.escape_default())?,
                c => self.write_char(c)?,
            }
        }
        self.write_char('\'')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(module: &str, name: &str, args: Vec<Value>) -> Opaque {
        Opaque::call(module, name, args)
    }

    #[test]
    fn objects_look_as_in_python() {
        let text = |o: Opaque| to_text(&Value::Opaque(Box::new(o)));
        assert_eq!(text(call("decimal", "Decimal", vec!["1.5".into()])), "decimal.Decimal('1.5')");
        assert_eq!(text(call("builtins", "ValueError", vec!["it's".into()])), r"ValueError('it\'s')");
        assert_eq!(text(Opaque::global("builtins", "int")), "<builtins.int>");
        let full = Opaque {
            form: OpaqueForm::New,
            kwargs: vec![("k".into(), 2.into())],
            items: vec![3.0.into()],
            entries: vec![(Value::Null, Value::Bytes(vec![0, b'a']))],
            members: vec![Value::Tuple(vec![true.into()])],
            state: Some(Value::Set(vec![])),
            ..call("m", "C", vec![1.into()])
        };
        assert_eq!(text(full), r"m.C(1, k=2, [3.0], {None: b'\x00a'}, {(True,)}, set())");
        let callee = Value::Opaque(Box::new(call("m", "maker", vec![1.into()])));
        let called = Opaque { form: OpaqueForm::CallObject, ..call("m", "maker", vec![callee, 2.into()]) };
        assert_eq!(text(called), "m.maker(1)(2)");
        let lost = Opaque { form: OpaqueForm::Placeholder, ..call("oyez", "recursive reference", vec![]) };
        assert_eq!(text(lost), "<recursive reference>");
    }

    #[test]
    fn long_texts_are_cut() {
        let text = to_text(&Value::List(vec![Value::from("\u{20ac}".repeat(10_000).as_str())]));
        assert!(text.len() <= MAX_TEXT + 3 && text.ends_with("\u{20ac}..."));
    }

    #[test]
    fn nothing_opaque_is_left_anywhere_in_a_value() {
        let object = || Value::Opaque(Box::new(call("m", "C", vec![])));
        let value = Value::Map(vec![(object(), Value::List(vec![Value::Tuple(vec![object()]), 1.into()]))]);
        let expected = Value::Map(vec![(
            "m.C()".into(),
            Value::List(vec![Value::Tuple(vec!["m.C()".into()]), 1.into()]),
        )]);
        assert_eq!(without_opaque(&value), expected);
    }
}
