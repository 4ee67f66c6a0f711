//! A step of indexing: a bounded amount of log goes into the index, in one transaction of it.
//!
//! First what was written lately: jobs in `unindexed`, in turns. Of one that runs, what would make a small page is left to
//! the next step, or to its end; until then it is searched in the journal. When nothing of that is left, jobs from before
//! the index was made, the newest first.

use std::ops::ControlFlow;

use oyez_model::event::Record;
use oyez_model::{EventSeq, JobId, JobState};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::super::trouble::Trouble;
use super::super::{load, rows};
use super::file::{self, Index, Reached, Unusable};
use super::journal::Journal;
use super::{MAX_PAGE, page_id};
use crate::error::StoreError;
use crate::search::grams::Gatherer;
use crate::search::lines::{LOG_TEXT, each_line, log_of};
use crate::search::{Level, Levels};

/// A page holds about so many bytes of log ...
const PAGE: usize = 64 << 10;
/// ... twice as many after so many pages of a job, and again, up to ...
const GROWS: i64 = 512;
/// ... this often: so that all pages of a job together hold some 70 GiB.
const MOST_GROWN: i64 = 8;
/// Of a running job a page may be smaller, down to this part.
const LEAST: usize = 4;
/// So many bytes of log go into the index in one step.
const STEP: u64 = 2 << 20;
/// So many jobs are looked at in one step.
const JOBS: usize = 256;

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Bytes of log that went into the index.
    pub bytes: u64,
    /// There is more to be done now.
    pub more: bool,
    /// The index was made again, and why.
    pub made_again: Option<String>,
}

/// What whoever indexes keeps from step to step.
#[derive(Default)]
pub(in crate::sqlite) struct Builder {
    conn: Option<(i64, Connection)>,
    gatherer: Option<Gatherer>,
    /// The jobs up to this had their turn.
    turn: u64,
    /// Something was done since the first job's turn.
    is_busy: bool,
    /// Running jobs, and up to which event they were looked at in vain.
    in_vain: FxHashMap<JobId, EventSeq>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("turn", &self.turn).finish_non_exhaustive()
    }
}

/// Running jobs that are remembered.
const IN_VAIN: usize = 10_000;

/// What the step asks of the store's writer.
pub(in crate::sqlite) trait Desk {
    /// Names a generation in place of another; the highest job, when that was done.
    fn name(&self, former: Option<i64>, new: i64) -> Result<Option<JobId>, StoreError>;
    /// Takes jobs out of `unindexed` that have this as their last event.
    fn forget(&self, generation: i64, jobs: Vec<(JobId, EventSeq)>) -> Result<(), StoreError>;
    /// A number that nobody has.
    fn random(&self) -> i64;
}

/// What went wrong in a step.
enum StepError {
    Store(StoreError),
    Index(rusqlite::Error),
}

impl From<StoreError> for StepError {
    fn from(e: StoreError) -> Self {
        StepError::Store(e)
    }
}

impl From<rusqlite::Error> for StepError {
    fn from(e: rusqlite::Error) -> Self {
        StepError::Index(e)
    }
}

/// One step.
///
/// # Errors
/// The store's trouble, or the index's ([`StoreError::Full`], say): nothing of the step is kept then.
pub(in crate::sqlite) fn step(
    index: &Index,
    builder: &mut Builder,
    main: &Connection,
    t: Trouble<'_>,
    desk: &dyn Desk,
) -> Result<Indexed, StoreError> {
    let mut done = Indexed::default();
    let current = super::generation(main).map_err(|e| t.of(e))?;
    let known = builder.conn.take().filter(|(generation, _)| Some(*generation) == current);
    let known = known.filter(|(generation, _)| index.is_there(*generation));
    let (generation, conn) = match known {
        Some(known) => known,
        None => {
            builder.in_vain.clear();
            match opened(index, current, desk, &mut done)? {
                Some(opened) => opened,
                // Somebody else has just made one.
                None => return Ok(Indexed { more: true, ..done }),
            }
        }
    };
    let path = index.path(generation);
    let (written, complete) = (Vec::new(), Vec::new());
    let step = Step { builder, main, t, conn: &conn, done: &mut done, written, complete };
    match step.run() {
        Ok(complete) => {
            fail::fail_point!("store::indexed");
            if !complete.is_empty() {
                desk.forget(generation, complete)?;
            }
        }
        Err(StepError::Index(e)) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            // Another process is at it.
            let _ = conn.execute_batch("ROLLBACK");
            builder.gatherer = None;
            done = Indexed { made_again: done.made_again, ..Indexed::default() };
        }
        Err(e) => {
            builder.gatherer = None;
            return Err(match e {
                StepError::Store(e) => e,
                StepError::Index(e) => match Trouble(&path).of(e) {
                    StoreError::Damaged { .. } => {
                        // The next step makes another one.
                        index.remove(generation);
                        return Ok(Indexed { more: true, ..done });
                    }
                    other => other,
                },
            });
        }
    }
    builder.conn = Some((generation, conn));
    index.count(done.bytes);
    Ok(done)
}

