//! Rules about many at once: producers, dropped futures, fairness.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use oyez_model::{EventSeq, JobId};

use super::append::{assert_once_in_order, journal};
use super::events::{job, lines, producer, started};
use super::{Form, clock};
use crate::api::{Ack, Store};

/// Each has its own numbers; acks tell where everything stands.
pub async fn sixteen_producers_at_once_are_kept_whole_and_in_order(form: &dyn Form) {
    let store = form.open(clock());
    let jobs = [started(&*store, 1).await, started(&*store, 2).await, started(&*store, 3).await];
    let produce = |n: u64| {
        let store: Arc<dyn Store> = store.clone();
        let job = jobs[n as usize % 3];
        tokio::spawn(async move {
            let mut acks: Vec<(u64, Ack)> = Vec::new();
            let mut next = 1;
            for size in (0..40).map(|i| 1 + (i * 7 + n) % 23) {
                let ack = store.append(job, lines(producer(n), next, size)).await.unwrap();
                assert_eq!(ack.last.0 - ack.first.0, size - 1);
                // A producer that is not sure sends again.
                if size % 5 == 0 {
                    assert_eq!(store.append(job, lines(producer(n), next, size)).await.unwrap(), ack);
                }
                acks.push((next, ack));
                next += size;
            }
            (job, producer(n), acks)
        })
    };
    let producers: Vec<_> = (0..16).map(produce).collect();
    let mut journals = HashMap::new();
    for job in jobs {
        journals.insert(job, Vec::new());
    }
    let mut acks = Vec::new();
    for p in producers {
        acks.push(p.await.unwrap());
    }
    for job in jobs {
        let journal = journal(&*store.reader(job).await.unwrap());
        assert_once_in_order(&journal);
        journals.insert(job, journal);
    }
    for (job, producer, acks) in acks {
        for (number, ack) in acks {
            let at = usize::try_from(ack.first.0).unwrap() - 1;
            assert_eq!(journals[&job][at], (producer, number));
        }
    }
}

/// Nobody knows whether it had its effect; the same batch again makes it so, once.
pub async fn a_dropped_append_is_told_by_sending_it_again(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    for n in 0..50 {
        {
            let mut first = pin!(store.append(job, lines(producer(1), 1 + n * 3, 3)));
            poll_fn(|cx| {
                let _ = first.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
        }
        let ack = store.append(job, lines(producer(1), 1 + n * 3, 3)).await.unwrap();
        assert_eq!((ack.first, ack.last), (EventSeq(3 + n * 3), EventSeq(5 + n * 3)));
    }
    let journal = journal(&*store.reader(job).await.unwrap());
    assert_eq!(journal.len(), 152);
    assert_once_in_order(&journal);
}

/// When another job asks in the middle of a flood, its answer comes before the flood is over.
pub async fn a_flooding_job_does_not_hold_up_another(form: &dyn Form) {
    let store = form.open(clock());
    let (flooded, other) = (started(&*store, 1).await, started(&*store, 2).await);
    const BATCHES: u64 = 150;
    let done = Arc::new(AtomicU64::new(0));
    let (begun, mut begin) = tokio::sync::mpsc::channel(1);
    // One producer for each batch, so that all of them are in line at once.
    let flood: Vec<_> = (1..=BATCHES)
        .map(|n| {
            let (store, done, begun) = (store.clone(), done.clone(), begun.clone());
            tokio::spawn(async move {
                store.append(flooded, lines(producer(n), 1, 500)).await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
                let _ = begun.try_send(());
            })
        })
        .collect();
    begin.recv().await.unwrap();
    store.append(other, lines(producer(1), 1, 1)).await.unwrap();
    let before = done.load(Ordering::SeqCst);
    for producer in flood {
        producer.await.unwrap();
    }
    assert!(before < BATCHES, "the other job was answered after {before} of {BATCHES} batches");
    assert_eq!(store.job(flooded).await.unwrap().row.events, 2 + BATCHES * 500);
}

/// Each gets a number of its own, and all of the same job the same.
pub async fn jobs_are_created_at_once_without_double_numbers(form: &dyn Form) {
    let store = form.open(clock());
    let create = |n: u8| {
        let store = store.clone();
        tokio::spawn(async move { (n % 16, store.create_job(job(n % 16, &[], &[])).await.unwrap()) })
    };
    let created: Vec<_> = (0..64).map(create).collect();
    let mut ids: HashMap<u8, JobId> = HashMap::new();
    for created in created {
        let (n, id) = created.await.unwrap();
        assert_eq!(*ids.entry(n).or_insert(id), id);
    }
    let mut numbers: Vec<u64> = ids.values().map(|id| id.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}
