//! Which pages may have a line, and which jobs are not indexed.

use std::collections::VecDeque;

use oyez_model::JobId;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::rows;
use super::file::{self, Reached};
use super::{MAX_PAGE, PAGE_BITS, job_of, page_id};
use crate::search::LogQuery;

/// Candidates that are asked for at once.
const AT_ONCE: i64 = 256;

/// A page that may have a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub job: JobId,
    pub first: u64,
    pub last: u64,
}

/// The index as of one moment, asked for one query.
#[derive(Debug)]
pub(super) struct Finder<'c> {
    conn: &'c Connection,
    /// Up to this job nothing is known.
    pub backfill: JobId,
    /// The grams, in FTS5's language.
    grams: Option<String>,
    since: i64,
    until: i64,
    levels: u8,
    found: VecDeque<Page>,
    /// Everything above this page's number was asked for.
    below: i64,
}

impl<'c> Finder<'c> {
    pub(super) fn new(conn: &'c Connection, query: &LogQuery) -> rusqlite::Result<Self> {
        let levels = query.levels.bits();
        Ok(Finder {
            conn,
            // As long as it is not known what is missing, everything may be.
            backfill: file::backfill(conn)?.unwrap_or(JobId(u64::MAX)),
            grams: query.pattern.as_ref().and_then(|pattern| pattern.index_query()),
            since: query.since.map_or(i64::MIN, |time| time.0),
            until: query.until.map_or(i64::MAX, |time| time.0),
            levels: if levels == 0 { u8::MAX } else { levels },
            found: VecDeque::new(),
            below: i64::MAX,
        })
    }

    /// The next page of a job up to `job`; pages of higher jobs are passed over.
    pub(super) fn next(&mut self, job: JobId, floor: JobId) -> rusqlite::Result<Option<Page>> {
        let bound = page_id(job, 0);
        loop {
            while let Some(page) = self.found.front() {
                if page.job <= job {
                    return Ok(Some(*page));
                }
                self.found.pop_front();
            }
            self.below = self.below.min(bound.saturating_add(1));
            if self.below <= page_id(floor, MAX_PAGE) {
                return Ok(None);
            }
            self.ask(page_id(floor, MAX_PAGE))?;
        }
    }

    /// The page that was given last is done.
    pub(super) fn pop(&mut self) {
        self.found.pop_front();
    }

    /// Passes over pages of a job that end before an event.
    pub(super) fn skip(&mut self, job: JobId, seq: u64) -> rusqlite::Result<()> {
        let mut get = self.conn.prepare_cached(
            "SELECT id FROM page WHERE id >= ?1 AND id <= ?2 AND last >= ?3 ORDER BY id DESC LIMIT 1",
        )?;
        let bounds = params![page_id(job, MAX_PAGE), page_id(job, 0), rows::int(seq)];
        let first: Option<i64> = get.query_row(bounds, |row| row.get(0)).optional()?;
        let below = first.unwrap_or(page_id(job, MAX_PAGE) - 1).saturating_add(1);
        if below < self.below {
            self.below = below;
            self.found.clear();
        }
        Ok(())
    }

    /// Some candidates below what was asked for.
    fn ask(&mut self, floor: i64) -> rusqlite::Result<()> {
        let mut last = floor;
        let mut count = 0;
        let mut see = |id: i64, first: u64, until: u64, fits: bool, found: &mut VecDeque<Page>| {
            (last, count) = (id, count + 1);
            if fits {
                found.push_back(Page { job: job_of(id), first, last: until });
            }
        };
        if let Some(grams) = &self.grams {
            let mut get = self.conn.prepare_cached(
                "SELECT rowid FROM gram WHERE gram MATCH ?1 AND rowid < ?2 AND rowid >= ?3 ORDER BY rowid DESC LIMIT ?4",
            )?;
            let mut page = self.conn.prepare_cached(
                "SELECT first, last, end >= ?2 AND begin <= ?3 AND levels & ?4 != 0 FROM page WHERE id = ?1",
            )?;
            let mut ids = get.query(params![grams, self.below, floor, AT_ONCE])?;
            while let Some(id) = ids.next()? {
                let id: i64 = id.get(0)?;
                let read = |row: &rusqlite::Row<'_>| {
                    Ok((rows::uint(row, 0)?, rows::uint(row, 1)?, row.get::<_, bool>(2)?))
                };
                // A page that is not there any more was given up: its job was indexed anew.
                let known =
                    page.query_row(params![id, self.since, self.until, self.levels], read).optional()?;
                let (first, until, fits) = known.unwrap_or((0, 0, false));
                see(id, first, until, fits, &mut self.found);
            }
        } else {
            let mut get = self.conn.prepare_cached(
                "SELECT id, first, last FROM page
                 WHERE id < ?1 AND id >= ?2 AND end >= ?3 AND begin <= ?4 AND levels & ?5 != 0 ORDER BY id DESC LIMIT ?6",
            )?;
            let bounds = params![self.below, floor, self.since, self.until, self.levels, AT_ONCE];
            let mut pages = get.query(bounds)?;
            while let Some(row) = pages.next()? {
                see(row.get(0)?, rows::uint(row, 1)?, rows::uint(row, 2)?, true, &mut self.found);
            }
        }
        self.below = if count < AT_ONCE { floor } else { last };
        Ok(())
    }

    /// The highest job up to `job` whose journal could not be read when it was to be indexed.
    pub(super) fn unread(&self, job: JobId) -> rusqlite::Result<Option<JobId>> {
        highest(self.conn, "SELECT max(job) FROM unread WHERE job <= ?1", job)
    }

    /// How far a job is indexed.
    pub(super) fn reached(&self, job: JobId) -> rusqlite::Result<Reached> {
        file::reached(self.conn, job)
    }
}

/// The job of a page's number is in its upper bits.
const _: () = assert!(PAGE_BITS < 32);

/// The highest job up to `job` that a statement finds.
pub(super) fn highest(conn: &Connection, sql: &str, job: JobId) -> rusqlite::Result<Option<JobId>> {
    let upto = i64::try_from(job.0).unwrap_or(i64::MAX);
    let found: Option<i64> = conn.prepare_cached(sql)?.query_row([upto], |row| row.get(0))?;
    Ok(found.map(|n| JobId(n.cast_unsigned())))
}
