//! A report as events: each suite with cases becomes a test, each case a section of it.
//!
//! Suites that only hold suites become the path of those below them. A case that was cut off with its file begins and
//! never ends, so that the report says what was running.

use oyez_model::event::{
    EventBody, LogText, OutputDropped, SectionDetail, SectionStarted, SectionStopped, SourceRef, Stream,
    TestStarted, TestStopped,
};
use oyez_model::{Outcome, SectionRef, Time, Value};

use super::{Attempt, AttemptKind, Case, Item, Message, Status, Suite, Text};

/// One event holds at most so much text.
const TEXT: usize = 256 << 10;
/// What stands in a reason; the whole message stands in the log.
const REASON: usize = 1000;

/// Where the events go.
pub type Sink<'a> = &'a mut dyn FnMut(EventBody);

/// Turns the items of one file into events.
#[derive(Debug)]
pub struct Tests {
    run: SectionRef,
    nodes: u64,
    index: u32,
    now: Time,
    open: Vec<Open>,
}

/// A suite that has begun.
#[derive(Debug)]
struct Open {
    name: String,
    wrapper: bool,
    /// Its test, once it has one.
    test: Option<u64>,
    has_suites: bool,
    /// When its next case began, as far as the file tells.
    clock: Time,
    package: Option<String>,
}

impl Tests {
    /// For a file whose tests hang below `run`, with node numbers after `nodes`. `now`: where the file gives no times,
    /// its cases end at this moment, one after the other.
    #[must_use]
    pub fn new(run: SectionRef, nodes: u64, now: Time) -> Self {
        Tests { run, nodes, index: 1, now, open: Vec::new() }
    }

    /// The last node number that was given.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The events of one item.
    pub fn item(&mut self, item: Item, out: Sink<'_>) {
        match item {
            Item::SuiteStart(suite) => self.suite(&suite),
            Item::Case(case) => self.case(&case, true, out),
            Item::SystemOut(text) => self.suite_text(&text, Stream::Stdout, out),
            Item::SystemErr(text) => self.suite_text(&text, Stream::Stderr, out),
            Item::SuiteMessage(message) => self.suite_message(&message, out),
            Item::SuiteEnd(_) => self.suite_end(out),
            Item::Property { name, value, .. } => {
                // A property of a suite without cases has no place of its own; there it says nothing about a test.
                if let Some(test) = self.open.last().and_then(|suite| suite.test) {
                    let pair = Value::Map(vec![(Value::Text(name), Value::Text(value))]);
                    out(SectionDetail { id: SectionRef::own(test), detail: pair }.into());
                }
            }
        }
    }

    /// The file has ended; `unfinished` is the case that was cut off with it.
    pub fn end(&mut self, unfinished: Option<Case>, out: Sink<'_>) {
        if let Some(case) = unfinished {
            self.case(&case, false, out);
            // What is open stays open: nobody knows how it would have ended.
            self.open.clear();
        }
        while !self.open.is_empty() {
            self.suite_end(out);
        }
    }

    fn suite(&mut self, suite: &Suite) {
        let (now, inherited) = (self.now, self.open.last().map(|above| above.clock));
        let seconds = suite.time.unwrap_or(0.0).clamp(0.0, 1e9);
        let said = suite.timestamp.as_deref().and_then(moment);
        let clock = said.or(inherited).unwrap_or_else(|| now.plus(-nanos(seconds)));
        if let Some(above) = self.open.last_mut() {
            above.has_suites = true;
        }
        self.open.push(Open {
            name: suite.name.clone(),
            wrapper: suite.wrapper,
            test: None,
            has_suites: false,
            clock,
            package: suite.package.clone().filter(|package| !package.is_empty()),
        });
    }

