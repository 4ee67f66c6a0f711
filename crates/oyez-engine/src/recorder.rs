//! A job's events on their way into its journal.
//!
//! Whoever has something to say calls [`Recorder::record`], which numbers it and puts it into a buffer. One task takes
//! what has gathered and appends it as one batch; while that is under way the next batch gathers (group commit). A
//! batch leaves when it is large, when somebody waits for its commit, or after a short while.
//!
//! The buffer is bounded: who says much asks for [`Recorder::room`] first and waits when there is none. When the store
//! is in trouble, it is tried again until it works or the job is cancelled; everybody else waits at the buffer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use oyez_model::{BlobHash, EventBody, EventNumber, JobId, ProducerId, Time};
use oyez_store::{Batch, Clock, JobReader, NewEvent, Store, StoreError};
use tokio::sync::{Notify, watch};

use crate::control::Stops;
use crate::observer::Observer;
use crate::stop::Stop;

/// A batch leaves when it has so many events, and takes no more with it: other jobs' commits wait for this one's.
const BATCH: usize = 512;
/// A batch leaves after this time, however small it is.
const LINGER: Duration = Duration::from_millis(5);
/// The buffer is full with so many events,
const MOST_EVENTS: usize = 4096;
/// or so many bytes.
const MOST_BYTES: usize = 8 << 20;
/// The pause before a failed append is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Where events are recorded; every clone is the same recorder.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    job: JobId,
    epoch: Option<u64>,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    stops: Arc<Stops>,
    grace: Duration,
    state: Mutex<State>,
    /// There is room: for threads that wait for it, and for tasks.
    room: (Condvar, Notify),
    /// The number of the last event that is kept; also changed when nothing more can be.
    committed: watch::Sender<u64>,
    /// There is something to append.
    work: Notify,
}

/// Told whether the event is kept.
type After = Box<dyn FnOnce(bool) + Send>;

#[derive(Default)]
struct State {
    buffer: VecDeque<NewEvent>,
    bytes: usize,
    /// The number of the last event that was recorded.
    recorded: u64,
    /// The number of the last event that is kept.
    committed: u64,
    /// The highest number whose commit somebody waits for.
    wanted: u64,
    /// What is to be done once a number is kept; numbers rise.
    after: VecDeque<(u64, After)>,
    /// Nothing more will come.
    is_closing: bool,
    /// Nothing more can be kept.
    failure: Option<StoreError>,
    /// Trouble was said and is not over.
    in_trouble: bool,
}

impl State {
    fn is_full(&self) -> bool {
        self.failure.is_none() && (self.buffer.len() >= MOST_EVENTS || self.bytes >= MOST_BYTES)
    }

    /// The next batch.
    fn take_batch(&mut self) -> Vec<NewEvent> {
        if self.buffer.len() <= BATCH {
            self.bytes = 0;
            return self.buffer.drain(..).collect();
        }
        let batch: Vec<NewEvent> = self.buffer.drain(..BATCH).collect();
        let taken: usize = batch.iter().map(|event| weight(&event.body)).sum();
        self.bytes = self.bytes.saturating_sub(taken);
        batch
    }

    /// What is to be done by now.
    fn take_after(&mut self) -> Vec<After> {
        let reached = |number: u64| number <= self.committed || self.failure.is_some();
        let count = self.after.iter().take_while(|(number, _)| reached(*number)).count();
        self.after.drain(..count).map(|(_, then)| then).collect()
    }

    fn should_leave(&self) -> bool {
        self.buffer.len() >= BATCH
            || self.bytes >= MOST_BYTES / 4
            || (self.wanted > self.committed && !self.buffer.is_empty())
            || self.is_closing
    }
}

/// What a recorder needs.
pub(crate) struct Recording {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) job: JobId,
    pub(crate) epoch: Option<u64>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) stops: Arc<Stops>,
    /// How long the store is tried again after the job was cancelled.
    pub(crate) grace: Duration,
}

