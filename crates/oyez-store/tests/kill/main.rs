//! The store's process is killed, at a point that was chosen or at any; its producers live in this process and keep a
//! ledger of their acks. After each kill the store is opened again: the ledger's events are there, once, in order.
//!
//! The store's process is this test's own executable, started again ([`process`]). It kills itself by SIGKILL when a
//! failpoint is passed for the k-th time. `OYEZ_SOAK=1` makes more and longer rounds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests: a panic is their report")]

mod driver;
mod process;

use std::path::Path;

use driver::{Driver, End, Orders};
use oyez_store::conformance::events;
use oyez_store::{SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;

/// Kills at each point.
fn rounds() -> u64 {
    if std::env::var_os("OYEZ_SOAK").is_some() { 40 } else { 5 }
}

/// The other process: does nothing unless [`driver`] started it.
#[test]
fn a_store_in_a_process_of_its_own_serves_its_producers() {
    process::serve();
}

/// Killed at the first pass of a point, then each time `stride` passes later.
fn killed_at(point: &str, stride: u64) {
    let mut driver = Driver::new();
    for pass in (0..rounds()).map(|round| 1 + round * stride) {
        let end = driver.live(&Orders { kill_at: Some((point, pass)), ..Orders::default() });
        assert_eq!(end, End::Killed, "{point} was passed {pass} times");
        driver.assert_kept();
    }
    println!("killed {} times at {point}: {} events were acked and are there", rounds(), driver.acked());
    assert!(driver.acked() > 100);
}

#[test]
fn a_kill_before_anything_is_written_loses_nothing() {
    killed_at("store::append", 11);
}

#[test]
fn a_kill_before_the_commit_loses_nothing() {
    killed_at("store::commit", 11);
}

#[test]
fn a_kill_between_commit_and_ack_loses_nothing_and_doubles_nothing() {
    killed_at("store::committed", 11);
}

#[test]
fn a_kill_while_chunks_are_taken_out_for_merging_loses_nothing() {
    killed_at("store::merging", 1);
}

#[test]
fn a_kill_before_merged_chunks_are_committed_loses_nothing() {
    killed_at("store::merge", 1);
}

#[test]
fn a_kill_while_a_blob_is_written_loses_nothing() {
    killed_at("store::blob", 2);
}

#[test]
fn a_kill_while_logs_are_indexed_misses_no_line() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for point in ["store::index", "store::indexed"] {
        let mut driver = Driver::new();
        for pass in 1..=rounds() {
            let orders = Orders { kill_at: Some((point, pass)), index: true, ..Orders::default() };
            assert_eq!(driver.live(&orders), End::Killed, "{point} was passed {pass} times");
            driver.assert_kept();
            let store = SqliteStore::open(driver.folder(), SqliteOptions::default()).unwrap();
            let written = runtime.block_on(lines(&store));
            assert!(written > 0);
            assert_eq!(runtime.block_on(found(&store)), written, "{point} {pass}");
            while runtime.block_on(store.index_logs()).unwrap().more {}
            assert_eq!(runtime.block_on(found(&store)), written, "{point} {pass}");
        }
    }
}

/// How many events with log there are.
async fn lines(store: &SqliteStore) -> usize {
    let mut lines = 0;
    for id in store.job_ids(oyez_store::JobFilter::default()).await.unwrap() {
        let all = store.reader(id).await.unwrap().events_after(oyez_model::EventSeq(0), usize::MAX).unwrap();
        lines += all.iter().filter(|(_, event)| event.body.name() == "log_text").count();
    }
    lines
}

/// How many a search finds.
async fn found(store: &SqliteStore) -> usize {
    let (mut found, mut from) = (0, None);
    loop {
        let query = oyez_store::LogQuery { from, limit: 1000, ..oyez_store::LogQuery::default() };
        let page = store.search_logs(query).await.unwrap();
        found += page.hits.len();
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

#[test]
fn a_kill_while_the_store_is_made_or_migrated_loses_nothing() {
    // A new store has five points, one of version 1 has four.
    for round in 0..rounds().div_ceil(5) {
        for pass in 1..=5 {
            let mut driver = Driver::new();
            let orders = Orders { kill_at: Some(("store::migrate", pass)), ..Orders::default() };
            assert_eq!(driver.live(&orders), End::Killed, "round {round}");
            driver.assert_kept();
            assert_eq!(driver.live(&Orders { replies: Some(30), ..Orders::default() }), End::Killed);
            driver.assert_kept();
        }
        let mut driver = Driver::new();
        for pass in [1, 2, 3, 4, 1, 2] {
            assert_eq!(
                driver.live(&Orders { replies: Some(30), blobs: false, ..Orders::default() }),
                End::Killed
            );
            driver.assert_kept();
            to_version_1(driver.folder());
            let orders =
                Orders { kill_at: Some(("store::migrate", pass)), blobs: false, ..Orders::default() };
            assert_eq!(driver.live(&orders), End::Killed, "round {round}");
            driver.assert_kept();
        }
    }
}

/// What versions 2 to 4 added is taken away again.
fn to_version_1(folder: &Path) {
    let conn = rusqlite::Connection::open(folder.join("oyez.db")).unwrap();
    let back = "DROP TABLE blob; DROP TABLE job_server; DROP TABLE target_note; DROP INDEX lease_job; DROP TABLE unindexed;
        DROP TABLE search; PRAGMA user_version = 1;";
    conn.execute_batch(&format!("{back} PRAGMA wal_checkpoint(TRUNCATE);")).unwrap();
}

#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let mut driver = Driver::new();
    let mut seed = oyez_store::sim::Seed::new(std::process::id().into());
    for _ in 0..4 * rounds() {
        // After so many replies; what was sent then is on its way.
        let orders = Orders { replies: Some(seed.below(150)), ..Orders::default() };
        assert_eq!(driver.live(&orders), End::Killed);
        driver.assert_kept();
    }
    println!("killed {} times: {} events were acked and are there", 4 * rounds(), driver.acked());
    assert_eq!(driver.live(&Orders { jobs: 2, ..Orders::default() }), End::Closed);
    driver.assert_kept();
}

#[test]
fn without_recovery_the_ledger_is_broken() {
    let mut driver = Driver::new();
    assert_eq!(driver.live(&Orders { replies: Some(60), ..Orders::default() }), End::Killed);
    assert_eq!(driver.broken(), Vec::<String>::new());
    driver.live(&Orders { skip_recovery: true, jobs: 1, ..Orders::default() });
    let broken = driver.broken();
    println!("{broken:#?}");
    assert!(
        !broken.is_empty(),
        "nobody would notice if what came after the checkpoint were not brought back"
    );
}

#[test]
fn the_store_of_a_killed_process_is_free_at_once() {
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut driver = Driver::in_folder(folder.path());
    assert_eq!(driver.live(&Orders { replies: Some(5), ..Orders::default() }), End::Killed);
    let begun = std::time::Instant::now();
    let store = SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap();
    runtime.block_on(store.create_job(events::job(200, &[], &[]))).unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "nobody's lock is waited for");
}
