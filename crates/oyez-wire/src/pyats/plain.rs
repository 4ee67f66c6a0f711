//! What a plain scalar means in YAML 1.1, as PyYAML takes it.
//!
//! Needed in both directions: to read a plain scalar as what it is, and to put quotes around a text that would be read
//! as something else. Source: the regular expressions of PyYAML's `resolver.py` (6.0), which are those of the types in
//! YAML 1.1's repository, with a point required in floats.

/// What a plain scalar is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Nothing.
    Null,
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A floating point number.
    Float,
    /// A date, or a date and time.
    Timestamp,
    /// One of the words that mean something to a reader of YAML: `<<`, `=`, `!`, `&`, `*`.
    Special,
    /// Text.
    Text,
}

/// What it is.
#[must_use]
pub fn resolve(text: &str) -> Plain {
    let Some(first) = text.bytes().next() else { return Plain::Null };
    match first {
        b'~' | b'n' | b'N' if matches!(text, "~" | "null" | "Null" | "NULL") => Plain::Null,
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' if is_bool(text) => Plain::Bool,
        b'<' | b'=' | b'!' | b'&' | b'*' if matches!(text, "<<" | "=" | "!" | "&" | "*") => Plain::Special,
        b'-' | b'+' | b'0'..=b'9' | b'.' => number(text),
        _ => Plain::Text,
    }
}

fn is_bool(text: &str) -> bool {
    matches!(
        text,
        "yes"
            | "Yes"
            | "YES"
            | "no"
            | "No"
            | "NO"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "on"
            | "On"
            | "ON"
            | "off"
            | "Off"
            | "OFF"
    )
}

fn number(text: &str) -> Plain {
    if is_float(text) {
        Plain::Float
    } else if is_int(text) {
        Plain::Int
    } else if is_timestamp(text) {
        Plain::Timestamp
    } else {
        Plain::Text
    }
}

/// A text that is eaten from its front, as the expressions go.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn some(&mut self, of: impl Fn(u8) -> bool) -> usize {
        let n = self.0.iter().take_while(|b| of(**b)).count();
        self.0 = &self.0[n..];
        n
    }

    fn byte(&mut self, of: impl Fn(u8) -> bool) -> bool {
        let is = self.0.first().is_some_and(|b| of(*b));
        if is {
            self.0 = &self.0[1..];
        }
        is
    }

    fn digits(&mut self, least: usize, most: usize) -> bool {
        let n = self.0.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        self.0 = &self.0[n..];
        n >= least
    }

    fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

const fn digit(b: u8) -> bool {
    b.is_ascii_digit()
}

const fn digit_or_bar(b: u8) -> bool {
    b.is_ascii_digit() || b == b'_'
}

const fn sign(b: u8) -> bool {
    matches!(b, b'-' | b'+')
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let exponent = |rest: &mut Rest<'_>| {
        rest.is_done()
            || rest.byte(|b| matches!(b, b'e' | b'E'))
                && rest.byte(sign)
                && rest.some(digit) > 0
                && rest.is_done()
    };
    let mut rest = Rest(text.as_bytes());
    if text.starts_with('.') {
        rest.byte(|b| b == b'.');
        return rest.byte(digit) && {
            rest.some(digit_or_bar);
            exponent(&mut rest)
        };
    }
    rest.byte(sign);
    if !rest.byte(digit) {
        return false;
    }
    rest.some(digit_or_bar);
    if rest.byte(|b| b == b'.') {
        rest.some(digit_or_bar);
        return exponent(&mut rest);
    }
    // 190:20:30.15, in base 60.
    sixties(&mut rest) && rest.byte(|b| b == b'.') && {
        rest.some(digit_or_bar);
        rest.is_done()
    }
}

/// `:` and up to two digits below 60, once or more.
fn sixties(rest: &mut Rest<'_>) -> bool {
    let mut found = false;
    while rest.byte(|b| b == b':') {
        // One digit, or two of which the first is below 6.
        let two = matches!(rest.0, [b'0'..=b'5', b'0'..=b'9', ..]);
        if !rest.digits(1, if two { 2 } else { 1 }) {
            return false;
        }
        found = true;
    }
    found
}

