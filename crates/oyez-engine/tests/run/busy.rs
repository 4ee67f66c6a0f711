//! Targets that somebody else has, and leases that are lost.

use std::sync::Arc;
use std::time::Duration;

use oyez_engine::{Control, EngineOptions};
use oyez_model::event::LockChange;
use oyez_model::{EventBody, JobId, JobState, Outcome, Time};
use oyez_store::clock::ManualClock;
use oyez_store::{LeaseName, MemoryStore, Owner};
use serde_json::{Value, json};

use super::lab::{Lab, Watcher, echo, job, step, test};

fn other() -> Owner {
    Owner { host: "elsewhere".to_owned(), pid: 7, started: 0, token: 99 }
}

fn sleeper() -> Value {
    job(vec![test("A", &["T1"], vec![step("sleep", "z", json!({"duration": ["1000h"]}))])])
}

#[tokio::test]
async fn a_job_waits_for_a_busy_target_and_then_has_it() {
    let lab = Lab::new();
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let second = job(vec![test("B", &["T1"], vec![echo("e", "x")])]);
    let waiting = Arc::new(Watcher::default());
    let wait = async {
        watcher.until("target_in", 1).await;
        let release = async {
            waiting.until_notice("waiting for target T1").await;
            control.cancel("the other one waits");
        };
        tokio::join!(lab.run_watched(&second, Control::new(), waiting.clone()), release).0
    };
    let first = sleeper();
    let (_, ran) = tokio::join!(lab.run_watched(&first, control.clone(), watcher.clone()), wait);
    assert_eq!((ran.end.state, ran.row.outcome), (JobState::Completed, Some(Outcome::Passed)));
    assert_eq!(ran.notices.len(), 1, "{:?}", ran.notices);
}

#[tokio::test]
async fn a_target_that_stays_busy_fails_the_attempt_and_the_job_goes_on() {
    let lab = Lab::new();
    let name = [LeaseName::Target("T1".to_owned())];
    lab.store.acquire(&name, &other(), Some(JobId(19)), Duration::from_secs(3600)).await.unwrap();
    let mut busy = test("A", &["T0", "T1"], vec![echo("e", "x")]);
    busy["RetryParameters"] = json!({"NumRetries": 1, "RetryInterval": "1ms"});
    let mut job = job(vec![busy, test("B", &["T2"], vec![echo("e", "x")])]);
    job["TargetManagerAcquireTimeout"] = json!("60ms");
    let ran = lab.run(&job).await;
    let error = r#"target "Target{ID: \"T1\"}" is already locked by 19"#;
    assert_eq!(ran.errors(), [error, error]);
    assert_eq!((ran.end.state, ran.count("target_acquired")), (JobState::Completed, 1));
    let data = json!([
        "Test A does not pass success criteria: 0.00% is not = 100.00%",
        "Test B passes success criteria: 100.00% = 100.00%"
    ]);
    assert_eq!(ran.run_reports()[0].3, data);
    let tests = ran.events.iter().filter_map(|event| match &event.body {
        EventBody::TestStopped(e) => Some((e.outcome, e.retried)),
        _ => None,
    });
    let (errored, passed) = (Some(Outcome::Errored), Some(Outcome::Passed));
    assert_eq!(tests.collect::<Vec<_>>(), [(errored, Some(true)), (errored, None), (passed, None)]);
    // All or none: T0 was not kept.
    lab.store
        .acquire(&[LeaseName::Target("T0".to_owned())], &other(), None, Duration::from_secs(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn targets_and_the_job_are_free_after_its_end() {
    let lab = Lab::new();
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![echo("e", "x")])])).await;
    let names = [LeaseName::Target("T1".to_owned()), LeaseName::Job(ran.end.job)];
    lab.store.acquire(&names, &other(), None, Duration::from_secs(1)).await.unwrap();
}

/// Runs a job that sleeps; when it does, lets all leases run out and gives these to somebody else.
async fn lose(names: fn(JobId) -> LeaseName) -> (Lab, Result<oyez_engine::JobEnd, oyez_engine::EngineError>) {
    let clock = Arc::new(ManualClock::new(Time(1), 1));
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let lab = Lab::on(store, EngineOptions { clock: clock.clone(), ..EngineOptions::default() });
    let watcher = Arc::new(Watcher::default());
    let handle = lab.submit(&sleeper()).await;
    let job = handle.id();
    let thief = async {
        watcher.until("target_in", 1).await;
        clock.advance(11_000_000_000);
        lab.store.acquire(&[names(job)], &other(), Some(JobId(77)), Duration::from_secs(1000)).await.unwrap();
    };
    let run = tokio::time::timeout(
        Duration::from_secs(100),
        lab.engine.run(handle, Control::new(), Some(watcher.clone())),
    );
    let (end, ()) = tokio::join!(run, thief);
    let end = end.unwrap();
    drop(watcher);
    (lab, end)
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_taken_over_ends_the_job_with_a_clear_error() {
    let (lab, end) = lose(|_| LeaseName::Target("T1".to_owned())).await;
    let end = end.unwrap();
    assert_eq!(end.state, JobState::Failed);
    let error = end.error.unwrap();
    assert!(error.starts_with("target T1 was taken over by job 77 (process 7 on elsewhere)"), "{error}");
    let events = lab.events(end.job).await;
    assert!(
        events
            .iter()
            .any(|event| matches!(&event.body, EventBody::TargetLock(e) if e.change == LockChange::Lost))
    );
    assert!(
        events.iter().any(
            |event| matches!(&event.body, EventBody::TargetErr(e) if e.outcome == Some(Outcome::Aborted))
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_taken_over_ends_here_and_writes_nothing_more() {
    let (lab, end) = lose(LeaseName::Job).await;
    let end = end.unwrap();
    assert_eq!(end.state, JobState::Failed);
    assert!(end.error.unwrap().contains("belongs to another process now"));
    let events = lab.events(end.job).await;
    assert_eq!(events.iter().filter(|event| event.body.name() == "job_state").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_as_long_as_the_job_runs() {
    let clock = Arc::new(ManualClock::new(Time(1), 1));
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let lab = Lab::on(store, EngineOptions { clock: clock.clone(), ..EngineOptions::default() });
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let look = async {
        watcher.until("target_in", 1).await;
        for _ in 0..20 {
            clock.advance(4_000_000_000);
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        let held = lab.store.job(JobId(1)).await.unwrap().owner.is_some();
        let name = [LeaseName::Target("T1".to_owned())];
        let busy = lab.store.acquire(&name, &other(), None, Duration::from_secs(1)).await.is_err();
        control.cancel("seen");
        (held, busy)
    };
    let sleeper = sleeper();
    let (ran, seen) = tokio::join!(lab.run_watched(&sleeper, control.clone(), watcher.clone()), look);
    assert_eq!((ran.end.state, seen), (JobState::Cancelled, (true, true)));
}
