//! Requests that no sane client sends, to the built server: each is answered before long, in ConTest's envelope or as a
//! problem, with the limit's name where it is one, and the server goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Answer, ask, verb};
use crate::lab::{Lab, poll};
use crate::serve::{Server, serve};

/// The built server of a test is not an optimised one, and shares its processors with other tests.
const PROMPT: Duration = Duration::from_secs(30);
/// The longest descriptor.
const LONGEST: usize = 64 << 20;

fn well(server: &Server) {
    let began = Instant::now();
    let answer = verb(server, "version", &[]);
    assert_eq!(answer.json()["Data"]["Version"], 5);
    assert_eq!(ask(server, "GET", "/readyz", "", b"").status, 200);
    assert!(began.elapsed() < PROMPT);
}

/// By ConTest's verb: the job's number, and the error in the envelope.
fn start(server: &Server, descriptor: &[u8]) -> (u64, Option<String>) {
    let began = Instant::now();
    let answer = verb(server, "start", &[("requestor", b"me"), ("jobDesc", descriptor)]);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.json();
    assert_eq!((&said["ServerID"], &said["Type"]), (&json!("labsrv"), &json!("ResponseTypeStart")));
    (said["Data"]["JobID"].as_u64().unwrap(), said["Error"].as_str().map(str::to_owned))
}

/// By our API.
fn submit(server: &Server, descriptor: &[u8]) -> Answer {
    let began = Instant::now();
    let answer = ask(server, "POST", "/api/v1/jobs", "application/json", descriptor);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    answer
}

/// The word of a problem, and all that it says.
fn problem(answer: &Answer) -> (String, String) {
    assert!(answer.head.contains("application/problem+json"), "{} {}", answer.head, answer.text());
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status);
    let word = problem["type"].as_str().unwrap().trim_start_matches("urn:oyez:problem:").to_owned();
    (word, answer.text())
}

/// Both ways in refuse it as a descriptor, in words that name `limit`.
fn both_refuse(server: &Server, descriptor: &[u8], limit: &str) {
    let (id, error) = start(server, descriptor);
    assert_eq!(id, 0);
    let error = error.unwrap();
    assert!(error.contains(limit) && error.len() < 4_000, "{error}");
    let (word, text) = problem(&submit(server, descriptor));
    assert_eq!(word, "descriptor");
    assert!(text.contains(limit) && text.len() < 100_000, "{text}");
    well(server);
}

fn echo(text: &Value) -> Value {
    json!({"name": "echo", "label": "say", "parameters": {"text": [text]}})
}

fn job(targets: &Value, step: &Value) -> Value {
    json!({
        "JobName": "j", "Version": "1.0", "Runs": 1,
        "TestDescriptors": [{
            "TargetManagerName": "TargetList", "TargetManagerAcquireParameters": {"Targets": targets},
            "TargetManagerReleaseParameters": {}, "TestFetcherName": "literal",
            "TestFetcherFetchParameters": {"TestName": "t", "Steps": [step]}}],
        "Reporting": {"RunReporters": [{"Name": "noop"}]}})
}

fn simple() -> Value {
    job(&json!([{"ID": "T1"}]), &echo(&json!("hello")))
}

fn comes_to(server: &Server, id: u64, state: &str) -> Value {
    poll(&format!("job {id} does not become {state}"), || {
        let job = ask(server, "GET", &format!("/api/v1/jobs/{id}"), "", b"").json();
        (job["state"] == state).then_some(job)
    })
}

