//! One struct for each kind of event. Field numbers are for ever: a new field takes the next free one and is optional.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};

use crate::ids::{BlobHash, Guid, JobUid, ProducerId, RunNumber, SectionRef};
use crate::outcome::Outcome;
use crate::state::{JobSource, JobState};
use crate::value::Value;

/// JSON text of a peer, kept as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct RawJson(#[n(0)] pub String);

impl Serialize for RawJson {
    /// As JSON when it is JSON, else as a text.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<serde_json::Value>(&self.0) {
            Ok(v) => v.serialize(s),
            Err(_) => s.serialize_str(&self.0),
        }
    }
}

macro_rules! body {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $n:literal $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Encode, Decode)]
        pub struct $name {
            $($(#[$fdoc])* #[n($n)] pub $field: $ty,)*
        }
    };
}

/// Bytes of a log, printed as text; what is not UTF-8 is shown as U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct LogBytes(#[n(0)] pub ByteVec);

impl From<Vec<u8>> for LogBytes {
    fn from(bytes: Vec<u8>) -> Self {
        LogBytes(ByteVec::from(bytes))
    }
}

impl Serialize for LogBytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Which output a log text came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Stream {
    /// Standard output.
    #[default]
    #[n(0)]
    Stdout,
    /// Standard error.
    #[n(1)]
    Stderr,
    /// A log of the test or of Oyez itself.
    #[n(2)]
    Log,
}

/// A device, host or browser under test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct Target {
    /// Its id, unique in the lab.
    #[n(0)]
    pub id: String,
    /// Its fully qualified domain name.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// Its IPv4 address.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_ipv4: Option<String>,
    /// Its IPv6 address.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_ipv6: Option<String>,
    /// What its target manager wants back when it is released.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_state: Option<RawJson>,
}

/// A part of a log file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct LogSpan {
    /// The file, relative to the job's folder.
    #[n(0)]
    pub file: String,
    /// First byte.
    #[n(1)]
    pub begin: u64,
    /// Bytes; unknown while it grows.
    #[n(2)]
    pub size: Option<u64>,
    /// First line.
    #[n(3)]
    pub begin_lines: Option<u64>,
    /// Lines.
    #[n(4)]
    pub size_lines: Option<u64>,
}

/// Where in the source a section is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct SourceRef {
    /// File.
    #[n(0)]
    pub file: String,
    /// Line, from 1.
    #[n(1)]
    pub line: Option<u64>,
}

