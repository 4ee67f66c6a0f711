//! How a scalar is written: plain, in single quotes, in double quotes, or as a block.

use oyez_wire::pyats::plain::{Plain, resolve};

use super::emit::Emitter;

/// Lines are broken at a space after this column.
const WIDTH: usize = 80;

/// What a text allows.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

/// A scalar: its text, what it is to be read as, and whether it stands as a block of lines when it can.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar<'t> {
    pub(super) text: Text<'t>,
    /// Its type.
    pub(super) is: Plain,
    /// The tag that says its type, where its text alone does not.
    pub(super) tag: &'static str,
    /// Wants to be a block.
    pub(super) block: bool,
}

/// A text, which may have lone surrogates.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'t> {
    Utf8(&'t str),
    Wtf8(&'t [u8]),
}

impl Scalar<'_> {
    /// Whether it may be a key on the line of its value: it is short and of one line.
    pub(super) fn is_simple_key(&self) -> bool {
        let (length, lines) = match self.text {
            Text::Utf8(text) => {
                let lines = text.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}']);
                // The count of characters matters near the limit only.
                (if text.len() < 100 { text.len() } else { text.chars().count() }, lines)
            }
            Text::Wtf8(text) => {
                let starts = text.iter().filter(|b| **b & 0xc0 != 0x80).count();
                let has = |line: &[u8]| text.windows(line.len()).any(|w| w == line);
                (starts, has(b"\n") || has(b"\xc2\x85") || has(b"\xe2\x80\xa8") || has(b"\xe2\x80\xa9"))
            }
        };
        length > 0 && !lines && length + self.tag.len() < 128
    }
}

fn allowed(text: &str) -> Allowed {
    let nothing = Allowed { plain: false, single: false, block: false };
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Allowed { plain: true, single: true, block: false };
    };
    // What is not printable ASCII needs escapes.
    if !bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\n')) {
        return nothing;
    }
    let blank_at = |at: usize| bytes.get(at).is_none_or(|b| matches!(b, b' ' | b'\n'));
    let mut plain = !(text.starts_with("---") || text.starts_with("..."));
    plain &= !b"#,[]{}&*!|>'\"%@`".contains(first);
    plain &= !(matches!(first, b'?' | b':' | b'-') && blank_at(1));
    let mut lines = false;
    let mut break_space = false;
    for at in 1..bytes.len() {
        let before = bytes[at - 1];
        match bytes[at] {
            b':' if blank_at(at + 1) => plain = false,
            b'#' if matches!(before, b' ' | b'\n') => plain = false,
            b'\n' if before == b' ' => return nothing,
            b' ' if before == b'\n' => break_space = true,
            _ => {}
        }
        lines |= bytes[at] == b'\n';
    }
    let edge = |b: &u8| matches!(b, b' ' | b'\n');
    plain &= !(lines || *first == b'\n' || edge(first) || edge(last) || break_space);
    Allowed { plain, single: !break_space, block: *last != b' ' }
}

impl Emitter {
    /// A scalar. `indent` is that of the collection it stands in; a key is never broken over lines.
    pub(super) fn scalar(&mut self, out: &mut Vec<u8>, indent: usize, scalar: Scalar<'_>, is_key: bool) {
        let text = match scalar.text {
            Text::Utf8(text) => text,
            Text::Wtf8(_) => {
                return self.double_quoted(out, indent, scalar.text, !is_key);
            }
        };
        let can = allowed(text);
        let as_itself = resolve(text) == scalar.is;
        if !scalar.block && as_itself && can.plain && !(is_key && text.is_empty()) {
            return self.plain(out, indent, text, !is_key);
        }
        if scalar.is != Plain::Text || scalar.tag == BINARY {
            self.indicator(out, scalar.tag);
        }
        if scalar.block && !is_key && can.block {
            self.block(out, indent, text);
        } else if !scalar.block && can.single {
            self.single_quoted(out, indent, text, !is_key);
        } else {
            self.double_quoted(out, indent, scalar.text, !is_key);
        }
    }

