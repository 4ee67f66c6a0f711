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
    let bounds = params![key(job, EventSeq(0)), super::chunk::end(job)];
    let found = get.query_row(bounds, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
    Ok(found.map_or(EventSeq(0), |(id, count)| EventSeq(super::chunk::next_of(id, count).saturating_sub(1))))
}

/// Keeps the live state as the job's checkpoint, under a checksum over job and content.
pub(super) fn put_checkpoint(conn: &Connection, job: JobId, live: &Live) -> rusqlite::Result<()> {
    let mut data = live.checkpoint();
    data.extend_from_slice(&checksum(job, &data).to_le_bytes());
    conn.prepare_cached("INSERT OR REPLACE INTO checkpoint (job, seq, data) VALUES (?1, ?2, ?3)")?
        .execute(params![rows::int(job.0), rows::int(live.last_seq().0), data])
        .map(|_| ())
}

fn checksum(job: JobId, data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&job.0.to_le_bytes());
    hasher.update(data);
    hasher.finalize()
}

/// Whether the job's checkpoint, if there is one, is what was written.
pub(super) fn checkpoint_is_whole(conn: &Connection, job: JobId) -> rusqlite::Result<bool> {
    let mut get = conn.prepare_cached("SELECT data FROM checkpoint WHERE job = ?1")?;
    let stored: Option<Vec<u8>> = get.query_row([rows::int(job.0)], |row| row.get(0)).optional()?;
    let split = stored.as_deref().map(|bytes| bytes.split_last_chunk::<4>());
    Ok(match split {
        None => true,
        Some(None) => false,
        Some(Some((data, sum))) => u32::from_le_bytes(*sum) == checksum(job, data),
    })
}

/// The number of an event that a job must have had: its checkpoint knows one, and so does the row of one that has ended.
pub(super) fn known_seq(conn: &Connection, job: JobId) -> rusqlite::Result<u64> {
    let mut get = conn.prepare_cached("SELECT seq FROM checkpoint WHERE job = ?1")?;
    let seq = get.query_row([rows::int(job.0)], |row| rows::uint(row, 0)).optional()?;
    Ok(match seq {
        Some(seq) if checkpoint_is_whole(conn, job)? => seq,
        // A row that cannot be read knows nothing.
        _ => rows::job(conn, job).ok().flatten().map_or(0, |row| row.events),
    })
}

/// The live state in a checkpoint's bytes; none when they are damaged or of another version.
fn from_checkpoint(job: JobId, bytes: &[u8]) -> Option<Live> {
    let (data, sum) = bytes.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*sum) != checksum(job, data) {
        return None;
    }
    Live::from_checkpoint(data).ok()
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
    let mut live = match stored.map(|bytes| from_checkpoint(job, &bytes)) {
        Some(Some(live)) => live,
        // Of another version, or damaged: it is only a cache. Then rows are needed for what came late.
        Some(None) => return refold(conn, t, job),
        None => Live::new(),
    };
    // Shows that the tests notice when what came after the checkpoint is not brought back.
    fail::fail_point!("store::skip-recovery", |_| match live.last_seq() {
        EventSeq(0) => Err(StoreError::NoJob(job)),
        _ => Ok((live.clone(), 0)),
    });
    let kept = last_seq(conn, job).map_err(|e| t.of(e))?;
    if kept < live.last_seq() {
        return Err(missing(job, kept.0 + 1, live.last_seq().0));
    }
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

/// Events that were acked, and are not in the journal.
pub(super) fn missing(job: JobId, first: u64, last: u64) -> StoreError {
    StoreError::Damaged {
        what: format!("events {first} to {last} of job {job}"),
        detail: "they are missing from the journal".to_owned(),
    }
}

/// Calls `each` with every event after a number; a gap in the journal is an error.
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
    let bounds = params![key(job, EventSeq(0)), key(job, after), super::chunk::end(job)];
    let mut found = get.query(bounds).map_err(|e| t.of(e))?;
    let mut next = None;
    while let Some(row) = found.next().map_err(|e| t.of(e))? {
        let chunk = rows::chunk(row).map_err(|e| t.of(e))?;
        let first = super::chunk::first_of(chunk.key).0;
        let expected = next.unwrap_or(first.min(after.0.saturating_add(1)));
        if first != expected && first > after.0 {
            return Err(missing(job, expected, first.saturating_sub(1)));
        }
        next = Some(chunk.next());
        // A chunk that ends with the commit of the checkpoint is not needed; one that ends before says something wrong.
        match chunk.next().cmp(&after.0.saturating_add(1)) {
            std::cmp::Ordering::Equal if first <= after.0 => continue,
            std::cmp::Ordering::Less => return Err(chunk.damaged("it ends before the job's checkpoint")),
            _ => {}
        }
        chunk.events(|seq, event| {
            if seq > after {
                each(seq, event, &mut changes);
            }
        })?;
    }
    Ok(())
}
