//! YAML to JSON text, as ConTest's command line does before it sends a descriptor.
//!
//! The YAML is never built as a tree: its events are written down as JSON. Depth, nodes, aliases and the length of
//! what comes out are bounded, so that a small text of aliases of aliases cannot grow without end.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::input::LONGEST;
use crate::diagnostic::Position;

/// What is wrong with a YAML text, and where.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) message: String,
    pub(crate) position: Option<Position>,
}

/// Nesting that is no descriptor any more, and would cost stack.
const DEEPEST: usize = 64;
/// A million targets of four fields each are ten million nodes.
const MOST_NODES: usize = 20_000_000;

/// How a descriptor's YAML is read, up to so many nodes.
pub(super) fn options(most_nodes: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_events: 2 * most_nodes,
            max_nodes: most_nodes,
            max_total_scalar_bytes: LONGEST,
            max_documents: 1,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// Writes a member's name as JSON text.
///
/// # Errors
/// It is nothing that can be a name.
pub(super) fn write_key<'de, D: Deserializer<'de>>(
    out: &mut String,
    deserializer: D,
) -> Result<(), D::Error> {
    Key(out).deserialize(deserializer)
}

/// The JSON text that says the same.
pub(crate) fn to_json(text: &str) -> Result<String, YamlError> {
    let options = options(MOST_NODES);
    let mut out = String::with_capacity(text.len());
    let result = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        ToJson(&mut out).deserialize(deserializer)
    });
    result.map(|()| out).map_err(|e| {
        let e = e.without_snippet();
        let position = e.location().and_then(|at| {
            let number = |n: u64| usize::try_from(n).ok().filter(|n| *n > 0);
            Some(Position { line: number(at.line())?, column: number(at.column())? })
        });
        YamlError { message: e.to_string(), position }
    })
}

/// Writes the value that it is given.
struct ToJson<'o>(&'o mut String);

impl ToJson<'_> {
    fn push<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.0.len().saturating_add(text.len()) > 2 * LONGEST {
            return Err(E::custom(format_args!(
                "the descriptor is too long: more than {} bytes",
                2 * LONGEST
            )));
        }
        self.0.push_str(text);
        Ok(())
    }

    fn push_text<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let quoted = serde_json::to_string(text).map_err(E::custom)?;
        self.push(&quoted)
    }
}

impl<'de> DeserializeSeed<'de> for ToJson<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ToJson<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.push("null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.push("null")
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<(), E> {
        self.push(if v { "true" } else { "false" })
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<(), E> {
        self.push(&v.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<(), E> {
        self.push(&v.to_string())
    }

    fn visit_i128<E: serde::de::Error>(self, v: i128) -> Result<(), E> {
        self.push(&v.to_string())
    }

    fn visit_u128<E: serde::de::Error>(self, v: u128) -> Result<(), E> {
        self.push(&v.to_string())
    }

    /// As Go prints it: `1.0` is `1`.
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<(), E> {
        if !v.is_finite() {
            return Err(E::custom("infinity and NaN cannot stand in a descriptor"));
        }
        self.push(&v.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<(), E> {
        self.push_text(v)
    }

    fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<(), E> {
        match std::str::from_utf8(v) {
            Ok(text) => self.push_text(text),
            Err(_) => Err(E::custom("binary data cannot stand in a descriptor")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let out = self.0;
        ToJson(out).push("[")?;
        let mut first = true;
        loop {
            let mark = out.len();
            if !first {
                ToJson(out).push(",")?;
            }
            first = false;
            if items.next_element_seed(ToJson(out))?.is_none() {
                out.truncate(mark);
                break;
            }
        }
        ToJson(out).push("]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let out = self.0;
        ToJson(out).push("{")?;
        let mut first = true;
        loop {
            let mark = out.len();
            if !first {
                ToJson(out).push(",")?;
            }
            first = false;
            if members.next_key_seed(Key(out))?.is_none() {
                out.truncate(mark);
                break;
            }
            ToJson(out).push(":")?;
            members.next_value_seed(ToJson(out))?;
        }
        ToJson(out).push("}")
    }
}

/// Writes a key; a plain scalar that is no text becomes its text.
struct Key<'o>(&'o mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<(), E> {
        ToJson(self.0).push_text(v)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<(), E> {
        ToJson(self.0).push_text(if v { "true" } else { "false" })
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<(), E> {
        ToJson(self.0).push_text(&v.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<(), E> {
        ToJson(self.0).push_text(&v.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<(), E> {
        ToJson(self.0).push_text(&v.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn yaml_becomes_the_json_that_says_the_same() {
        let text = "a: 1\nb: [x, 1.0, 1.5, true, no, null, ~]\nc:\n  - {d: \"q\\\"\"}\n3: 'y'\ne:\n";
        let json = "{\"a\":1,\"b\":[\"x\",1,1.5,true,\"no\",null,null],\"c\":[{\"d\":\"q\\\"\"}],\"3\":\"y\",\"e\":null}";
        assert_eq!(to_json(text).unwrap(), json);
    }

    #[test]
    fn anchors_and_merges_work() {
        let text = "base: &b {x: 1}\nother:\n  <<: *b\n  y: 2\nsame: *b\n";
        assert_eq!(
            to_json(text).unwrap(),
            "{\"base\":{\"x\":1},\"other\":{\"y\":2,\"x\":1},\"same\":{\"x\":1}}"
        );
    }

    #[test]
    fn a_mistake_has_its_place() {
        let e = to_json("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(e.position.is_some_and(|p| p.line >= 2), "{e:?}");
        let e = to_json("a: 1\na: 2\n").unwrap_err();
        assert_eq!(e.position.map(|p| p.line), Some(2), "{e:?}");
    }

    #[test]
    fn aliases_of_aliases_do_not_explode() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let items = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{items}]\n"));
        }
        assert!(to_json(&text).is_err());
        assert!(to_json(&"[".repeat(100_000)).is_err());
        assert!(to_json(&"- ".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn what_comes_out_is_json(text in "[a-c:\\- \\n\\[\\]{}&*'\"#|>!%0-9,?]{0,60}") {
            if let Ok(json) = to_json(&text) {
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok(), "{}", json);
            }
        }
    }
}
