//! Control through the journal of the local store: of jobs that other processes run.

use crate::lab::{Lab, descriptor, poll};
use crate::serve::serve;

const NAP: &str = "{name: sleep, label: nap, parameters: {duration: [10m]}}";

#[test]
fn a_foreground_job_is_stopped_through_its_journal() {
    let lab = Lab::new();
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    let running = lab.start(&["run", "job.yaml", "--out", "out"]);
    lab.wait_for("target_in");
    let asked = lab.oyez(&["stop", "latest", "--by", "ann", "--why", "enough"]).ended(0);
    assert!(asked.text().contains("in its journal") && asked.text().contains("process"), "{}", asked.text());
    running.end().ended(4);
    let job = lab.job();
    assert_eq!((&job["state"], &job["complete"]), (&"Cancelled".into(), &"yes".into()), "{job:#}");
    let control = lab.wait_for("job_control");
    assert_eq!((&control["by"], &control["why"]), (&"ann".into(), &"enough".into()));
    let gone = lab.oyez(&["stop", "latest"]).ended(2);
    assert!(gone.err.contains("has come to its end"), "{}", gone.err);
}

#[test]
fn a_job_of_a_server_is_paused_and_goes_on_through_the_store() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    lab.wait_for("target_in");
    lab.oyez(&["pause", "1"]).ended(0);
    poll("it does not pause", || (lab.job()["state"] == "Paused").then_some(()));
    // Its server has it, and does not read its journal now.
    let done = lab.oyez(&["resume", "1"]).ended(2);
    assert!(done.err.contains("ask that one, with --server URL"), "{}", done.err);
    server.oyez(&lab, &["resume", "1"]).ended(0);
    poll("it does not go on", || (lab.job()["state"] == "Started").then_some(()));
    lab.oyez(&["stop", "1", "--kill"]).ended(0);
    poll("it does not end", || (lab.job()["state"] == "Cancelled").then_some(()));
}

/// A job of `oyez run` that was paused, by its number.
fn paused(lab: &Lab) {
    let nap = "{name: sleep, label: nap, parameters: {duration: [5s]}}";
    let last = "{name: echo, label: last, parameters: {text: [done]}}";
    lab.write("job.yaml", descriptor(&["T1"], &[nap, last]));
    let running = lab.start(&["run", "job.yaml", "--out", "out"]);
    lab.wait_for("target_in");
    lab.oyez(&["pause", "latest"]).ended(0);
    running.end().ended(5);
    assert_eq!(lab.job()["state"], "Paused");
}

#[test]
fn a_paused_foreground_job_goes_on_in_the_process_that_resumes_it() {
    let lab = Lab::new();
    paused(&lab);
    let done = lab.oyez(&["resume", "latest", "--by", "ann", "--out", "later"]).ended(0);
    assert!(done.text().contains("SUCCESS"), "{}", done.text());
    assert!(lab.path("later/report.html").exists());
    let job = lab.job();
    assert_eq!((&job["state"], &job["complete"]), (&"Completed".into(), &"yes".into()), "{job:#}");
    let events = lab.events();
    let entered = events.iter().filter(|event| event["kind"] == "target_in").count();
    assert_eq!(entered, 2, "{events:#?}");
    let gone = lab.oyez(&["resume", "latest"]).ended(2);
    assert!(gone.err.contains("has come to its end"), "{}", gone.err);
}

#[test]
fn a_paused_foreground_job_is_stopped_and_its_targets_are_free() {
    let lab = Lab::new();
    paused(&lab);
    assert_ne!(lab.oyez(&["targets", "list", "--format", "json"]).ended(0).json(), serde_json::json!([]));
    let done = lab.oyez(&["stop", "latest", "--by", "ann", "--why", "enough", "--format", "json"]).ended(4);
    assert_eq!(done.json()["state"], "Cancelled");
    assert_eq!(lab.oyez(&["targets", "list", "--format", "json"]).ended(0).json(), serde_json::json!([]));
    assert_eq!(lab.job()["complete"], "yes");
}

#[test]
fn a_job_is_run_again_in_the_process_that_asks_for_it() {
    let lab = Lab::new();
    let fails = crate::lab::shell("fails", "test -e mended");
    lab.run(&descriptor(&["T1"], &[&fails])).ended(1);
    // With what it was begun with, whatever has become of the file.
    std::fs::remove_file(lab.path("job.yaml")).unwrap();
    lab.write("mended", "");
    lab.oyez(&["retry", "1"]).ended(0);
    let jobs = lab.jobs();
    assert_eq!((jobs.len(), &jobs[0]["state"]), (2, &"Completed".into()), "{jobs:#?}");
    let first = lab.oyez(&["status", "1", "--format", "json"]).ended(1).json();
    let link = lab.wait_for("job_linked");
    assert_eq!((&link["job"], &link["relation"]), (&first["uid"], &"repeats".into()), "{link:#}");
}

#[test]
fn what_is_submitted_to_the_store_is_run_by_whichever_server_is_on_it() {
    let lab = Lab::new();
    lab.write("job.yaml", descriptor(&["T1"], &["{name: echo, label: a, parameters: {text: [hello]}}"]));
    let waits = lab.oyez(&["submit", "job.yaml", "--wait"]).ended(2);
    assert!(waits.err.contains("--wait needs a server"), "{}", waits.err);
    // Before there is a server, and while there is one.
    let said = lab.oyez(&["submit", "job.yaml"]).ended(0);
    assert!(said.text().contains("job 1") && said.text().contains("oyez serve"), "{}", said.text());
    assert_eq!(lab.job()["state"], "Queued");
    let _server = serve(&lab, &[]);
    lab.oyez(&["submit", "job.yaml", "--format", "json"]).ended(0);
    poll("they are not run", || {
        let jobs = lab.jobs();
        (jobs.len() == 2 && jobs.iter().all(|job| job["state"] == "Completed")).then_some(())
    });
}
