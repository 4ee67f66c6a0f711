//! How fast events become durable, with their rows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oyez_model::{EventNumber, JobId, Outcome, ProducerId, SectionId, SectionRef};
use oyez_store::{Batch, Clock, Durability, NewEvent, SqliteOptions, SqliteStore, Store, SystemClock};

use crate::corpus;
use crate::measure::{self, done, folder};
use crate::table::Table;

const PRODUCERS: u64 = 16;
const BATCH: u64 = 64;

/// All of it.
pub fn run(table: &mut Table) {
    measure::runtime().block_on(async {
        for (durability, word, want, events) in [
            (Durability::Process, "process", 300_000.0, 2_000_000),
            (Durability::Power, "power", 150_000.0, 1_000_000),
        ] {
            let rate = flood(durability, events).await;
            table.at_least(&format!("ingest, 16 producers x batches of 64, {word}"), rate, want, "events/s");
        }
        let rate = singles(40_000).await;
        table.at_least("ingest, one producer, one event at a time", rate, 20_000.0, "events/s");
        let (p50, p99) = beside_a_flood().await;
        table.note("another job's ack while one floods, p50", p50 * 1e3, "ms");
        table.at_most("another job's ack while one floods, p99", p99 * 1e3, 5.0, "ms");
    });
}

fn open(folder: &Path, durability: Durability) -> Arc<SqliteStore> {
    Arc::new(done(SqliteStore::open(folder, SqliteOptions { durability, ..SqliteOptions::default() })))
}

async fn new_job(store: &SqliteStore) -> JobId {
    let mut job = corpus::new_job("ingest");
    job.then = corpus::run_and_test();
    done(store.create_job(job).await)
}

/// Sections that begin and end below the test, `BATCH` events at a time.
async fn produce(store: &dyn Store, job: JobId, producer: ProducerId, events: u64) {
    let test = SectionRef::of(SectionId::new(ProducerId::FIRST, 2), producer);
    let (mut number, mut section) = (1, 0);
    while number <= events {
        let mut batch = Vec::with_capacity(BATCH as usize);
        for _ in 0..BATCH / 2 {
            section += 1;
            let name = format!("test_case_{section:06}");
            batch.push(NewEvent {
                time: SystemClock.now(),
                body: corpus::started(section, test, "Testcase", name),
            });
            batch.push(NewEvent { time: SystemClock.now(), body: corpus::stopped(section, Outcome::Passed) });
        }
        let batch = Batch { producer, first: EventNumber(number), events: batch, epoch: None };
        done(store.append(job, batch).await);
        number += BATCH;
    }
}

async fn flood(durability: Durability, events: u64) -> f64 {
    let dir = folder();
    let store = open(dir.path(), durability);
    let job = new_job(&store).await;
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for i in 0..PRODUCERS {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            produce(&*store, job, ProducerId::from_random(i * 1000), events / PRODUCERS).await;
        }));
    }
    for task in tasks {
        let _ = task.await;
    }
    let rate = events as f64 / begin.elapsed().as_secs_f64();
    done(store.close().await);
    rate
}

async fn singles(events: u64) -> f64 {
    let dir = folder();
    let store = open(dir.path(), Durability::Process);
    let job = new_job(&store).await;
    let producer = ProducerId::from_random(1);
    let test = SectionRef::of(SectionId::new(ProducerId::FIRST, 2), producer);
    let begin = Instant::now();
    for number in 1..=events {
        let section = number.div_ceil(2);
        let body = match number % 2 {
            1 => corpus::started(section, test, "Testcase", format!("test_case_{section:06}")),
            _ => corpus::stopped(section, Outcome::Passed),
        };
        let events = vec![NewEvent { time: SystemClock.now(), body }];
        done(store.append(job, Batch { producer, first: EventNumber(number), events, epoch: None }).await);
    }
    let rate = events as f64 / begin.elapsed().as_secs_f64();
    done(store.close().await);
    rate
}

async fn beside_a_flood() -> (f64, f64) {
    let dir = folder();
    let store = open(dir.path(), Durability::Process);
    let (loud, quiet) = (new_job(&store).await, new_job(&store).await);
    let mut tasks = Vec::new();
    for i in 0..PRODUCERS {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            produce(&*store, loud, ProducerId::from_random(i * 1000), 4_000_000).await;
        }));
    }
    let mut times = Vec::new();
    let producer = ProducerId::from_random(7);
    let test = SectionRef::of(SectionId::new(ProducerId::FIRST, 2), producer);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 1..=1000u64 {
        let section = number.div_ceil(2);
        let body = match number % 2 {
            1 => corpus::started(section, test, "Testcase", format!("quiet_{section}")),
            _ => corpus::stopped(section, Outcome::Passed),
        };
        let events = vec![NewEvent { time: SystemClock.now(), body }];
        let begin = Instant::now();
        done(store.append(quiet, Batch { producer, first: EventNumber(number), events, epoch: None }).await);
        times.push(begin.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for task in tasks {
        task.abort();
        // Until it has ended it may find the store closed, and take that for trouble.
        let _ = task.await;
    }
    done(store.close().await);
    times.sort_by(f64::total_cmp);
    if std::env::var_os("OYEZ_BENCH_TAIL").is_some() {
        let at = |p: usize| times[times.len() * p / 1000] * 1e3;
        println!(
            "      p90 {:.2} p95 {:.2} p98 {:.2} p99.5 {:.2} max {:.2} ms",
            at(900),
            at(950),
            at(980),
            at(995),
            at(999)
        );
    }
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
