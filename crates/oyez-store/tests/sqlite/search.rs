//! The index of logs: whatever becomes of it, an answer is the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oyez_model::{JobId, JobState, ProducerId};
use oyez_store::conformance::events::{batch, job, line, producer, state};
use oyez_store::conformance::{blob::noise, clock};
use oyez_store::sim::{Fault, Seed, SimFiles, Vfs};
use oyez_store::sqlite::Indexed;
use oyez_store::{
    LogPage, LogQuery, MemoryStore, NewEvent, Pattern, SqliteOptions, SqliteStore, Store, StoreError,
};
use tempfile::TempDir;

use super::{open, options, raw, runtime};

/// Indexes until there is nothing left to do; says why the index was made again.
async fn index_all(store: &SqliteStore) -> Option<String> {
    let mut said = None;
    loop {
        let Indexed { more, made_again, .. } = store.index_logs().await.unwrap();
        said = made_again.or(said);
        if !more {
            return said;
        }
    }
}

fn text(text: &str) -> LogQuery {
    LogQuery { pattern: Some(Pattern::literal(text).unwrap()), ..LogQuery::default() }
}

async fn hits(store: &dyn Store, query: LogQuery) -> Vec<(u64, String)> {
    let page = store.search_logs(query).await.unwrap();
    assert_eq!((page.next, page.notes), (None, vec![]));
    page.hits.into_iter().map(|hit| (hit.job.0, hit.text)).collect()
}

/// A job with this log, ended.
async fn ended(store: &dyn Store, n: u8, lines: &[String]) -> JobId {
    let mut new = job(n, &["t"], &[]);
    new.then.push(state(JobState::Started));
    let id = store.create_job(new).await.unwrap();
    for (lines, first) in lines.chunks(1000).zip((3..).step_by(1000)) {
        let events: Vec<NewEvent> = lines.iter().map(|text| line(0, text)).collect();
        store.append(id, batch(ProducerId::FIRST, first, events)).await.unwrap();
    }
    let last = batch(ProducerId::FIRST, lines.len() as u64 + 3, vec![state(JobState::Completed)]);
    store.append(id, last).await.unwrap();
    id
}

/// About 100 KiB of lines, no two of them the same.
fn many_lines(n: u8) -> Vec<String> {
    (0..1000)
        .map(|i| {
            format!(
                "job {n} line {i} {:x} says nothing that anybody would look for, at length",
                (i + 1) * 2_654_435_761u64
            )
        })
        .collect()
}

/// Five jobs; the first has a word that no other has.
async fn filled(store: &dyn Store) {
    for n in 1..=5 {
        let mut lines = many_lines(n);
        lines[500] = format!("needle of job {n}");
        if n == 1 {
            lines[700] = "a unique haystack".to_owned();
        }
        ended(store, n, &lines).await;
    }
}

