//! What goes over the wire, in both directions: the server writes it, the command reads it, and the description of the
//! API is made from it.

use std::collections::BTreeMap;

use oyez_model::row::Flags;
use oyez_model::{Counts, Guid, NodeRow, Outcome};
use oyez_store::JobInfo;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::DescriptorError;

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its number in this store.
    pub id: u64,
    /// Its identity everywhere, a UUID.
    pub uid: String,
    /// The first of its correlation texts.
    pub guid: Option<String>,
    /// All of them.
    pub guids: Vec<String>,
    /// Its name.
    pub name: String,
    /// Where it stands: `Queued`, `Started`, `Completed`, `Failed`, `Paused`, `PauseFailed`, `Cancelling`, `Cancelled`,
    /// `CancellationFailed`, or `Unknown`.
    #[schema(example = "Completed")]
    pub state: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What its reporters say: `success` or `failure`.
    pub verdict: Option<String>,
    /// What its runs rolled up to: `passed`, `failed`, ...
    pub outcome: Option<String>,
    /// Whether its report is complete: `yes`, `no`, or `unknown` while it runs.
    #[schema(example = "yes")]
    pub complete: String,
    /// What is missing.
    pub gaps: Vec<Gap>,
    /// How many of its cases had which outcome; `none` is those without, `total` all of them.
    #[schema(example = json!({"passed": 2, "failed": 1, "none": 0, "total": 3}))]
    pub counts: BTreeMap<String, u64>,
    /// Where it came from: `engine`, `exec`, `pyats`, `api`, `hec`, `import`.
    #[schema(example = "engine")]
    pub source: String,
    /// Who asked for it.
    pub requestor: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The project whose history it is part of.
    pub project: Option<String>,
    /// When it was submitted, RFC 3339.
    pub submitted: String,
    /// When it was first started.
    pub started: Option<String>,
    /// When it came to its end.
    pub ended: Option<String>,
    /// The highest run that was started.
    pub runs: u32,
    /// How many events it has.
    pub events: u64,
    /// What is wrong with it, when it cannot be read.
    pub damage: Option<String>,
    /// Who runs it now.
    pub owner: Option<String>,
    /// The server that took it.
    pub server: Option<String>,
}

/// Why a report is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// A word for programs.
    #[schema(example = "never_ended")]
    pub code: String,
    /// How many of them.
    pub count: u64,
    /// A sentence for people.
    pub text: String,
}

impl From<&JobInfo> for Job {
    fn from(info: &JobInfo) -> Self {
        let row = &info.row;
        let guids: Vec<String> = row.guids.iter().map(Guid::to_string).collect();
        let gap = |gap: &oyez_model::fold::Gap| Gap {
            code: gap.code.clone(),
            count: gap.count,
            text: gap.text.clone(),
        };
        Job {
            id: info.id.0,
            uid: row.uid.to_string(),
            guid: guids.first().cloned(),
            guids,
            name: row.name.clone(),
            state: row.state.to_string(),
            error: row.error.clone(),
            verdict: row.verdict.map(|verdict| verdict.to_string()),
            outcome: row.outcome.map(|outcome| outcome.to_string()),
            complete: row.complete.as_str().to_owned(),
            gaps: row.complete.gaps().iter().map(gap).collect(),
            counts: counts(&row.counts),
            source: word(&row.source),
            requestor: row.requestor.clone(),
            tags: row.tags.clone(),
            project: row.project.clone(),
            submitted: row.submitted.to_string(),
            started: row.started.map(|time| time.to_string()),
            ended: row.ended.map(|time| time.to_string()),
            runs: row.runs,
            events: row.events,
            damage: info.damage.clone(),
            owner: info.owner.as_ref().map(|(owner, _)| owner.to_string()),
            server: row.server_id.clone(),
        }
    }
}

/// Counts by the word of the outcome.
fn counts(counts: &Counts) -> BTreeMap<String, u64> {
    let of = |outcome: &Outcome| (outcome.as_str().to_owned(), counts.of(*outcome));
    let rest = [("none".to_owned(), counts.without()), ("total".to_owned(), counts.total())];
    Outcome::ALL.iter().map(of).chain(rest).collect()
}

/// A value that is one word in JSON.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Jobs, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jobs {
    /// A page of them.
    pub jobs: Vec<Job>,
    /// There may be more: `before` of the next page.
    pub next: Option<u64>,
}

/// A job that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    /// It, as it stands now.
    pub job: Job,
    /// What in its descriptor is probably not as it was meant.
    pub warnings: Vec<DescriptorError>,
}

/// Who asks for something, and why: kept with the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Who; `api` when nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// To `stop`: at once, without clean-up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kill: bool,
}

/// What answers here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The version of Oyez.
    pub oyez: String,
    /// The version of job descriptors that is understood.
    #[schema(example = "1.0")]
    pub descriptor: String,
    /// The version of ConTest's interface that is spoken.
    pub contest: u32,
    /// The server's name.
    pub server: String,
}

/// An event: these fields, and those of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventLine {
    /// Its number in the job's journal, from 1, without gaps.
    pub seq: u64,
    /// When it happened, RFC 3339.
    pub time: String,
    /// Who said it: a hexadecimal number, unique in the job.
    #[schema(example = "1")]
    pub producer: String,
    /// The producer's own number for it, from 1, without gaps.
    pub number: u64,
    /// Its kind.
    #[schema(example = "target_in")]
    pub kind: String,
}

/// Runs and tests of a job, in order: each run before its tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tests {
    /// The first of them.
    pub tests: Vec<Test>,
    /// There are more.
    pub more: bool,
}

/// A run, or an attempt of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Test {
    /// `run` or `test`.
    #[schema(example = "test")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Of a run its number, from 1; of a test its place in the run, from 0.
    pub index: u32,
    /// The attempt, from 0.
    pub attempt: u32,
    /// Another attempt followed.
    pub retried: bool,
    /// A clean-up: its outcome does not count.
    pub cleanup: bool,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why.
    pub reason: String,
    /// It has not ended.
    pub open: bool,
    /// How many targets or sections it was to have.
    pub planned: Option<u64>,
    /// How many of them had which outcome; `none` is those without, `total` all of them.
    #[schema(example = json!({"passed": 2, "failed": 1, "none": 0, "total": 3}))]
    pub counts: BTreeMap<String, u64>,
    /// When it began, RFC 3339.
    pub started: Option<String>,
    /// When it ended.
    pub stopped: Option<String>,
}

impl From<&NodeRow> for Test {
    fn from(row: &NodeRow) -> Self {
        Test {
            kind: word(&row.kind),
            name: row.name.clone(),
            index: row.index,
            attempt: row.attempt,
            retried: row.flags.has(Flags::RETRIED),
            cleanup: row.flags.has(Flags::CLEANUP),
            outcome: row.outcome.map(|outcome| outcome.to_string()),
            reason: row.reason.clone(),
            open: row.is_open(),
            planned: row.planned,
            counts: counts(&row.counts),
            started: row.started.map(|time| time.to_string()),
            stopped: row.stopped.map(|time| time.to_string()),
        }
    }
}
