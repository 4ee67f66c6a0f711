//! The job's own row: who it is, where it stands, what is said of it.

use oyez_model::event::{JobStateChanged, JobSubmitted, Report, RunStarted};
use oyez_model::{EventBody, JobState, JobUid, Outcome, RunNumber, SectionId, SectionRef, Time, Verdict};

use crate::generate::{Folded, event, said, submitted};

const TEST: SectionRef = SectionRef::own(1);

fn report(run: Option<u32>, success: bool) -> EventBody {
    let (reporter, data) = ("TargetSuccess".to_owned(), Default::default());
    Report { run: run.map(RunNumber), reporter, success, data, error: None, neutral: None }.into()
}

/// A job with a test that ends like this, then these reports, then its end.
fn job(outcome: Outcome, reports: Vec<EventBody>) -> Folded {
    let mut job = Folded::new();
    job.hear(&event(1, 100, submitted("a job")));
    job.hear(&event(1, 110, said::state(JobState::Started)));
    job.hear(&event(1, 120, said::test(1, SectionRef::JOB)));
    job.hear(&event(
        1,
        130,
        oyez_model::event::TestStopped { outcome: Some(outcome), ..said::test_stop(TEST) },
    ));
    reports.into_iter().for_each(|body| job.hear(&event(1, 140, body)));
    assert_eq!(job.live.job_row().complete.as_str(), "unknown");
    job.hear(&event(1, 150, said::state(JobState::Completed)));
    job
}

#[test]
fn the_row_tells_when_the_job_was_submitted_started_and_ended() {
    let job = job(Outcome::Passed, vec![]);
    let row = job.live.job_row();
    assert_eq!((row.submitted, row.started, row.ended), (Time(100), Some(Time(110)), Some(Time(150))));
    assert_eq!((row.events, row.state, row.name.as_str()), (5, JobState::Completed, "a job"));
    assert_eq!(job.live.epoch(), Time(100), "what the times of its rows are relative to");
    let root = &job.kept.nodes[&SectionId::ROOT];
    assert_eq!((root.started, root.stopped), (Some(Time(100)), Some(Time(150))));
    assert_eq!(root.outcome, Some(Outcome::Passed));
}

#[test]
fn a_job_keeps_the_identity_that_it_was_submitted_with() {
    let mut job = job(Outcome::Passed, vec![]);
    let before = job.live.job_row();
    let other = JobSubmitted { uid: JobUid::new(1, [7; 10]), ..submitted("another job") };
    job.hear(&event(9, 160, other));
    let after = job.live.job_row();
    assert_eq!((after.uid, after.name, after.project), (before.uid, before.name, before.project));
    assert_eq!(job.kept.nodes[&SectionId::ROOT].name, "a job");
}

#[test]
fn the_verdict_is_that_of_final_reports_else_of_run_reports_else_of_the_outcome() {
    let verdict = |outcome, reports| job(outcome, reports).live.verdict();
    assert_eq!(verdict(Outcome::Passed, vec![]), Some(Verdict::Success));
    assert_eq!(verdict(Outcome::Failed, vec![]), Some(Verdict::Failure));
    assert_eq!(verdict(Outcome::Failed, vec![report(Some(1), true)]), Some(Verdict::Success));
    assert_eq!(
        verdict(Outcome::Passed, vec![report(Some(1), true), report(Some(2), false)]),
        Some(Verdict::Failure),
        "all of them must be content"
    );
    assert_eq!(
        verdict(Outcome::Passed, vec![report(Some(1), false), report(None, true)]),
        Some(Verdict::Success)
    );
    assert_eq!(
        verdict(Outcome::Passed, vec![report(None, true), report(None, false)]),
        Some(Verdict::Failure)
    );
}

#[test]
fn an_outcome_is_no_verdict_while_the_job_goes_on() {
    let mut job = Folded::new();
    job.hear(&event(1, 0, submitted("a job")));
    job.hear(&event(1, 0, said::state(JobState::Started)));
    job.hear(&event(1, 0, said::test(1, SectionRef::JOB)));
    job.hear(&event(1, 0, said::section(2, TEST)));
    job.hear(&event(1, 0, said::stop(SectionRef::own(2), Outcome::Failed)));
    assert_eq!(job.live.verdict(), None);
    assert_eq!(
        job.live.open_row(SectionId::new(oyez_model::ProducerId(1), 1)).unwrap().outcome,
        Some(Outcome::Failed)
    );
    job.hear(&event(1, 0, said::test_stop(TEST)));
    assert_eq!((job.live.verdict(), job.live.job_row().outcome), (None, Some(Outcome::Failed)));
}

#[test]
fn a_state_that_cannot_follow_changes_nothing() {
    let mut job = job(Outcome::Passed, vec![]);
    for next in JobState::ALL {
        job.hear(&event(1, 200, JobStateChanged { state: next, error: Some("too late".to_owned()) }));
    }
    let row = job.live.job_row();
    assert_eq!((row.state, row.ended, row.error), (JobState::Completed, Some(Time(150)), None));
}

#[test]
fn a_job_that_was_paused_and_goes_on_was_started_once_and_counts_its_runs() {
    let mut job = Folded::new();
    job.hear(&event(1, 100, submitted("a job")));
    for (time, state) in [(110, JobState::Started), (120, JobState::Paused), (130, JobState::Started)] {
        job.hear(&event(1, time, said::state(state)));
    }
    for run in 1..=3 {
        job.hear(&event(1, 140, RunStarted { id: u64::from(run), run: RunNumber(run), planned: None }));
    }
    let row = job.live.job_row();
    assert_eq!((row.state, row.started, row.runs), (JobState::Started, Some(Time(110)), 3));
}
