//! pyATS's TestResult.

use oyez_model::{Outcome, Value};
use oyez_wire::pyats::objects;
use oyez_wire::pyats::tree::Verdict;

use super::arguments::Argument;

/// How something ended, and why: pyATS's `TestResult`.
#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in words; anything that the reporting program gave. [`Value::Null`]: nothing was said.
    pub reason: Value,
    /// What belongs to it. [`Value::Null`]: nothing.
    pub data: Value,
}

impl TestResult {
    /// An outcome without a word.
    #[must_use]
    pub const fn new(outcome: Outcome) -> TestResult {
        TestResult { outcome, reason: Value::Null, data: Value::Null }
    }

    /// The same with a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> TestResult {
        TestResult { reason: Value::Text(reason.into()), ..self }
    }

    /// The same with data.
    #[must_use]
    pub fn with_data(self, data: impl Into<Argument>) -> TestResult {
        TestResult { data: data.into().0, ..self }
    }

    /// What stands in a reply or an event; `None` if it is no TestResult.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<TestResult> {
        let verdict = objects::verdict(value)?;
        Some(TestResult {
            outcome: verdict.outcome,
            reason: verdict.reason().clone(),
            data: verdict.data().clone(),
        })
    }
}

impl From<Outcome> for TestResult {
    fn from(outcome: Outcome) -> Self {
        TestResult::new(outcome)
    }
}

impl From<TestResult> for Argument {
    fn from(result: TestResult) -> Self {
        Argument(objects::result(&Verdict::new(result.outcome, result.reason, result.data)))
    }
}

impl From<Outcome> for Argument {
    fn from(outcome: Outcome) -> Self {
        TestResult::new(outcome).into()
    }
}
