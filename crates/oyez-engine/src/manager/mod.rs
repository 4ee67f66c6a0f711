//! Runs many jobs: a queue, a cap, and jobs of servers that are gone.
//!
//! ```text
//!  submit ──► the store: Queued ──► turn ──► claim ──► Engine::run ──► done
//!                                    ▲                    │
//!  recover, resume ──────────────────┘                 Paused
//! ```
//!
//! A job is in the store when [`Manager::submit`] returns; everything else can be lost with this process and is found
//! again by the next. Who runs a job holds its lease; who may run those that are queued says the lease on the server's
//! name. A server that finds jobs without an owner takes them over: its own at its start, those of others as soon as
//! they are known dead.
//!
//! | module | does |
//! |---|---|
//! | `queue` | who is next: by priority, then first come first served |
//! | `turn` | runs one job |
//! | `control` | pause, resume, cancel, repeat |
//! | `recover` | jobs of servers that are gone |

mod control;
mod queue;
mod recover;
mod turn;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oyez_model::{JobId, JobUid};
use oyez_store::{LeaseName, Owner, Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::control::{Asked, Control, Pause};
use crate::error::EngineError;
use crate::runner::{Engine, EngineOptions, JobRequest};
pub use control::ControlError;
use queue::Queue;
pub use recover::{OnRestart, RecoverError, Recovered};

/// How a manager runs jobs.
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    /// How each of them is run.
    pub engine: EngineOptions,
    /// The server's name; one at a time has it.
    pub server_id: String,
    /// So many jobs run at once. 1024.
    pub max_jobs: usize,
    /// What becomes of jobs that a dead server had begun.
    pub on_restart: OnRestart,
    /// Who is told what a person at the server should know.
    pub teller: Option<Teller>,
}

/// Tells a person something; it must not wait.
#[derive(Clone)]
pub struct Teller(pub Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teller")
    }
}

impl ManagerOptions {
    /// Everything as usual.
    #[must_use]
    pub fn new(server_id: impl Into<String>) -> Self {
        ManagerOptions {
            engine: EngineOptions::default(),
            server_id: server_id.into(),
            max_jobs: 1024,
            on_restart: OnRestart::Resume,
            teller: None,
        }
    }
}

/// Runs jobs on a store; every clone is the same manager.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    store: Arc<dyn Store>,
    options: ManagerOptions,
    owner: Owner,
    state: Mutex<State>,
    /// Something ended.
    changed: Notify,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    running: HashMap<JobId, Control>,
    /// Jobs that wait because the store cannot be written, and why.
    troubled: HashMap<JobId, StoreError>,
    /// Jobs for which there is room, and which have no number yet.
    coming: usize,
    /// Those that get their turn again as soon as they are paused.
    again: HashMap<JobId, Control>,
    /// Paused jobs that wait until somebody lets them go on.
    left_alone: HashSet<JobId>,
    closing: Option<Shutdown>,
}

/// How a manager ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Takes no new jobs, and brings those that it has to their end.
    Drain,
    /// Pauses what runs, so that the next server goes on with it; what is queued waits for that one. Jobs that cannot be
    /// paused in time are cancelled.
    Pause {
        /// How long that may take; without it, as long as it needs.
        timeout: Option<Duration>,
    },
    /// Cancels what runs; what is queued waits for the next server.
    Cancel,
    /// Kills what runs.
    Kill,
}

impl Shutdown {
    fn strength(self) -> u8 {
        match self {
            Shutdown::Drain => 0,
            Shutdown::Pause { .. } => 1,
            Shutdown::Cancel => 2,
            Shutdown::Kill => 3,
        }
    }
}

/// Why no job is taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The server is ending.
    #[error("the server is ending and takes no new jobs; try again when it is back")]
    Closing,
    /// The store does not take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// How many jobs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait for their turn.
    pub queued: usize,
}

