//! What is asked of jobs: pause, go on, cancel, kill, repeat.

use oyez_model::event::{Control as Verb, JobControl, ProducerLeft};
use oyez_model::{EventNumber, JobId, JobState, JobUid, ProducerId};
use oyez_store::{Batch, JobInfo, NewEvent, StoreError};
use thiserror::Error;

use super::{Manager, SubmitError};
use crate::control::{Asked, Control, Pause};
use crate::plan::prepare_stored;
use crate::runner::{Engine, JobRequest};

/// Why a job does not do what was asked.
#[derive(Clone, Debug, Error)]
pub enum ControlError {
    /// There is no such job.
    #[error("there is no job {0}")]
    NoJob(JobId),
    /// It has come to its end.
    #[error("job {job} has come to its end: it is {state}")]
    Ended {
        /// The job.
        job: JobId,
        /// Its last state.
        state: JobState,
    },
    /// That cannot be asked of it now.
    #[error("job {job} is {state}: it cannot {verb} now")]
    WrongState {
        /// The job.
        job: JobId,
        /// Its state.
        state: JobState,
        /// What was asked.
        verb: &'static str,
    },
    /// It does not come from a descriptor, so that it cannot be done again.
    #[error("job {0} was not run from a descriptor: it cannot be repeated")]
    NotRepeatable(JobId),
    /// What it was begun with does not make a job any more.
    #[error("job {job} cannot be repeated: {why}")]
    Unplanned {
        /// The job.
        job: JobId,
        /// Why.
        why: String,
    },
    /// No job is taken.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The store's own trouble.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ControlError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NoJob(job) => ControlError::NoJob(job),
            e => ControlError::Store(e),
        }
    }
}

impl Manager {
    /// Asks something of a job, wherever it is: one that runs here hears of it at once, one that another process runs
    /// reads it in its journal, one that waits or is paused is opened for it. It is asked for, not done, when this
    /// returns.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn control(
        &self,
        id: JobId,
        verb: Verb,
        by: &str,
        why: Option<String>,
    ) -> Result<(), ControlError> {
        let asked = Asked { by: Some(by.to_owned()), why: why.clone(), is_recorded: false };
        let JobInfo { row, owner, .. } = self.0.store.job(id).await?;
        if row.state.is_final() {
            return Err(ControlError::Ended { job: id, state: row.state });
        }
        if let Some(control) = self.own(id) {
            match verb {
                Verb::Resume if control.pausing().is_none() => {
                    return Err(ControlError::WrongState { job: id, state: row.state, verb: "go on" });
                }
                Verb::Resume => {
                    self.ask_in_journal(id, verb, by, why.clone()).await?;
                    if !self.0.again(id) {
                        return self.reopen(id, Control::new()).await;
                    }
                }
                verb => ask(&control, verb, asked),
            }
            if control.is_cancelled() {
                // What is not to be run need not wait for its turn.
                let mut state = self.0.lock();
                if let Some(waiting) = state.queue.take(id) {
                    self.start(&mut state, waiting);
                }
            }
            return Ok(());
        }
        let wrong = |verb| ControlError::WrongState { job: id, state: row.state, verb };
        match (row.state, verb) {
            (JobState::Paused, Verb::Pause) => Err(wrong("pause")),
            (JobState::Paused, Verb::Resume) => {
                self.ask_in_journal(id, verb, by, why).await?;
                self.reopen(id, Control::new()).await
            }
            (JobState::Paused | JobState::Queued, Verb::Cancel | Verb::Kill) if owner.is_none() => {
                let control = Control::new();
                ask(&control, verb, asked);
                self.reopen(id, control).await
            }
            (JobState::Cancelling, Verb::Pause | Verb::Resume) => Err(wrong("pause or go on")),
            (JobState::Started, Verb::Resume) => Err(wrong("go on")),
            (JobState::Queued, Verb::Pause | Verb::Resume) => Err(wrong("pause or go on")),
            _ => Ok(self.ask_in_journal(id, verb, by, why).await?),
        }
    }

    /// The control of a job that runs or waits here. One that waits and is not to be run is taken out of line first.
    fn own(&self, id: JobId) -> Option<Control> {
        let state = self.0.lock();
        state.running.get(&id).or_else(|| state.queue.get(id)).cloned()
    }

    /// A job that nobody runs gets its turn.
    async fn reopen(&self, id: JobId, control: Control) -> Result<(), ControlError> {
        if !self.is_open() {
            return Err(SubmitError::Closing.into());
        }
        let priority = self.0.engine.request(id).await?.submitted.priority.unwrap_or(0);
        let is_cancelled = control.is_cancelled();
        let mut state = self.0.lock();
        state.left_alone.remove(&id);
        state.queue.push(id, priority, control, None);
        if is_cancelled && let Some(waiting) = state.queue.take(id) {
            self.start(&mut state, waiting);
        }
        drop(state);
        self.turn();
        Ok(())
    }

    async fn ask_in_journal(
        &self,
        id: JobId,
        verb: Verb,
        by: &str,
        why: Option<String>,
    ) -> Result<(), StoreError> {
        let clock = &self.0.options.engine.clock;
        let asked = JobControl { verb, by: by.to_owned(), why };
        let batch = Batch {
            producer: ProducerId::from_random(clock.random()),
            first: EventNumber(1),
            // What said this says no more: the report lacks nothing of it.
            events: vec![NewEvent::new(clock.now(), asked), NewEvent::new(clock.now(), ProducerLeft {})],
            epoch: None,
        };
        self.0.store.append(id, batch).await.map(|_| ())
    }

    /// Runs a job again: a new one from the same request, with the steps that were fetched then, linked to the first.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn retry(&self, id: JobId, by: &str) -> Result<(JobId, JobUid), ControlError> {
        let request = self.0.engine.repeat(id, by).await?;
        Ok(self.submit(request).await?)
    }
}

impl Engine {
    /// The request that runs a job again, with the steps that were fetched then, linked to it.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn repeat(&self, id: JobId, by: &str) -> Result<JobRequest, ControlError> {
        let request = self.request(id).await?;
        let (Some(text), Some(extended)) = (request.text, request.extended) else {
            return Err(ControlError::NotRepeatable(id));
        };
        let programs = self.options().programs.clone();
        let prepared = tokio::task::spawn_blocking(move || prepare_stored(&extended, &programs)).await;
        let prepared = prepared.map_err(|_| ControlError::Store(StoreError::Closed))?;
        let why = prepared.diagnostics.iter().find(|d| d.is_error()).map(ToString::to_string);
        let (Some(descriptor), Some(mut plan)) = (prepared.descriptor, prepared.plan) else {
            let why = why.unwrap_or_else(|| "there is no plan".to_owned());
            return Err(ControlError::Unplanned { job: id, why });
        };
        plan.tags.clone_from(&request.submitted.tags);
        Ok(JobRequest {
            descriptor_text: text,
            descriptor,
            plan,
            requestor: by.to_owned(),
            guids: request.submitted.guids,
            host: None,
            server_id: None,
            priority: request.submitted.priority.unwrap_or(0),
            repeats: Some(request.submitted.uid),
        })
    }
}

fn ask(control: &Control, verb: Verb, asked: Asked) {
    match verb {
        Verb::Cancel => control.cancel_by(asked),
        Verb::Kill => control.kill_by(asked),
        Verb::Pause => control.pause(Pause { asked, ..Pause::default() }),
        Verb::Resume => {}
    }
}
