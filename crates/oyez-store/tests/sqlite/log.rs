//! SQLite's log, broken: in the middle with acked commits behind the break, or at its end by a crash.

use std::path::{Path, PathBuf};

use oyez_model::JobId;
use oyez_store::Store;
use oyez_store::StoreError;
use oyez_store::conformance::append::assert_once_in_order;
use oyez_store::conformance::events::{lines, producer, started};
use oyez_store::sim::Seed;
use oyez_store::sqlite::wal::find_break;
use tempfile::TempDir;

use super::{assert_clean, check, journal, open, runtime, try_open};

const JOB: JobId = JobId(1);
const COMMITS: u64 = 40;
const FRAME: u64 = 24 + 4096;

/// A store whose log holds [`COMMITS`] commits of one event each; the log as the process left it when it was killed.
fn with_log() -> (TempDir, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let killed = TempDir::new().unwrap();
    let store = open(folder.path());
    runtime().block_on(async {
        assert_eq!(started(&*store, 1).await, JOB);
        // While a reader stays at its moment the log does not begin anew.
        let reader = store.reader(JOB).await.unwrap();
        for n in 1..=COMMITS {
            store.append(JOB, lines(producer(1), n, 1)).await.unwrap();
        }
        for name in ["oyez.db", "oyez.db-wal"] {
            std::fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
        }
        drop(reader);
        store.close().await.unwrap();
    });
    let log = std::fs::read(killed.path().join("oyez.db-wal")).unwrap();
    (killed, log)
}

fn copy(from: &Path, log: &[u8]) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::copy(from.join("oyez.db"), folder.path().join("oyez.db")).unwrap();
    std::fs::write(folder.path().join("oyez.db-wal"), log).unwrap();
    folder
}

fn events(folder: &Path) -> usize {
    let store = open(folder);
    let n = runtime().block_on(async {
        let journal = match journal(&*store, JOB).await {
            Ok(journal) => journal,
            // The break was before the job.
            Err(StoreError::NoJob(_)) => Vec::new(),
            Err(e) => panic!("{e}"),
        };
        assert_once_in_order(&journal.iter().map(|(_, e)| (e.producer, e.number.0)).collect::<Vec<_>>());
        store.close().await.unwrap();
        journal.len()
    });
    drop(store);
    n
}

fn copies(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("damaged")).collect()
}

/// Where the last two commits of a log begin.
fn last_commits(log: &[u8]) -> (u64, u64) {
    let is_commit = |i: &u64| {
        let at = (32 + i * FRAME) as usize + 4;
        log[at..at + 4] != [0; 4]
    };
    let commits: Vec<u64> = (0..(log.len() as u64 - 32) / FRAME).filter(is_commit).collect();
    let ends: Vec<u64> = commits.iter().rev().map(|i| 32 + (i + 1) * FRAME).collect();
    (ends[2], ends[1])
}

#[test]
fn a_break_with_commits_behind_it_is_told_and_nothing_is_destroyed() {
    let (folder, log) = with_log();
    assert_eq!(events(copy(folder.path(), &log).path()) as u64, 2 + COMMITS);
    let (last_but_one, _) = last_commits(&log);
    let mut seed = Seed::new(1);
    for _ in 0..25 {
        let at = seed.below(last_but_one) as usize;
        let mut broken = log.clone();
        broken[at] ^= 1 << seed.below(8);
        let folder = copy(folder.path(), &broken);
        for _ in 0..2 {
            let damaged = try_open(folder.path()).unwrap_err();
            assert!(matches!(damaged, StoreError::Damaged { .. }), "byte {at}: {damaged:?}");
            assert!(damaged.to_string().contains("oyez.db-wal.damaged"), "{damaged}");
        }
        assert_eq!(copies(folder.path()).len(), 1, "one copy is enough");
        assert!(std::fs::read(&copies(folder.path())[0]).unwrap() == broken);
        assert!(std::fs::read(folder.path().join("oyez.db-wal")).unwrap() == broken, "the log is as it was");
        // Looking changes nothing; rebuilding gives up what is behind the break.
        let report = check(folder.path(), false).unwrap();
        assert!(!report.findings.is_empty() && !report.findings[0].mended, "{report:?}");
        assert!(try_open(folder.path()).is_err());
        let report = check(folder.path(), true).unwrap();
        assert!(report.findings[0].mended, "{report:?}");
        assert!((events(folder.path()) as u64) < 2 + COMMITS);
        assert_clean(folder.path());
        assert!(std::fs::read(&copies(folder.path())[0]).unwrap() == broken);
    }
}

