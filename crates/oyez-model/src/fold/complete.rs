//! Is a job's report complete? Derived from what the fold has seen, never assumed, and apart from pass and fail.

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::row::{Flags, NodeRow};

/// Why a report is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct Gap {
    /// A word for programs: `never_ended`, `never_started`, `orphan`, `broke_off`, `not_closed`, `planned_missing`,
    /// `dropped_output`, `source_cut`, `unknown_kind`, `unplaced`; `damaged` of a job that the store cannot read.
    #[n(0)]
    pub code: String,
    /// How many of them.
    #[n(1)]
    pub count: u64,
    /// A sentence for people.
    #[n(2)]
    pub text: String,
}

/// Whether everything that was announced is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "complete", content = "reasons", rename_all = "lowercase")]
pub enum Completeness {
    /// The job has not come to its end: nobody can tell yet.
    #[default]
    #[n(0)]
    Unknown,
    /// All that was announced came, every producer said that it was done, nothing was dropped.
    #[n(1)]
    Yes,
    /// Something is missing.
    #[n(2)]
    No(#[n(0)] Vec<Gap>),
}

impl Completeness {
    /// `yes`, `no` or `unknown`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Completeness::Unknown => "unknown",
            Completeness::Yes => "yes",
            Completeness::No(_) => "no",
        }
    }

    /// What is missing.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        match self {
            Completeness::No(gaps) => gaps,
            _ => &[],
        }
    }
}

/// What the fold counts on its way; see [`super::Live::completeness`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Tally {
    #[n(0)]
    pub never_ended: u64,
    #[n(1)]
    pub never_started: u64,
    #[n(2)]
    pub orphans: u64,
    #[n(3)]
    pub broke: u64,
    #[n(4)]
    pub broke_why: Vec<String>,
    #[n(5)]
    pub missing: u64,
    #[n(6)]
    pub dropped: u64,
    #[n(7)]
    pub dropped_why: Vec<String>,
    #[n(8)]
    pub cuts: u64,
    #[n(9)]
    pub cut_why: Vec<String>,
    #[n(10)]
    pub unknown: u64,
    #[n(11)]
    pub unplaced: u64,
}

/// Examples kept with a count, so that a monstrous job cannot make them grow.
const EXAMPLES: usize = 8;

/// Notes an example, once. Kept are the first of them by the alphabet, not by time: producers are heard in any order.
pub(crate) fn note(list: &mut Vec<String>, text: String) {
    if let Err(at) = list.binary_search(&text)
        && at < EXAMPLES
    {
        list.insert(at, text);
        list.truncate(EXAMPLES);
    }
}

impl Tally {
    /// A node that was given up ended, or was taken back, after all: it is no gap any more.
    pub(crate) fn forgive(&mut self, row: &mut NodeRow) {
        if row.flags.has(Flags::NEVER_ENDED) {
            row.flags.set(Flags::NEVER_ENDED, false);
            row.rolled = None;
            let gap =
                if row.flags.has(Flags::ANNOUNCED) { &mut self.never_started } else { &mut self.never_ended };
            *gap = gap.saturating_sub(1);
        }
    }

    /// What a node planned and did not get is a gap once it is closed.
    pub(crate) fn miss(&mut self, row: &NodeRow) {
        self.missing = self.missing.saturating_add(row.missing());
    }

    /// A closed node does not count any more, and neither does what it planned.
    pub(crate) fn forget_missing(&mut self, row: &NodeRow) {
        self.missing = self.missing.saturating_sub(row.missing());
    }

    /// A node plans nothing any more; what a closed one had counted as missing is taken back.
    pub(crate) fn forget_missing_of(&mut self, row: &mut NodeRow, closed: bool) {
        if closed && !row.is_excluded() {
            self.forget_missing(row);
        }
        row.planned = None;
    }

    /// The gaps, given how many producers never said that they were done.
    pub(crate) fn gaps(&self, not_closed: u64) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut gap = |code: &str, count: u64, text: String| {
            if count > 0 {
                gaps.push(Gap { code: code.to_owned(), count, text });
            }
        };
        let s = |n: u64| if n == 1 { "" } else { "s" };
        let why = |list: &[String]| list.join("; ");
        let n = self.never_ended;
        gap("never_ended", n, format!("{n} section{} began and never ended", s(n)));
        let n = self.never_started;
        gap("never_started", n, format!("{n} announced section{} never began", s(n)));
        let n = self.missing;
        gap("planned_missing", n, format!("{n} planned test{} or target{} never started", s(n), s(n)));
        let n = self.broke;
        gap("broke_off", n, format!("{n} producer{} broke off: {}", s(n), why(&self.broke_why)));
        gap(
            "not_closed",
            not_closed,
            format!("{not_closed} producer{} never said that it was done", s(not_closed)),
        );
        let n = self.dropped;
        gap("dropped_output", n, format!("{n} byte{} of output dropped: {}", s(n), why(&self.dropped_why)));
        let n = self.cuts;
        gap("source_cut", n, format!("{n} source{} cut off: {}", s(n), why(&self.cut_why)));
        let n = self.orphans;
        gap("orphan", n, format!("{n} section{} without the parent that they name", s(n)));
        let n = self.unplaced;
        gap("unplaced", n, format!("{n} event{} about sections that never began", s(n)));
        let n = self.unknown;
        gap("unknown_kind", n, format!("{n} event{} of a kind that a newer Oyez made; they are kept", s(n)));
        gaps
    }
}
