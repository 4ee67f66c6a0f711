//! The scenarios that ConTest's own tests run from end to end, by its verbs, against the built server: which events come in
//! which order. (specs/contest.md 5; the one with restarts stands in `restart.rs`.)
//!
//! Each is done with a descriptor of ours, and with ConTest's own where that is at hand.

use std::collections::HashMap;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::http::{ask, verb};
use crate::lab::{Lab, golden, poll};
use crate::serve::{Server, serve};

/// A descriptor of ConTest's as its client sends it, with other words in some places.
fn golden_descriptor(file: &str, others: &[(&str, &str)]) -> Option<Value> {
    let text = std::fs::read_to_string(golden()?.join(file)).unwrap();
    let text = others.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} does not stand in {file}");
        text.replace(from, to)
    });
    let mut descriptor: Value = serde_saphyr::from_str(&text).unwrap();
    // As the client does.
    descriptor["Version"] = json!("1.0");
    Some(descriptor)
}

fn cmd(label: &str, text: &str) -> Value {
    json!({"name": "cmd", "label": label, "parameters": {
        "executable": ["echo"], "args": [text], "emit_stdout": [true], "emit_stderr": [true]}})
}

fn test(name: &str, target: &str, steps: &[Value]) -> Value {
    json!({
        "TargetManagerName": "TargetList", "TargetManagerAcquireParameters": {"Targets": [{"ID": target}]},
        "TargetManagerReleaseParameters": null, "TestFetcherName": "literal",
        "TestFetcherFetchParameters": {"TestName": name, "Steps": steps}})
}

fn job(runs: u64, tests: &[Value]) -> Value {
    json!({
        "JobName": "scenario", "Version": "1.0", "Runs": runs, "RunInterval": "100ms", "Tags": ["scenario"],
        "TestDescriptors": tests,
        "Reporting": {
            "RunReporters": [{"name": "TargetSuccess", "parameters": {"SuccessExpression": "=100%"}}],
            "FinalReporters": [{"name": "noop"}]}})
}

fn start(server: &Server, descriptor: &Value) {
    let descriptor = descriptor.to_string();
    let answer = verb(server, "start", &[("requestor", b"me"), ("jobDesc", descriptor.as_bytes())]);
    let expected =
        json!({"ServerID": "labsrv", "Type": "ResponseTypeStart", "Data": {"JobID": 1}, "Error": null});
    assert_eq!(answer.json(), expected);
}

/// ConTest's status once the job has ended.
fn ended(server: &Server) -> Value {
    poll("the job does not come to its end", || {
        let mut answer = verb(server, "status", &[("requestor", b"me"), ("jobID", b"1")]).json();
        let status = answer["Data"]["Status"].take();
        let state = status["State"].as_str().unwrap().to_owned();
        assert!(["Unknown", "JobStateStarted", "JobStateCompleted"].contains(&state.as_str()), "{status:#}");
        (state == "JobStateCompleted").then_some(status)
    })
}

