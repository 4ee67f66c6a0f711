//! What the service does, whichever way it is asked: take a job, control one, look at one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oyez_engine::plan::expand::{ExpandedTest, UnknownTarget, expand};
use oyez_engine::{
    Diagnostic, EngineError, Format, Functions, JobRequest, Manager, ParameterFile, ParseOptions, Plan,
    SearchPath, prepare,
};
use oyez_model::{Guid, JobId, JobUid};
use oyez_store::{JobReader, LogPage, LogQuery, Store, StoreError};
use thiserror::Error;
use tokio::sync::{Semaphore, watch};

/// So many long answers are made at once: each reads a whole job. The others wait for their turn.
const RENDERS: usize = 4;

/// How a service presents itself.
#[derive(Clone, Debug, Default)]
pub struct ServiceOptions {
    /// The tag of this instance, which every job of it gets and without which a job is another instance's.
    pub instance_tag: Option<String>,
}

/// A service on a store.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    jobs: Manager,
    options: ServiceOptions,
    programs: SearchPath,
    renders: Semaphore,
    is_ready: AtomicBool,
    /// No new jobs are taken.
    is_draining: AtomicBool,
    /// Whoever follows a job ends now.
    is_ending: watch::Sender<bool>,
}

/// A job that is asked for.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The descriptor as it came.
    pub descriptor: Vec<u8>,
    /// How it is written; found out when it is not said.
    pub format: Option<Format>,
    /// Whether its version must stand in it, as on ConTest's wire.
    pub require_version: bool,
    /// Who asks.
    pub requestor: String,
    /// The caller's correlation texts.
    pub guids: Vec<Guid>,
    /// Its place in the queue: the higher is first.
    pub priority: i32,
}

/// A job that was taken.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// Its number.
    pub id: JobId,
    /// Its identity.
    pub uid: JobUid,
    /// What is probably not as it was meant.
    pub warnings: Vec<Diagnostic>,
}

/// What a descriptor would run here.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The parameters as one target gets them.
    pub expanded: Vec<ExpandedTest>,
    /// What is probably not as it was meant.
    pub warnings: Vec<Diagnostic>,
}

/// Why nothing was planned.
#[derive(Debug, Error)]
pub enum PlanError {
    /// All that is wrong with the descriptor; one of them at least is an error.
    #[error("{}", first(.0))]
    Descriptor(Vec<Diagnostic>),
    /// No test runs on the target that was asked for.
    #[error(transparent)]
    Target(#[from] UnknownTarget),
    /// The thread that did it ended: a fault of Oyez.
    #[error("the descriptor could not be planned: {0}; this is a fault of Oyez, please report it")]
    Broken(String),
}

/// Why a job was not taken.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// All that is wrong with the descriptor; one of them at least is an error.
    #[error("{}", first(.0))]
    Descriptor(Vec<Diagnostic>),
    /// The service is on its way down.
    #[error("the server is shutting down and takes no new jobs")]
    Draining,
    /// The engine cannot take it.
    #[error(transparent)]
    Engine(EngineError),
    /// The thread that read it ended: a fault of Oyez.
    #[error("the descriptor could not be read: {0}; this is a fault of Oyez, please report it")]
    Broken(String),
}

impl From<oyez_engine::SubmitError> for SubmitError {
    fn from(e: oyez_engine::SubmitError) -> Self {
        match e {
            oyez_engine::SubmitError::Closing => SubmitError::Draining,
            oyez_engine::SubmitError::Engine(e) => SubmitError::Engine(e),
        }
    }
}

/// A descriptor that is read in no time here and now, which saves two changes of thread: a short one. Reading a million
/// targets takes its time, and documents that are fetched stand behind a parameter with this word in its name (which an
/// escape could hide).
fn is_quick(descriptor: &[u8]) -> bool {
    const SHORT: usize = 32 << 10;
    let says = |word: &[u8; 3]| descriptor.windows(3).any(|three| three.eq_ignore_ascii_case(word));
    let is_escaped = || descriptor.windows(2).any(|two| two == b"\\u");
    descriptor.len() <= SHORT && !says(b"uri") && !is_escaped()
}

/// ConTest's answer to a descriptor: its text of the first error.
fn first(diagnostics: &[Diagnostic]) -> &str {
    diagnostics.iter().find(|d| d.is_error()).map_or("the descriptor is wrong", |d| d.contest.as_str())
}

impl Service {
    /// A service that takes jobs; it is ready when [`Service::ready`] has been called.
    #[must_use]
    pub fn new(jobs: Manager, programs: SearchPath, options: ServiceOptions) -> Service {
        Service(Arc::new(Inner {
            store: jobs.store().clone(),
            jobs,
            options,
            programs,
            renders: Semaphore::new(RENDERS),
            is_ready: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            is_ending: watch::Sender::new(false),
        }))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Who runs the jobs.
    #[must_use]
    pub fn jobs(&self) -> &Manager {
        &self.0.jobs
    }

    /// The server's name, in answers and with each job.
    #[must_use]
    pub fn server_id(&self) -> &str {
        self.0.jobs.server_id()
    }

    /// How it presents itself.
    #[must_use]
    pub fn options(&self) -> &ServiceOptions {
        &self.0.options
    }

    /// What was left behind has been looked after: from now on it says that it is ready.
    pub fn ready(&self) {
        self.0.is_ready.store(true, Ordering::SeqCst);
    }

    /// From now on no new job is taken; those that there are can be looked at and controlled.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::SeqCst);
    }