/// The index in force, made when there is none that can be used.
fn opened(
    index: &Index,
    current: Option<i64>,
    desk: &dyn Desk,
    done: &mut Indexed,
) -> Result<Option<(i64, Connection)>, StoreError> {
    if let Some(generation) = current {
        match index.open(generation, true) {
            Ok(conn) => return Ok(Some((generation, conn))),
            Err(Unusable::Trouble(e)) => return Err(e),
            Err(Unusable::Missing) => done.made_again = Some("its file is not there".to_owned()),
            Err(Unusable::Wrong(why)) => done.made_again = Some(why),
        }
    }
    let mut new = desk.random();
    // A number is for one file, ever.
    while Some(new) == current || index.path(new).exists() {
        new = new.wrapping_add(1);
    }
    index.make(new)?;
    let Some(highest) = desk.name(current, new).inspect_err(|_| index.remove(new))? else {
        index.remove(new);
        return Ok(None);
    };
    index.remove_others(new);
    match index.open(new, true) {
        Ok(conn) => {
            let t = index.path(new);
            // A kill before this leaves it unknown what is missing: then everything is, until the next step.
            file::set_backfill(&conn, highest).map_err(|e| Trouble(&t).of(e))?;
            Ok(Some((new, conn)))
        }
        Err(Unusable::Trouble(e)) => Err(e),
        Err(_) => Ok(None),
    }
}

struct Step<'s> {
    builder: &'s mut Builder,
    main: &'s Connection,
    t: Trouble<'s>,
    conn: &'s Connection,
    done: &'s mut Indexed,
    /// Pages to be put in, with their grams.
    written: Vec<(i64, Page, String)>,
    /// Jobs that have ended and are all in.
    complete: Vec<(JobId, EventSeq)>,
}

/// A page that is being filled.
#[derive(Clone, Copy, Debug)]
struct Page {
    first: u64,
    last: u64,
    begin: i64,
    end: i64,
    levels: Levels,
    bytes: usize,
}

/// How far a job got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    /// All of it that should go in.
    All,
    /// There was no room for more in this step.
    Part,
}

