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
const CYCLE_EVENTS: usize = 512;
/// A batch of so many events may be committed on its producer's own thread.
const SMALL_EVENTS: usize = 64;
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
    /// Somebody wants it awake though nothing is in line.
    woken: bool,
}

impl Inner {
    fn is_empty(&self) -> bool {
        self.others.is_empty() && self.turns.is_empty()
    }
}

/// What the writer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Something is in line.
    Waiting,
    /// Nothing is in line.
    Empty,
    /// Nothing is in line, and nothing will be.
    Closed,
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
    ///
    /// `at_once` is called when the writer sleeps and nothing else is in line: it may do the writer's work on this
    /// thread, which spares two changes of thread for each small commit, and says whether it did.
    pub(super) async fn ask(&self, ask: Ask, at_once: impl Fn() -> bool) -> Result<Answer, StoreError> {
        let small = match &ask {
            Ask::Append(_, batch) => batch.events.len() <= SMALL_EVENTS,
            _ => false,
        };
        let (reply, answer) = oneshot::channel();
        let mut waiting = Some(Waiting { ask, reply });
        loop {
            let room = self.room.notified();
            match self.push(&mut waiting)? {
                Pushed::NoRoom => {
                    room.await;
                    continue;
                }
                Pushed::WriterSleeps if small && at_once() => {}
                Pushed::WriterSleeps => self.work.notify_one(),
                Pushed::WriterWorks => {}
            }
            return answer.await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// Takes what is in `waiting`; says so when there is no room for it.
    fn push(&self, waiting: &mut Option<Waiting>) -> Result<Pushed, StoreError> {
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
                return Ok(Pushed::NoRoom);
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
        Ok(if inner.asleep { Pushed::WriterSleeps } else { Pushed::WriterWorks })
    }

    /// Waits until something is in line, at most `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Line {
        let mut inner = self.lock();
        if inner.is_empty() && !inner.closed && !patience.is_zero() {
            inner.asleep = true;
            let idle = |inner: &mut Inner| inner.is_empty() && !inner.closed && !inner.woken;
            let (guard, _) =
                self.work.wait_timeout_while(inner, patience, idle).unwrap_or_else(PoisonError::into_inner);
            inner = guard;
            inner.asleep = false;
            inner.woken = false;
        }
        match (inner.is_empty(), inner.closed) {
            (false, _) => Line::Waiting,
            (true, false) => Line::Empty,
            (true, true) => Line::Closed,
        }
    }

    /// Wakes the writer though nothing is in line.
    pub(super) fn wake(&self) {
        self.lock().woken = true;
        self.work.notify_one();
    }

    /// The next asks for one commit.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let mut inner = self.lock();
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
        out
    }

    /// No more asks; what is in line is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_waiters();
    }

    /// The writer is gone: who is in line is told so, instead of waiting for ever.
    pub(super) fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.turns.clear();
        let gone = (std::mem::take(&mut inner.others), std::mem::take(&mut inner.jobs));
        drop(inner);
        drop(gone);
        self.room.notify_waiters();
    }
}

/// What became of an ask.
enum Pushed {
    /// It is in line, and the writer will see it.
    WriterWorks,
    /// It is in line, and the writer must be woken or its work be done.
    WriterSleeps,
    /// Its job has too much in line.
    NoRoom,
}
