//! Objects and scalars with the rules of Go's `encoding/json`, which ConTest's users rely on without knowing it:
//! the name of a field matches in any case, `null` is the same as nothing, and of two fields of a name the last one
//! counts. Unlike Go, what nobody reads is pointed out, and every mistake is found, not only the first.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::raw::{Kind, TextSeed, items, kind, map, short, text};
use crate::diagnostic::{Diagnostic, Path, Sink};
use crate::duration::GoDuration;
use crate::nearest::{did_you_mean, nearest};

/// No list in a descriptor, but for that of the targets, has more items; no map has more members.
const MOST_ITEMS: usize = 100_000;

/// The fields that an object may have.
#[derive(Debug)]
pub(crate) struct Level {
    /// The name of ConTest's type, for the texts of Go's decoder.
    pub(crate) go: &'static str,
    /// The names of its fields.
    pub(crate) fields: &'static [&'static str],
}

/// An object that was read: the last value of each known field.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    level: &'static Level,
    values: Vec<Option<&'a RawValue>>,
}

impl<'a> Object<'a> {
    /// The value of a field, by the name that its level has for it.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let index = self.level.fields.iter().position(|field| *field == name)?;
        self.values.get(index).copied().flatten()
    }
}

/// Reads values; what is wrong goes to the sink, and the value is then the zero value.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    pub(crate) sink: &'s mut Sink,
}

