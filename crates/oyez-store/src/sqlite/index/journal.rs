//! The events of a stretch of a job, straight from its chunks.

use std::ops::ControlFlow;

use oyez_model::event::{Record, Records};
use oyez_model::{EventSeq, JobId};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::trouble::Trouble;
use super::super::{chunk, rows};
use crate::error::StoreError;

/// Reads stretches; what was unpacked last is kept at hand, since neighbours are read one after the other.
#[derive(Debug, Default)]
pub(super) struct Journal {
    key: i64,
    next: u64,
    raw: Vec<u8>,
    /// Bytes that were unpacked.
    pub unpacked: u64,
}

impl Journal {
    /// Calls `each` with the events from one to another, both included, as far as they are there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or the store's own trouble.
    pub(super) fn each<B>(
        &mut self,
        conn: &Connection,
        t: Trouble<'_>,
        job: JobId,
        (from, to): (u64, u64),
        mut each: impl FnMut(EventSeq, &Record<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, StoreError> {
        let mut at = from.max(1);
        while at <= to && self.open(conn, t, job, at)? {
            let head = |detail: String| StoreError::Damaged {
                what: format!("a chunk with event {at} of job {job}"),
                detail,
            };
            let first = chunk::first_of(self.key).0;
            let records = Records::new(&self.raw).map_err(|e| head(e.to_string()))?;
            for (record, seq) in records.zip(first..) {
                let record = record.map_err(|e| head(e.to_string()))?;
                if seq > to {
                    break;
                }
                if seq >= at
                    && let ControlFlow::Break(why) = each(EventSeq(seq), &record)
                {
                    return Ok(ControlFlow::Break(why));
                }
            }
            at = self.next.max(at + 1);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Unpacks the chunk with this event; false when there is none.
    fn open(&mut self, conn: &Connection, t: Trouble<'_>, job: JobId, seq: u64) -> Result<bool, StoreError> {
        let is_at_hand = chunk::job_of(self.key) == job
            && (chunk::first_of(self.key).0..self.next).contains(&seq)
            && !self.raw.is_empty();
        if is_at_hand {
            return Ok(true);
        }
        let bounds = params![chunk::key(job, EventSeq(0)), chunk::key(job, EventSeq(seq))];
        let found = conn
            .prepare_cached(
                "SELECT id, count, codec, crc, data FROM chunk WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1",
            )
            .and_then(|mut get| get.query_row(bounds, rows::chunk).optional())
            .map_err(|e| t.of(e))?;
        let Some(found) = found.filter(|found| seq < found.next()) else { return Ok(false) };
        self.raw.clear();
        (self.key, self.next) = (found.key, found.next());
        self.raw = found.unpack()?;
        self.unpacked += self.raw.len() as u64;
        Ok(true)
    }
}
