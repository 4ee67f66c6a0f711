//! The threads that attend processes, and the slots that bound how many there are.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::attend::attend;
use super::capture::{CaptureLimits, OutputSink};
use super::{Cause, Cookie, Exit, ProcessEnd, reap};
use crate::stop::Scope;

/// Bytes that are read at once: what a pipe holds.
const BUFFER: usize = 64 << 10;
/// A thread's stack: nothing here goes deep.
const STACK: usize = 256 << 10;
/// A thread without work ends after this time.
const IDLE: Duration = Duration::from_secs(30);

/// What to start.
#[derive(Debug)]
pub struct Launch {
    /// The program's path; it is not searched for.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Where it runs; without one, where we do.
    pub dir: Option<PathBuf>,
    /// What it reads; without one, nothing.
    pub stdin: Option<OwnedFd>,
    /// What it carries in its environment.
    pub cookie: Cookie,
    /// What stops it.
    pub scope: Scope,
    /// How long after TERM it gets KILL.
    pub grace: Duration,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How much of its output is kept.
    pub limits: CaptureLimits,
}

/// Who wants to know what becomes of a process; called on the thread that attends it, which waits meanwhile.
pub trait Task: OutputSink + Send {
    /// It has ended, or was never started.
    fn ended(self: Box<Self>, end: ProcessEnd);
}

/// The right to one process of the pool; given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    /// Of a process that may live long.
    _long: Option<OwnedSemaphorePermit>,
}

/// Runs processes, never more at once than it has slots.
#[derive(Debug)]
pub struct ProcessPool {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    /// Of the slots, those that processes may have that live long.
    long: Arc<Semaphore>,
    /// How many wait for a slot.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    idle: usize,
    threads: usize,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("threads", &self.threads)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

struct Work {
    launch: Launch,
    task: Box<dyn Task>,
    slot: Slot,
}

impl ProcessPool {
    /// A pool of at most `max` processes; at least one. This process becomes the reaper of what they leave behind.
    #[must_use]
    pub fn new(max: usize) -> Self {
        reap::become_reaper();
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        ProcessPool {
            shared: Arc::default(),
            slots: Arc::new(Semaphore::new(max)),
            // One is left for those that end by themselves, so that these always go on.
            long: Arc::new(Semaphore::new((max - 1).max(1))),
            waiting: watch::Sender::new(0),
        }
    }

    /// Waits for a slot; who asks first gets it first.
    pub async fn slot(&self) -> Slot {
        if let Ok(permit) = self.slots.clone().try_acquire_owned() {
            return Slot { _permit: permit, _long: None };
        }
        let _waits = Waits::new(&self.waiting);
        match self.slots.clone().acquire_owned().await {
            Ok(permit) => Slot { _permit: permit, _long: None },
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// The same for a process that may live as long as others need it, and is to end when [`ProcessPool::wanted`] says so.
    pub async fn long_slot(&self) -> Slot {
        let long = match self.long.clone().try_acquire_owned() {
            Ok(long) => Ok(long),
            Err(_) => {
                let _waits = Waits::new(&self.waiting);
                self.long.clone().acquire_owned().await
            }
        };
        Slot { _long: long.ok(), ..self.slot().await }
    }

    /// Waits until somebody waits for a slot.
    pub async fn wanted(&self) {
        // The sender lives in `self`.
        drop(self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await);
    }

    /// Starts a process; its task hears of it from then on.
    pub fn start(&self, slot: Slot, launch: Launch, task: Box<dyn Task>) {
        let mut state = self.shared.lock();
        state.waiting.push_back(Work { launch, task, slot });
        if state.idle >= state.waiting.len() {
            drop(state);
            self.shared.work.notify_one();
            return;
        }
        state.threads += 1;
        drop(state);
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("oyez-process".to_owned()).stack_size(STACK);
        if let Err(e) = thread.spawn(move || shared.run()) {
            self.shared.no_thread(&e);
        }
    }
}

/// Somebody waits for a slot.
struct Waits<'p>(&'p watch::Sender<usize>);

impl<'p> Waits<'p> {
    fn new(waiting: &'p watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Waits(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The lock is never held while a task is called; a panic elsewhere leaves the queue as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread: takes work until there has been none for a while.
    fn run(&self) {
        let mut buffer = vec![0; BUFFER];
        while let Some(Work { launch, mut task, slot }) = self.next() {
            let end = attend(&launch, &mut *task, &mut buffer);
            // Who hears of the end may have something more urgent for the slot than who waits for it by now.
            task.ended(end);
            drop(slot);
        }
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.closed {
            state.idle += 1;
            let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
            let (woken, _) =
                self.work.wait_timeout_while(state, IDLE, idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
        }
        let work = state.waiting.pop_front();
        if work.is_none() {
            state.threads -= 1;
        }
        work
    }

    /// The system has no further thread: those that there are go on with the work; without any, it fails.
    fn no_thread(&self, e: &std::io::Error) {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return;
        }
        let failed = std::mem::take(&mut state.waiting);
        drop(state);
        for Work { task, slot, .. } in failed {
            let exit = Exit::NotStarted(format!("no thread to start a process from: {e}"));
            task.ended(ProcessEnd { exit, cause: Cause::Itself });
            drop(slot);
        }
    }
}