impl Reader<'_> {
    /// An object with known fields. `null` and an object of no fields are the same.
    pub(crate) fn object<'a>(
        &mut self,
        raw: Option<&'a RawValue>,
        level: &'static Level,
        path: &Path<'_>,
    ) -> Object<'a> {
        let mut object = Object { level, values: vec![None; level.fields.len()] };
        let Some(raw) = raw else { return object };
        match kind(raw) {
            Kind::Null => {}
            Kind::Object => {
                let seed = FieldsSeed { object: &mut object, path, sink: self.sink };
                if let Err(e) = seed.deserialize(&mut serde_json::Deserializer::from_str(raw.get())) {
                    self.not_text(path, &e);
                }
            }
            _ => {
                self.wrong_type(raw, None, level.go, "an object", path);
            }
        }
        object
    }

    /// The items of a list; none for `null`.
    pub(crate) fn items<'a>(
        &mut self,
        raw: Option<&'a RawValue>,
        owner: &Level,
        go_type: &str,
        path: &Path<'_>,
    ) -> Vec<&'a RawValue> {
        self.many_items(raw, owner, go_type, path, MOST_ITEMS)
    }

    /// The same, with a limit of its own.
    pub(crate) fn many_items<'a>(
        &mut self,
        raw: Option<&'a RawValue>,
        owner: &Level,
        go_type: &str,
        path: &Path<'_>,
        most: usize,
    ) -> Vec<&'a RawValue> {
        let Some(raw) = raw else { return Vec::new() };
        match kind(raw) {
            Kind::Null => Vec::new(),
            Kind::Array => items(raw, most).unwrap_or_else(|_| {
                self.sink.error(path, format!("too many items: more than {most}"));
                Vec::new()
            }),
            _ => {
                let error = self.wrong_type(raw, Some(owner), go_type, "a list", path);
                error.hint(format!("write [{}]", short(raw)));
                Vec::new()
            }
        }
    }

    /// The members of an object whose names are the user's own.
    pub(crate) fn map<'a>(
        &mut self,
        raw: Option<&'a RawValue>,
        owner: &Level,
        go_type: &str,
        path: &Path<'_>,
    ) -> BTreeMap<String, &'a RawValue> {
        let Some(raw) = raw else { return BTreeMap::new() };
        match kind(raw) {
            Kind::Null => BTreeMap::new(),
            Kind::Object => map(raw, MOST_ITEMS).unwrap_or_else(|e| {
                self.not_text(path, &e);
                BTreeMap::new()
            }),
            _ => {
                self.wrong_type(raw, Some(owner), go_type, "an object", path);
                BTreeMap::new()
            }
        }
    }

    /// Text; empty for `null`.
    pub(crate) fn string(&mut self, raw: Option<&RawValue>, owner: &Level, path: &Path<'_>) -> String {
        let Some(raw) = raw else { return String::new() };
        match kind(raw) {
            Kind::Null => String::new(),
            Kind::String => match text(raw) {
                Ok(text) => text.into_owned(),
                Err(e) => {
                    self.not_text(path, &e);
                    String::new()
                }
            },
            other => {
                let error = self.wrong_type(raw, Some(owner), "string", "a string", path);
                if path.to_string() == "Version" && other == Kind::Number {
                    // YAML reads it as a number, and has forgotten how it was written.
                    error.hint("write it in quotes: \"1.0\"");
                } else if matches!(other, Kind::Number | Kind::Bool) {
                    error.hint(format!("write it in quotes: \"{}\"", short(raw)));
                }
                String::new()
            }
        }
    }

    /// A truth value; false for `null`.
    pub(crate) fn bool(&mut self, raw: Option<&RawValue>, owner: &Level, path: &Path<'_>) -> bool {
        let Some(raw) = raw else { return false };
        match raw.get() {
            "true" => return true,
            "false" | "null" => return false,
            _ => {}
        }
        let error = self.wrong_type(raw, Some(owner), "bool", "true or false", path);
        if kind(raw) == Kind::String {
            error.hint("write it without quotes");
        }
        false
    }

    /// A whole number from 0 to `most`; 0 for `null`. Go takes no `1.0` and no `1e2` either.
    pub(crate) fn unsigned(
        &mut self,
        raw: Option<&RawValue>,
        (go_type, most): (&str, u64),
        owner: &Level,
        path: &Path<'_>,
    ) -> u64 {
        let Some(raw) = raw else { return 0 };
        if kind(raw) == Kind::Null {
            return 0;
        }
        let digits = raw.get();
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
        match number.filter(|number| *number <= most) {
            Some(number) => number,
            None => {
                let error = self.wrong_type(raw, Some(owner), go_type, "a whole number, 0 or more", path);
                if digits.bytes().all(|b| b.is_ascii_digit()) {
                    error.message = format!("must be at most {most}, not {}", short(raw));
                } else if kind(raw) == Kind::Number {
                    error.message = format!("must be a whole number, 0 or more, not {}", short(raw));
                }
                if kind(raw) == Kind::String {
                    error.hint("write it without quotes");
                }
                0
            }
        }
    }

    /// A Go duration in quotes; `None` for `null`, for nothing and for the empty text.
    pub(crate) fn duration(&mut self, raw: Option<&RawValue>, path: &Path<'_>) -> Option<GoDuration> {
        const EXAMPLE: &str = "write a duration in quotes: \"3s\", \"1h5m\", \"300ms\"";
        let raw = raw?;
        match kind(raw) {
            Kind::Null => None,
            Kind::String => {
                let text = text(raw).unwrap_or_default();
                if text.is_empty() {
                    return None;
                }
                text.parse().map_err(|e| self.sink.error(path, format!("{e}")).hint(EXAMPLE)).ok()
            }
            other => {
                let error = self.sink.error(path, "not a properly double-quoted string");
                let seconds = format!("write \"{}s\" for seconds, in quotes", short(raw));
                error.hint(if other == Kind::Number { seconds.as_str() } else { EXAMPLE });
                None
            }
        }
    }

    /// A timeout of our own: a duration that is not negative.
    pub(crate) fn timeout(&mut self, raw: Option<&RawValue>, path: &Path<'_>) -> Option<GoDuration> {
        let timeout = self.duration(raw, path)?;
        if timeout.is_negative() {
            self.sink.error(path, "a timeout cannot be negative").hint("leave it out for none");
            return None;
        }
        Some(timeout)
    }

    /// Says that a value is of the wrong type, in our words and in Go's.
    fn wrong_type(
        &mut self,
        raw: &RawValue,
        owner: Option<&Level>,
        go_type: &str,
        wanted: &str,
        path: &Path<'_>,
    ) -> &mut Diagnostic {
        let found = kind(raw);
        let said = if found == Kind::Number && go_type.starts_with("uint") {
            format!("number {}", short(raw))
        } else {
            found.name().to_owned()
        };
        let fields = path.go_fields();
        let contest = match owner {
            Some(owner) => {
                format!(
                    "json: cannot unmarshal {said} into Go struct field {}.{fields} of type {go_type}",
                    owner.go
                )
            }
            None => format!("json: cannot unmarshal {said} into Go value of type {go_type}"),
        };
        let shown = match found {
            Kind::Number | Kind::Bool | Kind::String => format!(" ({})", short(raw)),
            _ => String::new(),
        };
        self.sink.error_as(path, format!("must be {wanted}, not {}{shown}", found.with_article()), &contest)
    }

    /// Text with an escape that stands for no letter (half of a surrogate pair).
    fn not_text(&mut self, path: &Path<'_>, e: &serde_json::Error) {
        let said = e.to_string();
        let told = said.split(" at line ").next().unwrap_or_default().to_owned();
        self.sink.error(path, format!("cannot be read: {told}"));
    }
}

