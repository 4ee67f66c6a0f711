//! Cancel and kill, wherever a job may be.

use std::sync::Arc;

use oyez_engine::Control;
use oyez_model::{EventBody, JobState, Outcome};
use serde_json::{Value, json};

use super::lab::{Lab, Ran, Watcher, echo, fifo, job, lives, read, shell, step, test};

fn sleep(label: &str) -> Value {
    step("sleep", label, json!({"duration": ["1h"]}))
}

/// Cancels the job when it has recorded so many of these.
async fn cancel_at(lab: &Lab, job: &Value, kind: &str, count: usize) -> Ran {
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until(kind, count).await;
        control.cancel("the test wants it");
    };
    let (ran, ()) = tokio::join!(lab.run_watched(job, control.clone(), watcher.clone()), cancel);
    assert_eq!(ran.end.state, JobState::Cancelled, "{:?}", ran.end);
    let states = ran.events.iter().filter_map(|event| match &event.body {
        EventBody::JobStateChanged(e) => Some(e.state),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), [JobState::Started, JobState::Cancelling, JobState::Cancelled]);
    let asked = ran.events.iter().find_map(|event| match &event.body {
        EventBody::JobControl(e) => Some((e.by.clone(), e.why.clone())),
        _ => None,
    });
    assert_eq!(asked, Some(("tester".to_owned(), Some("the test wants it".to_owned()))));
    assert_eq!(ran.count("target_acquired"), ran.count("target_released"));
    assert!(ran.events.last().is_some_and(|event| event.body.name() == "job_state"));
    ran
}

#[tokio::test]
async fn cancelled_before_it_began_it_does_nothing() {
    let lab = Lab::new();
    let control = Control::new();
    control.cancel("early");
    let ran = lab.run_with(&job(vec![test("A", &["T1"], vec![echo("s", "x")])]), control).await;
    assert_eq!(ran.end.state, JobState::Cancelled);
    assert_eq!((ran.count("run_started"), ran.count("report")), (0, 0));
}

#[tokio::test]
async fn cancelled_between_two_attempts_the_first_one_is_what_came_of_the_test() {
    let lab = Lab::new();
    let mut test = test("A", &["T1", "T2"], vec![shell("s", "exit 1")]);
    test["RetryParameters"] = json!({"NumRetries": 5, "RetryInterval": "1h"});
    let ran = cancel_at(&lab, &job(vec![test]), "test_stopped", 1).await;
    assert_eq!((ran.row.outcome, ran.row.counts.of(Outcome::Failed)), (Some(Outcome::Failed), 2));
}

#[tokio::test]
async fn cancelled_while_targets_sleep_they_end_at_once() {
    let lab = Lab::new();
    let ran = cancel_at(
        &lab,
        &job(vec![test("A", &["T1", "T2"], vec![sleep("z"), echo("e", "x")])]),
        "target_in",
        2,
    )
    .await;
    assert_eq!(ran.errors(), ["cancelled", "cancelled"]);
    assert_eq!((ran.row.outcome, ran.row.counts.of(Outcome::Aborted)), (Some(Outcome::Aborted), 2));
    assert_eq!((ran.count("target_in"), ran.count("report")), (2, 0));
}

#[tokio::test]
async fn cancelled_while_processes_run_and_wait_for_a_slot() {
    let lab = Lab::with(oyez_engine::EngineOptions { max_processes: 2, ..Default::default() });
    let targets = ["T1", "T2", "T3", "T4", "T5"];
    let ran =
        cancel_at(&lab, &job(vec![test("A", &targets, vec![shell("s", "sleep 3600")])]), "named", 2).await;
    assert_eq!(ran.count("target_in"), 2);
    assert_eq!(ran.errors(), ["cancelled", "cancelled"]);
    assert_eq!(ran.row.counts.of(Outcome::Aborted), 5);
}

#[tokio::test]
async fn cancelled_between_runs_the_final_reporters_still_report() {
    let lab = Lab::new();
    let mut job = job(vec![test("A", &["T1"], vec![echo("s", "x")])]);
    job["Runs"] = json!(3);
    job["RunInterval"] = json!("1h");
    let ran = cancel_at(&lab, &job, "run_stopped", 1).await;
    assert_eq!((ran.run_reports().len(), ran.final_reports().len()), (1, 1));
}

