//! YAML as PyYAML writes it, a value at a time.
//!
//! Tags are looked at (`!!binary`, `!!set`, `!!float 'inf'`), plain scalars are what YAML 1.1 takes them for
//! ([`plain`](crate::pyats::plain)). Aliases are refused: pyATS writes none, and a small text of aliases of aliases says
//! a huge tree.

use std::borrow::Cow;

use base64::Engine;
use granit_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use oyez_model::Value;
use oyez_model::value::{DateTime, MAX_DEPTH, Opaque};

use super::source::{Next, Source};
use super::{DEEPEST, ImportError};
use crate::pyats::pickle::number::from_digits;
use crate::pyats::plain::{Plain, resolve};

/// A YAML text with the escapes of lone surrogates (`\\uD800`), which Python writes and YAML forbids, made U+FFFD.
pub(super) fn without_surrogates(text: &str) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let mut from = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), b"\\uD") {
        let escaped = text[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
        let digits = text.as_bytes().get(at + 3..at + 6).unwrap_or_default();
        if let [b'8'..=b'9' | b'A'..=b'F', b'0'..=b'9' | b'A'..=b'F', b'0'..=b'9' | b'A'..=b'F'] = digits
            && !escaped
        {
            let out = out.get_or_insert_default();
            out.push_str(&text[from..at]);
            out.push_str("\\uFFFD");
            from = at + 6;
        }
    }
    match out {
        None => Cow::Borrowed(text),
        Some(out) => Cow::Owned(out + &text[from..]),
    }
}

/// A place in a YAML text.
pub(super) struct Yaml<'t> {
    parser: Parser<'t, StrInput<'t>>,
    next: Option<Event<'t>>,
    at: usize,
}

impl<'t> Yaml<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let options = granit_parser::options! {
            // A section is a mapping within a sequence; its extras nest further.
            block_nesting_limit: 2 * DEEPEST + 2 * MAX_DEPTH,
            emit_comments: false,
        };
        Yaml { parser: Parser::new_from_str_with_options(text, options), next: None, at: 0 }
    }

    fn wrong(&self, what: &str) -> ImportError {
        ImportError::Syntax { at: self.at, what: what.to_owned() }
    }

    fn peek(&mut self) -> Result<&Event<'t>, ImportError> {
        while self.next.is_none() {
            let (event, span) = match self.parser.next_event() {
                Some(Ok(found)) => found,
                Some(Err(e)) => return Err(ImportError::Syntax { at: self.at, what: e.to_string() }),
                None => (Event::StreamEnd, granit_parser::Span::default()),
            };
            self.at = span.start.byte_offset().unwrap_or(self.at).max(self.at);
            if !matches!(event, Event::StreamStart | Event::DocumentStart(..)) {
                self.next = Some(event);
            }
        }
        // The loop ends with an event.
        self.next.as_ref().ok_or(ImportError::TooDeep)
    }

    fn take(&mut self) -> Result<Event<'t>, ImportError> {
        self.peek()?;
        self.next.take().ok_or(ImportError::TooDeep)
    }

    fn scalar(
        &self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
    ) -> Result<Value, ImportError> {
        let what = match tag {
            None if style == ScalarStyle::Plain => resolve(&text),
            None => Plain::Text,
            Some(tag) => {
                match tag.to_string().trim_start_matches("tag:yaml.org,2002:").trim_start_matches('!') {
                    "null" => Plain::Null,
                    "bool" => Plain::Bool,
                    "int" => Plain::Int,
                    "float" => Plain::Float,
                    "timestamp" => Plain::Timestamp,
                    "binary" => {
                        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                        return bytes
                            .map(Value::Bytes)
                            .map_err(|_| self.wrong("'!!binary' holds no base 64"));
                    }
                    _ => Plain::Text,
                }
            }
        };
        let value = match what {
            Plain::Null => Some(Value::Null),
            Plain::Bool => Some(Value::Bool(
                text.to_ascii_lowercase().starts_with(['y', 't'])
                    || text.len() == 2 && text.to_ascii_lowercase() == "on",
            )),
            Plain::Int => int(&text),
            Plain::Float => float(&text),
            Plain::Timestamp => timestamp(&text),
            Plain::Special | Plain::Text => None,
        };
        Ok(value.unwrap_or_else(|| Value::Text(text.into_owned())))
    }
}

impl Source for Yaml<'_> {
    fn next(&mut self) -> Result<Next, ImportError> {
        Ok(match self.peek()? {
            Event::MappingStart(..) => Next::Map,
            Event::SequenceStart(..) => Next::List,
            _ => Next::Other,
        })
    }

    fn enter(&mut self) -> Result<(), ImportError> {
        self.take().map(|_| ())
    }

    fn key(&mut self, _: &mut bool) -> Result<Option<Value>, ImportError> {
        if matches!(self.peek()?, Event::MappingEnd) {
            self.take()?;
            return Ok(None);
        }
        self.value(0).map(Some)
    }

    fn item(&mut self, _: &mut bool) -> Result<bool, ImportError> {
        let is_end = matches!(self.peek()?, Event::SequenceEnd);
        if is_end {
            self.take()?;
        }
        Ok(!is_end)
    }

    fn value(&mut self, depth: usize) -> Result<Value, ImportError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("values nest too deep"));
        }
        let mut first = true;
        match self.take()? {
            Event::Scalar(text, style, _, tag) => self.scalar(text, style, tag.as_deref()),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                while self.item(&mut first)? {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::List(items))
            }
            Event::MappingStart(_, _, tag) => {
                let mut pairs = Vec::new();
                while let Some(key) = self.key(&mut first)? {
                    pairs.push((key, self.value(depth + 1)?));
                }
                let is_set = tag.is_some_and(|tag| tag.to_string().ends_with("set"));
                Ok(if is_set {
                    Value::Set(pairs.into_iter().map(|(key, _)| key).collect())
                } else {
                    Value::Map(pairs)
                })
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                Err(self.wrong("aliases are not taken in results files"))
            }
            _ => Err(self.wrong("the text ends in the middle: it was cut off")),
        }
    }
}

/// A number in the forms of YAML 1.1; one in base 60 stays a text.
fn int(text: &str) -> Option<Value> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let (sign, unsigned) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let octal =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|b| b.is_ascii_digit());
    let with_prefix = if octal { format!("{sign}0o{}", &unsigned[1..]) } else { format!("{sign}{unsigned}") };
    from_digits(with_prefix.as_bytes())
}

fn float(text: &str) -> Option<Value> {
    let plain: String = text.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    // Rust reads `inf` and `nan` as YAML's words without the point.
    let word = match plain.as_str() {
        ".inf" | "+.inf" => "inf",
        "-.inf" => "-inf",
        ".nan" => "nan",
        other => other,
    };
    word.parse().ok().map(Value::Float)
}

fn timestamp(text: &str) -> Option<Value> {
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        let [high, low] = date.year().to_be_bytes();
        let bytes = vec![high, low, date.month().unsigned_abs(), date.day().unsigned_abs()];
        return Some(Value::Opaque(Box::new(Opaque::call("datetime", "date", vec![Value::Bytes(bytes)]))));
    }
    let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let civil = pieces.date().to_datetime(pieces.time()?);
    let offset = pieces.to_numeric_offset().map(|o| o.seconds());
    Some(Value::DateTime(Box::new(DateTime { civil, offset, zone: None })))
}
