//! One job: its chunks, and its rows against a fold from the first event.

use oyez_model::{Changes, EventSeq, JobId, JobRow, Live};
use rusqlite::{Connection, params};

use super::super::rows::{self, DbRows};
use super::super::trouble::Trouble;
use super::super::{chunk, load, schema};
use super::{Finding, FsckReport};
use crate::error::StoreError;

/// Tables that are made by the fold: name, and the columns besides `job`.
const TABLES: [(&str, &str); 3] = [
    ("node", "producer, number, data, bad"),
    ("segment", "producer, number, kind, part, data"),
    ("producer", "id, data"),
];

/// The most findings that are listed for one job.
const FINDINGS_PER_JOB: usize = 20;

/// Checks a job; what is damaged is told in the report.
pub(super) fn check(
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
    let ended = conn.execute_batch(end).map_err(|e| t.of(e));
    match result.and(ended) {
        // Where SQLite itself cannot read on, the other jobs still can be checked.
        Err(e @ StoreError::Damaged { .. }) => {
            report.say(Some(job), e.to_string());
            Ok(())
        }
        other => other,
    }
}

fn compare_job(
    conn: &Connection,
    scratch: &Connection,
    t: Trouble<'_>,
    job: JobId,
    rebuild: bool,
    report: &mut FsckReport,
) -> Result<(), StoreError> {
    let mut findings: Vec<String> = Vec::new();
    check_chunks(conn, job, &mut findings).map_err(|e| t.of(e))?;
    if !findings.is_empty() {
        // The journal is the only truth, and it is not whole: its rows say more than it does. They stay.
        push(report, job, findings, false);
        return Ok(());
    }
    let live = match refold(conn, scratch, t, job) {
        Ok(live) => live,
        Err(e) => {
            findings.push(e.to_string());
            push(report, job, findings, false);
            return Ok(());
        }
    };
    report.events += live.last_seq().0;
    let mut surplus = 0;
    for (table, columns) in TABLES {
        surplus += compare_table(conn, scratch, job, table, columns, &mut findings, &mut report.rows)
            .map_err(|e| t.of(e))?;
    }
    if surplus > 0 {
        // A damaged key makes one row too many and one too few. More rows than the journal makes are rows of events that
        // it has lost, the last ones.
        findings
            .insert(0, "its last events are missing: there are more rows than the journal makes".to_owned());
        push(report, job, findings, false);
        return Ok(());
    }
    compare_job_row(conn, t, job, &live, &mut findings)?;
    let differ = !findings.is_empty();
    let replaced = if rebuild && differ { replace(conn, scratch, job, &live) } else { Ok(()) };
    push(report, job, findings, rebuild && replaced.is_ok());
    replaced.map_err(|e| t.of(e))?;
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
    let mut found = get.query([chunk::key(job, EventSeq(0)), chunk::end(job)])?;
    let mut next = 1;
    while let Some(row) = found.next()? {
        let chunk = rows::chunk(row)?;
        let first = chunk::first_of(chunk.key).0;
        if first != next {
            findings.push(format!("events {next} to {} are missing", first.saturating_sub(1)));
        }
        next = chunk.next();
        if let Err(e) = chunk.events(|_, _| {}) {
            findings.push(e.to_string());
        }
    }
    let known = load::known_seq(conn, job)?;
    if next == 1 {
        findings.push("it has no events".to_owned());
    } else if next <= known {
        findings.push(format!("events {next} to {known} are missing"));
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

/// Walks both tables in the order of their keys, side by side; says how many rows more are stored than wanted.
fn compare_table(
    conn: &Connection,
    scratch: &Connection,
    job: JobId,
    table: &str,
    columns: &str,
    findings: &mut Vec<String>,
    compared: &mut u64,
) -> rusqlite::Result<i64> {
    let mut surplus = 0;
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
            (None, None) => return Ok(surplus),
            (Some(have), Some(want)) if key(have) == key(want) => {
                *compared += 1;
                if have != want {
                    findings.push(format!("{} differs from what the journal says", name(&key(have))));
                }
                (a, b) = (values(stored.next()?)?, values(wanted.next()?)?);
            }
            (Some(have), want) if want.as_ref().is_none_or(|want| key(have) < key(want)) => {
                findings.push(format!("{} is not in the journal", name(&key(have))));
                surplus += 1;
                a = values(stored.next()?)?;
            }
            (_, Some(want)) => {
                findings.push(format!("{} is missing", name(&key(want))));
                surplus -= 1;
                b = values(wanted.next()?)?;
            }
            (Some(_), None) => return Ok(surplus),
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
    if !is_indexed(conn, job, &live.job_row()).map_err(|e| t.of(e))? {
        findings.push(
            "what finds the job by state, uid, tag or guid differs from what the journal says".to_owned(),
        );
    }
    if !load::checkpoint_is_whole(conn, job).map_err(|e| t.of(e))? {
        findings.push("the checkpoint's checksum does not match".to_owned());
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

/// Whether the job is found by everything that it should be found by.
fn is_indexed(conn: &Connection, job: JobId, row: &JobRow) -> rusqlite::Result<bool> {
    let id = rows::int(job.0);
    let there = |sql: &str, text: &str| conn.prepare_cached(sql)?.exists(params![text, id]);
    for tag in &row.tags {
        if !there("SELECT 1 FROM job_tag WHERE tag = ?1 AND job = ?2", tag)? {
            return Ok(false);
        }
    }
    for guid in &row.guids {
        if !there("SELECT 1 FROM job_guid WHERE guid = ?1 AND job = ?2", guid.as_str())? {
            return Ok(false);
        }
    }
    if let Some(server) = &row.server_id
        && !there("SELECT 1 FROM job_server WHERE server = ?1 AND job = ?2", server)?
    {
        return Ok(false);
    }
    conn.prepare_cached("SELECT 1 FROM job WHERE id = ?1 AND uid = ?2 AND state = ?3")?.exists(params![
        id,
        &row.uid.as_bytes()[..],
        row.state.code()
    ])
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
    for table in ["job_tag", "job_guid", "job_server"] {
        conn.execute(&format!("DELETE FROM {table} WHERE job = ?1"), [rows::int(job.0)])?;
    }
    conn.execute(
        "INSERT INTO job (id, uid, state, row) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET uid = ?2, state = ?3, row = ?4",
        params![rows::int(job.0), &row.uid.as_bytes()[..], row.state.code(), rows::cbor(&row)],
    )?;
    rows::index_job(conn, job, &row)?;
    load::put_checkpoint(conn, job, live)
}