#[tokio::test]
async fn cancelled_between_attempts_no_other_one_follows() {
    let lab = Lab::new();
    let mut test = test("A", &["T1"], vec![shell("s", "exit 1")]);
    test["RetryParameters"] = json!({"NumRetries": 5, "RetryInterval": "1h"});
    let ran = cancel_at(&lab, &job(vec![test]), "test_stopped", 1).await;
    assert_eq!((ran.count("test_started"), ran.count("report")), (1, 0));
}

#[tokio::test]
async fn cancelled_in_the_first_of_two_tests_the_second_is_missing_and_that_is_said() {
    let lab = Lab::new();
    let tests = vec![test("A", &["T1"], vec![sleep("z")]), test("B", &["T1"], vec![echo("e", "x")])];
    let ran = cancel_at(&lab, &job(tests), "target_in", 1).await;
    assert_eq!(ran.count("test_started"), 1);
    assert_eq!(
        ran.row.complete.gaps().iter().map(|gap| gap.code.as_str()).collect::<Vec<_>>(),
        ["planned_missing"]
    );
}

#[tokio::test]
async fn cancelled_while_it_waits_for_a_busy_target() {
    let lab = Lab::new();
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let first = job(vec![test("A", &["T1"], vec![sleep("z")])]);
    let second = job(vec![test("B", &["T1"], vec![echo("e", "x")])]);
    let waiting = Arc::new(Watcher::default());
    let waiting_control = Control::new();
    let other = async {
        watcher.until("target_in", 1).await;
        let cancel = async {
            waiting.until_notice("waiting for target T1: job 1 has it (process ").await;
            waiting_control.cancel("tired");
        };
        let run = lab.run_watched(&second, waiting_control.clone(), waiting.clone());
        let (ran, ()) = tokio::join!(run, cancel);
        control.cancel("done");
        ran
    };
    let (held, ran) = tokio::join!(lab.run_watched(&first, control.clone(), watcher.clone()), other);
    assert_eq!((held.end.state, ran.end.state), (JobState::Cancelled, JobState::Cancelled));
    assert_eq!((ran.count("target_acquired"), ran.count("target_acquire_err")), (0, 0));
    assert_eq!(ran.row.outcome, Some(Outcome::Aborted));
}

#[tokio::test]
async fn a_cancelled_job_cleans_up_and_a_killed_one_does_not() {
    let lab = Lab::new();
    let mut test = test("A", &["T1"], vec![sleep("z")]);
    test["CleanupFetcherName"] = json!("Literal");
    test["CleanupFetcherFetchParameters"] = json!({"Steps": [shell("c", "echo cleaned")]});
    let job = job(vec![test]);
    let ran = cancel_at(&lab, &job, "target_in", 1).await;
    assert_eq!(ran.text(oyez_model::event::Stream::Stdout), b"cleaned\n");
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let kill = async {
        watcher.until("target_in", 1).await;
        control.kill();
    };
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), kill);
    assert_eq!((ran.end.state, ran.count("test_started")), (JobState::Cancelled, 1));
    assert_eq!((ran.count("job_control"), ran.count("target_released")), (2, 1));
}

#[tokio::test]
async fn a_clean_up_that_hangs_is_ended_by_a_kill() {
    let lab = Lab::new();
    let mut test = test("A", &["T1"], vec![shell("s", "true")]);
    test["CleanupFetcherName"] = json!("Literal");
    test["CleanupFetcherFetchParameters"] = json!({"Steps": [shell("c", "exec sleep 3600")]});
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let kill = async {
        // CmdStart and CmdEnd of the step, CmdStart of the clean-up.
        watcher.until("named", 3).await;
        control.cancel("first");
        watcher.until("job_control", 1).await;
        assert_eq!(watcher.events.lock().unwrap().iter().filter(|e| e.name() == "target_err").count(), 0);
        control.kill();
    };
    let job = job(vec![test]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), kill);
    assert_eq!((ran.end.state, ran.errors()), (JobState::Cancelled, vec!["cancelled".to_owned()]));
}

