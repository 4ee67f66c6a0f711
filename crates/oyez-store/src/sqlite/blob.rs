//! Small blobs, in the file itself.

use bytes::Bytes;
use oyez_model::BlobHash;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use super::trouble::Trouble;
use crate::error::StoreError;

/// Blobs up to this many bytes are packed into the file; larger ones go to the object store.
pub(super) const PACK_UP_TO: usize = 64 << 10;

const PLAIN: i64 = 0;
const ZSTD: i64 = 1;

/// A blob on its way into the file, compressed where its producer runs.
#[derive(Debug)]
pub(super) struct Packed {
    hash: BlobHash,
    size: i64,
    codec: i64,
    data: Vec<u8>,
}

impl Packed {
    pub(super) fn new(hash: BlobHash, bytes: &[u8]) -> Self {
        match zstd::bulk::compress(bytes, 3) {
            Ok(data) if data.len() < bytes.len() => {
                Packed { hash, size: rows::int(bytes.len() as u64), codec: ZSTD, data }
            }
            _ => Packed { hash, size: rows::int(bytes.len() as u64), codec: PLAIN, data: bytes.to_vec() },
        }
    }
}

pub(super) fn put(conn: &Connection, blob: &Packed) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO blob (hash, size, codec, data) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![&blob.hash.0[..], blob.size, blob.codec, blob.data])
        .map(|_| ())
}

/// A packed blob, checked against its hash; none when it is not packed.
pub(super) fn get(conn: &Connection, t: Trouble<'_>, hash: BlobHash) -> Result<Option<Bytes>, StoreError> {
    let found: Option<(i64, i64, Vec<u8>)> = conn
        .prepare_cached("SELECT size, codec, data FROM blob WHERE hash = ?1")
        .and_then(|mut s| {
            s.query_row([&hash.0[..]], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(|e| t.of(e))?;
    let Some((size, codec, data)) = found else { return Ok(None) };
    let damaged = |detail: String| StoreError::Damaged { what: format!("blob {hash}"), detail };
    let bytes = match codec {
        PLAIN => data,
        ZSTD => zstd::bulk::decompress(&data, usize::try_from(size).unwrap_or(0).min(PACK_UP_TO))
            .map_err(|e| damaged(e.to_string()))?,
        other => return Err(damaged(format!("codec {other} is not known here"))),
    };
    crate::blobs::check(hash, &bytes)?;
    Ok(Some(Bytes::from(bytes)))
}

/// The hashes of all packed blobs.
pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<BlobHash>> {
    let mut get = conn.prepare("SELECT hash FROM blob ORDER BY hash")?;
    let rows = get.query_map([], |row| row.get::<_, [u8; 32]>(0).map(BlobHash))?;
    rows.collect()
}
