//! Whether a report is complete is derived from what was heard: unknown before the end, then yes, or no with reasons.

use std::collections::BTreeMap;

use oyez_model::event::*;
use oyez_model::fold::Completeness;
use oyez_model::row::{Flags, Presence};
use oyez_model::{
    Event, EventBody, JobState, NodeKind, Outcome, ProducerId, RunNumber, SectionId, SectionRef,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate::jobs::{self, picks};
use crate::generate::{Folded, cases, chaos, event, numbered, said, submitted};

const TEST: SectionRef = SectionRef::own(1);
const CASE: SectionRef = SectionRef::own(2);
const FORK: u64 = 1 << 33;

fn completed() -> EventBody {
    said::state(JobState::Completed).into()
}

/// A job of the first producer that has begun its test (1).
fn begun(planned: Option<u64>) -> Folded {
    let mut job = Folded::new();
    job.hear(&event(1, 0, submitted("complete")));
    job.hear(&event(1, 0, said::state(JobState::Started)));
    job.hear(&event(1, 0, TestStarted { planned, ..said::test(1, SectionRef::JOB) }));
    job
}

fn hear(job: &mut Folded, producer: u64, words: Vec<EventBody>) {
    words.into_iter().for_each(|body| job.hear(&event(producer, 0, body)));
}

/// The gaps of a job that began its test, heard this and came to its end; its test is ended in any case.
fn gaps_of(words: Vec<EventBody>) -> BTreeMap<String, u64> {
    let mut job = begun(None);
    hear(&mut job, 1, words);
    hear(&mut job, 1, vec![said::test_stop(TEST).into()]);
    assert_eq!(job.live.completeness(), Completeness::Unknown);
    hear(&mut job, 1, vec![completed()]);
    job.gaps()
}

fn one(code: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(code.to_owned(), count)])
}

fn from(producer: u64, number: u64) -> SectionRef {
    SectionRef { producer: Some(ProducerId(producer)), number }
}

#[test]
fn a_job_is_unknown_until_its_end_and_complete_when_all_came() {
    let mut job = Folded::new();
    let words: Vec<EventBody> = vec![
        submitted("complete").into(),
        said::state(JobState::Started).into(),
        RunStarted { id: 3, run: RunNumber(1), planned: Some(1) }.into(),
        TestStarted { planned: Some(2), ..said::test(1, SectionRef::own(3)) }.into(),
        said::announced(2, TEST).into(),
        said::section(2, TEST).into(),
        said::text(CASE, "a line\n").into(),
        said::stop(CASE, Outcome::Failed).into(),
        said::section(4, TEST).into(),
        said::stop(SectionRef::own(4), Outcome::Passed).into(),
        said::test_stop(TEST).into(),
        RunStopped { id: SectionRef::own(3), outcome: None }.into(),
    ];
    for body in words {
        hear(&mut job, 1, vec![body]);
        assert_eq!(job.live.completeness(), Completeness::Unknown);
    }
    hear(&mut job, FORK, vec![said::joined("fork").into(), ProducerLeft {}.into()]);
    hear(&mut job, 1, vec![completed()]);
    assert_eq!(job.live.completeness(), Completeness::Yes);
    assert_eq!(job.live.job_row().complete, Completeness::Yes);
    assert_eq!(job.live.job_row().outcome, Some(Outcome::Failed), "complete is not passed");
}

#[test]
fn a_section_that_began_and_never_ended_is_a_gap_until_its_end_is_heard() {
    assert_eq!(gaps_of(vec![said::section(2, TEST).into()]), one("never_ended", 1));
    assert_eq!(gaps_of(vec![said::section(2, TEST).into(), said::stop(CASE, None).into()]), BTreeMap::new());
    let late = vec![said::section(2, TEST).into(), completed(), said::stop(CASE, Outcome::Passed).into()];
    assert_eq!(gaps_of_ended(late), BTreeMap::new());
}

#[test]
fn a_section_that_was_announced_and_never_began_is_a_gap_until_it_is_heard_of() {
    assert_eq!(gaps_of(vec![said::announced(2, TEST).into()]), one("never_started", 1));
    let begun = || vec![said::announced(2, TEST).into(), completed(), said::section(2, TEST).into()];
    assert_eq!(gaps_of_ended(begun()), one("never_ended", 1));
    assert_eq!(gaps_of_ended([begun(), vec![said::stop(CASE, None).into()]].concat()), BTreeMap::new());
    // Ended without having begun, late: not even that is missing.
    let skipped =
        vec![said::announced(2, TEST).into(), completed(), said::stop(CASE, Outcome::Skipped).into()];
    assert_eq!(gaps_of_ended(skipped), BTreeMap::new());
}

