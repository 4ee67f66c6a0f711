//! The small chunks of a job become large ones when it ends.

use std::path::Path;

use oyez_model::{JobId, JobState, ProducerId};
use oyez_store::Store;
use oyez_store::conformance::blob::noise;
use oyez_store::conformance::events::{batch, line, lines, producer, started, state};
use tempfile::TempDir;

use super::{assert_clean, journal, open, raw, runtime};

fn chunks(folder: &Path, job: JobId) -> i64 {
    let sql = "SELECT count(*) FROM chunk WHERE id >> 36 = ?1";
    raw(folder).query_row(sql, [job.0.cast_signed()], |row| row.get(0)).unwrap()
}

fn size(folder: &Path) -> u64 {
    raw(folder).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    std::fs::metadata(folder.join("oyez.db")).unwrap().len()
}

#[test]
fn merging_keeps_every_event_and_gives_space_back() {
    let folder = TempDir::new().unwrap();
    let (store, runtime) = (open(folder.path()), runtime());
    // Nothing repeats within one chunk; from chunk to chunk everything does.
    let words: String = noise(1, 2000).iter().map(|b| format!("{b:02x}")).collect();
    const N: u64 = 4000;
    let (job, before) = runtime.block_on(async {
        let job = started(&*store, 1).await;
        for n in 1..=N {
            let number = n.to_string();
            store
                .append(job, batch(producer(1), n, vec![line(0, &format!("{number} {words}"))]))
                .await
                .unwrap();
        }
        let before = journal(&*store, job).await.unwrap();
        store.close().await.unwrap();
        (job, before)
    });
    drop(store);
    let (chunks_before, size_before) = (chunks(folder.path(), job), size(folder.path()));
    assert!(chunks_before > 3000, "{chunks_before}");
    let store = open(folder.path());
    runtime.block_on(async {
        store.append(job, batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)])).await.unwrap();
        // A reader from before stays at its moment while chunks are merged under it.
        let reader = store.reader(job).await.unwrap();
        store.close().await.unwrap();
        assert!(reader.events_after(oyez_model::EventSeq(0), N as usize + 2).unwrap() == before);
    });
    drop(store);
    let (chunks_after, size_after) = (chunks(folder.path(), job), size(folder.path()));
    println!("{chunks_before} chunks, {size_before} bytes; merged {chunks_after} chunks, {size_after} bytes");
    assert!(chunks_after < chunks_before / 10);
    assert_clean(folder.path());
    // The reader was in the way of giving pages back; without one they are.
    let store = open(folder.path());
    runtime.block_on(async {
        assert!(journal(&*store, job).await.unwrap()[..before.len()] == before);
        assert_eq!(store.append(job, lines(producer(1), N + 1, 1)).await.unwrap().first.0, N + 4);
        store.close().await.unwrap();
    });
    drop(store);
    let size_after = size(folder.path());
    assert!(size_after < size_before / 4, "{size_after} of {size_before}");
    assert_clean(folder.path());
}

#[test]
fn what_could_not_be_merged_is_merged_at_the_next_start() {
    let folder = TempDir::new().unwrap();
    let (store, runtime) = (open(folder.path()), runtime());
    runtime.block_on(async {
        let job = started(&*store, 1).await;
        for n in 1..=50 {
            store.append(job, lines(producer(1), n, 1)).await.unwrap();
        }
        store.close().await.unwrap();
    });
    drop(store);
    // As if the process had been killed between the job's end and the merging.
    raw(folder.path()).execute_batch("INSERT INTO unmerged (job) VALUES (1)").unwrap();
    let store = open(folder.path());
    runtime.block_on(store.close()).unwrap();
    drop(store);
    assert_eq!(chunks(folder.path(), JobId(1)), 1);
    let left: i64 = raw(folder.path()).query_row("SELECT count(*) FROM unmerged", [], |r| r.get(0)).unwrap();
    assert_eq!(left, 0);
    assert_clean(folder.path());
}

#[test]
fn late_events_are_merged_again_and_found_again() {
    let folder = TempDir::new().unwrap();
    let (store, runtime) = (open(folder.path()), runtime());
    runtime.block_on(async {
        let job = started(&*store, 1).await;
        store.append(job, lines(producer(1), 1, 30)).await.unwrap();
        store.append(job, batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)])).await.unwrap();
        for n in 31..=90 {
            store.append(job, lines(producer(1), n, 1)).await.unwrap();
            let again = store.append(job, lines(producer(1), n - 20, 5)).await.unwrap();
            let seq = |number: u64| if number <= 30 { number + 2 } else { number + 3 };
            assert_eq!((again.first.0, again.last.0), (seq(n - 20), seq(n - 16)));
        }
        store.close().await.unwrap();
        assert_eq!(journal(&*store, job).await.unwrap().len(), 93);
    });
    drop(store);
    assert_eq!(chunks(folder.path(), JobId(1)), 1);
    assert_clean(folder.path());
}