#[test]
fn a_million_targets_are_taken_and_can_be_stopped() {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv", "--max-jobs", "1"]);
    let nap = json!({"name": "sleep", "label": "nap", "parameters": {"duration": ["10m"]}});
    let (first, _) = start(&server, job(&json!([{"ID": "T1"}]), &nap).to_string().as_bytes());
    let targets: Vec<String> = (0..1_000_000).map(|i| format!("{{\"ID\":\"t{i:07}\"}}")).collect();
    let descriptor = job(&json!("HERE"), &echo(&json!("hello")))
        .to_string()
        .replace("\"HERE\"", &format!("[{}]", targets.join(",")));
    let (second, error) = start(&server, descriptor.as_bytes());
    assert_eq!((second, error), (2, None));
    well(&server);
    // It is next after the large one.
    let (third, _) = start(&server, simple().to_string().as_bytes());
    let stopped = verb(&server, "stop", &[("requestor", b"me"), ("jobID", b"2")]);
    assert_eq!(stopped.json()["Error"], Value::Null);
    comes_to(&server, second, "Cancelled");
    verb(&server, "stop", &[("requestor", b"me"), ("jobID", first.to_string().as_bytes())]);
    comes_to(&server, third, "Completed");
    well(&server);
}

#[test]
fn depth_is_refused_or_kept_as_it_is_and_never_ends_the_server() {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    both_refuse(&server, deep.as_bytes(), "");
    both_refuse(&server, &deep.as_bytes()[..100_000], "");
    both_refuse(&server, deep.replace('[', "{\"a\":").replace(']', "}").as_bytes(), "");
    // Where any JSON may stand it is a text like another, unless a plugin looks into it.
    let with = |step: Value| job(&json!([{"ID": "T1"}]), &step).to_string().replace("\"HERE\"", &deep);
    let exec = json!({"name": "exec", "label": "x", "parameters": {"bag": ["HERE"]}});
    both_refuse(&server, with(exec).as_bytes(), "");
    let (id, error) = start(&server, with(echo(&json!("HERE"))).as_bytes());
    assert_eq!(error, None);
    comes_to(&server, id, "Completed");
    for path in ["", "/tests", "/events?follow=false", "/report?format=json", "/report?format=html"] {
        let answer = ask(&server, "GET", &format!("/api/v1/jobs/{id}{path}"), "", b"");
        assert_eq!(answer.status, 200, "{path}");
    }
    let status = verb(&server, "status", &[("requestor", b"me"), ("jobID", id.to_string().as_bytes())]);
    assert_eq!(status.json()["Data"]["Status"]["State"], "JobStateCompleted");
    // Retried, it is read once more.
    let again = verb(&server, "retry", &[("requestor", b"me"), ("jobID", id.to_string().as_bytes())]).json();
    comes_to(&server, again["Data"]["NewJobID"].as_u64().unwrap(), "Completed");
    well(&server);
}

#[test]
fn bodies_that_are_too_large_are_refused_by_the_limits_name() {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    let large = vec![b'x'; LONGEST + (1 << 20)];
    let answer = verb(&server, "start", &[("requestor", b"me"), ("jobDesc", &large)]);
    assert_eq!(answer.status, 400);
    assert!(answer.json()["Msg"].as_str().unwrap().contains("the form is too long"), "{}", answer.text());
    well(&server);
    let (word, text) = problem(&submit(&server, &large));
    assert_eq!(word, "too-large");
    assert!(text.contains(&LONGEST.to_string()), "{text}");
    let (word, _) =
        problem(&ask(&server, "POST", "/api/v1/jobs/1/stop", "application/json", &large[..1 << 20]));
    assert_eq!(word, "too-large");
    well(&server);
}