/// The gaps after words that hold the job's end.
fn gaps_of_ended(words: Vec<EventBody>) -> BTreeMap<String, u64> {
    let mut job = begun(None);
    hear(&mut job, 1, words);
    hear(&mut job, 1, vec![said::test_stop(TEST).into()]);
    job.gaps()
}

#[test]
fn a_section_whose_parent_never_came_is_an_orphan_below_the_job() {
    let words = vec![said::section(2, from(FORK, 7)).into(), said::stop(CASE, Outcome::Failed).into()];
    assert_eq!(gaps_of(words.clone()), one("orphan", 1));
    let mut job = begun(None);
    hear(&mut job, 1, words);
    hear(&mut job, 1, vec![said::test_stop(TEST).into(), completed()]);
    let orphan = job.nodes()[&SectionId::new(ProducerId(1), 2)].clone();
    assert!(orphan.flags.has(Flags::ORPHAN) && orphan.parent == SectionId::ROOT);
    assert_eq!(job.live.job_row().outcome, Some(Outcome::Failed), "what it found is not lost");
    // A parent that comes in time is no gap, even when it is the last to come.
    let mut job = begun(None);
    hear(
        &mut job,
        FORK,
        vec![said::section(1, CASE_OF_FIRST).into(), said::stop(SectionRef::own(1), None).into()],
    );
    hear(&mut job, FORK, vec![ProducerLeft {}.into()]);
    hear(&mut job, 1, vec![said::section(2, TEST).into(), said::stop(CASE, None).into()]);
    hear(&mut job, 1, vec![said::test_stop(TEST).into(), completed()]);
    assert_eq!(job.gaps(), BTreeMap::new());
}

const CASE_OF_FIRST: SectionRef = SectionRef { producer: Some(ProducerId(1)), number: 2 };

#[test]
fn a_producer_that_broke_off_is_a_gap_until_it_is_back_and_says_that_it_is_done() {
    let broke = |who| EventBody::from(ProducerBroke { producer: who, reason: "connection lost".to_owned() });
    let fork = Some(ProducerId(FORK));
    let told = |later: Vec<EventBody>| {
        let mut job = begun(None);
        hear(&mut job, FORK, vec![said::joined("worker").into()]);
        hear(&mut job, 1, vec![broke(fork), broke(fork)]);
        hear(&mut job, FORK, later);
        hear(&mut job, 1, vec![said::test_stop(TEST).into(), completed()]);
        job
    };
    let job = told(vec![]);
    assert_eq!(job.gaps(), one("broke_off", 1));
    assert!(job.live.completeness().gaps()[0].text.contains("worker connection lost"));
    assert_eq!(told(vec![said::joined("worker").into()]).gaps(), one("not_closed", 1));
    assert_eq!(told(vec![ProducerLeft {}.into()]).gaps(), BTreeMap::new());
    assert_eq!(told(vec![broke(None)]).gaps(), one("broke_off", 1));
}

#[test]
fn a_producer_that_said_it_was_done_cannot_break_off_any_more() {
    let broke = ProducerBroke { producer: Some(ProducerId(FORK)), reason: "closed".to_owned() };
    let words = numbered(vec![
        event(FORK, 0, said::joined("worker")),
        event(FORK, 0, ProducerLeft {}),
        event(1, 0, broke),
    ]);
    // Committed at once, and one by one.
    for batch in [3, 1] {
        let mut job = begun(None);
        words.chunks(batch).for_each(|events| _ = job.hear_batch(events));
        hear(&mut job, 1, vec![said::test_stop(TEST).into(), completed()]);
        assert_eq!(job.gaps(), BTreeMap::new());
        let left = &job.kept.producers[&ProducerId(FORK)];
        assert_eq!((left.last, left.label.as_str()), (2, "worker"), "where it stood is not forgotten");
        assert_eq!(left.presence, Presence::Left);
    }
}

