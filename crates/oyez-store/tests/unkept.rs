//! The device fails to sync the store's file after a part of the log was moved into it: nothing acked is lost.

#![expect(clippy::unwrap_used, reason = "these are tests: a panic is their report")]

use std::path::Path;
use std::sync::Arc;

use oyez_model::JobId;
use oyez_store::blobs::Blobs;
use oyez_store::conformance::clock;
use oyez_store::conformance::events::{job, producer};
use oyez_store::conformance::ledger::Ledger;
use oyez_store::sim::{Fault, FaultyObjects, Seed, SimFiles, Vfs};
use oyez_store::sqlite::unkept::{Moved, move_log};
use oyez_store::{Durability, SqliteOptions, SqliteStore, Store, StoreError};
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;

const FOLDER: &str = "/store";

fn options(vfs: &Vfs) -> SqliteOptions {
    SqliteOptions {
        durability: Durability::Power,
        clock: clock(),
        vfs: Some(vfs.name()),
        blobs: Some(Blobs::new(Arc::new(FaultyObjects::new()), Path::new("objects"))),
        ..SqliteOptions::default()
    }
}

fn open(vfs: &Vfs) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(Path::new(FOLDER), options(vfs))
}

/// Another process.
fn other(vfs: &Vfs) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    Connection::open_with_flags_and_vfs(format!("{FOLDER}/oyez.db"), flags, vfs.name().as_str()).unwrap()
}

