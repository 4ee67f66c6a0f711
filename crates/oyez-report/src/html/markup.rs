//! Escaping, and small texts for people.

use crate::text;

/// Text or a quoted attribute's value: nothing in it is markup. Control characters are made visible.
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    let plain = text::plain_str(text);
    let bytes = plain.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let entity = entity(*byte);
        if !entity.is_empty() {
            out.extend_from_slice(&bytes[from..at]);
            out.extend_from_slice(entity);
            from = at + 1;
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

/// What stands for a character of markup; empty for any other.
pub(super) fn entity(byte: u8) -> &'static [u8] {
    match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'"' => b"&quot;",
        b'\'' => b"&#39;",
        _ => b"",
    }
}

/// A tag with a class, around escaped text.
pub(super) fn tagged(out: &mut Vec<u8>, tag: &str, class: &str, text: &str) {
    out.extend_from_slice(format!("<{tag} class=\"{class}\">").as_bytes());
    escape(out, text);
    out.extend_from_slice(format!("</{tag}>").as_bytes());
}

/// `1,234,567`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `3.4 MiB`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let unit = (n.ilog2() / 10) as usize;
    let tenths = (u128::from(n) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit - 1])
}

/// `Run 1 › boot › T1`; of a long path the first two and the last four.
pub(super) fn path_text(path: &[String], name: &str) -> String {
    let mut out = String::new();
    let last = path.len().saturating_sub(4).max(2);
    for (at, part) in path.iter().enumerate() {
        if at < 2 || at >= last {
            out.push_str(text::clip(part, 80));
            out.push_str(" › ");
        } else if at == 2 {
            out.push_str("… › ");
        }
    }
    out.push_str(&text::one_line_or(name, 240, "(without a name)"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3_565_159), "3.4 MiB");
        assert_eq!(bytes(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        let mut out = Vec::new();
        escape(&mut out, "</script><img src='x' onerror=\"alert(1)\">&\u{0}\u{1b}[31m");
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "&lt;/script&gt;&lt;img src=&#39;x&#39; onerror=&quot;alert(1)&quot;&gt;&amp;\\x00");
    }
}
