//! Leases: rights that end by themselves. A row stays when its lease is given back, so that epochs only rise.

use oyez_model::{JobId, Time};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{int, uint};
use super::trouble::Trouble;
use crate::api::{HeldTarget, Lease, LeaseName, Owner, TargetNote};
use crate::error::StoreError;

/// A lease as it is stored.
#[derive(Debug)]
pub(super) struct Held {
    pub epoch: u64,
    pub expires: Time,
    pub job: Option<JobId>,
    pub owner: Option<Owner>,
}

/// The name as it is stored: jobs and targets cannot be mistaken for each other.
fn key(name: &LeaseName) -> String {
    match name {
        LeaseName::Job(id) => format!("job:{id}"),
        LeaseName::Target(id) => format!("target:{id}"),
        LeaseName::Server(name) => format!("server:{name}"),
    }
}

/// The lease of this name, run out or not.
pub(super) fn get(conn: &Connection, name: &LeaseName) -> rusqlite::Result<Option<Held>> {
    conn.prepare_cached("SELECT epoch, expires, job, host, pid, started, token FROM lease WHERE name = ?1")?
        .query_row([key(name)], held)
        .optional()
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let host: Option<String> = row.get(3)?;
    let owner = match host {
        None => None,
        Some(host) => Some(Owner { host, pid: row.get(4)?, started: uint(row, 5)?, token: uint(row, 6)? }),
    };
    let job: Option<i64> = row.get(2)?;
    Ok(Held {
        epoch: uint(row, 0)?,
        expires: Time(row.get(1)?),
        job: job.map(|id| JobId(id.cast_unsigned())),
        owner,
    })
}

/// The epoch in force, if the lease was ever taken.
pub(super) fn epoch(conn: &Connection, name: &LeaseName) -> rusqlite::Result<Option<u64>> {
    Ok(get(conn, name)?.map(|held| held.epoch))
}

/// Takes or renews leases, all or none; within the caller's transaction.
///
/// # Errors
/// [`StoreError::Held`] names the first that somebody else has; nothing is changed then.
#[expect(clippy::too_many_arguments, reason = "one call, one row: a struct would only repeat the columns")]
pub(super) fn take(
    conn: &Connection,
    t: Trouble<'_>,
    names: &[LeaseName],
    owner: &Owner,
    job: Option<JobId>,
    now: Time,
    until: Time,
    renew: bool,
) -> Result<Vec<Lease>, StoreError> {
    let mut next = Vec::with_capacity(names.len());
    for name in names {
        let before = get(conn, name).map_err(|e| t.of(e))?;
        let mine = before.as_ref().is_some_and(|h| h.owner.as_ref() == Some(owner));
        let free = before.as_ref().is_none_or(|h| h.owner.is_none() || h.expires <= now);
        if !mine && (renew || !free) {
            return Err(refusal(name, before));
        }
        let epoch = before.as_ref().map_or(1, |h| if mine { h.epoch } else { h.epoch + 1 });
        let job = if renew { before.and_then(|h| h.job) } else { job };
        next.push((Lease { epoch, expires: until }, job));
    }
    let mut put = conn
        .prepare_cached(
            "INSERT OR REPLACE INTO lease (name, epoch, expires, job, host, pid, started, token)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .map_err(|e| t.of(e))?;
    for (name, (lease, job)) in names.iter().zip(&next) {
        let row = params![
            key(name),
            int(lease.epoch),
            lease.expires.0,
            job.map(|id| int(id.0)),
            owner.host,
            owner.pid,
            int(owner.started),
            int(owner.token)
        ];
        put.execute(row).map_err(|e| t.of(e))?;
    }
    Ok(next.into_iter().map(|(lease, _)| lease).collect())
}

/// The first epoch again: of a job's lease that somebody had before there was the job.
pub(super) fn begin_again(conn: &Connection, name: &LeaseName) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE lease SET epoch = 1 WHERE name = ?1")?.execute([key(name)]).map(|_| ())
}