#[test]
fn a_producer_that_never_said_it_was_done_is_a_gap() {
    let mut job = begun(None);
    hear(&mut job, FORK, vec![said::joined("worker").into()]);
    hear(&mut job, 1, vec![said::test_stop(TEST).into(), completed()]);
    assert_eq!(job.gaps(), one("not_closed", 1));
    hear(&mut job, FORK, vec![ProducerLeft {}.into()]);
    assert_eq!(job.gaps(), BTreeMap::new());
}

#[test]
fn a_planned_child_that_never_started_is_a_gap_that_a_late_one_fills() {
    let case =
        |n| vec![said::section(n, TEST).into(), said::stop(SectionRef::own(n), Outcome::Passed).into()];
    let told = |early: Vec<EventBody>, late: Vec<EventBody>| {
        let mut job = begun(Some(3));
        hear(&mut job, 1, early);
        hear(&mut job, 1, vec![said::test_stop(TEST).into()]);
        hear(&mut job, 1, late);
        job
    };
    let end = |mut job: Folded| {
        hear(&mut job, 1, vec![completed()]);
        job
    };
    assert_eq!(end(told(case(2), vec![])).gaps(), one("planned_missing", 2));
    assert_eq!(end(told(case(2), case(3))).gaps(), one("planned_missing", 1));
    assert_eq!(end(told(case(2), [case(3), case(4), case(5)].concat())).gaps(), BTreeMap::new());
    let mut job = end(told(case(2), vec![]));
    hear(&mut job, 1, [case(3), case(4)].concat());
    assert_eq!(job.gaps(), BTreeMap::new(), "after the job's end too");

    // A test that never ended misses what it planned as well.
    let mut job = begun(Some(1));
    hear(&mut job, 1, vec![completed()]);
    assert_eq!(
        job.gaps(),
        [one("never_ended", 1), one("planned_missing", 1)].into_iter().flatten().collect()
    );
    hear(&mut job, 1, case(2));
    assert_eq!(job.gaps(), one("never_ended", 1));
}

#[test]
fn a_planned_test_is_one_whatever_its_attempts_and_a_retried_attempt_misses_nothing() {
    let run = SectionRef::own(1);
    let attempt = |id: u64, attempt: u32, retried: bool| -> Vec<EventBody> {
        vec![
            TestStarted { attempt, planned: Some(u64::from(!retried)), ..said::test(id, run) }.into(),
            said::section(id + 10, SectionRef::own(id)).into(),
            said::stop(SectionRef::own(id + 10), Outcome::Failed).into(),
            TestStopped { retried: Some(retried), ..said::test_stop(SectionRef::own(id)) }.into(),
        ]
    };
    let mut job = Folded::new();
    let start = [submitted("runs").into(), said::state(JobState::Started).into()];
    hear(&mut job, 1, start.to_vec());
    hear(&mut job, 1, vec![RunStarted { id: 1, run: RunNumber(1), planned: Some(2) }.into()]);
    hear(&mut job, 1, [attempt(2, 0, true), attempt(3, 1, false)].concat());
    let cleanup = TestStarted { cleanup: Some(true), planned: Some(4), ..said::test(4, run) };
    hear(&mut job, 1, vec![cleanup.into(), said::test_stop(SectionRef::own(4)).into()]);
    hear(&mut job, 1, vec![RunStopped { id: run, outcome: None }.into(), completed()]);
    assert_eq!(job.gaps(), one("planned_missing", 1), "the second test of the run");
}

#[test]
fn dropped_output_and_a_source_that_was_cut_off_are_gaps_counted_once() {
    let dropped = |id| EventBody::from(OutputDropped { id, bytes: 100, why: "over the limit".to_owned() });
    let cut = |id| EventBody::from(SourceCut { id, reason: "no closing tag".to_owned() });
    assert_eq!(gaps_of(vec![dropped(TEST), dropped(TEST)]), one("dropped_output", 200));
    assert_eq!(gaps_of(vec![cut(SectionRef::JOB)]), one("source_cut", 1));
    // Heard before their section began, they wait for it and are not counted again.
    let case = vec![said::section(2, TEST).into(), said::stop(CASE, None).into()];
    let both: BTreeMap<_, _> =
        [one("dropped_output", 100), one("source_cut", 1)].into_iter().flatten().collect();
    assert_eq!(gaps_of([vec![dropped(CASE), cut(CASE)], case].concat()), both);
    // More than can be counted is still a gap.
    let all = OutputDropped { id: TEST, bytes: u64::MAX, why: String::new() };
    assert_eq!(gaps_of(vec![all.clone().into(), all.into()]), one("dropped_output", u64::MAX));
}