    fn plain(&mut self, out: &mut Vec<u8>, indent: usize, text: &str, may_break: bool) {
        self.space(out);
        self.only_indent = false;
        self.broken(out, indent, text, may_break, false);
    }

    /// Words of printable ASCII; a single space after the last column becomes the end of a line. In quotes, spaces at
    /// the edges stay, and quotes are doubled.
    fn broken(&mut self, out: &mut Vec<u8>, indent: usize, text: &str, may_break: bool, quoted: bool) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let spaces = bytes[at..].iter().take_while(|b| **b == b' ').count();
            if spaces > 0 {
                let at_edge = quoted && (at == 0 || at + spaces == bytes.len());
                if spaces == 1 && self.column > WIDTH && may_break && !at_edge {
                    self.indent(out, indent + 2);
                    (self.after_space, self.only_indent) = (false, false);
                } else {
                    self.word(out, &text[at..at + spaces]);
                }
                at += spaces;
                continue;
            }
            let end = |b: &u8| *b == b' ' || quoted && *b == b'\'';
            let n = bytes[at..].iter().position(end).unwrap_or(bytes.len() - at);
            self.word(out, &text[at..at + n]);
            at += n;
            if bytes.get(at) == Some(&b'\'') {
                self.word(out, "''");
                at += 1;
            }
        }
    }

    fn single_quoted(&mut self, out: &mut Vec<u8>, indent: usize, text: &str, may_break: bool) {
        self.indicator(out, "'");
        self.broken(out, indent, text, may_break, true);
        self.word(out, "'");
        self.only_indent = false;
    }

    fn double_quoted(&mut self, out: &mut Vec<u8>, indent: usize, text: Text<'_>, may_break: bool) {
        self.indicator(out, "\"");
        let last = text.chars().count().saturating_sub(1);
        // Characters that stand as they are and are not written yet: a line is broken before them, or after.
        let mut run: Vec<u8> = Vec::new();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let here = may_break && 0 < at && at < last;
            let plain =
                u8::try_from(c).ok().filter(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\'));
            let Some(byte) = plain else {
                self.run(out, &mut run);
                let start = out.len();
                escaped(out, c);
                self.column += out.len() - start;
                if here && self.column > WIDTH + 1 {
                    let next = chars.peek().map(|(_, c)| *c);
                    self.broken_off(out, indent, next == Some(u32::from(b' ')));
                }
                continue;
            };
            if here && (byte == b' ' || run.is_empty()) && self.column + run.len() > WIDTH {
                self.run(out, &mut run);
                self.broken_off(out, indent, byte == b' ');
            }
            run.push(byte);
        }
        self.run(out, &mut run);
        self.word(out, "\"");
        self.only_indent = false;
    }

    /// Goes on in the next line; a space that follows needs a sign that it is meant.
    fn broken_off(&mut self, out: &mut Vec<u8>, indent: usize, before_space: bool) {
        self.word(out, "\\");
        self.only_indent = false;
        self.indent(out, indent + 2);
        (self.after_space, self.only_indent) = (false, false);
        if before_space {
            self.word(out, "\\");
        }
    }

    fn run(&mut self, out: &mut Vec<u8>, run: &mut Vec<u8>) {
        out.extend_from_slice(run);
        self.column += run.len();
        run.clear();
    }

    fn block(&mut self, out: &mut Vec<u8>, indent: usize, text: &str) {
        let bytes = text.as_bytes();
        let starts = matches!(bytes.first(), Some(b' ' | b'\n'));
        let end = match bytes {
            [.., b'\n', b'\n'] | [b'\n'] => "+",
            [.., b'\n'] => "",
            _ => "-",
        };
        self.indicator(out, "|");
        self.word(out, if starts { "2" } else { "" });
        self.word(out, end);
        self.line(out);
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            if !content.is_empty() {
                self.indent(out, indent + 2);
                self.word(out, content);
                self.only_indent = false;
            }
            self.line(out);
        }
    }
}