fn events(server: &Server) -> Vec<Value> {
    let answer = ask(server, "GET", "/api/v1/jobs/1/events?follow=false", "", b"");
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where a node stands.
#[derive(Clone, Default)]
struct Node {
    /// Run, test, attempt.
    test: String,
    target: String,
    label: String,
}

/// What happened to targets, in our API's events: `run test attempt label target event what`.
fn course(events: &[Value]) -> Vec<String> {
    let mut nodes: HashMap<u64, Node> = HashMap::new();
    let mut out = Vec::new();
    for event in events {
        let id = event["id"].as_u64().unwrap_or_default();
        let above =
            |of: &str| nodes.get(&event[of].as_u64().unwrap_or_default()).cloned().unwrap_or_default();
        let mut node = above("id");
        let (name, what) = match event["kind"].as_str().unwrap() {
            "run_started" => {
                node.test = event["run"].to_string();
                nodes.insert(id, node);
                continue;
            }
            "test_started" => {
                let run = above("parent").test;
                node.test = format!("{run} {} {}", text(&event["name"]), event["attempt"]);
                nodes.insert(id, node);
                continue;
            }
            "target_acquired" => {
                node = Node { target: text(&event["target"]["id"]), ..above("test") };
                nodes.insert(id, node.clone());
                ("TargetAcquired".to_owned(), String::new())
            }
            "target_in" => {
                node = Node { label: text(&event["label"]), ..above("target") };
                nodes.insert(id, node.clone());
                ("TargetIn".to_owned(), String::new())
            }
            "target_out" => ("TargetOut".to_owned(), String::new()),
            "target_err" => ("TargetErr".to_owned(), text(&event["error"])),
            "target_released" => ("TargetReleased".to_owned(), String::new()),
            "variable_emitted" => {
                ("VariableEmitted".to_owned(), format!("{}={}", text(&event["name"]), event["value"]))
            }
            "named" => {
                assert_eq!(text(&event["target"]), node.target);
                let name = text(&event["name"]);
                let what = said(&name, &event["payload"]);
                (name, what)
            }
            _ => continue,
        };
        out.push(line(&node.test, &node.label, &node.target, &name, &what));
    }
    out
}

/// What a payload says that is the same wherever the test runs.
fn said(event: &str, payload: &Value) -> String {
    match event {
        "CmdStart" => payload["Args"].as_array().unwrap()[1..].iter().map(text).collect::<Vec<_>>().join(" "),
        "CmdStdout" | "CmdStderr" => text(&payload["Msg"]),
        "waitportStart" => text(&payload["Address"]),
        _ => {
            assert_eq!(*payload, Value::Null, "{event}");
            String::new()
        }
    }
}

fn line(test: &str, label: &str, target: &str, event: &str, what: &str) -> String {
    format!("[{test} {label}] {target} {event} {}", what.trim_end()).trim_end().to_owned()
}

/// What ConTest does with a descriptor whose targets are one each, as its tests have it: `fails` says with what a step
/// ends in an attempt.
fn expected(descriptor: &Value, fails: impl Fn(u64, &str) -> Option<&'static str>) -> Vec<String> {
    let mut out = Vec::new();
    for run in 1..=descriptor["Runs"].as_u64().unwrap() {
        for test in descriptor["TestDescriptors"].as_array().unwrap() {
            let fetched = &test["TestFetcherFetchParameters"];
            let target = text(&test["TargetManagerAcquireParameters"]["Targets"][0]["ID"]);
            let attempts = test["RetryParameters"]["NumRetries"].as_u64().unwrap_or(0) + 1;
            for attempt in 0..attempts {
                let place = format!("{run} {} {attempt}", text(&fetched["TestName"]));
                let mut say = |label: &str, event: &str, what: &str| {
                    out.push(line(&place, label, &target, event, what));
                };
                say("", "TargetAcquired", "");
                let mut has_failed = false;
                for step in fetched["Steps"].as_array().unwrap() {
                    let label = text(&step["label"]);
                    say(&label, "TargetIn", "");
                    let parameters = &step["parameters"];
                    match step["name"].as_str().unwrap() {
                        "cmd" => {
                            let words = text(&parameters["args"][0])
                                .replace("{{ .ID }}", &target)
                                .replace("{{ StringVar \"variablesstep.message\" }}", "Hello")
                                .replace("{{ StringVar \"greeting.word\" }}", "good morning");
                            say(&label, "CmdStart", &words);
                            say(&label, "CmdEnd", "");
                            say(&label, "CmdStdout", &words);
                            say(&label, "CmdStderr", "");
                        }
                        "variables" => {
                            for (name, values) in parameters.as_object().unwrap() {
                                say(&label, "VariableEmitted", &format!("{name}={}", values[0]));
                            }
                        }
                        "waitport" => {
                            say(&label, "waitportStart", &text(&parameters["target"][0]));
                            say(&label, "waitportEnd", "");
                        }
                        other => panic!("{other}"),
                    }
                    if let Some(error) = fails(attempt, &label) {
                        say(&label, "TargetErr", error);
                        has_failed = true;
                        break;
                    }
                    say(&label, "TargetOut", "");
                }
                say("", "TargetReleased", "");
                if !has_failed {
                    break;
                }
            }
        }
    }
    out
}

/// ConTest's status, flat: what each step's target says, in the order of runs, tests, steps and events.
fn flat(status: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for test in list(&status["RunStatuses"]).iter().flat_map(|run| list(&run["TestStatuses"])) {
        for step in list(&test["TestStepStatuses"]) {
            for target in list(&step["TargetStatuses"]) {
                let name = text(&target["Target"]["ID"]);
                let events = list(&target["Events"]);
                // What routes a target stands there as times.
                assert!(target["InTime"].as_str() <= target["OutTime"].as_str(), "{target:#}");
                for event in events {
                    let (header, data) = (&event["Header"], &event["Data"]);
                    let place = format!(
                        "{} {} {}",
                        header["RunID"],
                        text(&header["TestName"]),
                        header["TestAttempt"]
                    );
                    let event = text(&data["EventName"]);
                    let what = match event.as_str() {
                        "VariableEmitted" => {
                            format!("{}={}", text(&data["Payload"]["Name"]), text(&data["Payload"]["Value"]))
                        }
                        _ => said(&event, &data["Payload"]),
                    };
                    out.push(line(&place, &text(&header["TestStepLabel"]), &name, &event, &what));
                }
                assert_eq!(target["Error"], "", "{target:#}");
            }
        }
    }
    out
}

/// Of what is expected that which stands as an event in a status: routing is told by times.
fn in_status(expected: &[String]) -> Vec<String> {
    expected.iter().filter(|line| !is_routing(line)).cloned().collect()
}

fn is_routing(line: &str) -> bool {
    let event = line.split("] ").nth(1).unwrap().split(' ').nth(1).unwrap();
    event.starts_with("Target")
}

fn reports_are_good(status: &Value, runs: usize) {
    let reports = &status["JobReport"];
    assert_eq!(reports["RunReports"].as_array().unwrap().len(), runs, "{reports:#}");
    let all = reports["RunReports"].as_array().unwrap().iter().flat_map(|run| run.as_array().unwrap());
    for report in all.chain(reports["FinalReports"].as_array().unwrap()) {
        assert_eq!(report["Success"], true, "{report:#}");
    }
}

/// Does a job, and holds its events in our API and in ConTest's status against what is expected.
fn is_done_as_expected(descriptor: &Value) -> Vec<String> {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    start(&server, descriptor);
    let status = ended(&server);
    let expected = expected(descriptor, |_, _| None);
    let course = course(&events(&server));
    assert_eq!(course, expected);
    assert_eq!(flat(&status), in_status(&expected));
    reports_are_good(&status, usize::try_from(descriptor["Runs"].as_u64().unwrap()).unwrap());
    course
}

#[test]
fn two_runs_of_two_tests_have_their_events_in_contests_order() {
    let ours = job(
        2,
        &[
            test("One", "T1", &[cmd("a", "one a on {{ .ID }}"), cmd("b", "one b on {{ .ID }}")]),
            test("Two", "T2", &[cmd("c", "two c on {{ .ID }}"), cmd("d", "two d on {{ .ID }}")]),
        ],
    );
    let course = is_done_as_expected(&ours);
    // Of these events ConTest's own test holds the whole list.
    let held: Vec<&str> = course
        .iter()
        .filter(|line| ["TargetAcquired", "CmdStdout", "TargetReleased"].iter().any(|e| line.contains(e)))
        .map(String::as_str)
        .collect();
    let run = |run: u64| {
        [
            format!("[{run} One 0 ] T1 TargetAcquired"),
            format!("[{run} One 0 a] T1 CmdStdout one a on T1"),
            format!("[{run} One 0 b] T1 CmdStdout one b on T1"),
            format!("[{run} One 0 ] T1 TargetReleased"),
            format!("[{run} Two 0 ] T2 TargetAcquired"),
            format!("[{run} Two 0 c] T2 CmdStdout two c on T2"),
            format!("[{run} Two 0 d] T2 CmdStdout two d on T2"),
            format!("[{run} Two 0 ] T2 TargetReleased"),
        ]
    };
    assert_eq!(held, [run(1), run(2)].concat());
    if let Some(theirs) = golden_descriptor("test-simple.yaml", &[]) {
        is_done_as_expected(&theirs);
    }
}

#[test]
fn a_variable_that_a_step_sets_reaches_the_next_one() {
    let variables =
        json!({"name": "variables", "label": "greeting", "parameters": {"word": ["good morning"]}});
    let ours = job(1, &[test("One", "T1", &[variables, cmd("say", "{{ StringVar \"greeting.word\" }}")])]);
    let course = is_done_as_expected(&ours);
    assert!(course.contains(&"[1 One 0 greeting] T1 VariableEmitted word=\"good morning\"".to_owned()));
    assert!(course.contains(&"[1 One 0 say] T1 CmdStdout good morning".to_owned()), "{course:#?}");
    if let Some(theirs) = golden_descriptor("test-variables.yaml", &[]) {
        is_done_as_expected(&theirs);
    }
}

/// A test whose port nobody listens on at first: it is tried again, and somebody does then.
fn is_tried_again(descriptor: &Value, port: u16, waits: &str) {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    start(&server, descriptor);
    poll("the first attempt does not fail", || {
        events(&server).iter().any(|event| event["kind"] == "target_released").then_some(())
    });
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let status = ended(&server);
    let fails =
        |attempt: u64, label: &str| (attempt == 0 && label == waits).then_some("context deadline exceeded");
    let expected = expected(descriptor, fails);
    assert_eq!(course(&events(&server)), expected);
    // A status is of each step's last attempt, and all of them were in the second one.
    let name = text(&descriptor["TestDescriptors"][0]["TestFetcherFetchParameters"]["TestName"]);
    let mut last = in_status(&expected);
    last.retain(|line| line.starts_with(&format!("[1 {name} 1 ")));
    assert_eq!(flat(&status), last);
    reports_are_good(&status, 1);
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn a_test_that_fails_is_tried_again_from_its_first_step() {
    let port = free_port();
    let wait = json!({"name": "waitport", "label": "wait", "parameters": {
        "target": ["localhost"], "port": [port.to_string()], "protocol": ["tcp"], "check_interval": ["20ms"],
        "timeout": ["200ms"]}});
    let mut ours = test("One", "T1", &[cmd("a", "a on {{ .ID }}"), wait, cmd("b", "b on {{ .ID }}")]);
    ours["RetryParameters"] = json!({"NumRetries": 1, "RetryInterval": "2s"});
    is_tried_again(&job(1, &[ours]), port, "wait");
    let port = free_port();
    let others = [
        ("TargetListWithState", "TargetList"),
        ("[[ .WaitPort]]", &port.to_string()),
        ("RetryInterval: \"10s\"", "RetryInterval: \"2s\""),
    ];
    if let Some(theirs) = golden_descriptor("test-retry.yaml", &others) {
        is_tried_again(&theirs, port, "Step2");
    }
}
