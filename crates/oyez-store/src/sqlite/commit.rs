//! One transaction: everything that is waiting goes in, then all of it is acked.
//!
//! The live states of running jobs are kept between transactions. Another process may have written in the meantime:
//! `PRAGMA data_version` tells, and then each job's last number is looked at before it is used. When a transaction
//! fails, the live states that it touched are thrown away and read again when they are needed.

use std::path::PathBuf;
use std::sync::Arc;

use oyez_model::event::{RecordWriter, encode_body};
use oyez_model::{Changes, Event, EventBody, EventNumber, EventSeq, JobId, Live, ProducerId, Time};
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxHashMap;

use super::chunk::{self, Packer};
use super::mover::Mover;
use super::rows::{self, DbRows};
use super::trouble::Trouble;
use super::{index, lease};
use super::{load, merge};
use crate::admit::{Admission, admit, check_batch, check_event};
use crate::api::{Ack, Lease, LeaseName, NewEvent, NewJob, Owner, TargetNote};
use crate::clock::Clock;
use crate::error::StoreError;

/// A checkpoint is due after so many events, or four times what is open.
const CHECKPOINT_EVERY: u64 = 8192;
/// Rows are written at least after so many events, so that looking among the unwritten ones stays cheap.
const FLUSH_EVERY: usize = 1024;
/// Ended jobs kept in memory for late words.
const IDLE_JOBS: usize = 256;

/// A batch whose bodies are encoded already.
#[derive(Debug)]
pub(super) struct Prepared {
    pub producer: ProducerId,
    pub first: EventNumber,
    pub events: Vec<Event>,
    /// All bodies, one after the other, and where each ends.
    pub bodies: Vec<u8>,
    pub ends: Vec<usize>,
    pub epoch: Option<u64>,
}

impl Prepared {
    pub(super) fn body(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bodies[start..self.ends[i]]
    }
}

/// What can be asked of the writer.
#[derive(Debug)]
pub(super) enum Ask {
    Create(Box<NewJob>),
    Append(JobId, Prepared),
    Acquire {
        names: Vec<LeaseName>,
        owner: Owner,
        job: Option<JobId>,
        until: Time,
        renew: bool,
    },
    Inherit {
        job: JobId,
        owner: Owner,
        until: Time,
    },
    Release {
        names: Vec<LeaseName>,
        owner: Owner,
    },
    ReleaseAll(Owner),
    Note(TargetNote),
    PutBlob(super::blob::Packed),
    /// An index of logs is to be in force in place of another.
    NameIndex {
        former: Option<i64>,
        new: i64,
    },
    /// The index of this generation has all of these jobs, up to these events.
    Indexed {
        generation: i64,
        jobs: Vec<(JobId, EventSeq)>,
    },
}

/// What it answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Job(JobId),
    Ack(Ack),
    Leases(Vec<Lease>),
    Names(Vec<LeaseName>),
    /// The highest job, when the index is in force now.
    Index(Option<JobId>),
    Done,
}

struct Cached {
    live: Live,
    /// Set while the transaction runs: this job's events of it.
    records: RecordWriter,
    first: EventSeq,
    since_checkpoint: u64,
    job_dirty: bool,
    /// This transaction brings log.
    has_log: bool,
    /// It is known to be among those with log that may not be indexed.
    is_listed: bool,
    fresh: bool,
    revived: bool,
    touched: bool,
    /// The epoch of its lease, as last read.
    epoch: Option<Option<u64>>,
    /// Checked against the file since it last changed under us.
    verified: u64,
    used: u64,
}

/// The writer's side of the file.
pub(super) struct Committer {
    conn: Connection,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    packer: Packer,
    jobs: FxHashMap<JobId, Cached>,
    touched: Vec<JobId>,
    /// Jobs that have ended and whose chunks are still small.
    to_merge: Vec<(JobId, EventSeq)>,
    data_version: i64,
    foreign: u64,
    cycle: u64,
    mover: Arc<Mover>,
}

