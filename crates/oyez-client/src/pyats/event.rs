//! What subscribers are told.

use oyez_model::{Time, Value};

use super::TestResult;
use super::field::{Fields, LogPlace};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventName {
    /// The suite was announced: by its start, or by a plugin before it.
    InitTestsuite,
    /// The suite started.
    StartTestsuite,
    /// The suite stopped.
    StopTestsuite,
    /// A task was announced: by its start, or by a plugin before it.
    InitTask,
    /// A task, or a plugin of the job, started.
    StartTask,
    /// A task stopped, or got another result.
    StopTask,
    /// A section, or a plugin of a task, started.
    StartSection,
    /// A section stopped.
    StopSection,
    /// A plugin stopped.
    StopPlugin,
    /// One that is not known here.
    Other(String),
}

impl EventName {
    fn of(name: &str) -> EventName {
        match name {
            "init_testsuite" => EventName::InitTestsuite,
            "start_testsuite" => EventName::StartTestsuite,
            "stop_testsuite" => EventName::StopTestsuite,
            "init_task" => EventName::InitTask,
            "start_task" => EventName::StartTask,
            "stop_task" => EventName::StopTask,
            "start_section" => EventName::StartSection,
            "stop_section" => EventName::StopSection,
            "stop_plugin" => EventName::StopPlugin,
            other => EventName::Other(other.to_owned()),
        }
    }
}

/// One event, with what exists of it (specs/pyats.md section 3, and pyATS's own table of event data).
#[derive(Clone, Debug, PartialEq)]
pub struct PushedEvent {
    /// What happened.
    pub event: EventName,
    /// The type of the section that it happened to.
    pub kind: Option<String>,
    /// That section's number, unique in the report.
    pub seq_num: Option<u64>,
    /// The number of the section above it.
    pub parent_seq_num: Option<u64>,
    /// The section's id.
    pub id: Option<String>,
    /// The ids from its task down, joined by dots.
    pub full_id: Option<String>,
    /// The ids from its task down.
    pub path: Vec<String>,
    /// The section's name.
    pub name: Option<String>,
    /// When it started.
    pub started: Option<Time>,
    /// When it stopped.
    pub stopped: Option<Time>,
    /// How long it ran, in seconds.
    pub runtime: Option<f64>,
    /// How it ended.
    pub result: Option<TestResult>,
    /// Its log file: absolute while it runs, relative to the run's folder afterwards.
    pub logfile: Option<String>,
    /// Its place in that file.
    pub log: Option<LogPlace>,
    /// Where it stands in the script: `file`, `line`, `source_hash`.
    pub xref: Option<Value>,
    /// All that was said, as it was said.
    pub raw: Value,
}

impl PushedEvent {
    /// `None` for what is no event: a reply.
    pub(super) fn from_value(raw: Value) -> Option<PushedEvent> {
        let fields = Fields(&raw);
        let event = EventName::of(fields.get("event")?.as_str()?);
        Some(PushedEvent {
            event,
            kind: fields.text("type"),
            seq_num: fields.number("seq_num"),
            parent_seq_num: fields.number("parent_seq_num"),
            id: fields.text("id"),
            full_id: fields.text("fullid"),
            path: fields.texts("idlist"),
            name: fields.text("name"),
            started: fields.time("starttime"),
            stopped: fields.time("stoptime"),
            runtime: fields.seconds("runtime"),
            result: fields.get("result").and_then(TestResult::from_value),
            logfile: fields.text("logfile"),
            log: fields.log(),
            xref: fields.get("xref").cloned(),
            raw,
        })
    }
}
