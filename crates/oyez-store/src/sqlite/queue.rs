//! What waits for the writer: bounded for each job, and fair between jobs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oyez_model::JobId;
use tokio::sync::{Notify, oneshot};

use super::commit::{Answer, Ask};
use crate::error::StoreError;

/// One job's batches wait here up to so many bytes; beyond it the producer waits.
const JOB_BYTES: usize = 8 << 20;
/// One commit takes about so many events, in turns from all jobs that have some.
const CYCLE_EVENTS: usize = 2048;
/// One commit takes at most so many asks that are not appends.
const CYCLE_OTHERS: usize = 256;

/// An ask and where its answer goes.
#[derive(Debug)]
pub(super) struct Waiting {
    pub ask: Ask,
    pub reply: oneshot::Sender<Result<Answer, StoreError>>,
}

#[derive(Debug, Default)]
struct JobQueue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    others: VecDeque<Waiting>,
    jobs: HashMap<JobId, JobQueue>,
    turns: VecDeque<JobId>,
    closed: bool,
    /// The writer sleeps on the condition: only then is it worth a wake-up.
    asleep: bool,
}

/// The queue between those who ask and the writer's thread.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
    room: Arc<Notify>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an ask in line and waits for its answer; waits for room first when its job has too much in line.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let mut waiting = Some(Waiting { ask, reply });
        loop {
            let room = self.room.notified();
            if let Some(full) = self.push(&mut waiting)? {
                drop(full);
                room.await;
                continue;
            }
            return answer.await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// Takes what is in `waiting`; says so when there is no room for it.
    fn push(&self, waiting: &mut Option<Waiting>) -> Result<Option<NoRoom>, StoreError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(StoreError::Closed);
        }
        let job = match waiting.as_ref().map(|w| &w.ask) {
            Some(Ask::Append(job, batch)) => Some((*job, batch.bodies.len())),
            _ => None,
        };
        if let Some((job, size)) = job {
            let line = inner.jobs.entry(job).or_default();
            if line.bytes > 0 && line.bytes + size > JOB_BYTES {
                return Ok(Some(NoRoom));
            }
            line.bytes += size;
            let first = line.waiting.is_empty();
            line.waiting.extend(waiting.take());
            if first {
                inner.turns.push_back(job);
            }
        } else {
            inner.others.extend(waiting.take());
        }
        let wake = inner.asleep;
        drop(inner);
        if wake {
            self.work.notify_one();
        }
        Ok(None)
    }

    /// The next asks for one commit; waits up to `patience` when there are none. `None` when closed and empty.
    pub(super) fn next(&self, patience: Duration) -> Option<Vec<Waiting>> {
        let mut inner = self.lock();
        if inner.others.is_empty() && inner.turns.is_empty() {
            if inner.closed {
                return None;
            }
            if !patience.is_zero() {
                inner.asleep = true;
                let idle =
                    |inner: &mut Inner| inner.others.is_empty() && inner.turns.is_empty() && !inner.closed;
                let (mut woken, _) = self
                    .work
                    .wait_timeout_while(inner, patience, idle)
                    .unwrap_or_else(PoisonError::into_inner);
                woken.asleep = false;
                inner = woken;
            }
        }
        let others = inner.others.len().min(CYCLE_OTHERS);
        let mut out: Vec<Waiting> = inner.others.drain(..others).collect();
        let mut events = 0;
        while events < CYCLE_EVENTS
            && let Some(job) = inner.turns.pop_front()
        {
            let Some(line) = inner.jobs.get_mut(&job) else { continue };
            if let Some(waiting) = line.waiting.pop_front() {
                if let Ask::Append(_, batch) = &waiting.ask {
                    line.bytes = line.bytes.saturating_sub(batch.bodies.len());
                    events += batch.events.len();
                }
                out.push(waiting);
            }
            if line.waiting.is_empty() {
                inner.jobs.remove(&job);
            } else {
                inner.turns.push_back(job);
            }
        }
        drop(inner);
        if events > 0 {
            self.room.notify_waiters();
        }
        Some(out)
    }

    /// No more asks; what is in line is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_waiters();
    }
}

struct NoRoom;
