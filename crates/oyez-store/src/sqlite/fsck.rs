//! Is the store sound? Every checksum is checked and every row held against a fold from the first event.
//!
//! The fold's rows go into a scratch file and the two are compared in the order of their keys, so that a job of any
//! size needs little memory. With `rebuild` the rows that the fold made take the place of those that were there.

use std::path::Path;

use oyez_model::{Changes, EventSeq, JobId, Live};
use rusqlite::{Connection, params};

use super::rows::{self, DbRows};
use super::trouble::Trouble;
use super::{SqliteOptions, blob, chunk, load, pool, schema};
use crate::blobs::Blobs;
use crate::error::StoreError;

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct FsckOptions {
    /// Only this job.
    pub job: Option<JobId>,
    /// Make rows again from the journal where they differ.
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

/// Tables that are made by the fold: name, and the columns besides `job`.
const TABLES: [(&str, &str); 3] = [
    ("node", "producer, number, data, bad"),
    ("segment", "producer, number, kind, part, data"),
    ("producer", "id, data"),
];

/// The most findings that are listed for one job.
const FINDINGS_PER_JOB: usize = 20;

/// Checks the store in `folder`; `progress` is told how many jobs are done, and of how many.
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
    let conn = pool::open(&path, store.vfs.as_deref(), true, store.read_only).map_err(|e| t.of(e))?;
    let found = schema::version(&conn).map_err(|e| t.of(e))?;
    if found != schema::VERSION {
        return Err(schema::not_of_today(folder, found));
    }
    let scratch = tempfile_db().map_err(|e| t.of(e))?;
    let mut report = FsckReport::default();
    if options.job.is_none() {
        check_file(&conn, &mut report).map_err(|e| t.of(e))?;
        let blobs = match &store.blobs {
            Some(blobs) => Some(blobs.clone()),
            None if store.vfs.is_some() => None,
            None => Some(Blobs::local(&folder.join("blobs"), false)?),
        };
        check_blobs(&conn, t, blobs.as_ref(), &mut report)?;
    }
    let jobs = jobs(&conn, options.job).map_err(|e| t.of(e))?;
    for (i, job) in jobs.iter().enumerate() {
        progress(i as u64, jobs.len() as u64);
        check_job(&conn, &scratch, t, *job, options.rebuild, &mut report)?;
    }
    progress(jobs.len() as u64, jobs.len() as u64);
    Ok(report)
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

fn check_file(conn: &Connection, report: &mut FsckReport) -> rusqlite::Result<()> {
    let mut get = conn.prepare("PRAGMA integrity_check(20)")?;
    let mut found = get.query([])?;
    while let Some(row) = found.next()? {
        let what: String = row.get(0)?;
        if what != "ok" {
            report.findings.push(Finding { job: None, what: format!("the file: {what}"), mended: false });
        }
    }
    Ok(())
}

fn check_blobs(
    conn: &Connection,
    t: Trouble<'_>,
    large: Option<&Blobs>,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    for hash in blob::all(conn).map_err(|e| t.of(e))? {
        report.blobs += 1;
        if let Err(e) = blob::get(conn, t, hash) {
            report.findings.push(Finding { job: None, what: e.to_string(), mended: false });
        }
    }
    if let Some(large) = large {
        for hash in super::block_on(large.all())? {
            report.blobs += 1;
            if let Err(e) = super::block_on(large.get(hash)) {
                report.findings.push(Finding { job: None, what: e.to_string(), mended: false });
            }
        }
    }
    Ok(())
}

fn check_job(
    conn: &Connection,
    scratch: &Connection,
    t: Trouble<'_>,
    job: JobId,
    rebuild: bool,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    report.jobs += 1;
    conn.execute_batch(if rebuild { "BEGIN IMMEDIATE" } else { "BEGIN" }).map_err(|e| t.of(e))?;
    let result = compare_job(conn, scratch, t, job, rebuild, report);
    let end = if rebuild && result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    conn.execute_batch(end).map_err(|e| t.of(e))?;
    result
}

fn compare_job(
    conn: &Connection,
    scratch: &Connection,
    t: Trouble<'_>,
    job: JobId,
    rebuild: bool,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    let before = report.findings.len();
    let mut findings: Vec<String> = Vec::new();
    check_chunks(conn, job, &mut findings).map_err(|e| t.of(e))?;
    let live = match refold(conn, scratch, t, job) {
        Ok(live) => live,
        Err(e) => {
            findings.push(e.to_string());
            push(report, job, findings, false);
            return Ok(());
        }
    };
    report.events += live.last_seq().0;
    push(report, job, std::mem::take(&mut findings), false);
    for (table, columns) in TABLES {
        compare_table(conn, scratch, job, table, columns, &mut findings, &mut report.rows)
            .map_err(|e| t.of(e))?;
    }
    compare_job_row(conn, t, job, &live, &mut findings)?;
    let differ = !findings.is_empty();
    push(report, job, findings, rebuild);
    if rebuild && differ {
        replace(conn, scratch, job, &live).map_err(|e| t.of(e))?;
    }
    debug_assert!(report.findings.len() >= before);
    Ok(())
}

fn push(report: &mut FsckReport, job: JobId, findings: Vec<String>, mended: bool) {
    let more = findings.len().saturating_sub(FINDINGS_PER_JOB);
    let listed = findings.into_iter().take(FINDINGS_PER_JOB);
    report.findings.extend(listed.map(|what| Finding { job: Some(job), what, mended }));
    if more > 0 {
        report.findings.push(Finding { job: Some(job), what: format!("and {more} more"), mended });
    }
}

/// Numbers without gaps, checksums right.
fn check_chunks(conn: &Connection, job: JobId, findings: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut get = conn.prepare_cached(
        "SELECT id, count, codec, crc, data FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id",
    )?;
    let mut found = get.query([chunk::key(job, EventSeq(0)), chunk::key(JobId(job.0 + 1), EventSeq(0))])?;
    let mut next = 1;
    while let Some(row) = found.next()? {
        let chunk = rows::chunk(row)?;
        let first = chunk::first_of(chunk.key).0;
        if first != next {
            findings.push(format!("events {next} to {} are missing", first.saturating_sub(1)));
        }
        next = first + chunk.count.cast_unsigned();
        if let Err(e) = chunk.events(|_, _| {}) {
            findings.push(e.to_string());
        }
    }
    if next == 1 {
        findings.push("it has no events".to_owned());
    }
    Ok(())
}

/// Folds the whole journal of a job into the scratch file.
fn refold(conn: &Connection, scratch: &Connection, t: Trouble<'_>, job: JobId) -> Result<Live, StoreError> {
    schema::scratch(scratch).map_err(|e| t.of(e))?;
    let mut live = Live::new();
    let mut failed = None;
    let mut pending = Changes::default();
    load::events_after(conn, t, job, EventSeq(0), |seq, event, _| {
        let epoch = if seq.0 == 1 { event.time } else { live.epoch() };
        let found = DbRows { conn: scratch, job, epoch, error: Default::default() };
        live.apply(seq, &event, &found, &mut pending);
        let wrote = if pending.nodes.len() > 512 || pending.segments.len() > 64 {
            rows::write(scratch, job, epoch, &mut pending)
        } else {
            Ok(())
        };
        if let Some(e) = found.error.into_inner().or(wrote.err()) {
            failed.get_or_insert(e);
        }
    })?;
    rows::write(scratch, job, live.epoch(), &mut pending).map_err(|e| t.of(e))?;
    match failed {
        Some(e) => Err(t.of(e)),
        None => Ok(live),
    }
}

/// Walks both tables in the order of their keys, side by side.
fn compare_table(
    conn: &Connection,
    scratch: &Connection,
    job: JobId,
    table: &str,
    columns: &str,
    findings: &mut Vec<String>,
    compared: &mut u64,
) -> rusqlite::Result<()> {
    let keys = match table {
        "node" => 2,
        "segment" => 4,
        _ => 1,
    };
    let order: Vec<String> = (1..=keys).map(|i| i.to_string()).collect();
    let sql = format!("SELECT {columns} FROM {table} WHERE job = ?1 ORDER BY {}", order.join(", "));
    let (mut stored, mut wanted) = (conn.prepare_cached(&sql)?, scratch.prepare_cached(&sql)?);
    let (mut stored, mut wanted) = (stored.query([rows::int(job.0)])?, wanted.query([rows::int(job.0)])?);
    let width = columns.split(", ").count();
    let values = |row: Option<&rusqlite::Row<'_>>| -> rusqlite::Result<Option<Vec<rusqlite::types::Value>>> {
        row.map(|row| (0..width).map(|i| row.get(i)).collect()).transpose()
    };
    let key = |values: &[rusqlite::types::Value]| -> Vec<i64> {
        values[..keys]
            .iter()
            .map(|v| if let rusqlite::types::Value::Integer(n) = v { *n } else { 0 })
            .collect()
    };
    let name =
        |key: &[i64]| format!("{table} {}", key.iter().map(i64::to_string).collect::<Vec<_>>().join("."));
    let (mut a, mut b) = (values(stored.next()?)?, values(wanted.next()?)?);
    loop {
        match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(have), Some(want)) if key(have) == key(want) => {
                *compared += 1;
                if have != want {
                    findings.push(format!("{} differs from what the journal says", name(&key(have))));
                }
                (a, b) = (values(stored.next()?)?, values(wanted.next()?)?);
            }
            (Some(have), want) if want.as_ref().is_none_or(|want| key(have) < key(want)) => {
                findings.push(format!("{} is not in the journal", name(&key(have))));
                a = values(stored.next()?)?;
            }
            (_, Some(want)) => {
                findings.push(format!("{} is missing", name(&key(want))));
                b = values(wanted.next()?)?;
            }
            (Some(_), None) => return Ok(()),
        }
    }
}

