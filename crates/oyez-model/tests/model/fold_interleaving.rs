//! Independent producers may be heard in any order: the rows are the same.

use oyez_model::event::TestStarted;
use oyez_model::{Event, JobState, Outcome, ProducerId, SectionId, SectionRef};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate::jobs::{self, picks};
use crate::generate::{Folded, Unordered, cases, event, numbered, said, submitted};

fn rows(events: &[Event]) -> Unordered {
    Unordered::of(&Folded::of(events), events)
}

fn same(a: &Unordered, b: &Unordered) -> Result<(), TestCaseError> {
    let differences = a.differences(b);
    prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_interleaving_of_producers_gives_the_same_rows(
        job in jobs::job(24, false), a in picks(), b in picks(),
    ) {
        same(&rows(&job.heard(&a)), &rows(&job.heard(&b)))?;
    }

    #[test]
    fn words_that_come_after_the_final_state_give_the_same_rows(
        job in jobs::job(24, true), a in picks(), b in picks(), at in any::<Index>(),
    ) {
        let (in_time, late) = (job.heard(&a), job.heard_with_late_words(&b, at));
        same(&rows(&in_time), &rows(&late))?;
    }
}

const WORKERS: [u64; 3] = [1 << 33, 1 << 34, 1 << 35];

/// A test of the first producer, and workers with hundreds of sections below it and log lines on it.
fn crowd(worker: u64) -> Vec<Event> {
    let test = SectionRef { producer: Some(ProducerId(1)), number: 1 };
    let mut events = Vec::new();
    for (n, time) in (1..=200).zip(0..) {
        events.push(event(worker, time, said::section(n, test)));
        events.push(event(worker, time, said::text(test, "line\n")));
        let outcome = if n == 150 { Outcome::Blocked } else { Outcome::Passed };
        events.push(event(worker, time, said::stop(SectionRef::own(n), outcome)));
    }
    numbered(events)
}

#[test]
fn a_parent_of_hundreds_has_the_same_children_and_lines_in_any_order() {
    let began = TestStarted { planned: Some(600), ..said::test(1, SectionRef::JOB) };
    let ended = said::test_stop(SectionRef::own(1));
    let first = [event(1, 0, began), event(1, 1, ended)];
    let crowds: Vec<Vec<Event>> = WORKERS.iter().map(|w| crowd(*w)).collect();
    let started = event(1, 0, said::state(JobState::Started));
    let head = [event(1, 0, submitted("crowd")), started];

    let in_turn: Vec<Event> = (0..600).flat_map(|i| crowds.iter().map(move |c| c[i].clone())).collect();
    let one_by_one: Vec<Event> = crowds.iter().rev().flatten().cloned().collect();
    // Parents first; children first; the parent between its children.
    let orders = [
        [&head[..], &first[..], &in_turn[..]].concat(),
        [&head[..], &one_by_one[..], &first[..]].concat(),
        [&head[..], &in_turn[..700], &first[..], &in_turn[700..]].concat(),
    ]
    .map(numbered);
    let [a, b, c] = orders.each_ref().map(|events| rows(events));
    assert_eq!(a, b);
    assert_eq!(a, c);

    let job = Folded::of(&orders[1]);
    let test = job.nodes()[&SectionId::new(ProducerId(1), 1)].clone();
    assert_eq!(job.children(&test).len(), 600);
    assert_eq!(job.hangs(&test).len(), 600);
    assert_eq!((test.counts.of(Outcome::Passed), test.outcome), (597, Some(Outcome::Blocked)));
}
