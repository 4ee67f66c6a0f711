//! What is known of the command, on its way into the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oyez_model::event::{Artifact, EventBody, LogText, OutputDropped, SourceCut, Stream};
use oyez_model::{EventNumber, JobId, ProducerId, SectionRef};
use oyez_store::{Batch, Clock, LeaseName, NewEvent, Owner, SqliteStore, Store, StoreError, SystemClock};

use super::child::{End, Ending};
use super::spool::{Piece, Spool};
use crate::error::CommandError;

/// So much of the command's output stands in the journal itself; the rest goes into blobs ...
const INLINE: usize = 8 << 20;
/// ... of this size ...
const BLOB: usize = 8 << 20;
/// ... up to so much; beyond that it is counted as dropped.
const MOST: u64 = 4 << 30;
/// One event of log text.
const TEXT: usize = 64 << 10;
/// Events of one batch.
const BATCH: usize = 512;
/// Output is kept at the latest after this time.
const FLUSH: Duration = Duration::from_millis(100);
/// How long the end of the run waits for a store in trouble. While the command runs there is time.
const LAST_TRIES: Duration = Duration::from_secs(3);
/// The lease on the job, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(3);

/// What the store is asked, and what to do while it is in trouble.
#[derive(Debug)]
pub struct Patience {
    end: End,
    trouble: Option<Instant>,
    progress: Arc<AtomicU64>,
}

impl Patience {
    /// For a command whose end is `end`; each success is counted in `progress`.
    pub fn new(end: End, progress: Arc<AtomicU64>) -> Self {
        Patience { end, trouble: None, progress }
    }

