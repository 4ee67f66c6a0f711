//! The pieces of the reply to `status`, in ConTest's order of fields (specs/contest.md 1.13 and 2).
//!
//! ```text
//! begin  RunStatus: run|null  middle  RunStatuses: [run ...]|null  reports  end
//! run    { ... "TestStatuses": [test ...]|null }
//! test   { ... "TestStepStatuses": [step ...], "TargetStatuses": [target ...]|null }
//! step   { ... "Events": [event ...]|null, "TargetStatuses": [target ...]|null }
//! target { ... "Events": [event ...]|null }
//! ```
//!
//! Each piece is appended to a buffer; whoever walks a job puts them together, so that a reply of any size needs no more
//! memory than the walk does. A list of nothing is `null`: [`items`] sees to that.

use oyez_model::event::{EventBody, Report, Target};
use oyez_model::{EventSeq, JobId, JobState, Time};

use super::{go, reply};

/// A job as the reply begins.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The server that answers.
    pub server: &'a str,
    /// The job's name.
    pub name: &'a str,
    /// Where it stands.
    pub state: JobState,
    /// Why it failed, said for a job that has.
    pub error: Option<&'a str>,
    /// When it was started.
    pub started: Option<Time>,
    /// When it came to its end.
    pub ended: Option<Time>,
}

/// The name of a state. A job that waits for its turn is one that ConTest has not heard of.
#[must_use]
pub fn state_name(state: JobState) -> String {
    match state {
        JobState::Unknown | JobState::Queued => "Unknown".to_owned(),
        state => format!("JobState{state}"),
    }
}

/// Up to where the last run stands.
pub fn begin(out: &mut Vec<u8>, head: &Head<'_>) {
    reply::begin(out, head.server, "Status");
    out.extend_from_slice(b"{\"Status\":{\"Name\":");
    go::string(out, head.name);
    out.extend_from_slice(b",\"State\":");
    go::string(out, &state_name(head.state));
    out.extend_from_slice(b",\"StateErrMsg\":");
    go::string(out, head.error.filter(|_| head.state == JobState::Failed).unwrap_or_default());
    out.extend_from_slice(b",\"StartTime\":");
    go::time(out, head.started);
    out.extend_from_slice(b",\"EndTime\":");
    // A failed pause is no end that ConTest knows.
    match head.ended.filter(|_| head.state != JobState::PauseFailed) {
        Some(ended) => go::time(out, Some(ended)),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"RunStatus\":");
}

/// Between the last run and the list of all.
pub fn middle(out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"RunStatuses\":");
}

/// From the list of runs to the list of reports on runs: a list of lists, one for each run that has reports.
pub fn run_reports(out: &mut Vec<u8>, job: JobId) {
    out.extend_from_slice(b",\"JobReport\":{\"JobID\":");
    go::number(out, job.0);
    out.extend_from_slice(b",\"RunReports\":");
}

/// From there to the list of final reports.
pub fn final_reports(out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"FinalReports\":");
}

/// What stands after the final reports.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}}}");
    reply::end(out, None);
}

/// A report.
pub fn report(out: &mut Vec<u8>, job: JobId, at: Time, report: &Report) {
    out.extend_from_slice(b"{\"JobID\":");
    go::number(out, job.0);
    if let Some(run) = report.run {
        out.extend_from_slice(b",\"RunID\":");
        go::number(out, u64::from(run.0));
    }
    out.extend_from_slice(b",\"ReporterName\":");
    go::string(out, &report.reporter);
    out.extend_from_slice(b",\"ReportTime\":");
    go::time(out, Some(at));
    out.extend_from_slice(if report.success { b",\"Success\":true" } else { b",\"Success\":false" });
    out.extend_from_slice(b",\"Data\":");
    go::raw(out, &report.data.0);
    out.push(b'}');
}

/// A list that is written item by item: `null` when there was none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Items(bool);

/// A list without items so far.
#[must_use]
pub fn items() -> Items {
    Items::default()
}

impl Items {
    /// Before each item.
    pub fn next(&mut self, out: &mut Vec<u8>) {
        out.push(if std::mem::replace(&mut self.0, true) { b',' } else { b'[' });
    }

