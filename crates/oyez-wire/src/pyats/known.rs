//! What an object of a well-known class stands for, and how Python prints it.
//!
//! A pickle says how an object is made ([`Opaque`]); what a reader of a report wants is what it is: a dictionary, a date,
//! a path. The classes here are those of Python's own library that turn up in extras and parameters, and pyATS's. How
//! they are pickled was seen by pickling them (Python 3.11, protocol 4); how they are printed by printing them.

use std::fmt::Write as _;

use jiff::civil::Date;
use oyez_model::Value;
use oyez_model::value::{BigInt, Opaque, OpaqueForm};

use super::objects;
use super::repr::{self, put};
use super::tree::{Counter, Verdict};

/// What an object stands for.
#[derive(Clone, Debug)]
pub enum Shape<'v> {
    /// A TestResult.
    Result(Verdict),
    /// A ResultCounter.
    Counter(Counter),
    /// pyATS's AttrDict.
    AttrDict(&'v [(Value, Value)]),
    /// Another subclass of `dict`.
    Dict(&'v [(Value, Value)]),
    /// A subclass of `list`, a deque.
    List(&'v [Value]),
    /// A frozenset, or a subclass of `set`.
    Set(&'v [Value]),
    /// A subclass of `str`: a TestableId.
    Text(&'v str),
    /// A bytearray.
    Bytes(&'v [u8]),
    /// A date without a time.
    Date(Date),
    /// An exception.
    Exception,
    /// A class itself.
    Class,
    /// It cannot be made again; its name says why.
    Placeholder,
    /// Anything else.
    Object,
}

/// What an object stands for.
#[must_use]
pub fn shape(o: &Opaque) -> Shape<'_> {
    match o.form {
        OpaqueForm::Global if o.module == "builtins" && is_constant(&o.name) => return Shape::Object,
        OpaqueForm::Global => return Shape::Class,
        OpaqueForm::Placeholder => return Shape::Placeholder,
        OpaqueForm::CallObject | OpaqueForm::NewObject => return Shape::Object,
        OpaqueForm::Call | OpaqueForm::New => {}
    }
    match (o.module.as_str(), o.name.as_str()) {
        ("pyats.results.result", "TestResult") => objects::verdict_of(o).map_or(Shape::Object, Shape::Result),
        ("pyats.results.counter", "ResultCounter") => {
            match o.args.first().and_then(objects::counter_of_map) {
                Some(counter) => Shape::Counter(counter),
                None => Shape::Object,
            }
        }
        ("pyats.results.context", "TestableId") => match o.args.first() {
            Some(Value::Text(text)) => Shape::Text(text),
            _ => Shape::Object,
        },
        ("pyats.datastructures.attrdict", "AttrDict") => Shape::AttrDict(&o.entries),
        ("collections", "OrderedDict" | "defaultdict") => Shape::Dict(&o.entries),
        ("collections", "Counter") => match o.args.first() {
            Some(Value::Map(pairs)) => Shape::Dict(pairs),
            _ => Shape::Dict(&o.entries),
        },
        ("collections", "deque") => Shape::List(&o.items),
        ("builtins", "frozenset" | "set") => match o.args.first() {
            Some(Value::List(items) | Value::Set(items) | Value::Tuple(items)) => Shape::Set(items),
            _ => Shape::Set(&o.members),
        },
        ("builtins", "bytearray") => match o.args.first() {
            Some(Value::Bytes(bytes)) => Shape::Bytes(bytes),
            None => Shape::Bytes(&[]),
            _ => Shape::Object,
        },
        ("datetime", "date") => date(o).map_or(Shape::Object, Shape::Date),
        _ if is_exception(&o.name) => Shape::Exception,
        // Only what has a `__setitem__`, an `append` or an `add` is filled like this; nearly always it is a subclass.
        _ if !o.entries.is_empty() => Shape::Dict(&o.entries),
        _ if !o.items.is_empty() => Shape::List(&o.items),
        _ if !o.members.is_empty() => Shape::Set(&o.members),
        _ => Shape::Object,
    }
}

/// The class as Python prints it: `<class 'decimal.Decimal'>`.
#[must_use]
pub fn class(o: &Opaque) -> String {
    let (module, name) = match (o.form, o.args.first()) {
        (OpaqueForm::CallObject | OpaqueForm::NewObject, Some(Value::Opaque(of))) => (&of.module, &of.name),
        _ => (&o.module, &o.name),
    };
    match module.as_str() {
        "builtins" if o.form == OpaqueForm::Global && name == "Ellipsis" => "<class 'ellipsis'>".to_owned(),
        "builtins" if o.form == OpaqueForm::Global && name == "NotImplemented" => {
            "<class 'NotImplementedType'>".to_owned()
        }
        "builtins" | "" => format!("<class '{name}'>"),
        module => format!("<class '{module}.{name}'>"),
    }
}

/// These stand in a pickle by their name, as classes do.
fn is_constant(name: &str) -> bool {
    matches!(name, "Ellipsis" | "NotImplemented")
}

fn is_exception(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let ends = ["Error", "Exception", "Warning", "Interrupt", "Exit", "Iteration", "Failure"];
    ends.iter().any(|end| last.ends_with(end))
}

/// A date from its four bytes: the year with the most significant first, month, day.
fn date(o: &Opaque) -> Option<Date> {
    let Some(Value::Bytes(b)) = o.args.first() else { return None };
    let [high, low, month, day] = b.as_slice() else { return None };
    let year = i16::from_be_bytes([*high, *low]);
    Date::new(year, i8::try_from(*month).ok()?, i8::try_from(*day).ok()?).ok()
}

/// Appends an object as Python's `repr` prints it.
pub(super) fn put_object(o: &Opaque, out: &mut String) {
    match shape(o) {
        Shape::Result(verdict) => {
            let word = verdict.outcome.as_str();
            out.push_str(&word[..1].to_ascii_uppercase());
            out.push_str(&word[1..]);
        }
        Shape::Counter(counter) => put_counter(&counter, out),
        Shape::AttrDict(pairs) => wrapped("AttrDict", out, |out| put_pairs(pairs, out)),
        Shape::Dict(pairs) => put_dict(o, pairs, out),
        Shape::List(items) if o.name == "deque" => {
            out.push_str("deque(");
            repr::around(items, "[", "]", out);
            if let Some(Value::Int(most)) = o.args.get(1) {
                let _ = write!(out, ", maxlen={most}");
            }
            out.push(')');
        }
        Shape::List(items) => repr::around(items, "[", "]", out),
        Shape::Set(items) => match items {
            [] => {
                let _ = write!(out, "{}()", o.name);
            }
            _ => wrapped(&o.name, out, |out| repr::around(items, "{", "}", out)),
        },
        Shape::Text(text) => repr::quoted(text, out),
        Shape::Bytes(bytes) => wrapped("bytearray", out, |out| repr::put_bytes(bytes, out)),
        Shape::Date(d) => {
            let _ = write!(out, "datetime.date({}, {}, {})", d.year(), d.month(), d.day());
        }
        Shape::Class => out.push_str(&class(o)),
        Shape::Placeholder => {
            let _ = write!(out, "<{}>", o.name);
        }
        Shape::Exception => put_call(o, out),
        Shape::Object => put_other(o, out),
    }
}

fn put_other(o: &Opaque, out: &mut String) {
    match (o.module.as_str(), o.name.as_str(), o.args.as_slice()) {
        ("builtins", name, _) if o.form == OpaqueForm::Global => out.push_str(name),
        ("uuid", "UUID", _) => match o.state.as_ref().and_then(|s| s.get("int")).and_then(bits) {
            Some(n) => {
                let h = format!("{n:032x}");
                let _ = write!(
                    out,
                    "UUID('{}-{}-{}-{}-{}')",
                    &h[..8],
                    &h[8..12],
                    &h[12..16],
                    &h[16..20],
                    &h[20..]
                );
            }
            None => put_call(o, out),
        },
        ("pathlib" | "pathlib._local", name, parts) if name.ends_with("Path") => {
            let mut path = String::new();
            for part in parts.iter().filter_map(Value::as_str) {
                if !path.is_empty() && !path.ends_with('/') {
                    path.push('/');
                }
                path.push_str(part);
            }
            out.push_str(name);
            out.push('(');
            repr::quoted(if path.is_empty() { "." } else { &path }, out);
            out.push(')');
        }
        ("datetime", "timedelta", [Value::Int(days), Value::Int(seconds), Value::Int(micros)]) => {
            let parts = [("days", days), ("seconds", seconds), ("microseconds", micros)];
            let said: Vec<String> =
                parts.iter().filter(|(_, n)| **n != 0).map(|(name, n)| format!("{name}={n}")).collect();
            let said = if said.is_empty() { "0".to_owned() } else { said.join(", ") };
            let _ = write!(out, "datetime.timedelta({said})");
        }
        ("datetime", "time", [Value::Bytes(b)]) if b.len() == 6 => {
            let micros = u32::from_be_bytes([0, b[3], b[4], b[5]]);
            let _ = write!(out, "datetime.time({}, {}", b[0] & 0x7f, b[1]);
            if b[2] != 0 || micros != 0 {
                let _ = write!(out, ", {}", b[2]);
            }
            if micros != 0 {
                let _ = write!(out, ", {micros}");
            }
            out.push(')');
        }
        ("builtins", "complex", [Value::Float(re), Value::Float(im)]) => {
            let short = |f: &f64| repr::float(*f).trim_end_matches(".0").to_owned();
            let sign = if im.is_sign_negative() { "" } else { "+" };
            let _ = match *re == 0.0 && re.is_sign_positive() {
                true => write!(out, "{}j", short(im)),
                false => write!(out, "({}{sign}{}j)", short(re), short(im)),
            };
        }
        ("builtins", "range", [from, to, Value::Int(1)]) => {
            out.push_str("range");
            repr::around([from, to], "(", ")", out);
        }
        ("builtins", "getattr", _) | (_, _, [_, ..]) => put_call(o, out),
        ("builtins", name, []) if o.form == OpaqueForm::Call => {
            let _ = write!(out, "{name}()");
        }
        _ => {
            let _ = write!(out, "<{}.{} object>", o.module, o.name);
        }
    }
}

fn put_dict(o: &Opaque, pairs: &[(Value, Value)], out: &mut String) {
    match o.name.as_str() {
        name @ ("OrderedDict" | "Counter") if pairs.is_empty() => {
            let _ = write!(out, "{name}()");
        }
        "OrderedDict" => {
            out.push_str("OrderedDict([");
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                repr::around([key, value], "(", ")", out);
            }
            out.push_str("])");
        }
        "defaultdict" => {
            out.push_str("defaultdict(");
            put(o.args.first().unwrap_or(&Value::Null), out);
            out.push_str(", ");
            put_pairs(pairs, out);
            out.push(')');
        }
        "Counter" => wrapped("Counter", out, |out| put_pairs(pairs, out)),
        // A subclass prints itself as its base does, unless it says otherwise.
        _ => put_pairs(pairs, out),
    }
}

fn put_call(o: &Opaque, out: &mut String) {
    out.push_str(o.name.rsplit('.').next().unwrap_or(&o.name));
    repr::around(&o.args, "(", ")", out);
}

fn put_counter(counter: &Counter, out: &mut String) {
    out.push('{');
    for (name, n) in Counter::NAMES.iter().zip(counter.of) {
        let _ = write!(out, "'{name}': {n}, ");
    }
    let _ = write!(
        out,
        "'total': {}, 'success_rate': {}}}",
        counter.total(),
        repr::float(counter.success_rate())
    );
}

fn put_pairs(pairs: &[(Value, Value)], out: &mut String) {
    out.push('{');
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        put(key, out);
        out.push_str(": ");
        put(value, out);
    }
    out.push('}');
}

fn wrapped(name: &str, out: &mut String, inner: impl FnOnce(&mut String)) {
    out.push_str(name);
    out.push('(');
    inner(out);
    out.push(')');
}

fn bits(value: &Value) -> Option<u128> {
    match value {
        Value::Int(n) => u128::try_from(*n).ok(),
        Value::Big(BigInt { negative: false, magnitude }) if magnitude.len() <= 16 => {
            Some(magnitude.iter().fold(0, |n, b| (n << 8) | u128::from(*b)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyats::repr::repr;

    fn object(module: &str, name: &str, args: Vec<Value>) -> Opaque {
        Opaque::call(module, name, args)
    }

    fn printed(o: Opaque) -> String {
        repr(&Value::Opaque(Box::new(o)))
    }

    #[test]
    fn objects_of_pythons_library_print_as_python_prints_them() {
        let pairs = vec![(Value::text("b"), Value::Int(1)), (Value::text("a"), Value::Int(2))];
        let ordered = Opaque { entries: pairs.clone(), ..object("collections", "OrderedDict", vec![]) };
        assert_eq!(printed(ordered), "OrderedDict([('b', 1), ('a', 2)])");
        let by_default = Opaque { entries: pairs, ..object("collections", "defaultdict", vec![]) };
        assert_eq!(printed(by_default), "defaultdict(None, {'b': 1, 'a': 2})");
        let queue = object("collections", "deque", vec![Value::Tuple(vec![]), Value::Int(5)]);
        assert_eq!(printed(Opaque { items: vec![1.into(), 2.into()], ..queue }), "deque([1, 2], maxlen=5)");
        assert_eq!(printed(object("decimal", "Decimal", vec!["1.5".into()])), "Decimal('1.5')");
        let path = object("pathlib", "PurePosixPath", vec!["/".into(), "a".into(), "b".into()]);
        assert_eq!(printed(path), "PurePosixPath('/a/b')");
        let date = object("datetime", "date", vec![Value::Bytes(vec![7, 0xea, 1, 2])]);
        assert_eq!(printed(date), "datetime.date(2026, 1, 2)");
        let time = object("datetime", "time", vec![Value::Bytes(vec![1, 2, 3, 0, 0, 4])]);
        assert_eq!(printed(time), "datetime.time(1, 2, 3, 4)");
        let delta = object("datetime", "timedelta", vec![1.into(), 0.into(), 3.into()]);
        assert_eq!(printed(delta), "datetime.timedelta(days=1, microseconds=3)");
        assert_eq!(printed(object("builtins", "complex", vec![1.0.into(), 2.0.into()])), "(1+2j)");
        assert_eq!(printed(object("builtins", "range", vec![0.into(), 3.into(), 1.into()])), "range(0, 3)");
        let frozen = object("builtins", "frozenset", vec![Value::List(vec![1.into()])]);
        assert_eq!(printed(frozen), "frozenset({1})");
        assert_eq!(
            printed(object("builtins", "bytearray", vec![Value::Bytes(vec![b'a'])])),
            "bytearray(b'a')"
        );
        let uuid =
            Opaque { state: Some(objects::map([("int", Value::Int(5))])), ..object("uuid", "UUID", vec![]) };
        assert_eq!(printed(uuid), "UUID('00000000-0000-0000-0000-000000000005')");
        assert_eq!(printed(Opaque::global("builtins", "int")), "<class 'int'>");
        let made = Opaque { form: OpaqueForm::New, ..object("my.mod", "Widget", vec![]) };
        assert_eq!(printed(made), "<my.mod.Widget object>");
    }
}