/// The field of a level that a name stands for: the same name, else the same but for case.
///
/// Go folds by Unicode; of the letters outside ASCII only the Kelvin sign and the long s fold onto ASCII ones.
fn find_field(level: &Level, name: &str) -> Option<usize> {
    let exact = level.fields.iter().position(|field| *field == name);
    exact.or_else(|| level.fields.iter().position(|field| folds_to(field, name)))
}

/// Whether the name of a field and another are the same but for case.
pub(crate) fn folds_to(field: &str, name: &str) -> bool {
    if name.is_ascii() {
        return field.eq_ignore_ascii_case(name);
    }
    let fold = |c: char| match c {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        c => c.to_ascii_lowercase(),
    };
    field.chars().map(fold).eq(name.chars().map(fold))
}

struct FieldsSeed<'o, 'a, 'p, 's> {
    object: &'o mut Object<'a>,
    path: &'p Path<'p>,
    sink: &'s mut Sink,
}

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_, 'de, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_, 'de, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let FieldsSeed { object, path, sink } = self;
        while let Some(name) = members.next_key_seed(TextSeed)? {
            let value: &'de RawValue = members.next_value()?;
            match find_field(object.level, &name) {
                Some(index) => {
                    let slot = &mut object.values[index];
                    if slot.is_some() {
                        sink.warning(&path.field(&name), "is given twice; the last one counts");
                    }
                    *slot = Some(value);
                }
                None => {
                    sink.warning(&path.field(&name), "unknown field; it is ignored")
                        .hint_if(did_you_mean(&name, object.level.fields));
                }
            }
        }
        Ok(())
    }
}

/// Warns of parameters that a plugin does not know. Their names are compared with case, as Go's maps do.
pub(crate) fn warn_unknown(names: &[&str], known: &[&str], path: &Path<'_>, sink: &mut Sink) {
    for name in names.iter().filter(|name| !known.contains(name)) {
        let warning = sink.warning(&path.field(name), "unknown parameter; it is ignored");
        match nearest(name, known) {
            Some(near) if near.eq_ignore_ascii_case(name) => {
                warning.hint(format!("names of parameters are told apart by case: write \"{near}\""));
            }
            _ => {
                warning.hint_if(did_you_mean(name, known));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LEVEL: Level = Level { go: "Thing", fields: &["Tasks", "Name"] };

    #[test]
    fn names_match_in_any_case_and_the_last_one_counts() {
        let json = serde_json::value::to_raw_value(&serde_json::json!({"tasks": 1})).unwrap();
        let mut sink = Sink::new();
        let object = Reader { sink: &mut sink }.object(Some(&json), &LEVEL, &Path::Root);
        assert_eq!(object.get("Tasks").unwrap().get(), "1");
        let json: &RawValue = serde_json::from_str(r#"{"Tas\u212as":1,"TASKS":2,"naem":3}"#).unwrap();
        let object = Reader { sink: &mut sink }.object(Some(json), &LEVEL, &Path::Root);
        assert_eq!(object.get("Tasks").unwrap().get(), "2");
        let said: Vec<_> = sink.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "warning: TASKS: is given twice; the last one counts",
                "warning: naem: unknown field; it is ignored (hint: did you mean \"Name\"?)",
            ]
        );
    }

    #[test]
    fn a_wrong_type_is_said_in_our_words_and_in_gos() {
        let json: &RawValue = serde_json::from_str(r#"{"Name":5,"Tasks":"-1"}"#).unwrap();
        let mut sink = Sink::new();
        let mut reader = Reader { sink: &mut sink };
        let object = reader.object(Some(json), &LEVEL, &Path::Root);
        reader.string(object.get("Name"), &LEVEL, &Path::Root.field("Name"));
        reader.unsigned(object.get("Tasks"), ("uint", u64::MAX), &LEVEL, &Path::Root.field("Tasks"));
        let list = sink.finish();
        assert_eq!(
            list[0].to_string(),
            "error: Name: must be a string, not a number (5) (hint: write it in quotes: \"5\")"
        );
        assert_eq!(
            list[0].contest,
            "json: cannot unmarshal number into Go struct field Thing.Name of type string"
        );
        assert_eq!(
            list[1].contest,
            "json: cannot unmarshal string into Go struct field Thing.Tasks of type uint"
        );
    }

    #[test]
    fn half_a_letter_is_an_error_not_a_panic() {
        for json in [r#"{"Name":"\ud800"}"#, r#"{"\ud800":1}"#] {
            let json: &RawValue = serde_json::from_str(json).unwrap();
            let mut sink = Sink::new();
            let mut reader = Reader { sink: &mut sink };
            let object = reader.object(Some(json), &LEVEL, &Path::Root);
            reader.string(object.get("Name"), &LEVEL, &Path::Root.field("Name"));
            assert_eq!(sink.errors(), 1);
        }
    }
}