impl Step<'_> {
    fn run(mut self) -> Result<Vec<(JobId, EventSeq)>, StepError> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let work = self.work();
        match work {
            Ok(()) => {
                fail::fail_point!("store::index");
                self.conn.execute_batch("COMMIT")?;
                Ok(self.complete)
            }
            Err(e) => {
                let _ = self.conn.execute_batch("ROLLBACK");
                Err(e)
            }
        }
    }

    fn work(&mut self) -> Result<(), StepError> {
        if file::backfill(self.conn)?.is_none() {
            let highest = super::highest_job(self.main).map_err(|e| self.t.of(e))?;
            file::set_backfill(self.conn, highest)?;
        }
        let listed =
            self.jobs("SELECT job FROM unindexed WHERE job > ?1 ORDER BY job LIMIT ?2", self.builder.turn)?;
        let mut is_full = false;
        for job in &listed {
            self.builder.turn = job.0;
            // What is left of it has its next turn after the others.
            if self.listed(*job)? == Got::Part {
                is_full = true;
                break;
            }
        }
        if self.done.bytes > 0 || !self.complete.is_empty() {
            self.builder.is_busy = true;
        }
        let is_end = !is_full && listed.len() < JOBS;
        if is_end {
            self.builder.turn = 0;
            if !std::mem::take(&mut self.builder.is_busy) {
                self.before()?;
            } else {
                self.done.more = true;
            }
        } else {
            self.done.more = true;
        }
        self.put()
    }

    fn jobs(&self, sql: &str, bound: u64) -> Result<Vec<JobId>, StepError> {
        let read = || {
            let mut get = self.main.prepare_cached(sql)?;
            let found = get.query_map(params![rows::int(bound), rows::int(JOBS as u64)], |row| {
                rows::uint(row, 0).map(JobId)
            })?;
            found.collect::<rusqlite::Result<Vec<_>>>()
        };
        Ok(read().map_err(|e| self.t.of(e))?)
    }

    /// A job that has log which may not be in the index.
    fn listed(&mut self, job: JobId) -> Result<Got, StepError> {
        let last = load::last_seq(self.main, job).map_err(|e| self.t.of(e))?;
        if self.builder.in_vain.get(&job) == Some(&last) {
            return Ok(Got::All);
        }
        let is_over = self.is_over(job)?;
        let bytes = self.done.bytes;
        let got = self.advance(job, is_over)?;
        if got == Got::All && is_over {
            self.builder.in_vain.remove(&job);
            self.complete.push((job, last));
        } else if got == Got::All && bytes == self.done.bytes {
            if self.builder.in_vain.len() >= IN_VAIN {
                self.builder.in_vain.clear();
            }
            self.builder.in_vain.insert(job, last);
        }
        Ok(got)
    }

    fn is_over(&self, job: JobId) -> Result<bool, StepError> {
        let state: Option<u8> = self
            .main
            .prepare_cached("SELECT state FROM job WHERE id = ?1")
            .and_then(|mut get| get.query_row([rows::int(job.0)], |row| row.get(0)).optional())
            .map_err(|e| self.t.of(e))?;
        Ok(state.and_then(JobState::from_code).is_none_or(rows::is_at_rest))
    }

    /// Jobs from before the index was made.
    fn before(&mut self) -> Result<(), StepError> {
        let Some(from) = file::backfill(self.conn)?.filter(|job| job.0 > 0) else { return Ok(()) };
        let jobs = self.jobs("SELECT id FROM job WHERE id <= ?1 ORDER BY id DESC LIMIT ?2", from.0)?;
        let mut left = if jobs.len() < JOBS { JobId(0) } else { from };
        for job in &jobs {
            if self.advance(*job, true)? == Got::Part {
                left = *job;
                break;
            }
            if left.0 > 0 {
                left = JobId(job.0 - 1);
            }
        }
        self.done.more = left.0 > 0;
        Ok(file::set_backfill(self.conn, left)?)
    }

    /// Puts a job's log into the index from where it ends there; `whole` leaves nothing for later.
    fn advance(&mut self, job: JobId, whole: bool) -> Result<Got, StepError> {
        let (pages, bytes) = (self.written.len(), self.done.bytes);
        match self.read(job, whole) {
            Err(StepError::Store(StoreError::Damaged { .. })) => {
                self.written.truncate(pages);
                self.done.bytes = bytes;
                // It stays among those that are searched in the journal, so that it is said whenever it is come upon.
                self.builder.gatherer = None;
                self.conn
                    .prepare_cached("INSERT OR IGNORE INTO unread (job) VALUES (?1)")?
                    .execute([rows::int(job.0)])?;
                Ok(Got::All)
            }
            other => other,
        }
    }

    fn read(&mut self, job: JobId, whole: bool) -> Result<Got, StepError> {
        let mut reached = file::reached(self.conn, job)?;
        if reached.pages > MAX_PAGE {
            return Ok(Got::All);
        }
        let mut gatherer = self.builder.gatherer.take().unwrap_or_else(Gatherer::new);
        let mut journal = Journal::default();
        if reached.upto > 0 && !self.is_as_it_was(&mut journal, job, reached)? {
            self.conn
                .prepare_cached("DELETE FROM page WHERE id >= ?1 AND id <= ?2")?
                .execute(params![page_id(job, MAX_PAGE), page_id(job, 0)])?;
            (reached.upto, reached.mark) = (0, 0);
        }
        let before = reached;
        let (mut page, mut seen, mut got): (Option<Page>, _, _) = (None, None, Got::All);
        let stretch = (reached.upto + 1, u64::MAX);
        let _ = journal.each(self.main, self.t, job, stretch, |seq, record| {
            seen = Some((seq.0, mark(record)));
            if record.kind != LOG_TEXT {
                return ControlFlow::Continue(());
            }
            let open = page.get_or_insert(Page {
                first: seq.0,
                last: seq.0,
                begin: record.time.0,
                end: record.time.0,
                levels: Levels::default(),
                bytes: 0,
            });
            open.add(seq, record, &mut gatherer);
            if open.bytes < size(reached.pages) {
                return ControlFlow::Continue(());
            }
            self.done.bytes += open.bytes as u64;
            self.written.push((page_id(job, reached.pages), *open, gatherer.take()));
            page = None;
            reached = Reached { upto: seq.0, mark: mark(record), pages: reached.pages + 1 };
            // Whoever has more pages than can be numbered is searched in the journal from there on.
            if self.done.bytes >= STEP || reached.pages > MAX_PAGE {
                got = if reached.pages > MAX_PAGE { Got::All } else { Got::Part };
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(open) = page.filter(|open| whole || open.bytes >= size(reached.pages) / LEAST) {
            self.done.bytes += open.bytes as u64;
            self.written.push((page_id(job, reached.pages), open, gatherer.take()));
            reached.pages += 1;
            page = None;
        } else {
            gatherer.take();
        }
        if let (None, Got::All, Some((upto, mark))) = (page, got, seen)
            && reached.pages <= MAX_PAGE
        {
            (reached.upto, reached.mark) = (upto, mark);
        }
        self.builder.gatherer = Some(gatherer);
        if reached != before || before.upto == 0 {
            self.conn
                .prepare_cached("INSERT OR REPLACE INTO job (id, upto, mark, pages) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![rows::int(job.0), rows::int(reached.upto), reached.mark, reached.pages])?;
        }
        if reached.pages > MAX_PAGE {
            self.conn
                .prepare_cached("INSERT OR IGNORE INTO unread (job) VALUES (?1)")?
                .execute([rows::int(job.0)])?;
        }
        if self.done.bytes >= STEP {
            got = Got::Part;
        }
        Ok(got)
    }

    /// Whether the event that the index ends with is still there.
    fn is_as_it_was(&self, journal: &mut Journal, job: JobId, reached: Reached) -> Result<bool, StepError> {
        let one = (reached.upto, reached.upto);
        let found =
            journal.each(self.main, self.t, job, one, |_, record| ControlFlow::Break(mark(record)))?;
        Ok(found == ControlFlow::Break(reached.mark))
    }

    /// Puts the pages in. FTS5 takes rising numbers best.
    fn put(&mut self) -> Result<(), StepError> {
        self.written.sort_unstable_by_key(|(id, _, _)| *id);
        let mut page = self.conn.prepare_cached(
            "INSERT INTO page (id, first, last, begin, end, levels) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut gram = self.conn.prepare_cached("INSERT INTO gram (rowid, words) VALUES (?1, ?2)")?;
        for (id, p, words) in self.written.drain(..) {
            let (first, last) = (rows::int(p.first), rows::int(p.last));
            page.execute(params![id, first, last, p.begin, p.end, p.levels.bits()])?;
            gram.execute(params![id, words])?;
        }
        Ok(())
    }
}

impl Page {
    fn add(&mut self, seq: EventSeq, record: &Record<'_>, gatherer: &mut Gatherer) {
        self.last = seq.0;
        self.begin = self.begin.min(record.time.0);
        self.end = self.end.max(record.time.0);
        self.bytes += record.body.len();
        let event = record.event();
        let Some(log) = log_of(&event.body) else { return };
        each_line(log, |_, line| {
            self.levels.add(Level::of_line(log.level.as_deref(), line));
            gatherer.line(line);
        });
    }
}

/// About how many bytes the n-th page of a job holds.
fn size(n: i64) -> usize {
    PAGE << (n / GROWS).clamp(0, MOST_GROWN)
}

/// What is known of an event so that it is known again.
fn mark(record: &Record<'_>) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    for n in [record.producer.0, record.number.0, record.time.0.cast_unsigned(), u64::from(record.kind)] {
        hasher.update(&n.to_le_bytes());
    }
    hasher.update(record.body);
    i64::from(hasher.finalize())
}

impl Index {
    fn is_there(&self, generation: i64) -> bool {
        // Behind a file system of tests nothing is removed behind our back.
        self.reads_elsewhere() || self.path(generation).exists()
    }
}
