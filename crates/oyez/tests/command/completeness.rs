//! A report says whether it is complete, apart from pass and fail.

use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::Value;

use crate::lab::{Lab, Running, descriptor, poll, shell};

const RESULTS: &str = r#"<testsuites><testsuite name="s" tests="3"><testcase name="a"/><testcase name="b"/>
<testcase name="c"><failure message="m"/></testcase></testsuite></testsuites>"#;

/// The codes of what is missing from a job that must not be complete.
fn gaps(job: &Value) -> Vec<String> {
    assert_eq!(job["complete"], "no", "{job:#}");
    let gaps = job["gaps"].as_array().unwrap();
    assert!(gaps.iter().all(|gap| !gap["text"].as_str().unwrap().is_empty()), "{gaps:?}");
    gaps.iter().map(|gap| gap["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_results_file_cut_anywhere_makes_the_report_incomplete() {
    let lab = Lab::new();
    lab.write("whole.xml", RESULTS);
    for cut in [0, 1, 40, 70, 90, RESULTS.len() - 3] {
        let script = format!("head -c {cut} whole.xml > r.xml");
        lab.oyez(&["exec", "--parse", "junit=r.xml", "--", "sh", "-c", &script]).ended(0);
        let job = lab.jobs().into_iter().next().unwrap();
        assert!(gaps(&job).contains(&"source_cut".to_owned()), "cut at {cut}: {job}");
        assert_eq!(job["state"], "Completed");
        // The command's code was passed on; the job's own is that of an incomplete report.
        let status = lab.oyez(&["status", "latest"]).ended(3);
        assert!(status.text().contains("complete   no"), "{}", status.text());
        for format in ["json", "junit", "markdown", "html", "ctrf", "tap"] {
            let text = lab.oyez(&["report", "latest", "--format", format]).ended(0).text();
            assert!(text.contains("r.xml"), "cut at {cut}: {format} does not say what was cut");
        }
    }
    lab.oyez(&["exec", "--parse", "junit=r.xml", "--", "cp", "whole.xml", "r.xml"]).ended(0);
    assert_eq!(lab.jobs()[0]["complete"], "yes");
}

#[test]
fn a_results_file_that_is_not_there_makes_the_report_incomplete() {
    let lab = Lab::new();
    lab.oyez(&["exec", "--parse", "junit=none-*.xml", "--", "true"]).ended(0);
    let job = lab.job();
    assert_eq!(gaps(&job), ["source_cut"]);
    assert!(job["gaps"][0]["text"].as_str().unwrap().contains("none-*.xml"), "{job}");
}

#[test]
fn a_results_file_of_an_earlier_run_is_not_taken_for_this_one() {
    let lab = Lab::new();
    let path = lab.write("r.xml", RESULTS);
    let old = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    lab.oyez(&["exec", "--parse", "junit=r.xml", "--", "true"]).ended(0);
    let job = lab.job();
    assert_eq!(gaps(&job), ["source_cut"]);
    assert!(job["gaps"][0]["text"].as_str().unwrap().contains("older than this run"), "{job}");
    assert_eq!(job["counts"]["passed"], 0, "{job}");
}

#[test]
fn something_else_than_results_makes_the_report_incomplete() {
    let lab = Lab::new();
    for script in ["echo '<html/>' > r.xml", "echo 'TAP version 14' > r.xml", "mkdir -p d; : > r.xml"] {
        lab.oyez(&["exec", "--parse", "junit=r.xml", "--", "sh", "-c", script]).ended(0);
        assert_eq!(gaps(&lab.jobs()[0]), ["source_cut"], "{script}");
    }
}

#[test]
fn a_killed_exec_reads_failed_and_incomplete() {
    let lab = Lab::new();
    let mut running = lab.start(&["exec", "--", "sh", "-c", "echo $$ > pid; echo begun; exec sleep 600"]);
    lab.wait_for("log_text");
    assert_eq!((&lab.job()["state"], &lab.job()["complete"]), (&"Started".into(), &"unknown".into()));
    running.kill();
    let job = lab.job();
    assert_eq!(job["state"], "Failed", "{job}");
    let codes = gaps(&job);
    assert!(
        codes.contains(&"broke_off".to_owned()) && codes.contains(&"never_ended".to_owned()),
        "{codes:?}"
    );
    let done = lab.oyez(&["status", "latest"]).ended(3);
    assert!(done.text().contains("ended without a word"), "{}", done.text());
    assert!(
        lab.oyez(&["logs", "latest", "--raw"]).ended(0).text().contains("begun"),
        "what was heard is there"
    );
    lab.oyez(&["fsck"]).ended(0);
    // Said once, whoever looks.
    let events = lab.events();
    assert_eq!(events.iter().filter(|event| event["kind"] == "producer_broke").count(), 1);
    end(lab.read("pid").trim().parse().unwrap());
}

#[test]
fn who_follows_a_job_hears_that_it_was_killed() {
    let lab = Lab::new();
    let script = "echo $$ > pid; echo begun; exec sleep 600";
    let mut running = lab.start(&["exec", "--", "sh", "-c", script]);
    lab.wait_for("log_text");
    let followers =
        [&["events", "latest", "--follow"][..], &["logs", "latest", "--follow"]].map(|call| lab.start(call));
    running.kill();
    let [events, logs] = followers.map(|follower| follower.end().ended(0).text());
    assert!(events.contains("producer_broke") && logs.contains("begun"), "{events}\n{logs}");
    end(lab.read("pid").trim().parse().unwrap());
}

/// Takes away a process that a killed one left.
fn end(pid: i32) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_killed_run_reads_failed_and_incomplete() {
    let lab = Lab::new();
    let steps = [
        "{name: echo, label: a, parameters: {text: [x]}}",
        "{name: sleep, label: b, parameters: {duration: [10m]}}",
    ];
    lab.write("job.yaml", descriptor(&["T1", "T2"], &steps));
    let mut running = lab.start(&["run", "job.yaml", "--out", "out"]);
    poll("the targets do not sleep", || {
        let visits = lab.oyez(&["events", "latest", "--format", "jsonl"]);
        (visits.code == Some(0) && visits.text().matches("\"Sleep\"").count() == 2).then_some(())
    });
    running.kill();
    let job = lab.job();
    assert_eq!(job["state"], "Failed", "{job}");
    assert!(gaps(&job).contains(&"broke_off".to_owned()), "{job}");
    lab.oyez(&["report", "latest", "--out", "late"]).ended(0);
    assert!(lab.read("late/summary.md").contains("never ended"), "{}", lab.read("late/summary.md"));
    // Its targets are free again for the next job, and at once: not only when their leases run out.
    lab.write("next.yaml", descriptor(&["T1"], &steps[..1]));
    let next = lab.oyez(&["run", "next.yaml"]).ended(0);
    assert!(!next.err.contains("waiting for"), "{}", next.err);
    lab.oyez(&["fsck"]).ended(0);
}

#[test]
fn a_target_that_never_started_makes_the_report_incomplete() {
    let lab = Lab::new();
    // One process at a time: the others wait for their turn, which does not come.
    lab.write("job.yaml", descriptor(&["T1", "T2", "T3"], &[&shell("hang", "echo here; exec sleep 600")]));
    let mut running = lab.start(&["run", "job.yaml", "--max-processes", "1", "--out", "out"]);
    lab.wait_for("log_text");
    running.signal(Signal::INT);
    running.end().ended(4);
    let job = lab.job();
    assert_eq!(job["state"], "Cancelled");
    let codes = gaps(&job);
    assert!(codes.iter().any(|code| code == "never_started" || code == "planned_missing"), "{job:#}");
    let summary = lab.read("out/summary.md");
    assert!(summary.to_lowercase().contains("cancelled"), "{summary}");
}

#[test]
fn output_that_could_not_be_kept_is_counted() {
    let lab = Lab::new();
    // Someone else writes to the store for as long as the command runs, and there is no place for files: what it prints
    // finds no room.
    lab.oyez(&["exec", "--", "true"]).ended(0);
    let script = "echo begun; until [ -e locked ]; do sleep 0.01; done; head -c 60000000 /dev/zero | tr '\\0' x; : > printed";
    let mut command = lab.command(&["exec", "--", "sh", "-c", script]);
    command.env("TMPDIR", lab.path("nowhere"));
    let running = Running::of(command);
    lab.wait_for("log_text");
    let other = rusqlite::Connection::open(lab.path("store").join(oyez_store::sqlite::FILE)).unwrap();
    poll("the store was never free", || other.execute_batch("BEGIN IMMEDIATE").ok());
    lab.write("locked", "");
    let reader = std::thread::spawn(move || running.end());
    poll("the command waits for the store", || lab.path("printed").exists().then_some(()));
    other.execute_batch("COMMIT").unwrap();
    let done = reader.join().unwrap().ended(0);
    assert_eq!(done.out.len(), 60_000_006, "all of it was passed on");
    let job = lab.jobs().into_iter().next().unwrap();
    assert_eq!(gaps(&job), ["dropped_output"], "{job:#}");
    let kept = lab.oyez(&["logs", "latest", "--raw"]).ended(0).out.len() as u64;
    let dropped = lab.events().into_iter().find(|event| event["kind"] == "output_dropped").unwrap();
    assert_eq!(kept + dropped["bytes"].as_u64().unwrap(), 60_000_006, "what is missing is known to the byte");
}
