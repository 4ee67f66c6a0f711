//! Runs a plan and records what happens.
//!
//! ```text
//!  Engine::submit ──► the job is in the store, owned by this process
//!  Engine::run ──► job: runs, reporters, states
//!                   └─► attempt: targets (roster), steps, clean-up, one try of one test
//!                        └─► pipeline: each target through the steps, independent of the others
//!                             └─► command: one process of `cmd`
//! ```
//!
//! All of it is one task, which does what takes no time itself (a hundred thousand echoes need no task each) and
//! leaves to others what does: processes to the threads of the [`ProcessPool`], appending to the recorder's task, the
//! renewal of leases to a third.

mod attempt;
mod command;
mod job;
mod pipeline;
mod roster;
#[expect(dead_code, reason = "the steps that take their time come next")]
mod visit;

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oyez_model::event::{Artifact, JobStateChanged, JobSubmitted, ProducerJoined, ProducerLeft, RawJson};
use oyez_model::{Guid, JobId, JobSource, JobState, JobUid, SectionRef, Verdict};
use oyez_store::{Clock, LeaseName, NewEvent, NewJob, Owner, Store, StoreError, SystemClock};
use tokio::task::JoinHandle;

use crate::control::{Control, Stops};
use crate::descriptor::Descriptor;
use crate::environment::ParameterFile;
use crate::error::EngineError;
use crate::locks::Locks;
use crate::observer::Observer;
use crate::plan::Plan;
use crate::process::{CaptureLimits, ProcessPool};
use crate::recorder::{Recorder, Recording};
use crate::template::Functions;
use job::Job;
pub(crate) use visit::Visit;

/// The time for which a job's lease is taken at its submission.
const JOB_LEASE: Duration = Duration::from_secs(10);

/// The pause before the store is asked again for that lease.
const RETRY: Duration = Duration::from_millis(100);

/// A request and an extended descriptor that are longer than this together are kept as blobs.
const LONGEST_REQUEST: usize = 4 << 20;

/// A part of an output that goes into one blob.
const LONGEST_PART: usize = 8 << 20;

/// How an engine runs jobs.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Processes at once, over all jobs of the engine. Four for each core.
    pub max_processes: usize,
    /// Bytes of a process's output that stand in the journal. 64 KiB.
    pub output_limit: usize,
    /// Bytes of its output that are kept in blobs beyond that. 256 MiB.
    pub blob_limit: u64,
    /// How long a process has between TERM and KILL, and how long a store that does not work is waited for after a
    /// job was cancelled. 5 s.
    pub grace: Duration,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// ConTest's file of parameters for templates: `parameters.json`, where we run.
    pub parameters: ParameterFile,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        EngineOptions {
            max_processes: 4 * cores,
            output_limit: 64 << 10,
            blob_limit: 256 << 20,
            grace: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
            parameters: ParameterFile("parameters.json".into()),
        }
    }
}

impl EngineOptions {
    fn limits(&self) -> CaptureLimits {
        CaptureLimits { inline: self.output_limit, rest: self.blob_limit, part: LONGEST_PART }
    }
}

/// A job that is asked for.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// The descriptor as it was sent.
    pub descriptor_text: String,
    /// The same, read.
    pub descriptor: Descriptor,
    /// What it comes to.
    pub plan: Plan,
    /// Who asks.
    pub requestor: String,
    /// The caller's correlation texts.
    pub guids: Vec<Guid>,
    /// This host; found out when it is not said.
    pub host: Option<String>,
    /// The server that took it, if one did.
    pub server_id: Option<String>,
}

/// A job that was submitted and waits to be run; this process owns it for 10 s.
#[derive(Debug)]
pub struct JobHandle {
    id: JobId,
    uid: JobUid,
    plan: Plan,
    requestor: String,
    owner: Owner,
    epoch: u64,
    /// What was recorded already.
    first: Vec<NewEvent>,
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
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    /// Which job.
    pub job: JobId,
    /// Its last state.
    pub state: JobState,
    /// What its reporters say, or its outcome; `None` when nothing is known.
    pub verdict: Option<Verdict>,
    /// Why it failed, or could not be cancelled cleanly.
    pub error: Option<String>,
}

/// Runs jobs on a store.
#[derive(Debug)]
pub struct Engine {
    store: Arc<dyn Store>,
    options: EngineOptions,
    pool: Arc<ProcessPool>,
}

/// A task that ends with its owner.
struct Helper(JoinHandle<()>);

