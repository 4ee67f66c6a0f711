//! A job begins: its request, its descriptor with the fetched steps, and its first events go into the store.

use std::time::Duration;

use bytes::Bytes;
use oyez_model::event::{Artifact, JobLinked, JobStateChanged, JobSubmitted, ProducerJoined, RawJson};
use oyez_model::{EventBody, EventSeq, JobId, JobSource, JobState, JobUid, SectionRef, Time};
use oyez_store::{LeaseName, NewEvent, NewJob, Owner, StoreError};

use super::standing::Standing;
use super::{Engine, JobRequest};
use crate::error::EngineError;
use crate::plan::Plan;

/// The time for which a job's lease is taken before it runs.
pub(super) const JOB_LEASE: Duration = Duration::from_secs(10);

/// A request and an extended descriptor that are longer than this together are kept as blobs,
const LONGEST_REQUEST: usize = 4 << 20;
/// of these names.
pub(super) const REQUEST: &str = "request";
/// See [`REQUEST`].
pub(super) const EXTENDED: &str = "extended-descriptor.json";

/// The relation of a job to the one that it repeats.
const REPEATS: &str = "repeats";

/// A job that this process owns and can run; for 10 s, if it does not.
#[derive(Debug)]
pub struct JobHandle {
    pub(super) id: JobId,
    pub(super) uid: JobUid,
    pub(super) plan: Plan,
    pub(super) requestor: String,
    pub(super) priority: i32,
    pub(super) owner: Owner,
    pub(super) epoch: u64,
    /// What was recorded already, of a job that begins.
    pub(super) first: Vec<NewEvent>,
    /// The state that it is in.
    pub(super) prior: JobState,
    pub(super) standing: Standing,
    /// The targets that it holds.
    pub(super) inherited: Vec<LeaseName>,
    /// The number of its last event, by whomever, when it was opened.
    pub(super) seen: EventSeq,
}

impl JobHandle {
    /// Its number in this store.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Its identity.
    #[must_use]
    pub fn uid(&self) -> JobUid {
        self.uid
    }

    /// What it will do.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether somebody asked to cancel it before it was opened.
    #[must_use]
    pub fn is_cancelling(&self) -> bool {
        self.prior == JobState::Cancelling
    }
}

/// A job that waits in the store for its turn, and what it needs then.
#[derive(Debug)]
pub struct Queued {
    id: JobId,
    uid: JobUid,
    plan: Plan,
    requestor: String,
    priority: i32,
    recorded: u64,
}

impl Queued {
    /// Its number in this store.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Its identity.
    #[must_use]
    pub fn uid(&self) -> JobUid {
        self.uid
    }
}

/// A job that was just written into the store.
struct Made {
    id: JobId,
    uid: JobUid,
    plan: Plan,
    requestor: String,
    priority: i32,
    first: Vec<NewEvent>,
}

impl Engine {
    /// Begins a job: it is in the store, in state Started, and owned by this process.
    ///
    /// # Errors
    /// [`EngineError::Store`] when the store does not take it; then nothing was begun.
    pub async fn submit(&self, request: JobRequest) -> Result<(JobId, JobUid, JobHandle), EngineError> {
        let owner = self.owner();
        let made = self.make(request, JobState::Started, Some(owner.clone())).await?;
        let Made { id, uid, plan, requestor, priority, first } = made;
        // That of a job's first owner.
        let epoch = 1;
        let standing = Standing { recorded: first.len() as u64, ..Standing::default() };
        let (prior, inherited) = (JobState::Started, Vec::new());
        let seen = EventSeq(standing.recorded);
        let handle = JobHandle {
            id,
            uid,
            plan,
            requestor,
            priority,
            owner,
            epoch,
            first,
            prior,
            standing,
            inherited,
            seen,
        };
        Ok((id, uid, handle))
    }

    /// Puts a job into the store, in state Queued; nobody owns it yet.
    ///
    /// # Errors
    /// [`EngineError::Store`] when the store does not take it; then there is no job.
    pub async fn enqueue(&self, request: JobRequest) -> Result<Queued, EngineError> {
        let Made { id, uid, plan, requestor, priority, first } =
            self.make(request, JobState::Queued, None).await?;
        Ok(Queued { id, uid, plan, requestor, priority, recorded: first.len() as u64 })
    }