/// The file of the index, when there is one alone.
fn file(folder: &Path) -> PathBuf {
    let all: Vec<PathBuf> =
        std::fs::read_dir(folder.join("search")).unwrap().map(|f| f.unwrap().path()).collect();
    let mut files: Vec<_> =
        all.into_iter().filter(|path| path.extension().is_some_and(|e| e == "db")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn listed(folder: &Path) -> i64 {
    raw(folder).query_row("SELECT count(*) FROM unindexed", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_rare_word_is_found_with_little_effort_and_ended_jobs_need_no_more_work() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    runtime().block_on(async {
        filled(&*store).await;
        // Far less than the log of one job.
        let little = || LogQuery { effort: 400 << 10, ..text("haystack") };
        let page = store.search_logs(little()).await.unwrap();
        assert!(
            page.hits.is_empty() && page.next.is_some(),
            "it should take more without an index: {page:?}"
        );
        assert_eq!(listed(folder.path()), 5);
        assert_eq!(index_all(&store).await, None);
        assert_eq!(listed(folder.path()), 0);
        assert_eq!(hits(&*store, little()).await, [(1, "a unique haystack".to_owned())]);
        assert_eq!(hits(&*store, LogQuery { effort: 400 << 10, ..text("no such word") }).await, []);
        assert_eq!(store.index_logs().await.unwrap(), Indexed::default());
        assert_eq!(hits(&*store, text("NEEDLE of")).await.len(), 5);
        // A late word is found at once, and indexed later.
        store.append(JobId(1), batch(producer(7), 1, vec![line(0, "a late haystack")])).await.unwrap();
        assert_eq!(listed(folder.path()), 1);
        assert_eq!(hits(&*store, little()).await.len(), 2);
        index_all(&store).await;
        assert_eq!((listed(folder.path()), hits(&*store, little()).await.len()), (0, 2));
        store.close().await.unwrap();
    });
    super::assert_clean(folder.path());
}

/// Does something to the index's file while nobody has it open; what is found stays, and the index is made again.
fn spoilt(why: &str, spoil: impl FnOnce(&Path)) {
    let folder = TempDir::new().unwrap();
    runtime().block_on(async {
        let store = open(folder.path());
        filled(&*store).await;
        index_all(&store).await;
        store.close().await.unwrap();
        drop(store);
        let path = file(folder.path());
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(conn);
        spoil(&path);
        let store = open(folder.path());
        let found = [(1, "a unique haystack".to_owned())];
        assert_eq!(hits(&*store, text("haystack")).await, found, "{why}");
        let said = index_all(&store).await;
        assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{why}: {said:?}");
        let little = LogQuery { effort: 400 << 10, ..text("haystack") };
        assert_eq!(hits(&*store, little).await, found, "{why}");
        assert_ne!(file(folder.path()), path, "the new one has another name");
        store.close().await.unwrap();
    });
}

#[test]
fn an_index_that_is_gone_is_made_again() {
    spoilt("not there", |path| std::fs::remove_file(path).unwrap());
    spoilt("not there", |path| std::fs::remove_dir_all(path.parent().unwrap()).unwrap());
}

#[test]
fn an_index_that_is_damaged_is_made_again() {
    spoilt("damaged", |path| std::fs::write(path, noise(1, 50_000)).unwrap());
    // Found when a page of it is read.
    spoilt("not there", |path| {
        let mut bytes = std::fs::read(path).unwrap();
        let noise = noise(2, bytes.len() - 4096);
        bytes[4096 * 3..].copy_from_slice(&noise[..noise.len() - 4096 * 2]);
        std::fs::write(path, bytes).unwrap();
    });
}

#[test]
fn an_index_of_another_version_or_another_store_is_made_again() {
    for version in [0, 99] {
        spoilt("version", |path| {
            let conn = rusqlite::Connection::open(path).unwrap();
            conn.execute_batch(&format!("PRAGMA user_version = {version}")).unwrap();
        });
    }
    spoilt("another store", |path| {
        rusqlite::Connection::open(path).unwrap().execute("UPDATE state SET generation = 7", []).unwrap();
    });
}

#[test]
fn an_index_that_knows_what_the_store_has_lost_is_mended() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    runtime().block_on(async {
        filled(&*store).await;
        index_all(&store).await;
        // As after a power cut that took back the end of a job, which then went on otherwise.
        let index = rusqlite::Connection::open(file(folder.path())).unwrap();
        index.execute("UPDATE job SET mark = mark + 1 WHERE id = 1", []).unwrap();
        index.execute("DELETE FROM page WHERE id >> 13 = 1", []).unwrap();
        assert_eq!(hits(&*store, text("haystack")).await, []);
        store.append(JobId(1), batch(producer(7), 1, vec![line(0, "more")])).await.unwrap();
        index_all(&store).await;
        assert_eq!(hits(&*store, text("haystack")).await.len(), 1);
        assert_eq!(hits(&*store, text("needle of job 1")).await.len(), 1);
        store.close().await.unwrap();
    });
}

#[test]
fn a_process_whose_index_was_replaced_goes_on_with_the_new_one() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (open(folder.path()), open(folder.path()));
    runtime().block_on(async {
        filled(&*one).await;
        index_all(&one).await;
        std::fs::remove_dir_all(folder.path().join("search")).unwrap();
        // The first makes it again, or the second: both use what is in force.
        assert!(index_all(&other).await.is_some());
        ended(&*one, 6, &many_lines(6)).await;
        ended(&*other, 7, &["another haystack".to_owned()]).await;
        assert_eq!(index_all(&one).await, None);
        let little = || LogQuery { effort: 400 << 10, ..text("haystack") };
        for store in [&one, &other] {
            assert_eq!(hits(&**store, little()).await.len(), 2);
        }
        assert_eq!(listed(folder.path()), 0);
        file(folder.path());
        one.close().await.unwrap();
        other.close().await.unwrap();
    });
}

#[test]
fn without_room_for_an_index_searches_answer_all_the_same() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("search"), "no folder").unwrap();
    let store = open(folder.path());
    runtime().block_on(async {
        filled(&*store).await;
        store.index_logs().await.unwrap_err();
        assert_eq!(hits(&*store, text("haystack")).await.len(), 1);
        std::fs::remove_file(folder.path().join("search")).unwrap();
        index_all(&store).await;
        assert_eq!((listed(folder.path()), hits(&*store, text("haystack")).await.len()), (0, 1));
        store.close().await.unwrap();
    });
}

