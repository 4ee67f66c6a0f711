//! The job's journal, as the server writes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oyez_model::{EventBody, EventNumber, EventSeq, JobId, ProducerId, Time};
use oyez_store::{Batch, Clock, NewEvent, Store, StoreError, SystemClock};

/// How long a call waits for a store in trouble before it is refused.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// Larger bodies are left out of the journal, with a word in their place.
const LARGEST: usize = oyez_store::api::MAX_EVENT_BYTES - 4096;

/// Appends events in order, and does not lose any while it lives.
#[derive(Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
    job: JobId,
    epoch: Option<u64>,
    next: u64,
    waiting: Vec<NewEvent>,
    warned: Option<Instant>,
}

impl Journal {
    /// A journal whose last kept event of the server has the number `last`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, job: JobId, epoch: Option<u64>, last: u64) -> Self {
        Journal { store, job, epoch, next: last + 1, waiting: Vec::new(), warned: None }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.job
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Adds an event to what the next [`Journal::commit`] keeps.
    pub fn add(&mut self, time: i64, body: EventBody) {
        self.waiting.push(NewEvent { time: Time(time), body });
    }

    /// Adds an event that may be too large to be kept as it is.
    pub fn add_large(&mut self, time: i64, body: EventBody) {
        let mut encoded = Vec::new();
        oyez_model::event::encode_body(&body, &mut encoded);
        let size = encoded.len();
        if size <= LARGEST {
            return self.add(time, body);
        }
        let id = match &body {
            EventBody::SectionDetail(b) => b.id,
            EventBody::SectionUpdated(b) => b.id,
            EventBody::SectionStopped(b) => b.id,
            _ => oyez_model::SectionRef::JOB,
        };
        let why = "a value that is too large for the journal; the result files have it".to_owned();
        self.add(time, oyez_model::event::OutputDropped { id, bytes: size as u64, why }.into());
        // What else the event said must be kept: an end without its data is still an end.
        match body {
            EventBody::SectionStopped(mut b) => {
                (b.data, b.peer) = (None, None);
                self.add(time, b.into());
            }
            EventBody::SectionStarted(mut b) => {
                (b.parameters, b.extra, b.peer) = (None, None, None);
                self.add(time, b.into());
            }
            EventBody::TestStopped(mut b) => {
                b.peer = None;
                self.add(time, b.into());
            }
            _ => {}
        }
    }

    /// Whether something waits to be kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps what waits. While the store is in trouble (a full disk, say) it is tried again for a minute; what could not
    /// be kept stays, and is kept first when there is room again.
    ///
    /// # Errors
    /// The store cannot keep it.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(oyez_store::api::MAX_BATCH_EVENTS);
            let events: Vec<NewEvent> = if count == self.waiting.len() {
                std::mem::take(&mut self.waiting)
            } else {
                self.waiting.drain(..count).collect()
            };
            let batch = Batch {
                producer: ProducerId::FIRST,
                first: EventNumber(self.next),
                events,
                epoch: self.epoch,
            };
            // The batch is kept here until it is kept there.
            let spare = batch.events.clone();
            match self.store.append(self.job, batch).await {
                Ok(_) => {
                    self.next += count as u64;
                    if self.warned.take().is_some() {
                        tell!("oyez: the store can be written again; nothing is lost");
                    }
                }
                Err(e) => {
                    self.waiting.splice(0..0, spare);
                    self.warn(&e);
                    if matches!(e, StoreError::Fenced { .. } | StoreError::NoJob(_))
                        || began.elapsed() > PATIENCE
                    {
                        return Err(e);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }

    fn warn(&mut self, e: &StoreError) {
        if self.warned.is_none_or(|at| at.elapsed() > Duration::from_secs(10)) {
            self.warned = Some(Instant::now());
            tell!("oyez: the report waits until the store can be written: {e}");
        }
    }

    /// Every event so far, in order, a page at a time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn replay(&self, mut to: impl FnMut(&oyez_model::Event)) -> Result<(), StoreError> {
        let reader = self.store.reader(self.job).await?;
        let mut after = EventSeq(0);
        loop {
            let page = reader.events_after(after, 10_000)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            page.iter().for_each(|(_, event)| to(event));
        }
    }
}

/// Now, in nanoseconds since the Unix epoch.
#[must_use]
pub fn now() -> i64 {
    SystemClock.now().0
}
