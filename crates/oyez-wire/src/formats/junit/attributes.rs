//! From the attributes of a tag to fields: references, numbers, limits.

use quick_xml::events::BytesStart;

use super::item::{Announced, Attempt, AttemptKind, Case, Message, MessageKind, Status, Suite, Text};
use super::limits::{Limits, Notes};

/// What reading one tag's attributes needs and yields.
pub(super) struct Attributes<'a> {
    pub limits: &'a Limits,
    pub notes: &'a mut Notes,
    /// Bytes that may still be kept.
    pub room: usize,
    /// Bytes that were not kept.
    pub dropped: u64,
}

impl Attributes<'_> {
    /// Gives each attribute's name and value to `take`, cut to the limits. The error is the parser's words.
    fn each(&mut self, tag: &BytesStart<'_>, mut take: impl FnMut(&str, String)) -> Result<(), String> {
        // Unquoted and bare attributes are let through: what they say is clear. Looking for duplicates would be quadratic.
        for attribute in tag.html_attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name = attribute.key.as_ref();
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            let long = matches!(name, "message" | "value");
            let limit = if long { self.limits.text } else { self.limits.name };
            let (value, dropped) = expanded(&attribute.value, limit.min(self.room), self.notes);
            self.room = self.room.saturating_sub(value.len());
            self.dropped += dropped;
            take(cut(name, self.limits.name), value);
        }
        Ok(())
    }

    pub(super) fn suite(
        &mut self,
        tag: &BytesStart<'_>,
        depth: usize,
        wrapper: bool,
    ) -> Result<Suite, String> {
        let mut suite = Suite { depth, wrapper, ..Suite::default() };
        let parts = self.limits.parts;
        self.each(tag, |name, value| match name {
            "name" => suite.name = value,
            "package" => suite.package = Some(value),
            "file" => suite.file = Some(value),
            "timestamp" => suite.timestamp = Some(value),
            "time" => suite.time = seconds(&value),
            "hostname" => suite.hostname = Some(value),
            "id" | "uuid" => suite.id = Some(value),
            _ if announce(&mut suite.announced, name, &value) => {}
            _ if suite.attributes.len() < parts => suite.attributes.push((name.to_owned(), value)),
            _ => suite.dropped_bytes += (name.len() + value.len()) as u64,
        })?;
        suite.dropped_bytes += self.dropped;
        Ok(suite)
    }

    pub(super) fn case(&mut self, tag: &BytesStart<'_>) -> Result<Case, String> {
        let mut case = Case::default();
        let parts = self.limits.parts;
        self.each(tag, |name, value| match name {
            "name" => case.name = value,
            "classname" => case.classname = Some(value),
            "file" => case.file = Some(value),
            "line" => case.line = whole(&value),
            "time" => case.time = seconds(&value),
            "timestamp" => case.timestamp = Some(value),
            "assertions" => case.assertions = whole(&value),
            _ if case.attributes.len() < parts => case.attributes.push((name.to_owned(), value)),
            _ => case.dropped_parts += 1,
        })?;
        case.dropped_bytes = self.dropped;
        Ok(case)
    }

    pub(super) fn message(&mut self, tag: &BytesStart<'_>, kind: MessageKind) -> Result<Message, String> {
        let mut message =
            Message { kind, r#type: None, message: None, text: Text::default(), dropped_bytes: 0 };
        self.each(tag, |name, value| match name {
            "type" => message.r#type = Some(value),
            "message" => message.message = Some(value),
            _ => {}
        })?;
        message.dropped_bytes = self.dropped;
        Ok(message)
    }

    pub(super) fn attempt(&mut self, tag: &BytesStart<'_>, kind: AttemptKind) -> Result<Attempt, String> {
        let mut attempt = Attempt {
            kind,
            r#type: None,
            message: None,
            text: Text::default(),
            time: None,
            timestamp: None,
            system_out: None,
            system_err: None,
            dropped_bytes: 0,
        };
        self.each(tag, |name, value| match name {
            "type" => attempt.r#type = Some(value),
            "message" => attempt.message = Some(value),
            "time" => attempt.time = seconds(&value),
            "timestamp" => attempt.timestamp = Some(value),
            _ => {}
        })?;
        attempt.dropped_bytes = self.dropped;
        Ok(attempt)
    }

    /// Name and value of a `<property>`.
    pub(super) fn property(&mut self, tag: &BytesStart<'_>) -> Result<(String, Option<String>), String> {
        let mut property = (String::new(), None);
        self.each(tag, |name, value| match name {
            "name" => property.0 = value,
            "value" => property.1 = Some(value),
            _ => {}
        })?;
        Ok(property)
    }
}

/// Takes one of the announced numbers; false if `name` is none of them.
fn announce(announced: &mut Announced, name: &str, value: &str) -> bool {
    let field = match name {
        "tests" => &mut announced.tests,
        "failures" => &mut announced.failures,
        "errors" => &mut announced.errors,
        "skipped" | "skips" | "skip" => &mut announced.skipped,
        "disabled" => &mut announced.disabled,
        "assertions" => &mut announced.assertions,
        _ => return false,
    };
    *field = whole(value);
    true
}

