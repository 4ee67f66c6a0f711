//! JSON with templates in it, and what becomes of it for a target.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::ExpansionError;
use super::rules::{Rule, is_secret};
use crate::descriptor::raw;
use crate::template::{Functions, Subject, Template};

/// All that is shown has at most so many bytes: a template of a few letters can make a mebibyte.
const MOST: usize = 16 << 20;
/// Of one place so many errors are listed.
const MOST_ERRORS: usize = 100;
/// What stands in the place of a secret.
const HIDDEN: &str = "(not shown)";

/// Expands values, up to a limit for all of them together.
pub(super) struct Expander<'f> {
    functions: &'f Functions,
    left: usize,
}

/// Where a value is, for whom, and what is wrong with it.
struct Place<'p, 's, 't> {
    path: &'p str,
    subject: &'s Subject<'t>,
    errors: &'p mut Vec<ExpansionError>,
}

impl Place<'_, '_, '_> {
    fn fail(&mut self, path: &str, error: String) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(ExpansionError { parameter: path.to_owned(), error });
        }
    }
}

impl<'f> Expander<'f> {
    pub(super) fn new(functions: &'f Functions) -> Self {
        Expander { functions, left: MOST }
    }

    /// What a value becomes; as it was written where that fails.
    pub(super) fn value(
        &mut self,
        json: &RawValue,
        rule: Rule,
        path: &str,
        subject: &Subject<'_>,
        errors: &mut Vec<ExpansionError>,
    ) -> Box<RawValue> {
        let mut place = Place { path, subject, errors };
        match rule {
            Rule::Plain => json.to_owned(),
            Rule::Secret => {
                self.template(json, &mut place);
                text(HIDDEN)
            }
            Rule::Template => self.template(json, &mut place).unwrap_or_else(|| json.to_owned()),
            Rule::Deep { names } => match serde_json::from_str(json.get()) {
                Ok(value) => {
                    let value = self.deep(value, names, path.to_owned(), &mut place);
                    to_raw_value(&value).unwrap_or_else(|_| json.to_owned())
                }
                Err(e) => {
                    place.fail(path, e.to_string());
                    json.to_owned()
                }
            },
        }
    }

    /// A text, or the text of other JSON; `None` where it cannot be expanded.
    fn template(&mut self, json: &RawValue, place: &mut Place<'_, '_, '_>) -> Option<Box<RawValue>> {
        if !json.get().contains("{{") {
            return None;
        }
        let is_text = raw::kind(json) == raw::Kind::String;
        let source = if is_text { raw::text(json).ok()?.into_owned() } else { json.get().to_owned() };
        let path = place.path;
        let expanded = self.expand(&source, path, place)?;
        if is_text {
            Some(text(&expanded))
        } else {
            RawValue::from_string(expanded.clone()).ok().or(Some(text(&expanded)))
        }
    }

    /// serde_json reads no deeper than 128 levels, so neither does this go.
    fn deep(&mut self, value: Value, names: bool, path: String, place: &mut Place<'_, '_, '_>) -> Value {
        match value {
            Value::String(source) => match self.expand(&source, &path, place) {
                Some(expanded) => Value::String(expanded),
                None => Value::String(source),
            },
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                Value::Array(
                    items.map(|(i, item)| self.deep(item, names, format!("{path}[{i}]"), place)).collect(),
                )
            }
            Value::Object(members) => {
                let one = |(name, value): (String, Value)| {
                    let path = format!("{path}.{name}");
                    let name = match names {
                        true => self.expand(&name, &path, place).unwrap_or(name),
                        false => name,
                    };
                    let value = self.deep(value, names, path, place);
                    let value = if is_secret(&name) { Value::from(HIDDEN) } else { value };
                    (name, value)
                };
                Value::Object(members.into_iter().map(one).collect::<Map<_, _>>())
            }
            other => other,
        }
    }

    fn expand(&mut self, source: &str, path: &str, place: &mut Place<'_, '_, '_>) -> Option<String> {
        if !source.contains("{{") {
            return Some(source.to_owned());
        }
        let expanded = Template::parse(source, self.functions)
            .and_then(|template| template.expand(place.subject).map(std::borrow::Cow::into_owned));
        match expanded {
            Ok(text) if text.len() > self.left => {
                place.fail(
                    path,
                    format!("not shown: all parameters together are longer than {} MiB", MOST >> 20),
                );
                None
            }
            Ok(text) => {
                self.left -= text.len();
                Some(text)
            }
            Err(e) => {
                place.fail(path, e.to_string());
                None
            }
        }
    }
}

/// Puts a word in the place of each password, at any depth.
pub(in crate::plan) fn hide_secrets(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| match is_secret(name) {
            true => *value = Value::from(HIDDEN),
            false => hide_secrets(value),
        }),
        _ => {}
    }
}

/// Text as JSON.
fn text(text: &str) -> Box<RawValue> {
    // Text is always JSON; an empty list would stand for the impossible.
    to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
