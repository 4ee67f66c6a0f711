//! Searching logs, and the index that makes it fast ([`super::index`]); tags.

use std::sync::{Arc, PoisonError};

use oyez_model::{EventSeq, JobId};
use rusqlite::{Connection, ErrorCode, params};

use super::commit::{Answer, Ask};
use super::index::build::{self, Desk, Indexed};
use super::index::file::Index;
use super::index::look::{self, LookError};
use super::index::{self, background};
use super::pool::Pool;
use super::trouble::Trouble;
use super::writer::Writer;
use super::{SqliteStore, block_on, spawn};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::search::{LogPage, LogQuery, TagCount, TagFilter};

/// What indexes: the store's parts, for a thread of its own.
struct Indexer {
    index: Arc<Index>,
    pool: Arc<Pool>,
    writer: Arc<Writer>,
    clock: Arc<dyn Clock>,
}

impl Indexer {
    fn step(&self) -> Result<Indexed, StoreError> {
        // One at a time; who comes second finds less to do.
        let mut builder = self.index.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = self.pool.take()?;
        let t = Trouble(self.pool.path());
        let begun = conn.execute_batch("BEGIN").map_err(|e| t.of(e));
        let done = begun.and_then(|()| build::step(&self.index, &mut builder, &conn, t, self));
        self.pool.put(conn);
        done
    }

    fn ask(&self, ask: Ask) -> Result<Answer, StoreError> {
        block_on(self.writer.queue.ask(ask, || false))
    }
}

impl Desk for Indexer {
    fn name(&self, former: Option<i64>, new: i64) -> Result<Option<JobId>, StoreError> {
        match self.ask(Ask::NameIndex { former, new })? {
            Answer::Index(highest) => Ok(highest),
            _ => Ok(None),
        }
    }

    fn forget(&self, generation: i64, jobs: Vec<(JobId, EventSeq)>) -> Result<(), StoreError> {
        self.ask(Ask::Indexed { generation, jobs }).map(|_| ())
    }

    fn random(&self) -> i64 {
        self.clock.random().cast_signed()
    }
}

impl SqliteStore {
    fn indexer(&self) -> Option<Indexer> {
        let (index, pool, clock) = (self.index.clone(), self.pool.clone(), self.clock.clone());
        self.writer.clone().map(|writer| Indexer { index, pool, writer, clock })
    }

    /// Puts some of the log that is not in the index into it: about 2 MiB. Nothing in a store that is only read.
    ///
    /// # Errors
    /// The index cannot be made or written, or the store's own trouble; searches answer all the same, more slowly.
    pub async fn index_logs(&self) -> Result<Indexed, StoreError> {
        let Some(indexer) = self.indexer() else { return Ok(Indexed::default()) };
        tokio::task::spawn_blocking(move || indexer.step()).await.map_err(|_| StoreError::Closed)?
    }

    /// From now on logs are indexed as they come, on a thread that takes only time that nobody else wants. `tell` is
    /// called with what people should know: that the index had to be made again, that it cannot be written.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn index_in_background(&self, tell: impl Fn(&str) + Send + 'static) -> Result<(), StoreError> {
        let Some(indexer) = self.indexer() else { return Ok(()) };
        let (stopped, commits) = (self.stopped.clone(), self.commits.clone());
        let commits = move || *commits.borrow();
        let work = move || background::run(&stopped, commits, || indexer.step(), &tell);
        let thread = spawn(&self.path, "oyez-index", work)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    pub(super) async fn find_logs(&self, query: LogQuery) -> Result<LogPage, StoreError> {
        let index = self.index.clone();
        self.read(move |conn, t| {
            let generation = index::generation(conn).map_err(|e| t.of(e))?;
            // An index that cannot be opened is done without.
            let opened = generation.and_then(|generation| Some((generation, index.take(generation).ok()?)));
            let without = || look::search(conn, t, None, &query).map_err(|e| only_store(t, e));
            let Some((generation, beside)) = opened else { return without() };
            let begun = beside.execute_batch("BEGIN").map_err(LookError::Index);
            match begun.and_then(|()| look::search(conn, t, Some(&beside), &query)) {
                Err(LookError::Index(e)) => {
                    if is_damage(&e) {
                        // Whoever indexes finds it missing, and makes it again.
                        index.remove(generation);
                    }
                    without()
                }
                other => {
                    index.put(generation, beside);
                    other.map_err(|e| only_store(t, e))
                }
            }
        })
        .await
    }
}

fn is_damage(e: &rusqlite::Error) -> bool {
    let code = e.sqlite_error_code();
    matches!(code, None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown))
}

fn only_store(t: Trouble<'_>, e: LookError) -> StoreError {
    match e {
        LookError::Store(e) => e,
        LookError::Index(e) => t.of(e),
    }
}

/// The tags of jobs, in the order of their bytes.
pub(super) fn tags(conn: &Connection, filter: &TagFilter) -> rusqlite::Result<Vec<TagCount>> {
    let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
    let mut get =
        conn.prepare_cached("SELECT tag, count(*) FROM job_tag WHERE tag > ?1 GROUP BY tag ORDER BY tag")?;
    let mut found = get.query(params![filter.after.as_deref().unwrap_or("")])?;
    let mut tags = Vec::new();
    while let Some(row) = found.next()?.filter(|_| tags.len() < limit) {
        let name: String = row.get(0)?;
        if filter.pattern.as_ref().is_none_or(|pattern| pattern.find(&name).is_some()) {
            tags.push(TagCount { name, jobs: super::rows::uint(row, 1)? });
        }
    }
    Ok(tags)
}
