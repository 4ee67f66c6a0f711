//! The embedded store: SQLite in WAL mode, one file, and a folder of large blobs beside it.
//!
//! ```text
//! DIR/oyez.db        job, chunk (the journal), node, segment, producer (rows), checkpoint, lease, blob (small ones)
//! DIR/oyez.db-wal    SQLite's log: what was committed and not yet moved into the file
//! DIR/oyez.db-wal.damaged...   copies of logs that were broken in the middle ([`wal`]); nobody needs them but people
//! DIR/oyez.db-shm    SQLite's index of that log, shared between processes
//! DIR/blobs/ab/...   large blobs by their hash
//! DIR/search/...     the index of logs, which can be thrown away ([`index`])
//! DIR/oyez.lock      shared by all who may write; held alone while the file is made, migrated or checked
//! ```
//!
//! One thread writes. It takes everything that is in line ([`queue`]), runs it in one transaction ([`commit`]) and
//! answers: group commit. Small chunks of ended jobs are merged in the pauses ([`merge`]). A second thread moves the
//! log into the file, so that no commit waits for it. Readers have connections of their own ([`pool`]), and see one
//! moment for as long as they live.
//!
//! Under [`Durability::Process`] SQLite runs with `synchronous=NORMAL`: a commit is in the kernel's hands, so that a
//! killed process loses nothing; a power cut may lose the last commits, never the file. Under [`Durability::Power`]
//! each commit is synced (`FULL`).
//!
//! When the device fails to sync the file itself, the log is what counts: see [`unkept`].
//!
//! Several processes may have the file open. Each has its own live states and looks at a job's last number again when
//! the file has changed under it; a lease with an epoch keeps a job to one runner.

mod blob;
mod chunk;
mod commit;
mod fsck;
mod index;
mod jobs;
mod lease;
mod load;
mod lock;
mod merge;
mod mover;
mod notify;
mod pool;
mod queue;
#[cfg(test)]
mod queue_order;
mod reader;
mod rows;
mod schema;
mod searching;
mod trouble;
pub mod unkept;
pub mod wal;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use oyez_model::{BlobHash, EventSeq, JobId};
use tokio::sync::watch;

pub use fsck::{Finding, FsckOptions, FsckReport, fsck};
pub use index::build::Indexed;

use crate::api::{
    Ack, Batch, Durability, HeldTarget, Holder, JobFilter, JobInfo, JobReader, Lease, LeaseName, NewJob,
    Owner, Store, TargetNote,
};
use crate::blobs::Blobs;
use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::search::{LogPage, LogQuery, TagCount, TagFilter};
use commit::{Answer, Ask, Committer, prepare};
use lock::Lock;
use mover::Mover;
use pool::Pool;
use queue::Queue;
use reader::SqliteReader;
use trouble::Trouble;
use writer::Writer;

/// The name of the file in the store's folder.
pub const FILE: &str = "oyez.db";

/// How to open a store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// What an ack promises.
    pub durability: Durability,
    /// Only read: nothing is made, migrated or written; appends are refused.
    pub read_only: bool,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// The name of a registered SQLite file system to use instead of the system's: for tests that put faults in.
    pub vfs: Option<String>,
    /// Where large blobs go, if not into the folder `blobs`.
    pub blobs: Option<Blobs>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            durability: Durability::Process,
            read_only: false,
            clock: Arc::new(SystemClock),
            vfs: None,
            blobs: None,
        }
    }
}

/// A store in a folder.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// None in a store that is only read.
    writer: Option<Arc<Writer>>,
    inline: bool,
    pool: Arc<Pool>,
    index: Arc<index::file::Index>,
    blobs: Blobs,
    commits: watch::Sender<u64>,
    watching: AtomicBool,
    /// Set when the store is dropped or closed: who watches for commits of others may end.
    stopped: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    mover: Arc<Mover>,
    /// Held as long as the store is open, and shared with all others who may write.
    _lock: Option<File>,
}

/// An error of the system at a path, in the store's words.
pub(crate) fn io_trouble(path: &Path, e: &std::io::Error) -> StoreError {
    Trouble(path).io(e)
}

/// Runs a future to its end on this thread, which may block.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => handle.block_on(future),
        Err(_) => {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.map_err(|e| io_trouble(Path::new("."), &e))?.block_on(future)
        }
    }
}

