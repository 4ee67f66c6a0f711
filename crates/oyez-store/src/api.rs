//! What a store can do. Implementations: [`crate::memory`], [`crate::sqlite`].

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oyez_model::event::JobSubmitted;
use oyez_model::row::SegmentKind;
use oyez_model::{
    BlobHash, Event, EventBody, EventNumber, EventSeq, JobId, JobRow, JobState, Live, NodeRow, ProducerId,
    SectionId, Time,
};

use crate::error::StoreError;
use crate::search::{LogPage, LogQuery, TagCount, TagFilter};

/// Most events in one batch.
pub const MAX_BATCH_EVENTS: usize = 16_384;
/// Most bytes of one event's body; what is larger belongs into a blob.
pub const MAX_EVENT_BYTES: usize = 16 << 20;

/// What an ack promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A killed process loses nothing that was acked; a power cut may lose the last moments, never the order.
    #[default]
    Process,
    /// A power cut loses nothing that was acked either: each commit is synced to the device.
    Power,
}

/// One event of a batch; its number follows from the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// When it happened.
    pub time: Time,
    /// What happened.
    pub body: EventBody,
}

impl NewEvent {
    /// An event that happened at `time`.
    pub fn new(time: Time, body: impl Into<EventBody>) -> Self {
        NewEvent { time, body: body.into() }
    }
}

/// Events of one producer, numbered without gaps from `first`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who made them.
    pub producer: ProducerId,
    /// The number of the first.
    pub first: EventNumber,
    /// The events.
    pub events: Vec<NewEvent>,
    /// The epoch of the job's lease, when the writer holds it: after a take-over its writes are refused.
    pub epoch: Option<u64>,
}

/// The events are kept; these are their numbers in the job. The same batch again gets the same ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The number of the batch's first event in the job's journal.
    pub first: EventSeq,
    /// The number of its last event.
    pub last: EventSeq,
}

/// A job that is about to begin.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// When.
    pub time: Time,
    /// What stands in its first event; its uid is its identity.
    pub submitted: JobSubmitted,
    /// Who owns it from the start: an [`Lease`] on [`LeaseName::Job`] is taken in the same commit.
    pub owner: Option<Owner>,
    /// Events that follow at once, numbered from 2, of [`ProducerId::FIRST`].
    pub then: Vec<NewEvent>,
}

/// A job, its number and its row.
#[derive(Clone, Debug, PartialEq)]
pub struct JobInfo {
    /// Its number here.
    pub id: JobId,
    /// What lists show; of a running one as of now.
    pub row: JobRow,
    /// Who holds its lease, and until when; none when nobody runs it.
    pub owner: Option<(Owner, Time)>,
    /// What is wrong with it when it stands in a list and cannot be read: then the row holds what is still known.
    pub damage: Option<String>,
}

/// Which jobs to list; all that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// In one of these states; empty: any.
    pub states: Vec<JobState>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// With this guid.
    pub guid: Option<String>,
    /// Taken by this server.
    pub server: Option<String>,
    /// Of these numbers; empty: any.
    pub ids: Vec<JobId>,
    /// Numbers below this: the next page.
    pub before: Option<JobId>,
    /// At most so many; 0: no limit.
    pub limit: usize,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Host name; of a person the person's name.
    pub host: String,
    /// Process id there; 0 for a person.
    pub pid: u32,
    /// When that process started (clock ticks since boot, `/proc/PID/stat` field 22), so that a reused pid is not
    /// taken for it; 0 when unknown.
    pub started: u64,
    /// Random, so that two of one process are told apart.
    pub token: u64,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            0 => f.write_str(&self.host),
            pid => write!(f, "process {pid} on {}", self.host),
        }
    }
}

/// What can be held.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeaseName {
    /// The right to run a job.
    Job(JobId),
    /// The use of a target, by its id.
    Target(String),
    /// To be the server of this name.
    Server(String),
}

impl std::fmt::Display for LeaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LeaseName::Job(id) => write!(f, "job {id}"),
            LeaseName::Target(id) => write!(f, "target {id}"),
            LeaseName::Server(name) => write!(f, "server {name}"),
        }
    }
}

/// A right that ends by itself unless it is renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Rises with each new owner; a writer shows it so that a former owner can write no more.
    pub epoch: u64,
    /// When it ends.
    pub expires: Time,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub owner: Owner,
    /// For which job.
    pub job: Option<JobId>,
    /// Until when, unless it is renewed.
    pub expires: Time,
}

/// A target that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldTarget {
    /// Its id.
    pub target: String,
    /// By whom.
    pub owner: Owner,
    /// For which job.
    pub job: Option<JobId>,
    /// Until when, unless it is renewed.
    pub expires: Time,
}

/// What somebody did to a target by hand, or wrote down about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetNote {
    /// The target's id.
    pub target: String,
    /// When.
    pub at: Time,
    /// What was done: `hold`, `release`, `force-unlock`, `note`.
    pub what: String,
    /// By whom.
    pub by: String,
    /// Why, or what is to be known.
    pub why: String,
}