    /// The test of the innermost suite; it begins with the first thing that belongs to it.
    fn test(&mut self, out: Sink<'_>) -> u64 {
        if let Some(test) = self.open.last().and_then(|suite| suite.test) {
            return test;
        }
        self.nodes += 1;
        let above = self.open.len().saturating_sub(1);
        let mut path: Vec<String> = self.open[..above]
            .iter()
            .filter(|s| !s.name.is_empty() && !s.wrapper)
            .map(|s| s.name.clone())
            .collect();
        let (name, began) = match self.open.last() {
            Some(suite) => {
                path.extend(suite.package.clone());
                (suite.name.clone(), suite.clock)
            }
            None => (String::new(), self.now),
        };
        let name = if name.is_empty() { "(suite without a name)".to_owned() } else { name };
        out(TestStarted {
            id: self.nodes,
            parent: self.run,
            name,
            index: self.index,
            attempt: 0,
            planned: None,
            cleanup: None,
            suite: (!path.is_empty()).then_some(path),
            variant: None,
            began: Some(began.0),
            ..Default::default()
        }
        .into());
        self.index += 1;
        let test = self.nodes;
        match self.open.last_mut() {
            Some(suite) => suite.test = Some(test),
            // A case outside any suite: the file has a suite of its own around it from now on.
            None => self.open.push(Open {
                name: String::new(),
                wrapper: true,
                test: Some(test),
                has_suites: false,
                clock: self.now,
                package: None,
            }),
        }
        test
    }

    fn case(&mut self, case: &Case, whole: bool, out: Sink<'_>) {
        let test = self.test(out);
        self.nodes += 1;
        let (id, at) = (self.nodes, SectionRef::own(self.nodes));
        let length = nanos(case.time.unwrap_or(0.0).clamp(0.0, 1e9));
        let clock = self.open.last().map_or(self.now, |suite| suite.clock);
        let began = case.timestamp.as_deref().and_then(moment).unwrap_or(clock);
        let ended = began.plus(length);
        if let Some(suite) = self.open.last_mut() {
            suite.clock = ended;
        }
        let class = case.classname.as_deref().unwrap_or_default();
        let suite_name = self.open.last().map_or("", |suite| suite.name.as_str());
        let name = match (class, case.name.as_str()) {
            ("", name) => name.to_owned(),
            (class, "") => class.to_owned(),
            (class, name) if class == suite_name || name.starts_with(class) => name.to_owned(),
            (class, name) => format!("{class}.{name}"),
        };
        let extra: Vec<(Value, Value)> = case
            .properties
            .iter()
            .chain(&case.attributes)
            .map(|(name, value)| (Value::text(name.as_str()), Value::text(value.as_str())))
            .collect();
        out(SectionStarted {
            id,
            parent: SectionRef::own(test),
            r#type: "Testcase".to_owned(),
            name,
            began: Some(began.0),
            description: None,
            source: case.file.clone().map(|file| SourceRef { file, line: case.line }),
            parameters: None,
            extra: (!extra.is_empty()).then_some(Value::Map(extra)),
            peer_id: None,
            ..Default::default()
        }
        .into());
        for message in &case.messages {
            write_message(at, message, out);
        }
        for attempt in &case.reruns {
            write_attempt(at, attempt, out);
        }
        for (stream, text) in [(Stream::Stdout, &case.system_out), (Stream::Stderr, &case.system_err)] {
            if let Some(text) = text {
                write_text(at, stream, text, out);
            }
        }
        dropped(at, case.dropped_bytes, out);
        if whole {
            let reason = case.reason().map(reason);
            out(SectionStopped {
                id: at,
                outcome: Some(outcome(case.status)),
                reason: reason.filter(|reason| !reason.is_empty()),
                data: None,
                rollup: None,
                ended: Some(ended.0),
                ..Default::default()
            }
            .into());
        }
    }

    fn suite_text(&mut self, text: &Text, stream: Stream, out: Sink<'_>) {
        if !text.text.is_empty() {
            let test = self.test(out);
            write_text(SectionRef::own(test), stream, text, out);
        }
    }