impl Drop for Helper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Engine {
    /// An engine; nothing is started before a job needs it.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, options: EngineOptions) -> Self {
        let pool = Arc::new(ProcessPool::new(options.max_processes));
        Engine { store, options, pool }
    }

    /// How it runs jobs.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Begins a job: it is in the store, in state Started, and owned by this process.
    ///
    /// # Errors
    /// [`EngineError::Store`] when the store does not take it; then nothing was begun.
    pub async fn submit(&self, request: JobRequest) -> Result<(JobId, JobUid, JobHandle), EngineError> {
        let clock = &self.options.clock;
        let host = request.host.unwrap_or_else(host_name);
        let owner = self.owner(host.clone());
        let extended = serde_json::to_string(&request.plan.extended(&request.descriptor))
            .map_err(|e| EngineError::Descriptor(e.to_string()))?;
        let extensions = request.plan.extensions.clone();
        let uid = clock.job_uid();
        let mut submitted = JobSubmitted {
            uid,
            name: request.plan.name.clone(),
            requestor: request.requestor.clone(),
            source: JobSource::Engine,
            tags: request.plan.tags.clone(),
            guids: request.guids,
            project: extensions.project,
            variant: extensions.variant,
            host: Some(host.clone()),
            server_id: request.server_id,
            priority: None,
            request: Some(request.descriptor_text),
            extended: Some(RawJson(extended)),
            command: None,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        let blobs = self.shorten(&mut submitted).await?;
        let now = clock.now();
        let joined = ProducerJoined {
            pid: Some(u64::from(std::process::id())),
            ppid: Some(u64::from(std::os::unix::process::parent_id())),
            host: Some(host),
            program: Some("oyez run".to_owned()),
            forked_from: None,
        };
        let mut then = vec![NewEvent::new(now, joined)];
        then.extend(blobs.into_iter().map(|blob| NewEvent::new(now, blob)));
        then.push(NewEvent::new(now, JobStateChanged { state: JobState::Started, error: None }));
        let mut first = vec![NewEvent::new(now, submitted.clone())];
        first.extend(then.iter().cloned());
        let job = NewJob { time: now, submitted, owner: Some(owner.clone()), then };
        let id = self.store.create_job(job).await?;
        let epoch = self.epoch(id, &owner).await?;
        let (plan, requestor) = (request.plan, request.requestor);
        Ok((id, uid, JobHandle { id, uid, plan, requestor, owner, epoch, first }))
    }

    /// The epoch of a job's lease, which came with the job. The job is there already, so a store that is in trouble
    /// gets some time.
    async fn epoch(&self, id: JobId, owner: &Owner) -> Result<u64, StoreError> {
        let end = tokio::time::Instant::now() + self.options.grace;
        loop {
            match self.store.acquire(&[LeaseName::Job(id)], owner, Some(id), JOB_LEASE).await {
                Ok(leases) => return Ok(leases.first().map_or(1, |lease| lease.epoch)),
                Err(e) if e.is_transient() && tokio::time::Instant::now() < end => {
                    tokio::time::sleep(RETRY).await;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// What is too long for an event becomes a blob.
    async fn shorten(&self, submitted: &mut JobSubmitted) -> Result<Vec<Artifact>, StoreError> {
        let length = |text: Option<&str>| text.map_or(0, str::len);
        let extended = submitted.extended.as_ref().map(|json| json.0.as_str());
        if length(submitted.request.as_deref()) + length(extended) <= LONGEST_REQUEST {
            return Ok(Vec::new());
        }
        let texts = [
            ("request", submitted.request.take(), "text/plain"),
            ("extended-descriptor.json", submitted.extended.take().map(|json| json.0), "application/json"),
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

    fn owner(&self, host: String) -> Owner {
        let pid = std::process::id();
        let me = i32::try_from(pid).ok().and_then(crate::process::started);
        Owner { host, pid, started: me.unwrap_or(0), token: self.options.clock.random() }
    }

    /// Runs a job to its end. All of the job's own failures are its state; what was recorded is kept when this
    /// returns.
    ///
    /// A future that is dropped kills the job's processes and leaves the job as it is: it is nobody's when its lease
    /// runs out.
    ///
    /// # Errors
    /// [`EngineError::Store`] when the store stopped working for good, or the job was cancelled before it worked again.
    pub async fn run(
        &self,
        handle: JobHandle,
        control: Control,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<JobEnd, EngineError> {
        let JobHandle { id, uid, plan, requestor, owner, epoch, first } = handle;
        let stops = Stops::new(control);
        if let Some(observer) = &observer {
            (1..).zip(&first).for_each(|(seq, event)| observer.event(seq, event));
        }
        let recording = Recording {
            store: self.store.clone(),
            job: id,
            epoch: Some(epoch),
            clock: self.options.clock.clone(),
            observer,
            stops: stops.clone(),
            grace: self.options.grace,
        };
        let recorder = Recorder::new(recording, first.len() as u64);
        drop(first);
        let locks =
            Locks::new(self.store.clone(), owner, id, stops.clone(), recorder.clone(), self.options.grace);
        let locks = Arc::new(locks);
        let flush = recorder.clone().flush();
        let keeper = Helper(tokio::spawn({
            let locks = locks.clone();
            async move { locks.keep().await }
        }));
        let job = Arc::new(Job {
            uid,
            requestor,
            stops,
            recorder: recorder.clone(),
            locks: locks.clone(),
            pool: self.pool.clone(),
            limits: self.options.limits(),
            grace: self.options.grace,
            functions: Functions::new(self.options.parameters.clone()),
            handle: tokio::runtime::Handle::current(),
            nodes: AtomicU64::new(0),
            is_cancelling: AtomicBool::new(false),
            left_behind: Mutex::default(),
        });
        let work = async {
            let (state, error) = job.run(&plan).await;
            drop(keeper);
            recorder.record(ProducerLeft {});
            recorder.record(JobStateChanged { state, error: error.clone() });
            (state, error, recorder.finish().await)
        };
        let ((), (state, error, finished)) = tokio::join!(flush, work);
        match finished {
            Ok(()) => {}
            // Another process runs it now, and says how it ends.
            Err(e @ StoreError::Fenced { .. }) => {
                return Ok(JobEnd {
                    job: id,
                    state: JobState::Failed,
                    verdict: None,
                    error: Some(e.to_string()),
                });
            }
            Err(e) => return Err(e.into()),
        }
        locks.leave().await;
        crate::process::reap();
        // The store has just taken the last event: this can only fail by misfortune, and the job has ended anyway.
        let verdict = self.store.job(id).await.ok().and_then(|info| info.row.verdict);
        Ok(JobEnd { job: id, state, verdict, error })
    }
}

/// This host's name, as the kernel knows it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
