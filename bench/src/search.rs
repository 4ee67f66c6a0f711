//! Searching the logs of all jobs: how long it takes, what the index costs, and whether writers notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use oyez_model::event::{JobStateChanged, LogText, Stream};
use oyez_model::{EventNumber, JobState, ProducerId, SectionRef};
use oyez_store::{Batch, Clock, LogQuery, NewEvent, Pattern, SqliteOptions, SqliteStore, Store, SystemClock};

use crate::corpus;
use crate::measure::{self, done};
use crate::table::Table;

const JOBS: u64 = 1000;
const LINES: u64 = 1000;
/// The job that has the rare word.
const RARE: u64 = 317;

/// All of it.
pub fn run(table: &mut Table) {
    let folder = measure::folder();
    let store = Arc::new(done(SqliteStore::open(folder.path(), SqliteOptions::default())));
    measure::runtime().block_on(async {
        let mut bytes = 0;
        for n in 0..JOBS {
            bytes += job(&store, n).await;
        }
        let begin = Instant::now();
        while done(store.index_logs().await).more {}
        let took = begin.elapsed().as_secs_f64();
        let mib = bytes as f64 / f64::from(1 << 20);
        table.at_least("search: log that is indexed", mib / took, 20.0, "MiB/s");
        let index = size(&folder.path().join("search")) as f64;
        table.at_most("search: bytes of index for a byte of log", index / bytes as f64, 0.25, "");
        let text = |text: &str| LogQuery { pattern: Pattern::literal(text).ok(), ..LogQuery::default() };
        let regex = |text: &str| LogQuery { pattern: Pattern::regex(text).ok(), ..LogQuery::default() };
        for (what, query, want, hits) in [
            ("a word that one line of 1,000,000 has", text("needle-in-haystack"), 10.0, 1),
            ("a word that no line has", text("no such word anywhere"), 10.0, 0),
            ("an expression that one line matches", regex("needle-[a-z]+-(hay|corn)stack$"), 10.0, 1),
            ("a word that many lines have, the first 50", text("request"), 10.0, 50),
        ] {
            let mut times = Vec::new();
            for _ in 0..20 {
                let begin = Instant::now();
                let page = done(store.search_logs(query.clone()).await);
                times.push(begin.elapsed().as_secs_f64() * 1e3);
                assert_eq!(page.hits.len(), hits, "{what}");
            }
            table.at_most(&format!("search: {what}"), measure::median(times), want, "ms");
        }
    });
    beside(table);
}

/// A job with its log, ended; bytes of that.
async fn job(store: &SqliteStore, n: u64) -> u64 {
    let mut new = corpus::new_job("search");
    let state = |state| NewEvent::new(SystemClock.now(), JobStateChanged { state, error: None });
    new.then = vec![state(JobState::Started)];
    let first = new.then.len() as u64 + 2;
    let id = done(store.create_job(new).await);
    let mut bytes = 0;
    let line = |i: u64| {
        let mix = (n * LINES + i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = if (n, i) == (RARE, 500) { "needle-in-haystack" } else { "" };
        let level = ["INFO", "INFO", "DEBUG", "WARNING", "ERROR"][(mix >> 60) as usize % 5];
        format!(
            "2026-11-20T16:{:02}:{:02}.{:03} {level} worker-{} request {mix:016x} took {} ms, status {} {word}\n",
            i / 60 % 60,
            i % 60,
            mix >> 50 & 511,
            mix >> 40 & 15,
            mix >> 30 & 4095,
            200 + (mix >> 20 & 3),
        )
    };
    for from in (0..LINES).step_by(500) {
        let text = |i| {
            let text = line(i).into_bytes();
            let id = SectionRef::JOB;
            NewEvent::new(
                SystemClock.now(),
                LogText { id, stream: Stream::Stdout, text: text.into(), level: None },
            )
        };
        bytes += (from..from + 500).map(|i| line(i).len() as u64).sum::<u64>();
        let events: Vec<NewEvent> = (from..from + 500).map(text).collect();
        let batch =
            Batch { producer: ProducerId::from_random(n), first: EventNumber(from + 1), events, epoch: None };
        done(store.append(id, batch).await);
    }
    let events = vec![state(JobState::Completed)];
    let last = Batch { producer: ProducerId::FIRST, first: EventNumber(first), events, epoch: None };
    done(store.append(id, last).await);
    bytes
}

/// All files of a folder.
fn size(folder: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}

/// Commits of log while the index follows, against the same without.
fn beside(table: &mut Table) {
    // In turns, so that what else this machine does falls on both.
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        without.push(written(false));
        with.push(written(true));
    }
    let (with, without) = (measure::median(with), measure::median(without));
    table.note("search: lines of log written a second, nobody indexes", without, "lines/s");
    table.at_least("search: the same while they are indexed, of that", with / without, 0.85, "x");
}

/// Lines of log a second that 4 writers get rid of.
fn written(is_indexed: bool) -> f64 {
    let folder = measure::folder();
    let store = Arc::new(done(SqliteStore::open(folder.path(), SqliteOptions::default())));
    let was_told = Arc::new(AtomicBool::new(false));
    if is_indexed {
        let told = was_told.clone();
        done(store.index_in_background(move |text| {
            told.store(true, Ordering::Relaxed);
            eprintln!("{text}");
        }));
    }
    measure::runtime().block_on(async {
        let begin = Instant::now();
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let store = store.clone();
                tokio::spawn(async move {
                    for n in 0..100 {
                        job(&store, worker * 1000 + n).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            done(worker.await);
        }
        let rate = 400.0 * LINES as f64 / begin.elapsed().as_secs_f64();
        done(store.close().await);
        rate
    })
}