impl Manager {
    /// A manager; nothing runs before it is asked to.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, options: ManagerOptions) -> Self {
        let engine = Engine::new(store.clone(), options.engine.clone());
        Manager(Arc::new(Inner {
            engine,
            store,
            options,
            owner: Owner::this_process(),
            state: Mutex::default(),
            changed: Notify::new(),
            keeper: Mutex::default(),
        }))
    }

    /// The store that it runs on.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The server's name.
    #[must_use]
    pub fn server_id(&self) -> &str {
        &self.0.options.server_id
    }

    /// How many jobs there are.
    #[must_use]
    pub fn load(&self) -> Load {
        let state = self.0.lock();
        Load { running: state.running.len(), queued: state.queue.len() }
    }

    /// Why jobs wait for the store, if any do.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.0.lock().troubled.values().next().cloned()
    }

    /// Whether it takes jobs.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.lock().closing.is_none()
    }

    /// Takes a job: it is in the store, begun or queued, when this returns.
    ///
    /// # Errors
    /// See [`SubmitError`]; then there is no job.
    pub async fn submit(&self, mut request: JobRequest) -> Result<(JobId, JobUid), SubmitError> {
        if !self.is_open() {
            return Err(SubmitError::Closing);
        }
        request.server_id = Some(self.0.options.server_id.clone());
        let priority = request.priority;
        if let Some(room) = self.room() {
            // Its turn has come already: it need not be written down that it waits.
            let (id, uid, handle) = self.0.engine.submit(request).await?;
            self.start_now(room, handle);
            return Ok((id, uid));
        }
        let queued = self.0.engine.enqueue(request).await?;
        let (id, uid) = (queued.id(), queued.uid());
        self.0.lock().queue.push(id, priority, Control::new(), Some(queued));
        self.turn();
        Ok((id, uid))
    }

    /// Ends it, and returns when that is done; a stronger call while one waits takes its place.
    pub async fn shutdown(&self, how: Shutdown) {
        {
            let mut state = self.0.lock();
            if state.closing.is_none_or(|before| before.strength() < how.strength()) {
                state.closing = Some(how);
            }
            state.running.values().for_each(|control| self.0.close(how, control));
        }
        let end = match how {
            Shutdown::Pause { timeout: Some(timeout) } => Some(tokio::time::Instant::now() + timeout),
            _ => None,
        };
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            // Listens before it looks, so that no change falls in between.
            changed.as_mut().enable();
            let is_done = {
                let state = self.0.lock();
                let drains = state.closing == Some(Shutdown::Drain);
                state.running.is_empty() && state.coming == 0 && (!drains || state.queue.is_empty())
            };
            if is_done {
                break;
            }
            let is_late = match end {
                Some(end) => tokio::time::timeout_at(end, changed).await.is_err(),
                None => {
                    changed.await;
                    false
                }
            };
            if is_late {
                // What has not halted by now is cancelled.
                return Box::pin(self.shutdown(Shutdown::Cancel)).await;
            }
        }
        let keeper = self.0.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.abort();
            let name = [LeaseName::Server(self.0.options.server_id.clone())];
            // What cannot be given back runs out.
            let _runs_out: Result<(), StoreError> = self.0.store.release(&name, &self.0.owner).await;
        }
    }
}

impl Inner {
    /// What the end of the server means for a job that runs.
    fn close(&self, how: Shutdown, control: &Control) {
        let by = format!("server {}", self.options.server_id);
        let asked = |why: &str| Asked { by: Some(by.clone()), why: Some(why.to_owned()), is_recorded: false };
        match how {
            Shutdown::Drain => {}
            // How long that may take is the whole server's matter.
            Shutdown::Pause { .. } => control.pause(Pause {
                asked: asked("the server ends; the next one goes on"),
                timeout: None,
                is_handed_on: true,
            }),
            Shutdown::Cancel => control.cancel_by(asked("the server ends")),
            Shutdown::Kill => control.kill_by(asked("the server was killed")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
