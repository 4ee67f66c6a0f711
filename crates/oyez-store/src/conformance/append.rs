//! Rules about order, numbers, repeats, gaps and limits.

use oyez_model::event::{LogText, Stream};
use oyez_model::{EventNumber, EventSeq, JobId, JobState, ProducerId, SectionRef};

use super::events::{BEGIN, batch, begin, end, left, line, lines, producer, started, state, test};
use super::{Form, clock};
use crate::api::{Ack, Batch, JobReader, MAX_BATCH_EVENTS, MAX_EVENT_BYTES, NewEvent};
use crate::error::StoreError;

const ME: ProducerId = ProducerId::FIRST;

fn ack(first: u64, last: u64) -> Ack {
    Ack { first: EventSeq(first), last: EventSeq(last) }
}

/// Every event of a job, as producer and the producer's number.
///
/// # Panics
/// When they cannot be read or the job's numbers are not 1, 2, 3, ...
pub fn journal(reader: &dyn JobReader) -> Vec<(ProducerId, u64)> {
    let all = reader.events_after(EventSeq(0), usize::MAX).expect("the events");
    assert!(all.iter().zip(1..).all(|((seq, _), n)| seq.0 == n), "numbers without gaps");
    assert_eq!(all.len() as u64, reader.live().last_seq().0, "all of them");
    all.into_iter().map(|(_, e)| (e.producer, e.number.0)).collect()
}

/// Whether each producer's events are there once and in order.
///
/// # Panics
/// When they are not.
pub fn assert_once_in_order(journal: &[(ProducerId, u64)]) {
    let mut last = std::collections::HashMap::new();
    for (producer, number) in journal {
        let before = last.insert(*producer, *number).unwrap_or(0);
        assert_eq!(*number, before + 1, "of {producer:?}");
    }
}

/// The job's numbers are the order in which batches were acked.
pub async fn events_are_kept_in_order_under_rising_numbers(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let mut sent = Vec::new();
    let mut next = 3;
    for (first, n) in [(1, 1), (2, 5), (7, 200), (207, 1)] {
        let batch = lines(producer(1), first, n);
        sent.extend(batch.events.clone());
        assert_eq!(store.append(job, batch).await.unwrap(), ack(next, next + n - 1));
        next += n;
    }
    let reader = store.reader(job).await.unwrap();
    let kept = reader.events_after(EventSeq(2), usize::MAX).unwrap();
    assert_eq!(kept.len(), sent.len());
    for (i, ((seq, kept), sent)) in kept.into_iter().zip(sent).enumerate() {
        assert_eq!((seq.0, kept.number.0), (i as u64 + 3, i as u64 + 1));
        assert_eq!((kept.producer, kept.time, kept.body), (producer(1), sent.time, sent.body));
    }
}

/// The last batch, an old one, a part of an old one, two old ones together.
pub async fn a_batch_sent_again_gets_its_first_ack(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let (a, b) = (producer(1), producer(2));
    assert_eq!(store.append(job, lines(a, 1, 3)).await.unwrap(), ack(3, 5));
    assert_eq!(store.append(job, lines(b, 1, 2)).await.unwrap(), ack(6, 7));
    assert_eq!(store.append(job, lines(a, 4, 2)).await.unwrap(), ack(8, 9));
    for _ in 0..2 {
        assert_eq!(store.append(job, lines(a, 4, 2)).await.unwrap(), ack(8, 9));
        assert_eq!(store.append(job, lines(a, 1, 3)).await.unwrap(), ack(3, 5));
        assert_eq!(store.append(job, lines(a, 2, 1)).await.unwrap(), ack(4, 4));
        // Another producer's events lie in between.
        assert_eq!(store.append(job, lines(a, 1, 5)).await.unwrap(), ack(3, 9));
        assert_eq!(store.append(job, lines(b, 1, 2)).await.unwrap(), ack(6, 7));
    }
    let reader = store.reader(job).await.unwrap();
    assert_eq!(journal(&*reader).len(), 9);
    assert_once_in_order(&journal(&*reader));
}

/// A producer that lost an ack may put old and new into one batch.
pub async fn a_batch_that_overlaps_adds_only_what_is_new(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let (a, b) = (producer(1), producer(2));
    store.append(job, lines(a, 1, 3)).await.unwrap();
    store.append(job, lines(b, 1, 1)).await.unwrap();
    assert_eq!(store.append(job, lines(a, 3, 3)).await.unwrap(), ack(5, 8));
    assert_eq!(store.append(job, lines(a, 1, 6)).await.unwrap(), ack(3, 9));
    let reader = store.reader(job).await.unwrap();
    let of_a: Vec<u64> = journal(&*reader).iter().filter(|e| e.0 == a).map(|e| e.1).collect();
    assert_eq!(of_a, [1, 2, 3, 4, 5, 6]);
}

/// And nothing of the batch is kept.
pub async fn a_gap_names_the_number_that_is_expected(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let gap = |expected, got| StoreError::Gap {
        job,
        producer: producer(1),
        expected: EventNumber(expected),
        got: EventNumber(got),
    };
    assert_eq!(store.append(job, lines(producer(1), 2, 1)).await.unwrap_err(), gap(1, 2));
    store.append(job, lines(producer(1), 1, 3)).await.unwrap();
    assert_eq!(store.append(job, lines(producer(1), 5, 2)).await.unwrap_err(), gap(4, 5));
    let far = Batch { first: EventNumber(u64::MAX), ..lines(producer(1), 1, 2) };
    assert_eq!(store.append(job, far).await.unwrap_err(), gap(4, u64::MAX));
    let zero = Batch { first: EventNumber(0), ..lines(producer(1), 1, 2) };
    assert_eq!(store.append(job, zero).await.unwrap_err(), gap(4, 0));
    assert_eq!(store.append(job, lines(producer(1), 4, 1)).await.unwrap(), ack(6, 6));
    assert_eq!(journal(&*store.reader(job).await.unwrap()).len(), 6);
}

