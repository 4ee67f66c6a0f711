//! `exec` on this machine: programs of any kind, and those that report as OCP diagnostics do.

use std::sync::Arc;

use oyez_engine::Control;
use oyez_model::event::Stream;
use oyez_model::{EventBody, JobState, Outcome};
use serde_json::{Value, json};

use super::lab::{Lab, Ran, Watcher, job, step, test};
use super::plain::named;

/// A step that runs a shell script, with whatever else stands in the bag.
pub fn script(label: &str, script: &str, transport: Value, more: Value) -> Value {
    let mut bag = json!({"bin": {"path": "/bin/sh", "args": ["-c", script]}, "transport": transport});
    for (name, value) in more.as_object().unwrap() {
        bag[name] = value.clone();
    }
    step("exec", label, json!({"bag": [bag]}))
}

fn local(text: &str, more: Value) -> Value {
    script("x", text, json!({"proto": "local"}), more)
}

/// A line of an OCP diagnostic.
pub fn artifact(sequence: u32, what: Value) -> String {
    let mut line = what;
    line["sequenceNumber"] = json!(sequence);
    line["timestamp"] = json!("2026-01-01T00:00:00Z");
    line.to_string()
}

/// A script that prints a diagnostic's report.
pub fn report(result: &str) -> String {
    let lines = [
        artifact(0, json!({"schemaVersion": {"major": 2, "minor": 0}})),
        artifact(1, json!({"testRunArtifact": {"testRunStart": {"name": "fans", "version": "1"}}})),
        artifact(2, json!({"testStepArtifact": {"testStepId": "0", "testStepStart": {"name": "speed"}}})),
        artifact(
            3,
            json!({"testStepArtifact": {"testStepId": "0", "measurement": {"name": "rpm", "value": 1500}}}),
        ),
        "something else".to_owned(),
        artifact(4, json!({"testStepArtifact": {"testStepId": "0", "testStepEnd": {"status": "COMPLETE"}}})),
        artifact(5, json!({"testRunArtifact": {"testRunEnd": {"status": "COMPLETE", "result": result}}})),
    ];
    lines.map(|line| format!("echo '{line}'\n")).concat()
}