#[test]
fn every_byte_of_the_log_before_its_last_commits_is_watched() {
    let (_keep, log) = with_log();
    let (last_but_one, _) = last_commits(&log);
    let find = |log: &[u8]| {
        let read = |buffer: &mut [u8], at: u64| {
            let at = at as usize;
            buffer.copy_from_slice(&log[at..at + buffer.len()]);
            Ok(())
        };
        find_break(log.len() as u64, read).unwrap()
    };
    assert_eq!(find(&log), None);
    // All bytes of headers, and some of pages.
    let heads = (0..last_but_one).filter(|at| *at < 32 || (at - 32) % FRAME < 24);
    let pages = (0..last_but_one).step_by(997);
    let mut broken = log.clone();
    let mut seed = Seed::new(2);
    for at in heads.chain(pages) {
        // The magic number's last bit chooses the order of bytes: the other one is right for no checksum.
        broken[at as usize] ^= 1 << seed.below(8);
        assert!(find(&broken).is_some(), "byte {at}");
        broken[at as usize] = log[at as usize];
    }
}

#[test]
fn a_torn_end_of_the_log_is_given_up_in_silence() {
    let (folder, log) = with_log();
    let (_, last) = last_commits(&log);
    let mut seed = Seed::new(3);
    let cuts = (0..20).map(|_| seed.below(log.len() as u64 + 1)).chain([0, 1, 31, 32, 33, last, last + 30]);
    for cut in cuts.collect::<Vec<_>>() {
        let folder = copy(folder.path(), &log[..cut as usize]);
        // Before the first commits there is no store yet: then it is made.
        if let Ok(store) = try_open(folder.path()) {
            let there = runtime().block_on(async {
                let there = journal(&store, JOB).await.map_or(0, |journal| journal.len() as u64);
                store.close().await.unwrap();
                there
            });
            assert!(there <= 2 + COMMITS);
        }
        assert_eq!(copies(folder.path()), Vec::<PathBuf>::new());
    }
    // The last commit was torn: what was before it is there.
    for at in [last, last + 8, last + 17, last + 24, last + 1000, log.len() as u64 - 1] {
        let mut torn = log.clone();
        torn[at as usize] ^= 0x40;
        let folder = copy(folder.path(), &torn);
        assert_eq!(events(folder.path()) as u64, 1 + COMMITS, "byte {at}");
        assert_eq!(copies(folder.path()), Vec::<PathBuf>::new());
        assert_clean(folder.path());
    }
}

#[test]
fn an_open_store_is_not_bothered_by_who_opens_it_as_well() {
    let (folder, log) = with_log();
    let folder = copy(folder.path(), &log);
    let first = open(folder.path());
    // Whoever comes second cannot look at a log that is being written.
    let second = open(folder.path());
    runtime().block_on(async {
        first.append(JOB, lines(producer(1), COMMITS + 1, 1)).await.unwrap();
        second.append(JOB, lines(producer(1), COMMITS + 2, 1)).await.unwrap();
        assert_eq!(journal(&*second, JOB).await.unwrap().len() as u64, 4 + COMMITS);
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

#[test]
fn a_log_that_grew_under_a_reader_begins_anew_after_it_and_is_given_back_at_the_end() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let log = folder.path().join("oyez.db-wal");
    let length = || std::fs::metadata(&log).map_or(0, |file| file.len());
    runtime().block_on(async {
        assert_eq!(started(&*store, 1).await, JOB);
        let reader = store.reader(JOB).await.unwrap();
        let mut n = 0;
        // Each commit writes a page, at least.
        while length() < 40 << 20 {
            n += 1;
            store.append(JOB, lines(producer(1), n, 1)).await.unwrap();
        }
        drop(reader);
        let grown = n;
        while length() > 33 << 20 {
            n += 1;
            assert!(n < grown + 50_000, "it does not begin anew: {}", length());
            store.append(JOB, lines(producer(1), n, 1)).await.unwrap();
        }
        store.close().await.unwrap();
    });
    assert!(length() <= 4 << 20, "{}", length());
}