impl Committer {
    pub(super) fn new(
        conn: Connection,
        path: PathBuf,
        clock: Arc<dyn Clock>,
        mover: Arc<Mover>,
    ) -> Result<Self, StoreError> {
        let packer = Packer::new().map_err(|e| Trouble(&path).io(&e))?;
        let left_over = merge::remembered(&conn).map_err(|e| Trouble(&path).of(e))?;
        Ok(Committer {
            conn,
            path,
            clock,
            packer,
            jobs: FxHashMap::default(),
            touched: Vec::new(),
            to_merge: left_over.into_iter().map(|id| (id, EventSeq(0))).collect(),
            data_version: -1,
            foreign: 0,
            cycle: 0,
            mover,
        })
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    fn trouble(&self, e: rusqlite::Error) -> StoreError {
        Trouble(&self.path).of(e)
    }

    /// Commits all of this, and answers each. A single ask that is refused does not hold up the others.
    pub(super) fn run(&mut self, asks: Vec<Ask>) -> Vec<Result<Answer, StoreError>> {
        let n = asks.len();
        match self.attempt(&asks) {
            Ok(answers) => answers,
            // What one job has damaged is not the others' trouble.
            Err(StoreError::Damaged { .. }) if n > 1 => {
                let alone = |ask| self.attempt(std::slice::from_ref(ask)).and_then(|mut one| one.remove(0));
                asks.iter().map(alone).collect()
            }
            Err(e) => vec![Err(e); n],
        }
    }

    /// One transaction; when it fails nothing of it is kept.
    fn attempt(&mut self, asks: &[Ask]) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
        self.transaction(asks).inspect_err(|_| {
            // The live states may be ahead of the file.
            let _ = self.conn.execute_batch("ROLLBACK");
            for id in self.touched.drain(..) {
                self.jobs.remove(&id);
            }
        })
    }

