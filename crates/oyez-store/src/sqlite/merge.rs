//! Small chunks become large ones when their job has ended: fewer rows, tighter compression.

use oyez_model::event::{RecordWriter, Records};
use oyez_model::{EventNumber, EventSeq, JobId, ProducerId};
use rusqlite::{Connection, params};

use super::chunk::{self, Chunk, Packer, key};
use super::rows;
use super::trouble::Trouble;
use crate::error::StoreError;

/// A merged chunk holds about so many bytes unpacked ...
const RAW_SIZE: usize = 512 << 10;
/// ... and at most so many events.
const MAX_EVENTS: u64 = 16_384;
/// One transaction merges so many bytes at most, so that others are not held up.
const PER_STEP: usize = RAW_SIZE;

/// Merges small chunks of a job from an event on, within the caller's transaction; says where to go on, or nothing
/// when all are merged.
///
/// # Errors
/// [`StoreError::Damaged`], or the store's own trouble.
pub(super) fn some(
    conn: &Connection,
    t: Trouble<'_>,
    packer: &mut Packer,
    job: JobId,
    from: EventSeq,
) -> Result<Option<EventSeq>, StoreError> {
    let (mut from, mut done) = (from, 0);
    while done < PER_STEP {
        let group = group(conn, t, job, from)?;
        let Some(last) = group.last() else {
            conn.prepare_cached("DELETE FROM unmerged WHERE job = ?1")
                .and_then(|mut s| s.execute([rows::int(job.0)]))
                .map_err(|e| t.of(e))?;
            return Ok(None);
        };
        from = EventSeq(last.next());
        done += merge(conn, t, packer, group)?;
    }
    Ok(Some(from))
}

/// Remembers that a job's chunks are to be merged, also over a restart.
pub(super) fn remember(conn: &Connection, job: JobId) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO unmerged (job) VALUES (?1)")?
        .execute([rows::int(job.0)])
        .map(|_| ())
}

/// Jobs whose chunks are to be merged.
pub(super) fn remembered(conn: &Connection) -> rusqlite::Result<Vec<JobId>> {
    let mut get = conn.prepare("SELECT job FROM unmerged ORDER BY job LIMIT 1000")?;
    let found = get.query_map([], |row| rows::uint(row, 0).map(JobId))?;
    found.collect()
}

/// The next neighbours that make one chunk together.
fn group(conn: &Connection, t: Trouble<'_>, job: JobId, from: EventSeq) -> Result<Vec<Chunk>, StoreError> {
    let mut get = conn
        .prepare_cached(
            "SELECT id, count, codec, crc, data FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id",
        )
        .map_err(|e| t.of(e))?;
    let bounds = params![key(job, from), chunk::end(job)];
    let mut found = get.query(bounds).map_err(|e| t.of(e))?;
    let (mut out, mut events, mut bytes) = (Vec::new(), 0, 0);
    while let Some(row) = found.next().map_err(|e| t.of(e))? {
        let chunk = rows::chunk(row).map_err(|e| t.of(e))?;
        // Packed fast, records shrink to about a sixth: good enough to stop near the size that is wanted.
        let size = if chunk.codec == 0 { chunk.data.len() } else { chunk.data.len() * 6 };
        let count = u64::try_from(chunk.count).unwrap_or(0);
        if !out.is_empty() && (bytes + size > RAW_SIZE || events + count > MAX_EVENTS) {
            break;
        }
        (bytes, events) = (bytes + size, events + count);
        out.push(chunk);
    }
    Ok(out)
}

/// Puts one chunk in the place of several; says how many bytes it held unpacked.
fn merge(
    conn: &Connection,
    t: Trouble<'_>,
    packer: &mut Packer,
    group: Vec<Chunk>,
) -> Result<usize, StoreError> {
    let Some(first) = group.first() else { return Ok(0) };
    let first = first.key;
    let last = group.last().map_or(first, |c| c.key);
    if let [alone] = &group[..]
        && (alone.codec != 0 || alone.data.len() < 512)
    {
        return Ok(alone.data.len().max(1));
    }
    let mut records = RecordWriter::new();
    for chunk in group {
        let head = Chunk { data: Vec::new(), ..chunk };
        let raw = chunk.unpack()?;
        for record in Records::new(&raw).map_err(|e| head.damaged(e.to_string()))? {
            let r = record.map_err(|e| head.damaged(e.to_string()))?;
            records.push(r.producer, r.number, r.time, r.kind, r.body);
        }
    }
    let (count, raw) = (records.count(), records.take());
    let size = raw.len();
    conn.prepare_cached("DELETE FROM chunk WHERE id >= ?1 AND id <= ?2")
        .and_then(|mut s| s.execute([first, last]))
        .map_err(|e| t.of(e))?;
    fail::fail_point!("store::merging");
    rows::put_chunk(conn, &packer.pack(first, count, raw, true)).map_err(|e| t.of(e))?;
    Ok(size.max(1))
}

/// Where a producer's event is kept, searched from the end.
///
/// # Errors
/// [`StoreError::Damaged`] when it is nowhere, or the store's own trouble.
pub(super) fn find(
    conn: &Connection,
    t: Trouble<'_>,
    job: JobId,
    producer: ProducerId,
    number: EventNumber,
) -> Result<EventSeq, StoreError> {
    let mut get = conn
        .prepare_cached(
            "SELECT id, count, codec, crc, data FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
        )
        .map_err(|e| t.of(e))?;
    let bounds = params![key(job, EventSeq(0)), chunk::end(job)];
    let mut found = get.query(bounds).map_err(|e| t.of(e))?;
    while let Some(row) = found.next().map_err(|e| t.of(e))? {
        let chunk = rows::chunk(row).map_err(|e| t.of(e))?;
        let head = Chunk { data: Vec::new(), ..chunk };
        let raw = chunk.unpack()?;
        let records = Records::new(&raw).map_err(|e| head.damaged(e.to_string()))?;
        for (record, seq) in records.zip(chunk::first_of(head.key).0..) {
            let record = record.map_err(|e| head.damaged(e.to_string()))?;
            if record.producer == producer && record.number == number {
                return Ok(EventSeq(seq));
            }
        }
    }
    Err(StoreError::Damaged {
        what: format!("event {number} of producer {producer} in job {job}"),
        detail: "it was acknowledged and is not in the journal".to_owned(),
    })
}
