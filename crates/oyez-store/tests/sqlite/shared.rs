//! Several stores on one folder, in this process and in others.

use std::time::{Duration, Instant};

use oyez_model::{EventSeq, JobId, JobState, ProducerId};
use oyez_store::conformance::append::{assert_once_in_order, journal};
use oyez_store::conformance::blob::noise;
use oyez_store::conformance::events::{
    batch, begin, end, job, left, lines, owner, producer, started, state, test,
};
use oyez_store::conformance::ledger::Ledger;
use oyez_store::conformance::{clock, run};
use oyez_store::{Batch, Durability, LeaseName, SqliteOptions, SqliteStore, Store, StoreError};
use tempfile::TempDir;

use super::{assert_clean, open, options, other};

#[test]
fn two_instances_that_take_turns_see_each_others_events() {
    let folder = TempDir::new().unwrap();
    let stores = [open(folder.path()), open(folder.path())];
    run(async {
        let id = started(&*stores[0], 1).await;
        assert_eq!(started(&*stores[1], 1).await, id);
        let mut expected = 3;
        for n in 1..=60 {
            // One producer each, and one that speaks to both in turn.
            for (p, number, who) in [(1, n, 0), (2, n, 1), (3, n, n as usize % 2)] {
                let ack = stores[who].append(id, lines(producer(p), number, 1)).await.unwrap();
                assert_eq!(ack.first, EventSeq(expected));
                expected += 1;
            }
            if n % 20 == 0 {
                // What a producer opened through one is ended through the other.
                let open = batch(producer(100 + n), 1, vec![test(1, "t"), begin(2, 1, "s")]);
                stores[0].append(id, open).await.unwrap();
                let ended = batch(producer(100 + n), 3, vec![end(2, None), end(1, None), left()]);
                assert_eq!(stores[1].append(id, ended).await.unwrap().first, EventSeq(expected + 2));
                expected += 5;
            }
        }
        for store in &stores {
            let journal = journal(&*store.reader(id).await.unwrap());
            assert_eq!(journal.len() as u64, expected - 1);
            assert_once_in_order(&journal);
            assert_eq!(store.append(id, lines(producer(1), 1, 1)).await.unwrap().first, EventSeq(3));
        }
        // One ends the job and merges it; the other still has its live state.
        stores[1].append(id, batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)])).await.unwrap();
        stores[1].close().await.unwrap();
        stores[0].append(id, lines(producer(1), 61, 2)).await.unwrap();
        stores[0]
            .append(id, batch(producer(100 + 20), 6, vec![begin(3, 1, "late"), end(3, None)]))
            .await
            .unwrap();
        stores[0].close().await.unwrap();
    });
    drop(stores);
    assert_clean(folder.path());
}

#[test]
fn two_instances_at_once_lose_and_double_nothing() {
    let folder = TempDir::new().unwrap();
    let stores = [open(folder.path()), open(folder.path())];
    run(async {
        let jobs = [started(&*stores[0], 1).await, started(&*stores[1], 2).await];
        let produce = |n: u64| {
            let store = stores[n as usize % 2].clone();
            let job = jobs[n as usize / 2 % 2];
            tokio::spawn(async move {
                let mut ledger = Ledger::new();
                for size in 1..40 {
                    ledger.send(&*store, job, producer(n), size % 9 + 1).await.unwrap();
                }
                ledger
            })
        };
        let producers: Vec<_> = (0..8).map(produce).collect();
        for producer in producers {
            let ledger = producer.await.unwrap();
            assert_eq!(ledger.broken(&*stores[0]).await.unwrap(), Vec::<String>::new());
        }
        for store in &stores {
            store.close().await.unwrap();
        }
    });
    drop(stores);
    assert_clean(folder.path());
}

fn latency(durability: Durability) -> Duration {
    let folder = TempDir::new().unwrap();
    let open = || SqliteStore::open(folder.path(), SqliteOptions { durability, ..options() }).unwrap();
    let (here, there) = (std::sync::Arc::new(open()), open());
    let mut took = Vec::new();
    run(async {
        let id = started(&*here, 1).await;
        for n in 1..=50 {
            let waiting = {
                let here = here.clone();
                tokio::spawn(async move {
                    let seen = here.wait(id, EventSeq(1 + n), Duration::from_secs(30)).await.unwrap();
                    (seen, Instant::now())
                })
            };
            // Half of the time the one who waits is likely to be there first.
            if n % 2 == 0 {
                let _ = here.wait(id, EventSeq(1 + n), Duration::from_millis(2)).await;
            }
            there.append(id, lines(producer(1), n, 1)).await.unwrap();
            let acked = Instant::now();
            let (seen, at) = waiting.await.unwrap();
            assert_eq!(seen, EventSeq(2 + n));
            took.push(at.saturating_duration_since(acked));
        }
    });
    took.sort_unstable();
    println!(
        "{durability:?}: another instance's commit is seen after {:?}, at most {:?}",
        took[25], took[49]
    );
    assert!(took[49] < Duration::from_secs(1), "nobody was woken by the look once a second");
    took[25]
}

