//! Log bytes as HTML: terminal colours (ECMA-48 SGR) become spans of a few known classes, every other terminal code
//! goes, what is no text is shown as `\xff`.

use super::markup::entity;
use crate::text::{is_tricky, next_char, terminal_code};

/// How text looks at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    fore: Option<Colour>,
    back: Option<Colour>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    inverse: bool,
    strike: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    /// One of the sixteen that the page's own palette has, so that it reads well on light and dark.
    Named(u8),
    Rgb(u8, u8, u8),
}

/// Appends `bytes`; `style` goes on from one piece to the next.
pub(super) fn render(out: &mut Vec<u8>, bytes: &[u8], style: &mut Style) {
    let mut open = style.start(out);
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let taken = match first {
            0x1b => match terminal_code(rest) {
                Some(length) => {
                    if rest[1] == b'[' && rest[length - 1] == b'm' {
                        finish(out, open);
                        style.change(&rest[2..length - 1]);
                        open = style.start(out);
                    }
                    length
                }
                None => shown(out, 0x1b),
            },
            b'\r' => {
                if rest.get(1) != Some(&b'\n') {
                    out.push(b'\n');
                }
                1
            }
            b'\n' | b'\t' | 0x20..=0x7e => {
                match entity(*first) {
                    b"" => out.push(*first),
                    entity => out.extend_from_slice(entity),
                }
                1
            }
            0..0x20 | 0x7f => shown(out, *first),
            0x80.. => match next_char(rest) {
                Some((c, length)) if is_tricky(c) => {
                    out.extend_from_slice(
                        format!("<span class=bin>\\u{:04x}</span>", u32::from(c)).as_bytes(),
                    );
                    length
                }
                Some((_, length)) => {
                    out.extend_from_slice(&rest[..length]);
                    length
                }
                None => shown(out, *first),
            },
        };
        rest = &rest[taken..];
    }
    finish(out, open);
}

fn finish(out: &mut Vec<u8>, open: bool) {
    if open {
        out.extend_from_slice(b"</span>");
    }
}

/// A byte that is no text.
fn shown(out: &mut Vec<u8>, byte: u8) -> usize {
    out.extend_from_slice(format!("<span class=bin>\\x{byte:02x}</span>").as_bytes());
    1
}

impl Style {
    /// Opens a span unless the text looks as usual; whether it did.
    fn start(self, out: &mut Vec<u8>) -> bool {
        if self == Style::default() {
            return false;
        }
        let mut classes = Vec::new();
        let mut styles = String::new();
        let colours = [(self.fore, 'c', "color"), (self.back, 'k', "background")];
        for (colour, letter, property) in colours {
            match colour {
                Some(Colour::Named(n)) => classes.push(format!("{letter}{n}")),
                Some(Colour::Rgb(r, g, b)) => styles.push_str(&format!("{property}:#{r:02x}{g:02x}{b:02x};")),
                None => {}
            }
        }
        let on = [
            (self.bold, "B"),
            (self.dim, "D"),
            (self.italic, "I"),
            (self.underline, "U"),
            (self.inverse, "V"),
            (self.strike, "S"),
        ];
        classes.extend(on.iter().filter(|(on, _)| *on).map(|(_, class)| (*class).to_owned()));
        out.extend_from_slice(format!("<span class=\"{}\"", classes.join(" ")).as_bytes());
        if !styles.is_empty() {
            out.extend_from_slice(format!(" style=\"{styles}\"").as_bytes());
        }
        out.push(b'>');
        true
    }

    /// Takes the parameters between `ESC [` and `m`.
    fn change(&mut self, parameters: &[u8]) {
        let text = String::from_utf8_lossy(parameters);
        let mut numbers = text.split([';', ':']).map(|n| n.parse::<u16>().unwrap_or(0));
        while let Some(n) = numbers.next() {
            match n {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                9 => self.strike = true,
                21 | 22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.strike = false,
                30..=37 | 90..=97 => self.fore = Some(named(n)),
                40..=47 | 100..=107 => self.back = Some(named(n - 10)),
                38 => self.fore = extended(&mut numbers),
                48 => self.back = extended(&mut numbers),
                39 => self.fore = None,
                49 => self.back = None,
                _ => {}
            }
        }
    }
}

fn named(n: u16) -> Colour {
    let base = if n >= 90 { n - 90 + 8 } else { n - 30 };
    Colour::Named((base & 15) as u8)
}

/// `5;n` of the 256 colours, or `2;r;g;b`.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<Colour> {
    let mut byte = || numbers.next().map(|n| n.min(255) as u8);
    match byte()? {
        5 => Some(match byte()? {
            n @ 0..=15 => Colour::Named(n),
            // A cube of six steps a side, then 24 greys.
            n @ 16..=231 => {
                let step = |i: u8| if i == 0 { 0 } else { 55 + 40 * i };
                let n = n - 16;
                Colour::Rgb(step(n / 36), step(n / 6 % 6), step(n % 6))
            }
            n => {
                let grey = 8 + 10 * (n - 232);
                Colour::Rgb(grey, grey, grey)
            }
        }),
        2 => Some(Colour::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(pieces: &[&[u8]]) -> String {
        let (mut out, mut style) = (Vec::new(), Style::default());
        pieces.iter().for_each(|piece| render(&mut out, piece, &mut style));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn colours_become_spans_that_go_on_in_the_next_piece() {
        assert_eq!(
            html(&[b"a\x1b[1;31mb", b"c\x1b[0md"]),
            "a<span class=\"c1 B\">b</span><span class=\"c1 B\">c</span>d"
        );
        assert_eq!(html(&[b"\x1b[38;5;208mx"]), "<span class=\"\" style=\"color:#ff8700;\">x</span>");
        assert_eq!(
            html(&[b"\x1b[48;2;1;2;300mx"]),
            "<span class=\"\" style=\"background:#0102ff;\">x</span>"
        );
    }

    #[test]
    fn markup_codes_and_broken_bytes_do_no_harm() {
        assert_eq!(
            html(&[b"<b>\x1b[2J\x1b]0;t\x07&\xff\x00"]),
            "&lt;b&gt;&amp;<span class=bin>\\xff</span><span class=bin>\\x00</span>"
        );
        assert_eq!(html(&[b"10%\r20%\r\nx"]), "10%\n20%\nx");
    }
}
