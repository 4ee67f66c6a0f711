//! Targets from a file: as many as are free, read anew for each attempt.

use std::sync::Arc;
use std::time::Duration;

use oyez_engine::Control;
use oyez_model::{EventBody, JobState, Outcome};
use serde_json::{Value, json};

use super::lab::{Lab, Ran, Watcher, echo, job, shell, step, test};

/// A test on the targets of a file.
fn csv(file: &std::path::Path, least: u32, most: u32, steps: Vec<Value>) -> Value {
    let mut test = test("Test 1", &[], steps);
    test["TargetManagerName"] = json!("csvfiletargetmanager");
    test["TargetManagerAcquireParameters"] =
        json!({"FileURI": file, "MinNumberDevices": least, "MaxNumberDevices": most});
    test
}

fn acquired(ran: &Ran) -> Vec<String> {
    let id = |event: &oyez_model::Event| match &event.body {
        EventBody::TargetAcquired(e) => Some(e.target.id.clone()),
        _ => None,
    };
    ran.events.iter().filter_map(id).collect()
}

fn outcome(ran: &Ran) -> Option<Outcome> {
    let outcome = |event: &oyez_model::Event| match &event.body {
        EventBody::TestStopped(e) => e.outcome,
        _ => None,
    };
    ran.events.iter().rev().find_map(outcome)
}

#[tokio::test]
async fn the_first_that_are_free_are_taken_up_to_the_most() {
    let lab = Lab::new();
    let file = lab.path("hosts.csv");
    std::fs::write(&file, "1,a.x,10.0.0.1,\n2,b.x,,\n3,c.x,,\n4,d.x,,\n").unwrap();
    let ran = lab.run(&job(vec![csv(&file, 2, 3, vec![echo("e", "{{ .FQDN }} {{ .PrimaryIPv4 }}")])])).await;
    assert_eq!(acquired(&ran), ["1", "2", "3"]);
    assert_eq!((ran.end.state, outcome(&ran)), (JobState::Completed, Some(Outcome::Passed)));
    assert!(ran.run_reports()[0].2);
    assert_eq!(
        String::from_utf8(ran.text(oyez_model::event::Stream::Log)).unwrap().lines().next(),
        Some("a.x 10.0.0.1")
    );
}

#[tokio::test]
async fn a_file_that_is_wrong_fails_the_attempt_and_not_the_job() {
    let lab = Lab::new();
    let file = lab.path("hosts.csv");
    let shown = file.display();
    let ran = lab.run(&job(vec![csv(&file, 0, 3, vec![echo("e", "x")])])).await;
    assert_eq!(ran.errors(), [format!("open {shown}: no such file or directory")]);
    assert_eq!((ran.end.state, outcome(&ran)), (JobState::Completed, Some(Outcome::Errored)));
    std::fs::write(&file, "1,a,,\n").unwrap();
    let ran = lab.run(&job(vec![csv(&file, 2, 3, vec![echo("e", "x")])])).await;
    assert_eq!(ran.errors(), [format!("not enough hosts found in CSV file '{shown}', want 2, got 1")]);
    let ran = lab.run(&job(vec![csv(&file, 1, 0, vec![echo("e", "x")])])).await;
    assert_eq!(ran.errors(), ["can't lock enough targets"]);
    let ran = lab.run(&job(vec![csv(&file, 0, 0, vec![echo("e", "x")])])).await;
    assert_eq!((acquired(&ran).len(), outcome(&ran)), (0, Some(Outcome::Errored)));
}

#[tokio::test]
async fn each_attempt_reads_the_file_anew() {
    let lab = Lab::new();
    let file = lab.path("hosts.csv");
    std::fs::write(&file, "1,a,,\n").unwrap();
    let script = format!("printf '2,b,,\\n' > {}; test {{{{ .ID }}}} = 2", file.display());
    let mut retried = csv(&file, 1, 1, vec![shell("s", &script)]);
    retried["RetryParameters"] = json!({"NumRetries": 1});
    let ran = lab.run(&job(vec![retried])).await;
    assert_eq!(acquired(&ran), ["1", "2"]);
    assert_eq!(outcome(&ran), Some(Outcome::Passed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_targets_are_passed_over_and_waited_for_only_when_too_few_are_left() {
    for lab in [Lab::new(), Lab::on_disk()] {
        let file = lab.path("hosts.csv");
        std::fs::write(&file, "1,a,,\n2,b,,\n3,c,,\n4,d,,\n5,e,,\n").unwrap();
        let holding =
            job(vec![test("hold", &["2", "4"], vec![step("sleep", "s", json!({"duration": ["1h"]}))])]);
        let (control, held) = (Control::new(), Arc::new(Watcher::default()));
        let hold = lab.run_watched(&holding, control.clone(), held.clone());
        let others = async {
            held.until("target_in", 2).await;
            let free = lab.run(&job(vec![csv(&file, 2, 9, vec![echo("e", "x")])])).await;
            assert_eq!(acquired(&free), ["1", "3", "5"]);
            let mut hasty = job(vec![csv(&file, 4, 9, vec![echo("e", "x")])]);
            hasty["TargetManagerAcquireTimeout"] = json!("0s");
            let hasty = lab.run(&hasty).await;
            assert_eq!(hasty.errors(), ["can't lock enough targets"]);
            let patient = job(vec![csv(&file, 4, 4, vec![echo("e", "x")])]);
            let waits = Arc::new(Watcher::default());
            let release = async {
                waits.until_notice("3 of 4 are free").await;
                control.cancel("the other job needs them");
            };
            let (patient, ()) =
                tokio::join!(lab.run_watched(&patient, Control::new(), waits.clone()), release);
            assert_eq!(acquired(&patient), ["1", "2", "3", "4"]);
        };
        let (_, ()) = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(hold, others) })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_file_on_which_nobody_answers_is_given_up_with_the_job() {
    let lab = Lab::new();
    let file = lab.path("hosts.csv");
    super::lab::fifo(&file);
    let ran = lab.run(&job(vec![csv(&file, 1, 1, vec![echo("e", "x")])])).await;
    assert_eq!(ran.errors(), [format!("read {}: it is no regular file", file.display())]);
    assert_eq!(ran.end.state, JobState::Completed);
}
