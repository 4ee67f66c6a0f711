//! `junit.xml`, valid against the schema of Jenkins' xUnit plugin (`junit-10.xsd`).
//!
//! An attempt of a test is a testsuite, a result a testcase. What failed in a retried attempt stands in the testcase of
//! the attempt that counts, as surefire does it: `flakyFailure` when the case passed in the end, `rerunFailure` when it
//! did not; a case that ran only in a retried attempt gets a testsuite beside, as skipped. A clean-up does not count:
//! what fails there is skipped, with its message. The format cannot say that a report is incomplete, so that a broken
//! job would look green; a job that is incomplete or did not come to its end therefore has one errored testcase more.

mod elements;

use std::io::{self, Write};

use oyez_model::row::Flags;
use oyez_model::{NodeRow, Outcome};

use crate::attempts::{Attempts, Earlier, Held};
use crate::case::{Case, name_of, outcome_word};
use crate::content::Content;
use crate::facts::Facts;
use crate::moment;
use crate::options::Options;
use crate::out::Out;
use crate::text::one_line;
use crate::walk::{Node, Place, Visitor};
use crate::xml;
use elements::{
    Verdict, element, open_case, property, rerun, slim, suite_counts, troubles, verdict, write_verdict,
};

const MAX_NAME: usize = 1000;

struct Suite {
    row: NodeRow,
    class: String,
    excluded: bool,
    retried: bool,
    earlier: Option<Held>,
}

pub(crate) struct Junit<'w> {
    out: Out<'w>,
    max_log: usize,
    suites: Vec<Suite>,
    /// The case that is open; of a test without cases, the test itself.
    case: Option<Case>,
    attempts: Attempts,
    job: JobFacts,
}

/// What every testsuite says of the job.
#[derive(Default)]
struct JobFacts {
    properties: Vec<(&'static str, String)>,
    host: Option<String>,
    many_runs: bool,
}

impl<'w> Junit<'w> {
    pub(crate) fn new(to: &'w mut dyn Write, options: &Options<'_>) -> Self {
        let out = Out::new(to);
        let max_log = options.max_case_log_bytes;
        Junit {
            out,
            max_log,
            suites: Vec::new(),
            case: None,
            attempts: Attempts::default(),
            job: JobFacts::default(),
        }
    }

    fn open_suite(&mut self, name: &str, counts: [u64; 4], row: Option<&NodeRow>, suite: &[String]) {
        let buf = &mut self.out.buf;
        buf.extend_from_slice(b"<testsuite");
        xml::attribute(buf, "name", name);
        for (key, n) in ["tests", "failures", "errors", "skipped"].into_iter().zip(counts) {
            xml::number(buf, key, n);
        }
        if let Some(nanos) = row.and_then(NodeRow::duration) {
            xml::attribute(buf, "time", &moment::seconds_3(nanos));
        }
        if let Some(started) = row.and_then(|row| row.started) {
            xml::attribute(buf, "timestamp", &moment::rfc3339_seconds(started));
        }
        if let Some(host) = &self.job.host {
            xml::attribute(buf, "hostname", host);
        }
        if !suite.is_empty() {
            xml::attribute(buf, "package", &one_line(&suite.join("."), MAX_NAME));
        }
        if let Some(row) = row {
            xml::attribute(buf, "id", &row.id.to_string());
        }
        buf.extend_from_slice(b">\n<properties>\n");
        for (name, value) in &self.job.properties {
            property(buf, name, value);
        }
    }

    fn suite_facts(&mut self, node: &Node<'_>, earlier: Option<&Held>) {
        let buf = &mut self.out.buf;
        if let Some(run) = node.path.first() {
            property(buf, "oyez.run", run);
        }
        property(buf, "oyez.attempt", &node.row.attempt.to_string());
        property(buf, "oyez.outcome", outcome_word(node.row.outcome));
        if node.excluded {
            property(buf, "oyez.counts", "no: it is a clean-up");
        }
        if node.row.flags.has(Flags::NEVER_ENDED) {
            property(buf, "oyez.never_ended", "true");
        }
        if let Some(held) = earlier.filter(|held| held.left_out > 0) {
            property(buf, "oyez.retried_failures_left_out", &held.left_out.to_string());
        }
    }

