//! What stands in a testsuite: counts, verdicts, attempts, output, and the troubles of the job itself.

use oyez_model::row::Flags;
use oyez_model::{Counts, JobState, NodeRow, Outcome};

use crate::attempts::Earlier;
use crate::case::{Case, outcome_word};
use crate::facts::Facts;
use crate::moment;
use crate::walk::Node;
use crate::xml;

/// What stands in a testcase beside its name.
pub(super) struct Verdict {
    pub element: &'static str,
    pub kind: &'static str,
    pub message: String,
}

/// A row without what hangs on it: suites stay open for long.
pub(super) fn slim(row: &NodeRow) -> NodeRow {
    let mut row = row.clone();
    (row.children, row.hangs) = (Vec::new(), Vec::new());
    row
}

/// tests, failures, errors, skipped of a test, as its testcases will say them.
pub(super) fn suite_counts(node: &Node<'_>) -> [u64; 4] {
    let row = node.row;
    let mut counts = row.counts;
    let mut open = 0;
    if row.child_count() == 0 {
        counts = Counts::default();
        if row.is_open() { open = 1 } else { counts.add(row.outcome) }
    } else if row.is_open() {
        // What still runs is shown as skipped.
        open = row.child_count().saturating_sub(counts.total());
    }
    let failures = counts.of(Outcome::Failed);
    let errors = counts.bad() - failures + counts.without();
    let skipped = counts.of(Outcome::Skipped) + open;
    let tests = counts.total() + open;
    if node.excluded {
        [tests, 0, 0, skipped + failures + errors]
    } else {
        [tests, failures, errors, skipped]
    }
}

pub(super) fn verdict(row: &NodeRow, excluded: bool, case: &Case) -> Option<Verdict> {
    let (element, kind) = match row.outcome {
        None if row.is_open() => ("skipped", "running"),
        None if row.flags.has(Flags::ANNOUNCED) => ("error", "never_started"),
        None if row.flags.has(Flags::NEVER_ENDED) => ("error", "never_ended"),
        None => ("error", "no_outcome"),
        Some(Outcome::Passed | Outcome::Passx) => return None,
        Some(Outcome::Skipped) => ("skipped", "skipped"),
        Some(Outcome::Failed) => ("failure", "failed"),
        Some(other) => ("error", other.as_str()),
    };
    let message = match kind {
        "running" => "it still runs".to_owned(),
        "never_started" => "announced, and never begun".to_owned(),
        "never_ended" => "begun, and never ended".to_owned(),
        _ => case.message(row.outcome),
    };
    if excluded && element != "skipped" {
        let message = format!("does not count, as it is part of a clean-up: {message}");
        return Some(Verdict { element: "skipped", kind, message });
    }
    Some(Verdict { element, kind, message })
}

pub(super) fn open_case(buf: &mut Vec<u8>, name: &str, class: &str, duration: Option<u64>) {
    buf.extend_from_slice(b"<testcase");
    xml::attribute(buf, "name", name);
    xml::attribute(buf, "classname", class);
    if let Some(nanos) = duration {
        xml::attribute(buf, "time", &moment::seconds_3(nanos));
    }
}

pub(super) fn write_verdict(buf: &mut Vec<u8>, verdict: &Verdict, trace: &str) {
    buf.push(b'<');
    buf.extend_from_slice(verdict.element.as_bytes());
    xml::attribute(buf, "type", verdict.kind);
    xml::attribute(buf, "message", &verdict.message);
    if trace.is_empty() {
        buf.extend_from_slice(b"/>");
        return;
    }
    buf.push(b'>');
    xml::text(buf, trace);
    buf.extend_from_slice(b"</");
    buf.extend_from_slice(verdict.element.as_bytes());
    buf.push(b'>');
}

pub(super) fn rerun(buf: &mut Vec<u8>, earlier: &Earlier, passed: bool) {
    let name = match (passed, earlier.outcome) {
        (true, Some(Outcome::Failed)) => "flakyFailure",
        (true, _) => "flakyError",
        (false, Some(Outcome::Failed)) => "rerunFailure",
        (false, _) => "rerunError",
    };
    buf.push(b'<');
    buf.extend_from_slice(name.as_bytes());
    xml::attribute(buf, "type", outcome_word(earlier.outcome));
    xml::attribute(buf, "message", &format!("attempt {}: {}", earlier.attempt + 1, earlier.message));
    buf.push(b'>');
    if !earlier.trace.is_empty() {
        element(buf, "stackTrace", &earlier.trace);
    }
    if let Some(log) = &earlier.log {
        element(buf, "system-out", log);
    }
    buf.extend_from_slice(b"</");
    buf.extend_from_slice(name.as_bytes());
    buf.push(b'>');
}

pub(super) fn element(buf: &mut Vec<u8>, name: &str, text: &str) {
    buf.push(b'<');
    buf.extend_from_slice(name.as_bytes());
    buf.push(b'>');
    xml::text(buf, text);
    buf.extend_from_slice(b"</");
    buf.extend_from_slice(name.as_bytes());
    buf.extend_from_slice(b">\n");
}

pub(super) fn property(buf: &mut Vec<u8>, name: &str, value: &str) {
    buf.extend_from_slice(b"<property");
    xml::attribute(buf, "name", name);
    xml::attribute(buf, "value", value);
    buf.extend_from_slice(b"/>\n");
}

/// What is wrong with the job itself: testcase, type, message.
pub(super) fn troubles(facts: &Facts) -> Vec<(&'static str, Verdict)> {
    let mut out = Vec::new();
    let mut trouble = |name, kind, message| out.push((name, Verdict { element: "error", kind, message }));
    let error = facts.job.error.clone();
    match facts.job.state {
        JobState::Failed | JobState::PauseFailed | JobState::CancellationFailed => {
            let message = error.unwrap_or_else(|| format!("its state is {}", facts.job.state));
            trouble("the job came to its end", "job_failed", message);
        }
        JobState::Cancelled => {
            trouble(
                "the job came to its end",
                "cancelled",
                error.unwrap_or_else(|| "it was cancelled".to_owned()),
            );
        }
        _ => {}
    }
    if !facts.job.complete.gaps().is_empty() {
        trouble("the report is complete", "incomplete", facts.completeness());
    }
    out
}
