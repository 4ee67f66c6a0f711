//! The live state is as large as what is open, however long the job.

use std::collections::{BTreeMap, BTreeSet};

use oyez_model::event::ProducerLeft;
use oyez_model::{Changes, Event, EventSeq, JobState, Live, Outcome, ProducerId, SectionId, SectionRef};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generate::{Folded, cases, event, said, submitted};

/// A job that never has more than a few sections open: what its producer says next, for ever.
struct Endless {
    next: u64,
    /// What is open, and what each hangs below.
    open: Vec<u64>,
    parents: BTreeMap<u64, u64>,
    /// A section ends only when nothing below it is open, as in a program that returns before its caller does.
    in_order: bool,
}

const MAX_OPEN: usize = 8;
const TEST: u64 = 1;

impl Endless {
    fn new(in_order: bool) -> (Self, Vec<Event>) {
        let test = said::test(TEST, SectionRef::JOB);
        let started = said::state(JobState::Started);
        let first = vec![event(1, 0, submitted("endless")), event(1, 0, started), event(1, 0, test)];
        (Endless { next: 2, open: Vec::new(), parents: BTreeMap::new(), in_order }, first)
    }

    fn begin(&mut self, at: usize) -> Event {
        let parent = if self.open.is_empty() { TEST } else { self.open[at % self.open.len()] };
        let said = said::section(self.next, SectionRef::own(parent));
        self.open.push(self.next);
        self.parents.insert(self.next, parent);
        self.next += 1;
        event(1, 1, said)
    }

    fn end(&mut self, at: usize) -> Event {
        let at = at % self.open.len();
        let has_open_child = |n: u64| self.open.iter().any(|child| self.parents[child] == n);
        let mut i = at;
        while self.in_order && has_open_child(self.open[i]) {
            i = (i + 1) % self.open.len();
        }
        let id = SectionRef::own(self.open.remove(i));
        event(1, 9, said::stop(id, Outcome::Passed))
    }

    fn line(&self, at: usize) -> Event {
        let id = SectionRef::own(if self.open.is_empty() { TEST } else { self.open[at % self.open.len()] });
        event(1, 5, said::text(id, "a line of some length, as they are\n"))
    }

    fn say(&mut self, choice: u8) -> Event {
        let at = usize::from(choice / 4);
        match (choice % 4, self.open.len()) {
            (_, MAX_OPEN..) | (0 | 1, 1..) => self.end(at),
            (2, _) => self.line(at),
            _ => self.begin(at),
        }
    }

    /// How many are open or have something open below them, the test among them.
    fn at_work(&self) -> usize {
        let mut all = BTreeSet::from([TEST]);
        for number in &self.open {
            let mut at = *number;
            while all.insert(at) {
                at = self.parents[&at];
            }
        }
        all.len()
    }
}

/// A checkpoint holds up to a segment of children and one of lines for each open node; more it must never be.
const MAX_CHECKPOINT: usize = 24 * 1024;

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn a_long_job_with_few_open_sections_has_a_small_live_state(choices in vec(any::<u8>(), 1..3000)) {
        let (mut producer, first) = Endless::new(true);
        let mut job = Folded::of(&first);
        for (i, choice) in choices.into_iter().enumerate() {
            job.hear(&producer.say(choice));
            prop_assert_eq!(job.live.open_nodes(), producer.open.len() + 1);
            if i % 64 == 0 {
                prop_assert!(job.live.checkpoint().len() < MAX_CHECKPOINT);
            }
        }
    }

    #[test]
    fn a_section_stays_in_the_live_state_only_for_what_is_open_below_it(choices in vec(any::<u8>(), 1..300)) {
        let (mut producer, first) = Endless::new(false);
        let mut job = Folded::of(&first);
        for choice in choices {
            job.hear(&producer.say(choice));
            prop_assert_eq!(job.live.open_nodes(), producer.at_work());
        }
    }
}

#[test]
fn a_hundred_thousand_sections_one_after_the_other_leave_nothing_behind() {
    let (mut producer, first) = Endless::new(true);
    let mut live = Live::new();
    let mut changes = Changes::default();
    let mut rows = 0;
    let mut hear = |live: &mut Live, event: &Event| {
        live.apply(EventSeq(live.last_seq().0 + 1), event, &(), &mut changes);
        rows += changes.nodes.len();
        assert!(!changes.revived);
        changes.clear();
    };
    first.iter().for_each(|event| hear(&mut live, event));
    let mut sizes = Vec::new();
    for i in 1..=100_000 {
        for event in [producer.begin(0), producer.line(0), producer.end(0)] {
            hear(&mut live, &event);
            assert!(live.open_nodes() <= 2);
        }
        if i % 10_000 == 0 {
            sizes.push(live.checkpoint().len());
        }
    }
    assert_eq!(rows, 100_000);
    // Numbers get longer, and the last, unfinished segment of children is there or not: nothing else.
    assert!(sizes.iter().all(|size| *size < 2048), "{sizes:?}");
}

#[test]
fn targets_that_run_at_once_and_leave_are_forgotten_and_producers_too() {
    let mut job = Folded::of(&Endless::new(true).1);
    for worker in (1u64 << 40)..(1 << 40) + 2_000 {
        let test = SectionRef { producer: Some(ProducerId(1)), number: TEST };
        job.hear(&event(worker, 1, said::joined("worker")));
        job.hear(&event(worker, 1, said::section(1, test)));
        job.hear(&event(worker, 1, said::stop(SectionRef::own(1), Outcome::Passed)));
        job.hear(&event(worker, 1, ProducerLeft {}));
        assert_eq!(job.live.open_nodes(), 1);
        assert!(job.live.producer(ProducerId(worker)).is_none());
    }
    assert!(job.live.checkpoint().len() < MAX_CHECKPOINT);
}

/// What waits for its node waits without what is heavy in it.
#[test]
fn events_that_wait_for_their_section_do_not_keep_their_content_in_memory() {
    let mut job = Folded::of(&Endless::new(true).1);
    for n in 0..50 {
        job.hear(&event(1, n, said::text(SectionRef::own(1_000), vec![b'x'; 100_000])));
    }
    assert!(job.live.checkpoint().len() < MAX_CHECKPOINT);
    job.hear(&event(1, 9, said::section(1_000, SectionRef::own(TEST))));
    let section = job.live.open_row(SectionId::new(ProducerId(1), 1_000)).unwrap();
    assert_eq!(job.hangs(&section).len(), 50);
}

/// The test that was left open ends, and with it the last that the live state held.
#[test]
fn a_job_that_has_come_to_rest_holds_its_root_only() {
    let (mut producer, first) = Endless::new(true);
    let mut job = Folded::of(&first);
    (0..200u8).for_each(|choice| job.hear(&producer.say(choice.wrapping_mul(37))));
    job.hear(&event(1, 9, said::test_stop(SectionRef::own(TEST))));
    job.hear(&event(1, 9, said::state(JobState::Completed)));
    assert_eq!(job.live.open_nodes(), 0);
    assert_eq!(job.live.open_rows().count(), 1);
}