#[test]
fn an_event_about_a_section_that_never_began_is_a_gap() {
    assert_eq!(gaps_of(vec![said::text(CASE, "a line\n").into()]), one("unplaced", 1));
    let stop = SectionStopped { data: Some("data".into()), ..said::stop(CASE, Outcome::Failed) };
    assert_eq!(gaps_of(vec![stop.into()]), one("unplaced", 1));
    assert_eq!(gaps_of(vec![SectionRemoved { id: CASE }.into()]), one("unplaced", 1));
    assert_eq!(gaps_of_ended(vec![completed(), said::text(CASE, "late\n").into()]), one("unplaced", 1));
    // The number of the job itself begins nothing.
    assert_eq!(gaps_of(vec![said::section(0, TEST).into()]), one("unplaced", 1));
}

#[test]
fn an_event_of_a_newer_version_is_a_gap() {
    let unknown = EventBody::Unknown(Unknown { kind: 999, bytes: vec![0x80] });
    assert_eq!(gaps_of(vec![unknown.clone(), unknown]), one("unknown_kind", 2));
}

#[test]
fn a_section_that_was_taken_back_is_no_gap() {
    let removed = || SectionRemoved { id: CASE }.into();
    assert_eq!(gaps_of(vec![said::section(2, TEST).into(), removed()]), BTreeMap::new());
    assert_eq!(gaps_of_ended(vec![said::section(2, TEST).into(), completed(), removed()]), BTreeMap::new());
    assert_eq!(gaps_of_ended(vec![said::announced(2, TEST).into(), completed(), removed()]), BTreeMap::new());
}

/// Gaps as the rows tell them.
fn gaps_in_rows(job: &Folded) -> BTreeMap<String, u64> {
    let nodes = job.nodes();
    let count = |code: &str, n: u64| (n > 0).then(|| (code.to_owned(), n));
    let of = |with: Flags, without: Flags| {
        nodes.values().filter(|row| row.flags.has(with) && !row.flags.has(without)).count() as u64
    };
    let nothing = Flags(1 << 15);
    let closed =
        nodes.values().filter(|row| !row.is_open() && !row.is_excluded() && row.kind != NodeKind::Job);
    let missing = closed.map(|row| row.planned.unwrap_or(0).saturating_sub(row.seen));
    let both = Flags(Flags::ANNOUNCED.0 | Flags::NEVER_ENDED.0);
    [
        count("never_ended", of(Flags::NEVER_ENDED, Flags::ANNOUNCED)),
        count("never_started", of(both, nothing)),
        count("orphan", of(Flags::ORPHAN, nothing)),
        count("planned_missing", missing.fold(0, u64::saturating_add)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn the_rows_tell_the_same(events: &[Event]) -> Result<(), TestCaseError> {
    let job = Folded::of(events);
    if job.live.state().is_final() {
        let told_by_rows = ["never_ended", "never_started", "orphan", "planned_missing"];
        let mut gaps = job.gaps();
        gaps.retain(|code, _| told_by_rows.contains(&code.as_str()));
        prop_assert_eq!(gaps, gaps_in_rows(&job));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_gaps_of_a_job_are_those_that_its_rows_show(
        job in jobs::job(24, false), order in picks(), late in jobs::job(24, true), at in any::<Index>(),
    ) {
        the_rows_tell_the_same(&job.heard(&order))?;
        the_rows_tell_the_same(&late.heard_with_late_words(&order, at))?;
    }

    #[test]
    fn the_gaps_after_any_events_are_those_that_the_rows_show(mut events in chaos::events(60)) {
        // Plans that nobody can meet saturate: what is missing is then not exact.
        for event in &mut events {
            match &mut event.body {
                EventBody::RunStarted(b) => b.planned = b.planned.map(|n| n.min(9)),
                EventBody::TestStarted(b) => b.planned = b.planned.map(|n| n.min(9)),
                _ => {}
            }
        }
        let end = [said::state(JobState::Started), said::state(JobState::Completed)];
        events.extend(end.map(|state| event(1, 0, state)));
        the_rows_tell_the_same(&events)?;
    }
}
