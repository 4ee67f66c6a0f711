//! Lists of jobs, and jobs by what a person types.

use oyez_model::fold::Gap;
use oyez_model::{Completeness, JobId, JobRow, JobState, JobUid, Time};
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
    Ok(JobInfo { id, row, owner, damage: None })
}

/// The numbers of jobs, newest first.
pub(super) fn ids(conn: &Connection, filter: &JobFilter) -> rusqlite::Result<Vec<JobId>> {
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
    if let Some(server) = &filter.server {
        sql += " AND id IN (SELECT job FROM job_server WHERE server = ?)";
        values.push(server.clone().into());
    }
    if !filter.ids.is_empty() {
        let ids: Vec<String> = filter.ids.iter().map(|id| rows::int(id.0).to_string()).collect();
        sql += &format!(" AND id IN ({})", ids.join(","));
    }
    if let Some(before) = filter.before {
        sql += " AND id < ?";
        values.push(i64::try_from(before.0).unwrap_or(i64::MAX).into());
    }
    sql += " ORDER BY id DESC LIMIT ?";
    values.push(if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(-1) }.into());
    let mut get = conn.prepare_cached(&sql)?;
    get.query_map(params_from_iter(values), |row| rows::uint(row, 0).map(JobId))?.collect()
}

/// Jobs, newest first.
pub(super) fn list(
    conn: &Connection,
    t: Trouble<'_>,
    filter: &JobFilter,
    now: Time,
) -> Result<Vec<JobInfo>, StoreError> {
    let ids = ids(conn, filter).map_err(|e| t.of(e))?;
    ids.into_iter()
        .map(|id| match get(conn, t, id, now) {
            // One job that cannot be read does not hide the others.
            Err(e @ (StoreError::Damaged { .. } | StoreError::NoJob(_))) => damaged(conn, t, id, &e),
            other => other,
        })
        .collect()
}

/// What is still known of a job that cannot be read.
fn damaged(conn: &Connection, t: Trouble<'_>, id: JobId, why: &StoreError) -> Result<JobInfo, StoreError> {
    let known = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(Vec<u8>, i64)> {
        // A damaged column may hold anything.
        Ok((row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default()))
    };
    let (uid, state) = conn
        .prepare_cached("SELECT uid, state FROM job WHERE id = ?1")
        .and_then(|mut get| get.query_row([rows::int(id.0)], known))
        .map_err(|e| t.of(e))?;
    let damage = match why {
        // Its row is there, its journal is not.
        StoreError::NoJob(_) => {
            format!("job {id} has no events any more: `oyez fsck` tells what else is damaged")
        }
        other => other.to_string(),
    };
    let row = rows::job(conn, id).ok().flatten().unwrap_or_else(|| JobRow {
        uid: uid.try_into().map(JobUid::from_bytes).unwrap_or_default(),
        name: "(damaged)".to_owned(),
        state: u8::try_from(state).ok().and_then(JobState::from_code).unwrap_or_default(),
        ..JobRow::default()
    });
    let gap = Gap { code: "damaged".to_owned(), count: 1, text: damage.clone() };
    let row = JobRow { complete: Completeness::No(vec![gap]), ..row };
    Ok(JobInfo { id, row, owner: None, damage: Some(damage) })
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