fn is_int(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let bytes = unsigned.as_bytes();
    let all = |from: usize, of: fn(u8) -> bool| bytes.len() > from && bytes[from..].iter().all(|b| of(*b));
    match bytes {
        [b'0'] => true,
        [b'0', b'b', ..] => all(2, |b| matches!(b, b'0' | b'1' | b'_')),
        [b'0', b'x', ..] => all(2, |b| b.is_ascii_hexdigit() || b == b'_'),
        [b'0', ..] => all(1, |b| matches!(b, b'0'..=b'7' | b'_')),
        [b'1'..=b'9', ..] => {
            let mut rest = Rest(bytes);
            rest.some(digit_or_bar);
            rest.is_done() || sixties(&mut rest) && rest.is_done()
        }
        _ => false,
    }
}

fn is_timestamp(text: &str) -> bool {
    let mut rest = Rest(text.as_bytes());
    let is = |c: u8| move |b: u8| b == c;
    if !rest.digits(4, 4) || !rest.byte(is(b'-')) {
        return false;
    }
    if let [b'0'..=b'9', b'0'..=b'9', b'-', b'0'..=b'9', b'0'..=b'9'] = rest.0 {
        return true;
    }
    if !(rest.digits(1, 2) && rest.byte(is(b'-')) && rest.digits(1, 2)) {
        return false;
    }
    let blank = |b: u8| matches!(b, b' ' | b'\t');
    if !rest.byte(|b| matches!(b, b'T' | b't')) && rest.some(blank) == 0 {
        return false;
    }
    let clock = rest.digits(1, 2)
        && rest.byte(is(b':'))
        && rest.digits(2, 2)
        && rest.byte(is(b':'))
        && rest.digits(2, 2);
    if !clock {
        return false;
    }
    if rest.byte(is(b'.')) {
        rest.some(digit);
    }
    if rest.is_done() {
        return true;
    }
    rest.some(blank);
    if rest.byte(is(b'Z')) {
        return rest.is_done();
    }
    rest.byte(sign)
        && rest.digits(1, 2)
        && (rest.is_done() || rest.byte(is(b':')) && rest.digits(2, 2) && rest.is_done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_scalar_is_what_pyyaml_takes_it_for() {
        let cases: [(Plain, &[&str]); 7] = [
            (Plain::Null, &["", "~", "null", "Null", "NULL"]),
            (Plain::Bool, &["yes", "No", "ON", "off", "True", "FALSE"]),
            (Plain::Int, &["0", "-1", "+7", "0b1_0", "017", "0x1F", "1_000", "190:20:30", "0_"]),
            (Plain::Float, &["1.", "-1.5e+3", ".5", "1_0.0_1", "190:20:30.15", "-.inf", ".NaN", "1.0"]),
            (
                Plain::Timestamp,
                &[
                    "2026-01-02",
                    "2026-1-2 3:04:05",
                    "2026-01-02T03:04:05.6Z",
                    "2026-01-02 03:04:05.000600+00:00",
                    "2026-01-02 03:04:05 -5",
                ],
            ),
            (Plain::Special, &["<<", "=", "!"]),
            (
                Plain::Text,
                &[
                    "y",
                    "nULL",
                    "1e5",
                    "1.5e3",
                    "08",
                    "0b",
                    "0x",
                    "1.2.3",
                    "26.9.1",
                    "2026-1-2",
                    "a",
                    "-",
                    ".",
                    "+.nan",
                    "1:60",
                    "2026-01-02 03:04",
                    "2026-01-02 03:04:05+05:30:10",
                    "--1",
                    "_1",
                ],
            ),
        ];
        for (is, texts) in cases {
            for text in texts {
                assert_eq!(resolve(text), is, "{text:?}");
            }
        }
    }
}
