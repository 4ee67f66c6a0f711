//! A query: finds candidates, reads them, stops in time.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use oyez_model::event::Record;
use oyez_model::{EventSeq, JobId, JobUid, Live, NodeRow, SectionId, Time};
use rusqlite::Connection;

use super::super::trouble::Trouble;
use super::super::{load, rows};
use super::MAX_JOB;
use super::file::Reached;
use super::find::{Finder, highest};
use super::journal::Journal;
use crate::error::StoreError;
use crate::search::lines::{Hits, LOG_TEXT, LogEvent, Names, Nodes, log_of};
use crate::search::{LogCursor, LogPage, LogQuery, MAX_NOTES};

/// An answer is given after this time, whatever it has.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a step costs beside the text that it looks at, in bytes of text.
const STEP: u64 = 1 << 10;
/// What an event costs that holds no log.
const PASSED_OVER: u64 = 16;
/// The clock is looked at after so many events.
const TICK: u32 = 64;

/// What went wrong, and where.
#[derive(Debug)]
pub(in crate::sqlite) enum LookError {
    Store(StoreError),
    /// In the index: it can be done without.
    Index(rusqlite::Error),
}

impl From<StoreError> for LookError {
    fn from(e: StoreError) -> Self {
        LookError::Store(e)
    }
}

/// Answers a query from one moment of the store, and of the index if there is one; the index's must be the later.
pub(in crate::sqlite) fn search(
    main: &Connection,
    t: Trouble<'_>,
    index: Option<&Connection>,
    query: &LogQuery,
) -> Result<LogPage, LookError> {
    let mut floor = JobId(1);
    let mut at = query.from.unwrap_or(LogCursor::of(JobId(MAX_JOB)));
    if at.job.0 > MAX_JOB {
        at = LogCursor::of(JobId(MAX_JOB));
    }
    if let Some(job) = query.job {
        let there = "SELECT max(id) FROM job WHERE id <= ?1";
        if highest(main, there, job).map_err(|e| t.of(e))? != Some(job) {
            return Err(StoreError::NoJob(job).into());
        }
        floor = job;
        if at.job > job {
            at = LogCursor::of(job);
        }
    }
    let finder = index.map(|conn| Finder::new(conn, query)).transpose().map_err(LookError::Index)?;
    let mut look = Look {
        main,
        t,
        finder,
        query,
        floor,
        hits: Hits::new(query),
        journal: Journal::default(),
        spent: 0,
        until: Instant::now() + PATIENCE,
        tick: 0,
        is_late: false,
        has_looked: false,
        notes: Vec::new(),
    };
    let stopped = look.run(at)?;
    let next = look.hits.next.or(stopped);
    let (mut hits, notes) = (look.hits.hits, look.notes);
    Names::default().put(&mut hits, &mut Rows { main, t, live: None })?;
    Ok(LogPage { hits, next, notes })
}

struct Look<'a> {
    main: &'a Connection,
    t: Trouble<'a>,
    finder: Option<Finder<'a>>,
    query: &'a LogQuery,
    /// No job below this is looked at.
    floor: JobId,
    hits: Hits<'a>,
    journal: Journal,
    spent: u64,
    until: Instant,
    tick: u32,
    is_late: bool,
    /// Something was looked at: however little may be spent, the next answer begins further on.
    has_looked: bool,
    notes: Vec<String>,
}

