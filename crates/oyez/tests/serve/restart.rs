//! A server that is restarted, politely or not, while its job runs.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, golden, poll};
use crate::serve::serve;

/// The steps' events in order: label, event, target; without those whose order ConTest leaves open.
fn course(lab: &Lab) -> Vec<String> {
    let mut visits = std::collections::HashMap::new();
    let mut out = Vec::new();
    for event in lab.events() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["kind"].as_str().unwrap_or_default() {
            "target_acquired" => out.push(format!("TargetAcquired {}", text(&event["target"]["id"]))),
            "target_in" => {
                visits.insert(event["id"].as_u64().unwrap(), text(&event["label"]));
                out.push(format!("{} TargetIn", text(&event["label"])));
            }
            "target_out" => {
                let id = event["id"]["number"].as_u64().or(event["id"].as_u64()).unwrap_or_default();
                let label = visits.get(&id).cloned().unwrap_or_else(|| event["id"].to_string());
                out.push(format!("{label} TargetOut"));
            }
            "target_released" => out.push("TargetReleased".to_owned()),
            _ => {}
        }
    }
    out
}

/// The same of the recording.
fn recorded(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let (label, event, target) = (*fields.get(4)?, *fields.get(5)?, *fields.get(6)?);
        match event {
            "TargetAcquired" => Some(format!("TargetAcquired {target}")),
            "TargetReleased" => Some(event.to_owned()),
            "TargetIn" | "TargetOut" => Some(format!("{label} {event}")),
            _ => None,
        }
    };
    text.lines().skip(1).filter_map(line).collect()
}

#[test]
fn a_server_that_is_restarted_every_second_does_each_step_once_as_recorded() {
    let Some(golden) = golden() else { return };
    let lab = Lab::new();
    let job = std::fs::read_to_string(golden.join("test-resume.yaml")).unwrap();
    // The manager with a state is one of ConTest's own tests; what it hands out is the same.
    let job = job
        .replace("TargetListWithState", "TargetList")
        .replace("TargetManagerReleaseParameters:\n", "TargetManagerReleaseParameters: {}\n");
    lab.write("job.yaml", job);
    let arguments = ["--server-id", "labsrv", "--pause-timeout", "-1"];
    let mut server = serve(&lab, &arguments);
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    let mut restarts = 0;
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let state = server.job(&lab, "1")["state"].as_str().unwrap().to_owned();
        if state == "Completed" {
            break;
        }
        assert!(restarts < 40, "it does not come to its end: {state}");
        server.running.signal(rustix::process::Signal::TERM);
        server.running.end();
        restarts += 1;
        server = serve(&lab, &arguments);
    }
    assert!(restarts >= 5, "{restarts}");
    let expected =
        recorded(&std::fs::read_to_string(golden.join("recorded/resume-test-events.txt")).unwrap());
    assert_eq!(course(&lab), expected);
    let job = server.job(&lab, "1");
    assert_eq!((job["verdict"].as_str(), job["complete"].as_str()), (Some("success"), Some("yes")), "{job}");
}

#[test]
fn a_server_that_is_killed_again_and_again_brings_its_jobs_to_their_end() {
    let lab = Lab::new();
    let steps = "[{name: echo, label: a, parameters: {text: [hello]}}, \
        {name: sleep, label: b, parameters: {duration: [150ms]}}, \
        {name: cmd, label: c, parameters: {executable: [sh], args: [-c, 'sleep 0.05']}, X-Oyez: {repeatable: true}}, \
        {name: sleep, label: d, parameters: {duration: [150ms]}}]";
    let job = format!(
        "JobName: kill\nVersion: '1.0'\nRuns: 4\nTestDescriptors:\n  - TargetManagerName: TargetList\n    \
         TargetManagerAcquireParameters: {{Targets: [{{ID: T1}}, {{ID: T2}}]}}\n    \
         TargetManagerReleaseParameters: {{}}\n    TestFetcherName: literal\n    \
         TestFetcherFetchParameters: {{TestName: A, Steps: {steps}}}\n    \
         CleanupFetcherName: literal\n    \
         CleanupFetcherFetchParameters: {{Steps: [{{name: sleep, label: e, parameters: {{duration: [50ms]}}}}]}}\n\
         Reporting:\n  RunReporters: [{{Name: TargetSuccess, Parameters: {{SuccessExpression: '=100%'}}}}]\n"
    );
    lab.write("job.yaml", job);
    let mut server = serve(&lab, &["--server-id", "labsrv"]);
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    let mut kills = 0_u64;
    while server.job(&lab, "1")["state"] != "Completed" {
        // Each time a little later after its start.
        std::thread::sleep(Duration::from_millis(20 + kills * 37 % 230));
        assert!(kills < 60, "it does not come to its end");
        server.running.kill();
        kills += 1;
        server = serve(&lab, &["--server-id", "labsrv"]);
    }
    let job = server.job(&lab, "1");
    assert_eq!((job["verdict"].as_str(), job["complete"].as_str()), (Some("success"), Some("yes")), "{job}");
    assert!(kills >= 3, "{kills}");
    let course = course(&lab);
    for label in ["a", "b", "c", "d", "e"] {
        for what in ["TargetIn", "TargetOut"] {
            let count = course.iter().filter(|line| **line == format!("{label} {what}")).count();
            assert_eq!(count, 8, "{label} {what}, {kills} kills: {course:#?}");
        }
    }
    poll("targets stay held", || {
        let held = server.oyez(&lab, &["targets", "list", "--format", "json"]).ended(0).json();
        (held == serde_json::json!([])).then_some(())
    });
}

