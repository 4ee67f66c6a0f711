//! The tables, their version, and how an older file becomes one of today.

use std::path::Path;

use rusqlite::Connection;

use super::trouble::Trouble;
use crate::error::StoreError;

/// The version of the file's layout that this Oyez writes.
pub const VERSION: u32 = 4;

/// What each version added; the n-th entry leads from version n to n + 1. An entry never changes once released.
const STEPS: [&str; VERSION as usize] = [
    // 0 -> 1: everything.
    "CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uid BLOB NOT NULL UNIQUE,
        state INTEGER NOT NULL,
        row BLOB NOT NULL
     );
     CREATE INDEX job_state ON job (state);
     CREATE TABLE job_tag (tag TEXT NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (tag, job)) WITHOUT ROWID;
     CREATE TABLE job_guid (guid TEXT NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (guid, job)) WITHOUT ROWID;
     CREATE TABLE chunk (
        id INTEGER PRIMARY KEY,
        count INTEGER NOT NULL,
        codec INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        data BLOB NOT NULL
     );
     CREATE TABLE node (
        job INTEGER NOT NULL,
        producer INTEGER NOT NULL,
        number INTEGER NOT NULL,
        data BLOB NOT NULL,
        bad INTEGER,
        PRIMARY KEY (job, producer, number)
     ) WITHOUT ROWID;
     CREATE INDEX node_bad ON node (job) WHERE bad IS NOT NULL;
     CREATE TABLE segment (
        job INTEGER NOT NULL,
        producer INTEGER NOT NULL,
        number INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        part INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (job, producer, number, kind, part)
     ) WITHOUT ROWID;
     CREATE TABLE producer (
        job INTEGER NOT NULL,
        id INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (job, id)
     ) WITHOUT ROWID;
     CREATE TABLE checkpoint (job INTEGER PRIMARY KEY, seq INTEGER NOT NULL, data BLOB NOT NULL);
     CREATE TABLE unmerged (job INTEGER PRIMARY KEY);
     CREATE TABLE lease (
        name TEXT PRIMARY KEY,
        epoch INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        job INTEGER,
        host TEXT,
        pid INTEGER,
        started INTEGER,
        token INTEGER
     ) WITHOUT ROWID;",
    // 1 -> 2: small blobs in the file itself.
    "CREATE TABLE blob (
        hash BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        codec INTEGER NOT NULL,
        data BLOB
     ) WITHOUT ROWID;",
    // 2 -> 3: jobs by the server that took them, what is held for a job, what people do to targets.
    "CREATE TABLE job_server (server TEXT NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (server, job)) WITHOUT ROWID;
     CREATE INDEX lease_job ON lease (job) WHERE job IS NOT NULL;
     CREATE TABLE target_note (
        id INTEGER PRIMARY KEY,
        target TEXT NOT NULL,
        at INTEGER NOT NULL,
        what TEXT NOT NULL,
        who TEXT NOT NULL,
        why TEXT NOT NULL
     );
     CREATE INDEX target_note_target ON target_note (target, id);",
    // 3 -> 4: jobs with log that may not be in the index of logs, and which index is in force.
    "CREATE TABLE unindexed (job INTEGER PRIMARY KEY);
     CREATE TABLE search (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL);",
];

/// Empty tables for the rows of one job, in a scratch file.
pub(super) fn scratch(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "DROP TABLE IF EXISTS node; DROP TABLE IF EXISTS segment; DROP TABLE IF EXISTS producer;
         CREATE TABLE node (job, producer, number, data, bad, PRIMARY KEY (job, producer, number)) WITHOUT ROWID;
         CREATE TABLE segment (job, producer, number, kind, part, data,
            PRIMARY KEY (job, producer, number, kind, part)) WITHOUT ROWID;
         CREATE TABLE producer (job, id, data, PRIMARY KEY (job, id)) WITHOUT ROWID;",
    )
}

/// Settings of a connection; `power` syncs at each commit.
pub(super) fn configure(conn: &Connection, power: bool) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(64);
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // When the log begins anew, its file keeps no more than that.
    conn.execute_batch(&format!("PRAGMA journal_size_limit = {};", super::mover::LONGEST * 4096))?;
    conn.execute_batch(if power {
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 0;"
    } else {
        "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 0;"
    })
}

/// The version of the file, 0 when it is new.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A file that can only be read must be of today's version.
pub(super) fn not_of_today(path: &Path, found: u32) -> StoreError {
    if found > VERSION {
        return StoreError::Newer { path: path.to_owned(), found, known: VERSION };
    }
    if found == 0 {
        let reason = "it is empty: its making was begun and not finished, as on a full disk";
        return StoreError::ReadOnly { path: path.to_owned(), reason: reason.to_owned() };
    }
    let reason = format!("it has version {found}, and must be migrated to {VERSION} before it can be read");
    StoreError::ReadOnly { path: path.to_owned(), reason }
}

/// A database of something else is not taken for a store, nor made into one.
fn refuse_foreign(conn: &Connection, path: &Path, found: u32) -> Result<(), StoreError> {
    let count = "SELECT count(*), ifnull(sum(name IN ('job', 'chunk', 'lease')), 0) FROM sqlite_schema WHERE type = 'table'";
    let (tables, ours): (i64, i64) =
        conn.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|e| Trouble(path).of(e))?;
    if (found == 0 && tables == 0) || (found > 0 && ours == 3) {
        return Ok(());
    }
    Err(StoreError::Damaged {
        what: format!("the store's file {}", path.join(super::FILE).display()),
        detail: "it is a database, and not one of Oyez: move it away, or name another folder with --data"
            .to_owned(),
    })
}

/// Makes the tables of a new file, or brings an older file up to today's version.
///
/// # Errors
/// [`StoreError::Newer`] for a file of a newer version, or the store's own trouble.
pub(super) fn prepare(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let t = Trouble(path);
    let found = version(conn).map_err(|e| t.of(e))?;
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    if found > 0 {
        refuse_foreign(conn, path, found)?;
    }
    if found == VERSION {
        return Ok(());
    }
    if found == 0 {
        // Only before the first table can these two be chosen.
        conn.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")
            .map_err(|e| t.of(e))?;
        // Not before: a file that has been looked at has made its choice.
        refuse_foreign(conn, path, found)?;
    }
    let mode: String =
        conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(|e| t.of(e))?;
    if mode != "wal" {
        return Err(StoreError::Io {
            path: path.to_owned(),
            reason: format!("journal mode is {mode}, not wal"),
        });
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(|e| t.of(e))?;
    // Looked at again under the lock: another process may have been first.
    let found = version(&tx).map_err(|e| t.of(e))?;
    for step in STEPS.iter().skip(found as usize) {
        tx.execute_batch(step).map_err(|e| t.of(e))?;
        fail::fail_point!("store::migrate");
    }
    tx.execute_batch(&format!("PRAGMA user_version = {VERSION}")).map_err(|e| t.of(e))?;
    fail::fail_point!("store::migrate");
    tx.commit().map_err(|e| t.of(e))
}
