//! One job at one moment: a read transaction of SQLite, held while the reader lives.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use oyez_model::event::Records;
use oyez_model::row::SegmentKind;
use oyez_model::{BlobHash, Event, EventSeq, JobId, Live, NodeRow, SectionId};
use rusqlite::{Connection, OptionalExtension, params};

use super::pool::Pool;
use super::trouble::Trouble;
use super::{blob, chunk, load, rows};
use crate::api::JobReader;
use crate::blobs::Blobs;
use crate::error::StoreError;

/// Unpacked chunks that are kept at hand: about 64 MiB at most, since a chunk holds about half a mebibyte.
const CHUNKS_AT_HAND: usize = 64;

struct Open {
    key: i64,
    used: u64,
    first: u64,
    events: Vec<Slot>,
    raw: Vec<u8>,
}

// One event of an unpacked chunk: where its body lies.
struct Slot {
    producer: oyez_model::ProducerId,
    number: oyez_model::EventNumber,
    time: oyez_model::Time,
    kind: u16,
    body: std::ops::Range<usize>,
}

pub(super) struct SqliteReader {
    job: JobId,
    path: PathBuf,
    live: Live,
    conn: Option<Connection>,
    pool: Arc<Pool>,
    blobs: Blobs,
    chunks: RefCell<(u64, Vec<Open>)>,
}

impl SqliteReader {
    pub(super) fn open(pool: Arc<Pool>, blobs: Blobs, job: JobId) -> Result<Self, StoreError> {
        let path = pool.path().to_owned();
        let conn = pool.take()?;
        let t = Trouble(&path);
        conn.execute_batch("BEGIN").map_err(|e| t.of(e))?;
        let live = match load::live(&conn, t, job) {
            Ok((live, _)) => live,
            Err(e) => {
                pool.put(conn);
                return Err(e);
            }
        };
        Ok(SqliteReader { job, path, live, conn: Some(conn), pool, blobs, chunks: RefCell::default() })
    }

    fn conn(&self) -> Result<&Connection, StoreError> {
        self.conn.as_ref().ok_or(StoreError::Closed)
    }

    fn trouble(&self, e: rusqlite::Error) -> StoreError {
        Trouble(&self.path).of(e)
    }

    /// Makes sure that the chunk with this event is at hand, and reads from it.
    fn with_chunk<T>(&self, seq: EventSeq, read: impl FnOnce(&Open) -> T) -> Result<Option<T>, StoreError> {
        let mut chunks = self.chunks.borrow_mut();
        let (clock, open) = &mut *chunks;
        *clock += 1;
        if let Some(at) =
            open.iter_mut().find(|c| c.first <= seq.0 && seq.0 < c.first + c.events.len() as u64)
        {
            at.used = *clock;
            return Ok(Some(read(at)));
        }
        let Some(mut new) = self.unpack(seq)? else { return Ok(None) };
        new.used = *clock;
        let got = read(&new);
        if open.len() >= CHUNKS_AT_HAND
            && let Some((oldest, _)) = open.iter().enumerate().min_by_key(|(_, c)| c.used)
        {
            open.swap_remove(oldest);
        }
        open.push(new);
        Ok(Some(got))
    }

    fn unpack(&self, seq: EventSeq) -> Result<Option<Open>, StoreError> {
        let found = self
            .conn()?
            .prepare_cached(
                "SELECT id, count, codec, crc, data FROM chunk WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1",
            )
            .and_then(|mut s| {
                let bounds = params![chunk::key(self.job, EventSeq(0)), chunk::key(self.job, seq)];
                s.query_row(bounds, rows::chunk).optional()
            })
            .map_err(|e| self.trouble(e))?;
        let Some(found) = found.filter(|found| seq.0 < found.next()) else {
            let known = (1..=self.live.last_seq().0).contains(&seq.0);
            return if known { Err(load::missing(self.job, seq.0, seq.0)) } else { Ok(None) };
        };
        let first = chunk::first_of(found.key).0;
        let head = chunk::Chunk { data: Vec::new(), ..found };
        let raw = found.unpack()?;
        let start = raw.as_ptr() as usize;
        let mut events = Vec::with_capacity(usize::try_from(head.count).unwrap_or(0).min(65_536));
        for record in Records::new(&raw).map_err(|e| head.damaged(e.to_string()))? {
            let r = record.map_err(|e| head.damaged(e.to_string()))?;
            let at = r.body.as_ptr() as usize - start;
            let body = if r.body.is_empty() { 0..0 } else { at..at + r.body.len() };
            events.push(Slot { producer: r.producer, number: r.number, time: r.time, kind: r.kind, body });
        }
        Ok(Some(Open { key: head.key, used: 0, first, events, raw }))
    }
}

