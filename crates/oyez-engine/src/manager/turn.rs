//! A job's turn: it is claimed, run, and makes room for the next.

use std::sync::Arc;

use oyez_model::JobId;
use oyez_store::{NewEvent, StoreError};

use super::queue::Waiting;
use super::{Inner, Manager, Shutdown, State, Teller};
use crate::control::Control;
use crate::error::EngineError;
use crate::observer::Observer;
use crate::runner::{Afterwards, JobHandle, Queued, ReopenError};

impl Manager {
    /// Starts what may run by now.
    pub(super) fn turn(&self) {
        let mut state = self.0.lock();
        while state.running.len() + state.coming < self.0.options.max_jobs
            && state.closing.is_none_or(|how| how == Shutdown::Drain)
            && let Some(waiting) = state.queue.pop()
        {
            self.start(&mut state, waiting);
        }
    }

    /// Room for one job more, when nobody waits for it.
    pub(super) fn room(&self) -> Option<Room> {
        let mut state = self.0.lock();
        let is_free = state.queue.is_empty() && state.running.len() + state.coming < self.0.options.max_jobs;
        if !is_free || state.closing.is_some() {
            return None;
        }
        state.coming += 1;
        Some(Room(self.clone()))
    }

    /// Runs a job that was just made in the room that was kept for it.
    pub(super) fn start_now(&self, room: Room, handle: JobHandle) {
        let (control, id) = (Control::new(), handle.id());
        {
            let mut state = self.0.lock();
            state.running.insert(id, control.clone());
            if let Some(how) = state.closing {
                self.0.close(how, &control);
            }
        }
        drop(room);
        let manager = self.clone();
        tokio::spawn(async move {
            let done = Done { manager: manager.clone(), id };
            manager.0.bring_to_end(handle, control).await;
            drop(done);
        });
    }

    /// Starts a job now.
    pub(super) fn start(&self, state: &mut State, waiting: Waiting) {
        state.running.insert(waiting.id, waiting.control.clone());
        let manager = self.clone();
        tokio::spawn(async move { manager.run(waiting).await });
    }

    /// Runs a job to its end, or until it is paused.
    async fn run(self, waiting: Waiting) {
        let Waiting { id, control, queued } = waiting;
        // However this ends, also by a panic, others get their turn.
        let done = Done { manager: self.clone(), id };
        match self.0.open(id, queued.as_deref(), &control).await {
            Ok(handle) => self.0.bring_to_end(handle, control).await,
            Err(e) => self.0.say(&format!("job {id} does not run here: {e}")),
        }
        drop(done);
    }
}

impl Inner {
    /// A job as it can be run.
    async fn open(
        self: &Arc<Self>,
        id: JobId,
        queued: Option<&Queued>,
        control: &Control,
    ) -> Result<JobHandle, ReopenError> {
        let handle = match queued {
            Some(queued) => match self.engine.claim(queued).await {
                Ok(handle) => handle,
                Err(EngineError::Store(StoreError::Held { owner, .. })) => {
                    return Err(ReopenError::Elsewhere { job: id, owner });
                }
                Err(EngineError::Store(e)) => return Err(e.into()),
                Err(e) => return Err(ReopenError::Failed { job: id, why: e.to_string() }),
            },
            None => self.engine.reopen(id).await?,
        };
        if handle.is_cancelling() {
            control.cancel_by(crate::control::Asked { is_recorded: true, ..Default::default() });
        }
        Ok(handle)
    }

    /// A job that is on its way to be paused gets its turn again right after that; false when it is not on it any more.
    pub(super) fn again(&self, id: JobId) -> bool {
        let mut state = self.lock();
        let is_here = state.running.contains_key(&id);
        if is_here {
            state.again.insert(id, Control::new());
        }
        is_here
    }

    async fn bring_to_end(self: &Arc<Self>, handle: JobHandle, control: Control) {
        let id = handle.id();
        let watch = Arc::new(Watch { inner: self.clone(), id });
        match self.engine.bring_to_end(handle, control.clone(), Some(watch), Afterwards::RunsOut).await {
            // It was asked to be cancelled when it had just been paused.
            Ok(ended) if ended.is_paused() && control.is_cancelled() => {
                let again = Control::new();
                let (cancelled, killed) = control.asked();
                cancelled.into_iter().for_each(|asked| again.cancel_by(asked));
                killed.into_iter().for_each(|asked| again.kill_by(asked));
                self.lock().again.insert(id, again);
            }
            Ok(_) => {}
            Err(e) => self.say(&format!("job {id} was given up: {e}")),
        }
    }

    /// Something that a person at the server should know.
    pub(super) fn say(&self, text: &str) {
        if let Some(Teller(tell)) = &self.options.teller {
            tell(text);
        }
    }
}

/// Hears whether a job waits for its store.
struct Watch {
    inner: Arc<Inner>,
    id: JobId,
}

impl Observer for Watch {
    fn event(&self, _: u64, _: &NewEvent) {}

    // Whom a job waits for stands in the store.
    fn notice(&self, _: &str) {}

    fn trouble(&self, trouble: Option<&StoreError>) {
        let text = {
            let mut state = self.inner.lock();
            let was = state.troubled.len();
            match trouble {
                Some(e) => drop(state.troubled.insert(self.id, e.clone())),
                None => drop(state.troubled.remove(&self.id)),
            }
            // Said once, not for each of a thousand jobs.
            match (was, state.troubled.len(), trouble) {
                (0, 1, Some(e)) => format!("{e}; jobs wait and go on when it can be written again"),
                (1, 0, _) => "the store can be written again; jobs go on".to_owned(),
                _ => return,
            }
        };
        self.inner.say(&text);
    }
}

/// Room that is kept for a job.
pub(super) struct Room(Manager);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.0.lock().coming -= 1;
        self.0.0.changed.notify_waiters();
        self.0.turn();
    }
}

/// A job's turn is over when this is dropped.
struct Done {
    manager: Manager,
    id: JobId,
}

impl Drop for Done {
    fn drop(&mut self) {
        let mut state = self.manager.0.lock();
        state.running.remove(&self.id);
        state.troubled.remove(&self.id);
        if let Some(control) = state.again.remove(&self.id) {
            state.queue.push(self.id, 0, control, None);
        }
        drop(state);
        self.manager.0.changed.notify_waiters();
        self.manager.turn();
    }
}