#[test]
fn whatever_fails_while_logs_are_indexed_nothing_is_missed_and_it_goes_on_later() {
    for fault in Fault::ALL {
        // After so many calls that went well.
        for nth in (1..60).step_by(7) {
            let files = SimFiles::new();
            let vfs = Vfs::register(Arc::new(files.clone())).unwrap();
            let options = SqliteOptions { vfs: Some(vfs.name()), clock: clock(), ..SqliteOptions::default() };
            let store = SqliteStore::open(Path::new("/store"), options).unwrap();
            runtime().block_on(async {
                let lines = ["a haystack".to_owned(), "of straw".to_owned()];
                ended(&store, 1, &lines).await;
                files.arm(fault, nth, true);
                let mut failed = None;
                for _ in 0..5 {
                    failed = store.index_logs().await.err().or(failed);
                }
                files.disarm();
                if let Some(e) = &failed {
                    assert!(!matches!(e, StoreError::NoJob(_) | StoreError::Gap { .. }), "{e}");
                }
                assert_eq!(hits(&store, text("haystack")).await.len(), 1, "{fault:?} {nth}");
                // A sync of the store's own file that failed ends all writing; the index's does not.
                for _ in 0..5 {
                    let _ = store.index_logs().await;
                }
                assert_eq!(hits(&store, text("haystack")).await.len(), 1, "{fault:?} {nth}: {failed:?}");
                store.close().await.unwrap();
            });
        }
    }
}

#[test]
fn a_store_that_is_only_read_is_searched_with_and_without_an_index() {
    let folder = TempDir::new().unwrap();
    runtime().block_on(async {
        let store = open(folder.path());
        filled(&*store).await;
        store.close().await.unwrap();
        let read_only =
            || SqliteStore::open(folder.path(), SqliteOptions { read_only: true, ..options() }).unwrap();
        let reader = read_only();
        assert_eq!(reader.index_logs().await.unwrap(), Indexed::default());
        assert_eq!(hits(&reader, text("haystack")).await.len(), 1);
        index_all(&open(folder.path())).await;
        let little = LogQuery { effort: 400 << 10, ..text("haystack") };
        assert_eq!(hits(&read_only(), little).await.len(), 1);
    });
}

#[test]
fn a_damaged_job_is_named_and_does_not_hide_the_others() {
    for when in ["before", "after"] {
        let folder = TempDir::new().unwrap();
        runtime().block_on(async {
            let store = open(folder.path());
            filled(&*store).await;
            store.close().await.unwrap();
            drop(store);
            if when == "after" {
                index_all(&open(folder.path())).await;
            }
            raw(folder.path()).execute("UPDATE chunk SET data = x'00' WHERE id >> 36 = 3", []).unwrap();
            let store = open(folder.path());
            for _ in 0..2 {
                let page: LogPage = store.search_logs(text("needle")).await.unwrap();
                assert_eq!(page.hits.len(), 4, "{when}");
                assert!(page.notes.iter().any(|note| note.contains("job 3")), "{when}: {:?}", page.notes);
                index_all(&store).await;
            }
            store.close().await.unwrap();
        });
    }
}

#[test]
fn the_index_is_filled_in_the_background() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    store.index_in_background(|text| panic!("{text}")).unwrap();
    runtime().block_on(async {
        filled(&*store).await;
        let begun = std::time::Instant::now();
        while listed(folder.path()) > 0 {
            assert!(begun.elapsed().as_secs() < 60, "it does not come to an end");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(hits(&*store, LogQuery { effort: 400 << 10, ..text("haystack") }).await.len(), 1);
        store.close().await.unwrap();
    });
}

