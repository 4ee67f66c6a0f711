//! The index of logs: which grams ([`crate::search::grams`]) stand on which pages.
//!
//! ```text
//! DIR/search/GENERATION.db    page (what a page covers), gram (FTS5: a gram's word -> pages), job (how far), unread, state
//! DIR/oyez.db                 unindexed (jobs with log that may not be in the index), search (the generation in force)
//! ```
//!
//! A page is some 64 KiB of one job's log, as many events of it as that takes. The index says which pages may have a line;
//! the lines themselves are read from the journal and matched there, so that no answer depends on what the index takes for
//! the same. Pages are numbered so that falling numbers are newest jobs first, the pages of a job in order.
//!
//! **It can be thrown away.** A file that is missing, damaged or of another version is made again under a new number, the
//! generation, which the store itself knows: whoever still has the former file open can do no harm. What no index holds
//! yet is searched in the journal: jobs in `unindexed` from where the index ends, jobs up to `state.backfill`, jobs in
//! `unread` (their journal was damaged). So an answer is the same however far the index is.
//!
//! **Nothing is missed.** A commit with log puts its job into `unindexed`, in the same transaction. It is taken out when
//! the job has ended and the index has all of it, synced, and only if nothing came since ([`super::commit::Ask::Indexed`]).
//! The index remembers the event that it ends with: should a power cut have taken it back, the job is indexed anew.
//!
//! FTS5 is used as a plain inverted index (contentless, `detail=none`), with the grams as words. Its own tokenizer for
//! trigrams was not taken: it folds letters by other tables than the crate `regex` (and would then leave out what should be
//! found), and is called for every letter, where a page has each gram only once.
//!
//! | module | does |
//! |---|---|
//! | [`file`] | the index's file: made, opened, thrown away |
//! | [`build`] | a step of indexing |
//! | [`background`] | steps on a thread of the lowest priority |
//! | [`find`] | pages that may have it, and jobs that are not indexed |
//! | [`look`] | a query: finds candidates, reads them, stops in time |
//! | [`journal`] | the events of a stretch of a job |

pub(super) mod background;
pub(super) mod build;
pub(super) mod file;
mod find;
mod journal;
pub(super) mod look;

use oyez_model::JobId;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;

/// Bits of a page's number within its job. The index keeps how far it is from page to page, in bytes of seven bits: with
/// 13, two of them lead from one small job to the next. Pages of a job with many are larger ([`build`]).
const PAGE_BITS: u32 = 13;
const MAX_PAGE: i64 = (1 << PAGE_BITS) - 1;
/// The highest number that a job can have ([`super::chunk`]).
const MAX_JOB: u64 = (1 << 27) - 1;

/// The number of the n-th page of a job: the later, the lower.
fn page_id(job: JobId, n: i64) -> i64 {
    rows::int(job.0.min(MAX_JOB)) << PAGE_BITS | (MAX_PAGE - n.clamp(0, MAX_PAGE))
}

/// The job of a page.
fn job_of(page: i64) -> JobId {
    JobId((page >> PAGE_BITS).cast_unsigned())
}

/// The generation that the store names.
pub(super) fn generation(conn: &Connection) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT generation FROM search")?.query_row([], |row| row.get(0)).optional()
}

/// Names a generation in place of another, within the caller's transaction; the highest job if that was done.
pub(super) fn name_generation(
    conn: &Connection,
    former: Option<i64>,
    new: i64,
) -> rusqlite::Result<Option<JobId>> {
    if generation(conn)? != former {
        return Ok(None);
    }
    conn.execute("INSERT OR REPLACE INTO search (id, generation) VALUES (1, ?1)", [new])?;
    highest_job(conn).map(Some)
}

/// The highest job there is; 0 without one.
fn highest_job(conn: &Connection) -> rusqlite::Result<JobId> {
    conn.query_row("SELECT ifnull(max(id), 0) FROM job", [], |row| rows::uint(row, 0).map(JobId))
}

/// Remembers that a job has log that may not be in the index.
pub(super) fn remember(conn: &Connection, job: JobId) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO unindexed (job) VALUES (?1)")?
        .execute([rows::int(job.0)])
        .map(|_| ())
}

/// A job is in the index up to its last event, unless another came since; says whether it was taken out.
pub(super) fn forget(conn: &Connection, job: JobId, upto: oyez_model::EventSeq) -> rusqlite::Result<bool> {
    if super::load::last_seq(conn, job)? != upto {
        return Ok(false);
    }
    let gone =
        conn.prepare_cached("DELETE FROM unindexed WHERE job = ?1")?.execute(params![rows::int(job.0)])?;
    Ok(gone > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falling_numbers_are_newest_jobs_first_and_pages_in_order() {
        let ids =
            [(9, 0), (9, 1), (9, MAX_PAGE), (8, 0), (1, 5), (0, 7)].map(|(job, n)| page_id(JobId(job), n));
        assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
        assert_eq!(job_of(page_id(JobId(MAX_JOB), 17)), JobId(MAX_JOB));
        assert!(page_id(JobId(u64::MAX), 0) > 0);
    }
}
