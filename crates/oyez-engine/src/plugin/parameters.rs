//! Parameters whose every text is a template: texts stay where they are in lists and objects, all else stays as it was
//! written.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::descriptor::raw;
use crate::template::{Functions, Subject, Template, TemplateError};

/// The members or items that are looked at in one object or list.
const MOST: usize = 1_000_000;
/// How deep texts may stand; deeper ones are no templates. JSON that was read is no deeper than this.
const DEEPEST: usize = 128;

/// A JSON value with templates in it.
#[derive(Debug)]
pub(super) enum Tree {
    /// As it was written.
    Plain(Box<RawValue>),
    /// A text.
    Text(Result<Template, TemplateError>),
    /// A list.
    List(Vec<Tree>),
    /// An object; its names are no templates.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(super) fn new(json: &RawValue, functions: &Functions) -> Tree {
        Tree::at(json, functions, 0)
    }

    fn at(json: &RawValue, functions: &Functions, depth: usize) -> Tree {
        let plain = || Tree::Plain(json.to_owned());
        if depth > DEEPEST {
            return plain();
        }
        let below = |json: &RawValue| Tree::at(json, functions, depth + 1);
        match raw::kind(json) {
            raw::Kind::String if json.get().contains("{{") => {
                raw::text(json).map_or_else(|_| plain(), |text| Tree::Text(Template::parse(&text, functions)))
            }
            raw::Kind::Array => raw::items(json, MOST)
                .map_or_else(|_| plain(), |items| Tree::List(items.into_iter().map(below).collect())),
            raw::Kind::Object => raw::map(json, MOST).map_or_else(
                |_| plain(),
                |map| Tree::Object(map.into_iter().map(|(name, json)| (name, below(json))).collect()),
            ),
            _ => plain(),
        }
    }

    /// The value for a target.
    ///
    /// # Errors
    /// A template cannot be read or expanded.
    pub(super) fn expand(&self, subject: &Subject<'_>) -> Result<Box<RawValue>, String> {
        let mut out = String::new();
        self.write(subject, &mut out)?;
        RawValue::from_string(out).map_err(|e| e.to_string())
    }

    fn write(&self, subject: &Subject<'_>, out: &mut String) -> Result<(), String> {
        match self {
            Tree::Plain(json) => out.push_str(json.get()),
            Tree::Text(template) => {
                let template = template.as_ref().map_err(ToString::to_string)?;
                let text = template.expand(subject).map_err(|e| e.to_string())?;
                // Writing into a text cannot fail.
                let _ = write!(out, "{}", serde_json::Value::from(text.as_ref()));
            }
            Tree::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.write(subject, out)?;
                }
                out.push(']');
            }
            Tree::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    let _ = write!(out, "{}:", serde_json::Value::from(name.as_str()));
                    value.write(subject, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    #[test]
    fn every_text_is_a_template_and_all_else_stays_as_it_was_written() {
        let json = r#"{"a":["{{ .ID }}",1.50,null,{"b":"x \"{{ .FQDN }}\"","{{n}}":"\u00e4"}]}"#;
        let json = RawValue::from_string(json.to_owned()).unwrap();
        let tree = Tree::new(&json, &Functions::default());
        let target = Target { id: "T1".into(), fqdn: "t1.lab".into(), ..Target::default() };
        let expanded = tree.expand(&Subject::new(&target, None)).unwrap();
        assert_eq!(expanded.get(), r#"{"a":["T1",1.50,null,{"b":"x \"t1.lab\"","{{n}}":"\u00e4"}]}"#);
    }

    #[test]
    fn a_template_that_is_wrong_is_said_when_it_is_needed() {
        let json = RawValue::from_string(r#"["{{ .Nope }}"]"#.to_owned()).unwrap();
        let tree = Tree::new(&json, &Functions::default());
        let target = Target::default();
        assert!(tree.expand(&Subject::new(&target, None)).is_err());
    }
}
