//! Chunks of events: [`oyez_model::event::Records`], compressed when that helps, under a checksum.
//!
//! A chunk's key is `job << 36 | number of its first event`, so that a job's chunks lie together, in order, in one
//! B-tree: 134 million jobs of 68 thousand million events each. The checksum is CRC-32 over key, count, codec and data,
//! so that a chunk that is whole but in the wrong place is found out as well.

use oyez_model::event::Records;
use oyez_model::{Event, EventSeq, JobId};

use crate::error::StoreError;

const SEQ_BITS: u32 = 36;
/// Plain bytes.
const PLAIN: i64 = 0;
/// zstd.
const ZSTD: i64 = 1;
/// Smaller chunks are not worth compressing: they are merged later.
const COMPRESS_FROM: usize = 512;
/// No chunk says that it is larger than this when unpacked.
const MAX_RAW: usize = 1 << 30;

const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;
const MAX_JOB: u64 = (1 << (63 - SEQ_BITS)) - 1;

/// The key of the chunk of `job` that begins with event `first`.
///
/// Numbers that no job and no event can have (they come from outside) stay within their bits: the range from
/// `key(job, 0)` to [`end`] is empty for such a job.
pub(super) fn key(job: JobId, first: EventSeq) -> i64 {
    ((job.0.min(MAX_JOB) << SEQ_BITS) | first.0.min(MAX_SEQ)).cast_signed()
}

/// The first key behind all chunks of `job`.
pub(super) fn end(job: JobId) -> i64 {
    key(JobId(job.0.saturating_add(1)), EventSeq(0))
}

/// The first event's number in a chunk's key.
pub(super) fn first_of(key: i64) -> EventSeq {
    EventSeq(key.cast_unsigned() & ((1 << SEQ_BITS) - 1))
}

/// The number of the event behind the last of the chunk with this key and count.
pub(super) fn next_of(key: i64, count: i64) -> u64 {
    first_of(key).0.saturating_add(u64::try_from(count).unwrap_or(0))
}

/// The job in a chunk's key.
pub(super) fn job_of(key: i64) -> JobId {
    JobId(key.cast_unsigned() >> SEQ_BITS)
}

/// A chunk as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub key: i64,
    pub count: i64,
    pub codec: i64,
    pub crc: i64,
    pub data: Vec<u8>,
}

/// Compresses chunks; keeps its buffers between them.
pub(super) struct Packer {
    fast: zstd::bulk::Compressor<'static>,
    tight: zstd::bulk::Compressor<'static>,
}

impl Packer {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Packer { fast: zstd::bulk::Compressor::new(1)?, tight: zstd::bulk::Compressor::new(6)? })
    }

    /// A chunk of `count` records; `tight` for one that stays.
    pub(super) fn pack(&mut self, key: i64, count: u64, raw: Vec<u8>, tight: bool) -> Chunk {
        let packer = if tight { &mut self.tight } else { &mut self.fast };
        let packed = if raw.len() >= COMPRESS_FROM { packer.compress(&raw).ok() } else { None };
        let (codec, data) = match packed {
            Some(packed) if packed.len() < raw.len() => (ZSTD, packed),
            _ => (PLAIN, raw),
        };
        let count = count.cast_signed();
        Chunk { key, count, codec, crc: checksum(key, count, codec, &data), data }
    }
}

fn checksum(key: i64, count: i64, codec: i64, data: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    for n in [key, count, codec] {
        hasher.update(&n.to_le_bytes());
    }
    hasher.update(data);
    i64::from(hasher.finalize())
}

impl Chunk {
    /// The number of the event behind its last; as it says itself, checked or not.
    pub(super) fn next(&self) -> u64 {
        next_of(self.key, self.count)
    }

    /// What is wrong with it, in words that name it.
    pub(super) fn damaged(&self, detail: impl Into<String>) -> StoreError {
        let first = first_of(self.key).0;
        let last = self.next().saturating_sub(1);
        StoreError::Damaged {
            what: format!("events {first} to {last} of job {}", job_of(self.key)),
            detail: detail.into(),
        }
    }

    /// The records, checked.
    pub(super) fn unpack(self) -> Result<Vec<u8>, StoreError> {
        if checksum(self.key, self.count, self.codec, &self.data) != self.crc {
            return Err(self.damaged("the checksum does not match"));
        }
        match self.codec {
            PLAIN => Ok(self.data),
            ZSTD => {
                let size = zstd::bulk::Decompressor::upper_bound(&self.data).unwrap_or(MAX_RAW).min(MAX_RAW);
                zstd::bulk::decompress(&self.data, size).map_err(|e| self.damaged(e.to_string()))
            }
            other => Err(self.damaged(format!("codec {other} is not known here"))),
        }
    }

    /// Calls `each` with every event and its number.
    pub(super) fn events(self, mut each: impl FnMut(EventSeq, Event)) -> Result<(), StoreError> {
        let head = Chunk { data: Vec::new(), ..self };
        let (key, count) = (self.key, self.count);
        let raw = self.unpack()?;
        let records = Records::new(&raw).map_err(|e| head.damaged(e.to_string()))?;
        let mut seen = 0;
        for (record, seq) in records.zip(first_of(key).0..) {
            each(EventSeq(seq), record.map_err(|e| head.damaged(e.to_string()))?.event());
            seen += 1;
        }
        if seen == count { Ok(()) } else { Err(head.damaged(format!("it holds {seen} events"))) }
    }
}
