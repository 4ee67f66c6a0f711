//! Values as Python would print them: in its error messages, and where a report can only hold text.

use std::fmt::Write as _;

use oyez_model::Value;

/// Longest text that is made of one value.
const MAX: usize = 64 << 10;

/// `repr()`.
#[must_use]
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    put(value, &mut out);
    out
}

/// `str()`: a text is itself.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Surrogates(bytes) => visible(bytes),
        Value::DateTime(t) => datetime(t, ' '),
        other => repr(other),
    }
}

/// A date and time as `isoformat` with this separator gives it.
#[must_use]
pub fn datetime(t: &oyez_model::value::DateTime, separator: char) -> String {
    let c = t.civil;
    let mut out = format!(
        "{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}",
        c.year(),
        c.month(),
        c.day(),
        c.hour(),
        c.minute(),
        c.second()
    );
    let micros = c.subsec_nanosecond() / 1000;
    if micros != 0 {
        let _ = write!(out, ".{micros:06}");
    }
    if let Some(seconds) = t.offset {
        let (sign, n) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
        let _ = write!(out, "{sign}{:02}:{:02}", n / 3600, n / 60 % 60);
        if n % 60 != 0 {
            let _ = write!(out, ":{:02}", n % 60);
        }
    }
    out
}

/// A float as Python prints it.
#[must_use]
pub fn float(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust and Python both print the shortest digits that read back; they differ in when they write an exponent.
    let size = f.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let shortest = format!("{f:e}");
        let places = shortest.find('e').map_or(0, |e| e.saturating_sub(2 + usize::from(f < 0.0)));
        let text = nearest(f, shortest, |f| format!("{f:.places$e}"));
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(rest) => ('-', rest),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = f.to_string();
    match text.find('.') {
        Some(point) => {
            let places = text.len() - point - 1;
            nearest(f, text, |f| format!("{f:.places$}"))
        }
        None => text + ".0",
    }
}

/// Of two shortest texts that are as near as each other Python takes the even one, Rust the upper. That happens only
/// where all of a float's digits are used.
fn nearest(f: f64, shortest: String, exact: impl Fn(f64) -> String) -> String {
    if shortest.len() < 16 {
        return shortest;
    }
    let even = exact(f);
    if even.parse() == Ok(f) { even } else { shortest }
}

/// A text in quotes, as `repr` writes it.
pub fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_hidden(c) => {
                let _ = match u32::from(c) {
                    n @ ..=0xff => write!(out, "\\x{n:02x}"),
                    n @ ..=0xffff => write!(out, "\\u{n:04x}"),
                    n => write!(out, "\\U{n:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

pub(super) fn put(value: &Value, out: &mut String) {
    if out.len() > MAX {
        return out.push('…');
    }
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Big(n) => out.push_str(&n.to_string()),
        Value::Float(f) => out.push_str(&float(*f)),
        Value::Text(text) => quoted(text, out),
        Value::Surrogates(bytes) => quoted(&visible(bytes), out),
        Value::Bytes(bytes) => put_bytes(bytes, out),
        Value::List(items) => around(items, "[", "]", out),
        Value::Tuple(items) if items.len() == 1 => around(items, "(", ",)", out),
        Value::Tuple(items) => around(items, "(", ")", out),
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => around(items, "{", "}", out),
        Value::Map(pairs) => {
            out.push('{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                put(key, out);
                out.push_str(": ");
                put(value, out);
            }
            out.push('}');
        }
        Value::DateTime(t) => put_datetime(t, out),
        Value::Opaque(o) => super::known::put_object(o, out),
    }
}

/// What Python does not print as it is: control and format characters, spaces other than the plain one, private ones.
/// Which characters nobody has defined yet depends on Python's version; they are printed.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}' | '\u{f0000}'..='\u{10ffff}')
}

/// Text with lone surrogates, these as Python escapes them: `\ud800`.
#[must_use]
pub fn visible(wtf8: &[u8]) -> String {
    let mut out = String::with_capacity(wtf8.len());
    let mut rest = wtf8;
    while !rest.is_empty() {
        let (valid, after) = match std::str::from_utf8(rest) {
            Ok(text) => (text, &rest[rest.len()..]),
            Err(e) => {
                let (valid, after) = rest.split_at(e.valid_up_to());
                (std::str::from_utf8(valid).unwrap_or_default(), after)
            }
        };
        out.push_str(valid);
        // A surrogate is three bytes in WTF-8: ED, A0 to BF, 80 to BF.
        rest = match after {
            [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, rest @ ..] => {
                let unit = 0xd000 | u32::from(b & 0x3f) << 6 | u32::from(c & 0x3f);
                let _ = write!(out, "\\u{unit:04x}");
                rest
            }
            [_, rest @ ..] => {
                out.push(char::REPLACEMENT_CHARACTER);
                rest
            }
            [] => &[],
        };
    }
    out
}

fn put_datetime(t: &oyez_model::value::DateTime, out: &mut String) {
    let c = t.civil;
    let _ = write!(
        out,
        "datetime.datetime({}, {}, {}, {}, {}",
        c.year(),
        c.month(),
        c.day(),
        c.hour(),
        c.minute()
    );
    let micros = c.subsec_nanosecond() / 1000;
    if c.second() != 0 || micros != 0 {
        let _ = write!(out, ", {}", c.second());
    }
    if micros != 0 {
        let _ = write!(out, ", {micros}");
    }
    if let Some(offset) = t.offset {
        out.push_str(", tzinfo=datetime.timezone");
        match (offset, &t.zone) {
            (0, None) => out.push_str(".utc"),
            (offset, zone) => {
                let (days, seconds) = (offset.div_euclid(86_400), offset.rem_euclid(86_400));
                out.push_str("(datetime.timedelta(");
                match (days, seconds) {
                    (0, 0) => out.push('0'),
                    (0, seconds) => {
                        let _ = write!(out, "seconds={seconds}");
                    }
                    (days, seconds) => {
                        let _ = write!(out, "days={days}, seconds={seconds}");
                    }
                }
                out.push(')');
                if let Some(zone) = zone {
                    out.push_str(", ");
                    quoted(zone, out);
                }
                out.push(')');
            }
        }
    }
    out.push(')');
}

pub(super) fn around<'v>(
    items: impl IntoIterator<Item = &'v Value>,
    open: &str,
    close: &str,
    out: &mut String,
) {
    out.push_str(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        put(item, out);
    }
    out.push_str(close);
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut String) {
    out.push_str("b'");
    for byte in bytes.iter().take(MAX) {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\'' => out.push_str("\\'"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('\'');
}