#[test]
fn another_instances_commit_is_seen_soon() {
    assert!(latency(Durability::Process) < Duration::from_millis(100));
    assert!(latency(Durability::Power) < Duration::from_millis(100));
}

#[test]
fn several_processes_append_to_the_same_job() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let id = store.path().to_owned();
    assert_eq!(id, folder.path());
    let mut others = Vec::new();
    run(async {
        let (id, second) = (started(&*store, 1).await, started(&*store, 2).await);
        for n in 1..=3 {
            others.push(other::start(folder.path(), &format!("append {id} {n} 60"), false));
            others.push(other::start(folder.path(), &format!("append {second} {n} 30"), false));
        }
        for n in 1..=60 {
            store.append(id, lines(producer(9), n, 1)).await.unwrap();
        }
        // All that the others do is seen here, and nothing is missed.
        let mut seen = EventSeq(0);
        while seen < EventSeq(2 + 4 * 60) {
            let last = store.wait(id, seen, Duration::from_secs(30)).await.unwrap();
            assert!(last > seen, "{last} after 30 s");
            seen = last;
        }
        for mut other in others {
            assert!(tokio::task::spawn_blocking(move || other.wait()).await.unwrap().unwrap().success());
        }
        for (id, events) in [(id, 242), (second, 92)] {
            let journal = journal(&*store.reader(id).await.unwrap());
            assert_eq!(journal.len(), events);
            assert_once_in_order(&journal);
        }
        store.close().await.unwrap();
    });
    assert_clean(folder.path());
}

#[test]
fn many_processes_that_begin_at_once_in_an_empty_folder_all_succeed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/store");
    let all: Vec<_> = (1..=64).map(|n| other::start(&path, &format!("whole-job {n}"), false)).collect();
    for mut other in all {
        assert!(other.wait().unwrap().success());
    }
    let store = open(&path);
    run(async {
        let jobs = store.jobs(Default::default()).await.unwrap();
        assert_eq!(jobs.len(), 64);
        assert!(jobs.iter().all(|info| info.row.events == 23 && info.row.state == JobState::Completed));
        store.close().await.unwrap();
    });
    assert_clean(&path);
}

#[test]
fn a_take_over_by_another_instance_fences_the_former_owner() {
    let folder = TempDir::new().unwrap();
    let clock = clock();
    let open = || {
        let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::default() };
        SqliteStore::open(folder.path(), options).unwrap()
    };
    let (a, b) = (open(), open());
    let ttl = Duration::from_secs(10);
    run(async {
        let mut new = job(1, &[], &[]);
        new.owner = Some(owner(1));
        let id = a.create_job(new).await.unwrap();
        let name = [LeaseName::Job(id)];
        let with = |epoch: u64, first: u64| Batch { epoch: Some(epoch), ..lines(producer(1), first, 1) };
        a.append(id, with(1, 1)).await.unwrap();
        assert!(matches!(b.acquire(&name, &owner(2), Some(id), ttl).await, Err(StoreError::Held { .. })));
        clock.advance(10_000_000_000);
        a.append(id, with(1, 2)).await.unwrap();
        let lease = b.acquire(&name, &owner(2), Some(id), ttl).await.unwrap().remove(0);
        assert_eq!(lease.epoch, 2);
        // Without a commit in between that would tell it.
        let fenced = a.append(id, with(1, 3)).await.unwrap_err();
        assert_eq!(fenced, StoreError::Fenced { job: id, held: 1, current: 2 });
        b.append(id, with(2, 3)).await.unwrap();
        assert!(matches!(a.renew(&name, &owner(1), ttl).await, Err(StoreError::Held { .. })));
        a.close().await.unwrap();
        b.close().await.unwrap();
    });
}

#[test]
fn a_reader_that_stays_holds_up_nobody() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    run(async {
        let id = started(&*store, 1).await;
        let reader = store.reader(id).await.unwrap();
        let mut longest = Duration::ZERO;
        // More than the log may hold before it must begin anew, which it cannot while the reader is there.
        for n in 0..2300 {
            let begun = Instant::now();
            store.put_blob(noise(n, 60_000)).await.unwrap();
            longest = longest.max(begun.elapsed());
        }
        println!("the longest commit took {longest:?}");
        assert!(longest < Duration::from_secs(5), "{longest:?}: a commit waited for the reader");
        assert_eq!(reader.live().last_seq(), EventSeq(2));
        let begun = Instant::now();
        store.close().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "closing does not wait for the reader");
        drop(reader);
        assert_eq!(store.job(JobId(1)).await.unwrap().row.events, 2);
    });
}
