//! `oyez targets`, at a server and at the local store.

use serde_json::json;

use crate::lab::{Lab, descriptor, poll};
use crate::serve::serve;

const NAP: &str = "{name: sleep, label: nap, parameters: {duration: [10m]}}";

#[test]
fn a_target_that_is_held_by_hand_is_no_jobs_until_it_is_released() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    let hold = ["targets", "hold", "T1", "--why", "waits for a fan", "--by", "ann"];
    assert_eq!(server.oyez(&lab, &hold).ended(0).text(), "T1 is held\n");
    let held = server.oyez(&lab, &["targets", "list", "--format", "json"]).ended(0).json();
    assert_eq!(
        (&held[0]["target"], &held[0]["held_by"], &held[0]["job"]),
        (&json!("T1"), &json!("ann"), &json!(null))
    );
    assert_eq!(held[0]["note"]["why"], "waits for a fan");
    let done = server.oyez(&lab, &["targets", "hold", "T1", "--why", "mine", "--by", "bob"]).ended(2);
    assert!(done.err.contains("T1 is held by ann"), "{}", done.err);
    lab.write("job.yaml", descriptor(&["T1"], &["{name: echo, label: e, parameters: {text: [x]}}"]));
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    poll("the job does not wait", || (server.job(&lab, "1")["state"] == "Started").then_some(()));
    // The local store is the same one.
    assert_eq!(
        lab.oyez(&["targets", "release", "T1", "--why", "fan is in", "--by", "bob"]).ended(0).text(),
        "T1 is free\n"
    );
    poll("the job does not run", || (server.job(&lab, "1")["state"] == "Completed").then_some(()));
    let notes = lab.oyez(&["targets", "notes", "T1", "--format", "json"]).ended(0).json();
    let said: Vec<_> =
        notes.as_array().unwrap().iter().map(|n| (n["what"].as_str(), n["by"].as_str())).collect();
    assert_eq!(said, [(Some("release"), Some("bob")), (Some("hold"), Some("ann"))]);
    let done = lab.oyez(&["targets", "release", "T1", "--why", "again"]).ended(2);
    assert!(done.err.contains("T1 is not held by anybody"), "{}", done.err);
    let done = lab.oyez(&["targets", "hold", "T1", "--why", " "]).ended(2);
    assert!(done.err.contains("why it is done must be said"), "{}", done.err);
}

#[test]
fn a_job_whose_target_is_taken_away_fails_and_says_so() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    poll("the target is not held", || {
        let held = server.oyez(&lab, &["targets", "list", "--format", "json"]).ended(0).json();
        (held[0]["job"] == 1).then_some(())
    });
    let done = server.oyez(&lab, &["targets", "release", "T1", "--why", "x"]).ended(2);
    assert!(done.err.contains("for job 1") && done.err.contains("force-unlock"), "{}", done.err);
    server.oyez(&lab, &["targets", "force-unlock", "T1", "--why", "it burns"]).ended(0);
    poll("the job does not fail", || (server.job(&lab, "1")["state"] == "Failed").then_some(()));
    let error = server.job(&lab, "1")["error"].as_str().unwrap().to_owned();
    assert!(error.contains("target T1 was unlocked by force while this job held it"), "{error}");
}