impl Open {
    fn event(&self, seq: u64) -> Option<Event> {
        let slot = self.events.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)?;
        debug_assert_eq!(chunk::first_of(self.key).0, self.first);
        let body = &self.raw[slot.body.clone()];
        let record = oyez_model::event::Record {
            producer: slot.producer,
            number: slot.number,
            time: slot.time,
            kind: slot.kind,
            body,
        };
        Some(record.event())
    }
}

impl Drop for SqliteReader {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.put(conn);
        }
    }
}

impl JobReader for SqliteReader {
    fn id(&self) -> JobId {
        self.job
    }

    fn live(&self) -> &Live {
        &self.live
    }

    fn nodes(&self, ids: &[SectionId]) -> Result<Vec<NodeRow>, StoreError> {
        let conn = self.conn()?;
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            let row = match self.live.open_row(*id) {
                Some(row) => Some(row),
                None => rows::node(conn, self.job, self.live.epoch(), *id).map_err(|e| self.trouble(e))?,
            };
            out.extend(row);
        }
        Ok(out)
    }

    fn segment(&self, node: SectionId, kind: SegmentKind, number: u32) -> Result<Vec<u8>, StoreError> {
        let key = params![
            rows::int(self.job.0),
            rows::int(node.producer.0),
            rows::int(node.number),
            rows::kind_code(kind),
            number
        ];
        let found: Option<Vec<u8>> = self
            .conn()?
            .prepare_cached(
                "SELECT data FROM segment WHERE job = ?1 AND producer = ?2 AND number = ?3 AND kind = ?4 AND part = ?5",
            )
            .and_then(|mut s| s.query_row(key, |row| row.get(0)).optional())
            .map_err(|e| self.trouble(e))?;
        found.ok_or_else(|| StoreError::Damaged {
            what: format!("segment {number} of section {node} of job {}", self.job),
            detail: "it is missing".to_owned(),
        })
    }

    fn events_at(&self, seqs: &[EventSeq]) -> Result<Vec<(EventSeq, Event)>, StoreError> {
        let mut out = Vec::with_capacity(seqs.len());
        for seq in seqs {
            if let Some(Some(event)) = self.with_chunk(*seq, |open| open.event(seq.0))? {
                out.push((*seq, event));
            }
        }
        Ok(out)
    }

    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<(EventSeq, Event)>, StoreError> {
        let mut out = Vec::new();
        let mut seq = after.0.saturating_add(1);
        while out.len() < limit {
            let left = limit - out.len();
            let got = self.with_chunk(EventSeq(seq), |open| {
                let end = open.first + open.events.len() as u64;
                let n = usize::try_from(end - seq).unwrap_or(left).min(left);
                (seq..seq + n as u64)
                    .filter_map(|at| Some((EventSeq(at), open.event(at)?)))
                    .collect::<Vec<_>>()
            })?;
            let Some(got) = got.filter(|got| !got.is_empty()) else { break };
            seq += got.len() as u64;
            out.extend(got);
        }
        Ok(out)
    }

    fn failures(&self, limit: usize) -> Result<Vec<NodeRow>, StoreError> {
        let mut get = self
            .conn()?
            .prepare_cached(
                "SELECT producer, number, data FROM node WHERE job = ?1 AND bad IS NOT NULL
                 ORDER BY job, producer, number LIMIT ?2",
            )
            .map_err(|e| self.trouble(e))?;
        let mut found = get
            .query(params![rows::int(self.job.0), rows::int(limit as u64)])
            .map_err(|e| self.trouble(e))?;
        let mut out = Vec::new();
        while let Some(row) = found.next().map_err(|e| self.trouble(e))? {
            let parts = (|| {
                let id = SectionId::new(oyez_model::ProducerId(rows::uint(row, 0)?), rows::uint(row, 1)?);
                Ok((id, row.get::<_, Vec<u8>>(2)?))
            })();
            let (id, data) = parts.map_err(|e| self.trouble(e))?;
            let row = NodeRow::unpack(id, self.live.epoch(), &data);
            out.push(row.ok_or_else(|| self.trouble(rows::unreadable("a node's row")))?);
        }
        Ok(out)
    }

    fn blob(&self, hash: BlobHash) -> Result<Bytes, StoreError> {
        if let Some(bytes) = blob::get(self.conn()?, Trouble(&self.path), hash)? {
            return Ok(bytes);
        }
        crate::sqlite::block_on(self.blobs.get(hash))
    }
}
