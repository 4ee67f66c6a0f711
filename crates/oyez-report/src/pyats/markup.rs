//! XML as Python's `minidom` prints it prettily: two spaces a level, an element without content closes itself.

use std::io::{self, Write};

use oyez_model::Value;
use oyez_wire::pyats::repr;
use oyez_wire::pyats::tree::{Counter, Ix, Tree};

use crate::out::Out;

/// A document on its way out.
pub(super) struct Markup<'w> {
    pub(super) out: Out<'w>,
    depth: usize,
}

impl<'w> Markup<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Self {
        let mut out = Out::new(to);
        out.text("<?xml version=\"1.0\" ?>\n");
        Markup { out, depth: 0 }
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.buf.extend_from_slice(b"  ");
        }
    }

    /// `<tag>` around others.
    pub(super) fn open(&mut self, tag: &str) {
        self.indent();
        let buf = &mut self.out.buf;
        buf.push(b'<');
        buf.extend_from_slice(tag.as_bytes());
        buf.extend_from_slice(b">\n");
        self.depth += 1;
    }

    pub(super) fn close(&mut self, tag: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        let buf = &mut self.out.buf;
        buf.extend_from_slice(b"</");
        buf.extend_from_slice(tag.as_bytes());
        buf.extend_from_slice(b">\n");
    }

    /// An element with text in it. `tag` may have attributes, which are ours.
    pub(super) fn leaf(&mut self, tag: &str, text: &str) {
        self.leaf_with(tag, |out| push_text(out, text));
    }

    /// An element with what `inner` appends in it.
    pub(super) fn leaf_with(&mut self, tag: &str, inner: impl FnOnce(&mut Vec<u8>)) {
        self.indent();
        let buf = &mut self.out.buf;
        buf.push(b'<');
        buf.extend_from_slice(tag.as_bytes());
        buf.push(b'>');
        let start = buf.len();
        inner(buf);
        if buf.len() == start {
            buf.truncate(start - 1);
            buf.extend_from_slice(b"/>\n");
            return;
        }
        let name = tag.split(' ').next().unwrap_or(tag);
        buf.extend_from_slice(b"</");
        buf.extend_from_slice(name.as_bytes());
        buf.extend_from_slice(b">\n");
    }

    /// Elements without content.
    pub(super) fn empty(&mut self, tags: &[&str]) {
        tags.iter().for_each(|tag| self.leaf(tag, ""));
    }

    /// Numbers and such, which need no escapes.
    pub(super) fn display(&mut self, tag: &str, value: impl std::fmt::Display) {
        self.leaf_with(tag, |out| {
            // Writing into a vector does not fail.
            let _ = write!(out, "{value}");
        });
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.out.finish()
    }
}

/// Text with its markup escaped, the ends of its lines as a reader of XML gives them back, and visible what XML forbids.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_escaped(out, text, false);
}

/// The same between the quotes of an attribute.
pub(super) fn push_attribute(out: &mut Vec<u8>, text: &str) {
    push_escaped(out, text, true);
}

fn push_escaped(out: &mut Vec<u8>, text: &str, in_attribute: bool) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let mut taken = 1;
        let hidden;
        let instead: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\n' if in_attribute => b"&#10;",
            b'\t' if in_attribute => b"&#9;",
            b'\r' if in_attribute => b"&#13;",
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => b"",
            b'\r' => b"\n",
            b'\n' | b'\t' => continue,
            0..0x20 => {
                hidden = format!("\\x{byte:02x}");
                hidden.as_bytes()
            }
            // U+FFFE and U+FFFF.
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => {
                taken = 3;
                if bytes[at + 2] == 0xbe { b"\\ufffe" } else { b"\\uffff" }
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(instead);
        from = at + taken;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// A value as text: Python's `str`, but nothing for `None`, and `0` and `1` for truth values.
pub(super) fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Bool(b)) => u8::from(*b).to_string(),
        Some(other) => repr::plain(other),
    }
}

/// An attribute of an object as text; empty when it has none.
pub(super) fn attribute(tree: &Tree, ix: Ix, key: &str) -> String {
    text_of(tree.node(ix).attribute(key).as_deref())
}

/// An attribute where the text is what counts: what is nothing to Python is nothing here.
pub(super) fn text_attribute(tree: &Tree, ix: Ix, key: &str) -> String {
    match tree.node(ix).attribute(key).as_deref() {
        Some(value) if super::python::is_true(value) => text_of(Some(value)),
        _ => String::new(),
    }
}

/// The name that is shown.
pub(super) fn name(tree: &Tree, ix: Ix) -> String {
    match tree.node(ix).attribute("name").as_deref() {
        None => tree.node(ix).id.clone(),
        said => text_of(said),
    }
}

/// A summary by what it is called in XML.
pub(super) fn counts(tree: &Tree, ix: Ix) -> Counter {
    tree.node(ix).totals.as_ref().and_then(|totals| totals.summary).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_can_stand_in_xml_whatever_is_in_them() {
        let text = |t: &str| {
            let mut out = Vec::new();
            push_text(&mut out, t);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("<a & \"b\">\u{1b}[0m\u{0}\u{b}"), "&lt;a &amp; &quot;b&quot;&gt;\\x1b[0m\\x00\\x0b");
        assert_eq!(text("a\r\nb\rc\td\u{ffff}é"), "a\nb\nc\td\\uffffé");
    }
}
