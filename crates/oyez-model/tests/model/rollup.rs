//! Outcomes: how two make one, and how those of children make their parent's.

use oyez_model::event::{SectionRemoved, SectionStopped};
use oyez_model::row::Flags;
use oyez_model::{Event, EventBody, JobState, NodeRow, Outcome, ProducerId, SectionId, SectionRef};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::jobs::{self, picks};
use crate::generate::{Folded, cases, event, numbered, said, submitted};

fn outcome() -> impl Strategy<Value = Outcome> {
    select(&Outcome::ALL[..])
}

/// The order in which pyATS ranks outcomes (specs/pyats.md 4.3), lowest first.
const RANKS: [Outcome; 7] = [
    Outcome::Skipped,
    Outcome::Passed,
    Outcome::Passx,
    Outcome::Blocked,
    Outcome::Failed,
    Outcome::Errored,
    Outcome::Aborted,
];

#[test]
fn two_outcomes_make_the_one_of_higher_rank_in_all_49_ways() {
    let rank = |o: Outcome| RANKS.iter().position(|r| *r == o);
    for a in RANKS {
        for b in RANKS {
            assert_eq!(a.rollup(b), if rank(a) > rank(b) { a } else { b }, "{a} + {b}");
            assert_eq!(a.rollup(b), b.rollup(a), "{a} + {b}");
            for c in RANKS {
                assert_eq!(a.rollup(b).rollup(c), a.rollup(b.rollup(c)), "{a} + {b} + {c}");
            }
        }
    }
}

/// What children roll up to their parent.
fn of_children<'a>(children: impl Iterator<Item = &'a NodeRow>) -> Option<Outcome> {
    let silent = [Flags::NO_ROLLUP, Flags::RETRIED, Flags::CLEANUP];
    children
        .filter(|child| !child.is_open() && !silent.iter().any(|flag| child.flags.has(*flag)))
        .filter_map(|child| child.outcome)
        .reduce(Outcome::rollup)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_outcome_that_nobody_said_is_what_the_children_make(job in jobs::job(24, false), order in picks()) {
        let job_folded = Folded::of(&job.heard(&order));
        let nodes = job_folded.nodes();
        for row in nodes.values().filter(|row| !job.explicit.contains(&row.id)) {
            let children = job_folded.children(row);
            let rolled = of_children(children.iter().map(|id| &nodes[id]));
            // What never ended does not read as good, however well it went so far.
            let rolled = rolled.filter(|o| !row.flags.has(Flags::NEVER_ENDED) || !o.is_good());
            prop_assert_eq!(row.outcome, rolled, "of {}", row.id);
        }
    }

    /// A parent with children that end before it and after it; the grandparent has ended before all of them.
    #[test]
    fn a_child_that_ends_after_its_parent_rolls_up_all_the_same(
        before in vec(outcome(), 0..4), after in vec(outcome(), 0..4), said in option::of(outcome()),
    ) {
        let mut events = open_two();
        events.push(stop(2, None));
        let first = 4;
        let n = before.len() + after.len();
        for number in (first..).take(n) {
            events.push(event(1, 0, said::section(number, SectionRef::own(3))));
        }
        events.extend((first..).zip(&before).map(|(number, o)| stop(number, Some(*o))));
        events.push(stop(3, said));
        events.extend((first + before.len() as u64..).zip(&after).map(|(number, o)| stop(number, Some(*o))));
        let job = Folded::of(&numbered(events));

        // What is said takes the place of what came before it, and what comes later rolls up on top.
        let early = said.or(before.iter().copied().reduce(Outcome::rollup));
        let all = early.into_iter().chain(after).reduce(Outcome::rollup);
        let outcome = |number| job.nodes()[&SectionId::new(ProducerId(1), number)].outcome;
        prop_assert_eq!(outcome(3), all);
        prop_assert_eq!(outcome(2), all);
        prop_assert_eq!(job.live.job_row().outcome, None, "the test goes on");
    }
}

/// A job with a test (1), in it a section (2), in it a section (3).
fn open_two() -> Vec<Event> {
    vec![
        event(1, 0, submitted("rollup")),
        event(1, 0, said::test(1, SectionRef::JOB)),
        event(1, 0, said::section(2, SectionRef::own(1))),
        event(1, 0, said::section(3, SectionRef::own(2))),
    ]
}

fn stop(number: u64, outcome: Option<Outcome>) -> Event {
    event(1, 0, said::stop(SectionRef::own(number), outcome))
}

/// The outcome of the section (2) above the one (3) of which this is heard.
fn above_after(words: Vec<EventBody>) -> Option<Outcome> {
    let mut events = open_two();
    events.extend(words.into_iter().map(|body| event(1, 0, body)));
    let job = Folded::of(&numbered(events));
    job.nodes()[&SectionId::new(ProducerId(1), 2)].outcome
}

#[test]
fn a_section_that_was_taken_back_while_it_was_open_rolls_nothing_up_and_one_that_had_ended_does() {
    let section = SectionRef::own(3);
    let removed = || SectionRemoved { id: section }.into();
    let ended = || said::stop(section, Outcome::Failed).into();
    assert_eq!(above_after(vec![removed()]), None);
    assert_eq!(above_after(vec![removed(), ended()]), None);
    assert_eq!(above_after(vec![ended(), removed()]), Some(Outcome::Failed));
}

#[test]
fn a_section_that_is_said_not_to_count_rolls_nothing_up_now_or_later() {
    let section = SectionRef::own(3);
    let silent = SectionStopped { rollup: Some(false), ..said::stop(section, Outcome::Failed) };
    let below = vec![
        said::section(4, section).into(),
        silent.into(),
        said::stop(SectionRef::own(4), Outcome::Aborted).into(),
    ];
    assert_eq!(above_after(below), None);
}

/// The outcomes of the sections (2) and (3), and the test (1), of a job that ended before they did.
fn never_ended(words: Vec<EventBody>) -> (Folded, [Option<Outcome>; 3]) {
    let mut job = Folded::of(&open_two());
    job.hear(&event(1, 0, said::state(JobState::Started)));
    words.into_iter().for_each(|body| job.hear(&event(1, 0, body)));
    job.hear(&event(9, 0, said::state(JobState::Failed)));
    let outcomes = [1, 2, 3].map(|n| job.nodes()[&SectionId::new(ProducerId(1), n)].outcome);
    (job, outcomes)
}

#[test]
fn what_never_ended_is_as_bad_as_what_is_below_it_and_never_as_good() {
    let (_, passed) = never_ended(vec![said::stop(SectionRef::own(3), Outcome::Passed).into()]);
    assert_eq!(passed, [None, None, Some(Outcome::Passed)]);
    let (_, failed) = never_ended(vec![said::stop(SectionRef::own(3), Outcome::Failed).into()]);
    assert_eq!(failed, [Some(Outcome::Failed); 3]);
}

#[test]
fn an_end_that_is_heard_late_finds_what_the_children_had_rolled_up() {
    let (mut job, _) = never_ended(vec![said::stop(SectionRef::own(3), Outcome::Passed).into()]);
    job.hear(&stop(2, None));
    job.hear(&event(1, 0, said::test_stop(SectionRef::own(1))));
    assert!(job.nodes().values().all(|row| row.outcome == Some(Outcome::Passed)), "{:?}", job.nodes());
    assert_eq!(job.live.job_row().outcome, Some(Outcome::Passed));
}
