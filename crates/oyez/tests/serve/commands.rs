//! `submit`, `list`, `status`, `stop`, `pause`, `resume`, `retry` against a server.

use crate::lab::{Lab, descriptor, poll, shell};
use crate::serve::serve;

const NAP: &str = "{name: sleep, label: nap, parameters: {duration: [10m]}}";

fn state_becomes(server: &crate::serve::Server, lab: &Lab, id: &str, state: &str) {
    poll(&format!("job {id} does not become {state}"), || {
        (server.job(lab, id)["state"] == state).then_some(())
    });
}

#[test]
fn a_job_is_submitted_and_waited_for_with_its_own_code_and_documents() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    lab.write("good.yaml", descriptor(&["T1", "T2"], &[&shell("say", "echo hello $1")]));
    let done =
        server.oyez(&lab, &["submit", "good.yaml", "--wait", "--out", "out", "--guid", "build 17"]).ended(0);
    assert!(done.text().contains("SUCCESS") && done.text().contains("2 passed"), "{}", done.text());
    assert!(done.text().contains("Test A test passes success criteria"), "{}", done.text());
    assert!(done.err.contains("Run 1 passed") && done.err.contains("A test passed"), "{}", done.err);
    for document in ["report.json", "junit.xml", "summary.md", "report.html"] {
        assert!(lab.read(&format!("out/{document}")).len() > 100, "{document}");
    }
    lab.write("bad.yaml", descriptor(&["T1"], &[&shell("fail", "exit 3")]));
    let done = server.oyez(&lab, &["submit", "bad.yaml", "--wait"]).ended(1);
    assert!(
        done.text().contains("FAILURE") && done.err.contains("exit status 3"),
        "{}{}",
        done.text(),
        done.err
    );
    let done = server.oyez(&lab, &["submit", "bad.yaml", "--wait", "--format", "jsonl"]).ended(1);
    let lines = done.lines();
    assert_eq!(
        (&lines[0]["kind"], &lines[lines.len() - 1]["kind"]),
        (&"job_submitted".into(), &"job".into())
    );
    assert_eq!(lines[lines.len() - 1]["verdict"], "failure");
    assert_eq!(
        server.oyez(&lab, &["submit", "good.yaml", "--wait", "--format", "quiet"]).ended(0).text(),
        ""
    );
    // All of them are in the store, as anybody may look.
    let ids: Vec<_> = lab.jobs().iter().map(|job| job["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [4, 3, 2, 1]);
    let same = server.oyez(&lab, &["status", "build 17", "--format", "json"]).ended(0).json();
    assert_eq!(same["tests"][0]["counts"]["passed"], 2);
    assert_eq!(same["tests"], lab.oyez(&["status", "1", "--format", "json"]).ended(0).json()["tests"]);
}

#[test]
fn a_wrong_descriptor_is_refused_with_all_that_is_wrong() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    lab.write("wrong.json", "{\"JobName\": \"j\",\n \"Runs\": \"x\"}");
    let done = server.oyez(&lab, &["submit", "wrong.json"]).ended(2);
    let of_run = lab.oyez(&["run", "wrong.json"]).ended(2);
    // Word for word what `run` says of it here.
    assert_eq!(done.err, of_run.err);
    assert!(done.err.contains("nothing was started") && done.err.contains("wrong.json:2:"), "{}", done.err);
    assert_eq!(server.oyez(&lab, &["submit", "nowhere.json"]).ended(2).text(), "");
}

#[test]
fn without_a_server_it_is_said_how_to_get_one() {
    let lab = Lab::new();
    lab.write("job.yaml", descriptor(&["T1"], &[&shell("say", "true")]));
    let done = lab.oyez(&["submit", "job.yaml", "--wait"]).ended(2);
    assert!(done.err.contains("oyez run") && done.err.contains("--server"), "{}", done.err);
    // Nobody listens on port 1.
    let done = lab.oyez(&["submit", "job.yaml", "--server", "127.0.0.1:1"]).ended(3);
    assert!(done.err.contains("cannot reach http://127.0.0.1:1"), "{}", done.err);
    assert!(lab.oyez(&["list", "--server", "ftp://x"]).ended(2).err.contains("http://HOST:PORT"));
    // A store that is named comes before a server that the environment names.
    let mut list = lab.command(&["list", "--data", "store", "--format", "json"]);
    list.env("OYEZ_SERVER", "127.0.0.1:1");
    assert_eq!(list.output().unwrap().status.code(), Some(0));
}

