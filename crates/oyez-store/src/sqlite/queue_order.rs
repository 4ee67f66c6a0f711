//! In which order asks leave the queue.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oyez_model::{EventNumber, JobId, ProducerId, Time};

use super::commit::{Answer, Ask, prepare};
use super::queue::{Line, Queue};
use crate::api::NewEvent;
use crate::error::StoreError;

const FLOOD: JobId = JobId(1);
const OTHER: JobId = JobId(2);

type Asking<'q> = Pin<Box<dyn Future<Output = Result<Answer, StoreError>> + 'q>>;

/// Puts a batch in line, as far as it goes.
fn ask(queue: &Queue, job: JobId, first: u64, events: usize, bytes: usize) -> Asking<'_> {
    let text = oyez_model::event::LogBytes::from(vec![b'x'; bytes]);
    let body = oyez_model::event::LogText {
        id: oyez_model::SectionRef::JOB,
        stream: Default::default(),
        text,
        level: None,
    };
    let events = vec![NewEvent::new(Time(0), body); events];
    let batch = prepare(ProducerId::FIRST, EventNumber(first), events, None).unwrap();
    let mut asking: Asking<'_> = Box::pin(queue.ask(Ask::Append(job, batch), || false));
    assert!(poll(&mut asking).is_pending());
    asking
}

fn poll(asking: &mut Asking<'_>) -> Poll<Result<Answer, StoreError>> {
    asking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The jobs and first numbers of what the next commit takes.
fn taken(queue: &Queue) -> Vec<(JobId, u64)> {
    let of = |ask: &Ask| match ask {
        Ask::Append(job, batch) => (*job, batch.first.0),
        _ => (JobId(0), 0),
    };
    queue.take().iter().map(|waiting| of(&waiting.ask)).collect()
}

#[test]
fn the_next_commit_has_something_of_every_job() {
    let queue = Queue::default();
    let mut all: Vec<Asking<'_>> = (0..200).map(|n| ask(&queue, FLOOD, n, 100, 1)).collect();
    assert!(taken(&queue).iter().all(|(job, _)| *job == FLOOD));
    all.extend((10..60).map(|job| ask(&queue, JobId(job), 1, 1, 1)));
    let next = taken(&queue);
    assert!((10..60).all(|job| next.contains(&(JobId(job), 1))), "{next:?}");
    let flood = next.iter().filter(|(job, _)| *job == FLOOD).count();
    assert!((1..20).contains(&flood), "{flood} of the flooding job");
}

#[test]
fn a_jobs_own_batches_stay_in_order_and_all_leave() {
    let queue = Queue::default();
    let all: Vec<Asking<'_>> =
        (0..300).map(|n| ask(&queue, JobId(1 + n % 3), n, 1 + n as usize % 50, 1)).collect();
    let mut left: Vec<(JobId, u64)> = Vec::new();
    while queue.wait(Duration::ZERO) == Line::Waiting {
        left.extend(taken(&queue));
    }
    assert_eq!(left.len(), all.len());
    for job in (1..4).map(JobId) {
        assert!(left.iter().filter(|(of, _)| *of == job).map(|(_, first)| first).is_sorted());
    }
}

#[test]
fn a_commit_stays_small_while_there_is_more() {
    let queue = Queue::default();
    let _all: Vec<Asking<'_>> = (0..100).map(|n| ask(&queue, FLOOD, n, 64, 1)).collect();
    let batches = taken(&queue).len();
    assert!((1..=40).contains(&batches), "{batches} batches of 64 events");
}

#[test]
fn a_job_with_too_much_in_line_waits_alone() {
    let queue = Queue::default();
    let mut all: Vec<Asking<'_>> = (0..12).map(|n| ask(&queue, FLOOD, n, 1, 1 << 20)).collect();
    let _other = ask(&queue, OTHER, 1, 1, 1 << 20);
    let next = taken(&queue);
    assert!(next.contains(&(OTHER, 1)));
    let flood = next.iter().filter(|(job, _)| *job == FLOOD).count();
    assert!(flood < 10, "only what had room was in line: {flood}");
    // Now there is room for the rest.
    for asking in &mut all {
        let _ = poll(asking);
    }
    let rest = taken(&queue).len();
    assert_eq!(flood + rest, 12);
}

#[test]
fn who_is_in_line_when_the_writer_is_gone_is_told() {
    let queue = Queue::default();
    let mut asking = ask(&queue, FLOOD, 1, 1, 1);
    queue.abandon();
    assert!(matches!(poll(&mut asking), Poll::Ready(Err(StoreError::Closed))));
    assert_eq!(queue.wait(Duration::from_secs(9)), Line::Closed);
}

#[test]
fn what_is_in_line_when_the_queue_is_closed_is_still_done() {
    let queue = Queue::default();
    let _asking = ask(&queue, FLOOD, 1, 1, 1);
    queue.close();
    assert_eq!(queue.wait(Duration::ZERO), Line::Waiting);
    assert_eq!(taken(&queue), [(FLOOD, 1)]);
    assert_eq!(queue.wait(Duration::ZERO), Line::Closed);
}
