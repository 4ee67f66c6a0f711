//! A job that is paused, or whose process dies, at any moment: it goes on where it was, and what it did then is what it
//! would have done without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oyez_engine::{Control, EngineOptions, JobEnd, Observer, ReopenError};
use oyez_model::{Event, EventBody, JobId, JobState, Outcome, Verdict};
use oyez_store::{Clock, MemoryStore, NewEvent, SystemClock};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::lab::{Lab, echo, job, request, shell, step, test};

/// The machine's clock, and as much later as a test wants it to be.
#[derive(Debug, Default)]
struct Later(AtomicU64);

impl Clock for Later {
    fn now(&self) -> oyez_model::Time {
        let later = i64::try_from(self.0.load(Ordering::Relaxed)).unwrap();
        SystemClock.now().plus(later)
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

/// Does something at the n-th event from now on.
struct At<F> {
    left: AtomicU64,
    then: F,
}

impl<F: Fn() + Send + Sync> Observer for At<F> {
    fn event(&self, _: u64, _: &NewEvent) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            (self.then)();
        }
    }
    fn notice(&self, _: &str) {}
}

fn at<F: Fn() + Send + Sync + 'static>(count: u64, then: F) -> Option<Arc<dyn Observer>> {
    Some(Arc::new(At { left: AtomicU64::new(count), then }))
}

/// Two runs of two tests with all that can be halted: no time at all, sleeps, processes, variables, a clean-up, a
/// second attempt, two targets, one of them listed twice.
fn everything() -> Value {
    let nap = step("sleep", "nap", json!({"duration": ["15ms"]}));
    let set = step("variables", "set", json!({"name": ["v"]}));
    let mut process = shell("process", "sleep 0.01; echo '{{StringVar \"set.name\"}}'");
    process["X-Oyez"] = json!({"repeatable": true});
    let first = test("A", &["T1", "T2", "T1"], vec![echo("hello", "{{.ID}}"), set, process, nap.clone()]);
    let mut first = first;
    first["CleanupFetcherName"] = json!("Literal");
    let tidy = step("sleep", "tidy", json!({"duration": ["5ms"]}));
    first["CleanupFetcherFetchParameters"] =
        json!({"Steps": [echo("bye", "{{StringVar \"set.name\"}}"), tidy]});
    let mut second = test("B", &["T3"], vec![nap, step("cmd", "fails", json!({"executable": ["false"]}))]);
    second["TestFetcherFetchParameters"]["Steps"][1]["X-Oyez"] = json!({"repeatable": true});
    second["RetryParameters"] = json!({"NumRetries": 1, "RetryInterval": "15ms"});
    let mut job = job(vec![first, second]);
    job["Runs"] = json!(2);
    job["RunInterval"] = json!("15ms");
    job["Reporting"]["FinalReporters"] =
        json!([{"Name": "TargetSuccess", "Parameters": {"AverageSuccessExpression": ">=50%"}}]);
    job
}

/// What happened, without what differs from time to time: how often each thing did.
fn done(events: &[Event]) -> BTreeMap<String, usize> {
    let mut done = BTreeMap::new();
    for event in events {
        let what = match &event.body {
            EventBody::JobStateChanged(_)
            | EventBody::JobControl(_)
            | EventBody::JobPaused(_)
            | EventBody::ProducerJoined(_) => continue,
            // That a step was begun again is said in its log.
            EventBody::LogText(text) => {
                let text = String::from_utf8_lossy(&text.text.0).into_owned();
                if text.starts_with("begun again") {
                    continue;
                }
                format!("log {text}")
            }
            EventBody::TargetIn(e) => format!("in {}", e.label),
            EventBody::TargetErr(e) => format!("err {}", e.error),
            EventBody::Report(r) => format!("report {:?} {} {}", r.run, r.success, r.data.0),
            EventBody::TestStarted(t) => format!("test {} {}", t.name, t.attempt),
            EventBody::TestStopped(t) => {
                format!("test stopped {:?} {:?} {:?}", t.outcome, t.reason, t.retried)
            }
            other => other.name().to_owned(),
        };
        *done.entry(what).or_default() += 1;
    }
    done
}