/// A job whose steps, clean-up and targets come from files, which are gone as soon as it was submitted.
fn with_files_that_are_gone(lab: &Lab, server: &crate::serve::Server) {
    lab.write(
        "steps.json",
        r#"{"steps": [
        {"name": "sleep", "label": "first", "parameters": {"duration": ["400ms"]}},
        {"name": "sleep", "label": "second", "parameters": {"duration": ["400ms"]}}]}"#,
    );
    lab.write(
        "cleanup.json",
        r#"{"steps": [{"name": "echo", "label": "bye", "parameters": {"text": ["bye {{ .ID }}"]}}]}"#,
    );
    let job = format!(
        "JobName: gone\nVersion: '1.0'\nRuns: 2\nTestDescriptors:\n  - TargetManagerName: TargetList\n    \
         TargetManagerAcquireParameters: {{Targets: [{{ID: T1}}, {{ID: T2}}]}}\n    \
         TargetManagerReleaseParameters: {{}}\n    TestFetcherName: URI\n    \
         TestFetcherFetchParameters: {{TestName: A, URI: 'file://{}'}}\n    CleanupFetcherName: URI\n    \
         CleanupFetcherFetchParameters: {{URI: '{}'}}\nReporting:\n  \
         RunReporters: [{{Name: TargetSuccess, Parameters: {{SuccessExpression: '=100%'}}}}]\n",
        lab.path("steps.json").display(),
        lab.path("cleanup.json").display(),
    );
    lab.write("job.yaml", job);
    server.oyez(lab, &["submit", "job.yaml"]).ended(0);
    for name in ["steps.json", "cleanup.json"] {
        std::fs::remove_file(lab.path(name)).unwrap();
    }
    lab.wait_for("target_in");
}

fn assert_each_step_once(lab: &Lab, server: &crate::serve::Server) {
    let job = poll("it does not come to its end", || {
        let job = server.job(lab, "1");
        (job["state"] == "Completed").then_some(job)
    });
    assert_eq!((&job["verdict"], &job["complete"]), (&"success".into(), &"yes".into()), "{job:#}");
    let course = course(lab);
    for label in ["first", "second", "bye"] {
        let count = course.iter().filter(|line| **line == format!("{label} TargetOut")).count();
        assert_eq!(count, 4, "{label}: {course:#?}");
    }
    // What is asked of it needs no file either, nor does doing it again.
    server.oyez(lab, &["status", "1"]).ended(0);
    let again = server.oyez(lab, &["retry", "1"]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn a_killed_servers_job_goes_on_although_the_files_of_its_steps_are_gone() {
    let lab = Lab::new();
    let mut server = serve(&lab, &["--server-id", "labsrv"]);
    with_files_that_are_gone(&lab, &server);
    server.running.kill();
    drop(server);
    let server = serve(&lab, &["--server-id", "labsrv"]);
    assert_each_step_once(&lab, &server);
}

#[test]
fn a_paused_job_goes_on_although_the_files_of_its_steps_are_gone() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    with_files_that_are_gone(&lab, &server);
    server.oyez(&lab, &["pause", "1"]).ended(0);
    poll("it does not pause", || (server.job(&lab, "1")["state"] == "Paused").then_some(()));
    server.oyez(&lab, &["resume", "1"]).ended(0);
    assert_each_step_once(&lab, &server);
}
