//! Typed fields out of what a server says.

use jiff::tz::TimeZone;
use oyez_model::{Time, Value};
use oyez_wire::pyats::objects;

/// Where a section's log stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The file, relative to the run's folder.
    pub file: String,
    /// First byte.
    pub begin: u64,
    /// How many bytes, once it has stopped.
    pub size: Option<u64>,
    /// First line, once counted; not in events.
    pub begin_lines: Option<u64>,
    /// How many lines, once counted; not in events.
    pub size_lines: Option<u64>,
}

/// A map as a server sends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'v>(pub &'v Value);

impl<'v> Fields<'v> {
    pub fn get(self, key: &str) -> Option<&'v Value> {
        self.0.get(key).filter(|value| **value != Value::Null)
    }

    pub fn text(self, key: &str) -> Option<String> {
        self.get(key).map(objects::text_of_id)
    }

    pub fn number(self, key: &str) -> Option<u64> {
        match self.get(key) {
            Some(Value::Int(n)) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    pub fn seconds(self, key: &str) -> Option<f64> {
        match self.get(key) {
            Some(Value::Float(seconds)) => Some(*seconds),
            Some(Value::Int(seconds)) => Some(*seconds as f64),
            _ => None,
        }
    }

    /// A datetime; one without a zone is taken as UTC.
    pub fn time(self, key: &str) -> Option<Time> {
        match self.get(key) {
            Some(Value::DateTime(time)) => objects::nanos(time, &TimeZone::UTC).map(Time),
            _ => None,
        }
    }

    /// The elements of a list.
    pub fn items(self, key: &str) -> &'v [Value] {
        match self.get(key) {
            Some(Value::List(items) | Value::Tuple(items)) => items,
            _ => &[],
        }
    }

    pub fn texts(self, key: &str) -> Vec<String> {
        self.items(key).iter().map(objects::text_of_id).collect()
    }

    pub fn log(self) -> Option<LogPlace> {
        let logs = Fields(self.get("logs")?);
        Some(LogPlace {
            file: logs.text("file")?,
            begin: logs.number("begin")?,
            size: logs.number("size"),
            begin_lines: logs.number("begin_lines"),
            size_lines: logs.number("size_lines"),
        })
    }
}
