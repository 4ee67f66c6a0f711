//! CTRF (Common Test Report Format, <https://ctrf.io>), valid against its schema: results flat, each with its attempts.
//!
//! The format has no word for errored, aborted and blocked: they are `failed`, with our word in `rawStatus`. Counts
//! stand after the tests, so that they are those of the tests in the document.

use std::io::{self, Write};

use oyez_model::row::Flags;
use oyez_model::{NodeRow, Outcome};

use crate::attempts::{Attempts, Earlier, Held};
use crate::case::{Case, Step, name_of, outcome_word};
use crate::content::Content;
use crate::facts::Facts;
use crate::moment;
use crate::options::Options;
use crate::out::Json;
use crate::walk::{Node, Place, Visitor};

/// The version of the format that this is written to.
const SPEC: &str = "1.0.0";
const STATUSES: [&str; 5] = ["passed", "failed", "skipped", "pending", "other"];

struct Test {
    row: NodeRow,
    retried: bool,
    suite: Vec<String>,
    earlier: Option<Held>,
}

pub(crate) struct Ctrf<'w> {
    json: Json<'w>,
    max_log: usize,
    tests: Vec<Test>,
    case: Option<Case>,
    attempts: Attempts,
    counts: [u64; 5],
    flaky: u64,
    suites: u64,
}

impl<'w> Ctrf<'w> {
    pub(crate) fn new(to: &'w mut dyn Write, options: &Options<'_>) -> Self {
        Ctrf {
            json: Json::new(to),
            max_log: options.max_case_log_bytes,
            tests: Vec::new(),
            case: None,
            attempts: Attempts::default(),
            counts: [0; 5],
            flaky: 0,
            suites: 0,
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        self.json.key(key);
        self.json.string(text);
    }

    fn any(&mut self, key: &str, value: &impl serde::Serialize) {
        self.json.key(key);
        self.json.any(value);
    }

    fn enter_test(&mut self, node: &Node<'_>, content: &Content) {
        let retried = node.row.flags.has(Flags::RETRIED);
        let earlier = if retried {
            self.attempts.retried(node.row);
            None
        } else {
            self.attempts.take(node.row)
        };
        let mut row = node.row.clone();
        (row.children, row.hangs) = (Vec::new(), Vec::new());
        self.suites += u64::from(!node.excluded);
        self.tests.push(Test { row, retried, suite: content.suite().to_vec(), earlier });
        if node.row.child_count() == 0 {
            self.case = Some(Case::new(node, content, self.max_log));
        }
    }

    fn leave_case(&mut self, node: &Node<'_>) {
        let Some(mut case) = self.case.take() else { return };
        let name = name_of(node, 1000);
        let Some(test) = self.tests.last_mut() else {
            return self.result(node, &name, case, &[], 0);
        };
        if test.retried {
            if node.row.outcome.is_none_or(|o| !o.is_good()) {
                let earlier = Earlier {
                    attempt: test.row.attempt,
                    outcome: node.row.outcome,
                    message: case.message(node.row.outcome),
                    trace: case.trace().to_owned(),
                    log: case.log(),
                    duration: node.row.duration(),
                };
                self.attempts.failed(&test.row, name, earlier);
            }
            return;
        }
        let held = test.earlier.as_mut();
        let attempts = held.as_ref().map_or(0, |held| held.attempts);
        let earlier = held.and_then(|held| held.cases.remove(&name)).unwrap_or_default();
        if !node.excluded {
            self.result(node, &name, case, &earlier, attempts);
        }
    }

    fn result(&mut self, node: &Node<'_>, name: &str, mut case: Case, earlier: &[Earlier], attempts: u32) {
        let row = node.row;
        let status = status(row);
        self.counts[status] += 1;
        self.json.open_line(b'{');
        self.text("name", name);
        self.text("status", STATUSES[status]);
        self.any("duration", &(row.duration().unwrap_or(0) / 1_000_000));
        for (key, time) in [("start", row.started), ("stop", row.stopped)] {
            if let Some(time) = time {
                self.any(key, &moment::epoch_millis(time));
            }
        }
        let suite = self.suite_of(node);
        if !suite.is_empty() {
            self.any("suite", &suite);
        }
        if status != 0 {
            let message = case.message(row.outcome);
            self.text("message", &message);
            if !case.trace().is_empty() {
                self.text("trace", case.trace());
            }
        }
        self.text("rawStatus", outcome_word(row.outcome));
        if !row.r#type.is_empty() {
            self.text("type", &row.r#type);
        }
        if attempts > 0 {
            self.any("retries", &attempts);
            self.retry_attempts(earlier);
            if status == 0 && !earlier.is_empty() {
                self.flaky += 1;
                self.any("flaky", &true);
            }
        }
        if let Some(log) = case.log() {
            self.json.key("stdout");
            self.json.open(b'[');
            log.lines().for_each(|line| self.json.string(line));
            self.json.close(b']');
        }
        self.steps(&case);
        self.json.key("extra");
        self.json.open(b'{');
        self.text("id", &row.id.to_string());
        if row.key != 0 {
            self.text("key", &format!("{:016x}", row.key));
        }
        self.json.close(b'}');
        self.json.close(b'}');
    }

    /// The run where there are several, what stands above the test in its own tree, the test.
    fn suite_of(&self, node: &Node<'_>) -> Vec<String> {
        let Some(test) = self.tests.last() else { return node.path.to_vec() };
        let mut suite: Vec<String> = node.path.first().cloned().into_iter().collect();
        suite.extend(test.suite.iter().cloned());
        if node.place == Place::Case {
            suite.push(test.row.name.clone());
        }
        suite
    }

    fn retry_attempts(&mut self, earlier: &[Earlier]) {
        if earlier.is_empty() {
            return;
        }
        self.json.key("retryAttempts");
        self.json.open(b'[');
        for attempt in earlier {
            self.json.open(b'{');
            self.any("attempt", &(attempt.attempt + 1));
            self.text("status", if attempt.outcome.is_some() { "failed" } else { "other" });
            if let Some(nanos) = attempt.duration {
                self.any("duration", &(nanos / 1_000_000));
            }
            self.text("message", &attempt.message);
            if !attempt.trace.is_empty() {
                self.text("trace", &attempt.trace);
            }
            self.json.close(b'}');
        }
        self.json.close(b']');
    }

    fn steps(&mut self, case: &Case) {
        if case.steps.is_empty() {
            return;
        }
        self.json.key("steps");
        self.json.open(b'[');
        for Step { name, outcome, kind } in &case.steps {
            self.json.open(b'{');
            self.text("name", name);
            self.text("status", STATUSES[outcome.map_or(4, status_of)]);
            if !kind.is_empty() {
                self.json.key("extra");
                self.json.open(b'{');
                self.text("type", kind);
                self.json.close(b'}');
            }
            self.json.close(b'}');
        }
        if case.steps_left_out > 0 {
            self.json.open(b'{');
            self.text("name", &format!("and {} more", case.steps_left_out));
            self.text("status", "other");
            self.json.close(b'}');
        }
        self.json.close(b']');
    }

    fn summary(&mut self, facts: &Facts) {
        self.json.key("summary");
        self.json.open(b'{');
        self.any("tests", &self.counts.iter().sum::<u64>());
        for (status, n) in STATUSES.into_iter().zip(self.counts) {
            self.any(status, &n);
        }
        let (flaky, suites) = (self.flaky, self.suites);
        self.any("flaky", &flaky);
        self.any("suites", &suites);
        self.any("start", &moment::epoch_millis(facts.job.started.unwrap_or(facts.window.start)));
        self.any("stop", &moment::epoch_millis(facts.window.end));
        self.any("duration", &(facts.duration() / 1_000_000));
        self.json.key("extra");
        self.json.open(b'{');
        self.any("verdict", &facts.job.verdict);
        self.text("complete", facts.job.complete.as_str());
        self.any("gaps", &facts.job.complete.gaps());
        self.text("state", facts.job.state.as_str());
        self.json.close(b'}');
        self.json.close(b'}');
    }
}

/// The place in [`STATUSES`].
fn status(row: &NodeRow) -> usize {
    match row.outcome {
        Some(outcome) => status_of(outcome),
        None if row.is_open() => 3,
        None => 4,
    }
}

fn status_of(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Passed | Outcome::Passx => 0,
        Outcome::Failed | Outcome::Errored | Outcome::Aborted | Outcome::Blocked => 1,
        Outcome::Skipped => 2,
    }
}

