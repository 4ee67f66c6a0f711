//! What is counted: the sections right below a test are the cases; a run and the job count those of their tests.

use oyez_model::event::{ProducerLeft, RunStarted, RunStopped, SectionRemoved, TestStarted, TestStopped};
use oyez_model::row::Flags;
use oyez_model::{Counts, EventBody, JobState, NodeKind, NodeRow, Outcome, RunNumber, SectionId, SectionRef};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate::jobs::{self, picks};
use crate::generate::{Folded, cases, chaos, event, said, submitted};

/// Adds the cases of `test` to all that count them.
fn add_cases(job: &Folded, test: &NodeRow, counts: &mut std::collections::BTreeMap<SectionId, Counts>) {
    let nodes = job.nodes();
    for child in job.children(test).iter().map(|id| &nodes[id]) {
        let uncounted = child.flags.has(Flags::REMOVED) || child.flags.has(Flags::ASIDE);
        if child.kind != NodeKind::Section || uncounted || child.is_open() {
            continue;
        }
        let mut at = test.parent;
        while let Some(above) = nodes.get(&at) {
            if matches!(above.kind, NodeKind::Run | NodeKind::Job) {
                counts.entry(at).or_default().add(child.outcome);
            }
            if at == SectionId::ROOT || above.kind == NodeKind::Run && above.is_excluded() {
                break;
            }
            at = above.parent;
        }
    }
}

/// Runs and the job count the cases of tests that count.
fn check(job: &Folded) -> Result<(), TestCaseError> {
    let nodes = job.nodes();
    let mut counts = std::collections::BTreeMap::new();
    let tests = nodes.values().filter(|row| row.kind == NodeKind::Test && !row.is_excluded());
    tests.for_each(|test| add_cases(job, test, &mut counts));
    for row in nodes.values().filter(|row| matches!(row.kind, NodeKind::Run | NodeKind::Job)) {
        prop_assert_eq!(row.counts, counts.get(&row.id).copied().unwrap_or_default(), "of {}", row.id);
    }
    prop_assert_eq!(job.live.job_row().counts, counts.get(&SectionId::ROOT).copied().unwrap_or_default());
    Ok(())
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_job_counts_the_cases_of_tests_that_count_after_every_event(job in jobs::job(16, false), order in picks()) {
        let mut folded = Folded::new();
        for event in job.heard(&order) {
            folded.hear(&event);
            check(&folded)?;
        }
    }

    #[test]
    fn late_words_are_counted_too(job in jobs::job(16, true), order in picks(), at in any::<Index>()) {
        check(&Folded::of(&job.heard_with_late_words(&order, at)))?;
    }

    #[test]
    fn the_counts_are_right_after_any_events(events in chaos::events(60)) {
        check(&Folded::of(&events))?;
    }
}

/// The counts of the job after each of these words of one producer, which begin with a job and its run (1).
fn counts_after(words: Vec<EventBody>) -> Vec<Vec<(Outcome, u64)>> {
    let run = RunStarted { id: 1, run: RunNumber(1), planned: None };
    let first = [submitted("counts").into(), said::state(JobState::Started).into(), run.into()];
    let mut job = Folded::new();
    first.into_iter().for_each(|body: EventBody| job.hear(&event(1, 0, body)));
    let mut after = Vec::new();
    for body in words {
        job.hear(&event(1, 0, body));
        let counts = job.live.job_row().counts;
        after.push(Outcome::ALL.into_iter().map(|o| (o, counts.of(o))).filter(|(_, n)| *n > 0).collect());
    }
    after
}

const RUN: SectionRef = SectionRef::own(1);
const TEST: SectionRef = SectionRef::own(2);
const CASE: SectionRef = SectionRef::own(3);

#[test]
fn an_attempt_counts_until_it_is_known_that_another_follows() {
    let again = TestStopped { retried: Some(true), ..said::test_stop(TEST) };
    let counts = counts_after(vec![
        said::test(2, RUN).into(),
        said::section(3, TEST).into(),
        said::stop(CASE, Outcome::Failed).into(),
        again.into(),
        TestStarted { attempt: 1, ..said::test(4, RUN) }.into(),
        said::section(5, SectionRef::own(4)).into(),
        said::stop(SectionRef::own(5), Outcome::Passed).into(),
        said::test_stop(SectionRef::own(4)).into(),
        // A case of the first attempt is heard of late: the attempt still does not count.
        said::section(6, TEST).into(),
        said::stop(SectionRef::own(6), Outcome::Errored).into(),
    ]);
    let (failed, passed) = (vec![(Outcome::Failed, 1)], vec![(Outcome::Passed, 1)]);
    assert_eq!(counts[2], failed);
    assert_eq!(counts[3], []);
    assert_eq!(counts[6], passed);
    assert_eq!(counts[9], passed);
}