#[test]
fn jobs_are_stopped_paused_resumed_and_repeated() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    let done = server.oyez(&lab, &["submit", "job.yaml", "--format", "json", "--requestor", "ann"]).ended(0);
    assert_eq!(done.json()["requestor"], "ann");
    state_becomes(&server, &lab, "1", "Started");
    let asked = server.oyez(&lab, &["pause", "1", "--by", "bob", "--why", "lunch"]).ended(0);
    assert!(asked.text().contains("asked to pause"), "{}", asked.text());
    state_becomes(&server, &lab, "1", "Paused");
    let wrong = server.oyez(&lab, &["pause", "1"]).ended(2);
    assert!(wrong.err.contains("Paused"), "{}", wrong.err);
    server.oyez(&lab, &["resume", "1"]).ended(0);
    state_becomes(&server, &lab, "1", "Started");
    assert_eq!(server.oyez(&lab, &["stop", "1", "--format", "jsonl"]).ended(0).json()["id"], 1);
    state_becomes(&server, &lab, "1", "Cancelled");
    server.oyez(&lab, &["status", "1"]).ended(4);
    server.oyez(&lab, &["stop", "1"]).ended(2);
    let again = server.oyez(&lab, &["retry", "1", "--format", "json", "--by", "eve"]).ended(0).json();
    assert_eq!((&again["id"], &again["requestor"]), (&2.into(), &"eve".into()));
    server.oyez(&lab, &["stop", "2", "--kill"]).ended(0);
    state_becomes(&server, &lab, "2", "Cancelled");
    let linked = lab.events();
    assert!(linked.iter().any(|event| event["kind"] == "job_linked"), "{linked:#?}");
    for verb in ["stop", "pause", "resume", "retry"] {
        assert!(server.oyez(&lab, &[verb, "99"]).ended(2).err.contains("no job"), "{verb}");
    }
    let table = server.oyez(&lab, &["list", "--state", "Cancelled"]).ended(0).text();
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn whoever_waits_learns_that_the_job_was_paused() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    lab.write("job.yaml", descriptor(&["T1"], &[NAP]));
    let waiting = crate::lab::Running::of(server.command(&lab, &["submit", "job.yaml", "--wait"]));
    poll("it does not start", || {
        let jobs = server.oyez(&lab, &["list", "--format", "json"]).ended(0).json();
        (jobs[0]["state"] == "Started").then_some(())
    });
    server.oyez(&lab, &["pause", "1"]).ended(0);
    let done = waiting.end().ended(5);
    assert!(done.text().contains("PAUSED"), "{}", done.text());
}

#[test]
fn a_list_comes_page_by_page() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    for _ in 0..5 {
        lab.oyez(&["exec", "--tag", "t", "--", "true"]).ended(0);
    }
    let list = |arguments: &[&str]| {
        let all: Vec<&str> = ["list", "--format", "json"].iter().chain(arguments).copied().collect();
        let jobs = server.oyez(&lab, &all).ended(0).json();
        jobs.as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(list(&["--limit", "0"]), [5, 4, 3, 2, 1]);
    assert_eq!(list(&["--limit", "2", "--tag", "t"]), [5, 4]);
    assert_eq!(list(&["--of-server", "nobody"]), [0; 0]);
}

#[test]
fn a_server_plans_as_the_command_does_here() {
    let lab = Lab::new();
    let server = serve(&lab, &[]);
    let greet = "{name: echo, label: hi, parameters: {text: ['I am {{ .ID }}']}}";
    lab.write(
        "job.yaml",
        descriptor(&["T1", "T2"], &[greet, "{name: echo, label: no, parameters: {text: ['{{ .No }}']}}"]),
    );
    for arguments in [&["plan", "job.yaml"][..], &["plan", "job.yaml", "--target", "T2", "--format", "jsonl"]]
    {
        let (there, here) = (server.oyez(&lab, arguments).ended(0), lab.oyez(arguments).ended(0));
        assert_eq!((there.text(), there.err), (here.text(), here.err));
    }
    let there = server.oyez(&lab, &["plan", "job.yaml"]).ended(0);
    assert!(
        there.text().contains("text: I am T1") && there.text().contains("it would fail"),
        "{}",
        there.text()
    );
    let wrong = server.oyez(&lab, &["plan", "job.yaml", "--target", "T9"]).ended(2);
    assert!(wrong.err.contains("there are T1, T2"), "{}", wrong.err);
    lab.write("job.yaml", "JobName: 7\n");
    let (there, here) =
        (server.oyez(&lab, &["plan", "job.yaml"]).ended(2), lab.oyez(&["plan", "job.yaml"]).ended(2));
    assert_eq!(there.err, here.err);
    assert!(there.err.contains("job.yaml:1:10:"), "{}", there.err);
    assert_eq!(server.oyez(&lab, &["list", "--format", "json"]).ended(0).json(), serde_json::json!([]));
}