impl Visitor for Ctrf<'_> {
    fn begin(&mut self, facts: &Facts) -> io::Result<()> {
        self.json.open(b'{');
        self.text("reportFormat", "CTRF");
        self.text("specVersion", SPEC);
        self.any("reportId", &facts.job.uid);
        self.json.key("timestamp");
        self.json.time(facts.window.end);
        self.text("generatedBy", concat!("oyez ", env!("CARGO_PKG_VERSION")));
        self.json.key("results");
        self.json.open(b'{');
        self.json.key("tool");
        self.json.open(b'{');
        self.text("name", "oyez");
        self.text("version", env!("CARGO_PKG_VERSION"));
        self.json.close(b'}');
        self.json.key("environment");
        self.json.open(b'{');
        self.text("reportName", &facts.title);
        self.any("healthy", &facts.job.complete.gaps().is_empty());
        self.json.close(b'}');
        self.json.key("tests");
        self.json.open(b'[');
        Ok(())
    }

    fn enter(&mut self, node: &Node<'_>, content: &Content) -> io::Result<()> {
        match node.place {
            Place::Run => {}
            Place::Test => self.enter_test(node, content),
            Place::Case | Place::Loose => self.case = Some(Case::new(node, content, self.max_log)),
            Place::Inner => {
                if let Some(case) = &mut self.case {
                    case.below(node, content);
                }
            }
        }
        self.json.out.settle()
    }

    fn leave(&mut self, node: &Node<'_>) -> io::Result<()> {
        match node.place {
            Place::Run => {
                let _ = self.attempts.rest();
            }
            Place::Test => {
                self.leave_case(node);
                self.tests.pop();
            }
            Place::Case | Place::Loose => self.leave_case(node),
            Place::Inner => {}
        }
        self.json.out.settle()
    }

    fn end(&mut self, facts: &Facts) -> io::Result<()> {
        self.json.close(b']');
        self.summary(facts);
        self.json.close(b'}');
        self.json.close(b'}');
        self.json.out.text("\n");
        self.json.out.finish()
    }
}