impl SqliteStore {
    /// Opens the store in `folder`, making or migrating it unless it is to be read only.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::Newer`], [`StoreError::Full`], [`StoreError::Damaged`], ...
    pub fn open(folder: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let power = options.durability == Durability::Power;
        if !options.read_only && options.vfs.is_none() {
            make_folder(folder).map_err(|e| io_trouble(folder, &e))?;
        }
        let blobs = match &options.blobs {
            Some(blobs) => blobs.clone(),
            None => Blobs::local(&folder.join("blobs"), power, !options.read_only)?,
        };
        let pool = Arc::new(Pool::new(path.clone(), options.vfs.clone(), options.read_only));
        let commits = watch::Sender::new(0);
        let mover = Arc::new(Mover::new(pool.clone()));
        let mut threads = Vec::new();
        let (mut writer, mut lock) = (None, None);
        if options.read_only {
            let conn = pool.take()?;
            let found = schema::version(&conn).map_err(|e| Trouble(folder).of(e))?;
            if found != schema::VERSION {
                return Err(schema::not_of_today(folder, found));
            }
            pool.put(conn);
        } else {
            let conn;
            (conn, lock) = open_for_writing(folder, &path, &options, power, &mover)?;
            let committer = Committer::new(conn, folder.to_owned(), options.clock.clone(), mover.clone())?;
            let new = Arc::new(Writer {
                committer: Mutex::new(committer),
                queue: Queue::default(),
                commits: commits.clone(),
                mover: mover.clone(),
            });
            let (writing, moving) = (new.clone(), mover.clone());
            threads.push(spawn(folder, "oyez-writer", move || writing.run())?);
            threads.push(spawn(folder, "oyez-mover", move || moving.run())?);
            writer = Some(new);
        }
        Ok(SqliteStore {
            path: folder.to_owned(),
            clock: options.clock,
            writer,
            // A commit that is synced takes milliseconds: not on a thread that others wait for.
            inline: !power,
            index: Arc::new(index::file::Index::new(&pool)),
            pool,
            blobs,
            commits,
            watching: AtomicBool::new(false),
            stopped: Arc::new(AtomicBool::new(false)),
            threads: Mutex::new(threads),
            mover,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::ReadOnly {
                path: self.path.clone(),
                reason: "opened for reading only".to_owned(),
            });
        };
        writer.queue.ask(ask, || self.inline && writer.work_here()).await
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection, Trouble<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        let work = move || {
            let conn = pool.take()?;
            let t = Trouble(pool.path());
            // One moment for all that is read, so that a checkpoint and the events after it belong together.
            let result = conn.execute_batch("BEGIN").map_err(|e| t.of(e)).and_then(|()| read(&conn, t));
            pool.put(conn);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
    }

    /// From now on commits of other processes wake those who wait, too.
    fn watch_others(&self) {
        if self.watching.swap(true, Ordering::SeqCst) {
            return;
        }
        let (commits, pool, stopped) = (self.commits.clone(), self.pool.clone(), self.stopped.clone());
        let work = move || notify::run(&pool, &stopped, || commits.send_modify(|n| *n += 1));
        if spawn(&self.path, "oyez-watch", work).is_err() {
            self.watching.store(false, Ordering::SeqCst);
        }
    }
}

fn spawn(
    folder: &Path,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|e| io_trouble(folder, &e))
}

