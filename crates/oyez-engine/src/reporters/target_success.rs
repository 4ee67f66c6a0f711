//! The reporter that compares how many targets succeeded with a success expression, test by test.
//!
//! Its final report is a stub in ConTest that always fails. Here it compares, for each test, the mean over the runs:
//! of the share of targets that succeeded when the expression has a percent sign, else of their count.

use serde_json::Value;

use super::{JobStatus, Report, RunStatus, TestTotals};
use crate::expression::{Comparison, Expression, Measure};

/// An expression: `SuccessExpression` for runs, `AverageSuccessExpression` for the end.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSuccess {
    expression: Expression,
}

impl TargetSuccess {
    /// Compares with this.
    #[must_use]
    pub fn new(expression: Expression) -> Self {
        TargetSuccess { expression }
    }

    /// What it compares with.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The run succeeds if every test passes; without tests it succeeds, and there is nothing to say.
    #[must_use]
    pub fn run_report(&self, status: &RunStatus) -> Report {
        summary(status.tests.iter().map(|test| {
            let (succeeded, total) = test.counts();
            let achieved = self.expression.achieved(succeeded, total).filter(|_| total > 0);
            let achieved = achieved.ok_or_else(|| no_targets(&test.name))?;
            Ok((test.name.as_str(), self.expression.compare(achieved)))
        }))
    }

    /// The job succeeds if every test passes by its mean over the runs that it was in.
    #[must_use]
    pub fn final_report(&self, job: &JobStatus) -> Report {
        if job.runs == 0 {
            return Report::failed("there was no run to report on".to_owned());
        }
        summary(
            job.tests.iter().map(|test| Ok((test.name.as_str(), self.expression.compare(self.mean(test)?)))),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of runs stay far below 2^53")]
    fn mean(&self, test: &TestTotals) -> Result<f64, String> {
        if test.without_targets > 0 {
            return Err(no_targets(&test.name));
        }
        let sum = match self.expression.measure() {
            Measure::Percentage => test.percent,
            Measure::Count => test.succeeded,
        };
        Ok(sum / test.runs as f64)
    }
}

fn no_targets(test: &str) -> String {
    format!("overall count of success and failures is zero for test {test}: it had no targets")
}

fn summary<'t>(compared: impl Iterator<Item = Result<(&'t str, Comparison), String>>) -> Report {
    let mut success = true;
    let mut lines = Vec::new();
    for compared in compared {
        let (name, comparison) = match compared {
            Ok(compared) => compared,
            Err(e) => return Report::failed(e),
        };
        let verb = if comparison.pass { "passes" } else { "does not pass" };
        success &= comparison.pass;
        lines.push(Value::String(format!("Test {name} {verb} success criteria: {}", comparison.text)));
    }
    let data = if lines.is_empty() { Value::Null } else { Value::Array(lines) };
    Report { success, data, error: None }
}

#[cfg(test)]
mod tests {
    use super::super::TestStatus;
    use super::*;
    use serde_json::json;

    fn reporter(expression: &str) -> TargetSuccess {
        TargetSuccess::new(expression.parse().unwrap())
    }

    fn test(index: usize, succeeded: u64, total: u64) -> TestStatus {
        TestStatus { name: format!("Test {index}"), index, succeeded, total, acquire_error: None }
    }

    fn run(run: u32, tests: Vec<TestStatus>) -> RunStatus {
        RunStatus { run, tests }
    }

    #[test]
    fn a_run_succeeds_if_every_test_passes() {
        let report = reporter("=100%").run_report(&run(1, vec![test(1, 2, 2), test(2, 0, 1)]));
        assert!(!report.success);
        assert_eq!(
            report.data,
            json!([
                "Test Test 1 passes success criteria: 100.00% = 100.00%",
                "Test Test 2 does not pass success criteria: 0.00% is not = 100.00%"
            ])
        );
        assert!(reporter(">=1").run_report(&run(1, vec![test(1, 2, 2)])).success);
    }

    #[test]
    fn an_acquire_error_is_one_target_that_failed() {
        let mut busy = test(1, 0, 0);
        busy.acquire_error = Some("target is already locked".into());
        let report = reporter("=100%").run_report(&run(1, vec![busy]));
        assert_eq!(
            report.data,
            json!(["Test Test 1 does not pass success criteria: 0.00% is not = 100.00%"])
        );
    }

    #[test]
    fn a_test_without_targets_cannot_be_reported_on() {
        for expression in ["=100%", "=0"] {
            let report = reporter(expression).run_report(&run(1, vec![test(1, 0, 0)]));
            assert_eq!((report.success, report.data), (false, Value::Null));
            assert!(
                report
                    .error
                    .unwrap()
                    .starts_with("overall count of success and failures is zero for test Test 1")
            );
        }
    }

    #[test]
    fn without_tests_there_is_nothing_to_fail() {
        let report = reporter("=100%").run_report(&run(1, vec![]));
        assert_eq!((report.success, report.data, report.error), (true, Value::Null, None));
        let report = reporter("=100%").final_report(&[run(1, vec![])].iter().collect());
        assert_eq!((report.success, report.data, report.error), (true, Value::Null, None));
    }

    #[test]
    fn the_end_compares_means_over_the_runs() {
        let runs = [run(1, vec![test(0, 1, 2), test(1, 3, 3)]), run(2, vec![test(0, 2, 2), test(1, 0, 3)])];
        let report = reporter(">=50%").final_report(&runs.iter().collect());
        assert!(report.success);
        assert_eq!(
            report.data,
            json!([
                "Test Test 0 passes success criteria: 75.00% >= 50.00%",
                "Test Test 1 passes success criteria: 50.00% >= 50.00%"
            ])
        );
        let report = reporter(">1.5").final_report(&runs.iter().collect());
        assert!(!report.success);
        assert_eq!(
            report.data,
            json!([
                "Test Test 0 does not pass success criteria: 1.50 is not > 1.50",
                "Test Test 1 does not pass success criteria: 1.50 is not > 1.50"
            ])
        );
    }

    #[test]
    fn tests_of_one_name_are_not_merged() {
        let mut tests = vec![test(0, 1, 1), test(1, 0, 1)];
        for test in &mut tests {
            test.name = "Same".into();
        }
        let report = reporter("=100%").final_report(&[run(1, tests)].iter().collect());
        assert_eq!(report.data.as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_end_without_a_run_is_said() {
        let report = reporter("=100%").final_report(&JobStatus::default());
        assert_eq!(report.error.as_deref(), Some("there was no run to report on"));
        assert!(!report.success);
    }
}
