//! Older files are migrated, newer ones are left alone.

use oyez_store::conformance::blob::noise;
use oyez_store::conformance::events::{lines, producer, started};
use oyez_store::sqlite::{FsckOptions, fsck};
use oyez_store::{SqliteOptions, SqliteStore, Store, StoreError};
use tempfile::TempDir;

use super::{assert_clean, journal, open, options, raw, runtime, settle, try_open};

/// A store with a job of 102 events, settled.
fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    runtime().block_on(async {
        let job = started(&*store, 1).await;
        store.append(job, lines(producer(1), 1, 100)).await.unwrap();
        store.close().await.unwrap();
    });
    drop(store);
    settle(folder.path());
    folder
}

#[test]
fn a_file_of_version_1_is_migrated_and_keeps_its_events() {
    let folder = filled();
    // Version 2 added the blobs, version 3 the servers, version 4 what the index of logs needs.
    raw(folder.path())
        .execute_batch(
            "DROP TABLE blob; DROP TABLE job_server; DROP TABLE target_note; DROP INDEX lease_job;
             DROP TABLE unindexed; DROP TABLE search; PRAGMA user_version = 1",
        )
        .unwrap();
    let read_only = || SqliteStore::open(folder.path(), SqliteOptions { read_only: true, ..options() });
    let refused = read_only().unwrap_err();
    assert!(
        matches!(refused, StoreError::ReadOnly { .. }) && refused.to_string().contains("version 1"),
        "{refused}"
    );
    let store = open(folder.path());
    runtime().block_on(async {
        assert_eq!(journal(&*store, oyez_model::JobId(1)).await.unwrap().len(), 102);
        let hash = store.put_blob(noise(1, 100)).await.unwrap();
        assert_eq!(store.get_blob(hash).await.unwrap(), noise(1, 100));
        store.append(oyez_model::JobId(1), lines(producer(1), 101, 1)).await.unwrap();
        store.close().await.unwrap();
    });
    drop(store);
    assert_clean(folder.path());
    read_only().unwrap();
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_not_touched() {
    let folder = filled();
    raw(folder.path()).execute_batch("CREATE TABLE future (x); PRAGMA user_version = 99").unwrap();
    settle(folder.path());
    let file = folder.path().join("oyez.db");
    let before = std::fs::read(&file).unwrap();
    let read_only = SqliteOptions { read_only: true, ..options() };
    for refused in [
        try_open(folder.path()).unwrap_err(),
        SqliteStore::open(folder.path(), read_only).unwrap_err(),
        fsck(folder.path(), &FsckOptions::default(), &options(), |_, _| {}).unwrap_err(),
        fsck(folder.path(), &FsckOptions { job: None, rebuild: true }, &options(), |_, _| {}).unwrap_err(),
    ] {
        assert!(matches!(refused, StoreError::Newer { found: 99, known: 4, .. }), "{refused:?}");
    }
    assert!(std::fs::read(&file).unwrap() == before);
}

#[test]
fn checking_a_folder_without_a_store_makes_none() {
    let folder = TempDir::new().unwrap();
    super::check(folder.path(), false).unwrap_err();
    assert!(!folder.path().join("oyez.db").exists());
    let missing = folder.path().join("missing");
    super::check(&missing, false).unwrap_err();
    SqliteStore::open(&missing, SqliteOptions { read_only: true, ..options() }).unwrap_err();
    assert!(!missing.exists());
}

#[test]
fn what_is_not_a_store_is_refused_and_not_touched() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("oyez.db");
    std::fs::write(&file, "this is a letter, not a store\n".repeat(500)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let refused = try_open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    assert!(std::fs::read(&file).unwrap() == before);
}

#[test]
fn a_database_of_something_else_and_an_emptied_file_are_refused_and_left_alone() {
    let open = |folder: &std::path::Path| {
        oyez_store::SqliteStore::open(folder, oyez_store::SqliteOptions::default())
    };
    for version in [0, 1, 2] {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("oyez.db");
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch(&format!("CREATE TABLE theirs (x); PRAGMA user_version = {version}")).unwrap();
        drop(other);
        let before = std::fs::read(&file).unwrap();
        let refused = open(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("not one of Oyez"), "{refused}");
        assert!(std::fs::read(&file).unwrap() == before, "version {version}");
    }
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("oyez.db"), "").unwrap();
    std::fs::write(folder.path().join("oyez.db-wal"), [1; 5000]).unwrap();
    let refused = open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("it is empty, and its log"), "{refused}");
    assert_eq!(std::fs::metadata(folder.path().join("oyez.db-wal")).unwrap().len(), 5000);
}