fn open_for_writing(
    folder: &Path,
    path: &Path,
    options: &SqliteOptions,
    power: bool,
    mover: &Arc<Mover>,
) -> Result<(rusqlite::Connection, Option<File>), StoreError> {
    let t = Trouble(folder);
    let begun = Instant::now();
    let (mut conn, lock) = loop {
        let lock = if options.vfs.is_none() { Some(Lock::take(folder)?) } else { None };
        let alone = lock.as_ref().is_none_or(Lock::is_alone);
        if alone && lock.is_some() {
            wal::refuse_emptied(path)?;
            wal::check(path, power, t)?;
        }
        let mut conn = pool::open(path, options.vfs.as_deref(), power, false).map_err(|e| t.of(e))?;
        let found = schema::version(&conn).map_err(|e| t.of(e))?;
        if unkept::is_marked(&conn).map_err(|e| t.of(e))? {
            drop(conn);
            conn = mended(folder, path, options, power, alone)?;
        }
        if alone || found > schema::VERSION {
            schema::prepare(&mut conn, folder)?;
            break (conn, lock);
        }
        if found == schema::VERSION {
            break (conn, lock);
        }
        // Whoever has it open knows an older version only, or was killed while making it: then we are alone soon.
        if begun.elapsed() > Duration::from_secs(trouble::BUSY_SECONDS) {
            return Err(StoreError::Busy { path: folder.to_owned(), seconds: trouble::BUSY_SECONDS });
        }
        drop((conn, lock));
        std::thread::sleep(Duration::from_millis(20));
    };
    let lock = lock.map(Lock::share).transpose()?;
    // Whether it can be written is found out now, not at the first event.
    conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(|e| t.of(e))?;
    let mover = mover.clone();
    let hook = move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        mover.grown(u64::try_from(pages).unwrap_or(0));
        Ok(())
    };
    conn.wal_hook(Some(hook)).map_err(|e| t.of(e))?;
    Ok((conn, lock))
}

/// Opens a file of which a sync had failed, once its log has been moved into it from the beginning.
fn mended(
    folder: &Path,
    path: &Path,
    options: &SqliteOptions,
    power: bool,
    alone: bool,
) -> Result<rusqlite::Connection, StoreError> {
    let t = Trouble(folder);
    let unkept = || StoreError::Unkept { path: folder.to_owned() };
    if !alone {
        return Err(unkept());
    }
    unkept::mend(path, options.vfs.as_deref()).map_err(|e| match t.of(e) {
        StoreError::Busy { .. } => unkept(),
        other => other,
    })?;
    pool::open(path, options.vfs.as_deref(), power, false).map_err(|e| t.of(e))
}