/// The status that the attributes of a case name, for one in which no message decides.
pub(super) fn status(attributes: &[(String, String)]) -> Status {
    let said = attributes.iter().filter(|(name, _)| name == "status" || name == "result");
    let status = |value: &str| match value.trim().to_ascii_lowercase().as_str() {
        "fail" | "failed" | "failure" => Status::Failed,
        "error" | "errored" => Status::Errored,
        "notrun" | "skipped" | "skip" | "suppressed" | "disabled" | "ignored" | "pending" => Status::Skipped,
        _ => Status::Passed,
    };
    said.map(|(_, value)| status(value)).max().unwrap_or_default()
}

/// Seconds, with or without thousands separators; None for what is no time (negative, infinite, words).
///
/// A comma is a thousands separator where the digits stand in groups as one would have them (`1,234.5`, `12,345`), else a
/// decimal comma (`0,5`).
pub(super) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain: String = match text.rsplit_once(',') {
        None => text.to_owned(),
        Some((before, after)) if grouped(text) || after.contains('.') => {
            [before, after].concat().replace(',', "")
        }
        Some((before, after)) => format!("{before}.{after}"),
    };
    plain.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
}

/// Whether the part before any `.` is digits in groups of three, as in `1,234,567`.
fn grouped(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or(text);
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len()) && !first.starts_with('0') && groups.all(|group| group.len() == 3)
}

/// A whole number, also with thousands separators.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.contains(',') && grouped(text) { text.replace(',', "").parse().ok() } else { text.parse().ok() }
}

/// A value with its references resolved, at most `limit` bytes long, and how many bytes are missing.
///
/// White space stays as it is: XML would have line ends in attributes become blanks, but the writers that forget to escape
/// them mean line ends.
fn expanded(raw: &str, limit: usize, notes: &mut Notes) -> (String, u64) {
    let mut text = Text::default();
    let mut rest = raw;
    while let Some(start) = memchr::memchr(b'&', rest.as_bytes()) {
        append(&mut text, &rest[..start], limit);
        let after = &rest[start + 1..];
        // No reference is longer than this: `&#x10FFFF;`.
        let end = after.bytes().take(16).position(|byte| byte == b';');
        let Some(end) = end else {
            append(&mut text, "&", limit);
            rest = after;
            continue;
        };
        append_reference(&mut text, &after[..end], limit, notes);
        rest = &after[end + 1..];
    }
    append(&mut text, rest, limit);
    (text.text, text.dropped_bytes)
}

/// Appends what `&name;` stands for, or the reference itself where that is not known.
pub(super) fn append_reference(text: &mut Text, name: &str, limit: usize, notes: &mut Notes) {
    match resolved(name) {
        Some(character) => append(text, character.encode_utf8(&mut [0; 4]), limit),
        None => {
            notes.unknown_references += 1;
            for piece in ["&", name, ";"] {
                append(text, piece, limit);
            }
        }
    }
}

/// The character that a reference stands for: one of XML's five names, or a number.
///
/// Numbers that XML forbids, such as the escape character of coloured output, are taken as well.
fn resolved(name: &str) -> Option<char> {
    let number = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // The parser for numbers would take a sign.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
}

/// Appends as much of `more` as keeps `text` within `limit` bytes, and counts the rest.
///
/// Once something was cut nothing more is appended, so that what is there is one piece of the whole.
pub(super) fn append(text: &mut Text, more: &str, limit: usize) {
    let room = if text.dropped_bytes > 0 { 0 } else { limit.saturating_sub(text.text.len()) };
    let kept = cut(more, room);
    text.text.push_str(kept);
    text.dropped_bytes += (more.len() - kept.len()) as u64;
}

/// The longest start of `text` that has at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_in_every_spelling_that_writers_use() {
        for (text, expected) in [
            ("0.5", Some(0.5)),
            (" 12 ", Some(12.0)),
            ("1,234.5", Some(1234.5)),
            ("1,234,567.25", Some(1_234_567.25)),
            ("12,345", Some(12345.0)),
            ("0,123", Some(0.123)),
            ("3,5", Some(3.5)),
            ("1e-3", Some(0.001)),
            (".25", Some(0.25)),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
            (",", None),
            ("a,b", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_xmls_own_names_and_numbers_are_resolved() {
        let mut notes = Notes::default();
        let (text, dropped) =
            expanded("&lt;&#65;&#x42;&#27;&copy; & &#0x; &#+65; &#xD800;", 1000, &mut notes);
        assert_eq!(text, "<AB\u{1b}&copy; & &#0x; &#+65; &#xD800;");
        assert_eq!((dropped, notes.unknown_references), (0, 4));
    }

    #[test]
    fn a_cut_falls_between_characters_and_is_counted() {
        let mut text = Text::default();
        append(&mut text, "aé", 2);
        append(&mut text, "b", 2);
        assert_eq!(text, Text { text: "a".to_owned(), dropped_bytes: 3 });
    }
}
