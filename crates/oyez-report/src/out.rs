//! The buffer between a document and its writer, and JSON written piece by piece.

use std::io::{self, Write};

use oyez_model::{Time, Value};
use serde::Serialize;

use crate::moment;

const FLUSH_AT: usize = 64 << 10;

/// A buffer before a writer: documents append to `buf` and call [`Out::settle`] now and then.
pub(crate) struct Out<'w> {
    to: &'w mut dyn Write,
    pub buf: Vec<u8>,
}

impl<'w> Out<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Out { to, buf: Vec::with_capacity(2 * FLUSH_AT) }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.buf.extend_from_slice(text.as_bytes());
    }

    /// Hands on what is there when it is enough to be worth a system call.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.buf.len() < FLUSH_AT { Ok(()) } else { self.hand_on() }
    }

    pub(crate) fn hand_on(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buf)?;
        self.buf.clear();
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.hand_on()?;
        self.to.flush()
    }
}

/// JSON into a buffer: the caller opens and closes, commas come by themselves.
pub(crate) struct Json<'w> {
    pub out: Out<'w>,
    comma: bool,
}

impl<'w> Json<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Json { out: Out::new(to), comma: false }
    }

    fn before(&mut self) {
        if self.comma {
            self.out.buf.push(b',');
        }
        self.comma = true;
    }

    /// Opens with `{` or `[`.
    pub(crate) fn open(&mut self, with: u8) {
        self.before();
        self.out.buf.push(with);
        self.comma = false;
    }

    /// Closes with `}` or `]`.
    pub(crate) fn close(&mut self, with: u8) {
        self.out.buf.push(with);
        self.comma = true;
    }

    /// Opens on a line of its own, so that a document of many records can be looked at and searched.
    pub(crate) fn open_line(&mut self, with: u8) {
        self.before();
        self.out.buf.extend_from_slice(&[b'\n', with]);
        self.comma = false;
    }

    /// A key of ours: plain ASCII without anything to escape.
    pub(crate) fn key(&mut self, key: &str) {
        self.before();
        self.out.buf.push(b'"');
        self.out.text(key);
        self.out.buf.extend_from_slice(b"\":");
        self.comma = false;
    }

    pub(crate) fn any(&mut self, value: &(impl Serialize + ?Sized)) {
        self.before();
        let start = self.out.buf.len();
        // Writing into a vector does not fail; a value that cannot be said in JSON must not leave half of itself.
        if serde_json::to_writer(&mut self.out.buf, value).is_err() {
            self.out.buf.truncate(start);
            self.out.text("null");
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.any(text);
    }

    pub(crate) fn time(&mut self, time: Time) {
        self.before();
        self.out.buf.push(b'"');
        moment::push_rfc3339(&mut self.out.buf, time);
        self.out.buf.push(b'"');
    }

    pub(crate) fn seconds(&mut self, nanos: u64) {
        self.before();
        moment::push_seconds(&mut self.out.buf, nanos);
    }

    /// A peer's JSON as it came; as a text when it is none, or nests deeper than most readers go.
    pub(crate) fn raw(&mut self, json: &str) {
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
        if valid && json_depth(json) <= MAX_PAYLOAD_DEPTH {
            self.before();
            self.out.text(json.trim());
        } else {
            self.string(json);
        }
    }

    /// A value; as the text of its JSON when it nests deeper than most readers go.
    pub(crate) fn value(&mut self, value: &Value) {
        if value_depth(value) <= MAX_PAYLOAD_DEPTH {
            self.any(value);
        } else {
            let text = serde_json::to_string(value).unwrap_or_default();
            self.string(&text);
        }
    }
}

/// How deep a payload may nest in a document: common readers (serde_json among them) stop at 128 levels in all.
pub(crate) const MAX_PAYLOAD_DEPTH: usize = 32;

fn json_depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

// Values nest at most `oyez_model::value::MAX_DEPTH` deep, so this may call itself.
fn value_depth(value: &Value) -> usize {
    let deepest = |items: &[Value]| items.iter().map(value_depth).max().unwrap_or(0);
    match value {
        Value::List(items) => 1 + deepest(items),
        // Two levels in JSON: `{"$tuple": [...]}`.
        Value::Tuple(items) | Value::Set(items) => 2 + deepest(items),
        Value::Map(pairs) => {
            3 + pairs.iter().map(|(k, v)| value_depth(k).max(value_depth(v))).max().unwrap_or(0)
        }
        // Its entries are the deepest: `{"$object": ..., "entries": {"$map": [[key, value]]}}`.
        Value::Opaque(o) => 4 + o.parts().map(value_depth).max().unwrap_or(0),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json<'_>)) -> String {
        let mut bytes = Vec::new();
        let mut json = Json::new(&mut bytes);
        write(&mut json);
        json.out.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn commas_stand_between_and_nowhere_else() {
        let text = written(|j| {
            j.open(b'{');
            j.key("a");
            j.open(b'[');
            j.any(&1);
            j.string("x\"\u{1}");
            j.close(b']');
            j.key("b");
            j.raw(" {\"c\": 1} ");
            j.close(b'}');
        });
        assert_eq!(text, r#"{"a":[1,"x\"\u0001"],"b":{"c": 1}}"#);
    }

    #[test]
    fn what_is_no_json_or_too_deep_becomes_a_text() {
        assert_eq!(written(|j| j.raw("{oops")), r#""{oops""#);
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert!(written(|j| j.raw(&deep)).starts_with("\"[["));
        let mut value = Value::Null;
        for _ in 0..100 {
            value = Value::List(vec![value]);
        }
        assert!(written(|j| j.value(&value)).starts_with('"'));
    }
}