/// A store of jobs.
///
/// Every method may be called from many tasks at once. A future that is dropped may or may not have had its effect;
/// appending the same batch again tells.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Begins a job; acked when it is kept. The same uid again is a success with the first number. Where an owner is
    /// given, its lease has the epoch 1.
    ///
    /// # Errors
    /// The store is full, read-only, closed, ...
    async fn create_job(&self, job: NewJob) -> Result<JobId, StoreError>;

    /// Adds events to a job's journal; acked when they are kept under the store's [`Durability`].
    ///
    /// Events whose numbers are known already are not kept twice: a batch of only such gets its first ack again.
    ///
    /// # Errors
    /// [`StoreError::Gap`] when numbers are missing, [`StoreError::Fenced`] when the lease has a new owner,
    /// [`StoreError::TooLarge`], [`StoreError::NoJob`], or the store's own trouble; nothing was written then.
    async fn append(&self, job: JobId, batch: Batch) -> Result<Ack, StoreError>;

    /// Jobs, newest first; one that cannot be read stands there with its damage.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobInfo>, StoreError>;

    /// Only the numbers of those jobs, newest first: from an index, however many there are.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<JobId>, StoreError>;

    /// One job.
    ///
    /// # Errors
    /// [`StoreError::NoJob`], or the store's own trouble.
    async fn job(&self, id: JobId) -> Result<JobInfo, StoreError>;

    /// Jobs by what a person types: a number, a uid, a guid, or `latest`; newest first, at most 100.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn find(&self, text: &str) -> Result<Vec<JobId>, StoreError>;

    /// Lines of log that fit a query, newest job first, a bounded number of them; what was acked before is among them.
    ///
    /// # Errors
    /// [`StoreError::NoJob`] when a job is named that is not there, or the store's own trouble.
    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, StoreError>;

    /// The tags of jobs, in the order of their bytes, with how many jobs have each.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn tags(&self, filter: TagFilter) -> Result<Vec<TagCount>, StoreError>;

    /// A view of one job at one moment.
    ///
    /// # Errors
    /// [`StoreError::NoJob`], or the store's own trouble.
    async fn reader(&self, job: JobId) -> Result<Box<dyn JobReader>, StoreError>;

    /// Waits until the job has events after `after`, at most `timeout`; says the number of its last event.
    /// A commit of another process on this machine is seen within 20 ms.
    ///
    /// # Errors
    /// [`StoreError::NoJob`], or the store's own trouble.
    async fn wait(&self, job: JobId, after: EventSeq, timeout: Duration) -> Result<EventSeq, StoreError>;

    /// Takes leases, all or none; one that has run out may be taken by anybody, one's own is renewed.
    ///
    /// # Errors
    /// [`StoreError::Held`] names the first that somebody else has.
    async fn acquire(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        job: Option<JobId>,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError>;

    /// Renews leases; all of them must still be the owner's.
    ///
    /// # Errors
    /// [`StoreError::Held`] names the first that has another owner now.
    async fn renew(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError>;

    /// Who holds a lease that has not run out.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn holder(&self, name: &LeaseName) -> Result<Option<Holder>, StoreError>;

    /// The targets that are held for a job become this owner's, whoever held them for it; those that were taken by
    /// another job meanwhile are not among them. The owner must hold the job's own lease.
    ///
    /// # Errors
    /// [`StoreError::Held`] when somebody else has the job, or the store's own trouble.
    async fn inherit(&self, job: JobId, owner: &Owner, ttl: Duration) -> Result<Vec<LeaseName>, StoreError>;

    /// The targets that are held, in the order of their ids, at most `limit`, those after `after`.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn held_targets(&self, after: Option<&str>, limit: usize) -> Result<Vec<HeldTarget>, StoreError>;

    /// Keeps what was done to a target.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn note_target(&self, note: TargetNote) -> Result<(), StoreError>;

    /// What was done to a target, or to all of them, newest first, at most `limit`.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn target_notes(&self, target: Option<&str>, limit: usize) -> Result<Vec<TargetNote>, StoreError>;

    /// Gives leases back; those of other owners are left alone.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn release(&self, names: &[LeaseName], owner: &Owner) -> Result<(), StoreError>;

    /// Gives back whatever this owner holds: for one that is dead and cannot.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn release_all(&self, owner: &Owner) -> Result<(), StoreError>;

    /// Keeps bytes under their hash; kept when this returns.
    ///
    /// # Errors
    /// The store's own trouble.
    async fn put_blob(&self, bytes: Bytes) -> Result<BlobHash, StoreError>;

    /// The bytes with this hash, checked against it.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::Damaged`], or the store's own trouble.
    async fn get_blob(&self, hash: BlobHash) -> Result<Bytes, StoreError>;

    /// Ends what is under way (merging chunks of ended jobs, for one) and closes the store.
    ///
    /// # Errors
    /// The store's own trouble; what was acked is kept all the same.
    async fn close(&self) -> Result<(), StoreError>;
}

/// One job at one moment. Its methods block: call them from a thread that may (`spawn_blocking`).
pub trait JobReader: Send {
    /// The job's number.
    fn id(&self) -> JobId;

    /// The live state at this moment.
    fn live(&self) -> &Live;

    /// The rows of nodes, in the order of `ids`; those that are not there are left out. Open nodes are as they stand.
    ///
    /// # Errors
    /// The store's own trouble.
    fn nodes(&self, ids: &[SectionId]) -> Result<Vec<NodeRow>, StoreError>;

    /// The bytes of a segment ([`oyez_model::Segment`]).
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not there, or the store's own trouble.
    fn segment(&self, node: SectionId, kind: SegmentKind, number: u32) -> Result<Vec<u8>, StoreError>;

    /// Events by their numbers, in that order; numbers must rise. Unknown numbers are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or the store's own trouble.
    fn events_at(&self, seqs: &[EventSeq]) -> Result<Vec<(EventSeq, Event)>, StoreError>;

    /// Events after a number, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or the store's own trouble.
    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<(EventSeq, Event)>, StoreError>;

    /// Nodes that a person must look at (failed, errored, aborted, blocked), with no such child of their own, at most
    /// `limit`, in the order of their ids.
    ///
    /// # Errors
    /// The store's own trouble.
    fn failures(&self, limit: usize) -> Result<Vec<NodeRow>, StoreError>;

    /// A blob's bytes.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::Damaged`], or the store's own trouble.
    fn blob(&self, hash: BlobHash) -> Result<Bytes, StoreError>;
}