    /// The turn of a job that was queued has come: from now on this process owns it.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process was faster, or the store's own trouble.
    pub async fn claim(&self, queued: &Queued) -> Result<JobHandle, EngineError> {
        let owner = self.owner();
        let lease = LeaseName::Job(queued.id);
        let leases =
            self.store.acquire(std::slice::from_ref(&lease), &owner, Some(queued.id), JOB_LEASE).await?;
        let epoch = leases.first().map_or(1, |lease| lease.epoch);
        let standing = Standing { recorded: queued.recorded, ..Standing::default() };
        Ok(JobHandle {
            id: queued.id,
            uid: queued.uid,
            plan: queued.plan.clone(),
            requestor: queued.requestor.clone(),
            priority: queued.priority,
            owner,
            epoch,
            first: Vec::new(),
            prior: JobState::Queued,
            seen: EventSeq(standing.recorded),
            standing,
            inherited: Vec::new(),
        })
    }

    async fn make(
        &self,
        request: JobRequest,
        state: JobState,
        owner: Option<Owner>,
    ) -> Result<Made, EngineError> {
        let JobRequest {
            descriptor_text,
            descriptor,
            plan,
            requestor,
            guids,
            host,
            server_id,
            priority,
            repeats,
        } = request;
        let clock = &self.options.clock;
        let extended = serde_json::to_string(&plan.extended(&descriptor))
            .map_err(|e| EngineError::Descriptor(e.to_string()))?;
        let extensions = plan.extensions.clone();
        let uid = clock.job_uid();
        let mut submitted = JobSubmitted {
            uid,
            name: plan.name.clone(),
            requestor: requestor.clone(),
            source: JobSource::Engine,
            tags: plan.tags.clone(),
            guids,
            project: extensions.project,
            variant: extensions.variant,
            host: Some(host.unwrap_or_else(oyez_store::owner::host)),
            server_id,
            priority: Some(priority).filter(|priority| *priority != 0),
            request: Some(descriptor_text),
            extended: Some(RawJson(extended)),
            command: None,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        let blobs = self.shorten(&mut submitted).await?;
        let now = clock.now();
        let mut then = vec![joined()];
        then.extend(blobs.into_iter().map(EventBody::from));
        if let Some(job) = repeats {
            then.push(JobLinked { relation: REPEATS.to_owned(), job }.into());
        }
        then.push(JobStateChanged { state, error: None }.into());
        let then: Vec<NewEvent> = then.into_iter().map(|body| at(now, body)).collect();
        let mut first = vec![NewEvent::new(now, submitted.clone())];
        first.extend(then.iter().cloned());
        let id = self.store.create_job(NewJob { time: now, submitted, owner, then }).await?;
        Ok(Made { id, uid, plan, requestor, priority, first })
    }

    /// What is too long for an event becomes a blob.
    async fn shorten(&self, submitted: &mut JobSubmitted) -> Result<Vec<Artifact>, StoreError> {
        let length = |text: Option<&str>| text.map_or(0, str::len);
        let extended = submitted.extended.as_ref().map(|json| json.0.as_str());
        if length(submitted.request.as_deref()) + length(extended) <= LONGEST_REQUEST {
            return Ok(Vec::new());
        }
        let texts = [
            (REQUEST, submitted.request.take(), "text/plain"),
            (EXTENDED, submitted.extended.take().map(|json| json.0), "application/json"),
        ];
        let mut blobs = Vec::new();
        for (name, text, mime) in texts {
            let Some(text) = text else { continue };
            let size = text.len() as u64;
            let blob = self.store.put_blob(Bytes::from(text)).await?;
            let (name, mime) = (name.to_owned(), mime.to_owned());
            blobs.push(Artifact { id: SectionRef::JOB, name, mime, blob, size, rest_of: None });
        }
        Ok(blobs)
    }

    /// This process as the owner of one job.
    pub(super) fn owner(&self) -> Owner {
        Owner { token: self.options.clock.random(), ..Owner::process(std::process::id()) }
    }
}

fn at(time: Time, body: EventBody) -> NewEvent {
    NewEvent { time, body }
}

/// This process, as the one that runs the job.
pub(super) fn joined() -> EventBody {
    ProducerJoined {
        pid: Some(u64::from(std::process::id())),
        ppid: Some(u64::from(std::os::unix::process::parent_id())),
        host: Some(oyez_store::owner::host()),
        program: Some("oyez run".to_owned()),
        forked_from: None,
    }
    .into()
}
