//! A store in memory: the reference that the SQLite form is held against, and a fast one for tests.

pub(crate) mod job;
mod reader;
mod search;

pub(crate) use job::Kept;
pub(crate) use reader::is_leaf_failure;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oyez_model::{BlobHash, EventSeq, JobId, JobUid};
use tokio::sync::watch;

use crate::api::{
    Ack, Batch, HeldTarget, Holder, JobFilter, JobInfo, JobReader, Lease, LeaseName, NewJob, Owner, Store,
    TargetNote,
};
use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::search::{LogPage, LogQuery, TagCount, TagFilter};
use job::{MemoryJob, check_limits};
use reader::MemoryReader;

/// Everything in memory, gone with the process.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    commits: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: Vec<Arc<MemoryJob>>,
    by_uid: HashMap<JobUid, JobId>,
    leases: HashMap<LeaseName, Held>,
    notes: Vec<TargetNote>,
    blobs: Arc<HashMap<BlobHash, Bytes>>,
}

#[derive(Clone, Debug)]
struct Held {
    owner: Option<Owner>,
    job: Option<JobId>,
    lease: Lease,
}

impl MemoryStore {
    /// An empty store with the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store with a clock of the caller's.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        MemoryStore { clock, inner: Mutex::default(), commits: watch::Sender::new(0) }
    }

    // A panic while the lock was held is a bug; what is in there is as good as it gets.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn job(&self, id: JobId) -> Result<&Arc<MemoryJob>, StoreError> {
        let i = usize::try_from(id.0).ok().and_then(|i| i.checked_sub(1));
        i.and_then(|i| self.jobs.get(i)).ok_or(StoreError::NoJob(id))
    }

    fn job_mut(&mut self, id: JobId) -> Result<&mut MemoryJob, StoreError> {
        let i = usize::try_from(id.0).ok().and_then(|i| i.checked_sub(1));
        i.and_then(|i| self.jobs.get_mut(i)).map(Arc::make_mut).ok_or(StoreError::NoJob(id))
    }

    fn info(&self, id: JobId, now: oyez_model::Time) -> Result<JobInfo, StoreError> {
        let held = self.leases.get(&LeaseName::Job(id)).filter(|held| held.lease.expires > now);
        let owner = held.and_then(|held| Some((held.owner.clone()?, held.lease.expires)));
        Ok(JobInfo { id, row: self.job(id)?.live.job_row(), owner, damage: None })
    }

    fn take(
        &mut self,
        names: &[LeaseName],
        owner: &Owner,
        now: oyez_model::Time,
        ttl: Duration,
        how: Take,
    ) -> Result<Vec<Lease>, StoreError> {
        let expires = now.plus(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        for name in names {
            let held = self.leases.get(name);
            let mine = held.is_some_and(|h| h.owner.as_ref() == Some(owner));
            let free = held.is_none_or(|h| h.owner.is_none() || h.lease.expires <= now);
            if !(mine || (free && matches!(how, Take::New(_)))) {
                return Err(StoreError::Held {
                    name: name.to_string(),
                    owner: held
                        .and_then(|h| h.owner.as_ref())
                        .map_or_else(|| "nobody".to_owned(), Owner::to_string),
                    until: held.filter(|h| h.owner.is_some()).map(|h| h.lease.expires.to_string()),
                    job: held.and_then(|h| h.job),
                });
            }
        }
        let take_one = |name: &LeaseName, leases: &mut HashMap<LeaseName, Held>| {
            let before = leases.get(name);
            let mine = before.is_some_and(|h| h.owner.as_ref() == Some(owner));
            let epoch = before.map_or(1, |h| if mine { h.lease.epoch } else { h.lease.epoch + 1 });
            let job = match how {
                Take::New(job) => job,
                Take::Again => before.and_then(|h| h.job),
            };
            let lease = Lease { epoch, expires };
            leases.insert(name.clone(), Held { owner: Some(owner.clone()), job, lease: lease.clone() });
            lease
        };
        Ok(names.iter().map(|name| take_one(name, &mut self.leases)).collect())
    }
}

#[derive(Clone, Copy)]
enum Take {
    New(Option<JobId>),
    Again,
}

