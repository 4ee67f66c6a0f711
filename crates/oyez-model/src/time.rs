//! Points in time: nanoseconds since 1970-01-01T00:00:00Z in 64 bits (years 1678 to 2262).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};

/// A point in time, in nanoseconds since the Unix epoch. It says nothing of a zone; texts are in UTC.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Time(#[n(0)] pub i64);

impl Time {
    /// As jiff's timestamp.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Nanoseconds from `earlier` to this; 0 when this is the earlier one.
    #[must_use]
    pub fn since(self, earlier: Time) -> u64 {
        self.0.checked_sub(earlier.0).and_then(|d| u64::try_from(d).ok()).unwrap_or(0)
    }

    /// This and `nanos` more.
    #[must_use]
    pub fn plus(self, nanos: i64) -> Time {
        Time(self.0.saturating_add(nanos))
    }
}

impl From<Timestamp> for Time {
    /// Times outside 1678 to 2262 become the nearest that can be said.
    fn from(t: Timestamp) -> Self {
        let ns = t.as_nanosecond();
        Time(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with as many digits as there are: `2026-11-20T16:53:21.308168516Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

impl FromStr for Time {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(Time::from)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_from_its_text() {
        let t = Time(1_795_193_683_019_123_456);
        assert_eq!(t.to_string().parse::<Time>().unwrap(), t);
    }
}