/// The sections below the visit: type, name, outcome.
pub fn sections(ran: &Ran) -> Vec<(String, String, Option<Outcome>)> {
    let ended = |id: u64| {
        ran.events.iter().find_map(|event| match &event.body {
            EventBody::SectionStopped(e) if e.id.number == id => e.outcome,
            _ => None,
        })
    };
    let one = |event: &oyez_model::Event| match &event.body {
        EventBody::SectionStarted(e) => Some((e.r#type.clone(), e.name.clone(), ended(e.id))),
        _ => None,
    };
    ran.events.iter().filter_map(one).collect()
}

#[tokio::test]
async fn a_program_runs_and_its_output_is_kept() {
    let lab = Lab::new();
    let ran = lab
        .run(&job(vec![test("t", &["T1"], vec![local("echo out {{ .ID }}; echo err >&2", json!({}))])]))
        .await;
    assert_eq!(ran.errors(), [""; 0]);
    assert_eq!(
        (ran.text(Stream::Stdout), ran.text(Stream::Stderr)),
        (b"out T1\n".to_vec(), b"err\n".to_vec())
    );
    let expected = [("TestStart", json!({})), ("TestEnd", Value::Null)];
    assert_eq!(named(&ran), expected.map(|(name, payload)| (name.to_owned(), "T1".to_owned(), payload)));
}

#[tokio::test]
async fn variables_of_steps_before_reach_it() {
    let lab = Lab::new();
    let set = step("variables", "v", json!({"word": ["hello"]}));
    let ran = lab
        .run(&job(vec![test("t", &["T1"], vec![set, local("echo {{ StringVar \"v.word\" }}", json!({}))])]))
        .await;
    assert_eq!((ran.errors(), ran.text(Stream::Stdout)), (vec![], b"hello\n".to_vec()));
}

#[tokio::test]
async fn failures_are_said_in_contests_words() {
    let lab = Lab::new();
    let map = json!({"exitcode_map": {"3": "three of {{ .ID }}"}});
    let nothing =
        step("exec", "n", json!({"bag": [{"bin": {"path": "/no/such"}, "transport": {"proto": "local"}}]}));
    let plain = step(
        "exec",
        "p",
        json!({"bag": [{"bin": {"path": "/etc/passwd"}, "transport": {"proto": "local"}}]}),
    );
    let odd =
        step("exec", "o", json!({"bag": [{"bin": {"path": "/bin/sh"}, "transport": {"proto": "smoke"}}]}));
    let tests = [
        (local("exit 3", map.clone()), "exit code mapped error: three of T1"),
        (local("exit 4", map), "process exited with non-zero code: 4"),
        (
            local("exit 4", json!({"ocp_output": true})),
            "failed to wait on transport: process exited with non-zero code: 4",
        ),
        (local("true", json!({"ocp_output": true})), "did not see a complete run"),
        (local("sleep 100", json!({"constraints": {"time_quota": "200ms"}})), "timed out after 200ms"),
        (nothing, "failed to create proc: no such file"),
        (plain, "failed to create proc: provided binary is not executable"),
        (odd, "fail to create transport: no such transport: smoke"),
    ];
    for (step, error) in tests {
        let ran = lab.run(&job(vec![test("t", &["T1"], vec![step])])).await;
        assert_eq!((ran.errors(), ran.end.state), (vec![error.to_owned()], JobState::Completed));
    }
}

#[tokio::test]
async fn a_report_becomes_sections_measurements_and_contests_events() {
    let lab = Lab::new();
    let ran = lab
        .run(&job(vec![test("t", &["T1"], vec![local(&report("PASS"), json!({"ocp_output": true}))])]))
        .await;
    assert_eq!(ran.errors(), [""; 0]);
    let passed = |kind: &str, name: &str| (kind.to_owned(), name.to_owned(), Some(Outcome::Passed));
    assert_eq!(sections(&ran), [passed("TestRun", "fans"), passed("Step", "speed")]);
    assert_eq!(ran.count("measurement"), 1);
    assert_eq!(ran.text(Stream::Stdout), b"something else\n");
    let names: Vec<_> = named(&ran).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["TestStart", "StepStart", "StepEnd", "TestEnd"]);
    let payload = &named(&ran)[0].2;
    let time = "2026-01-01T00:00:00Z";
    assert_eq!(*payload, json!({"sequenceNumber": 1, "timestamp": time, "name": "fans", "version": "1"}));
    let end =
        json!({"sequenceNumber": 4, "timestamp": time, "stepId": "0", "name": "", "status": "COMPLETE"});
    assert_eq!(named(&ran)[2].2, end);
}

#[tokio::test]
async fn a_report_that_says_fail_fails_and_one_with_a_gap_is_incomplete() {
    let lab = Lab::new();
    let ran = lab
        .run(&job(vec![test("t", &["T1"], vec![local(&report("FAIL"), json!({"ocp_output": true}))])]))
        .await;
    assert_eq!((ran.errors(), ran.count("source_cut")), (vec!["test failed".to_owned()], 0));
    let gap =
        report("PASS").lines().filter(|line| !line.contains("measurement")).collect::<Vec<_>>().join("\n");
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![local(&gap, json!({"ocp_output": true}))])])).await;
    assert_eq!((ran.errors(), ran.count("source_cut")), (vec![], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_diagnostic_says_is_heard_while_it_runs() {
    let lab = Lab::new();
    let fifo = lab.path("fifo");
    super::lab::fifo(&fifo);
    let text = format!(
        "{}read x < {}\n{}",
        report("PASS").lines().take(2).map(|l| format!("{l}\n")).collect::<String>(),
        fifo.display(),
        report("PASS").lines().skip(2).map(|l| format!("{l}\n")).collect::<String>()
    );
    let watcher = Arc::new(Watcher::default());
    let go_on = async {
        watcher.until("section_started", 1).await;
        super::lab::write(fifo.clone(), "go\n").await;
    };
    let job = job(vec![test("t", &["T1"], vec![local(&text, json!({"ocp_output": true}))])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, Control::new(), watcher.clone()), go_on);
    assert_eq!((ran.errors(), sections(&ran).len()), (vec![], 2));
}
