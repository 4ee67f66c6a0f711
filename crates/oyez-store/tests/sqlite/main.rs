//! What is SQLite's own: several processes on one store, merging, versions, folders that cannot be written, damage.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests: a panic is their report")]

mod damage;
mod log;
mod merge;
mod other;
mod read_only;
mod search;
mod shared;
mod versions;

use std::path::Path;
use std::sync::Arc;

use oyez_model::{Event, EventSeq, JobId};
use oyez_store::conformance::clock;
use oyez_store::sqlite::{FsckOptions, FsckReport, fsck};
use oyez_store::{SqliteOptions, SqliteStore, Store, StoreError};

fn options() -> SqliteOptions {
    SqliteOptions { clock: clock(), ..SqliteOptions::default() }
}

fn open(folder: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(folder, options()).unwrap())
}

fn try_open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, options())
}

fn check(folder: &Path, rebuild: bool) -> Result<FsckReport, StoreError> {
    fsck(folder, &FsckOptions { job: None, rebuild }, &options(), |_, _| {})
}

fn assert_clean(folder: &Path) {
    assert_eq!(check(folder, false).unwrap().findings, vec![]);
}

async fn journal(store: &dyn Store, job: JobId) -> Result<Vec<(EventSeq, Event)>, StoreError> {
    store.reader(job).await?.events_after(EventSeq(0), usize::MAX)
}

/// A connection beside the store's own, for looking and for harm.
fn raw(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("oyez.db")).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Moves all of the log into the file and takes the log away, as a copy to another disk would.
fn settle(folder: &Path) {
    let conn = raw(folder);
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(conn);
    for name in ["oyez.db-wal", "oyez.db-shm"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
}
