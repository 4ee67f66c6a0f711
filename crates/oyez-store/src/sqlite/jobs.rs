//! Lists of jobs, and jobs by what a person types.

use oyez_model::{JobId, JobUid, Time};
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};

use super::trouble::Trouble;
use super::{lease, load, rows};
use crate::api::{JobFilter, JobInfo, LeaseName};
use crate::error::StoreError;

/// One job, as of now.
pub(super) fn get(conn: &Connection, t: Trouble<'_>, id: JobId, now: Time) -> Result<JobInfo, StoreError> {
    let mut row = rows::job(conn, id).map_err(|e| t.of(e))?.ok_or(StoreError::NoJob(id))?;
    if !rows::is_at_rest(row.state) {
        row = load::live(conn, t, id)?.0.job_row();
    }
    let held = lease::get(conn, &LeaseName::Job(id)).map_err(|e| t.of(e))?;
    let owner = held.filter(|h| h.expires > now).and_then(|h| Some((h.owner?, h.expires)));
    Ok(JobInfo { id, row, owner })
}

/// Jobs, newest first.
pub(super) fn list(
    conn: &Connection,
    t: Trouble<'_>,
    filter: &JobFilter,
    now: Time,
) -> Result<Vec<JobInfo>, StoreError> {
    let mut sql = String::from("SELECT id FROM job WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    if !filter.states.is_empty() {
        let codes: Vec<String> = filter.states.iter().map(|s| s.code().to_string()).collect();
        sql += &format!(" AND state IN ({})", codes.join(","));
    }
    for tag in &filter.tags {
        sql += " AND id IN (SELECT job FROM job_tag WHERE tag = ?)";
        values.push(tag.clone().into());
    }
    if let Some(guid) = &filter.guid {
        sql += " AND id IN (SELECT job FROM job_guid WHERE guid = ?)";
        values.push(guid.clone().into());
    }
    if let Some(before) = filter.before {
        sql += " AND id < ?";
        values.push(i64::try_from(before.0).unwrap_or(i64::MAX).into());
    }
    sql += " ORDER BY id DESC LIMIT ?";
    values.push(if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(-1) }.into());
    let ids: Vec<JobId> = conn
        .prepare_cached(&sql)
        .and_then(|mut s| {
            s.query_map(params_from_iter(values), |row| rows::uint(row, 0).map(JobId))?.collect()
        })
        .map_err(|e| t.of(e))?;
    ids.into_iter().map(|id| get(conn, t, id, now)).collect()
}

/// A number, a uid, a guid, or `latest`.
pub(super) fn find(conn: &Connection, text: &str) -> rusqlite::Result<Vec<JobId>> {
    let one = |sql: &str, value: Value| -> rusqlite::Result<Option<JobId>> {
        conn.prepare_cached(sql)?.query_row([value], |row| rows::uint(row, 0).map(JobId)).optional()
    };
    if text == "latest" {
        let last = one("SELECT id FROM job WHERE ?1 ORDER BY id DESC LIMIT 1", Value::Integer(1))?;
        return Ok(last.into_iter().collect());
    }
    if let Ok(n) = text.parse::<i64>()
        && let Some(id) = one("SELECT id FROM job WHERE id = ?1", n.into())?
    {
        return Ok(vec![id]);
    }
    if let Ok(uid) = text.parse::<JobUid>()
        && let Some(id) = one("SELECT id FROM job WHERE uid = ?1", uid.as_bytes().to_vec().into())?
    {
        return Ok(vec![id]);
    }
    let mut get =
        conn.prepare_cached("SELECT job FROM job_guid WHERE guid = ?1 ORDER BY job DESC LIMIT 100")?;
    get.query_map([text], |row| rows::uint(row, 0).map(JobId))?.collect()
}
