//! Where each value of a YAML text stands. Made only when something is wrong, by reading the text once more: a descriptor
//! without mistakes pays nothing for it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::fields::folds_to;
use super::place::Tree;
use super::yaml;
use crate::diagnostic::Position;

/// Values that are looked at; aliases count each time that they stand for something. A text of one mebibyte without them
/// has no more.
const MOST_NODES: usize = 400_000;

/// A value, by where it stands; what it is does not matter.
#[derive(Debug)]
pub(super) struct Node {
    /// From 1; 0 where it is not known.
    line: u32,
    column: u32,
    below: Below,
}

#[derive(Debug)]
enum Below {
    Nothing,
    Items(Vec<Node>),
    Members(Vec<(String, Node)>),
}

/// The values of a text; `None` if it is no YAML, or too much.
pub(super) fn read(text: &str) -> Option<Node> {
    serde_saphyr::with_deserializer_from_str_with_options(text, yaml::options(MOST_NODES), |deserializer| {
        Node::deserialize(deserializer)
    })
    .ok()
}

impl Node {
    /// Where the value itself stands, not an alias of it.
    pub(super) fn position(&self) -> Option<Position> {
        let number = |n: u32| usize::try_from(n).ok().filter(|n| *n > 0);
        Some(Position { line: number(self.line)?, column: number(self.column)? })
    }
}

impl Tree for &Node {
    fn item(self, index: usize) -> Option<Self> {
        match &self.below {
            Below::Items(items) => items.get(index),
            _ => None,
        }
    }

    fn member(self, name: &str) -> Option<Self> {
        match &self.below {
            Below::Members(members) => {
                members.iter().rev().find(|(key, _)| folds_to(name, key)).map(|(_, node)| node)
            }
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: below, defined, .. } = Spanned::<Below>::deserialize(deserializer)?;
        let number = |n: u64| u32::try_from(n).unwrap_or(0);
        Ok(Node { line: number(defined.line()), column: number(defined.column()), below })
    }
}

impl<'de> Deserialize<'de> for Below {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BelowVisitor)
    }
}

struct BelowVisitor;

/// A scalar has nothing below it, whatever it is.
macro_rules! nothing {
    ($($visit:ident $of:ty),* $(,)?) => {
        $(fn $visit<E: serde::de::Error>(self, _: $of) -> Result<Below, E> {
            Ok(Below::Nothing)
        })*
    };
}

impl<'de> Visitor<'de> for BelowVisitor {
    type Value = Below;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    nothing! {
        visit_bool bool, visit_i64 i64, visit_u64 u64, visit_i128 i128, visit_u128 u128, visit_f64 f64,
        visit_str &str, visit_bytes &[u8],
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Below, E> {
        Ok(Below::Nothing)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Below, E> {
        Ok(Below::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Below, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Below, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Below::Items(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Below, A::Error> {
        let mut out = Vec::new();
        while let Some(Key(name)) = members.next_key()? {
            out.push((name, members.next_value()?));
        }
        Ok(Below::Members(out))
    }
}

/// A member's name as it stands in the JSON.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = String::new();
        yaml::write_key(&mut json, deserializer)?;
        serde_json::from_str(&json).map(Key).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_found_where_it_stands() {
        let text = "a: 1\nb:\n  - x: ä\n  - &two\n    y: [1, 2]\nc: *two\n3: z\n";
        let root = read(text).unwrap();
        let at = |node: Option<&Node>| node.and_then(Node::position).map(|p| (p.line, p.column));
        assert_eq!(at((&root).member("A")), Some((1, 4)));
        let list = (&root).member("b").unwrap();
        assert_eq!(at(list.item(0).and_then(|item| item.member("x"))), Some((3, 8)));
        assert_eq!(at(list.item(1).and_then(|item| item.member("y")).and_then(|y| y.item(1))), Some((5, 12)));
        assert_eq!(at((&root).member("c").and_then(|c| c.member("y"))), Some((5, 8)));
        assert_eq!(at((&root).member("3")), Some((7, 4)));
        assert!((&root).member("d").is_none() && list.item(2).is_none());
    }

    #[test]
    fn what_is_no_yaml_or_too_much_has_no_places() {
        assert!(read("a: [1").is_none());
        let line = format!("[{}]", "x, ".repeat(1_000));
        let text = format!("a: &a {line}\nb: [{}]\n", "*a, ".repeat(1_000));
        assert!(read(&text).is_none());
    }
}
