//! Runs jobs as they come, without a queue: what the service uses until the engine's own manager takes its place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oyez_engine::{Control, Engine, EngineError, EngineOptions, JobRequest};
use oyez_model::event::Control as Verb;
use oyez_model::{JobId, JobState, JobUid};
use oyez_store::{Store, StoreError};
use thiserror::Error;

/// How a manager runs jobs.
#[derive(Clone, Debug, Default)]
pub struct ManagerOptions {
    /// How its engine does.
    pub engine: EngineOptions,
    /// The server's name.
    pub server_id: String,
    /// The most jobs that run at once.
    pub max_jobs: usize,
    /// What becomes of jobs whose server died.
    pub on_restart: OnRestart,
}

/// What becomes of jobs whose server died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRestart {
    /// They go on.
    #[default]
    Resume,
    /// They fail.
    Fail,
}

/// Why a job cannot be controlled.
#[derive(Debug, Error)]
pub enum ControlError {
    /// There is none.
    #[error("there is no job {0}")]
    NoJob(JobId),
    /// It has come to its end.
    #[error("job {job} has ended: {state}")]
    Ended {
        /// Which.
        job: JobId,
        /// How.
        state: JobState,
    },
    /// It is in a state in which that cannot be asked.
    #[error("job {job} is {state}: {verb:?} cannot be asked of it")]
    WrongState {
        /// Which.
        job: JobId,
        /// Its state.
        state: JobState,
        /// What was asked.
        verb: Verb,
    },
    /// Another process runs it.
    #[error("job {job} is run by {owner}")]
    Elsewhere {
        /// Which.
        job: JobId,
        /// Who.
        owner: String,
    },
    /// The store's own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a manager ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shutdown {
    /// Jobs run to their end.
    Drain,
    /// They halt, so that they can go on; after the time they are cancelled.
    Pause {
        /// The time.
        timeout: Option<Duration>,
    },
    /// They are cancelled.
    Cancel,
}

/// Runs jobs.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    engine: Engine,
    running: Mutex<HashMap<JobId, Control>>,
    ended: tokio::sync::Notify,
}

impl Manager {
    /// A manager of the jobs of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, options: ManagerOptions) -> Manager {
        let engine = Engine::new(store.clone(), options.engine);
        Manager(Arc::new(Inner { store, engine, running: Mutex::default(), ended: Default::default() }))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<JobId, Control>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new job.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn submit(&self, request: JobRequest) -> Result<(JobId, JobUid), EngineError> {
        let (id, uid, handle) = self.0.engine.submit(request).await?;
        let control = Control::new();
        self.running().insert(id, control.clone());
        let manager = self.clone();
        tokio::spawn(async move {
            let _ = manager.0.engine.run(handle, control, None).await;
            manager.running().remove(&id);
            manager.0.ended.notify_waiters();
        });
        Ok((id, uid))
    }

    /// Asks something of a job.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn control(
        &self,
        job: JobId,
        verb: Verb,
        _by: &str,
        why: Option<String>,
    ) -> Result<(), ControlError> {
        let Some(control) = self.running().get(&job).cloned() else {
            let state = match self.0.store.job(job).await {
                Ok(info) => info.row.state,
                Err(StoreError::NoJob(job)) => return Err(ControlError::NoJob(job)),
                Err(e) => return Err(e.into()),
            };
            return Err(ControlError::Ended { job, state });
        };
        match verb {
            Verb::Cancel => control.cancel(why.unwrap_or_default()),
            Verb::Kill => control.kill(),
            verb => return Err(ControlError::WrongState { job, state: JobState::Started, verb }),
        }
        Ok(())
    }

    /// The same job again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn retry(&self, job: JobId, _by: &str) -> Result<(JobId, JobUid), ControlError> {
        match self.0.store.job(job).await {
            Err(StoreError::NoJob(job)) => Err(ControlError::NoJob(job)),
            Err(e) => Err(e.into()),
            Ok(info) => Err(ControlError::WrongState { job, state: info.row.state, verb: Verb::Resume }),
        }
    }

    /// Ends it.
    pub async fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Drain {
            self.running().values().for_each(|control| control.cancel("the server ends"));
        }
        loop {
            let ended = self.0.ended.notified();
            if self.running().is_empty() {
                return;
            }
            ended.await;
        }
    }
}
