//! Folders that cannot be written. What the owner of the system may do is done by a process of nobody's.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use oyez_store::conformance::events::{lines, producer, started};
use oyez_store::{SqliteOptions, SqliteStore, Store, StoreError};
use tempfile::TempDir;

use super::{journal, open, options, other, runtime, settle};

/// Everybody may read, nobody may write; and back again.
fn seal(folder: &Path, sealed: bool) {
    let (dirs, files) = if sealed { (0o555, 0o444) } else { (0o755, 0o644) };
    let mut paths: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            set_permissions(&path, Permissions::from_mode(if sealed { 0o755 } else { dirs })).unwrap();
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            set_permissions(&path, Permissions::from_mode(dirs)).unwrap();
        } else {
            set_permissions(&path, Permissions::from_mode(files)).unwrap();
        }
    }
}

/// A store with 52 events in `folder/store`, where others can get at it.
fn filled(folder: &TempDir) -> PathBuf {
    set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    runtime().block_on(async {
        let job = started(&*store, 1).await;
        store.append(job, lines(producer(1), 1, 50)).await.unwrap();
        store.put_blob(vec![1; 100_000].into()).await.unwrap();
        store.close().await.unwrap();
    });
    path
}

fn assert_only_read(path: &Path, events: u64) {
    seal(path, true);
    let done = other::start(path, &format!("only-read {events}"), true).wait().unwrap();
    seal(path, false);
    assert!(done.success());
}

#[test]
fn a_folder_that_cannot_be_written_can_be_read_with_its_log() {
    let folder = TempDir::new().unwrap();
    let path = filled(&folder);
    assert!(std::fs::metadata(path.join("oyez.db-wal")).unwrap().len() > 0, "there is something in the log");
    assert_only_read(&path, 52);
}

#[test]
fn a_folder_that_cannot_be_written_can_be_read_without_the_logs_index() {
    let folder = TempDir::new().unwrap();
    let path = filled(&folder);
    std::fs::remove_file(path.join("oyez.db-shm")).unwrap();
    assert_only_read(&path, 52);
}

#[test]
fn a_folder_that_cannot_be_written_can_be_read_without_a_log() {
    let folder = TempDir::new().unwrap();
    let path = filled(&folder);
    settle(&path);
    assert_only_read(&path, 52);
}

#[test]
fn a_folder_that_cannot_be_written_can_be_read_while_its_owner_writes() {
    let folder = TempDir::new().unwrap();
    let path = filled(&folder);
    let store = open(&path);
    let job = oyez_model::JobId(1);
    runtime().block_on(store.append(job, lines(producer(1), 51, 1))).unwrap();
    assert_only_read(&path, 53);
    runtime().block_on(store.append(job, lines(producer(1), 52, 1))).unwrap();
    assert_only_read(&path, 54);
}

#[test]
fn a_store_that_is_opened_for_reading_follows_one_that_writes() {
    let folder = TempDir::new().unwrap();
    let writer = open(folder.path());
    runtime().block_on(async {
        let job = started(&*writer, 1).await;
        let reader =
            SqliteStore::open(folder.path(), SqliteOptions { read_only: true, ..options() }).unwrap();
        for n in 1..=20 {
            writer.append(job, lines(producer(1), n, 1)).await.unwrap();
            let last =
                reader.wait(job, oyez_model::EventSeq(1 + n), std::time::Duration::from_secs(30)).await;
            assert_eq!(last.unwrap().0, 2 + n);
            assert_eq!(journal(&reader, job).await.unwrap().len() as u64, 2 + n);
        }
        let refused = reader.append(job, lines(producer(1), 21, 1)).await.unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
        reader.close().await.unwrap();
        writer.close().await.unwrap();
    });
}