    /// After the last.
    pub fn close(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.0 { b"]" } else { b"null" });
    }
}

/// A run of a job.
#[derive(Clone, Copy, Debug)]
pub struct RunAt {
    /// The job.
    pub job: JobId,
    /// The run, from 1.
    pub run: u32,
}

impl RunAt {
    fn coordinates(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"JobID\":");
        go::number(out, self.job.0);
        out.extend_from_slice(b",\"RunID\":");
        go::number(out, u64::from(self.run));
    }

    /// Up to the list of its tests; a `}` stands after that.
    pub fn open(self, out: &mut Vec<u8>, started: Option<Time>) {
        out.push(b'{');
        self.coordinates(out);
        // ConTest leaves it at zero.
        out.extend_from_slice(b",\"StartTime\":");
        go::time(out, started);
        out.extend_from_slice(b",\"TestStatuses\":");
    }
}

/// A test of a run.
#[derive(Clone, Debug)]
pub struct TestAt {
    coordinates: Vec<u8>,
}

impl TestAt {
    /// The test of this name.
    #[must_use]
    pub fn new(run: RunAt, name: &str) -> Self {
        let mut coordinates = Vec::with_capacity(64);
        run.coordinates(&mut coordinates);
        coordinates.extend_from_slice(b",\"TestName\":");
        go::string(&mut coordinates, name);
        TestAt { coordinates }
    }

    /// Up to its steps, which stand between commas; `],"TargetStatuses":` and so on are [`TestAt::targets`]'.
    pub fn open(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(&self.coordinates);
        out.extend_from_slice(b",\"TestStepStatuses\":[");
    }

    /// From its steps to the list of its targets; a `}` stands after that.
    pub fn targets(out: &mut Vec<u8>) {
        out.extend_from_slice(b"],\"TargetStatuses\":");
    }

    /// What a target is that was acquired and never came into a step.
    pub fn unseen_target(out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"{\"JobID\":0,\"RunID\":0,\"TestName\":\"\",\"TestStepName\":\"\",\"TestStepLabel\":\"\",",
        );
        out.extend_from_slice(b"\"Target\":null,\"InTime\":");
        go::time(out, None);
        out.extend_from_slice(b",\"OutTime\":");
        go::time(out, None);
        out.extend_from_slice(b",\"Error\":\"\",\"Events\":null}");
    }

    /// Targets that could not be acquired are one failed target.
    pub fn acquire_error(&self, out: &mut Vec<u8>, seq: EventSeq, at: Time, attempt: u32, error: &str) {
        let step = StepAt::new(self, "", "");
        out.push(b'{');
        out.extend_from_slice(&step.coordinates);
        out.extend_from_slice(b",\"Target\":null,\"InTime\":");
        go::time(out, Some(at));
        out.extend_from_slice(b",\"OutTime\":");
        go::time(out, Some(at));
        out.extend_from_slice(b",\"Error\":");
        go::string(out, error);
        out.extend_from_slice(b",\"Events\":[");
        step.event_head(out, seq, at, attempt);
        out.extend_from_slice(b"null,\"EventName\":\"TargetAcquireErr\",\"Payload\":{\"Error\":");
        go::string(out, error);
        out.extend_from_slice(b"}}}]}");
    }
}

/// A step of a test.
#[derive(Clone, Debug)]
pub struct StepAt {
    coordinates: Vec<u8>,
    /// Of an event's header: what stands before the attempt, and after it.
    header: (Vec<u8>, Vec<u8>),
}

impl StepAt {
    /// The step with this label.
    #[must_use]
    pub fn new(test: &TestAt, name: &str, label: &str) -> Self {
        let mut coordinates = test.coordinates.clone();
        coordinates.extend_from_slice(b",\"TestStepName\":");
        go::string(&mut coordinates, name);
        let mut after = b",\"TestStepLabel\":".to_vec();
        go::string(&mut after, label);
        coordinates.extend_from_slice(&after);
        after.extend_from_slice(b"},\"Data\":{\"Target\":");
        let mut before = b",\"Header\":{".to_vec();
        before.extend_from_slice(&test.coordinates);
        before.extend_from_slice(b",\"TestAttempt\":");
        StepAt { coordinates, header: (before, after) }
    }