/// Makes the folder, for its owner only: it holds what was tested, and how.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_job(&self, job: NewJob) -> Result<JobId, StoreError> {
        match self.ask(Ask::Create(Box::new(job))).await? {
            Answer::Job(id) => Ok(id),
            _ => Err(StoreError::Closed),
        }
    }

    async fn append(&self, job: JobId, batch: Batch) -> Result<Ack, StoreError> {
        let batch = prepare(batch.producer, batch.first, batch.events, batch.epoch)?;
        match self.ask(Ask::Append(job, batch)).await? {
            Answer::Ack(ack) => Ok(ack),
            _ => Err(StoreError::Closed),
        }
    }

    async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobInfo>, StoreError> {
        let now = self.clock.now();
        self.read(move |conn, t| jobs::list(conn, t, &filter, now)).await
    }

    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<JobId>, StoreError> {
        self.read(move |conn, t| jobs::ids(conn, &filter).map_err(|e| t.of(e))).await
    }

    async fn job(&self, id: JobId) -> Result<JobInfo, StoreError> {
        let now = self.clock.now();
        self.read(move |conn, t| jobs::get(conn, t, id, now)).await
    }

    async fn find(&self, text: &str) -> Result<Vec<JobId>, StoreError> {
        let text = text.to_owned();
        self.read(move |conn, t| jobs::find(conn, &text).map_err(|e| t.of(e))).await
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, StoreError> {
        self.find_logs(query).await
    }

    async fn tags(&self, filter: TagFilter) -> Result<Vec<TagCount>, StoreError> {
        self.read(move |conn, t| searching::tags(conn, &filter).map_err(|e| t.of(e))).await
    }

    async fn reader(&self, job: JobId) -> Result<Box<dyn JobReader>, StoreError> {
        let (pool, blobs) = (self.pool.clone(), self.blobs.clone());
        let open = move || SqliteReader::open(pool, blobs, job).map(|r| Box::new(r) as Box<dyn JobReader>);
        tokio::task::spawn_blocking(open).await.map_err(|_| StoreError::Closed)?
    }

    async fn wait(&self, job: JobId, after: EventSeq, timeout: Duration) -> Result<EventSeq, StoreError> {
        // Listens before it looks, so that no commit falls in between.
        let mut commits = self.commits.subscribe();
        self.watch_others();
        let end = tokio::time::Instant::now() + timeout;
        loop {
            let last = self.read(move |conn, t| load::last_seq(conn, job).map_err(|e| t.of(e))).await?;
            if last.0 == 0 {
                return Err(StoreError::NoJob(job));
            }
            if last > after {
                return Ok(last);
            }
            if tokio::time::timeout_at(end, commits.changed()).await.is_err() {
                return Ok(last);
            }
        }
    }

    async fn acquire(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        job: Option<JobId>,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        self.lease(names, owner, job, ttl, false).await
    }

    async fn renew(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        self.lease(names, owner, None, ttl, true).await
    }

    async fn holder(&self, name: &LeaseName) -> Result<Option<Holder>, StoreError> {
        let (name, now) = (name.clone(), self.clock.now());
        let held = self.read(move |conn, t| lease::get(conn, &name).map_err(|e| t.of(e))).await?;
        let held = held.filter(|held| held.expires > now);
        Ok(held.and_then(|held| Some(Holder { owner: held.owner?, job: held.job, expires: held.expires })))
    }

    async fn inherit(&self, job: JobId, owner: &Owner, ttl: Duration) -> Result<Vec<LeaseName>, StoreError> {
        let until = self.clock.now().plus(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        match self.ask(Ask::Inherit { job, owner: owner.clone(), until }).await? {
            Answer::Names(names) => Ok(names),
            _ => Ok(Vec::new()),
        }
    }

    async fn held_targets(&self, after: Option<&str>, limit: usize) -> Result<Vec<HeldTarget>, StoreError> {
        let (after, now) = (after.map(str::to_owned), self.clock.now());
        self.read(move |conn, t| lease::targets(conn, after.as_deref(), limit, now).map_err(|e| t.of(e)))
            .await
    }

    async fn note_target(&self, note: TargetNote) -> Result<(), StoreError> {
        self.ask(Ask::Note(note)).await.map(|_| ())
    }

    async fn target_notes(&self, target: Option<&str>, limit: usize) -> Result<Vec<TargetNote>, StoreError> {
        let target = target.map(str::to_owned);
        self.read(move |conn, t| lease::notes(conn, target.as_deref(), limit).map_err(|e| t.of(e))).await
    }

    async fn release(&self, names: &[LeaseName], owner: &Owner) -> Result<(), StoreError> {
        self.ask(Ask::Release { names: names.to_vec(), owner: owner.clone() }).await.map(|_| ())
    }

    async fn release_all(&self, owner: &Owner) -> Result<(), StoreError> {
        self.ask(Ask::ReleaseAll(owner.clone())).await.map(|_| ())
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<BlobHash, StoreError> {
        let hash = crate::blobs::hash_of(&bytes);
        if bytes.len() <= blob::PACK_UP_TO {
            self.ask(Ask::PutBlob(blob::Packed::new(hash, &bytes))).await?;
        } else {
            self.blobs.put(hash, bytes).await?;
        }
        Ok(hash)
    }

    async fn get_blob(&self, hash: BlobHash) -> Result<Bytes, StoreError> {
        let packed = self.read(move |conn, t| blob::get(conn, t, hash)).await?;
        match packed {
            Some(bytes) => Ok(bytes),
            None => self.blobs.get(hash).await,
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let (pool, mover) = (self.pool.clone(), self.mover.clone());
        let end = move || {
            for thread in threads {
                // A thread that panicked has said so already; what it had acked is kept.
                let _ = thread.join();
            }
            mover.unpin();
            pool.clear();
        };
        tokio::task::spawn_blocking(end).await.map_err(|_| StoreError::Closed)
    }
}

impl SqliteStore {
    fn stop(&self) {
        if let Some(writer) = &self.writer {
            writer.queue.close();
        }
        self.mover.stop();
        self.stopped.store(true, Ordering::SeqCst);
    }

    async fn lease(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        job: Option<JobId>,
        ttl: Duration,
        renew: bool,
    ) -> Result<Vec<Lease>, StoreError> {
        let until = self.clock.now().plus(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        let ask = Ask::Acquire { names: names.to_vec(), owner: owner.clone(), job, until, renew };
        match self.ask(ask).await? {
            Answer::Leases(leases) => Ok(leases),
            _ => Err(StoreError::Closed),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}