/// What is held for a job becomes this owner's, who must hold the job itself.
///
/// # Errors
/// [`StoreError::Held`] when somebody else does.
pub(super) fn inherit(
    conn: &Connection,
    t: Trouble<'_>,
    job: JobId,
    owner: &Owner,
    until: Time,
) -> Result<Vec<LeaseName>, StoreError> {
    let name = LeaseName::Job(job);
    let before = get(conn, &name).map_err(|e| t.of(e))?;
    if before.as_ref().is_none_or(|held| held.owner.as_ref() != Some(owner)) {
        return Err(refusal(&name, before));
    }
    let names: Vec<String> = conn
        .prepare_cached("SELECT name FROM lease WHERE job = ?1 AND host IS NOT NULL AND name LIKE 'target:%'")
        .and_then(|mut s| s.query_map([int(job.0)], |row| row.get(0))?.collect())
        .map_err(|e| t.of(e))?;
    let mut put = conn
        .prepare_cached(
            "UPDATE lease SET epoch = epoch + 1, expires = ?2, host = ?3, pid = ?4, started = ?5, token = ?6
             WHERE name = ?1",
        )
        .map_err(|e| t.of(e))?;
    for name in &names {
        put.execute(params![name, until.0, owner.host, owner.pid, int(owner.started), int(owner.token)])
            .map_err(|e| t.of(e))?;
    }
    let target = |name: String| name.strip_prefix("target:").map(|id| LeaseName::Target(id.to_owned()));
    Ok(names.into_iter().filter_map(target).collect())
}

/// The targets that are held, by their ids.
pub(super) fn targets(
    conn: &Connection,
    after: Option<&str>,
    limit: usize,
    now: Time,
) -> rusqlite::Result<Vec<HeldTarget>> {
    let mut get = conn.prepare_cached(
        "SELECT epoch, expires, job, host, pid, started, token, name FROM lease
         WHERE name > ?1 AND name < 'target;' AND host IS NOT NULL AND expires > ?2 ORDER BY name LIMIT ?3",
    )?;
    let after = format!("target:{}", after.unwrap_or_default());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = get.query_map(params![after, now.0, limit], |row| {
        let (lease, name): (Held, String) = (held(row)?, row.get(7)?);
        Ok((lease, name))
    })?;
    found
        .filter_map(|found| match found {
            Ok((lease, name)) => {
                let target = name.strip_prefix("target:")?.to_owned();
                Some(Ok(HeldTarget { target, owner: lease.owner?, job: lease.job, expires: lease.expires }))
            }
            Err(e) => Some(Err(e)),
        })
        .collect()
}

/// Keeps what was done to a target.
pub(super) fn note(conn: &Connection, note: &TargetNote) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO target_note (target, at, what, who, why) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![note.target, note.at.0, note.what, note.by, note.why])
        .map(|_| ())
}

/// What was done to targets, newest first.
pub(super) fn notes(
    conn: &Connection,
    target: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<TargetNote>> {
    let sql = match target {
        Some(_) => {
            "SELECT target, at, what, who, why FROM target_note WHERE target = ?1 ORDER BY id DESC LIMIT ?2"
        }
        None => {
            "SELECT target, at, what, who, why FROM target_note WHERE ?1 IS NULL ORDER BY id DESC LIMIT ?2"
        }
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    conn.prepare_cached(sql)?
        .query_map(params![target, limit], |row| {
            Ok(TargetNote {
                target: row.get(0)?,
                at: Time(row.get(1)?),
                what: row.get(2)?,
                by: row.get(3)?,
                why: row.get(4)?,
            })
        })?
        .collect()
}

fn refusal(name: &LeaseName, before: Option<Held>) -> StoreError {
    StoreError::Held {
        name: name.to_string(),
        owner: before
            .as_ref()
            .and_then(|h| h.owner.as_ref())
            .map_or_else(|| "nobody".to_owned(), Owner::to_string),
        until: before.as_ref().filter(|h| h.owner.is_some()).map(|h| h.expires.to_string()),
        job: before.and_then(|h| h.job),
    }
}

/// Gives leases back; the rows stay, without an owner.
pub(super) fn release(conn: &Connection, names: &[LeaseName], owner: &Owner) -> rusqlite::Result<()> {
    let mut put = conn.prepare_cached(
        "UPDATE lease SET host = NULL, pid = NULL, started = NULL, token = NULL, job = NULL, expires = 0
         WHERE name = ?1 AND token = ?2 AND pid = ?3 AND host = ?4 AND started = ?5",
    )?;
    for name in names {
        put.execute(params![key(name), int(owner.token), owner.pid, owner.host, int(owner.started)])?;
    }
    Ok(())
}

/// Gives back whatever this owner holds.
pub(super) fn release_all(conn: &Connection, owner: &Owner) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE lease SET host = NULL, pid = NULL, started = NULL, token = NULL, job = NULL, expires = 0
         WHERE token = ?1 AND pid = ?2 AND host = ?3 AND started = ?4",
    )?
    .execute(params![int(owner.token), owner.pid, owner.host, int(owner.started)])
    .map(|_| ())
}