    fn close_properties(&mut self) {
        self.out.text("</properties>\n");
    }

    fn enter_test(&mut self, node: &Node<'_>, content: &Content) {
        let row = node.row;
        let retried = row.flags.has(Flags::RETRIED);
        let mut class: Vec<&str> = content.suite().iter().map(String::as_str).collect();
        class.push(&row.name);
        let class = one_line(&class.join("."), MAX_NAME).into_owned();
        let earlier = if retried {
            self.attempts.retried(row);
            None
        } else {
            self.attempts.take(row)
        };
        let caseless = row.child_count() == 0;
        if !retried {
            let name = self.suite_name(node);
            self.open_suite(&name, suite_counts(node), Some(row), content.suite());
            self.suite_facts(node, earlier.as_ref());
            self.close_properties();
        }
        let mut own = Case::new(node, content, self.max_log);
        if caseless {
            self.case = Some(own);
        } else if let Some(log) = own.log().filter(|_| !retried) {
            element(&mut self.out.buf, "system-out", &log);
        }
        let (row, excluded) = (slim(row), node.excluded);
        self.suites.push(Suite { row, class, excluded, retried, earlier });
    }

    fn suite_name(&self, node: &Node<'_>) -> String {
        let name = name_of(node, MAX_NAME);
        match node.path.first().filter(|_| self.job.many_runs) {
            Some(run) => format!("{name} ({run})"),
            None => name,
        }
    }

    fn leave_case(&mut self, node: &Node<'_>) {
        let Some(mut case) = self.case.take() else { return };
        let name = name_of(node, MAX_NAME);
        let Some(suite) = self.suites.last_mut() else {
            return self.loose(node, case, &name);
        };
        let is_bad = node.row.outcome.is_none_or(|o| !o.is_good());
        if suite.retried {
            if is_bad {
                let earlier = Earlier {
                    attempt: suite.row.attempt,
                    outcome: node.row.outcome,
                    message: case.message(node.row.outcome),
                    trace: case.trace().to_owned(),
                    log: case.log(),
                    duration: node.row.duration(),
                };
                let row = &suite.row;
                self.attempts.failed(row, name, earlier);
            }
            return;
        }
        let earlier = suite.earlier.as_mut().and_then(|held| held.cases.remove(&name)).unwrap_or_default();
        let verdict = verdict(node.row, suite.excluded, &case);
        let class = suite.class.clone();
        self.testcase(&name, &class, node.row.duration(), verdict, &earlier, case);
    }

    /// A section without a test gets a testsuite of its own.
    fn loose(&mut self, node: &Node<'_>, case: Case, name: &str) {
        let verdict = verdict(node.row, node.excluded, &case);
        let is = |element: &str| u64::from(verdict.as_ref().is_some_and(|v| v.element == element));
        let counts = [1, is("failure"), is("error"), is("skipped")];
        self.open_suite(name, counts, Some(node.row), &[]);
        property(&mut self.out.buf, "oyez.section", "without a test");
        self.close_properties();
        self.testcase(name, name, node.row.duration(), verdict, &[], case);
        self.out.text("</testsuite>\n");
    }

    fn testcase(
        &mut self,
        name: &str,
        class: &str,
        duration: Option<u64>,
        verdict: Option<Verdict>,
        earlier: &[Earlier],
        mut case: Case,
    ) {
        let buf = &mut self.out.buf;
        open_case(buf, name, class, duration);
        let log = case.log();
        if verdict.is_none() && log.is_none() && earlier.is_empty() {
            buf.extend_from_slice(b"/>\n");
            return;
        }
        buf.push(b'>');
        let passed = verdict.as_ref().is_none_or(|v| v.element == "skipped");
        if let Some(verdict) = verdict {
            // A skipped one has no more to say than its message.
            let trace = if verdict.element == "skipped" { "" } else { case.trace() };
            write_verdict(buf, &verdict, trace);
        }
        earlier.iter().for_each(|attempt| rerun(buf, attempt, passed));
        if let Some(log) = log {
            element(buf, "system-out", &log);
        }
        buf.extend_from_slice(b"</testcase>\n");
    }