/// Processes may be started again after a kill, so their events and what they print may be there twice.
fn without_processes(mut done: BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    done.retain(|what, _| what != "named" && !what.starts_with("log v\n"));
    done
}

async fn undisturbed() -> BTreeMap<String, usize> {
    let ran = Lab::new().run(&everything()).await;
    assert_eq!(
        (ran.end.state, ran.end.verdict),
        (JobState::Completed, Some(Verdict::Failure)),
        "{:#?}",
        ran.events
    );
    assert_eq!(ran.row.complete.as_str(), "yes");
    done(&ran.events)
}

/// Runs a job; lets it go on after each pause, which comes after so many events.
async fn with_pauses(lab: &Lab, every: u64) -> (JobEnd, usize) {
    let (id, _, mut handle) = lab.engine.submit(request(&everything())).await.unwrap();
    let mut pauses = 0;
    loop {
        let control = Control::new();
        let pausing = control.clone();
        let observer = at(every + 7, move || pausing.pause(Default::default()));
        let run = lab.engine.run(handle, control, observer);
        let end = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap().unwrap();
        if end.state != JobState::Paused {
            return (end, pauses);
        }
        pauses += 1;
        assert!(pauses < 400, "it comes nowhere");
        handle = lab.engine.reopen(id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_paused_at_any_moment_does_the_same() {
    let expected = undisturbed().await;
    for every in 0..40 {
        let lab = Lab::new();
        let (end, pauses) = with_pauses(&lab, every).await;
        assert_eq!(
            (end.state, end.verdict),
            (JobState::Completed, Some(Verdict::Failure)),
            "every {every}: {end:?}"
        );
        let events = lab.events(end.job).await;
        assert_eq!(done(&events), expected, "every {every}, {pauses} pauses");
        assert!(pauses > 0, "every {every}");
        let row = lab.store.job(end.job).await.unwrap().row;
        assert_eq!(row.complete.as_str(), "yes", "every {every}: {:?}", row.complete);
        assert_eq!(lab.store.held_targets(None, 10).await.unwrap(), vec![], "every {every}");
    }
}

/// Runs a job; each time after so many events its process is gone, and another one takes it over.
async fn with_deaths(every: u64) -> (Lab, JobId, JobEnd, u64) {
    let clock = Arc::new(Later::default());
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let lab = Lab::on(store, EngineOptions::default());
    let (id, _, mut handle) = lab.engine.submit(request(&everything())).await.unwrap();
    let mut deaths = 0;
    loop {
        let died = Arc::new(Notify::new());
        let dies = died.clone();
        let observer = at(every + 7, move || dies.notify_one());
        let run = lab.engine.run(handle, Control::new(), observer);
        // What was recorded just before may be kept or not.
        let delay = Duration::from_millis(deaths % 3 * 4);
        let dies = async {
            died.notified().await;
            tokio::time::sleep(delay).await;
        };
        tokio::select! {
            biased;
            () = dies => {}
            end = run => return (lab, id, end.unwrap(), deaths),
        }
        deaths += 1;
        assert!(deaths < 400, "it comes nowhere");
        // Its leases run out.
        clock.0.fetch_add(11_000_000_000, Ordering::Relaxed);
        handle = match lab.engine.reopen(id).await {
            // It had come to its end just before.
            Err(ReopenError::Ended { .. }) => {
                let row = lab.store.job(id).await.unwrap().row;
                let end = JobEnd { job: id, state: row.state, verdict: row.verdict, error: row.error };
                return (lab, id, end, deaths);
            }
            other => other.unwrap(),
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_process_dies_at_any_moment_is_taken_over_and_does_the_same() {
    let expected = without_processes(undisturbed().await);
    for every in 0..40 {
        let (lab, id, end, deaths) = with_deaths(every).await;
        assert_eq!(
            (end.state, end.verdict),
            (JobState::Completed, Some(Verdict::Failure)),
            "every {every}: {end:?}"
        );
        let events = lab.events(id).await;
        assert_eq!(without_processes(done(&events)), expected, "every {every}, {deaths} deaths");
        let row = lab.store.job(id).await.unwrap().row;
        assert_eq!(row.complete.as_str(), "yes", "every {every}: {:?}", row.complete);
        assert_eq!(lab.store.held_targets(None, 10).await.unwrap(), vec![], "every {every}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_running_when_its_process_died_and_cannot_be_repeated_ends_as_errored() {
    let clock = Arc::new(Later::default());
    let lab = Lab::on(Arc::new(MemoryStore::with_clock(clock.clone())), EngineOptions::default());
    let witness = lab.path("witness");
    let script = format!("echo $$ >> {}; sleep 30", witness.display());
    let tests = vec![
        test("A", &["T1"], vec![shell("s", &script), echo("t", "x")]),
        test("B", &["T1"], vec![echo("u", "x")]),
    ];
    let (id, _, handle) = lab.engine.submit(request(&job(tests))).await.unwrap();
    let run = lab.engine.run(handle, Control::new(), None);
    let begun = async {
        while !witness.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = run => panic!("it ended"),
        () = begun => {}
    }
    clock.0.fetch_add(11_000_000_000, Ordering::Relaxed);
    let handle = lab.engine.reopen(id).await.unwrap();
    let end = lab.engine.run(handle, Control::new(), None).await.unwrap();
    assert_eq!((end.state, end.verdict), (JobState::Completed, Some(Verdict::Failure)));
    let events = lab.events(id).await;
    let errors: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::TargetErr(e) => Some((e.error.clone(), e.outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].0.contains("cannot be done again"), "{errors:?}");
    assert_eq!(errors[0].1, Some(Outcome::Errored));
    let pids = std::fs::read_to_string(&witness).unwrap();
    assert_eq!(pids.lines().count(), 1, "it ran once");
    assert!(!super::lab::lives(pids.trim().parse().unwrap()), "and runs no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_another_version_fails_the_job_and_keeps_its_locks() {
    let lab = Lab::new();
    let nap = step("sleep", "nap", json!({"duration": ["1h"]}));
    let (id, _, handle) =
        lab.engine.submit(request(&job(vec![test("A", &["T1"], vec![nap])]))).await.unwrap();
    let control = Control::new();
    let pausing = control.clone();
    let observer = at(7, move || pausing.pause(Default::default()));
    let end = lab.engine.run(handle, control, observer).await.unwrap();
    assert_eq!(end.state, JobState::Paused);
    // Somebody writes a payload that this version does not know.
    let recorded = lab.events(id).await.len() as u64;
    let paused = oyez_model::event::JobPaused {
        snapshot: oyez_model::event::RawJson(format!("{{\"V\":2,\"J\":{id}}}")),
    };
    let batch = oyez_store::Batch {
        producer: oyez_model::ProducerId::FIRST,
        first: oyez_model::EventNumber(recorded + 1),
        events: vec![NewEvent::new(SystemClock.now(), paused)],
        epoch: None,
    };
    lab.store.append(id, batch).await.unwrap();
    let refused = lab.engine.reopen(id).await.unwrap_err();
    assert!(refused.to_string().contains("incompatible resume state version (want 1, got 2)"), "{refused}");
    let row = lab.store.job(id).await.unwrap().row;
    assert_eq!(row.state, JobState::Failed);
    assert_eq!(row.error.as_deref(), Some("incompatible resume state version (want 1, got 2)"));
    assert_eq!(lab.store.held_targets(None, 9).await.unwrap()[0].target, "T1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_does_not_halt_in_time_is_a_failed_pause() {
    let lab = Lab::new();
    let (_, _, handle) = lab
        .engine
        .submit(request(&job(vec![test("A", &["T1"], vec![shell("s", "sleep 60")])])))
        .await
        .unwrap();
    let control = Control::new();
    let pausing = control.clone();
    let pause =
        oyez_engine::control::Pause { timeout: Some(Duration::from_millis(100)), ..Default::default() };
    let observer = at(8, move || pausing.pause(pause.clone()));
    let end = lab.engine.run(handle, control, observer).await.unwrap();
    assert_eq!(end.state, JobState::PauseFailed);
    assert_eq!(
        end.error.as_deref(),
        Some("could not be paused: a step did not come to its end within 100ms")
    );
    assert_eq!(lab.store.held_targets(None, 9).await.unwrap(), vec![]);
}
