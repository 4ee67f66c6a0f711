//! Text of foreign origin, made fit for documents: cut, on one line, without terminal codes, bytes that are no text
//! made visible.

use std::borrow::Cow;

/// Bytes of a log as plain text: terminal codes go; other control characters, bytes that are not UTF-8 and characters
/// that turn the reading direction (they make a text look like another one) become visible (`\x07`, `\xff`,
/// `\u202e`); a lone carriage return ends a line. What comes out may stand in XML 1.0.
pub(crate) fn plain(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(bytes) => Cow::Borrowed(text),
        _ => Cow::Owned(make_plain(bytes)),
    }
}

/// The same for text that is UTF-8 already.
pub(crate) fn plain_str(text: &str) -> Cow<'_, str> {
    plain(text.as_bytes())
}

fn is_plain(bytes: &[u8]) -> bool {
    // U+FFFE and U+FFFF begin with EF, what turns the direction with E2.
    bytes.iter().all(|b| (*b >= 0x20 && !matches!(b, 0x7f | 0xe2 | 0xef)) || matches!(b, b'\n' | b'\t'))
}

fn make_plain(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let taken = match first {
            0x1b => match terminal_code(rest) {
                Some(length) => length,
                None => {
                    out.push_str("\\x1b");
                    1
                }
            },
            b'\r' => {
                if rest.get(1) != Some(&b'\n') {
                    out.push('\n');
                }
                1
            }
            b'\n' | b'\t' | 0x20..=0x7e => {
                out.push(char::from(*first));
                1
            }
            0..0x20 | 0x7f => {
                push_hex(&mut out, *first);
                1
            }
            0x80.. => match next_char(rest) {
                Some((c, length)) if is_tricky(c) => {
                    out.push_str(&format!("\\u{:04x}", u32::from(c)));
                    length
                }
                Some((c, length)) => {
                    out.push(c);
                    length
                }
                None => {
                    push_hex(&mut out, *first);
                    1
                }
            },
        };
        rest = &rest[taken..];
    }
    out
}

/// A character that no document shows as it is: none to XML, or one that turns the reading direction.
pub(crate) fn is_tricky(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

pub(crate) fn push_hex(out: &mut String, byte: u8) {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    out.push_str("\\x");
    out.push(digit(byte >> 4));
    out.push(digit(byte & 15));
}

/// The character that bytes begin with, and its length; `None` when they begin with none.
pub(crate) fn next_char(bytes: &[u8]) -> Option<(char, usize)> {
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).ok()?,
    };
    valid.chars().next().map(|c| (c, c.len_utf8()))
}

/// The length of the terminal code (ECMA-48) that bytes begin with, its escape character included.
pub(crate) fn terminal_code(bytes: &[u8]) -> Option<usize> {
    /// A code that has not ended by then is none.
    const LONGEST: usize = 4096;
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    match bytes.get(1)? {
        b'[' => {
            let end = bytes[2..].iter().position(|b| !(0x20..=0x3f).contains(b))? + 2;
            (0x40..=0x7e).contains(&bytes[end]).then_some(end + 1)
        }
        // A title, a link: up to BEL or ESC \.
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let end = bytes[2..].iter().position(|b| matches!(b, 0x07 | 0x1b))? + 2;
            if bytes[end] == 0x07 {
                Some(end + 1)
            } else {
                (bytes.get(end + 1) == Some(&b'\\')).then_some(end + 2)
            }
        }
        0x20..=0x2f => bytes.get(2).filter(|b| (0x30..=0x7e).contains(*b)).map(|_| 3),
        0x30..=0x7e => Some(2),
        _ => None,
    }
}

/// The longest beginning of at most `max` bytes that ends between characters.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// The longest end of at most `max` bytes that begins between characters.
pub(crate) fn clip_start(text: &str, max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max))..]
}