/// Runs a script that writes pids into a fifo, cancels the job once they are there, and says which they were.
async fn cancel_tree(options: oyez_engine::EngineOptions, script: &str, kill: bool) -> (Ran, Vec<i32>) {
    let lab = Lab::with(options);
    let pids = lab.path("pids");
    fifo(&pids);
    let script = script.replace("PIDS", &pids.display().to_string());
    let control = Control::new();
    let cancel = async {
        let text = read(pids.clone()).await;
        if kill {
            control.kill()
        } else {
            control.cancel("enough")
        }
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()
    };
    let job = job(vec![test("A", &["T1"], vec![shell("s", &script)])]);
    let (ran, pids) = tokio::join!(lab.run_with(&job, control.clone()), cancel);
    assert_eq!(ran.end.state, JobState::Cancelled, "{:?}", ran.end);
    assert_eq!(ran.errors(), ["cancelled"]);
    (ran, pids)
}

#[tokio::test]
async fn the_whole_tree_ends_with_a_cancel_also_what_has_left_the_group() {
    let script = "sleep 3600 & a=$!; setsid sleep 3600 & b=$!; setsid sh -c 'sleep 3601 & echo $! > PIDS.inner; wait' & c=$!; \
                  while ! test -s PIDS.inner; do :; done; echo $$ $a $b $c $(cat PIDS.inner) > PIDS; wait";
    let (_, pids) = cancel_tree(Default::default(), script, false).await;
    assert_eq!(pids.len(), 5);
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[tokio::test]
async fn an_orphan_that_has_left_the_group_is_found_by_its_cookie() {
    // The subshell ends at once, so that its child loses its parent.
    let script =
        "(setsid sleep 3600 & echo $! > PIDS.inner); echo $$ $(cat PIDS.inner) > PIDS; exec sleep 3600";
    let (_, pids) = cancel_tree(Default::default(), script, false).await;
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[tokio::test]
async fn what_ignores_term_is_killed_after_the_grace() {
    let script = "trap '' TERM; sleep 3600 & echo $$ $! > PIDS; while :; do wait; done";
    let options =
        oyez_engine::EngineOptions { grace: std::time::Duration::from_millis(100), ..Default::default() };
    let (ran, pids) = cancel_tree(options, script, false).await;
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
    assert_eq!(ran.count("named"), 2);
}

#[tokio::test]
async fn what_ignores_term_is_killed_at_once_by_a_kill() {
    let script = "trap '' TERM; (trap '' TERM; echo $$ > PIDS; while :; do sleep 3600; done)";
    let options =
        oyez_engine::EngineOptions { grace: std::time::Duration::from_secs(3600), ..Default::default() };
    let (_, pids) = cancel_tree(options, script, true).await;
    assert!(pids.iter().all(|pid| !lives(*pid)), "{pids:?}");
}

#[tokio::test]
async fn what_ends_cleanly_on_term_may_say_so() {
    let script = "trap 'echo bye; exit 0' TERM; echo $$ > PIDS; while :; do sleep 0.01; done";
    let (ran, _) = cancel_tree(Default::default(), script, false).await;
    assert_eq!(ran.text(oyez_model::event::Stream::Stdout), b"bye\n");
}

#[tokio::test]
async fn a_job_whose_future_is_dropped_leaves_no_process() {
    let lab = Lab::new();
    let pids = lab.path("pids");
    fifo(&pids);
    let script = format!("echo $$ > {}; exec sleep 3600", pids.display());
    let handle = lab.submit(&job(vec![test("A", &["T1"], vec![shell("s", &script)])])).await;
    let pid: i32 = {
        let run = lab.engine.run(handle, Control::new(), None);
        tokio::select! {
            end = run => panic!("{end:?}"),
            text = read(pids) => text.trim().parse().unwrap(),
        }
    };
    while lives(pid) {
        tokio::task::yield_now().await;
    }
}