    /// From now on nobody follows a job any more.
    pub fn end(&self) {
        self.0.is_ending.send_replace(true);
    }

    /// Turns true at [`Service::end`].
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.0.is_ending.subscribe()
    }

    /// Whether no new jobs are taken.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::SeqCst)
    }

    /// Why nobody should send jobs here now, if so.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        match (self.is_draining(), self.0.is_ready.load(Ordering::SeqCst)) {
            (true, _) => Some("shutting down"),
            (false, false) => Some("starting"),
            (false, true) => None,
        }
    }

    /// Why jobs wait for the store, if any do.
    pub(crate) fn trouble(&self) -> Option<oyez_store::StoreError> {
        self.0.jobs.trouble()
    }

    /// Takes a job: it is kept when this returns.
    ///
    /// # Errors
    /// [`SubmitError`]; then there is no job.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        if self.is_draining() {
            return Err(SubmitError::Draining);
        }
        let (request, warnings) = if is_quick(&submission.descriptor) {
            self.prepared(submission)?
        } else {
            let service = self.clone();
            let prepared = tokio::task::spawn_blocking(move || service.prepared(submission)).await;
            prepared.map_err(|e| SubmitError::Broken(e.to_string()))??
        };
        let (id, uid) = self.0.jobs.submit(request).await?;
        Ok(Submitted { id, uid, warnings })
    }

    /// Plans a descriptor and runs nothing. Parameters are shown for the target `asked`, else for the first of each test.
    ///
    /// # Errors
    /// The descriptor is wrong, or no test runs on that target.
    pub async fn plan(
        &self,
        descriptor: Vec<u8>,
        format: Option<Format>,
        asked: Option<String>,
    ) -> Result<Planned, PlanError> {
        let service = self.clone();
        let work = move || {
            let options = ParseOptions { format, require_version: false };
            let prepared = prepare(&descriptor, &options, &service.0.programs);
            let Some(plan) = prepared.plan else { return Err(PlanError::Descriptor(prepared.diagnostics)) };
            // Jobs of this service read it there, too.
            let functions = Functions::new(ParameterFile("parameters.json".into()));
            let expanded = expand(&plan, &functions, asked.as_deref())?;
            Ok(Planned { plan, expanded, warnings: prepared.diagnostics })
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| PlanError::Broken(e.to_string()))?
    }

    fn prepared(&self, submission: Submission) -> Result<(JobRequest, Vec<Diagnostic>), SubmitError> {
        let Submission { descriptor: bytes, format, require_version, requestor, guids, priority } =
            submission;
        let options = ParseOptions { format, require_version };
        let prepared = prepare(&bytes, &options, &self.0.programs);
        let (Some(mut descriptor), Some(mut plan)) = (prepared.descriptor, prepared.plan) else {
            return Err(SubmitError::Descriptor(prepared.diagnostics));
        };
        if let Some(tag) = &self.0.options.instance_tag {
            descriptor.tags.push(tag.clone());
            plan.tags.push(tag.clone());
        }
        let request = JobRequest {
            // A descriptor that could be planned is text.
            descriptor_text: String::from_utf8_lossy(&bytes).into_owned(),
            descriptor,
            plan,
            requestor,
            guids,
            host: None,
            // The manager knows it.
            server_id: None,
            priority,
            repeats: None,
        };
        Ok((request, prepared.diagnostics))
    }

    /// Searches in logs; not too many at once.
    ///
    /// # Errors
    /// The store's own trouble.
    pub(crate) async fn search_logs(&self, query: LogQuery) -> Result<LogPage, StoreError> {
        // The semaphore is never closed.
        let _turn = self.0.renders.acquire().await.map_err(|_| StoreError::Closed)?;
        self.0.store.search_logs(query).await
    }

    /// Does something with a view of a job, on a thread that may block; not too many at once.
    ///
    /// # Errors
    /// The store's own trouble, or that of `work`.
    pub(crate) async fn render<T, E>(
        &self,
        job: JobId,
        work: impl FnOnce(&dyn JobReader) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // The semaphore is never closed.
        let _turn = self.0.renders.acquire().await.map_err(|_| StoreError::Closed)?;
        self.read(job, work).await
    }

    /// The same for what takes a moment.
    ///
    /// # Errors
    /// The store's own trouble, or that of `work`.
    pub(crate) async fn read<T, E>(
        &self,
        job: JobId,
        work: impl FnOnce(&dyn JobReader) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let reader = self.0.store.reader(job).await?;
        match tokio::task::spawn_blocking(move || work(&*reader)).await {
            Ok(done) => done,
            // It panicked, or the runtime ends.
            Err(_) => Err(StoreError::Closed.into()),
        }
    }
}
