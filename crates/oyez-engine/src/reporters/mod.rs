//! Reporters: pure functions from how the targets of a run, or of all runs, fared to a verdict.

mod noop;
mod target_success;

use crate::plan::ExternalReporter;
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

/// How the tests of a job fared over all its runs: sums, not the runs themselves, as a job may run without end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobStatus {
    /// How many runs there were.
    pub runs: u64,
    /// Their tests, in the order of the descriptor.
    pub tests: Vec<TestTotals>,
}

/// One test over the runs that it was in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestTotals {
    /// Its name.
    pub name: String,
    /// Its place among the tests of the descriptor, from 0.
    pub index: usize,
    /// How many runs it was in.
    pub runs: u64,
    /// The sum of the targets that succeeded.
    pub succeeded: f64,
    /// The sum of their shares of all targets, in percent.
    pub percent: f64,
    /// Runs in which it had no targets, so that there is no share.
    pub without_targets: u64,
}

impl JobStatus {
    /// Adds a run.
    #[expect(clippy::cast_precision_loss, reason = "counts of targets stay far below 2^53")]
    pub fn add(&mut self, run: &RunStatus) {
        self.runs += 1;
        for test in &run.tests {
            let at = self.tests.binary_search_by_key(&test.index, |totals| totals.index);
            let at = at.unwrap_or_else(|at| {
                let new = TestTotals { name: test.name.clone(), index: test.index, ..TestTotals::default() };
                self.tests.insert(at, new);
                at
            });
            let totals = &mut self.tests[at];
            let (succeeded, total) = test.counts();
            totals.runs += 1;
            totals.succeeded += succeeded as f64;
            if total == 0 {
                totals.without_targets += 1;
            } else {
                totals.percent += succeeded as f64 / total as f64 * 100.0;
            }
        }
    }
}

impl<'r> FromIterator<&'r RunStatus> for JobStatus {
    fn from_iter<T: IntoIterator<Item = &'r RunStatus>>(runs: T) -> Self {
        let mut status = JobStatus::default();
        runs.into_iter().for_each(|run| status.add(run));
        status
    }
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

impl ExternalReporter {
    /// Nobody but a runner can ask it.
    fn not_here(&self) -> Report {
        Report::failed(format!("{} is a process, and none was started", self.plugin.name))
    }
}

impl Report {
    pub(crate) fn failed(error: String) -> Report {
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
    /// An external plugin; it reports by its own process.
    External(Box<ExternalReporter>),
}

impl Reporter {
    /// Its name, as it stands in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Reporter::External(external) => &external.plugin.name,
            Reporter::Noop(_) => Noop::NAME,
            Reporter::TargetSuccess(_) => "TargetSuccess",
        }
    }

    /// Reports on one run.
    #[must_use]
    pub fn run_report(&self, status: &RunStatus) -> Report {
        match self {
            Reporter::External(external) => external.not_here(),
            Reporter::Noop(noop) => noop.run_report(status),
            Reporter::TargetSuccess(target_success) => target_success.run_report(status),
        }
    }

    /// Reports on all runs that there were.
    #[must_use]
    pub fn final_report(&self, job: &JobStatus) -> Report {
        match self {
            Reporter::External(external) => external.not_here(),
            Reporter::Noop(noop) => noop.final_report(job),
            Reporter::TargetSuccess(target_success) => target_success.final_report(job),
        }
    }
}
