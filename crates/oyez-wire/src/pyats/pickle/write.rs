//! Values as pickles that Python's own reader takes for equal objects.

use oyez_model::Value;
use oyez_model::value::{MAX_DEPTH, Opaque, OpaqueForm};

use super::build::RECURSIVE;
use super::literal::is_utf8_with_surrogates;
use super::text::to_text;
use super::writer::Writer;

/// Stands for what is nested deeper than a value may be.
const TOO_DEEP: &str = "(left out: nested too deep)";

fn is_recursive(o: &Opaque) -> bool {
    o.form == OpaqueForm::Placeholder && o.name == RECURSIVE
}

/// Whether something in it refers to what it is in.
fn is_cyclic(value: &Value) -> bool {
    let pairs = |pairs: &[(Value, Value)]| pairs.iter().any(|(k, v)| is_cyclic(k) || is_cyclic(v));
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().any(is_cyclic),
        Value::Map(entries) => pairs(entries),
        Value::Opaque(o) => {
            is_recursive(o)
                || [&o.args, &o.items, &o.members].iter().any(|part| part.iter().any(is_cyclic))
                || pairs(&o.kwargs)
                || pairs(&o.entries)
                || o.state.as_ref().is_some_and(is_cyclic)
        }
        _ => false,
    }
}

/// A value as a pickle of protocol 4.
///
/// What Python could not make is written as text, so that the rest can be read: placeholders, objects made by a
/// placeholder, what is nested deeper than [`MAX_DEPTH`], and lists, sets and maps as keys.
#[must_use]
pub fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write_into(value, &mut out);
    out
}

/// Appends a value as a pickle of protocol 4; see [`write()`].
pub fn write_into(value: &Value, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.value(value);
    writer.finish();
}

