//! What extras, parameters, details and data may hold: everything that Python objects bring over the wire, as data.
//!
//! Nothing in a value is ever executed: an object of an unknown class stays [`Value::Opaque`]. In the journal a value
//! is CBOR ([`cbor`]), towards people and tools it is JSON ([`json`]).

mod cbor;
mod json;
mod opaque;

use std::cmp::Ordering;

pub use cbor::MAX_DEPTH;
pub use opaque::{Opaque, OpaqueForm};

/// Any value a producer may hand over.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`, `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// A whole number of any size.
    Big(BigInt),
    /// A floating point number; NaN and infinities included.
    Float(f64),
    /// Text.
    Text(String),
    /// Text with lone surrogates (Python allows them), as WTF-8.
    Surrogates(Vec<u8>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set, in the order in which it was given.
    Set(Vec<Value>),
    /// A map with any keys, in the order in which it was given.
    Map(Vec<(Value, Value)>),
    /// A date and time, with or without a zone.
    DateTime(Box<DateTime>),
    /// An object of a class that is not looked into.
    Opaque(Box<Opaque>),
}

/// A whole number beyond 64 bits: sign and magnitude, most significant byte first, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BigInt {
    /// Below zero; the value is then -1 - magnitude, as in CBOR.
    pub negative: bool,
    /// Magnitude, most significant byte first.
    pub magnitude: Vec<u8>,
}

/// A civil date and time, with the offset that it was said with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// The civil date and time.
    pub civil: jiff::civil::DateTime,
    /// Seconds east of UTC; `None`: naive.
    pub offset: Option<i32>,
    /// The name of the zone, when it had one.
    pub zone: Option<String>,
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(t) => Some(t),
            _ => None,
        }
    }

    /// What a map with text keys holds under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(pairs) => pairs.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int(_) => 2,
            Value::Big(_) => 3,
            Value::Float(_) => 4,
            Value::Text(_) => 5,
            Value::Surrogates(_) => 6,
            Value::Bytes(_) => 7,
            Value::List(_) => 8,
            Value::Tuple(_) => 9,
            Value::Set(_) => 10,
            Value::Map(_) => 11,
            Value::DateTime(_) => 12,
            Value::Opaque(_) => 13,
        }
    }
}

/// Equal means the same bytes in the journal: a NaN equals itself.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Big(a), Value::Big(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Surrogates(a), Value::Surrogates(b)) | (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::List(a), Value::List(b))
            | (Value::Tuple(a), Value::Tuple(b))
            | (Value::Set(a), Value::Set(b)) => a.cmp(b),
            (Value::Map(a), Value::Map(b)) => a.cmp(b),
            (Value::DateTime(a), Value::DateTime(b)) => a.cmp(b),
            (Value::Opaque(a), Value::Opaque(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Value::Float(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}