impl Recorder {
    /// A recorder for [`ProducerId::FIRST`], whose last event that is kept already has the number `last`. Somebody must
    /// run [`Recorder::flush`].
    pub(crate) fn new(recording: Recording, last: u64) -> Self {
        let Recording { store, job, epoch, clock, observer, stops, grace } = recording;
        let state = State { recorded: last, committed: last, ..State::default() };
        Recorder(Arc::new(Shared {
            store,
            job,
            epoch,
            clock,
            observer,
            stops,
            grace,
            state: Mutex::new(state),
            room: Default::default(),
            committed: watch::Sender::new(last),
            work: Notify::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an event that happens now; gives its number. Never waits; after a failure it does nothing.
    pub(crate) fn record(&self, body: impl Into<EventBody>) -> u64 {
        let body = body.into();
        let weight = weight(&body);
        let mut state = self.lock();
        if state.failure.is_some() {
            return state.recorded;
        }
        // Within the lock, so that numbers and times rise together.
        let event = NewEvent { time: self.0.clock.now(), body };
        state.recorded += 1;
        if let Some(observer) = &self.0.observer {
            observer.event(state.recorded, &event);
        }
        let was_idle = state.buffer.is_empty();
        let could_wait = !state.should_leave();
        state.buffer.push_back(event);
        state.bytes += weight;
        let number = state.recorded;
        let wake = was_idle || (could_wait && state.should_leave());
        drop(state);
        if wake {
            self.0.work.notify_one();
        }
        number
    }

    /// The number of the last event that was recorded.
    pub(crate) fn recorded(&self) -> u64 {
        self.lock().recorded
    }

    /// What time it is for what is recorded.
    pub(crate) fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// 64 random bits, the same for the same seed.
    pub(crate) fn random(&self) -> u64 {
        self.0.clock.random()
    }

    /// Tells the observer something that is no event.
    pub(crate) fn notice(&self, text: &str) {
        if let Some(observer) = &self.0.observer {
            observer.notice(text);
        }
    }

    /// Whether there is no room: who says much should wait for some.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// Waits for room in the buffer.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            let mut room = std::pin::pin!(self.0.room.1.notified());
            // Listens before it looks again, so that no change falls in between.
            room.as_mut().enable();
            if self.is_full() {
                room.await;
            }
        }
    }

    /// The same for a thread.
    pub(crate) fn wait_for_room(&self) {
        let mut state = self.lock();
        while state.is_full() {
            state = self.0.room.0.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until everything that was recorded so far is kept.
    pub(crate) async fn committed(&self) -> Result<(), StoreError> {
        let mut committed = self.0.committed.subscribe();
        let number = {
            let mut state = self.lock();
            state.wanted = state.recorded;
            state.recorded
        };
        self.0.work.notify_one();
        loop {
            if let Some(result) = reached(&self.lock(), number) {
                return result;
            }
            // The sender lives in `self`.
            let _changed = committed.changed().await;
        }
    }

    /// Does something once what was recorded so far is kept, or can be kept no more; it must not take long.
    pub(crate) fn after_commit(&self, then: impl FnOnce(bool) + Send + 'static) {
        let mut state = self.lock();
        let number = state.recorded;
        if let Some(result) = reached(&state, number) {
            drop(state);
            return then(result.is_ok());
        }
        state.after.push_back((number, Box::new(then)));
        state.wanted = number;
        drop(state);
        self.0.work.notify_one();
    }

    /// The job's journal, with everything that was recorded so far.
    pub(crate) async fn reader(&self) -> Result<Box<dyn JobReader>, StoreError> {
        self.committed().await?;
        self.0.store.reader(self.0.job).await
    }

    /// Everything is kept, and the task that appends ends.
    pub(crate) async fn finish(&self) -> Result<(), StoreError> {
        self.lock().is_closing = true;
        self.0.work.notify_one();
        self.committed().await
    }

    /// Appends what is recorded until [`Recorder::finish`]; ends with the failure if there is one.
    pub(crate) async fn flush(self) {
        loop {
            self.something().await;
            let (events, first) = {
                let mut state = self.lock();
                (state.take_batch(), state.committed + 1)
            };
            self.make_room();
            if events.is_empty() {
                return;
            }
            let last = first + events.len() as u64 - 1;
            let batch =
                Batch { producer: ProducerId::FIRST, first: EventNumber(first), events, epoch: self.0.epoch };
            let result = self.again(|| self.0.store.append(self.0.job, batch.clone())).await;
            let (failure, after) = {
                let mut state = self.lock();
                match result {
                    Ok(_) => state.committed = last,
                    Err(e) => {
                        state.buffer = VecDeque::new();
                        state.failure = Some(e);
                    }
                }
                (state.failure.clone(), state.take_after())
            };
            for then in after {
                then(failure.is_none());
            }
            self.0.committed.send_replace(last);
            if let Some(e) = failure {
                self.make_room();
                return self.0.stops.abort(Stop::Lost(e.to_string()));
            }
        }
    }

    fn make_room(&self) {
        self.0.room.0.notify_all();
        self.0.room.1.notify_waiters();
    }

    /// Waits until a batch should leave.
    async fn something(&self) {
        loop {
            let (should_leave, is_empty) = {
                let state = self.lock();
                (state.should_leave(), state.buffer.is_empty())
            };
            if should_leave {
                return;
            }
            if is_empty {
                self.0.work.notified().await;
            } else if tokio::time::timeout(LINGER, self.0.work.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Keeps bytes as a blob, with the same patience.
    pub(crate) async fn put_blob(&self, bytes: Bytes) -> Result<BlobHash, StoreError> {
        self.again(|| self.0.store.put_blob(bytes.clone())).await
    }

    /// Does something in the store, again and again while its trouble may pass and the job is not cancelled.
    async fn again<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = RETRY.0;
        let mut patience_ends = std::pin::pin!(self.0.stops.patience_ends(self.0.grace));
        loop {
            match attempt().await {
                Ok(done) => {
                    self.said_trouble(None);
                    return Ok(done);
                }
                Err(e) if e.is_transient() => {
                    self.said_trouble(Some(&e));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = &mut patience_ends => return Err(e),
                    }
                    pause = (pause * 2).min(RETRY.1);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Said once when it begins, and once when it is over.
    fn said_trouble(&self, trouble: Option<&StoreError>) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.in_trouble, trouble.is_some()) == trouble.is_some() {
            return;
        }
        drop(state);
        if let Some(observer) = &self.0.observer {
            observer.trouble(trouble);
        }
    }
}

fn reached(state: &State, number: u64) -> Option<Result<(), StoreError>> {
    match &state.failure {
        _ if state.committed >= number => Some(Ok(())),
        Some(e) => Some(Err(e.clone())),
        None => None,
    }
}

/// About how many bytes an event takes; only what may be long is looked at.
fn weight(body: &EventBody) -> usize {
    let long = match body {
        EventBody::LogText(b) => b.text.0.len(),
        EventBody::Named(b) => b.payload.as_ref().map_or(0, |payload| payload.0.len()),
        EventBody::VariableEmitted(b) => b.value.0.len(),
        EventBody::Report(b) => b.data.0.len(),
        EventBody::TargetErr(b) => b.error.len(),
        _ => 0,
    };
    128 + long
}
