//! Payloads of ConTest's events, to the byte as Go's `encoding/json` writes them: fields in the order of the struct,
//! `<`, `>`, `&`, U+2028 and U+2029 escaped, each byte that is no UTF-8 as `\ufffd`.

use std::fmt::Write as _;

use oyez_model::event::RawJson;

/// `CmdStart`.
pub(super) fn start(program: &str, args: &[String], dir: &str) -> RawJson {
    let length: usize = args.iter().map(|arg| arg.len() + 3).sum();
    let mut out = String::with_capacity(2 * program.len() + length + dir.len() + 32);
    out.push_str("{\"Path\":");
    push_text(&mut out, program.as_bytes());
    out.push_str(",\"Args\":[");
    push_text(&mut out, program.as_bytes());
    for arg in args {
        out.push(',');
        push_text(&mut out, arg.as_bytes());
    }
    out.push_str("],\"Dir\":");
    push_text(&mut out, dir.as_bytes());
    out.push('}');
    RawJson(out)
}

/// `CmdStdout` and `CmdStderr`.
pub(crate) fn message(text: &[u8]) -> RawJson {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
    out.push_str("{\"Msg\":");
    push_text(&mut out, text);
    out.push('}');
    RawJson(out)
}

/// A text as Go's `encoding/json` writes it.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_text(&mut out, text.as_bytes());
    out
}

/// `GatherCmdStart`.
pub(super) fn gather_start(program: &str, args: &[String]) -> RawJson {
    let mut out = format!("{{\"Path\":{},\"Args\":[{}", text(program), text(program));
    for arg in args {
        out.push(',');
        push_text(&mut out, arg.as_bytes());
    }
    out.push_str("]}");
    RawJson(out)
}

/// `GatherCmdEnd` of a program that failed; `said` at most so long.
pub(super) fn gather_end(code: i32, said: &str, longest: usize) -> RawJson {
    let mut end = longest.min(said.len());
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    RawJson(format!("{{\"ExitCode\":{code},\"Err\":{}}}", text(&said[..end])))
}

fn push_text(out: &mut String, text: &[u8]) {
    out.push('"');
    for chunk in text.utf8_chunks() {
        push_valid(out, chunk.valid());
        for _ in chunk.invalid() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

fn push_valid(out: &mut String, text: &str) {
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if !matches!(c, '\0'..='\x1f' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}') {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // Writing into a String cannot fail.
            c => drop(write!(out, "\\u{:04x}", u32::from(c))),
        }
    }
    out.push_str(&text[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_those_of_go() {
        assert_eq!(
            start("/usr/bin/echo", &["a <b> & \"c\"".to_owned()], "").0,
            r#"{"Path":"/usr/bin/echo","Args":["/usr/bin/echo","a \u003cb\u003e \u0026 \"c\""],"Dir":""}"#
        );
        assert_eq!(
            message(b"hello\n\xff\xfe\x01\xe2\x80\xa8").0,
            r#"{"Msg":"hello\n\ufffd\ufffd\u0001\u2028"}"#
        );
    }

    #[test]
    fn any_bytes_become_json() {
        for byte in 0..=255_u8 {
            let json = message(&[b'a', byte, b'z']).0;
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert!(read["Msg"].as_str().unwrap().starts_with('a'), "{byte}");
        }
    }
}