#[test]
fn too_many_tags_and_too_long_names_are_refused_by_the_limits_name() {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    let tags = |tags: Vec<String>| {
        let mut job = simple();
        job["Tags"] = json!(tags);
        job.to_string().into_bytes()
    };
    both_refuse(
        &server,
        &tags((0..100_000).map(|i| format!("t{i}")).collect()),
        "too many tags: 100000 > 1000",
    );
    both_refuse(&server, &tags(vec!["t".to_owned(); 1_000_000]), "too many items: more than 100000");
    both_refuse(&server, &tags(vec!["t".to_owned(); 1_000]), "duplicate tag");
    let (id, _) = start(&server, &tags((0..1_000).map(|i| format!("t{i}")).collect()));
    comes_to(&server, id, "Completed");
    let mut long = simple();
    long["JobName"] = json!("x".repeat(10 << 20));
    both_refuse(&server, long.to_string().as_bytes(), "Job name is too long: 10485760 > 64");
    let requestor = "r".repeat(1 << 20);
    let answer = verb(
        &server,
        "start",
        &[("requestor", requestor.as_bytes()), ("jobDesc", simple().to_string().as_bytes())],
    );
    assert_eq!(answer.status, 400);
    assert!(answer.json()["Msg"].as_str().unwrap().contains("Requestor name is too long: 1048576 > 32"));
    well(&server);
}

#[test]
fn nul_bytes_go_where_text_may_go_and_nowhere_else() {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    both_refuse(&server, &[0; 1_000], "");
    both_refuse(&server, b"{\"JobName\":\"a\0b\"}", "in string literal");
    both_refuse(&server, b"\xff\xfe{\0}\0", "UTF-8");
    // Written as JSON wants it, it is a character like another, which no program can be given.
    let step = json!({"name": "cmd", "label": "c", "parameters": {"executable": ["echo"], "args": ["a\0b"]}});
    let mut odd = job(&json!([{"ID": "T\u{0}1"}]), &step);
    odd["JobName"] = json!("a\0b");
    let (id, error) = start(&server, odd.to_string().as_bytes());
    assert_eq!(error, None);
    let job = comes_to(&server, id, "Completed");
    assert_eq!(
        (&job["name"], &job["counts"]["errored"], &job["counts"]["failed"]),
        (&json!("a\0b"), &json!(0), &json!(1))
    );
    for format in ["json", "junit", "html", "markdown", "ctrf", "tap"] {
        let answer = ask(&server, "GET", &format!("/api/v1/jobs/{id}/report?format={format}"), "", b"");
        assert_eq!(answer.status, 200, "{format}");
        assert!(format == "json" || !answer.body.contains(&0), "{format}");
    }
    for path in ["/%00", "/api/v1/jobs/%00", "/api/v1/jobs?tag=%00"] {
        let answer = ask(&server, "GET", path, "", b"");
        assert!((200..500).contains(&answer.status), "{path} {}", answer.status);
    }
    well(&server);
}

#[test]
fn a_plugin_that_nobody_knows_is_refused_in_contests_words_and_with_a_hint_of_ours() {
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    let step = json!({"name": "ecoh", "label": "say", "parameters": {"text": ["x"]}});
    let descriptor = job(&json!([{"ID": "T1"}]), &step).to_string();
    both_refuse(&server, descriptor.as_bytes(), "TestStep ecoh is not registered");
    let (_, text) = problem(&submit(&server, descriptor.as_bytes()));
    assert!(text.contains("did you mean") && text.contains("\"line\":1"), "{text}");
    for (field, said) in
        [("TargetManagerName", "TargetManager nosuch"), ("TestFetcherName", "TestFetcher nosuch")]
    {
        let mut wrong = simple();
        wrong["TestDescriptors"][0][field] = json!("nosuch");
        both_refuse(&server, wrong.to_string().as_bytes(), said);
    }
    let mut wrong = simple();
    wrong["Reporting"]["RunReporters"][0]["Name"] = json!("nosuch");
    both_refuse(&server, wrong.to_string().as_bytes(), "Reporter nosuch is not registered");
    let many: Vec<Value> =
        (0..20_000).map(|i| json!({"name": "nosuch", "label": format!("s{i}"), "parameters": {}})).collect();
    let mut wrong = simple();
    wrong["TestDescriptors"][0]["TestFetcherFetchParameters"]["Steps"] = json!(many);
    both_refuse(&server, wrong.to_string().as_bytes(), "TestStep nosuch is not registered");
}