    fn transaction(&mut self, asks: &[Ask]) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
        self.cycle += 1;
        self.begin()?;
        fail::fail_point!("store::append");
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            let answer = self.one(ask);
            if let Err(
                e @ (StoreError::Io { .. }
                | StoreError::Full { .. }
                | StoreError::Damaged { .. }
                | StoreError::ReadOnly { .. }),
            ) = answer
            {
                return Err(e);
            }
            answers.push(answer);
        }
        for i in 0..self.touched.len() {
            self.finish_job(self.touched[i])?;
        }
        fail::fail_point!("store::commit");
        self.conn.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map_err(|e| self.trouble(e))?;
        fail::fail_point!("store::committed");
        for id in self.touched.drain(..) {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.touched = false;
                job.fresh = false;
                if rows::is_at_rest(job.live.state()) && self.to_merge.iter().all(|(have, _)| *have != id) {
                    self.to_merge.push((id, EventSeq(0)));
                }
            }
        }
        self.forget_idle();
        Ok(answers)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if self.mover.is_unkept() {
            return Err(StoreError::Unkept { path: self.path.clone() });
        }
        self.conn
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut s| s.execute([]))
            .map_err(|e| self.trouble(e))?;
        let version: i64 = self
            .conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut s| s.query_row([], |row| row.get(0)))
            .map_err(|e| self.trouble(e))?;
        if version != self.data_version {
            self.data_version = version;
            self.foreign += 1;
        }
        Ok(())
    }

    fn one(&mut self, ask: &Ask) -> Result<Answer, StoreError> {
        match ask {
            Ask::Create(job) => self.create(job).map(Answer::Job),
            Ask::Append(job, batch) => self.append(*job, batch).map(Answer::Ack),
            Ask::Acquire { names, owner, job, until, renew } => {
                let (now, t) = (self.clock.now(), Trouble(&self.path));
                let leases = lease::take(&self.conn, t, names, owner, *job, now, *until, *renew)?;
                self.forget_epochs(names);
                Ok(Answer::Leases(leases))
            }
            Ask::Inherit { job, owner, until } => {
                lease::inherit(&self.conn, Trouble(&self.path), *job, owner, *until).map(Answer::Names)
            }
            Ask::Release { names, owner } => {
                lease::release(&self.conn, names, owner).map_err(|e| self.trouble(e))?;
                Ok(Answer::Done)
            }
            Ask::ReleaseAll(owner) => {
                lease::release_all(&self.conn, owner).map_err(|e| self.trouble(e))?;
                Ok(Answer::Done)
            }
            Ask::Note(note) => {
                lease::note(&self.conn, note).map_err(|e| self.trouble(e))?;
                Ok(Answer::Done)
            }
            Ask::NameIndex { former, new } => {
                let highest = index::name_generation(&self.conn, *former, *new);
                highest.map(Answer::Index).map_err(|e| self.trouble(e))
            }
            Ask::Indexed { generation, jobs } => {
                if index::generation(&self.conn).map_err(|e| self.trouble(e))? == Some(*generation) {
                    for (job, upto) in jobs {
                        let gone = index::forget(&self.conn, *job, *upto).map_err(|e| self.trouble(e))?;
                        if let Some(job) = self.jobs.get_mut(job).filter(|_| gone) {
                            job.is_listed = false;
                        }
                    }
                }
                Ok(Answer::Done)
            }
            Ask::PutBlob(blob) => {
                super::blob::put(&self.conn, blob).map_err(|e| self.trouble(e))?;
                fail::fail_point!("store::blob");
                Ok(Answer::Done)
            }
        }
    }

    fn forget_epochs(&mut self, names: &[LeaseName]) {
        for name in names {
            if let LeaseName::Job(id) = name
                && let Some(job) = self.jobs.get_mut(id)
            {
                job.epoch = None;
            }
        }
    }

    fn create(&mut self, new: &NewJob) -> Result<JobId, StoreError> {
        let uid = new.submitted.uid;
        let known: Option<i64> = self
            .conn
            .prepare_cached("SELECT id FROM job WHERE uid = ?1")
            .and_then(|mut s| s.query_row([&uid.as_bytes()[..]], |row| row.get(0)).optional())
            .map_err(|e| self.trouble(e))?;
        if let Some(id) = known {
            return Ok(JobId(id.cast_unsigned()));
        }
        let mut events = vec![NewEvent::new(new.time, new.submitted.clone())];
        events.extend(new.then.iter().cloned());
        let batch = prepare(ProducerId::FIRST, EventNumber(1), events, None)?;
        let id = rows::insert_job(&self.conn, uid).map_err(|e| self.trouble(e))?;
        if let Some(owner) = &new.owner {
            let now = self.clock.now();
            let until = now.plus(crate::memory::JOB_LEASE.as_nanos() as i64);
            let (name, t) = ([LeaseName::Job(id)], Trouble(&self.path));
            match lease::take(&self.conn, t, &name, owner, Some(id), now, until, false) {
                Ok(leases) if leases.iter().any(|lease| lease.epoch != 1) => {
                    lease::begin_again(&self.conn, &name[0]).map_err(|e| t.of(e))?;
                }
                Ok(_) => {}
                Err(e) => {
                    // Somebody has the lease of a job that was not there: it is not there after this, either.
                    rows::remove_job(&self.conn, id).map_err(|e| t.of(e))?;
                    return Err(e);
                }
            }
        }
        let cached = Cached {
            live: Live::new(),
            records: RecordWriter::new(),
            first: EventSeq(1),
            since_checkpoint: 0,
            job_dirty: true,
            has_log: false,
            is_listed: false,
            fresh: true,
            revived: false,
            touched: true,
            epoch: None,
            verified: self.foreign,
            used: self.cycle,
        };
        self.jobs.insert(id, cached);
        self.touched.push(id);
        self.fold(id, &batch, 0)?;
        Ok(id)
    }

    fn append(&mut self, id: JobId, batch: &Prepared) -> Result<Ack, StoreError> {
        self.load(id)?;
        if let Some(held) = batch.epoch {
            let current = self.epoch(id)?;
            if current.is_some_and(|current| current != held) {
                return Err(StoreError::Fenced { job: id, held, current: current.unwrap_or(0) });
            }
        }
        let Some(job) = self.jobs.get(&id) else { return Err(StoreError::NoJob(id)) };
        let last = match job.live.producer(batch.producer) {
            Some(p) => p.last,
            None => rows::producer(&self.conn, id, batch.producer)
                .map_err(|e| self.trouble(e))?
                .map_or(0, |row| row.last),
        };
        match admit(id, batch.producer, last, batch.first, batch.events.len())? {
            Admission::From(0) => self.fold(id, batch, 0),
            Admission::From(start) => {
                let ack = self.fold(id, batch, start)?;
                let first = self.seq_of(id, batch.producer, batch.first)?;
                Ok(Ack { first, last: ack.last })
            }
            Admission::Repeat => {
                let end = EventNumber(batch.first.0 + (batch.events.len() as u64).saturating_sub(1));
                Ok(Ack {
                    first: self.seq_of(id, batch.producer, batch.first)?,
                    last: self.seq_of(id, batch.producer, end)?,
                })
            }
        }
    }

    /// Where a repeated event is kept; the search begins at the end, where repeats come from.
    fn seq_of(
        &mut self,
        id: JobId,
        producer: ProducerId,
        number: EventNumber,
    ) -> Result<EventSeq, StoreError> {
        if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.records.count() > 0) {
            // What is under way is put away first: then there is one place to look.
            let (count, raw) = (job.records.count(), job.records.take());
            let chunk = self.packer.pack(chunk::key(id, job.first), count, raw, false);
            job.first = EventSeq(job.live.last_seq().0 + 1);
            rows::put_chunk(&self.conn, &chunk).map_err(|e| Trouble(&self.path).of(e))?;
        }
        merge::find(&self.conn, Trouble(&self.path), id, producer, number)
    }

    fn epoch(&mut self, id: JobId) -> Result<Option<u64>, StoreError> {
        let known = self.jobs.get(&id).and_then(|job| job.epoch);
        if let Some(epoch) = known {
            return Ok(epoch);
        }
        let epoch = lease::epoch(&self.conn, &LeaseName::Job(id)).map_err(|e| self.trouble(e))?;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.epoch = Some(epoch);
        }
        Ok(epoch)
    }

    /// Makes sure that a job's live state is here and up to date.
    fn load(&mut self, id: JobId) -> Result<(), StoreError> {
        let t = Trouble(&self.path);
        if let Some(job) = self.jobs.get_mut(&id) {
            let mut stale = false;
            if job.verified != self.foreign && !job.touched {
                job.epoch = None;
                job.is_listed = false;
                job.verified = self.foreign;
                stale = load::last_seq(&self.conn, id).map_err(|e| t.of(e))? != job.live.last_seq();
            }
            if !stale {
                if !job.touched {
                    job.touched = true;
                    job.used = self.cycle;
                    job.first = EventSeq(job.live.last_seq().0 + 1);
                    self.touched.push(id);
                }
                return Ok(());
            }
        }
        let (live, since_checkpoint) = load::live(&self.conn, t, id)?;
        let first = EventSeq(live.last_seq().0 + 1);
        let cached = Cached {
            live,
            records: RecordWriter::new(),
            first,
            since_checkpoint,
            job_dirty: false,
            has_log: false,
            is_listed: false,
            fresh: false,
            revived: false,
            touched: true,
            epoch: None,
            verified: self.foreign,
            used: self.cycle,
        };
        self.jobs.insert(id, cached);
        self.touched.push(id);
        Ok(())
    }

    fn fold(&mut self, id: JobId, batch: &Prepared, start: usize) -> Result<Ack, StoreError> {
        let t = Trouble(&self.path);
        let Some(job) = self.jobs.get_mut(&id) else { return Err(StoreError::NoJob(id)) };
        let first = EventSeq(job.live.last_seq().0 + 1);
        let mut changes = Changes::default();
        let epoch = if first.0 == 1 { batch.events[0].time } else { job.live.epoch() };
        let found = DbRows { conn: &self.conn, job: id, epoch, error: Default::default() };
        for (i, event) in batch.events.iter().enumerate().skip(start) {
            let seq = EventSeq(job.live.last_seq().0 + 1);
            job.has_log |= matches!(event.body, EventBody::LogText(_));
            job.records.push(event.producer, event.number, event.time, event.body.kind(), batch.body(i));
            job.live.apply(seq, event, &found, &mut changes);
            if changes.nodes.len() >= FLUSH_EVERY {
                rows::write(&self.conn, id, epoch, &mut changes).map_err(|e| t.of(e))?;
            }
        }
        if let Some(e) = found.error.into_inner() {
            return Err(t.of(e));
        }
        rows::write(&self.conn, id, epoch, &mut changes).map_err(|e| t.of(e))?;
        job.job_dirty |= changes.job;
        job.revived |= changes.revived;
        Ok(Ack { first, last: job.live.last_seq() })
    }

    /// A job's part of the transaction is complete: its chunk, its row, its checkpoint.
    fn finish_job(&mut self, id: JobId) -> Result<(), StoreError> {
        let t = Trouble(&self.path);
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        let count = job.records.count();
        if count > 0 {
            let raw = job.records.take();
            let chunk = self.packer.pack(chunk::key(id, job.first), count, raw, false);
            rows::put_chunk(&self.conn, &chunk).map_err(|e| t.of(e))?;
            if rows::is_at_rest(job.live.state()) {
                merge::remember(&self.conn, id).map_err(|e| t.of(e))?;
            }
            job.since_checkpoint = job.since_checkpoint.saturating_add(count);
        }
        if std::mem::take(&mut job.has_log) && !job.is_listed {
            index::remember(&self.conn, id).map_err(|e| t.of(e))?;
            job.is_listed = true;
        }
        if job.job_dirty {
            rows::update_job(&self.conn, id, &job.live.job_row(), job.fresh).map_err(|e| t.of(e))?;
            job.job_dirty = false;
        }
        let open = job.live.open_nodes() as u64;
        let due = job.since_checkpoint >= CHECKPOINT_EVERY.max(4 * open);
        if due || job.revived || (count > 0 && rows::is_at_rest(job.live.state())) {
            load::put_checkpoint(&self.conn, id, &job.live).map_err(|e| t.of(e))?;
            job.since_checkpoint = 0;
            job.revived = false;
        }
        Ok(())
    }

    /// Ended jobs do not stay in memory for ever.
    fn forget_idle(&mut self) {
        if self.jobs.len() > 2 * IDLE_JOBS {
            let mut idle: Vec<(u64, JobId)> = self
                .jobs
                .iter()
                .filter(|(_, j)| rows::is_at_rest(j.live.state()))
                .map(|(id, j)| (j.used, *id))
                .collect();
            idle.sort_unstable();
            let surplus = idle.len().saturating_sub(IDLE_JOBS);
            for (_, id) in idle.into_iter().take(surplus) {
                self.jobs.remove(&id);
            }
        }
    }

    /// Merges chunks of ended jobs, a bounded piece at a time; true while there is more to do.
    pub(super) fn merge_some(&mut self) -> Result<bool, StoreError> {
        let Some((id, from)) = self.to_merge.last().copied() else { return Ok(false) };
        // What cannot even begin is given up for now, or the writer would try for ever.
        self.begin().inspect_err(|_| {
            let _ = self.to_merge.pop();
        })?;
        let t = Trouble(&self.path);
        let result = merge::some(&self.conn, t, &mut self.packer, id, from).and_then(|next| {
            fail::fail_point!("store::merge");
            self.conn.execute_batch("COMMIT").map_err(|e| t.of(e))?;
            Ok(next)
        });
        let next = result.inspect_err(|_| {
            let _ = self.conn.execute_batch("ROLLBACK");
            self.to_merge.pop();
        })?;
        match (next, self.to_merge.last_mut()) {
            (Some(next), Some(last)) => last.1 = next,
            _ => drop(self.to_merge.pop()),
        }
        Ok(!self.to_merge.is_empty())
    }

    /// Whether [`Committer::merge_some`] has something to do.
    pub(super) fn wants_merge(&self) -> bool {
        !self.to_merge.is_empty()
    }
}

/// A batch with its bodies encoded; done where the producer runs, not on the writer.
///
/// # Errors
/// [`StoreError::TooLarge`] when the batch or one of its events is beyond the limits.
pub(super) fn prepare(
    producer: ProducerId,
    first: EventNumber,
    events: Vec<crate::api::NewEvent>,
    epoch: Option<u64>,
) -> Result<Prepared, StoreError> {
    check_batch(events.len())?;
    let mut bodies = Vec::with_capacity(events.len() * 48);
    let mut ends = Vec::with_capacity(events.len());
    for event in &events {
        let start = bodies.len();
        encode_body(&event.body, &mut bodies);
        check_event(bodies.len() - start)?;
        ends.push(bodies.len());
    }
    let number = |i: usize| EventNumber(first.0.wrapping_add(i as u64));
    let events = events
        .into_iter()
        .enumerate()
        .map(|(i, e)| Event { producer, number: number(i), time: e.time, body: e.body })
        .collect();
    Ok(Prepared { producer, first, events, bodies, ends, epoch })
}
