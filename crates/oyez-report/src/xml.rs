//! XML 1.0 in pieces: escaping, attributes, text.

use crate::text;

/// ` name="value"`; control characters and bytes that XML cannot have become visible.
pub(crate) fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape(out, &text::plain_str(value), true);
    out.push(b'"');
}

/// ` name="number"`.
pub(crate) fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    attribute(out, name, &value.to_string());
}

/// Text between tags.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    escape(out, &text::plain_str(text), false);
}

/// Escapes what markup is made of. `>` too: `]]>` must not stand in text.
pub(crate) fn escape(out: &mut Vec<u8>, text: &str, in_attribute: bool) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let entity: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' if in_attribute => b"&quot;",
            b'\n' if in_attribute => b"&#10;",
            b'\t' if in_attribute => b"&#9;",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(entity);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let mut out = Vec::new();
        attribute(&mut out, "a", "<\"&'\n\u{0}");
        text(&mut out, "]]>\u{1b}[31m\u{ffff}");
        assert_eq!(String::from_utf8(out).unwrap(), " a=\"&lt;&quot;&amp;'&#10;\\x00\"]]&gt;\\uffff");
    }
}
