//! What is known of the command, on its way into the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use oyez_model::event::{Artifact, EventBody, LogText, OutputDropped, Stream};
use oyez_model::{EventNumber, JobId, ProducerId, SectionRef};
use oyez_store::{Batch, Clock, LeaseName, NewEvent, Owner, SqliteStore, Store, StoreError, SystemClock};

use super::child::{End, Log, Piece};
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
/// Events that wait while the store is in trouble.
const PATIENCE: usize = 4096;
/// How long the end of the run waits for a store in trouble.
const LAST_TRIES: Duration = Duration::from_secs(10);
/// The lease on the job, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(3);

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
    renewing: tokio::task::JoinHandle<()>,
}

impl Recorder {
    /// For a job whose next event of its first producer is `next`.
    pub fn new(store: Arc<SqliteStore>, job: JobId, owner: Owner, next: u64) -> Self {
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
        if self.waiting.len() >= BATCH { Ok(self.flush().await?) } else { Ok(()) }
    }

    /// Keeps the output as it comes, until the command has ended.
    ///
    /// # Errors
    /// The store's own trouble.
    pub async fn follow(&mut self, mut log: Log, end: &mut End) -> Result<(), CommandError> {
        let mut tick = tokio::time::interval(FLUSH);
        loop {
            tokio::select! {
                biased;
                piece = log.pieces.recv() => match piece {
                    Some(piece) => self.output(piece).await?,
                    None => break,
                },
                _ = end.wait() => break,
                _ = tick.tick() => self.try_flush().await?,
            }
        }
        end.wait().await;
        while let Ok(piece) = log.pieces.try_recv() {
            self.output(piece).await?;
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.put_rest(stream).await?;
        }
        let unheard = log.dropped.load(Ordering::Relaxed);
        for (bytes, why) in [
            (unheard, "the command printed faster than it could be kept"),
            (self.dropped, "more output than the limit of 4 GiB"),
        ] {
            if bytes > 0 {
                self.push(OutputDropped { id: SectionRef::own(super::TEST), bytes, why: why.to_owned() });
            }
        }
        Ok(())
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
        let id = SectionRef::own(super::TEST);
        self.waiting.push(NewEvent::new(time, LogText { id, stream, text: bytes.into(), level: None }));
        self.make_room_or_wait().await
    }

    async fn put_rest(&mut self, stream: Stream) -> Result<(), CommandError> {
        let bytes = std::mem::take(&mut self.rest[usize::from(stream == Stream::Stderr)]);
        if bytes.is_empty() {
            return Ok(());
        }
        let size = bytes.len() as u64;
        let blob = self.store.put_blob(Bytes::from(bytes)).await?;
        let name = if stream == Stream::Stderr { "stderr" } else { "stdout" };
        self.push(Artifact {
            id: SectionRef::own(super::TEST),
            name: name.to_owned(),
            mime: "text/plain".to_owned(),
            blob,
            size,
            rest_of: Some(stream),
        });
        Ok(())
    }

    async fn make_room_or_wait(&mut self) -> Result<(), CommandError> {
        if self.waiting.len() < BATCH { Ok(()) } else { self.try_flush().await }
    }

    /// Keeps what waits; trouble that may pass leaves it waiting, up to a limit.
    async fn try_flush(&mut self) -> Result<(), CommandError> {
        match self.flush().await {
            Err(e) if e.is_transient() && self.waiting.len() < PATIENCE => Ok(()),
            other => Ok(other?),
        }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        while !self.waiting.is_empty() {
            let n = self.waiting.len().min(BATCH);
            let events = self.waiting[..n].to_vec();
            let batch =
                Batch { producer: ProducerId::FIRST, first: EventNumber(self.next), events, epoch: None };
            self.store.append(self.job, batch).await?;
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
        let until = tokio::time::Instant::now() + LAST_TRIES;
        loop {
            match self.flush().await {
                Ok(()) => break,
                Err(e) if e.is_transient() && tokio::time::Instant::now() < until => {
                    tokio::time::sleep(FLUSH).await;
                }
                Err(e) => {
                    self.renewing.abort();
                    return Err(e.into());
                }
            }
        }
        self.renewing.abort();
        self.store.release(&[LeaseName::Job(self.job)], &self.owner).await?;
        Ok((self.store.clone(), self.job))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