fn compare_job_row(
    conn: &Connection,
    t: Trouble<'_>,
    job: JobId,
    live: &Live,
    findings: &mut Vec<String>,
) -> Result<(), StoreError> {
    match rows::job(conn, job) {
        Ok(Some(row)) if rows::is_at_rest(row.state) && row != live.job_row() => {
            findings.push("the job's row differs from what the journal says".to_owned());
        }
        Ok(Some(row)) if row.uid != live.job_row().uid || row.state != live.state() => {
            findings.push("the job's row differs from what the journal says".to_owned());
        }
        Ok(Some(_)) => {}
        Ok(None) => findings.push("the job's row is missing".to_owned()),
        Err(e) => findings.push(t.of(e).to_string()),
    }
    // The live state from the checkpoint must be the one that all events make.
    match load::live(conn, t, job) {
        Ok((from_checkpoint, _)) if from_checkpoint != *live => {
            findings.push("the checkpoint differs from what the journal says".to_owned());
        }
        Ok(_) => {}
        Err(e) => findings.push(e.to_string()),
    }
    Ok(())
}

/// Puts the fold's rows in the place of those that are there.
fn replace(conn: &Connection, scratch: &Connection, job: JobId, live: &Live) -> rusqlite::Result<()> {
    for (table, columns) in TABLES {
        conn.execute(&format!("DELETE FROM {table} WHERE job = ?1"), [rows::int(job.0)])?;
        let marks: Vec<String> = (2..columns.split(", ").count() + 2).map(|i| format!("?{i}")).collect();
        let sql = format!("INSERT INTO {table} (job, {columns}) VALUES (?1, {})", marks.join(", "));
        let mut put = conn.prepare(&sql)?;
        let mut get = scratch.prepare(&format!("SELECT job, {columns} FROM {table} WHERE job = ?1"))?;
        let mut found = get.query([rows::int(job.0)])?;
        while let Some(row) = found.next()? {
            let values: Vec<rusqlite::types::Value> =
                (0..=marks.len()).map(|i| row.get(i)).collect::<rusqlite::Result<_>>()?;
            put.execute(rusqlite::params_from_iter(values))?;
        }
    }
    let row = live.job_row();
    conn.execute(
        "INSERT INTO job (id, uid, state, row) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET uid = ?2, state = ?3, row = ?4",
        params![rows::int(job.0), &row.uid.as_bytes()[..], row.state.code(), rows::cbor(&row)],
    )?;
    rows::index_job(conn, job, &row)?;
    conn.execute(
        "INSERT OR REPLACE INTO checkpoint (job, seq, data) VALUES (?1, ?2, ?3)",
        params![rows::int(job.0), rows::int(live.last_seq().0), live.checkpoint()],
    )?;
    Ok(())
}
