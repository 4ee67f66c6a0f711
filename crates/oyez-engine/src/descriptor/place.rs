//! From a path to the line and column in the text, for people who look for the mistake in their editor.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::folds_to;
use super::raw::{Kind, TextSeed, kind};
use super::spans;
use crate::diagnostic::{Diagnostic, Position};

/// Longer texts are made by programs, and each place costs a walk through the text.
const LONGEST: usize = 1 << 20;

/// Where a fetcher's steps stand, which paths put directly below the test.
const SHORT_CUTS: [(&str, [&str; 2]); 2] = [
    ("Steps", ["TestFetcherFetchParameters", "Steps"]),
    ("CleanupSteps", ["CleanupFetcherFetchParameters", "Steps"]),
];

/// The text as its author wrote it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Written<'t> {
    Json(&'t str),
    Yaml(&'t str),
}

/// Adds the places to those diagnostics that have none yet. A path whose end is not there (something is missing)
/// leads to what should hold it.
pub(crate) fn add(diagnostics: &mut [Diagnostic], written: Written<'_>) {
    let (Written::Json(text) | Written::Yaml(text)) = written;
    let mut without: Vec<_> =
        diagnostics.iter_mut().filter(|d| d.position.is_none() && !d.path.is_empty()).collect();
    if text.len() > LONGEST || without.is_empty() {
        return;
    }
    match written {
        Written::Json(text) => {
            let Ok(root) = serde_json::from_str::<&RawValue>(text) else { return };
            let mut walk = Walk::from(root);
            for diagnostic in without {
                let found = walk.to(&diagnostic.path);
                // A raw value is a part of the text that it was read from.
                let offset = (found.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize);
                diagnostic.position = offset.and_then(|offset| text.get(..offset)).map(end_of);
            }
        }
        Written::Yaml(text) => {
            let Some(root) = spans::read(text) else { return };
            let mut walk = Walk::from(&root);
            for diagnostic in &mut without {
                diagnostic.position = walk.to(&diagnostic.path).position();
            }
        }
    }
}

/// Values that can be gone into.
pub(super) trait Tree: Copy {
    /// An item of a list.
    fn item(self, index: usize) -> Option<Self>;
    /// The member that counts for a name: the last one, in any case.
    fn member(self, name: &str) -> Option<Self>;
}

impl Tree for &RawValue {
    fn item(self, index: usize) -> Option<Self> {
        nth(self, index)
    }

    fn member(self, name: &str) -> Option<Self> {
        member(self, name)
    }
}

/// The line and column just after a text.
pub(super) fn end_of(before: &str) -> Position {
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    Position {
        line: before.bytes().filter(|b| *b == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// Goes to one value after the other. What is wrong stands mostly close together, and each step reads a text: what two paths
/// begin with is gone only once.
struct Walk<T> {
    root: T,
    way: Vec<(Segment, T)>,
}

impl<T: Tree> Walk<T> {
    fn from(root: T) -> Self {
        Walk { root, way: Vec::new() }
    }

    /// The value at the path, or the last one on the way to it.
    fn to(&mut self, path: &str) -> T {
        let segments: Vec<Segment> = segments(path).collect();
        let same = self.way.iter().zip(&segments).take_while(|((was, _), is)| was == *is).count();
        self.way.truncate(same);
        for segment in segments.into_iter().skip(same) {
            let at = self.way.last().map_or(self.root, |(_, at)| *at);
            let next = match &segment {
                Segment::Item(index) => at.item(*index),
                Segment::Field(name) => at.member(name).or_else(|| {
                    let (_, way) = SHORT_CUTS.iter().find(|(short, _)| short == name)?;
                    way.iter().try_fold(at, |at, name| at.member(name))
                }),
            };
            match next {
                Some(next) => self.way.push((segment, next)),
                None => break,
            }
        }
        self.way.last().map_or(self.root, |(_, at)| *at)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Field(String),
    Item(usize),
}

fn segments(path: &str) -> impl Iterator<Item = Segment> {
    path.split('.').flat_map(|part| {
        let (name, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        let items = indexes.split(['[', ']']).filter_map(|index| index.parse().ok().map(Segment::Item));
        std::iter::once(Segment::Field(name.to_owned())).chain(items)
    })
}

/// An item of a list; those after it are not read.
fn nth(list: &RawValue, index: usize) -> Option<&RawValue> {
    struct Nth<'f, 'de>(usize, &'f mut Option<&'de RawValue>);
    impl<'de> Visitor<'de> for Nth<'_, 'de> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
            for _ in 0..self.0 {
                if items.next_element::<&'de RawValue>()?.is_none() {
                    return Ok(());
                }
            }
            *self.1 = items.next_element()?;
            Ok(())
        }
    }
    if kind(list) != Kind::Array {
        return None;
    }
    let mut found = None;
    // That the rest was not read is an error here, and of no interest.
    let _ = serde_json::Deserializer::from_str(list.get()).deserialize_seq(Nth(index, &mut found));
    found
}

/// The member that counts for a name: the last one, in any case.
fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    struct Seed<'n>(&'n str);
    impl<'de> DeserializeSeed<'de> for Seed<'_> {
        type Value = Option<&'de RawValue>;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    impl<'de> Visitor<'de> for Seed<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(name) = members.next_key_seed(TextSeed)? {
                let name: Cow<'de, str> = name;
                let value: &'de RawValue = members.next_value()?;
                if folds_to(self.0, &name) {
                    found = Some(value);
                }
            }
            Ok(found)
        }
    }
    if kind(object) != Kind::Object {
        return None;
    }
    Seed(name).deserialize(&mut serde_json::Deserializer::from_str(object.get())).ok().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_leads_to_its_value_or_to_what_should_hold_it() {
        let text = "{\n \"testdescriptors\": [{\n  \"TestFetcherFetchParameters\": {\n   \"Steps\": [null,\n    {\"label\": \"ä b\", \"x\": 1}]}}]}";
        let root: &RawValue = serde_json::from_str(text).unwrap();
        let mut walk = Walk::from(root);
        let mut at = |path: &str| walk.to(path).get();
        assert_eq!(at("TestDescriptors[0].Steps[1].label"), "\"ä b\"");
        assert_eq!(at("TestDescriptors[0].Steps[1].name"), "{\"label\": \"ä b\", \"x\": 1}");
        assert_eq!(at("TestDescriptors[7].Steps").as_bytes().first(), Some(&b'['));
        assert_eq!(at("TestDescriptors[0].Steps[0]"), "null");
        assert_eq!(at("TestDescriptors[0].Steps[1].x"), "1");
        assert_eq!(at("TestDescriptors[0].Steps[2].x").as_bytes().first(), Some(&b'['));
        assert_eq!(at("JobName"), root.get());
        let mut diagnostics = [Diagnostic {
            severity: crate::Severity::Error,
            path: "TestDescriptors[0].Steps[1].x".into(),
            message: String::new(),
            contest: String::new(),
            hint: None,
            position: None,
        }];
        let unplaced = diagnostics.clone();
        add(&mut diagnostics, Written::Json(text));
        assert_eq!(diagnostics[0].position, Some(Position { line: 5, column: 27 }));
        diagnostics = unplaced;
        let yaml = "testdescriptors:\n- TestFetcherFetchParameters:\n    Steps:\n    -\n    - label: ä b\n      x: 1\n";
        add(&mut diagnostics, Written::Yaml(yaml));
        assert_eq!(diagnostics[0].position, Some(Position { line: 6, column: 10 }));
    }

    /// Values whose members are named by letters, so that a path leads to each of them.
    fn values() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "[a-zäé ]{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::btree_map("[a-z]{1,3}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn paths(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
        out.push(path.to_owned());
        match value {
            serde_json::Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| paths(item, &format!("{path}[{i}]"), out));
            }
            serde_json::Value::Object(members) => {
                members.iter().for_each(|(name, value)| paths(value, &format!("{path}.{name}"), out));
            }
            _ => {}
        }
    }

    proptest! {
        /// JSON is YAML as well.
        #[test]
        fn a_text_that_is_both_has_the_same_places(value in values(), pretty in any::<bool>()) {
            let root = serde_json::json!({"root": value});
            let text = if pretty { serde_json::to_string_pretty(&root).unwrap() } else { root.to_string() };
            let mut found = Vec::new();
            paths(&root["root"], "root", &mut found);
            let diagnostic = |path: String| Diagnostic {
                severity: crate::Severity::Error,
                path,
                message: String::new(),
                contest: String::new(),
                hint: None,
                position: None,
            };
            let mut of_json: Vec<Diagnostic> = found.into_iter().map(diagnostic).collect();
            let mut of_yaml = of_json.clone();
            add(&mut of_json, Written::Json(&text));
            add(&mut of_yaml, Written::Yaml(&text));
            prop_assert!(of_json.iter().all(|d| d.position.is_some()));
            prop_assert_eq!(of_json, of_yaml);
        }
    }
}
