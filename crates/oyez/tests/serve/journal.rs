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
    // Nobody reads its journal now: the server is to be asked.
    let done = lab.oyez(&["resume", "1"]).ended(2);
    assert!(done.err.contains("nobody runs it now") && done.err.contains("--server"), "{}", done.err);
    server.oyez(&lab, &["resume", "1"]).ended(0);
    poll("it does not go on", || (lab.job()["state"] == "Started").then_some(()));
    lab.oyez(&["stop", "1", "--kill"]).ended(0);
    poll("it does not end", || (lab.job()["state"] == "Cancelled").then_some(()));
}
