//! Bytes to JSON text that is known to be well formed.

use std::borrow::Cow;

use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{place, yaml};
use crate::diagnostic::{Path, Position, Sink};

/// A descriptor may have this many bytes. ConTest's store takes 64 KiB (with MariaDB); a million targets need
/// about 50 MiB.
pub const LONGEST: usize = 64 << 20;

/// How a descriptor is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, as ConTest's server takes it.
    Json,
    /// YAML, as ConTest's command line takes it with `-Y`.
    Yaml,
}

impl Format {
    /// The format that a file's name tells: `.json`, `.yaml`, `.yml`.
    #[must_use]
    pub fn of_file(name: &std::path::Path) -> Option<Format> {
        let extension = name.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "json" => Some(Format::Json),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// JSON starts with a brace (or, wrongly, with a bracket). YAML may start so too, but is then JSON as well,
    /// or nearly.
    fn of_content(text: &str) -> Format {
        if text.trim_start().starts_with(['{', '[']) { Format::Json } else { Format::Yaml }
    }
}

/// The text without a byte order mark.
pub(super) fn to_text(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    std::str::from_utf8(bytes).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Makes JSON text of what was given, or says why not.
pub(crate) fn to_json<'b>(bytes: &'b [u8], format: Option<Format>, sink: &mut Sink) -> Option<Cow<'b, str>> {
    const EMPTY: &str = "unexpected end of JSON input";
    if bytes.len() > LONGEST {
        let message = format!("the descriptor is too long: {} bytes > {LONGEST}", bytes.len());
        sink.error(&Path::Root, message).hint("give long lists of targets as a file of their own");
        return None;
    }
    let text = match to_text(bytes) {
        Ok(text) => text,
        Err(e) => {
            let before = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
            let message = "the descriptor is not UTF-8 text";
            sink.error(&Path::Root, message).hint("save it as UTF-8").position = Some(place::end_of(&before));
            return None;
        }
    };
    if text.trim().is_empty() {
        sink.error_as(&Path::Root, "the descriptor is empty", EMPTY);
        return None;
    }
    match format.unwrap_or_else(|| Format::of_content(text)) {
        Format::Json => check_json(text, sink).then_some(Cow::Borrowed(text)),
        Format::Yaml => match yaml::to_json(text) {
            Ok(json) => Some(Cow::Owned(json)),
            Err(e) => {
                let message = format!("not valid YAML: {}", e.message);
                sink.error(&Path::Root, message).position = e.position;
                None
            }
        },
    }
}

/// Whether the whole text is one JSON value. Nothing is built, so depth costs no stack.
fn check_json(text: &str, sink: &mut Sink) -> bool {
    let Err(e) = serde_json::from_str::<&RawValue>(text) else { return true };
    let contest = contest_syntax_error(text, &e);
    let message = match e.classify() {
        Category::Eof => "the JSON breaks off before its end".to_owned(),
        _ => format!("not valid JSON: {contest}"),
    };
    let position = Position { line: e.line().max(1), column: e.column().max(1) };
    sink.error_as(&Path::Root, message, &contest).position = Some(position);
    false
}

/// What Go's decoder says of the same mistake.
fn contest_syntax_error(text: &str, e: &serde_json::Error) -> String {
    if e.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let said = e.to_string();
    let told = said.split(" at line ").next().unwrap_or_default();
    let context = match told {
        "expected value" | "trailing comma" | "expected ident" => "looking for beginning of value",
        "key must be a string" => "looking for beginning of object key string",
        "expected `:`" => "after object key",
        "expected `,` or `}`" => "after object key:value pair",
        "expected `,` or `]`" => "after array element",
        "trailing characters" => "after top-level value",
        "invalid escape" => "in string escape code",
        "control character (\\u0000-\\u001F) found while parsing a string" => "in string literal",
        "invalid number" => "in numeric literal",
        other => return other.to_owned(),
    };
    let line = text.lines().nth(e.line().saturating_sub(1)).unwrap_or_default();
    let at = e.column().saturating_sub(1).min(line.len());
    // serde_json counts bytes; a place within a letter is that letter.
    let at = (0..=at).rev().find(|i| line.is_char_boundary(*i)).unwrap_or(0);
    let shown = line[at..].chars().next().map_or_else(|| "\\n".to_owned(), |c| c.to_string());
    format!("invalid character '{shown}' {context}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn refusal(bytes: &[u8], format: Option<Format>) -> Diagnostic {
        let mut sink = Sink::new();
        assert!(to_json(bytes, format, &mut sink).is_none());
        sink.finish().remove(0)
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        let d = refusal(b"{", None);
        assert_eq!(d.contest, "unexpected end of JSON input");
        assert_eq!(d.position, Some(Position { line: 1, column: 1 }));
        let d = refusal(b"{\n  \"a\": }", None);
        assert_eq!(d.contest, "invalid character '}' looking for beginning of value");
        assert_eq!(d.position, Some(Position { line: 2, column: 8 }));
        let d = refusal(b"{\"a\" 1}", Some(Format::Json));
        assert_eq!(d.contest, "invalid character '1' after object key");
        let d = refusal(b"{} x", None);
        assert_eq!(d.contest, "invalid character 'x' after top-level value");
    }

    #[test]
    fn nothing_too_much_and_no_text_are_refused() {
        assert_eq!(refusal(b"", None).message, "the descriptor is empty");
        assert_eq!(refusal(b" \n\t", Some(Format::Yaml)).contest, "unexpected end of JSON input");
        assert!(refusal(&vec![b' '; LONGEST + 1], None).message.starts_with("the descriptor is too long"));
        let d = refusal(b"{\n\"a\xff\"}", None);
        assert_eq!(
            (d.message.as_str(), d.position),
            ("the descriptor is not UTF-8 text", Some(Position { line: 2, column: 3 }))
        );
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(refusal(deep.as_bytes(), None).contest, "unexpected end of JSON input");
        let mut closed = deep;
        closed.push_str(&"]".repeat(1_000_000));
        assert!(to_json(closed.as_bytes(), None, &mut Sink::new()).is_some());
    }

    #[test]
    fn the_format_is_seen() {
        assert_eq!(Format::of_file("a/b.YML".as_ref()), Some(Format::Yaml));
        assert_eq!(Format::of_file("-".as_ref()), None);
        let mut sink = Sink::new();
        assert_eq!(to_json("\u{feff}a: 1".as_bytes(), None, &mut sink).unwrap(), "{\"a\":1}");
        assert_eq!(to_json(b" {\"a\":1}", None, &mut sink).unwrap(), " {\"a\":1}");
    }
}
