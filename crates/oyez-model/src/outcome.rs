//! How something ended, and how outcomes roll up: pyATS's own rule (specs/pyats.md 4.3).

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::Serialize;

/// How a section ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Outcome {
    /// It did what it should.
    #[n(0)]
    Passed,
    /// It passed under an exception that somebody granted.
    #[n(1)]
    Passx,
    /// It did not do what it should.
    #[n(2)]
    Failed,
    /// It could not tell: the test itself broke.
    #[n(3)]
    Errored,
    /// Somebody stopped it.
    #[n(4)]
    Aborted,
    /// Something that it needs had failed before.
    #[n(5)]
    Blocked,
    /// It was left out on purpose.
    #[n(6)]
    Skipped,
}

impl Outcome {
    /// All of them, in the order of their codes.
    pub const ALL: [Outcome; 7] = [
        Outcome::Passed,
        Outcome::Passx,
        Outcome::Failed,
        Outcome::Errored,
        Outcome::Aborted,
        Outcome::Blocked,
        Outcome::Skipped,
    ];

    /// Position in [`Outcome::ALL`] and in [`Counts`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The outcome at a position of [`Outcome::ALL`].
    #[must_use]
    pub fn from_index(i: usize) -> Option<Outcome> {
        Self::ALL.get(i).copied()
    }

    /// What the outcomes of two parts make together: the one of higher rank
    /// (aborted > errored > failed > blocked > passx > passed > skipped).
    #[must_use]
    pub fn rollup(self, other: Outcome) -> Outcome {
        if other.rank() > self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Outcome::Skipped => 0,
            Outcome::Passed => 1,
            Outcome::Passx => 2,
            Outcome::Blocked => 3,
            Outcome::Failed => 4,
            Outcome::Errored => 5,
            Outcome::Aborted => 6,
        }
    }

    /// Passed, passx or skipped: nothing that a person must look at.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Outcome::Passed | Outcome::Passx | Outcome::Skipped)
    }

    /// The lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Passx => "passx",
            Outcome::Failed => "failed",
            Outcome::Errored => "errored",
            Outcome::Aborted => "aborted",
            Outcome::Blocked => "blocked",
            Outcome::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Outcome::ALL.map(Outcome::as_str).join(", ");
        Outcome::ALL
            .into_iter()
            .find(|o| o.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("'{text}' is not an outcome; one of: {}", known()))
    }
}

/// How many ended how; the last place counts those that ended without an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Counts(#[n(0)] pub [u64; 8]);

impl Counts {
    /// The place of an outcome, or of none.
    #[must_use]
    pub fn place(outcome: Option<Outcome>) -> usize {
        outcome.map_or(7, Outcome::index)
    }

    /// How many have this outcome.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome.index()]
    }

    /// How many ended without an outcome.
    #[must_use]
    pub fn without(&self) -> u64 {
        self.0[7]
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many a person must look at: failed, errored, aborted, blocked.
    #[must_use]
    pub fn bad(&self) -> u64 {
        Outcome::ALL.iter().filter(|o| !o.is_good()).map(|o| self.of(*o)).sum()
    }

    /// One more of this outcome.
    pub fn add(&mut self, outcome: Option<Outcome>) {
        self.0[Self::place(outcome)] += 1;
    }

    /// One less of this outcome.
    pub fn take(&mut self, outcome: Option<Outcome>) {
        let at = &mut self.0[Self::place(outcome)];
        *at = at.saturating_sub(1);
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = s.serialize_map(None)?;
        for o in Outcome::ALL {
            map.serialize_entry(o.as_str(), &self.of(o))?;
        }
        map.serialize_entry("none", &self.without())?;
        map.serialize_entry("total", &self.total())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{self, *};

    #[test]
    fn rollup_is_the_table_that_pyats_gives() {
        // specs/pyats.md 4.3: rows and columns passed, passx, skipped, failed, blocked, errored, aborted.
        let order = [Passed, Passx, Skipped, Failed, Blocked, Errored, Aborted];
        let table = [
            [Passed, Passx, Passed, Failed, Blocked, Errored, Aborted],
            [Passx, Passx, Passx, Failed, Blocked, Errored, Aborted],
            [Passed, Passx, Skipped, Failed, Blocked, Errored, Aborted],
            [Failed, Failed, Failed, Failed, Failed, Errored, Aborted],
            [Blocked, Blocked, Blocked, Failed, Blocked, Errored, Aborted],
            [Errored, Errored, Errored, Errored, Errored, Errored, Aborted],
            [Aborted, Aborted, Aborted, Aborted, Aborted, Aborted, Aborted],
        ];
        for (a, row) in order.into_iter().zip(table) {
            for (b, want) in order.into_iter().zip(row) {
                assert_eq!(a.rollup(b), want, "{a} + {b}");
                assert_eq!(b.rollup(a), want, "{b} + {a}");
            }
        }
    }

    #[test]
    fn an_outcome_reads_back_from_its_word() {
        for o in Outcome::ALL {
            assert_eq!(o.as_str().parse::<Outcome>().unwrap(), o);
        }
        assert!("pass".parse::<Outcome>().unwrap_err().contains("passed"));
    }
}