/// Words of which lines are made, so that queries find some.
const WORDS: [&str; 10] =
    ["alpha", "Beta", "gamma", "ERROR:", "warn", "ab", "x", "Straße", "\u{fffd}", "0123456789abcdef"];
const PATTERNS: [&str; 12] = [
    "alpha",
    "beta gamma",
    "ERROR",
    "a",
    "(alpha|beta) x",
    "^warn",
    "strasse|stra[sſ]e|Straße",
    "mma.*alpha",
    "[0-9]{4}",
    "x$",
    "no such thing",
    "(?-i)beta",
];

#[test]
fn an_answer_is_the_same_with_and_without_an_index_however_far_it_is() {
    let mut seed = Seed::new(4711);
    for _ in 0..6 {
        let folder = TempDir::new().unwrap();
        let (indexed, plain) = (open(folder.path()), MemoryStore::with_clock(clock()));
        runtime().block_on(async {
            let stores: [&dyn Store; 2] = [&*indexed, &plain];
            let mut next = [0u64; 8];
            for _ in 0..120 {
                let n = seed.below(8) as usize;
                let tags: &[&str] = if n.is_multiple_of(2) { &["even"] } else { &[] };
                let count = 1 + seed.below(40);
                let mut texts = Vec::new();
                for _ in 0..count {
                    let words: Vec<&str> = (0..1 + seed.below(6))
                        .map(|_| WORDS[seed.below(WORDS.len() as u64) as usize])
                        .collect();
                    // Some are so long that pages become full.
                    let long = if seed.below(10) == 0 { "y".repeat(3000) } else { String::new() };
                    texts.push(format!("{}{long}\nsecond {}", words.join(" "), seed.below(100)));
                }
                let is_over = seed.below(30) == 0;
                for store in stores {
                    let mut new = job(n as u8, tags, &[]);
                    new.then.push(state(JobState::Started));
                    let id = store.create_job(new).await.unwrap();
                    let mut events: Vec<NewEvent> = texts.iter().map(|text| line(0, text)).collect();
                    if is_over {
                        events.push(state(JobState::Completed));
                    }
                    store.append(id, batch(producer(3), next[n] + 1, events)).await.unwrap();
                }
                next[n] += count + u64::from(is_over);
                match seed.below(8) {
                    0 | 1 => drop(indexed.index_logs().await.unwrap()),
                    2 if seed.below(8) == 0 => {
                        std::fs::remove_dir_all(folder.path().join("search")).unwrap_or(())
                    }
                    _ => {}
                }
                if seed.below(4) == 0 {
                    compare(stores, &mut seed).await;
                }
            }
            index_all(&indexed).await;
            for _ in 0..20 {
                compare(stores, &mut seed).await;
            }
            indexed.close().await.unwrap();
        });
    }
}

async fn compare(stores: [&dyn Store; 2], seed: &mut Seed) {
    let pattern = PATTERNS[seed.below(PATTERNS.len() as u64) as usize];
    let query = LogQuery {
        pattern: (seed.below(6) > 0).then(|| Pattern::regex(pattern).unwrap()),
        job: (seed.below(4) == 0).then_some(JobId(1)),
        tags: if seed.below(4) == 0 { vec!["even".to_owned()] } else { vec![] },
        levels: if seed.below(4) == 0 { "error,warning".parse().unwrap() } else { "".parse().unwrap() },
        limit: 1 + seed.below(40) as usize,
        effort: if seed.below(3) == 0 { 20_000 } else { u64::MAX },
        ..LogQuery::default()
    };
    let mut all = Vec::new();
    for store in stores {
        let (mut found, mut from) = (Vec::new(), None);
        // The numbers of jobs are the same in both stores: jobs are made in the same order.
        for _ in 0..5000 {
            let page = store.search_logs(LogQuery { from, ..query.clone() }).await.unwrap();
            found.extend(page.hits);
            from = page.next;
            if from.is_none() || found.len() > 400 {
                break;
            }
        }
        found.truncate(400);
        all.push(found);
    }
    assert!(all[0] == all[1], "{query:?}: {} and {}", all[0].len(), all[1].len());
}
