//! JSON as Python's `json` writes it, a value at a time.
//!
//! Python's dialect has what JSON has not: `NaN`, `Infinity`, `-Infinity`, whole numbers of any size and lone surrogates
//! in texts. All of them stand in real results files.

use oyez_model::Value;

use super::ImportError;
use super::source::{Next, Source};
use crate::pyats::pickle::number::from_digits;

/// How deep values may nest; the deepest that the journal takes.
const DEEPEST: usize = oyez_model::value::MAX_DEPTH;

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Json<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Json<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Json { text: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), at: 0 }
    }

    fn wrong(&self, what: &'static str) -> ImportError {
        ImportError::Syntax { at: self.at, what: what.to_owned() }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes this byte, after spaces.
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ImportError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong(what))
        }
    }

    fn more(&mut self, end: u8, first: &mut bool) -> Result<bool, ImportError> {
        let next = self.peek();
        if next == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::replace(first, false) {
            self.expect(b',', "a ',' or the end of the list or object should be here")?;
        }
        Ok(true)
    }

    fn word(&mut self) -> Result<Value, ImportError> {
        let rest = &self.text[self.at..];
        let is_end = |b: &u8| matches!(b, b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t');
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        let word = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "NaN" => Value::Float(f64::NAN),
            "Infinity" => Value::Float(f64::INFINITY),
            "-Infinity" => Value::Float(f64::NEG_INFINITY),
            _ => number(word).ok_or_else(|| self.wrong("this is no value"))?,
        };
        self.at += length;
        Ok(value)
    }

    /// The rest of a text whose opening quote has been taken.
    fn string(&mut self) -> Result<Value, ImportError> {
        let mut out: Vec<u8> = Vec::new();
        let mut lone = false;
        loop {
            let rest = &self.text[self.at..];
            let plain = memchr::memchr2(b'"', b'\\', rest).ok_or_else(|| self.wrong("a text has no end"))?;
            out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                break;
            }
            lone |= self.escape(&mut out)?;
        }
        if lone {
            return Ok(Value::Surrogates(out));
        }
        String::from_utf8(out).map(Value::Text).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    /// What follows a backslash; whether it left a lone surrogate.
    fn escape(&mut self, out: &mut Vec<u8>) -> Result<bool, ImportError> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        let plain = match byte {
            Some(b @ (b'"' | b'\\' | b'/')) => b,
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'u') => return self.unicode(out),
            _ => return Err(self.wrong("an unknown escape in a text")),
        };
        out.push(plain);
        Ok(false)
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<bool, ImportError> {
        let unit = self.hex()?;
        if let 0xd800..=0xdbff = unit
            && self.text[self.at..].starts_with(b"\\u")
        {
            let before = self.at;
            self.at += 2;
            let low = self.hex()?;
            if let 0xdc00..=0xdfff = low {
                let c = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                push(out, c);
                return Ok(false);
            }
            self.at = before;
        }
        push(out, unit);
        Ok(matches!(unit, 0xd800..=0xdfff))
    }

    fn hex(&mut self) -> Result<u32, ImportError> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|d| std::str::from_utf8(d).ok());
        let unit = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.wrong("'\\u' needs four digits of base 16"))
    }
}

impl Source for Json<'_> {
    fn next(&mut self) -> Result<Next, ImportError> {
        Ok(match self.peek() {
            Some(b'{') => Next::Map,
            Some(b'[') => Next::List,
            _ => Next::Other,
        })
    }

    fn enter(&mut self) -> Result<(), ImportError> {
        self.at += 1;
        Ok(())
    }

    fn key(&mut self, first: &mut bool) -> Result<Option<Value>, ImportError> {
        if !self.more(b'}', first)? {
            return Ok(None);
        }
        self.expect(b'"', "a key in double quotes should be here")?;
        let key = self.string()?;
        self.expect(b':', "a ':' should be here")?;
        Ok(Some(key))
    }

    fn item(&mut self, first: &mut bool) -> Result<bool, ImportError> {
        self.more(b']', first)
    }

    fn value(&mut self, depth: usize) -> Result<Value, ImportError> {
        if depth > DEEPEST {
            return Err(self.wrong("values nest too deep"));
        }
        let next = self.next()?;
        let mut first = true;
        match next {
            Next::Map => {
                self.enter()?;
                let mut pairs = Vec::new();
                while let Some(key) = self.key(&mut first)? {
                    pairs.push((key, self.value(depth + 1)?));
                }
                Ok(Value::Map(pairs))
            }
            Next::List => {
                self.enter()?;
                let mut items = Vec::new();
                while self.item(&mut first)? {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::List(items))
            }
            Next::Other => match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.string()
                }
                Some(_) => self.word(),
                None => Err(self.wrong("the text ends in the middle: it was cut off")),
            },
        }
    }
}

/// A code point in WTF-8: surrogates as if they were characters.
fn push(out: &mut Vec<u8>, c: u32) {
    match char::from_u32(c) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let low = |shift: u32| 0x80 | ((c >> shift) & 0x3f) as u8;
            out.extend_from_slice(&[0xe0 | (c >> 12) as u8, low(6), low(0)]);
        }
    }
}

fn number(word: &str) -> Option<Value> {
    if let Ok(n) = word.parse::<i64>() {
        return (!word.starts_with('+')).then_some(Value::Int(n));
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return from_digits(word.as_bytes());
    }
    // Rust reads words such as `inf` as well.
    let has_digits =
        word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    has_digits.then(|| word.parse().ok()).flatten().map(Value::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        Json::new(text.as_bytes()).value(0).unwrap()
    }

    #[test]
    fn pythons_dialect_is_read() {
        assert_eq!(read("[NaN, -Infinity, 1e3, -0.0, 7]"), {
            let floats = [f64::NAN, f64::NEG_INFINITY, 1e3, -0.0].map(Value::Float);
            Value::List(floats.into_iter().chain([Value::Int(7)]).collect())
        });
        assert_eq!(read(r#""\ud83d\ude00\u00e9\n""#), Value::text("😀é\n"));
        assert_eq!(read(r#""a\ud800""#), Value::Surrogates(b"a\xed\xa0\x80".to_vec()));
        let Value::Big(n) = read("-1267650600228229401496703205376") else { panic!("a big number") };
        assert_eq!(n.to_string(), "-1267650600228229401496703205376");
        assert_eq!(read(r#"{"b": [], "a": {"": null}}"#).get("b"), Some(&Value::List(vec![])));
    }

    #[test]
    fn what_is_cut_off_or_wrong_is_an_error_with_its_place() {
        for text in ["", "{", "[1,", "\"a", "{\"a\" 1}", "tru", "\"\\ud8", "\"\\q\"", "[1 2]", "inf", "+1"] {
            assert!(matches!(Json::new(text.as_bytes()).value(0), Err(ImportError::Syntax { .. })), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Json::new(deep.as_bytes()).value(0).is_err());
    }
}
