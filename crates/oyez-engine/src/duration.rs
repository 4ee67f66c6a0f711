//! Go's durations, as ConTest's descriptors hold them: `1h5m`, `300ms`, `1.5s`, `-1s`, `0`.
//!
//! Grammar, limits and error texts are those of Go's `time.ParseDuration`, the printed form is that of
//! `Duration.String` (<https://pkg.go.dev/time>).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A span of time in nanoseconds, with a sign; at most about 292 years.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

/// Why a text is no duration; the text is Go's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Not of the form, or out of range.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A unit that Go does not know.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// What stands where the unit should.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// One with an overflow: Go allows the most negative number, whose magnitude fits no `i64`.
const LIMIT: u64 = 1 << 63;

impl GoDuration {
    /// No time at all.
    pub const ZERO: GoDuration = GoDuration(0);

    /// Whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        GoDuration(seconds as i64 * 1_000_000_000)
    }

    /// As the standard library's duration, which knows no sign: a negative one is none at all.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Whether it points back.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl From<GoDuration> for Duration {
    fn from(d: GoDuration) -> Duration {
        d.to_std()
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(GoDuration(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (part, after) = one_part(rest, text)?;
            total = total.checked_add(part).filter(|t| *t <= LIMIT).ok_or_else(invalid)?;
            rest = after;
        }
        match (negative, i64::try_from(total)) {
            (true, Ok(ns)) => Ok(GoDuration(-ns)),
            (true, Err(_)) => Ok(GoDuration(i64::MIN)),
            (false, Ok(ns)) => Ok(GoDuration(ns)),
            (false, Err(_)) => Err(invalid()),
        }
    }
}

/// Reads `number unit` at the start; gives the nanoseconds and what follows.
fn one_part<'t>(rest: &'t str, text: &str) -> Result<(u64, &'t str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (whole, after) = take_digits(rest);
    let (fraction, after) = match after.strip_prefix('.') {
        Some(after) => take_digits(after),
        None => ("", after),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
    let (unit, after) = after.split_at(unit_end);
    if unit.is_empty() {
        return Err(DurationError::MissingUnit(text.to_owned()));
    }
    let scale = unit_nanos(unit)
        .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let nanos = whole.checked_mul(scale).filter(|n| *n <= LIMIT).ok_or_else(invalid)?;
    let nanos = nanos.checked_add(fraction_nanos(fraction, scale)).filter(|n| *n <= LIMIT);
    Ok((nanos.ok_or_else(invalid)?, after))
}

fn take_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Digits after the point, in units of `scale` nanoseconds; what is below a nanosecond is cut off.
fn fraction_nanos(digits: &str, scale: u64) -> u64 {
    // 18 digits are more than the longest unit (an hour, 3.6e12 ns) can tell apart, and fit the arithmetic.
    let digits = &digits[..digits.len().min(18)];
    if digits.is_empty() {
        return 0;
    }
    let value: u128 = digits.parse().unwrap_or(0);
    let exponent = u32::try_from(digits.len()).unwrap_or(18);
    u64::try_from(value * u128::from(scale) / 10_u128.pow(exponent)).unwrap_or(0)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The two micro signs: U+00B5 and the Greek letter U+03BC.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Quotes as Go's `time` package does: each byte that is no printable ASCII becomes `\xNN`.
fn quote(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _infallible = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}

impl fmt::Display for GoDuration {
    /// Go's `Duration.String`: `1h5m0s`, `1.5s`, `300ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ns = self.0.unsigned_abs();
        match ns {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{sign}{ns}ns"),
            1_000..1_000_000 => write!(f, "{sign}{}\u{b5}s", Decimal(ns, 3)),
            1_000_000..1_000_000_000 => write!(f, "{sign}{}ms", Decimal(ns, 6)),
            _ => {
                let (minutes, rest) = (ns / 60_000_000_000, ns % 60_000_000_000);
                let (hours, minutes) = (minutes / 60, minutes % 60);
                let seconds = Decimal(rest, 9);
                match (hours, minutes) {
                    (0, 0) => write!(f, "{sign}{seconds}s"),
                    (0, _) => write!(f, "{sign}{minutes}m{seconds}s"),
                    (_, _) => write!(f, "{sign}{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

/// A number and how many of its last digits stand behind the point; zeros at the end are left out.
struct Decimal(u64, u32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u64.pow(self.1);
        let (whole, fraction) = (self.0 / scale, self.0 % scale);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:0width$}", width = self.1 as usize);
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> i64 {
        text.parse::<GoDuration>().unwrap().0
    }

    #[test]
    fn what_go_reads_is_read() {
        assert_eq!(nanos("1h5m"), 3_900_000_000_000);
        assert_eq!(nanos("0s"), 0);
        assert_eq!(nanos("0"), 0);
        assert_eq!(nanos("1.5s"), 1_500_000_000);
        assert_eq!(nanos("300ms"), 300_000_000);
        assert_eq!(nanos("-1s"), -1_000_000_000);
        assert_eq!(nanos("+.5s"), 500_000_000);
        assert_eq!(nanos("1.s"), 1_000_000_000);
        assert_eq!(nanos("7us"), 7_000);
        assert_eq!(nanos("7\u{b5}s"), 7_000);
        assert_eq!(nanos("7\u{3bc}s"), 7_000);
        assert_eq!(nanos("1m2.000000003s"), 62_000_000_003);
        assert_eq!(nanos("9223372036854775807ns"), i64::MAX);
        assert_eq!(nanos("-9223372036854775808ns"), i64::MIN);
        assert_eq!(nanos("0.33333333333333333333h"), 1_200_000_000_000 - 1);
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        let text = |t: &str| t.parse::<GoDuration>().unwrap_err().to_string();
        assert_eq!(text("x"), "time: invalid duration \"x\"");
        assert_eq!(text(""), "time: invalid duration \"\"");
        assert_eq!(text("-"), "time: invalid duration \"-\"");
        assert_eq!(text("3"), "time: missing unit in duration \"3\"");
        assert_eq!(text("3d"), "time: unknown unit \"d\" in duration \"3d\"");
        assert_eq!(text(".s"), "time: invalid duration \".s\"");
        assert_eq!(text("9223372036854775808ns"), "time: invalid duration \"9223372036854775808ns\"");
        assert_eq!(text("3000000h"), "time: invalid duration \"3000000h\"");
        assert_eq!(text("1 s"), "time: unknown unit \" s\" in duration \"1 s\"");
        assert_eq!(text("\u{e4}"), "time: invalid duration \"\\xc3\\xa4\"");
    }

    #[test]
    fn it_prints_as_go_does() {
        let text = |ns: i64| GoDuration(ns).to_string();
        assert_eq!(text(0), "0s");
        assert_eq!(text(1), "1ns");
        assert_eq!(text(1_100), "1.1\u{b5}s");
        assert_eq!(text(2_200_000), "2.2ms");
        assert_eq!(text(3_300_000_000), "3.3s");
        assert_eq!(text(245_000_000_000), "4m5s");
        assert_eq!(text(245_001_000_000), "4m5.001s");
        assert_eq!(text(18_367_001_000_000), "5h6m7.001s");
        assert_eq!(text(480_000_000_001), "8m0.000000001s");
        assert_eq!(text(i64::MAX), "2562047h47m16.854775807s");
        assert_eq!(text(i64::MIN), "-2562047h47m16.854775808s");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ns: i64) {
            prop_assert_eq!(GoDuration(ns).to_string().parse::<GoDuration>(), Ok(GoDuration(ns)));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.a-z\u{b5} ]{0,24}") {
            let _either = text.parse::<GoDuration>();
        }
    }
}
