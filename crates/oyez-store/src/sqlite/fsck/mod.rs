//! Is the store sound? Every checksum is checked and every row held against a fold from the first event.
//!
//! The fold's rows go into a scratch file and the two are compared in the order of their keys, so that a job of any
//! size needs little memory. With `rebuild` the rows that the fold made take the place of those that were there.

mod job;

use std::path::Path;

use oyez_model::JobId;
use rusqlite::Connection;

use super::lock::Lock;
use super::trouble::Trouble;
use super::{SqliteOptions, blob, pool, rows, schema, wal};
use crate::blobs::Blobs;
use crate::error::StoreError;

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct FsckOptions {
    /// Only this job.
    pub job: Option<JobId>,
    /// Make rows again from the journal where they differ; not those of a job whose journal is damaged.
    pub rebuild: bool,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which job; none when it is about the file as a whole.
    pub job: Option<JobId>,
    /// What is wrong.
    pub what: String,
    /// Whether `rebuild` mended it.
    pub mended: bool,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Jobs that were looked at.
    pub jobs: u64,
    /// Events that were read and folded.
    pub events: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// Blobs whose content was checked.
    pub blobs: u64,
    /// What is not as it should be; empty when the store is sound.
    pub findings: Vec<Finding>,
}

/// Checks the store in `folder`; `progress` is told how many jobs are done, and of how many. It blocks: call it from a
/// thread that may.
///
/// # Errors
/// The store cannot be opened or read at all; damage within it is in the report.
pub fn fsck(
    folder: &Path,
    options: &FsckOptions,
    store: &SqliteOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<FsckReport, StoreError> {
    let t = Trouble(folder);
    let path = folder.join(super::FILE);
    let mut report = FsckReport::default();
    // Whoever only looks changes nothing: no file is made, and none is written.
    let look = store.read_only || !options.rebuild;
    let _lock = if store.vfs.is_none() { check_log(folder, &path, look, &mut report)? } else { None };
    let vfs = store.vfs.as_deref();
    let conn = if look { pool::open_to_look(&path, vfs, true) } else { pool::open(&path, vfs, true, false) };
    let conn = conn.map_err(|e| t.of(e))?;
    let found = schema::version(&conn).map_err(|e| t.of(e))?;
    if found != schema::VERSION {
        let other = schema::not_of_today(folder, found);
        if report.findings.is_empty() {
            return Err(other);
        }
        // All that there was stood behind the break.
        report.say(None, other.to_string());
        return Ok(report);
    }
    let scratch = tempfile_db().map_err(|e| t.of(e))?;
    if options.job.is_none() {
        if let Err(e) = check_file(&conn, options.rebuild, &mut report) {
            report.say(None, t.of(e).to_string());
        }
        let blobs = match &store.blobs {
            Some(blobs) => Some(blobs.clone()),
            None if store.vfs.is_some() => None,
            None => Some(Blobs::local(&folder.join("blobs"), false, false)?),
        };
        check_blobs(&conn, t, blobs.as_ref(), &mut report)?;
    }
    let jobs = match jobs(&conn, options.job) {
        Ok(jobs) => jobs,
        Err(e) => {
            report.say(None, t.of(e).to_string());
            return Ok(report);
        }
    };
    for (i, job) in jobs.iter().enumerate() {
        progress(i as u64, jobs.len() as u64);
        job::check(&conn, &scratch, t, *job, options.rebuild, &mut report)?;
    }
    progress(jobs.len() as u64, jobs.len() as u64);
    Ok(report)
}

impl FsckReport {
    fn say(&mut self, job: Option<JobId>, what: String) {
        self.findings.push(Finding { job, what, mended: false });
    }
}

/// Looks at the log before SQLite does, if nobody else may be writing it; the lock is held by who calls this.
fn check_log(
    folder: &Path,
    path: &Path,
    look: bool,
    report: &mut FsckReport,
) -> Result<Option<std::fs::File>, StoreError> {
    let t = Trouble(folder);
    let lock = match Lock::take(folder) {
        Ok(lock) => lock,
        // Where nothing can be written nobody writes.
        Err(_) if look => return Ok(None),
        Err(e) => return Err(e),
    };
    if lock.is_alone()
        && let Some(broken) = wal::look(path).map_err(|e| t.io(&e))?
    {
        let copy = wal::set_aside(path).map_err(|e| t.io(&e))?;
        if !look {
            wal::cut(path, &broken).map_err(|e| t.io(&e))?;
        }
        let what = wal::damaged(path, &broken, &copy).to_string();
        report.findings.push(Finding { job: None, what, mended: !look });
    }
    lock.share().map(Some)
}

/// A database in a temporary file that is gone when it is closed.
fn tempfile_db() -> rusqlite::Result<Connection> {
    let conn = Connection::open("")?;
    conn.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -64000;")?;
    Ok(conn)
}

fn jobs(conn: &Connection, only: Option<JobId>) -> rusqlite::Result<Vec<JobId>> {
    // Also jobs of which only the journal knows: their row is what was lost.
    let mut get = conn.prepare(
        "SELECT id FROM job UNION SELECT DISTINCT id >> 36 FROM chunk WHERE ?1 IS NULL OR id >> 36 = ?1 ORDER BY 1",
    )?;
    let found: Vec<JobId> = get
        .query_map([only.map(|id| rows::int(id.0))], |row| rows::uint(row, 0).map(JobId))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|id| only.is_none_or(|only| only == *id)).collect())
}

/// SQLite's own check of its pages and indexes; indexes can be made again.
fn check_file(conn: &Connection, rebuild: bool, report: &mut FsckReport) -> rusqlite::Result<()> {
    let found = integrity(conn)?;
    let mended = rebuild && !found.is_empty() && {
        conn.execute_batch("REINDEX")?;
        integrity(conn)?.is_empty()
    };
    let finding = |what| Finding { job: None, what: format!("the file: {what}"), mended };
    report.findings.extend(found.into_iter().map(finding));
    Ok(())
}

fn integrity(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut get = conn.prepare("PRAGMA integrity_check(20)")?;
    let found: Vec<String> = get.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|what| what != "ok").collect())
}

fn check_blobs(
    conn: &Connection,
    t: Trouble<'_>,
    large: Option<&Blobs>,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    let packed = blob::all(conn).unwrap_or_else(|e| {
        report.say(None, t.of(e).to_string());
        Vec::new()
    });
    for hash in packed {
        report.blobs += 1;
        if let Err(e) = blob::get(conn, t, hash) {
            report.say(None, e.to_string());
        }
    }
    if let Some(large) = large {
        for hash in super::block_on(large.all())? {
            report.blobs += 1;
            if let Err(e) = super::block_on(large.get(hash)) {
                report.say(None, e.to_string());
            }
        }
    }
    Ok(())
}