body! {
    /// A job begins.
    JobSubmitted {
        /// Its identity.
        0 uid: JobUid,
        /// Its name.
        1 name: String,
        /// Who asked for it.
        2 requestor: String,
        /// Where it came from.
        3 source: JobSource,
        /// Tags.
        4 tags: Vec<String>,
        /// Correlation texts of the caller.
        5 guids: Vec<Guid>,
        /// The project whose history it is part of.
        6 project: Option<String>,
        /// What makes its tests other tests: platform, browser, ...
        7 variant: BTreeMap<String, String>,
        /// The host on which it was submitted.
        8 host: Option<String>,
        /// The server that took it.
        9 server_id: Option<String>,
        /// The request as it was sent: the descriptor's text.
        10 request: Option<String>,
        /// The descriptor with the fetched steps, so that nothing is ever fetched again.
        11 extended: Option<RawJson>,
        /// The wrapped command, for `oyez exec`.
        12 command: Option<Vec<String>>,
        /// The version of Oyez that took it.
        13 version: Option<String>,
        /// Its place in the queue: the higher is first, 0 when absent.
        14 priority: Option<i32>,
    }
}
body! {
    /// A job's state changed.
    JobStateChanged {
        /// The new state.
        0 state: JobState,
        /// Why it failed.
        1 error: Option<String>,
    }
}
/// What somebody can ask of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Control {
    /// End it, with reports.
    #[n(0)]
    Cancel,
    /// End it at once.
    #[n(1)]
    Kill,
    /// Halt it so that it can go on.
    #[n(2)]
    Pause,
    /// Go on.
    #[n(3)]
    Resume,
}
body! {
    /// Somebody asked for something.
    JobControl {
        /// What.
        0 verb: Control,
        /// Who.
        1 by: String,
        /// Why.
        2 why: Option<String>,
    }
}
body! {
    /// What a paused job needs to go on.
    JobPaused {
        /// The snapshot, as the engine wrote it.
        0 snapshot: RawJson,
    }
}
body! {
    /// This job has to do with another one.
    JobLinked {
        /// How: `repeats`.
        0 relation: String,
        /// The other job.
        1 job: JobUid,
    }
}
body! {
    /// How long this job is kept.
    JobRetention {
        /// Until when, in nanoseconds since the Unix epoch; without it, by the store's rule.
        0 keep_until: Option<i64>,
        /// Held until somebody lets go, and why.
        1 hold: Option<String>,
    }
}
body! {
    /// A run began.
    RunStarted {
        /// The node's number.
        0 id: u64,
        /// Which run it is.
        1 run: RunNumber,
        /// How many tests it will start.
        2 planned: Option<u64>,
    }
}
body! {
    /// A run ended.
    RunStopped {
        /// The run.
        0 id: SectionRef,
        /// Its outcome, if it is not what its tests rolled up.
        1 outcome: Option<Outcome>,
    }
}
body! {
    /// An attempt of a test began.
    #[derive(Default)]
    TestStarted {
        /// The node's number.
        0 id: u64,
        /// Its run, or the job.
        1 parent: SectionRef,
        /// Its name.
        2 name: String,
        /// Its place among the run's tests, from 0.
        3 index: u32,
        /// The attempt, from 0.
        4 attempt: u32,
        /// How many children it will start; a target counts as one.
        5 planned: Option<u64>,
        /// Part of a clean-up: its outcome does not count.
        6 cleanup: Option<bool>,
        /// What stands above it in its own tree: package, module.
        7 suite: Option<Vec<String>>,
        /// Further parameters that make it another test.
        8 variant: Option<BTreeMap<String, String>>,
        /// When it began, if not at the event's time.
        9 began: Option<i64>,
        /// The id that its producer's peers know it by.
        10 peer_id: Option<String>,
        /// What the peer says of it beyond these fields: a map.
        11 peer: Option<Value>,
    }
}
body! {
    /// An attempt of a test ended.
    #[derive(Default)]
    TestStopped {
        /// The test.
        0 id: SectionRef,
        /// Its outcome, if it is not what its children rolled up.
        1 outcome: Option<Outcome>,
        /// Why.
        2 reason: Option<String>,
        /// Another attempt follows: this one does not count. False, said of one that should have been followed: none
        /// came, it counts.
        3 retried: Option<bool>,
        /// When it ended, if not at the event's time.
        4 ended: Option<i64>,
        /// What the peer says of its end beyond these fields: a map.
        5 peer: Option<Value>,
    }
}
body! {
    /// A producer came.
    ProducerJoined {
        /// Its process.
        0 pid: Option<u64>,
        /// Its parent process.
        1 ppid: Option<u64>,
        /// Its host.
        2 host: Option<String>,
        /// Its program.
        3 program: Option<String>,
        /// The producer it was forked from.
        4 forked_from: Option<ProducerId>,
    }
}
body! {
    /// A producer said that it is done.
    ProducerLeft {}
}
body! {
    /// A producer went away without a word.
    ProducerBroke {
        /// Which; without it, the one that says this. (In JSON `producer` is who says it.)
        #[serde(rename = "who")]
        0 producer: Option<ProducerId>,
        /// What is known of it.
        1 reason: String,
    }
}
body! {
    /// A section became the current one of its producer, or of one of its clients.
    #[derive(Default)]
    ContextOpened {
        /// The section.
        0 id: SectionRef,
        /// The client, as the producer numbers them.
        1 client: Option<u64>,
        /// When, if not at the event's time.
        2 at: Option<i64>,
    }
}
body! {
    /// A section is no longer the current one.
    #[derive(Default)]
    ContextClosed {
        /// The section.
        0 id: SectionRef,
        /// What is known of it at that moment beyond its outcome: a map.
        1 peer: Option<Value>,
        /// When, if not at the event's time.
        2 at: Option<i64>,
    }
}
body! {
    /// A process connected to a producer that gathers for several: a report server's client.
    ClientJoined {
        /// The producer's number for it.
        0 client: u64,
        /// Its process.
        1 pid: String,
        /// Its parent process.
        2 ppid: Option<String>,
        /// What it shows when it comes back after the connection broke.
        3 token: Option<String>,
    }
}
body! {
    /// Such a process went away.
    ClientLeft {
        /// The producer's number for it.
        0 client: u64,
        /// How many sections it left open: it broke off in the middle of its work.
        1 open: u64,
    }
}
body! {
    /// A client's numbered call was answered: when it is sent again, the answer is the same and nothing is done twice.
    CallAnswered {
        /// The producer's number for the client.
        0 client: u64,
        /// The client's number for the call.
        1 number: u64,
        /// The error that was answered, when it was one.
        2 error: Option<Value>,
    }
}
body! {
    /// A section will come.
    SectionAnnounced {
        /// The node's number.
        0 id: u64,
        /// What it hangs below.
        1 parent: SectionRef,
        /// Its type: `Testcase`, `Step`, ...
        2 r#type: String,
        /// Its name.
        3 name: String,
    }
}
body! {
    /// A section began.
    #[derive(Default)]
    SectionStarted {
        /// The node's number.
        0 id: u64,
        /// What it hangs below.
        1 parent: SectionRef,
        /// Its type: `CommonSetup`, `Testcase`, `Step`, ...
        2 r#type: String,
        /// Its name.
        3 name: String,
        /// When it began, if not at the event's time.
        4 began: Option<i64>,
        /// What it is about.
        5 description: Option<String>,
        /// Where it is written.
        6 source: Option<SourceRef>,
        /// Its parameters.
        7 parameters: Option<Value>,
        /// Whatever else its producer says.
        8 extra: Option<Value>,
        /// The id that its producer's peers know it by.
        9 peer_id: Option<String>,
        /// What the peer says of it beyond these fields: a map.
        10 peer: Option<Value>,
        /// The client of the producer whose current section it is now.
        11 client: Option<u64>,
        /// Where its log begins.
        12 span: Option<LogSpan>,
        /// Stands beside the test's own sections, and is no case of it: a plugin's.
        13 aside: Option<bool>,
    }
}
body! {
    /// Something of a section changed.
    #[derive(Default)]
    SectionUpdated {
        /// The section.
        0 id: SectionRef,
        /// Its new name.
        1 name: Option<String>,
        /// Its new description.
        2 description: Option<String>,
        /// Extras, merged into what it has.
        3 extra: Option<Value>,
        /// Its parameters.
        4 parameters: Option<Value>,
        /// What the peer says of it beyond these fields: a map.
        5 peer: Option<Value>,
    }
}
body! {
    /// A remark on a section.
    SectionDetail {
        /// The section.
        0 id: SectionRef,
        /// The remark.
        1 detail: Value,
    }
}
body! {
    /// A section ended.
    #[derive(Default)]
    SectionStopped {
        /// The section.
        0 id: SectionRef,
        /// Its outcome; without one it keeps what its children rolled up.
        1 outcome: Option<Outcome>,
        /// Why.
        2 reason: Option<String>,
        /// What belongs to the outcome.
        3 data: Option<Value>,
        /// Whether it counts for its parent; yes when absent.
        4 rollup: Option<bool>,
        /// When it ended, if not at the event's time.
        5 ended: Option<i64>,
        /// What the peer says of its end beyond these fields: a map.
        6 peer: Option<Value>,
        /// Where its log stands.
        7 span: Option<LogSpan>,
    }
}
body! {
    /// A section was taken back.
    SectionRemoved {
        /// The section.
        0 id: SectionRef,
    }
}
body! {
    /// The place of a section's log changed.
    LogRebased {
        /// The section.
        0 id: SectionRef,
        /// The new place.
        1 span: LogSpan,
    }
}
body! {
    /// Where a section's log stands in a file.
    LogSpanned {
        /// The section.
        0 id: SectionRef,
        /// The place.
        1 span: LogSpan,
    }
}
body! {
    /// A target was acquired for a test: its section begins.
    TargetAcquired {
        /// The number of the target's section.
        0 id: u64,
        /// The test.
        1 test: SectionRef,
        /// The target.
        2 target: Target,
    }
}
body! {
    /// A target entered a step: the visit begins.
    TargetIn {
        /// The number of the visit's section.
        0 id: u64,
        /// The target's section.
        1 target: SectionRef,
        /// The step's label.
        2 label: String,
        /// The step's plugin: `Cmd`, `Echo`, ...
        3 step: String,
    }
}
body! {
    /// A target left a step without an error.
    TargetOut {
        /// The visit.
        0 id: SectionRef,
    }
}
body! {
    /// A target failed in a step.
    TargetErr {
        /// The visit.
        0 id: SectionRef,
        /// What went wrong.
        1 error: String,
        /// How it counts: failed when absent, aborted when it was cancelled.
        2 outcome: Option<Outcome>,
    }
}
body! {
    /// A target was released: its section ends if it has not.
    TargetReleased {
        /// The target's section.
        0 id: SectionRef,
    }
}
body! {
    /// Targets could not be acquired.
    TargetAcquireErr {
        /// The test.
        0 test: SectionRef,
        /// What went wrong.
        1 error: String,
    }
}
/// What became of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum LockChange {
    /// This job has it.
    #[n(0)]
    Taken,
    /// Another one took it after this job's lease ran out.
    #[n(1)]
    Lost,
    /// This job gave it back.
    #[n(2)]
    Released,
}
body! {
    /// A lock on a target was taken, lost or given back.
    TargetLock {
        /// The target's id.
        0 target: String,
        /// What happened.
        1 change: LockChange,
    }
}
body! {
    /// A step gave a variable for a target.
    VariableEmitted {
        /// The visit.
        0 id: SectionRef,
        /// Its name.
        1 name: String,
        /// Its value.
        2 value: RawJson,
    }
}
body! {
    /// A named event with a payload, as ConTest's plugins emit them.
    Named {
        /// The section it belongs to.
        0 id: SectionRef,
        /// Its name: `CmdStart`, ...
        1 name: String,
        /// The target's id, when it is about one.
        2 target: Option<String>,
        /// Its payload.
        3 payload: Option<RawJson>,
    }
}
body! {
    /// Log text: whole lines, or a piece of a very long one.
    LogText {
        /// The section it belongs to.
        0 id: SectionRef,
        /// Where it came from.
        1 stream: Stream,
        /// The bytes.
        2 text: LogBytes,
        /// Its level: `INFO`, ...
        3 level: Option<String>,
    }
}
body! {
    /// A file or a piece of data, kept as a blob.
    Artifact {
        /// The section it belongs to.
        0 id: SectionRef,
        /// What it is called; never used as a path.
        1 name: String,
        /// Its media type.
        2 mime: String,
        /// Its content.
        3 blob: BlobHash,
        /// Bytes.
        4 size: u64,
        /// Set when it is the rest of an output that was too long for the journal.
        5 rest_of: Option<Stream>,
    }
}
body! {
    /// A number with a unit.
    Measurement {
        /// The section it belongs to.
        0 id: SectionRef,
        /// What was measured.
        1 name: String,
        /// How much.
        2 value: Value,
        /// Of what: `ms`, `MiB/s`, ... (UCUM or plain text).
        3 unit: Option<String>,
        /// The lowest good value.
        4 low: Option<f64>,
        /// The highest good value.
        5 high: Option<f64>,
        /// When it was measured, if not at the event's time: nanoseconds since the Unix epoch.
        6 at: Option<i64>,
        /// Its place, from 0, in the series of measurements of this name.
        7 index: Option<u64>,
    }
}
body! {
    /// A structured log entry.
    Entry {
        /// The section it belongs to, or the job.
        0 id: SectionRef,
        /// Correlation text.
        1 guid: Option<Guid>,
        /// Host it was made on.
        2 host: Option<String>,
        /// Program that made it.
        3 app: Option<String>,
        /// Its level.
        4 level: Option<String>,
        /// Its fields.
        5 fields: Value,
    }
}
/// What happened to a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum ChildChange {
    /// It was started.
    #[n(0)]
    Started,
    /// It ended by itself.
    #[n(1)]
    Exited,
    /// A signal ended it.
    #[n(2)]
    Killed,
}
body! {
    /// The life of a child process.
    ChildLife {
        /// The section it belongs to.
        0 id: SectionRef,
        /// Its process id.
        1 pid: u64,
        /// What happened.
        2 change: ChildChange,
        /// Its exit code.
        3 code: Option<i32>,
        /// The signal that ended it.
        4 signal: Option<i32>,
    }
}
body! {
    /// What a reporter said.
    Report {
        /// Of which run; without it, of the job.
        0 run: Option<RunNumber>,
        /// The reporter's name.
        1 reporter: String,
        /// Whether it is content.
        2 success: bool,
        /// What it says.
        3 data: RawJson,
        /// Why it could not say anything.
        4 error: Option<String>,
        /// It has no opinion (ConTest's `noop`): the verdict does not ask it.
        5 neutral: Option<bool>,
    }
}
body! {
    /// Output was not kept.
    OutputDropped {
        /// The section it belongs to.
        0 id: SectionRef,
        /// Bytes that are missing.
        1 bytes: u64,
        /// At which limit, or by what fault.
        2 why: String,
    }
}
body! {
    /// The source of these events was cut off before its end.
    SourceCut {
        /// The section it belongs to, or the job.
        0 id: SectionRef,
        /// What is missing and how it is known.
        1 reason: String,
    }
}