/// Numbers are a producer's own, whoever else writes.
pub async fn each_producer_has_its_own_numbers(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let other = started(&*store, 2).await;
    for round in 1..=20 {
        for p in [1, 2, 3] {
            store.append(job, lines(producer(p), round, 1)).await.unwrap();
        }
        store.append(other, lines(producer(1), round, 1)).await.unwrap();
    }
    for (job, events) in [(job, 62), (other, 22)] {
        let journal = journal(&*store.reader(job).await.unwrap());
        assert_eq!(journal.len(), events);
        assert_once_in_order(&journal);
    }
}

/// One that said that it is done is not forgotten.
pub async fn a_producer_that_left_goes_on_with_its_numbers(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let p = producer(1);
    store.append(job, batch(p, 1, vec![line(0, "a"), left()])).await.unwrap();
    assert_eq!(store.append(job, batch(p, 1, vec![line(0, "a"), left()])).await.unwrap(), ack(3, 4));
    let gap = store.append(job, lines(p, 4, 1)).await.unwrap_err();
    assert!(matches!(gap, StoreError::Gap { expected: EventNumber(3), .. }), "{gap}");
    assert_eq!(store.append(job, lines(p, 3, 2)).await.unwrap(), ack(5, 6));
    assert_once_in_order(&journal(&*store.reader(job).await.unwrap()));
}

fn text(bytes: usize) -> NewEvent {
    let text = vec![b'x'; bytes].into();
    NewEvent::new(BEGIN, LogText { id: SectionRef::JOB, stream: Stream::Stdout, text, level: None })
}

/// With what is too large and what the limit is; nothing of it is kept.
pub async fn batches_and_events_beyond_the_limits_are_refused(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let p = producer(1);
    let too_large = |e: StoreError| matches!(e, StoreError::TooLarge { .. });
    assert!(too_large(store.append(job, batch(p, 1, vec![])).await.unwrap_err()));
    let many = lines(p, 1, MAX_BATCH_EVENTS as u64 + 1);
    assert!(too_large(store.append(job, many).await.unwrap_err()));
    let large = batch(p, 1, vec![line(0, "small"), text(MAX_EVENT_BYTES)]);
    assert!(too_large(store.append(job, large).await.unwrap_err()));
    assert_eq!(store.job(job).await.unwrap().row.events, 2);
    // Just within.
    let many = lines(p, 1, MAX_BATCH_EVENTS as u64);
    assert_eq!(store.append(job, many).await.unwrap(), ack(3, MAX_BATCH_EVENTS as u64 + 2));
    let large = batch(p, MAX_BATCH_EVENTS as u64 + 1, vec![text(MAX_EVENT_BYTES - 64)]);
    store.append(job, large).await.unwrap();
}

/// Forks and late reporters speak after the job's end; what they say is kept and changes its rows.
pub async fn late_events_are_kept_after_the_jobs_end(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let p = producer(1);
    store.append(job, batch(p, 1, vec![test(1, "t"), begin(2, 1, "s"), end(2, None)])).await.unwrap();
    store.append(job, batch(ME, 3, vec![state(JobState::Completed)])).await.unwrap();
    for n in 4..10 {
        store.append(job, batch(p, n, vec![begin(n, 1, "late")])).await.unwrap();
    }
    let done = vec![end(4, Some(oyez_model::Outcome::Failed)), left()];
    assert_eq!(store.append(job, batch(p, 10, done)).await.unwrap(), ack(13, 14));
    let info = store.job(job).await.unwrap();
    assert_eq!((info.row.state, info.row.events), (JobState::Completed, 14));
    assert_once_in_order(&journal(&*store.reader(job).await.unwrap()));
}

/// And numbering goes on where it was; a store that keeps nothing is left out.
pub async fn what_was_acked_is_there_after_opening_again(form: &dyn Form) {
    if !form.is_lasting() {
        return;
    }
    let (a, b) = (producer(1), producer(2));
    let mut job = JobId(0);
    for round in 0..4_u64 {
        let store = form.open(clock());
        job = started(&*store, 1).await;
        if round > 0 {
            let before = lines(a, round, 1);
            assert_eq!(store.append(job, before).await.unwrap().first.0, 3 + (round - 1) * 4);
            assert_eq!(store.append(job, lines(b, 1, 3)).await.unwrap(), ack(4, 6));
        }
        assert_eq!(
            store.append(job, lines(a, 1 + round, 1)).await.unwrap(),
            ack(3 + round * 4, 3 + round * 4)
        );
        let next = lines(b, 1 + round * 3, 3);
        assert_eq!(store.append(job, next).await.unwrap(), ack(4 + round * 4, 6 + round * 4));
        let gap = store.append(job, lines(a, 3 + round, 1)).await.unwrap_err();
        assert!(matches!(gap, StoreError::Gap { expected, .. } if expected.0 == 2 + round), "{gap}");
        if round % 2 == 0 {
            store.close().await.unwrap();
        }
        drop(store);
    }
    let store = form.open(clock());
    let journal = journal(&*store.reader(job).await.unwrap());
    assert_eq!(journal.len(), 18);
    assert_once_in_order(&journal);
}