impl Writer<'_> {
    /// A whole value; see [`write()`] for what becomes text.
    pub fn value(&mut self, value: &Value) {
        // For others than the user that it came from it is text, as every object is.
        self.cyclic = !self.opaque_as_text && is_cyclic(value);
        self.nested(value, MAX_DEPTH);
    }

    /// What has just been made may be referred to from within.
    fn made(&mut self, depth: usize) {
        if self.cyclic {
            let number = self.memoize();
            self.open.push((depth, number));
        }
    }

    /// The value so many levels up, when it has been made already.
    fn above(&self, levels: &Value, depth: usize) -> Option<u32> {
        let Value::Int(levels) = levels else { return None };
        let at = depth.checked_add(usize::try_from(*levels).ok()?)?;
        self.open.iter().rev().find(|(open, _)| *open == at).map(|(_, number)| *number)
    }

    fn nested(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => self.none(),
            Value::Bool(b) => self.bool(*b),
            Value::Int(n) => self.int(*n),
            Value::Big(n) => self.big(n),
            Value::Float(n) => self.float(*n),
            Value::Text(text) => self.text(text),
            Value::Surrogates(bytes) if is_utf8_with_surrogates(bytes) => self.utf8(bytes),
            Value::Surrogates(bytes) => self.text(&String::from_utf8_lossy(bytes)),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::DateTime(t) => self.datetime(t),
            Value::Opaque(o) if self.cyclic && is_recursive(o) => {
                match o.args.first().and_then(|levels| self.above(levels, depth)) {
                    Some(number) => self.get(number),
                    None => self.text(&to_text(value)),
                }
            }
            Value::Opaque(o) if self.opaque_as_text || !(self.whole || can_be_made(o)) => {
                self.text(&to_text(value))
            }
            value => match depth.checked_sub(1) {
                Some(depth) if depth > 0 || is_empty(value) => {
                    let before = self.open.len();
                    self.parts(value, depth);
                    self.open.truncate(before);
                }
                _ => self.text(TOO_DEEP),
            },
        }
    }

    fn parts(&mut self, value: &Value, depth: usize) {
        match value {
            Value::List(items) => {
                self.list();
                self.made(depth + 1);
                self.appended(items, depth);
            }
            Value::Tuple(items) => self.arguments(items, depth),
            Value::Set(items) => {
                self.set();
                self.made(depth + 1);
                self.added(items, depth);
            }
            Value::Map(pairs) => {
                self.dict();
                self.made(depth + 1);
                self.entries(pairs, depth);
            }
            Value::Opaque(o) => self.object(o, depth),
            _ => {}
        }
    }

    fn object(&mut self, o: &Opaque, depth: usize) {
        let args = match o.form {
            OpaqueForm::CallObject | OpaqueForm::NewObject => {
                let (callee, args) = o.args.split_first().unwrap_or((&Value::Null, &[]));
                // It was looked at as a whole, and is not again at each of its levels.
                let before = std::mem::replace(&mut self.whole, true);
                self.nested(callee, depth);
                self.whole = before;
                args
            }
            _ => {
                self.global(&o.module, &o.name);
                &o.args
            }
        };
        if o.form == OpaqueForm::Global {
            return;
        }
        self.arguments(args, depth);
        match o.form {
            OpaqueForm::New | OpaqueForm::NewObject if o.kwargs.is_empty() => self.new_object(),
            OpaqueForm::New | OpaqueForm::NewObject => {
                self.dict();
                self.entries(&o.kwargs, depth);
                self.new_object_with_names();
            }
            _ => self.reduce(),
        }
        self.made(depth + 1);
        self.appended(&o.items, depth);
        self.entries(&o.entries, depth);
        self.added(&o.members, depth);
        if let Some(state) = &o.state {
            self.nested(state, depth);
            self.build();
        }
    }

    /// A tuple.
    fn arguments(&mut self, items: &[Value], depth: usize) {
        if items.len() > 3 {
            self.mark();
        }
        for item in items {
            self.nested(item, depth);
        }
        match items.len() {
            0 => self.empty_tuple(),
            1 => self.tuple1(),
            2 => self.tuple2(),
            3 => self.tuple3(),
            _ => self.tuple(),
        }
    }

    fn appended(&mut self, items: &[Value], depth: usize) {
        match items {
            [] => {}
            [item] => {
                self.nested(item, depth);
                self.append();
            }
            items => {
                self.mark();
                for item in items {
                    self.nested(item, depth);
                }
                self.append_items();
            }
        }
    }

    fn entries(&mut self, pairs: &[(Value, Value)], depth: usize) {
        match pairs {
            [] => {}
            [(key, value)] => {
                self.key(key, depth);
                self.nested(value, depth);
                self.set_item();
            }
            pairs => {
                self.mark();
                for (key, value) in pairs {
                    self.key(key, depth);
                    self.nested(value, depth);
                }
                self.set_items();
            }
        }
    }

    fn added(&mut self, items: &[Value], depth: usize) {
        if !items.is_empty() {
            self.mark();
            for item in items {
                self.key(item, depth);
            }
            self.add_items();
        }
    }

    /// A key of a dictionary or a member of a set: Python refuses those that can change.
    fn key(&mut self, key: &Value, depth: usize) {
        if can_be_key(key, depth) { self.nested(key, depth) } else { self.text(&to_text(key)) }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.is_empty(),
        Value::Map(pairs) => pairs.is_empty(),
        Value::Opaque(o) => o.parts().next().is_none(),
        _ => false,
    }
}

/// Whether Python can make the object. What it calls has to be an object that is made from all it was made from: with a
/// text in place of a part it may be something else, which cannot be called.
fn can_be_made(o: &Opaque) -> bool {
    match o.form {
        OpaqueForm::Placeholder => false,
        OpaqueForm::CallObject | OpaqueForm::NewObject => match o.args.first() {
            Some(callee @ Value::Opaque(_)) => is_whole(callee, MAX_DEPTH),
            _ => false,
        },
        OpaqueForm::Call | OpaqueForm::Global | OpaqueForm::New => true,
    }
}

/// Whether no part of it will be a text in place of an object.
fn is_whole(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let all = |items: &[Value]| items.iter().all(|item| is_whole(item, depth));
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => all(items),
        Value::Map(pairs) => pairs.iter().all(|(k, v)| is_whole(k, depth) && is_whole(v, depth)),
        Value::Opaque(o) => {
            let made = match o.form {
                OpaqueForm::Placeholder => false,
                OpaqueForm::CallObject | OpaqueForm::NewObject => {
                    matches!(o.args.first(), Some(Value::Opaque(_)))
                }
                OpaqueForm::Call | OpaqueForm::Global | OpaqueForm::New => true,
            };
            made && o.parts().all(|part| is_whole(part, depth))
        }
        _ => true,
    }
}

fn can_be_key(key: &Value, depth: usize) -> bool {
    match key {
        Value::List(_) | Value::Set(_) | Value::Map(_) => false,
        Value::Tuple(items) => depth == 0 || items.iter().all(|item| can_be_key(item, depth - 1)),
        Value::Opaque(o) => (o.module.as_str(), o.name.as_str()) != ("builtins", "bytearray"),
        _ => true,
    }
}
