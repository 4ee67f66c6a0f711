//! JSON and quoted texts as Go writes them, so that answers are the same to the byte.

use std::io::Write as _;

use oyez_model::Time;

/// Go's zero time.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Appends a text as `encoding/json` writes it with `SetEscapeHTML(false)`.
pub fn string(out: &mut Vec<u8>, text: &str) {
    escaped(out, text, false);
}

/// The same as `json.Marshal` writes it: `<`, `>` and `&` escaped too.
pub fn html_string(out: &mut Vec<u8>, text: &str) {
    escaped(out, text, true);
}

fn escaped(out: &mut Vec<u8>, text: &str, html: bool) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, byte) in bytes.iter().copied().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => b'u',
            b'<' | b'>' | b'&' if html => b'u',
            // U+2028 and U+2029 end a line in JavaScript: E2 80 A8 and E2 80 A9.
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => b'l',
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..at]);
        done = at + 1;
        match short {
            b'u' => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            b'l' => {
                let low = bytes[at + 2] & 0xf;
                let _ = write!(out, "\\u202{low:x}");
                done = at + 3;
            }
            _ => out.extend_from_slice(&[b'\\', short]),
        }
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// Appends JSON as Go writes a raw message: without the blanks between its parts. What is no JSON becomes a text, so
/// that the answer as a whole always is.
pub fn raw(out: &mut Vec<u8>, json: &str) {
    if serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
        return string(out, json);
    }
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        let is_blank = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        if in_string || !is_blank {
            out.push(byte);
        }
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
}

/// Appends a time as JSON, RFC 3339 with as many digits as it has; none is Go's zero time.
pub fn time(out: &mut Vec<u8>, time: Option<Time>) {
    // Writing into a vector does not fail.
    let _ = match time {
        Some(time) => write!(out, "\"{time}\""),
        None => write!(out, "\"{ZERO_TIME}\""),
    };
}

/// Appends a number.
pub fn number(out: &mut Vec<u8>, n: u64) {
    let _ = write!(out, "{n}");
}

/// A text as `strconv.Quote` shows it, bytes that are no UTF-8 included.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a String does not fail.
            let _ = match c {
                '"' => write!(out, "\\\""),
                '\\' => write!(out, "\\\\"),
                '\u{7}' => write!(out, "\\a"),
                '\u{8}' => write!(out, "\\b"),
                '\u{c}' => write!(out, "\\f"),
                '\n' => write!(out, "\\n"),
                '\r' => write!(out, "\\r"),
                '\t' => write!(out, "\\t"),
                '\u{b}' => write!(out, "\\v"),
                c if (c as u32) < 0x20 || c == '\u{7f}' => write!(out, "\\x{:02x}", c as u32),
                c if c.is_control() || c != ' ' && c.is_whitespace() => {
                    write!(out, "\\u{:04x}", c as u32)
                }
                c => write!(out, "{c}"),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_escaped_as_go_does_with_and_without_html() {
        let text = "a\"b\\c\n\r\t\u{8}\u{c}\u{1}<>&\u{2028}\u{2029}\u{7f}é";
        assert_eq!(
            written(|out| string(out, text)),
            "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001<>&\\u2028\\u2029\u{7f}é\""
        );
        assert_eq!(written(|out| html_string(out, "40 > 32 <&")), "\"40 \\u003e 32 \\u003c\\u0026\"");
    }

    #[test]
    fn what_escapes_reads_back_as_the_same_text() {
        for text in ["", "\u{2027}\u{2028}", "â\u{80}", "\\\\\"", "\0\u{1f} \u{10ffff}"] {
            let json = written(|out| string(out, text));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{json}");
        }
    }

    #[test]
    fn raw_json_loses_its_blanks_and_nothing_else() {
        let json = " { \"a b\" : [ 1 , \"x \\\" y\" ] ,\n\"c\":null }\n";
        assert_eq!(written(|out| raw(out, json)), r#"{"a b":[1,"x \" y"],"c":null}"#);
        assert_eq!(written(|out| raw(out, "{oops")), r#""{oops""#);
        assert_eq!(written(|out| raw(out, "")), r#""""#);
    }

    #[test]
    fn times_have_as_many_digits_as_they_need() {
        let at = |text: &str| Some(text.parse::<Time>().unwrap());
        for text in ["2026-11-20T16:53:22.81Z", "2026-11-20T16:53:22.592446699Z", "2026-11-20T16:53:22Z"] {
            assert_eq!(written(|out| time(out, at(text))), format!("\"{text}\""));
        }
        assert_eq!(written(|out| time(out, None)), "\"0001-01-01T00:00:00Z\"");
    }

    #[test]
    fn quoted_texts_are_gos() {
        assert_eq!(quote(b"abc"), "\"abc\"");
        assert_eq!(quote(b"a\"\\\n\x01\xffz"), "\"a\\\"\\\\\\n\\x01\\xffz\"");
        assert_eq!(quote("é\u{a0}".as_bytes()), "\"é\\u00a0\"");
    }
}
