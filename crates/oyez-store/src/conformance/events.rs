//! Events as the rules, and other tests of stores, use them.

use oyez_model::event::{
    JobStateChanged, JobSubmitted, LogText, ProducerLeft, SectionStarted, SectionStopped, Stream, TestStarted,
};
use oyez_model::{
    EventNumber, Guid, JobId, JobSource, JobState, JobUid, Outcome, ProducerId, SectionRef, Time,
};

use crate::api::{Batch, NewEvent, NewJob, Owner, Store};

/// The time of the first event: 2026-11-20T16:53:20Z.
pub const BEGIN: Time = Time(1_795_193_600_000_000_000);

/// A point in time `millis` after [`BEGIN`].
#[must_use]
pub fn at(millis: i64) -> Time {
    BEGIN.plus(millis * 1_000_000)
}

/// The uid of the n-th job of a test.
#[must_use]
pub fn uid(n: u8) -> JobUid {
    JobUid::new(1_795_193_600_000, [n; 10])
}

/// A producer's id that is not the first's.
#[must_use]
pub fn producer(n: u64) -> ProducerId {
    ProducerId((1 << 32) + n)
}

/// A job without an owner, with no events but its first.
#[must_use]
pub fn job(n: u8, tags: &[&str], guids: &[&str]) -> NewJob {
    let submitted = JobSubmitted {
        uid: uid(n),
        name: format!("job {n}"),
        requestor: "somebody".to_owned(),
        source: JobSource::Api,
        tags: tags.iter().map(ToString::to_string).collect(),
        guids: guids.iter().filter_map(|g| Guid::new(*g).ok()).collect(),
        project: None,
        variant: std::collections::BTreeMap::new(),
        host: None,
        server_id: None,
        priority: None,
        request: None,
        extended: None,
        command: None,
        version: None,
    };
    NewJob { time: BEGIN, submitted, owner: None, then: Vec::new() }
}

/// Creates the n-th job, started.
///
/// # Panics
/// When it cannot be created.
pub async fn started(store: &dyn Store, n: u8) -> JobId {
    let mut new = job(n, &[], &[]);
    new.then.push(state(JobState::Started));
    store.create_job(new).await.expect("a job")
}

/// Somebody who may own a lease; each number is somebody else.
#[must_use]
pub fn owner(n: u64) -> Owner {
    Owner { host: "lab".to_owned(), pid: 100, started: 1, token: n }
}

/// Events of a producer from a number on.
#[must_use]
pub fn batch(producer: ProducerId, first: u64, events: Vec<NewEvent>) -> Batch {
    Batch { producer, first: EventNumber(first), events, epoch: None }
}

/// `n` lines of log of the job itself, of which each says its number, from `first` on.
#[must_use]
pub fn lines(producer: ProducerId, first: u64, n: u64) -> Batch {
    batch(producer, first, (first..first + n).map(|i| line(0, &format!("{:x}:{i}", producer.0))).collect())
}

/// Log text of a section; 0 is the job.
#[must_use]
pub fn line(section: u64, text: &str) -> NewEvent {
    let id = SectionRef::own(section);
    let text = text.as_bytes().to_vec().into();
    NewEvent::new(BEGIN, LogText { id, stream: Stream::Stdout, text, level: None })
}

/// A job's state changes.
#[must_use]
pub fn state(state: JobState) -> NewEvent {
    NewEvent::new(at(1), JobStateChanged { state, error: None })
}

/// A test begins below the job.
#[must_use]
pub fn test(id: u64, name: &str) -> NewEvent {
    let (parent, name) = (SectionRef::JOB, name.to_owned());
    let (index, attempt) = (0, 0);
    let body = TestStarted {
        id,
        parent,
        name,
        index,
        attempt,
        planned: None,
        cleanup: None,
        suite: None,
        variant: None,
        began: None,
        ..Default::default()
    };
    NewEvent::new(at(2), body)
}

/// A section of the event's own producer begins.
#[must_use]
pub fn begin(id: u64, parent: u64, name: &str) -> NewEvent {
    let body = SectionStarted {
        id,
        parent: SectionRef::own(parent),
        r#type: "Step".to_owned(),
        name: name.to_owned(),
        began: None,
        description: None,
        source: None,
        parameters: None,
        extra: None,
        peer_id: None,
        ..Default::default()
    };
    NewEvent::new(at(3), body)
}

/// A section of the event's own producer ends.
#[must_use]
pub fn end(id: u64, outcome: Option<Outcome>) -> NewEvent {
    let id = SectionRef::own(id);
    let body = SectionStopped {
        id,
        outcome,
        reason: None,
        data: None,
        rollup: None,
        ended: None,
        ..Default::default()
    };
    NewEvent::new(at(4), body)
}

/// The event's producer is done.
#[must_use]
pub fn left() -> NewEvent {
    NewEvent::new(at(5), ProducerLeft {})
}
