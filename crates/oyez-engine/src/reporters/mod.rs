//! Reporters: pure functions from how the targets of a run, or of all runs, fared to a verdict.

mod noop;
mod target_success;

use serde::Serialize;
use serde_json::Value;

pub use noop::Noop;
pub use target_success::TargetSuccess;

/// How a test fared in one run, in its last attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestStatus {
    /// Its name.
    pub name: String,
    /// Its place among the tests of the descriptor, from 0; two tests may have the same name.
    pub index: usize,
    /// Targets that ended without an error.
    pub succeeded: u64,
    /// Targets that were acquired.
    pub total: u64,
    /// Why the targets could not be acquired; counts as one target that failed.
    pub acquire_error: Option<String>,
}

impl TestStatus {
    /// Targets that succeeded and all targets, as ConTest counts them.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        match self.acquire_error {
            Some(_) => (0, self.total.max(1)),
            None => (self.succeeded, self.total),
        }
    }
}

/// How the tests of one run fared; tests that are disabled are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunStatus {
    /// The number of the run, from 1.
    pub run: u32,
    /// Its tests, in order.
    pub tests: Vec<TestStatus>,
}

/// What a reporter says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its verdict.
    pub success: bool,
    /// What it found, in a form of its own; null when it could not report.
    pub data: Value,
    /// Why it could not report. ConTest only logs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Report {
    fn failed(error: String) -> Report {
        Report { success: false, data: Value::Null, error: Some(error) }
    }
}

/// A reporter with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Reporter {
    /// Says that it did nothing.
    Noop(Noop),
    /// Compares how many targets succeeded with an expression.
    TargetSuccess(TargetSuccess),
}

impl Reporter {
    /// Its name, as it stands in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Reporter::Noop(_) => "noop",
            Reporter::TargetSuccess(_) => "TargetSuccess",
        }
    }

    /// Reports on one run.
    #[must_use]
    pub fn run_report(&self, status: &RunStatus) -> Report {
        match self {
            Reporter::Noop(noop) => noop.run_report(status),
            Reporter::TargetSuccess(target_success) => target_success.run_report(status),
        }
    }

    /// Reports on all runs that there were.
    #[must_use]
    pub fn final_report(&self, runs: &[RunStatus]) -> Report {
        match self {
            Reporter::Noop(noop) => noop.final_report(runs),
            Reporter::TargetSuccess(target_success) => target_success.final_report(runs),
        }
    }
}