/// The tag of bytes: their text alone never says what they are.
pub(super) const BINARY: &str = "!!binary";

/// A character in double quotes.
fn escaped(out: &mut Vec<u8>, c: u32) {
    let short = match c {
        0x00 => b'0',
        0x07 => b'a',
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0b => b'v',
        0x0c => b'f',
        0x0d => b'r',
        0x1b => b'e',
        0x22 => b'"',
        0x5c => b'\\',
        0x85 => b'N',
        0xa0 => b'_',
        0x2028 => b'L',
        0x2029 => b'P',
        c => {
            let (letter, digits) = match c {
                0..=0xff => (b'x', 2),
                0x100..=0xffff => (b'u', 4),
                _ => (b'U', 8),
            };
            out.extend_from_slice(&[b'\\', letter]);
            for place in (0..digits).rev() {
                out.push(b"0123456789ABCDEF"[(c >> (4 * place) & 0xf) as usize]);
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

impl<'t> Text<'t> {
    /// Its code points, surrogates among them.
    fn chars(self) -> impl Iterator<Item = u32> + 't {
        let mut rest = match self {
            Text::Utf8(text) => text.as_bytes(),
            Text::Wtf8(text) => text,
        };
        std::iter::from_fn(move || {
            let first = *rest.first()?;
            let length = match first {
                0..0x80 => 1,
                0xc0..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0..0xf8 => 4,
                _ => 0,
            };
            let goes_on = |b: &u8| b & 0xc0 == 0x80;
            match rest.split_at_checked(length) {
                Some((bytes, after)) if length > 0 && bytes[1..].iter().all(goes_on) => {
                    rest = after;
                    let lead = u32::from(first) & [0x7f, 0x1f, 0x0f, 0x07][length - 1];
                    let c = bytes[1..].iter().fold(lead, |c, b| c << 6 | u32::from(b & 0x3f));
                    Some(if c > 0x10_ffff { 0xfffd } else { c })
                }
                _ => {
                    rest = &rest[1..];
                    Some(0xfffd)
                }
            }
        })
    }
}

/// Text of lines as pyATS writes it: no space at the end of a line.
pub(super) fn trimmed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Python takes the four separators of ASCII for space as well.
        out.push_str(line.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f')));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        let mut emit = Emitter::default();
        emit.key(&mut out, 0, "k");
        emit.text(&mut out, 0, text);
        emit.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_stands_in_the_plainest_form_that_reads_back() {
        let cases = [
            ("a b", "k: a b\n"),
            ("", "k: ''\n"),
            ("yes", "k: 'yes'\n"),
            ("it's: so", "k: 'it''s: so'\n"),
            ("é\t", "k: \"\\xE9\\t\"\n"),
            ("a \nb\n", "k: |\n  a\n  b\n"),
            (" a\nb", "k: |2-\n   a\n  b\n"),
            ("\n", "k: |2+\n\n"),
            ("a\u{1b}\nb", "k: \"a\\e\\nb\"\n"),
            ("a #b", "k: 'a #b'\n"),
            ("a#b:c", "k: a#b:c\n"),
            ("- a", "k: '- a'\n"),
            ("-a", "k: -a\n"),
        ];
        for (text, want) in cases {
            assert_eq!(written(text), want, "{text:?}");
        }
    }

    #[test]
    fn long_lines_are_broken_at_a_space_after_the_eightieth_column() {
        let words = "word ".repeat(40);
        let words = words.trim_end();
        let plain = written(words);
        assert!(plain.lines().all(|l| (1..=86).contains(&l.len())), "{plain}");
        assert_eq!(plain.split_whitespace().skip(1).collect::<Vec<_>>().join(" "), words);
        assert!(written(&"x".repeat(200)).lines().count() == 1);
    }
}
