//! Checks a document against a JSON schema: the keywords that our schema and CTRF's use, and a panic on any other, so
//! that nothing passes because it was not understood. (The crates that know all of JSON Schema bring licences that this
//! project does not take.)

use oyez_model::{JobUid, Time};
use serde_json::Value;

/// What is wrong, each with its place; nothing when the document is valid.
pub fn check(schema: &Value, document: &Value) -> Vec<String> {
    let mut check = Check { root: schema, wrong: Vec::new() };
    check.at(schema, document, "$");
    check.wrong
}

struct Check<'s> {
    root: &'s Value,
    wrong: Vec<String>,
}

impl<'s> Check<'s> {
    fn at(&mut self, schema: &'s Value, value: &Value, place: &str) {
        let Value::Object(rules) = schema else { panic!("{place}: a schema is an object") };
        for (rule, wants) in rules {
            let ok = match rule.as_str() {
                "$schema"
                | "$id"
                | "$defs"
                | "definitions"
                | "title"
                | "description"
                | "additionalProperties" => true,
                "$ref" => {
                    let pointer = wants.as_str().unwrap().strip_prefix('#').unwrap();
                    let target = self.root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
                    self.at(target, value, place);
                    true
                }
                "type" => match wants {
                    Value::Array(types) => types.iter().any(|one| is(value, one)),
                    one => is(value, one),
                },
                "const" => value == wants,
                "enum" => wants.as_array().unwrap().contains(value),
                "anyOf" => wants.as_array().unwrap().iter().any(|one| {
                    let mut other = Check { root: self.root, wrong: Vec::new() };
                    other.at(one, value, place);
                    other.wrong.is_empty()
                }),
                "required" => {
                    let has = |key: &Value| value.get(key.as_str().unwrap()).is_some();
                    !value.is_object() || wants.as_array().unwrap().iter().all(has)
                }
                "properties" => {
                    self.properties(rules, wants, value, place);
                    true
                }
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.at(wants, item, &format!("{place}[{i}]"));
                    }
                    true
                }
                "minLength" => {
                    value.as_str().is_none_or(|t| t.chars().count() as u64 >= wants.as_u64().unwrap())
                }
                "minItems" => value.as_array().is_none_or(|a| a.len() as u64 >= wants.as_u64().unwrap()),
                "minimum" => value.as_f64().is_none_or(|n| n >= wants.as_f64().unwrap()),
                "format" => format_holds(wants.as_str().unwrap(), value),
                "pattern" => pattern_holds(wants.as_str().unwrap(), value),
                other => panic!("{place}: this check does not know the keyword {other}"),
            };
            if !ok {
                let shown: String = value.to_string().chars().take(120).collect();
                self.wrong.push(format!("{place}: {rule} {wants} does not hold for {shown}"));
            }
        }
        if rules.contains_key("additionalProperties") && !rules.contains_key("properties") {
            self.properties(rules, &Value::Null, value, place);
        }
    }

    fn properties(
        &mut self,
        rules: &'s serde_json::Map<String, Value>,
        known: &'s Value,
        value: &Value,
        place: &str,
    ) {
        for (key, inner) in value.as_object().into_iter().flatten() {
            let place = format!("{place}.{key}");
            match (known.get(key), rules.get("additionalProperties")) {
                (Some(schema), _) => self.at(schema, inner, &place),
                (None, Some(Value::Bool(false))) => self.wrong.push(format!("{place}: no such property")),
                (None, Some(schema @ Value::Object(_))) => self.at(schema, inner, &place),
                (None, _) => {}
            }
        }
    }
}

fn is(value: &Value, r#type: &Value) -> bool {
    match r#type.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

fn format_holds(format: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match format {
        "date-time" => text.parse::<Time>().is_ok(),
        "uuid" => text.parse::<JobUid>().is_ok(),
        "uri" => text.contains(':'),
        other => panic!("no format {other}"),
    }
}

fn pattern_holds(pattern: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match pattern {
        r"^[0-9]+\.[0-9]+\.[0-9]+$" => {
            let parts: Vec<&str> = text.split('.').collect();
            parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        }
        other => panic!("this check does not know the pattern {other}"),
    }
}