    /// Up to the list of the step's own events.
    pub fn open(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(&self.coordinates);
        out.extend_from_slice(b",\"Events\":");
    }

    /// From there to the list of its targets; a `}` stands after that.
    pub fn targets(out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"TargetStatuses\":");
    }

    /// A target's visit, up to its error.
    pub fn visit(&self, out: &mut Vec<u8>, target: &[u8], entered: Option<Time>, left: Option<Time>) {
        out.push(b'{');
        out.extend_from_slice(&self.coordinates);
        out.extend_from_slice(b",\"Target\":");
        out.extend_from_slice(target);
        out.extend_from_slice(b",\"InTime\":");
        go::time(out, entered);
        out.extend_from_slice(b",\"OutTime\":");
        go::time(out, left);
        out.extend_from_slice(b",\"Error\":");
    }

    /// From there to the list of the visit's events; a `}` stands after that.
    pub fn visit_events(out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"Events\":");
    }

    /// An event; `target` is its JSON, as [`target`] writes it.
    pub fn event(
        &self,
        out: &mut Vec<u8>,
        (seq, at, attempt): (EventSeq, Time, u32),
        target: Option<&[u8]>,
        (name, payload): (&str, Option<&str>),
    ) {
        self.event_head(out, seq, at, attempt);
        out.extend_from_slice(target.unwrap_or(b"null"));
        out.extend_from_slice(b",\"EventName\":");
        go::string(out, name);
        out.extend_from_slice(b",\"Payload\":");
        match payload {
            Some(json) => go::raw(out, json),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}}");
    }

    fn event_head(&self, out: &mut Vec<u8>, seq: EventSeq, at: Time, attempt: u32) {
        out.extend_from_slice(b"{\"SequenceID\":");
        go::number(out, seq.0);
        out.extend_from_slice(b",\"EmitTime\":");
        go::time(out, Some(at));
        out.extend_from_slice(&self.header.0);
        go::number(out, u64::from(attempt));
        out.extend_from_slice(&self.header.1);
    }
}

/// A target's JSON.
#[must_use]
pub fn target(target: &Target) -> Vec<u8> {
    let mut out = b"{\"ID\":".to_vec();
    go::string(&mut out, &target.id);
    let more = [
        ("FQDN", &target.fqdn),
        ("PrimaryIPv4", &target.primary_ipv4),
        ("PrimaryIPv6", &target.primary_ipv6),
    ];
    for (name, value) in more {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            go::string(&mut out, value);
        }
    }
    if let Some(state) = &target.manager_state {
        out.extend_from_slice(b",\"TMS\":");
        go::raw(&mut out, &state.0);
    }
    out.push(b'}');
    out
}

/// Name, payload and target's id of an event that ConTest's users see among those of a step; `None` for others.
#[must_use]
pub fn shown(body: &EventBody) -> Option<Shown<'_>> {
    match body {
        EventBody::Named(event) => Some(Shown {
            name: &event.name,
            payload: event.payload.as_ref().map(|json| json.0.as_str().into()),
            // ConTest says it of the step as a whole, whichever target it was about.
            of_target: event.target.is_some() && event.name != "TestError",
        }),
        EventBody::VariableEmitted(event) => {
            let mut payload = b"{\"Name\":".to_vec();
            go::string(&mut payload, &event.name);
            payload.extend_from_slice(b",\"Value\":");
            // The value's JSON as a text.
            go::string(&mut payload, &event.value.0);
            payload.push(b'}');
            let payload = String::from_utf8_lossy(&payload).into_owned();
            Some(Shown { name: "VariableEmitted", payload: Some(payload.into()), of_target: true })
        }
        _ => None,
    }
}

/// See [`shown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The event's name.
    pub name: &'a str,
    /// Its payload, JSON.
    pub payload: Option<std::borrow::Cow<'a, str>>,
    /// Whether it is about a target; else it is the step's own.
    pub of_target: bool,
}
