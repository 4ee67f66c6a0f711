//! The live state of a job from what is stored: the last checkpoint, and the events after it.

use oyez_model::{Changes, EventSeq, JobId, Live};
use rusqlite::{Connection, OptionalExtension, params};

use super::chunk::key;
use super::rows;
use super::trouble::Trouble;
use crate::error::StoreError;

/// The number of a job's last event; 0 when it has none.
pub(super) fn last_seq(conn: &Connection, job: JobId) -> rusqlite::Result<EventSeq> {
    let mut get = conn
        .prepare_cached("SELECT id, count FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1")?;
    let bounds = params![key(job, EventSeq(0)), key(JobId(job.0 + 1), EventSeq(0))];
    let found = get.query_row(bounds, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
    Ok(found.map_or(EventSeq(0), |(id, count)| {
        EventSeq(super::chunk::first_of(id).0 + count.cast_unsigned() - 1)
    }))
}

/// The live state, and how many events stand after its checkpoint.
///
/// No row is looked up: a commit that took something in again wrote a checkpoint ([`Changes::revived`]).
///
/// # Errors
/// [`StoreError::NoJob`], [`StoreError::Damaged`], or the store's own trouble.
pub(super) fn live(conn: &Connection, t: Trouble<'_>, job: JobId) -> Result<(Live, u64), StoreError> {
    let mut get = conn.prepare_cached("SELECT data FROM checkpoint WHERE job = ?1").map_err(|e| t.of(e))?;
    let stored: Option<Vec<u8>> =
        get.query_row([rows::int(job.0)], |row| row.get(0)).optional().map_err(|e| t.of(e))?;
    let mut live = match stored.map(|bytes| Live::from_checkpoint(&bytes)) {
        Some(Ok(live)) => live,
        // Of another version, or damaged: it is only a cache. Then rows are needed for what came late.
        Some(Err(_)) => return refold(conn, t, job),
        None => Live::new(),
    };
    let mut after = 0;
    events_after(conn, t, job, live.last_seq(), |seq, event, changes| {
        changes.clear();
        live.apply(seq, &event, &(), changes);
        after += 1;
    })?;
    if live.last_seq().0 == 0 {
        return Err(StoreError::NoJob(job));
    }
    Ok((live, after))
}

/// From the first event, with rows kept in memory.
fn refold(conn: &Connection, t: Trouble<'_>, job: JobId) -> Result<(Live, u64), StoreError> {
    let mut live = Live::new();
    let mut kept = crate::memory::Kept::default();
    events_after(conn, t, job, EventSeq(0), |seq, event, changes| {
        live.apply(seq, &event, &kept, changes);
        kept.take(changes);
    })?;
    if live.last_seq().0 == 0 {
        return Err(StoreError::NoJob(job));
    }
    // As old as can be: a checkpoint of this version is wanted soon.
    Ok((live, u64::MAX / 2))
}

/// Calls `each` with every event after a number.
pub(super) fn events_after(
    conn: &Connection,
    t: Trouble<'_>,
    job: JobId,
    after: EventSeq,
    mut each: impl FnMut(EventSeq, oyez_model::Event, &mut Changes),
) -> Result<(), StoreError> {
    let mut changes = Changes::default();
    // The chunk that holds `after` begins at or before it.
    let mut get = conn
        .prepare_cached(
            "SELECT id, count, codec, crc, data FROM chunk
             WHERE id >= (SELECT ifnull(max(id), ?1) FROM chunk WHERE id >= ?1 AND id <= ?2) AND id < ?3 ORDER BY id",
        )
        .map_err(|e| t.of(e))?;
    let bounds = params![key(job, EventSeq(0)), key(job, after), key(JobId(job.0 + 1), EventSeq(0))];
    let mut found = get.query(bounds).map_err(|e| t.of(e))?;
    while let Some(row) = found.next().map_err(|e| t.of(e))? {
        let chunk = rows::chunk(row).map_err(|e| t.of(e))?;
        if super::chunk::first_of(chunk.key).0 + chunk.count.cast_unsigned() <= after.0 + 1 {
            continue;
        }
        chunk.events(|seq, event| {
            if seq > after {
                each(seq, event, &mut changes);
            }
        })?;
    }
    Ok(())
}