    /// Set-up of a whole suite broke: a case of its own, so that it counts.
    fn suite_message(&mut self, message: &Message, out: Sink<'_>) {
        let test = self.test(out);
        let Some(status) = message.kind.status() else {
            return write_message(SectionRef::own(test), message, out);
        };
        self.nodes += 1;
        let (id, at) = (self.nodes, SectionRef::own(self.nodes));
        out(SectionStarted {
            id,
            parent: SectionRef::own(test),
            r#type: "Testcase".to_owned(),
            name: "(the suite itself)".to_owned(),
            began: None,
            description: None,
            source: None,
            parameters: None,
            extra: None,
            peer_id: None,
            ..Default::default()
        }
        .into());
        write_message(at, message, out);
        let (outcome, reason) = (Some(outcome(status)), Some(reason(message)));
        out(SectionStopped {
            id: at,
            outcome,
            reason,
            data: None,
            rollup: None,
            ended: None,
            ..Default::default()
        }
        .into());
    }

    fn suite_end(&mut self, out: Sink<'_>) {
        // A suite without anything in it is shown all the same: somebody expected something there.
        if self.open.last().is_some_and(|suite| suite.test.is_none() && !suite.has_suites && !suite.wrapper) {
            self.test(out);
        }
        let Some(suite) = self.open.pop() else { return };
        if let Some(above) = self.open.last_mut() {
            above.clock = above.clock.max(suite.clock);
        }
        if let Some(test) = suite.test {
            let id = SectionRef::own(test);
            let ended = Some(suite.clock.0);
            out(TestStopped { id, outcome: None, reason: None, retried: None, ended, ..Default::default() }
                .into());
        }
    }
}

fn outcome(status: Status) -> Outcome {
    match status {
        Status::Passed => Outcome::Passed,
        Status::Skipped => Outcome::Skipped,
        Status::Failed => Outcome::Failed,
        Status::Errored => Outcome::Errored,
    }
}

fn nanos(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

/// A writer's time: with a zone, or without one and then taken as UTC, which most of them mean.
fn moment(text: &str) -> Option<Time> {
    let text = text.trim();
    text.parse::<Time>().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
    })
}

/// What is said in one place: the whole message stands in the log.
fn reason(message: &Message) -> String {
    message.headline().unwrap_or_default().chars().take(REASON).collect()
}

fn write_message(at: SectionRef, message: &Message, out: Sink<'_>) {
    let body = &message.text;
    // What the text says again is not written twice.
    if let Some(said) =
        message.message.as_deref().filter(|said| !said.is_empty() && !body.text.contains(said))
    {
        let kind = message.r#type.as_deref().filter(|kind| !kind.is_empty()).map(|kind| format!("{kind}: "));
        log(at, Stream::Log, &format!("{}{said}\n", kind.unwrap_or_default()), out);
    }
    write_text(at, Stream::Log, body, out);
    dropped(at, message.dropped_bytes, out);
}

fn write_attempt(at: SectionRef, attempt: &Attempt, out: Sink<'_>) {
    let word = match attempt.kind {
        AttemptKind::RerunFailure => "failed again",
        AttemptKind::RerunError => "broke again",
        AttemptKind::FlakyFailure => "failed, and passed later",
        AttemptKind::FlakyError => "broke, and passed later",
    };
    log(
        at,
        Stream::Log,
        &format!("an attempt {word}: {}\n", attempt.message.as_deref().unwrap_or_default()),
        out,
    );
    write_text(at, Stream::Log, &attempt.text, out);
    dropped(at, attempt.dropped_bytes, out);
}

fn write_text(at: SectionRef, stream: Stream, text: &Text, out: Sink<'_>) {
    let trimmed = text.text.trim_matches(['\n', '\r']);
    if !trimmed.trim().is_empty() {
        log(at, stream, trimmed, out);
    }
    dropped(at, text.dropped_bytes, out);
}

fn log(at: SectionRef, stream: Stream, text: &str, out: Sink<'_>) {
    for piece in text.as_bytes().chunks(TEXT) {
        out(LogText { id: at, stream, text: piece.to_vec().into(), level: None }.into());
    }
}

fn dropped(at: SectionRef, bytes: u64, out: Sink<'_>) {
    if bytes > 0 {
        out(OutputDropped {
            id: at,
            bytes,
            why: "a text in the results file is beyond the limits".to_owned(),
        }
        .into());
    }
}