/// A name or reason on one line, at most `max` bytes and the `…` that says that it goes on.
pub(crate) fn one_line(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max && !text.bytes().any(|b| b < 0x20 || matches!(b, 0x7f | 0xe2 | 0xef)) {
        return Cow::Borrowed(text);
    }
    let cut = clip(text, max);
    let plain = plain_str(cut);
    let mut out = String::with_capacity(plain.len() + 3);
    for word in plain.split(['\n', '\t']).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    if cut.len() < text.len() {
        out.push('…');
    }
    Cow::Owned(out)
}

/// The same, and something to call it by when it is empty.
pub(crate) fn one_line_or(text: &str, max: usize, otherwise: &str) -> String {
    let line = one_line(text, max);
    if line.is_empty() { otherwise.to_owned() } else { line.into_owned() }
}

/// The end of a text that comes in pieces: at most so many bytes are kept, what went before is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    text: String,
    max: usize,
    /// Bytes that came and are not kept.
    left_out: u64,
    /// What is kept begins in the middle of a line.
    mid_line: bool,
}

impl Tail {
    pub(crate) fn new(max: usize) -> Self {
        Tail { text: String::new(), max, left_out: 0, mid_line: false }
    }

    pub(crate) fn push(&mut self, piece: &str) {
        // Room is made in large steps, so that many small pieces stay cheap; a large piece comes in parts.
        let mut rest = piece;
        while !rest.is_empty() {
            let part = clip(rest, self.max.max(4));
            if self.text.len() + part.len() > self.max.saturating_mul(2) {
                self.shrink(self.max);
            }
            self.text.push_str(part);
            rest = &rest[part.len()..];
        }
    }

    fn shrink(&mut self, to: usize) {
        let from = self.text.len() - clip_start(&self.text, to).len();
        if from > 0 {
            self.left_out += from as u64;
            self.mid_line = self.text.as_bytes()[from - 1] != b'\n';
            self.text.drain(..from);
        }
    }

    /// The text, from the beginning of a line if it has one; and how many bytes went before it.
    pub(crate) fn take(mut self) -> (String, u64) {
        self.shrink(self.max);
        if self.mid_line
            && let Some(end) = self.text.find('\n')
            && end + 1 < self.text.len()
        {
            self.left_out += end as u64 + 1;
            self.text.drain(..=end);
        }
        (self.text, self.left_out)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.left_out == 0
    }
}

/// The last `lines` lines of a text.
pub(crate) fn last_lines(text: &str, lines: usize) -> &str {
    let text = text.trim_end_matches('\n');
    match text.rmatch_indices('\n').nth(lines.saturating_sub(1)) {
        Some((at, _)) => &text[at + 1..],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_codes_go_and_what_is_no_text_is_shown() {
        assert_eq!(plain(b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07 \x1b(Bx"), "red x");
        assert_eq!(plain(b"a\x07\xff\xc3\xa4\r\nb\rc\x7f"), "a\\x07\\xffä\nb\nc\\x7f");
        assert_eq!(plain(b"\x1b"), "\\x1b");
        assert_eq!(plain("\u{ffff}\u{202e}…".as_bytes()), "\\uffff\\u202e…");
    }

    #[test]
    fn a_name_stands_on_one_line() {
        assert_eq!(one_line("a\nb\tc", 100), "a b c");
        assert_eq!(one_line("äöü", 3), "ä…");
    }

    #[test]
    fn a_tail_keeps_the_end_and_counts_the_rest() {
        let mut tail = Tail::new(8);
        for n in 0..1000 {
            tail.push(&format!("{n}\n"));
        }
        let (text, left_out) = tail.take();
        assert_eq!(text, "998\n999\n");
        assert_eq!(left_out + text.len() as u64, 3890);
    }

    #[test]
    fn last_lines_are_the_last_ones() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }

    proptest! {
        #[test]
        fn plain_text_may_stand_in_xml(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let text = plain(&bytes);
            let allowed = |c| matches!(c, '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(text.chars().all(allowed));
        }
    }
}
