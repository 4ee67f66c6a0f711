//! A value as JSON. What JSON can say is itself; the rest is an object with one key that starts with `$`, so that no
//! two values look alike: `{"$bytes": "base16"}`, `{"$tuple": []}`, `{"$set": []}`, `{"$map": [[key, value]]}` (keys
//! that are not texts, that start with `$` or come twice), `{"$int": "decimal or 0x"}`, `{"$float": "NaN"}`, `{"$wtf8": "base16"}`,
//! `{"$datetime": "...", "offset": seconds}`, `{"$object": "module.name", "form": "new", "args": [], "kwargs": {}, "items": [],
//! "entries": {}, "members": [], "state": ...}`; what is empty there, and a form that is a plain call, are left out.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{BigInt, DateTime, Opaque, OpaqueForm, Value};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => s.serialize_unit(),
            Value::Bool(b) => s.serialize_bool(*b),
            Value::Int(n) => s.serialize_i64(*n),
            Value::Big(n) => one(s, "$int", &n.to_string()),
            Value::Float(f) if f.is_finite() => s.serialize_f64(*f),
            Value::Float(f) => one(s, "$float", &f.to_string()),
            Value::Text(t) => s.serialize_str(t),
            Value::Surrogates(b) => one(s, "$wtf8", &hex(b)),
            Value::Bytes(b) => one(s, "$bytes", &hex(b)),
            Value::List(items) => items.serialize(s),
            Value::Tuple(items) => one(s, "$tuple", items),
            Value::Set(items) => one(s, "$set", items),
            Value::Map(pairs) => Pairs(pairs).serialize(s),
            Value::DateTime(t) => datetime(t, s),
            Value::Opaque(o) => object(o, s),
        }
    }
}

struct Pairs<'v>(&'v [(Value, Value)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !keys_are_plain(self.0) {
            return one(s, "$map", self.0);
        }
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (k, v) in self.0 {
            map.serialize_entry(k.as_str().unwrap_or_default(), v)?;
        }
        map.end()
    }
}

fn keys_are_plain(pairs: &[(Value, Value)]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(pairs.len());
    pairs.iter().all(|(k, _)| k.as_str().is_some_and(|k| !k.starts_with('$') && seen.insert(k)))
}

fn one<S: Serializer, T: Serialize + ?Sized>(s: S, key: &str, value: &T) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

fn datetime<S: Serializer>(t: &DateTime, s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(None)?;
    map.serialize_entry("$datetime", &t.civil.to_string())?;
    if let Some(offset) = t.offset {
        map.serialize_entry("offset", &offset)?;
    }
    if let Some(zone) = &t.zone {
        map.serialize_entry("zone", zone)?;
    }
    map.end()
}

fn object<S: Serializer>(o: &Opaque, s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(None)?;
    map.serialize_entry("$object", &format!("{}.{}", o.module, o.name))?;
    if o.form != OpaqueForm::Call {
        map.serialize_entry("form", o.form.word())?;
    }
    if !o.args.is_empty() {
        map.serialize_entry("args", &o.args)?;
    }
    if !o.kwargs.is_empty() {
        map.serialize_entry("kwargs", &Pairs(&o.kwargs))?;
    }
    if !o.items.is_empty() {
        map.serialize_entry("items", &o.items)?;
    }
    if !o.entries.is_empty() {
        map.serialize_entry("entries", &Pairs(&o.entries))?;
    }
    if !o.members.is_empty() {
        map.serialize_entry("members", &o.members)?;
    }
    if let Some(state) = &o.state {
        map.serialize_entry("state", state)?;
    }
    map.end()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl std::fmt::Display for BigInt {
    /// Decimal up to 128 bits, else base 16; a negative one is -1 - magnitude.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.magnitude.len() < 16 {
            let n = self.magnitude.iter().fold(0i128, |n, b| (n << 8) | i128::from(*b));
            return write!(f, "{}", if self.negative { -1 - n } else { n });
        }
        write!(f, "{}0x{}", if self.negative { "-1-" } else { "" }, hex(&self.magnitude))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_json_cannot_say_are_marked() {
        let json = |v: Value| serde_json::to_string(&v).unwrap();
        assert_eq!(json(Value::Tuple(vec![1.into(), f64::NAN.into()])), r#"{"$tuple":[1,{"$float":"NaN"}]}"#);
        assert_eq!(json(Value::Map(vec![(1.into(), "a".into())])), r#"{"$map":[[1,"a"]]}"#);
        assert_eq!(json(Value::Map(vec![("a".into(), Value::Null)])), r#"{"a":null}"#);
        let big = BigInt { negative: true, magnitude: vec![1, 0, 0, 0, 0, 0, 0, 0, 0] };
        assert_eq!(json(Value::Big(big)), r#"{"$int":"-18446744073709551617"}"#);
    }

    #[test]
    fn an_object_says_only_what_there_is_to_say() {
        let json = |o: Opaque| serde_json::to_string(&Value::Opaque(Box::new(o))).unwrap();
        let called = Opaque::call("m", "C", vec![1.into()]);
        assert_eq!(json(called.clone()), r#"{"$object":"m.C","args":[1]}"#);
        assert_eq!(json(Opaque::global("m", "C")), r#"{"$object":"m.C","form":"global"}"#);
        let full = Opaque {
            form: OpaqueForm::New,
            kwargs: vec![("k".into(), 2.into())],
            items: vec![3.into()],
            entries: vec![(4.into(), 5.into())],
            members: vec![6.into()],
            state: Some(Value::Null),
            ..called
        };
        let expected = concat!(
            r#"{"$object":"m.C","form":"new","args":[1],"kwargs":{"k":2},"items":[3],"#,
            r#""entries":{"$map":[[4,5]]},"members":[6],"state":null}"#
        );
        assert_eq!(json(full), expected);
    }
}