#[test]
fn an_attempt_that_should_have_been_followed_and_was_not_counts_after_all() {
    let stop = |retried| TestStopped { retried, outcome: Some(Outcome::Failed), ..said::test_stop(TEST) };
    let words: Vec<EventBody> = vec![
        TestStarted { planned: Some(2), ..said::test(2, RUN) }.into(),
        said::section(3, TEST).into(),
        said::stop(CASE, Outcome::Failed).into(),
        stop(Some(true)).into(),
        stop(Some(false)).into(),
        // Once only.
        stop(Some(false)).into(),
        RunStopped { id: RUN, outcome: None }.into(),
    ];
    let counts = counts_after(words.clone());
    let failed = vec![(Outcome::Failed, 1)];
    assert_eq!((&counts[3], &counts[4], &counts[6]), (&vec![], &failed, &failed));
    let mut job = Folded::new();
    let run = RunStarted { id: 1, run: RunNumber(1), planned: None };
    let first: [EventBody; 3] =
        [submitted("counts").into(), said::state(JobState::Started).into(), run.into()];
    let last = [ProducerLeft {}.into(), said::state(JobState::Cancelled).into()];
    first.into_iter().chain(words).chain(last).for_each(|body| job.hear(&event(1, 0, body)));
    let row = job.live.job_row();
    assert_eq!(row.outcome, Some(Outcome::Failed));
    assert_eq!(
        row.complete.gaps().iter().map(|gap| (&*gap.code, gap.count)).collect::<Vec<_>>(),
        [("planned_missing", 1)]
    );
}

#[test]
fn a_clean_up_does_not_count() {
    let counts = counts_after(vec![
        TestStarted { cleanup: Some(true), ..said::test(2, RUN) }.into(),
        said::section(3, TEST).into(),
        said::stop(CASE, Outcome::Failed).into(),
        said::test_stop(TEST).into(),
    ]);
    assert!(counts.iter().all(Vec::is_empty));
}

#[test]
fn a_case_that_gets_worse_after_its_test_has_ended_is_counted_as_what_it_is() {
    let counts = counts_after(vec![
        said::test(2, RUN).into(),
        said::section(3, TEST).into(),
        said::section(4, CASE).into(),
        said::stop(CASE, Outcome::Passed).into(),
        said::test_stop(TEST).into(),
        said::stop(SectionRef::own(4), Outcome::Failed).into(),
    ]);
    assert_eq!(counts[4], [(Outcome::Passed, 1)]);
    assert_eq!(counts[5], [(Outcome::Failed, 1)]);
}

#[test]
fn a_case_that_is_taken_back_is_counted_no_more_whether_open_or_ended() {
    let counts = counts_after(vec![
        said::test(2, RUN).into(),
        said::section(3, TEST).into(),
        said::stop(CASE, Outcome::Failed).into(),
        SectionRemoved { id: CASE }.into(),
        said::section(4, TEST).into(),
        SectionRemoved { id: SectionRef::own(4) }.into(),
        // Its end is heard all the same.
        said::stop(SectionRef::own(4), Outcome::Failed).into(),
        SectionRemoved { id: CASE }.into(),
    ]);
    assert_eq!(counts[2], [(Outcome::Failed, 1)]);
    assert!(counts[3..].iter().all(Vec::is_empty), "{counts:?}");
}

#[test]
fn a_test_that_is_taken_back_takes_its_cases_with_it() {
    let counts = counts_after(vec![
        said::test(2, RUN).into(),
        said::section(3, TEST).into(),
        said::stop(CASE, Outcome::Failed).into(),
        SectionRemoved { id: TEST }.into(),
        said::section(4, TEST).into(),
        said::stop(SectionRef::own(4), Outcome::Failed).into(),
    ]);
    assert!(counts[3..].iter().all(Vec::is_empty), "{counts:?}");
}

#[test]
fn sections_deeper_down_and_right_below_the_job_are_no_cases() {
    let counts = counts_after(vec![
        said::section(2, SectionRef::JOB).into(),
        said::stop(TEST, Outcome::Failed).into(),
        said::section(3, RUN).into(),
        said::stop(CASE, Outcome::Failed).into(),
        said::test(4, RUN).into(),
        said::section(5, SectionRef::own(4)).into(),
        said::section(6, SectionRef::own(5)).into(),
        said::stop(SectionRef::own(6), Outcome::Failed).into(),
    ]);
    assert!(counts.iter().all(Vec::is_empty), "{counts:?}");
}
