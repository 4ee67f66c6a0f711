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
mod begin;
mod command;
mod desk;
mod job;
mod orders;
mod output;
mod pipeline;
mod reopen;
mod roster;
mod seating;
mod snapshot;
mod standing;
mod visit;

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oyez_model::event::{JobPaused, JobStateChanged, ProducerLeft, RawJson};
use oyez_model::{Guid, JobId, JobState, JobUid, Verdict};
use oyez_store::{Clock, Store, StoreError, SystemClock};
use tokio::task::JoinHandle;

use crate::control::{Control, Stops};
use crate::descriptor::Descriptor;
use crate::environment::{ParameterFile, SearchPath};
use crate::error::EngineError;
use crate::line::Line;
use crate::locks::{Locking, Locks};
use crate::observer::Observer;
use crate::plan::Plan;
use crate::process::{CaptureLimits, ProcessPool};
use crate::recorder::{Recorder, Recording};
use crate::template::Functions;
pub(crate) use attempt::Course;
pub use begin::{JobHandle, Queued};
pub(crate) use command::{Ear, Running};
pub(crate) use desk::{Alive, Desk};
use job::{Ending, Job};
pub(crate) use output::Output;
pub use reopen::ReopenError;
pub(crate) use visit::Visit;

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
    /// How long an external reporter may take. One minute.
    pub report_timeout: Duration,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// ConTest's file of parameters for templates: `parameters.json`, where we run.
    pub parameters: ParameterFile,
    /// Where programs are, for a job that is planned again.
    pub programs: SearchPath,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        EngineOptions {
            max_processes: 4 * cores,
            output_limit: 64 << 10,
            blob_limit: 256 << 20,
            grace: Duration::from_secs(5),
            report_timeout: Duration::from_secs(60),
            clock: Arc::new(SystemClock),
            parameters: ParameterFile("parameters.json".into()),
            programs: SearchPath::from_env(),
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
    /// Its place in the queue: the higher is first.
    pub priority: i32,
    /// The job that it repeats.
    pub repeats: Option<JobUid>,
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
    line: Arc<Line>,
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
        Engine { store, options, pool, line: Arc::default() }
    }

    /// How it runs jobs.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
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
        let Ended { job, state, error } =
            self.bring_to_end(handle, control, observer, Afterwards::Free).await?;
        // The store has just taken the last event: this can only fail by misfortune, and the job has ended anyway.
        let verdict = self.store.job(job).await.ok().and_then(|info| info.row.verdict);
        Ok(JobEnd { job, state, verdict, error })
    }

    /// The same, for those who do not ask for the verdict.
    pub(crate) async fn bring_to_end(
        &self,
        handle: JobHandle,
        control: Control,
        observer: Option<Arc<dyn Observer>>,
        afterwards: Afterwards,
    ) -> Result<Ended, EngineError> {
        let JobHandle {
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
        } = handle;
        let stops = Stops::new(control.clone());
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
        let recorder = Recorder::new(recording, standing.recorded);
        drop(first);
        let locking = Locking {
            store: self.store.clone(),
            owner,
            job: id,
            stops: stops.clone(),
            recorder: recorder.clone(),
            grace: self.options.grace,
            line: self.line.clone(),
            priority,
        };
        let locks = Locks::new(locking, inherited);
        let locks = Arc::new(locks);
        let flush = recorder.clone().flush();
        let keeper = Helper(tokio::spawn({
            let locks = locks.clone();
            async move { locks.keep().await }
        }));
        let foreign = seen.0.saturating_sub(standing.recorded);
        let listener = Helper(tokio::spawn(orders::obey(
            self.store.clone(),
            id,
            seen,
            foreign,
            recorder.clone(),
            control,
        )));
        let job = Arc::new(Job {
            uid,
            epoch,
            requestor,
            stops: stops.clone(),
            recorder: recorder.clone(),
            locks: locks.clone(),
            pool: self.pool.clone(),
            limits: self.options.limits(),
            grace: self.options.grace,
            report_timeout: self.options.report_timeout,
            functions: Functions::new(self.options.parameters.clone()),
            handle: tokio::runtime::Handle::current(),
            nodes: AtomicU64::new(standing.nodes),
            is_cancelling: AtomicBool::new(prior == JobState::Cancelling),
            left_behind: Mutex::default(),
            alive: Arc::default(),
        });
        let work = async {
            job.begin(prior, standing.is_started);
            let ending = job.run(&plan, standing).await;
            drop((keeper, listener));
            let (state, error) = match ending {
                Ending::Over(state, error) => {
                    recorder.record(ProducerLeft {});
                    (state, error)
                }
                Ending::Paused(mut payload) => {
                    payload.job = id.0;
                    payload.is_handed_on = stops.control().pausing().is_some_and(|pause| pause.is_handed_on);
                    let snapshot = serde_json::to_string(&payload).unwrap_or_default();
                    // Before the pause is recorded: whoever sees it may rely on it.
                    match locks.keep_for_later().await {
                        Ok(()) => {
                            recorder.record(JobPaused { snapshot: RawJson(snapshot) });
                            (JobState::Paused, None)
                        }
                        Err(e) => {
                            recorder.record(ProducerLeft {});
                            let why = format!("its targets could not be kept while it is paused: {e}");
                            (JobState::PauseFailed, Some(why))
                        }
                    }
                }
            };
            recorder.record(JobStateChanged { state, error: error.clone() });
            (state, error, recorder.finish().await)
        };
        let ((), (state, error, finished)) = tokio::join!(flush, work);
        match finished {
            Ok(()) => {}
            // Another process runs it now, and says how it ends.
            Err(e @ StoreError::Fenced { .. }) => {
                return Ok(Ended { job: id, state: JobState::Failed, error: Some(e.to_string()) });
            }
            Err(e) => return Err(e.into()),
        }
        if !state.is_final() || afterwards == Afterwards::Free {
            locks.leave().await;
        }
        crate::process::reap();
        Ok(Ended { job: id, state, error })
    }
}

/// What becomes of the lease of a job that has come to its end. It is of no use to anybody any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It is given back.
    Free,
    /// It runs out: a commit less, where jobs are many and short.
    RunsOut,
}

/// How a job ended, or was halted.
pub(crate) struct Ended {
    job: JobId,
    state: JobState,
    error: Option<String>,
}

impl Ended {
    /// Whether it goes on later.
    pub(crate) fn is_paused(&self) -> bool {
        self.state == JobState::Paused
    }
}
