//! Rows in their tables: what the fold changed goes in, what it asks for comes out.

use std::cell::RefCell;

use oyez_model::fold::Rows;
use oyez_model::row::SegmentKind;
use oyez_model::{
    Changes, JobId, JobRow, JobState, JobUid, NodeRow, ProducerId, ProducerRow, SectionId, Time,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::chunk::Chunk;
use crate::memory::is_leaf_failure;

/// A number as SQLite keeps it.
pub(super) fn int(n: u64) -> i64 {
    n.cast_signed()
}

/// A number from SQLite.
pub(super) fn uint(row: &Row<'_>, i: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(i).map(i64::cast_unsigned)
}

/// Writes what changed.
pub(super) fn write(
    conn: &Connection,
    job: JobId,
    epoch: Time,
    changes: &mut Changes,
) -> rusqlite::Result<()> {
    if !changes.nodes.is_empty() {
        let mut put = conn.prepare_cached(
            "INSERT OR REPLACE INTO node (job, producer, number, data, bad) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for row in changes.nodes.drain(..) {
            let bad = is_leaf_failure(&row).then_some(1);
            put.execute(params![
                int(job.0),
                int(row.id.producer.0),
                int(row.id.number),
                row.pack(epoch),
                bad
            ])?;
        }
    }
    if !changes.segments.is_empty() {
        let mut put = conn.prepare_cached(
            "INSERT OR REPLACE INTO segment (job, producer, number, kind, part, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for s in changes.segments.drain(..) {
            let (p, n) = (int(s.node.producer.0), int(s.node.number));
            put.execute(params![int(job.0), p, n, kind_code(s.kind), s.number, s.data])?;
        }
    }
    if !changes.producers.is_empty() {
        let mut put =
            conn.prepare_cached("INSERT OR REPLACE INTO producer (job, id, data) VALUES (?1, ?2, ?3)")?;
        for row in changes.producers.drain(..) {
            put.execute(params![int(job.0), int(row.id.0), cbor(&row)])?;
        }
    }
    Ok(())
}

/// CBOR into a vector, which cannot fail.
pub(super) fn cbor<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = minicbor::encode(value, &mut out);
    out
}

pub(super) const fn kind_code(kind: SegmentKind) -> i64 {
    match kind {
        SegmentKind::Children => 0,
        SegmentKind::Hangs => 1,
    }
}

/// The row of one node.
pub(super) fn node(
    conn: &Connection,
    job: JobId,
    epoch: Time,
    id: SectionId,
) -> rusqlite::Result<Option<NodeRow>> {
    let mut get =
        conn.prepare_cached("SELECT data FROM node WHERE job = ?1 AND producer = ?2 AND number = ?3")?;
    let data: Option<Vec<u8>> = get
        .query_row(params![int(job.0), int(id.producer.0), int(id.number)], |row| row.get(0))
        .optional()?;
    match data {
        None => Ok(None),
        Some(data) => NodeRow::unpack(id, epoch, &data).map(Some).ok_or_else(|| unreadable("a node's row")),
    }
}

/// The row of one producer.
pub(super) fn producer(
    conn: &Connection,
    job: JobId,
    id: ProducerId,
) -> rusqlite::Result<Option<ProducerRow>> {
    let mut get = conn.prepare_cached("SELECT data FROM producer WHERE job = ?1 AND id = ?2")?;
    let data: Option<Vec<u8>> = get.query_row(params![int(job.0), int(id.0)], |row| row.get(0)).optional()?;
    data.map(|data| minicbor::decode(&data).map_err(|_| unreadable("a producer's row"))).transpose()
}

/// What SQLite's own errors have no word for: the bytes of a row make no sense.
pub(super) fn unreadable(what: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(format!("{what} makes no sense")))
}

/// Looks rows up for the fold; the first error is kept and must be looked at afterwards.
pub(super) struct DbRows<'c> {
    pub conn: &'c Connection,
    pub job: JobId,
    pub epoch: Time,
    pub error: RefCell<Option<rusqlite::Error>>,
}