impl Look<'_> {
    /// Looks from a place on; says where to go on if it stopped for its effort.
    fn run(&mut self, mut at: LogCursor) -> Result<Option<LogCursor>, LookError> {
        loop {
            if at.job < self.floor {
                return Ok(None);
            }
            self.spent += STEP;
            if self.is_spent() {
                return Ok(Some(at));
            }
            let Some(job) = self.next_job(at.job)? else { return Ok(None) };
            let Some(fits) = self.tagged(job)? else { return Ok(None) };
            if fits < at.job {
                at = LogCursor::of(fits);
            }
            if fits < job {
                continue;
            }
            if let Some(stopped) = self.job(at)? {
                return Ok(Some(stopped));
            }
            if self.hits.is_full() {
                return Ok(None);
            }
            at = LogCursor::of(JobId(job.0 - 1));
        }
    }

    /// Whether the answer must be given now.
    fn is_spent(&mut self) -> bool {
        self.tick += 1;
        if self.tick >= TICK {
            (self.tick, self.is_late) = (0, Instant::now() >= self.until);
        }
        self.has_looked && (self.is_late || self.spent >= self.query.effort)
    }

    /// The highest job up to `job` that has a candidate.
    fn next_job(&mut self, job: JobId) -> Result<Option<JobId>, LookError> {
        let mut found = self.tail_up_to(job)?;
        if let Some(finder) = &mut self.finder {
            let page = finder.next(job, self.floor).map_err(LookError::Index)?;
            found = found.max(page.map(|page| page.job));
        }
        Ok(found.filter(|found| *found >= self.floor))
    }

    /// The highest job up to `job` that is not all in the index.
    fn tail_up_to(&self, job: JobId) -> Result<Option<JobId>, LookError> {
        let main = |sql, job| highest(self.main, sql, job).map_err(|e| self.t.of(e));
        let all = "SELECT max(id) FROM job WHERE id <= ?1";
        let Some(finder) = &self.finder else { return Ok(main(all, job)?) };
        let listed = main("SELECT max(job) FROM unindexed WHERE job <= ?1", job)?;
        let unread = finder.unread(job).map_err(LookError::Index)?;
        let before = if finder.backfill.0 > 0 { main(all, job.min(finder.backfill))? } else { None };
        Ok(listed.max(unread).max(before))
    }

    /// The highest job up to `job` with all tags.
    fn tagged(&self, job: JobId) -> Result<Option<JobId>, LookError> {
        let mut at = job;
        'again: loop {
            for tag in &self.query.tags {
                let found: Option<i64> = self
                    .main
                    .prepare_cached("SELECT max(job) FROM job_tag WHERE tag = ?1 AND job <= ?2")
                    .and_then(|mut get| get.query_row((tag, rows::int(at.0)), |row| row.get(0)))
                    .map_err(|e| self.t.of(e))?;
                let Some(found) = found.map(|n| JobId(n.cast_unsigned())) else { return Ok(None) };
                if found < self.floor {
                    return Ok(None);
                }
                if found < at {
                    at = found;
                    continue 'again;
                }
            }
            return Ok(Some(at));
        }
    }

    /// Looks through one job, from a place in it on; says where it stopped for its effort.
    fn job(&mut self, at: LogCursor) -> Result<Option<LogCursor>, LookError> {
        let mut reached = Reached::default();
        if let Some(finder) = &mut self.finder {
            if at.seq.0 > 1 {
                finder.skip(at.job, at.seq.0).map_err(LookError::Index)?;
            }
            while let Some(finder) = &mut self.finder
                && let Some(page) = finder.next(at.job, self.floor).map_err(LookError::Index)?
                && page.job == at.job
            {
                finder.pop();
                let stopped = self.stretch(at, (page.first.max(at.seq.0), page.last))?;
                if stopped.is_some() || self.hits.is_full() {
                    return Ok(stopped);
                }
            }
        }
        if self.tail_up_to(at.job)? != Some(at.job) {
            return Ok(None);
        }
        if let Some(finder) = &self.finder {
            reached = finder.reached(at.job).map_err(LookError::Index)?;
        }
        self.stretch(at, (at.seq.0.max(reached.upto + 1), u64::MAX))
    }

    /// Looks through a stretch of a job.
    fn stretch(&mut self, at: LogCursor, stretch: (u64, u64)) -> Result<Option<LogCursor>, LookError> {
        let mut journal = std::mem::take(&mut self.journal);
        let read = journal.each(self.main, self.t, at.job, stretch, |seq, record| {
            if self.is_spent() {
                let line = if seq == at.seq { at.line } else { 0 };
                return ControlFlow::Break(Some(LogCursor { job: at.job, seq, line }));
            }
            if record.kind != LOG_TEXT || !self.query.is_in_time(record.time) {
                self.has_looked = true;
                self.spent += PASSED_OVER;
                return ControlFlow::Continue(());
            }
            self.event(at, seq, record);
            if self.hits.is_full() { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
        });
        self.spent += journal.unpacked / 4;
        journal.unpacked = 0;
        self.journal = journal;
        match read {
            Ok(ControlFlow::Break(stopped)) => Ok(stopped),
            Ok(ControlFlow::Continue(())) => Ok(None),
            Err(e @ StoreError::Damaged { .. }) => {
                if self.notes.len() < MAX_NOTES {
                    self.notes.push(format!("not searched: {e}"));
                }
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn event(&mut self, at: LogCursor, seq: EventSeq, record: &Record<'_>) {
        self.has_looked = true;
        self.spent += record.body.len() as u64;
        let event = record.event();
        let Some(log) = log_of(&event.body) else { return };
        let line = if seq == at.seq { at.line } else { 0 };
        let (producer, time) = (event.producer, event.time);
        self.hits.look(LogEvent { job: at.job, seq, producer, time, log }, line);
    }
}

/// Names from rows, and from the live state for what is open.
struct Rows<'a> {
    main: &'a Connection,
    t: Trouble<'a>,
    live: Option<(JobId, Live)>,
}

impl Nodes for Rows<'_> {
    fn job(&mut self, job: JobId) -> Result<(JobUid, String), StoreError> {
        let row = rows::job(self.main, job).map_err(|e| self.t.of(e))?.ok_or(StoreError::NoJob(job))?;
        Ok((row.uid, row.name))
    }

    fn node(&mut self, job: JobId, id: SectionId) -> Result<Option<NodeRow>, StoreError> {
        // Names need no times, so the job's first need not be known.
        if let Some(row) = rows::node(self.main, job, Time(0), id).map_err(|e| self.t.of(e))? {
            return Ok(Some(row));
        }
        if self.live.as_ref().is_none_or(|(known, _)| *known != job) {
            self.live = Some((job, load::live(self.main, self.t, job)?.0));
        }
        Ok(self.live.as_ref().and_then(|(_, live)| live.open_row(id)))
    }
}
