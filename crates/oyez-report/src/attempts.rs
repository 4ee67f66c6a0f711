//! What retried attempts of a test leave for the attempt that counts: which cases failed in them, and why.
//!
//! Attempts of a test follow each other in the same run; what is kept is bounded in bytes, the rest is counted.

use std::collections::BTreeMap;

use oyez_model::{NodeRow, Outcome};

const MAX_BYTES: usize = 8 << 20;

/// How a case ended in an attempt that was retried.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    /// From 0.
    pub attempt: u32,
    pub outcome: Option<Outcome>,
    pub message: String,
    pub trace: String,
    pub log: Option<String>,
    pub duration: Option<u64>,
}

/// The retried attempts of one test.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// By the name of the case.
    pub cases: BTreeMap<String, Vec<Earlier>>,
    /// How many attempts there were.
    pub attempts: u32,
    /// How many failed cases are not kept.
    pub left_out: u64,
}

/// The retried attempts of all tests of a run.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    tests: BTreeMap<(u32, String), Held>,
    bytes: usize,
}

impl Attempts {
    /// Another attempt of the test follows.
    pub(crate) fn retried(&mut self, test: &NodeRow) {
        self.held(test).attempts += 1;
    }

    /// A case failed in an attempt of `test` that was retried.
    pub(crate) fn failed(&mut self, test: &NodeRow, case: String, earlier: Earlier) {
        let weight = case.len()
            + earlier.message.len()
            + earlier.trace.len()
            + earlier.log.as_ref().map_or(0, String::len);
        self.bytes += weight + 128;
        let full = self.bytes > MAX_BYTES;
        let held = self.held(test);
        if full { held.left_out += 1 } else { held.cases.entry(case).or_default().push(earlier) }
    }

    fn held(&mut self, test: &NodeRow) -> &mut Held {
        self.tests.entry((test.index, test.name.clone())).or_default()
    }

    /// What the earlier attempts of this test left.
    pub(crate) fn take(&mut self, test: &NodeRow) -> Option<Held> {
        let held = self.tests.remove(&(test.index, test.name.clone()))?;
        if self.tests.is_empty() {
            self.bytes = 0;
        }
        Some(held)
    }

    /// What is there of tests whose next attempt never came.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = (String, Held)> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.tests).into_iter().map(|((_, name), held)| (name, held))
    }
}