fn move_on(vfs: &Vfs, how: &str) -> Moved {
    move_log(&other(vfs), &other(vfs), how)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// What is missing after the power was cut now, by any of some seeds.
fn lost(files: &SimFiles, ledger: &Ledger, runtime: &Runtime) -> Vec<String> {
    let mut all = Vec::new();
    for number in 0..60 {
        let files = files.power_cut(&mut Seed::new(number));
        let vfs = Vfs::register(Arc::new(files)).unwrap();
        match open(&vfs) {
            Ok(store) => match runtime.block_on(ledger.broken(&store)) {
                Ok(broken) => all.extend(broken),
                Err(e) => all.push(e.to_string()),
            },
            Err(e) => all.push(e.to_string()),
        }
    }
    all
}

/// A store whose log was moved in part, and in which the sync of the rest failed; `move_it` moves the log.
fn after_a_failed_sync(
    files: &SimFiles,
    vfs: &Vfs,
    runtime: &Runtime,
    move_it: impl Fn(),
) -> (SqliteStore, JobId, Ledger) {
    let store = open(vfs).unwrap();
    let mut ledger = Ledger::new();
    let id = runtime.block_on(store.create_job(job(1, &[], &[]))).unwrap();
    runtime.block_on(ledger.send(&store, id, producer(1), 50)).unwrap();
    let reader = other(vfs);
    reader.execute_batch("BEGIN; SELECT * FROM job").unwrap();
    runtime.block_on(ledger.send(&store, id, producer(1), 5)).unwrap();
    // Only up to what the reader sees, and without a sync of the file.
    move_it();
    drop(reader);
    // The first sync is that of the log.
    files.arm(Fault::Sync, 2, false);
    move_it();
    assert_eq!(files.hits(), 1);
    (store, id, ledger)
}

#[test]
fn what_was_moved_before_a_failed_sync_is_lost_if_the_log_is_moved_on() {
    let (files, runtime) = (SimFiles::new(), runtime());
    let vfs = Vfs::register(Arc::new(files.clone())).unwrap();
    let sqlite = || drop(other(&vfs).execute_batch("PRAGMA wal_checkpoint(PASSIVE)"));
    let (store, id, mut ledger) = after_a_failed_sync(&files, &vfs, &runtime, sqlite);
    assert_eq!(lost(&files, &ledger, &runtime), Vec::<String>::new(), "the log is still whole");
    sqlite();
    // The log begins anew.
    runtime.block_on(ledger.send(&store, id, producer(1), 1)).unwrap();
    assert_ne!(lost(&files, &ledger, &runtime), Vec::<String>::new());
}

#[test]
fn after_a_failed_sync_nobody_moves_the_log_until_it_is_moved_from_its_beginning() {
    let (files, runtime) = (SimFiles::new(), runtime());
    let vfs = Vfs::register(Arc::new(files.clone())).unwrap();
    let move_it = || _ = move_on(&vfs, "PASSIVE");
    let (store, id, mut ledger) = after_a_failed_sync(&files, &vfs, &runtime, move_it);
    for how in ["PASSIVE", "RESTART", "TRUNCATE"] {
        assert_eq!(move_on(&vfs, how), Moved::Never);
    }
    // The store hears of it when it would move the log itself, and then takes nothing more.
    let refused = (0..2000).find_map(|_| runtime.block_on(ledger.send(&store, id, producer(1), 20)).err());
    assert_eq!(refused, Some(StoreError::Unkept { path: FOLDER.into() }));
    assert_eq!(runtime.block_on(ledger.broken(&store)).unwrap(), Vec::<String>::new(), "it can be read");
    assert_eq!(lost(&files, &ledger, &runtime), Vec::<String>::new());
    // Whoever comes while others have it open cannot mend it.
    assert_eq!(open(&vfs).unwrap_err(), StoreError::Unkept { path: FOLDER.into() });
    runtime.block_on(store.close()).unwrap();
    drop(store);

    let store = open(&vfs).unwrap();
    runtime.block_on(ledger.send_open(&store)).unwrap();
    runtime.block_on(ledger.send(&store, id, producer(1), 5)).unwrap();
    assert_eq!(move_on(&vfs, "TRUNCATE"), Moved::All);
    runtime.block_on(ledger.send(&store, id, producer(1), 5)).unwrap();
    assert_eq!(lost(&files, &ledger, &runtime), Vec::<String>::new());
}

#[test]
fn mending_that_fails_is_done_again() {
    let runtime = runtime();
    for nth in 1..5 {
        let files = SimFiles::new();
        let vfs = Vfs::register(Arc::new(files.clone())).unwrap();
        let move_it = || _ = move_on(&vfs, "PASSIVE");
        let (store, id, mut ledger) = after_a_failed_sync(&files, &vfs, &runtime, move_it);
        runtime.block_on(store.close()).unwrap();
        drop(store);
        files.arm(Fault::Sync, nth, false);
        let _ = open(&vfs);
        files.disarm();
        assert_eq!(lost(&files, &ledger, &runtime), Vec::<String>::new(), "at sync {nth}");
        let store = open(&vfs).unwrap();
        runtime.block_on(ledger.send(&store, id, producer(1), 5)).unwrap();
        assert_eq!(move_on(&vfs, "TRUNCATE"), Moved::All);
        assert_eq!(lost(&files, &ledger, &runtime), Vec::<String>::new(), "at sync {nth}");
    }
}

#[test]
fn a_marked_store_on_a_real_disk_is_mended_by_who_opens_it_alone() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let open = || SqliteStore::open(folder.path(), SqliteOptions::default());
    let file = folder.path().join("oyez.db");
    let store = open().unwrap();
    let mut ledger = Ledger::new();
    let id = runtime.block_on(store.create_job(job(1, &[], &[]))).unwrap();
    runtime.block_on(ledger.send(&store, id, producer(1), 50)).unwrap();
    let raw = Connection::open(&file).unwrap();
    raw.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    raw.pragma_update(None, "application_id", 0x4f79_756e).unwrap();
    assert_eq!(open().unwrap_err(), StoreError::Unkept { path: folder.path().to_owned() });
    runtime.block_on(store.close()).unwrap();
    drop(store);
    assert_eq!(open().unwrap_err(), StoreError::Unkept { path: folder.path().to_owned() }, "somebody reads");
    drop(raw);
    let store = open().unwrap();
    runtime.block_on(ledger.send(&store, id, producer(1), 5)).unwrap();
    assert_eq!(runtime.block_on(ledger.broken(&store)).unwrap(), Vec::<String>::new());
    let raw = Connection::open(&file).unwrap();
    assert_eq!(raw.query_row("PRAGMA application_id", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