/// How long a job's owner may be silent before anybody may take it over.
pub const JOB_LEASE: Duration = Duration::from_secs(10);

#[async_trait]
impl Store for MemoryStore {
    async fn create_job(&self, job: NewJob) -> Result<JobId, StoreError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        if let Some(id) = inner.by_uid.get(&job.submitted.uid) {
            return Ok(*id);
        }
        check_limits(&job.then, 1)?;
        let id = JobId(inner.jobs.len() as u64 + 1);
        if let Some(owner) = &job.owner {
            let name = LeaseName::Job(id);
            inner.take(std::slice::from_ref(&name), owner, now, JOB_LEASE, Take::New(Some(id)))?;
            if let Some(held) = inner.leases.get_mut(&name) {
                held.lease.epoch = 1;
            }
        }
        inner.by_uid.insert(job.submitted.uid, id);
        inner.jobs.push(Arc::new(MemoryJob::new(job)));
        drop(inner);
        self.commits.send_modify(|n| *n += 1);
        Ok(id)
    }

    async fn append(&self, job: JobId, batch: Batch) -> Result<Ack, StoreError> {
        check_limits(&batch.events, 0)?;
        let mut inner = self.lock();
        inner.job(job)?;
        let current = inner.leases.get(&LeaseName::Job(job)).map(|held| held.lease.epoch);
        if let (Some(held), Some(current)) = (batch.epoch, current)
            && held != current
        {
            return Err(StoreError::Fenced { job, held, current });
        }
        let ack = inner.job_mut(job)?.append(job, batch)?;
        drop(inner);
        self.commits.send_modify(|n| *n += 1);
        Ok(ack)
    }

    async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobInfo>, StoreError> {
        let now = self.clock.now();
        let inner = self.lock();
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let mut out = Vec::new();
        for id in (1..=inner.jobs.len() as u64).rev().map(JobId) {
            if out.len() == limit {
                break;
            }
            let info = inner.info(id, now)?;
            let row = &info.row;
            let fits = (filter.states.is_empty() || filter.states.contains(&row.state))
                && filter.tags.iter().all(|tag| row.tags.contains(tag))
                && filter.guid.as_ref().is_none_or(|g| row.guids.iter().any(|have| have.as_str() == g))
                && filter.server.as_ref().is_none_or(|server| row.server_id.as_ref() == Some(server))
                && (filter.ids.is_empty() || filter.ids.contains(&id))
                && filter.before.is_none_or(|before| id < before);
            if fits {
                out.push(info);
            }
        }
        Ok(out)
    }

    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<JobId>, StoreError> {
        Ok(self.jobs(filter).await?.into_iter().map(|info| info.id).collect())
    }

    async fn job(&self, id: JobId) -> Result<JobInfo, StoreError> {
        self.lock().info(id, self.clock.now())
    }

    async fn find(&self, text: &str) -> Result<Vec<JobId>, StoreError> {
        let inner = self.lock();
        let last = inner.jobs.len() as u64;
        if text == "latest" {
            return Ok((last > 0).then_some(JobId(last)).into_iter().collect());
        }
        if let Ok(n) = text.parse::<u64>()
            && (1..=last).contains(&n)
        {
            return Ok(vec![JobId(n)]);
        }
        if let Some(id) = text.parse::<JobUid>().ok().and_then(|uid| inner.by_uid.get(&uid)) {
            return Ok(vec![*id]);
        }
        let has = |id: &JobId| {
            inner.job(*id).is_ok_and(|j| j.live.job_row().guids.iter().any(|g| g.as_str() == text))
        };
        Ok((1..=last).rev().map(JobId).filter(has).take(100).collect())
    }

    async fn search_logs(&self, query: LogQuery) -> Result<LogPage, StoreError> {
        let jobs = self.lock().jobs.clone();
        search::logs(&jobs, &query)
    }

    async fn tags(&self, filter: TagFilter) -> Result<Vec<TagCount>, StoreError> {
        Ok(search::tags(&self.lock().jobs, &filter))
    }

    async fn reader(&self, job: JobId) -> Result<Box<dyn JobReader>, StoreError> {
        let inner = self.lock();
        Ok(Box::new(MemoryReader::new(job, inner.job(job)?.clone(), inner.blobs.clone())))
    }

    async fn wait(&self, job: JobId, after: EventSeq, timeout: Duration) -> Result<EventSeq, StoreError> {
        let mut commits = self.commits.subscribe();
        let end = tokio::time::Instant::now() + timeout;
        loop {
            let last = self.lock().job(job)?.live.last_seq();
            if last > after || tokio::time::timeout_at(end, commits.changed()).await.is_err() {
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
        let now = self.clock.now();
        self.lock().take(names, owner, now, ttl, Take::New(job))
    }

    async fn renew(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let now = self.clock.now();
        self.lock().take(names, owner, now, ttl, Take::Again)
    }

    async fn holder(&self, name: &LeaseName) -> Result<Option<Holder>, StoreError> {
        let now = self.clock.now();
        let inner = self.lock();
        let held = inner.leases.get(name).filter(|held| held.lease.expires > now);
        Ok(held.and_then(|held| {
            Some(Holder { owner: held.owner.clone()?, job: held.job, expires: held.lease.expires })
        }))
    }

    async fn inherit(&self, job: JobId, owner: &Owner, ttl: Duration) -> Result<Vec<LeaseName>, StoreError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        // Only whoever holds the job may: asked for by a renewal that changes nothing.
        let own = LeaseName::Job(job);
        let lease = inner.leases.get(&own).map(|held| held.lease.clone());
        inner.take(std::slice::from_ref(&own), owner, now, ttl, Take::Again)?;
        if let (Some(lease), Some(held)) = (lease, inner.leases.get_mut(&own)) {
            held.lease = lease;
        }
        let expires = now.plus(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        let mut names = Vec::new();
        for (name, held) in &mut inner.leases {
            if matches!(name, LeaseName::Target(_)) && held.job == Some(job) && held.owner.is_some() {
                held.owner = Some(owner.clone());
                held.lease = Lease { epoch: held.lease.epoch + 1, expires };
                names.push(name.clone());
            }
        }
        names.sort();
        Ok(names)
    }

    async fn held_targets(&self, after: Option<&str>, limit: usize) -> Result<Vec<HeldTarget>, StoreError> {
        let now = self.clock.now();
        let mut found: Vec<HeldTarget> = self
            .lock()
            .leases
            .iter()
            .filter(|(_, held)| held.lease.expires > now)
            .filter_map(|(name, held)| match name {
                LeaseName::Target(id) if after.is_none_or(|after| id.as_str() > after) => Some(HeldTarget {
                    target: id.clone(),
                    owner: held.owner.clone()?,
                    job: held.job,
                    expires: held.lease.expires,
                }),
                _ => None,
            })
            .collect();
        found.sort_unstable_by(|a, b| a.target.cmp(&b.target));
        found.truncate(limit);
        Ok(found)
    }

    async fn note_target(&self, note: TargetNote) -> Result<(), StoreError> {
        self.lock().notes.push(note);
        Ok(())
    }

    async fn target_notes(&self, target: Option<&str>, limit: usize) -> Result<Vec<TargetNote>, StoreError> {
        let inner = self.lock();
        let wanted = |note: &&TargetNote| target.is_none_or(|target| note.target == target);
        Ok(inner.notes.iter().rev().filter(wanted).take(limit).cloned().collect())
    }

    async fn release(&self, names: &[LeaseName], owner: &Owner) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for name in names {
            if let Some(held) = inner.leases.get_mut(name).filter(|h| h.owner.as_ref() == Some(owner)) {
                // The epoch stays: the next owner's must be higher.
                held.owner = None;
                held.job = None;
            }
        }
        Ok(())
    }

    async fn release_all(&self, owner: &Owner) -> Result<(), StoreError> {
        for held in self.lock().leases.values_mut().filter(|h| h.owner.as_ref() == Some(owner)) {
            held.owner = None;
            held.job = None;
        }
        Ok(())
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<BlobHash, StoreError> {
        let hash = crate::blobs::hash_of(&bytes);
        Arc::make_mut(&mut self.lock().blobs).insert(hash, bytes);
        Ok(hash)
    }

    async fn get_blob(&self, hash: BlobHash) -> Result<Bytes, StoreError> {
        self.lock().blobs.get(&hash).cloned().ok_or(StoreError::NoBlob(hash))
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