impl DbRows<'_> {
    fn keep<T>(&self, result: rusqlite::Result<Option<T>>) -> Option<T> {
        result.unwrap_or_else(|e| {
            self.error.borrow_mut().get_or_insert(e);
            None
        })
    }
}

impl Rows for DbRows<'_> {
    fn node(&self, id: SectionId) -> Option<NodeRow> {
        self.keep(node(self.conn, self.job, self.epoch, id))
    }
    fn producer(&self, id: ProducerId) -> Option<ProducerRow> {
        self.keep(producer(self.conn, self.job, id))
    }
}

/// Puts a chunk into the journal.
pub(super) fn put_chunk(conn: &Connection, chunk: &Chunk) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO chunk (id, count, codec, crc, data) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![chunk.key, chunk.count, chunk.codec, chunk.crc, chunk.data])
        .map(|_| ())
}

/// A chunk from its row: id, count, codec, crc, data.
pub(super) fn chunk(row: &Row<'_>) -> rusqlite::Result<Chunk> {
    Ok(Chunk {
        key: row.get(0)?,
        count: row.get(1)?,
        codec: row.get(2)?,
        crc: row.get(3)?,
        data: row.get(4)?,
    })
}

/// A job's row, by its number.
pub(super) fn job(conn: &Connection, id: JobId) -> rusqlite::Result<Option<JobRow>> {
    let mut get = conn.prepare_cached("SELECT row FROM job WHERE id = ?1")?;
    let data: Option<Vec<u8>> = get.query_row([int(id.0)], |row| row.get(0)).optional()?;
    data.map(|data| minicbor::decode(&data).map_err(|_| unreadable("a job's row"))).transpose()
}

/// A new job's number; its row and what points to it follow with [`update_job`].
pub(super) fn insert_job(conn: &Connection, uid: JobUid) -> rusqlite::Result<JobId> {
    conn.prepare_cached("INSERT INTO job (uid, state, row) VALUES (?1, 0, x'')")?
        .execute([&uid.as_bytes()[..]])?;
    Ok(JobId(conn.last_insert_rowid().cast_unsigned()))
}

/// Takes back what [`insert_job`] did; its number is not given again.
pub(super) fn remove_job(conn: &Connection, id: JobId) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM job WHERE id = ?1", [int(id.0)]).map(|_| ())
}

/// A job's row as it is now.
pub(super) fn update_job(conn: &Connection, id: JobId, row: &JobRow, fresh: bool) -> rusqlite::Result<()> {
    let state = row.state.code();
    conn.prepare_cached("UPDATE job SET state = ?2, row = ?3 WHERE id = ?1")?.execute(params![
        int(id.0),
        state,
        cbor(row)
    ])?;
    if fresh {
        index_job(conn, id, row)?;
    }
    Ok(())
}

/// The entries that find a job by tag, guid and server.
pub(super) fn index_job(conn: &Connection, id: JobId, row: &JobRow) -> rusqlite::Result<()> {
    for tag in &row.tags {
        conn.prepare_cached("INSERT OR IGNORE INTO job_tag (tag, job) VALUES (?1, ?2)")?
            .execute(params![tag, int(id.0)])?;
    }
    for guid in &row.guids {
        conn.prepare_cached("INSERT OR IGNORE INTO job_guid (guid, job) VALUES (?1, ?2)")?
            .execute(params![guid.as_str(), int(id.0)])?;
    }
    if let Some(server) = &row.server_id {
        conn.prepare_cached("INSERT OR IGNORE INTO job_server (server, job) VALUES (?1, ?2)")?
            .execute(params![server, int(id.0)])?;
    }
    Ok(())
}

/// The states in which a job's row stands still.
pub(super) fn is_at_rest(state: JobState) -> bool {
    state.is_final()
}