    fn worked(&mut self) {
        self.trouble = None;
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The trouble will not pass, or has not for too long after the command's end.
    async fn pause(&mut self, e: StoreError) -> Result<(), CommandError> {
        let since = *self.trouble.get_or_insert_with(Instant::now);
        let waited = self.end.came().map_or(Duration::ZERO, |end| end.max(since).elapsed());
        if !e.is_transient() || waited > LAST_TRIES {
            return Err(e.into());
        }
        tokio::time::sleep(FLUSH).await;
        Ok(())
    }

    /// Asks until it works.
    ///
    /// # Errors
    /// The trouble will not pass, or has not for too long after the command's end.
    pub async fn insist<T>(
        &mut self,
        mut ask: impl AsyncFnMut() -> Result<T, StoreError>,
    ) -> Result<T, CommandError> {
        loop {
            match ask().await {
                Ok(answer) => {
                    self.worked();
                    return Ok(answer);
                }
                Err(e) => self.pause(e).await?,
            }
        }
    }
}

/// Numbers and keeps the events of one job.
pub struct Recorder {
    store: Arc<SqliteStore>,
    job: JobId,
    owner: Owner,
    next: u64,
    waiting: Vec<NewEvent>,
    inline: usize,
    rest: [Vec<u8>; 2],
    blobs: u64,
    dropped: u64,
    patience: Patience,
    renewing: tokio::task::JoinHandle<()>,
}

impl Recorder {
    /// For a job whose next event of its first producer is `next`.
    pub fn new(store: Arc<SqliteStore>, job: JobId, owner: Owner, next: u64, patience: Patience) -> Self {
        let (held, who) = (store.clone(), owner.clone());
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW).await;
                // When it cannot be renewed now, the next time comes soon; nobody takes a job of this kind over.
                let _ = held.renew(&[LeaseName::Job(job)], &who, LEASE).await;
            }
        });
        Recorder {
            store,
            job,
            owner,
            next,
            waiting: Vec::new(),
            inline: 0,
            rest: [Vec::new(), Vec::new()],
            blobs: 0,
            dropped: 0,
            patience,
            renewing,
        }
    }

    /// One more event, to be kept with the next batch.
    pub fn push(&mut self, body: impl Into<EventBody>) {
        self.waiting.push(NewEvent { time: SystemClock.now(), body: body.into() });
    }

    /// Batches that are full are kept.
    ///
    /// # Errors
    /// The store's own trouble.
    pub async fn make_room(&mut self) -> Result<(), CommandError> {
        if self.waiting.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Keeps the output as it comes, until the command has ended.
    ///
    /// # Errors
    /// The store's own trouble.
    pub async fn follow(&mut self, spool: &Spool) -> Result<Ending, CommandError> {
        let mut tick = tokio::time::interval(FLUSH);
        loop {
            tokio::select! {
                biased;
                piece = spool.next() => match piece {
                    Some(piece) => self.output(piece).await?,
                    None => break,
                },
                _ = tick.tick() => self.flush().await?,
            }
        }
        let ending = self.patience.end.wait().await;
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.put_rest(stream).await?;
        }
        let id = SectionRef::own(super::job::TEST);
        for (bytes, why) in [
            (spool.dropped(), "the command printed faster than it could be kept"),
            (self.dropped, "more output than the limit of 4 GiB"),
        ] {
            if bytes > 0 {
                self.push(OutputDropped { id, bytes, why: why.to_owned() });
            }
        }
        for unsent in &ending.unsent {
            self.push(OutputDropped { id, bytes: unsent.bytes, why: unsent.why.clone() });
        }
        if ending.is_held {
            let reason = "something that the command left behind goes on printing: what came after the command's \
                          end is not in this report";
            self.push(SourceCut { id, reason: reason.to_owned() });
        }
        Ok(ending)
    }

    async fn output(&mut self, piece: Piece) -> Result<(), CommandError> {
        let Piece { time, stream, bytes } = piece;
        if self.inline + bytes.len() > INLINE {
            self.inline = INLINE;
            if self.blobs + bytes.len() as u64 > MOST {
                self.dropped += bytes.len() as u64;
                return Ok(());
            }
            self.blobs += bytes.len() as u64;
            self.rest[usize::from(stream == Stream::Stderr)].extend_from_slice(&bytes);
            if self.rest[usize::from(stream == Stream::Stderr)].len() >= BLOB {
                self.put_rest(stream).await?;
            }
            return Ok(());
        }
        self.inline += bytes.len();
        if let Some(NewEvent { body: EventBody::LogText(last), .. }) = self.waiting.last_mut()
            && last.stream == stream
            && last.text.0.len() + bytes.len() <= TEXT
        {
            last.text.0.extend_from_slice(&bytes);
            return Ok(());
        }
        let id = SectionRef::own(super::job::TEST);
        self.waiting.push(NewEvent::new(time, LogText { id, stream, text: bytes.into(), level: None }));
        self.make_room().await
    }

    async fn put_rest(&mut self, stream: Stream) -> Result<(), CommandError> {
        let bytes = std::mem::take(&mut self.rest[usize::from(stream == Stream::Stderr)]);
        if bytes.is_empty() {
            return Ok(());
        }
        let size = bytes.len() as u64;
        let (store, bytes) = (self.store.clone(), Bytes::from(bytes));
        let blob = self.patience.insist(async || store.put_blob(bytes.clone()).await).await?;
        let name = if stream == Stream::Stderr { "stderr" } else { "stdout" };
        self.push(Artifact {
            id: SectionRef::own(super::job::TEST),
            name: name.to_owned(),
            mime: "text/plain".to_owned(),
            blob,
            size,
            rest_of: Some(stream),
        });
        Ok(())
    }

    /// Keeps what waits; trouble that may pass is waited for.
    ///
    /// # Errors
    /// The store's own trouble.
    pub async fn flush(&mut self) -> Result<(), CommandError> {
        while !self.waiting.is_empty() {
            let n = self.waiting.len().min(BATCH);
            let (store, job, events) = (&self.store, self.job, &self.waiting[..n]);
            let (producer, first) = (ProducerId::FIRST, EventNumber(self.next));
            let append = async || {
                let batch = Batch { producer, first, events: events.to_vec(), epoch: None };
                store.append(job, batch).await
            };
            self.patience.insist(append).await?;
            self.waiting.drain(..n);
            self.next += n as u64;
        }
        Ok(())
    }

    /// Keeps all that is left; gives the store and the job back.
    ///
    /// # Errors
    /// The store's trouble has not passed.
    pub async fn finish(mut self) -> Result<(Arc<SqliteStore>, JobId), CommandError> {
        self.flush().await?;
        self.renewing.abort();
        let (store, job, owner) = (self.store.clone(), self.job, self.owner.clone());
        self.patience.insist(async || store.release(&[LeaseName::Job(job)], &owner).await).await?;
        Ok((store, job))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
