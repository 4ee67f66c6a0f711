//! The reporter that reports nothing, and is always content.

use serde_json::Value;

use super::{JobStatus, Report, RunStatus};

/// It has no parameters, or ignores them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noop;

impl Noop {
    /// What it is called in reports.
    pub const NAME: &'static str = "noop";

    /// `"I did nothing"`
    #[must_use]
    pub fn run_report(&self, _status: &RunStatus) -> Report {
        said("I did nothing")
    }

    /// `"I did nothing at the end, all good"`
    #[must_use]
    pub fn final_report(&self, _job: &JobStatus) -> Report {
        said("I did nothing at the end, all good")
    }
}

fn said(text: &str) -> Report {
    Report { success: true, data: Value::String(text.to_owned()), error: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_success() {
        let report = Noop.run_report(&RunStatus::default());
        assert_eq!((report.success, report.data), (true, Value::from("I did nothing")));
        let report = Noop.final_report(&JobStatus::default());
        assert_eq!((report.success, report.data), (true, Value::from("I did nothing at the end, all good")));
    }
}