    fn leave_test(&mut self, node: &Node<'_>) {
        if self.case.is_some() {
            self.leave_case(node);
        }
        let Some(suite) = self.suites.pop() else { return };
        if !suite.retried {
            self.out.text("</testsuite>\n");
        }
        if let Some(held) = suite.earlier.filter(|held| !held.cases.is_empty()) {
            self.only_earlier(&suite.row.name, &suite.class, held);
        }
    }

    /// Cases that failed in a retried attempt and did not run again.
    fn only_earlier(&mut self, test: &str, class: &str, held: Held) {
        let n = held.cases.len() as u64;
        let name = format!("{} (cases of retried attempts only)", one_line(test, MAX_NAME));
        self.open_suite(&name, [n, 0, 0, n], None, &[]);
        property(&mut self.out.buf, "oyez.counts", "no: these attempts were retried");
        self.close_properties();
        for (name, attempts) in held.cases {
            let buf = &mut self.out.buf;
            open_case(buf, &name, class, attempts.last().and_then(|a| a.duration));
            buf.push(b'>');
            let last = attempts.last();
            let message = last.map_or_else(String::new, |a| {
                format!("ran only in attempt {}: {}: {}", a.attempt + 1, outcome_word(a.outcome), a.message)
            });
            write_verdict(buf, &Verdict { element: "skipped", kind: "retried", message }, "");
            attempts.iter().for_each(|attempt| rerun(buf, attempt, true));
            buf.extend_from_slice(b"</testcase>\n");
        }
        self.out.text("</testsuite>\n");
    }

    fn rest_of_attempts(&mut self) {
        for (test, held) in self.attempts.rest() {
            if !held.cases.is_empty() {
                self.only_earlier(&test, &test, held);
            }
        }
    }
}

impl Visitor for Junit<'_> {
    fn begin(&mut self, facts: &Facts) -> io::Result<()> {
        let job = &facts.job;
        let verdict = job.verdict.map_or_else(|| "none".to_owned(), |v| v.to_string());
        self.job = JobFacts {
            properties: vec![
                ("oyez.job", job.uid.to_string()),
                ("oyez.verdict", verdict),
                ("oyez.complete", job.complete.as_str().to_owned()),
            ],
            host: facts.submitted.as_ref().and_then(|s| s.host.clone()),
            many_runs: job.runs > 1,
        };
        let troubles = troubles(facts).len() as u64;
        let counts = &facts.results;
        let failures = counts.of(Outcome::Failed);
        let open = if facts.is_running() { 0 } else { counts.without() };
        let buf = &mut self.out.buf;
        buf.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
        xml::attribute(buf, "name", &one_line(&facts.title, MAX_NAME));
        xml::number(buf, "tests", counts.total() + troubles);
        xml::number(buf, "failures", failures);
        xml::number(buf, "errors", counts.bad() - failures + open + troubles);
        xml::attribute(buf, "time", &moment::seconds_3(facts.duration()));
        buf.extend_from_slice(b">\n");
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
        self.out.settle()
    }

    fn leave(&mut self, node: &Node<'_>) -> io::Result<()> {
        match node.place {
            Place::Run => self.rest_of_attempts(),
            Place::Test => self.leave_test(node),
            Place::Case | Place::Loose => self.leave_case(node),
            Place::Inner => {}
        }
        self.out.settle()
    }

    fn end(&mut self, facts: &Facts) -> io::Result<()> {
        self.rest_of_attempts();
        let troubles = troubles(facts);
        if !troubles.is_empty() {
            let n = troubles.len() as u64;
            self.open_suite("oyez", [n, 0, n, 0], None, &[]);
            self.close_properties();
            for (name, verdict) in troubles {
                let buf = &mut self.out.buf;
                open_case(buf, name, "oyez", None);
                buf.push(b'>');
                write_verdict(buf, &verdict, "");
                buf.extend_from_slice(b"</testcase>\n");
            }
            self.out.text("</testsuite>\n");
        }
        self.out.text("</testsuites>\n");
        self.out.finish()
    }
}
