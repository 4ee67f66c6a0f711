//! How a server ends, and what becomes of its jobs.

use std::io::BufRead;

use rustix::process::Signal;

use crate::lab::{Lab, descriptor, poll};
use crate::serve::serve;

const NAP: &str = "{name: sleep, label: nap, parameters: {duration: [10m]}}";

fn with_a_job(lab: &Lab, arguments: &[&str]) -> crate::serve::Server {
    let server = serve(lab, arguments);
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    server.oyez(lab, &["submit", "job.yaml"]).ended(0);
    lab.wait_for("target_in");
    server
}

#[test]
fn the_first_signal_cancels_jobs_which_report() {
    let lab = Lab::new();
    let mut server = with_a_job(&lab, &[]);
    server.running.signal(Signal::INT);
    let done = server.running.end().ended(0);
    assert!(done.err.contains("to be cancelled"), "{}", done.err);
    assert_eq!(lab.job()["state"], "Cancelled");
}

#[test]
fn with_time_to_pause_jobs_go_on_at_the_next_server() {
    let lab = Lab::new();
    let mut server = with_a_job(&lab, &["--pause-timeout", "30s", "--server-id", "lab"]);
    server.running.signal(Signal::TERM);
    let done = server.running.end().ended(0);
    assert!(done.err.contains("to be halted"), "{}", done.err);
    assert_eq!(lab.job()["state"], "Paused");
    let next = serve(&lab, &["--server-id", "lab"]);
    poll("it does not go on", || (lab.job()["state"] == "Started").then_some(()));
    next.oyez(&lab, &["stop", "1"]).ended(0);
    poll("it does not end", || (lab.job()["state"] == "Cancelled").then_some(()));
}

#[test]
fn a_drained_server_takes_no_new_jobs_and_ends_with_its_last() {
    let lab = Lab::new();
    let mut server = with_a_job(&lab, &[]);
    server.running.signal(Signal::USR1);
    poll("it still takes jobs", || {
        let done = server.oyez(&lab, &["submit", "job.yaml"]);
        (done.code == Some(3) && done.err.contains("takes no new jobs")).then_some(())
    });
    // It can still be asked about the job that it has.
    server.oyez(&lab, &["status", "1"]).ended(0);
    server.oyez(&lab, &["stop", "1"]).ended(0);
    server.running.end().ended(0);
    assert_eq!(lab.jobs().iter().find(|job| job["id"] == 1).unwrap()["state"], "Cancelled");
}

#[test]
fn a_second_signal_cancels_what_could_not_be_paused() {
    let lab = Lab::new();
    let server = serve(&lab, &["--pause-timeout", "-1"]);
    // A process cannot be halted: it would be waited for.
    lab.write("job.yaml", descriptor(&["T1"], &[&crate::lab::shell("long", "exec sleep 600")]));
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    lab.wait_for("target_in");
    let mut running = server.running;
    running.signal(Signal::TERM);
    lab.wait_for("job_control");
    running.signal(Signal::TERM);
    running.end().ended(0);
    assert_eq!(lab.job()["state"], "Cancelled");
}

#[test]
fn whoever_waits_for_a_job_waits_over_a_restart_of_the_server() {
    let lab = Lab::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut first = serve(&lab, &["--listen", &port, "--server-id", "lab", "--pause-timeout", "30s"]);
    lab.write("job.yaml", descriptor(&["T1"], &["{name: sleep, label: nap, parameters: {duration: [3s]}}"]));
    let waiting = crate::lab::Running::of(first.command(&lab, &["submit", "job.yaml", "--wait"]));
    lab.wait_for("target_in");
    first.running.signal(Signal::TERM);
    first.running.end().ended(0);
    let _second = serve(&lab, &["--listen", &port, "--server-id", "lab"]);
    let done = waiting.end().ended(0);
    assert!(done.text().contains("SUCCESS"), "{}{}", done.text(), done.err);
}

/// A standard error whose reader has gone away.
fn nobody_listens() -> std::process::Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_server_that_nobody_listens_to_still_ends_in_good_order() {
    let lab = Lab::new();
    let mut command = lab.command(&["serve", "--listen", "127.0.0.1:0", "--pause-timeout", "30s"]);
    command.stdout(std::process::Stdio::piped()).stderr(nobody_listens());
    let mut server = command.spawn().unwrap();
    let mut said = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let url = said.split(' ').nth(2).unwrap();
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    lab.oyez(&["submit", "job.yaml", "--server", url]).ended(0);
    lab.wait_for("target_in");
    rustix::process::kill_process(rustix::process::Pid::from_child(&server), Signal::INT).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert_eq!(lab.job()["state"], "Paused");
}

#[test]
fn a_run_that_nobody_listens_to_runs_to_its_end() {
    let lab = Lab::new();
    lab.write("job.yaml", descriptor(&["T1"], &["{name: echo, label: a, parameters: {text: [hello]}}"]));
    let mut command = lab.command(&["run", "job.yaml", "--out", "out"]);
    let status = command.stdout(std::process::Stdio::null()).stderr(nobody_listens()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(lab.path("out/report.html").exists());
    assert_eq!(lab.job()["complete"], "yes");
}
