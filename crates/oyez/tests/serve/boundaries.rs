//! A job that is killed with its server, paused or cancelled at each of its boundaries: in the queue, while its targets are
//! acquired, in a step's start and middle and before the next one, in its clean-up, between attempts and runs, while it
//! reports, and while its targets are released. Afterwards it has done what it would have done without.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::lab::{Lab, poll};
use crate::serve::{Server, serve};

/// A target manager and a reporter that wait at a gate as long as there is a file that holds it, and end with their server.
const GATE: &str = r#"#!/usr/bin/env python3
import json, os, select, sys

def say(kind, **fields):
    print(json.dumps({"type": kind, **fields}), flush=True)

def gate(name):
    with open("gates/log", "a") as log:
        log.write(name + "\n")
    while os.path.exists("gates/hold-" + name):
        if select.select([0], [], [], 0.01)[0] and not os.read(0, 65536):
            sys.exit(0)

while line := sys.stdin.readline():
    message = json.loads(line)
    kind = message["type"]
    if kind == "hello":
        say("hello", protocol=1, name="gate", roles=["target_manager", "reporter"])
    elif kind == "validate":
        say("validated", errors=[])
    elif kind == "acquire":
        gate("acquire")
        say("targets", targets=[{"ID": "T1", "TMS": {"shelf": 7}}, {"ID": "T2"}])
    elif kind == "release":
        gate("release")
        states = {target["ID"]: target.get("TMS") for target in message["targets"]}
        if states == {"T1": {"shelf": 7}, "T2": None}:
            say("released")
        else:
            say("error", message=f"these are not the targets that were handed out: {states}")
    elif kind == "report":
        gate("report" if "run" in message else "final")
        say("report", success=True, data={"status": message["status"]})
"#;

/// Two runs of a test that needs a second attempt in the first of them.
fn job() -> String {
    let gate = |name: &str, then: &str| {
        let script = format!(
            "echo {name} >> gates/log; \
             while test -e gates/hold-{name}; do sleep 0.02; done; {then}"
        );
        let script = serde_json::to_string(&script).unwrap();
        format!(
            "{{name: cmd, label: {name}, parameters: {{executable: [sh], args: [-c, {script}]}}, X-Oyez: {{repeatable: true}}}}"
        )
    };
    let fails_once = "{{ if eq .ID \"T1\" }}test -e gates/failed || { touch gates/failed; exit 1; }{{ end }}";
    format!(
        "JobName: boundaries\nVersion: '1.0'\nRuns: 2\nRunInterval: 400ms\nTestDescriptors:\n  \
         - TargetManagerName: gate\n    TargetManagerAcquireParameters: {{}}\n    \
         TargetManagerReleaseParameters: {{}}\n    RetryParameters: {{NumRetries: 1, RetryInterval: 400ms}}\n    \
         TestFetcherName: literal\n    TestFetcherFetchParameters:\n      TestName: A\n      Steps:\n        \
         - {}\n        - {{name: sleep, label: nap, parameters: {{duration: [200ms]}}}}\n        - {}\n    \
         CleanupFetcherName: literal\n    CleanupFetcherFetchParameters:\n      Steps:\n        - {}\n\
         Reporting:\n  RunReporters: [{{Name: gate}}]\n  FinalReporters: [{{Name: gate}}]\n",
        gate("first", ":"),
        gate("last", fails_once),
        gate("tidy", ":"),
    )
}

/// What a job is halted at.
#[derive(Clone, Copy, Debug)]
enum Boundary {
    Queue,
    /// Something that waits at its gate.
    Gate(&'static str),
    /// An event with this text in it, the first of its kind.
    Event(&'static str, &'static str),
}

const BOUNDARIES: [Boundary; 11] = [
    Boundary::Queue,
    Boundary::Gate("acquire"),
    Boundary::Gate("first"),
    Boundary::Event("target_in", "nap"),
    Boundary::Gate("last"),
    Boundary::Gate("tidy"),
    Boundary::Gate("release"),
    // Between two attempts, and between two runs.
    Boundary::Event("test_stopped", ""),
    Boundary::Event("run_stopped", ""),
    Boundary::Gate("report"),
    Boundary::Gate("final"),
];

const BLOCKER: &str = "JobName: before\nVersion: '1.0'\nRuns: 1\nTestDescriptors:\n  - TargetManagerName: TargetList\n    \
    TargetManagerAcquireParameters: {Targets: [{ID: B}]}\n    TargetManagerReleaseParameters: {}\n    \
    TestFetcherName: literal\n    TestFetcherFetchParameters: {TestName: B, Steps: [{name: sleep, label: b, \
    parameters: {duration: [1h]}}]}\nReporting:\n  RunReporters: [{Name: noop}]\n";

fn start(lab: &Lab) -> Server {
    serve(lab, &["--server-id", "lab", "--max-jobs", "1", "--plugins", "plugins"])
}

/// A lab whose server has brought the job to a boundary; the job's number.
fn at(boundary: Boundary) -> (Lab, Server, String) {
    let lab = Lab::new();
    let gate = lab.write("plugins/gate", GATE);
    std::fs::set_permissions(gate, std::fs::Permissions::from_mode(0o755)).unwrap();
    lab.write("gates/log", "");
    lab.write("job.yaml", job());
    if let Boundary::Gate(name) = boundary {
        lab.write(&format!("gates/hold-{name}"), "");
    }
    let server = start(&lab);
    if let Boundary::Queue = boundary {
        lab.write("before.yaml", BLOCKER);
        server.oyez(&lab, &["submit", "before.yaml"]).ended(0);
    }
    server.oyez(&lab, &["submit", "job.yaml"]).ended(0);
    let id = if let Boundary::Queue = boundary { "2" } else { "1" };
    match boundary {
        Boundary::Queue => assert_eq!(server.job(&lab, id)["state"], "Queued"),
        Boundary::Gate(name) => {
            // Both targets, where each has a gate of its own.
            poll(&format!("it does not come to {name}"), || {
                (gates(&lab).get(name).copied() == Some(at_once(name))).then_some(())
            });
        }
        Boundary::Event(kind, text) => {
            poll(&format!("it does not come to {kind}"), || {
                let events = events(&lab, id);
                events.iter().any(|e| e["kind"] == kind && e.to_string().contains(text)).then_some(())
            });
        }
    }
    (lab, server, id.to_owned())
}

/// What kept the job at its boundary lets it go.
fn open(lab: &Lab, server: &Server, boundary: Boundary) {
    match boundary {
        Boundary::Queue => drop(server.oyez(lab, &["stop", "1"]).ended(0)),
        Boundary::Gate(name) => std::fs::remove_file(lab.path(&format!("gates/hold-{name}"))).unwrap(),
        Boundary::Event(..) => {}
    }
}

fn events(lab: &Lab, id: &str) -> Vec<Value> {
    lab.oyez(&["events", id, "--format", "jsonl"]).ended(0).lines()
}

fn until(server: &Server, lab: &Lab, id: &str, states: &[&str]) -> String {
    poll(&format!("it does not come to {states:?}"), || {
        let state = server.job(lab, id)["state"].as_str().unwrap().to_owned();
        states.contains(&&*state).then_some(state)
    })
}

/// How often each thing was done.
fn done(lab: &Lab, id: &str) -> BTreeMap<String, usize> {
    let mut done = BTreeMap::new();
    for event in events(lab, id) {
        let kind = event["kind"].as_str().unwrap();
        let what = match kind {
            "target_in" => format!("in {}", event["label"]),
            "target_acquired" => format!("acquired {}", event["target"]),
            "test_started" => format!("test attempt {}", event["attempt"]),
            "target_out" | "target_err" | "target_released" | "test_stopped" | "run_started"
            | "run_stopped" => kind.to_owned(),
            "report" => format!("report of run {} {}", event["run"], event["success"]),
            _ => continue,
        };
        *done.entry(what).or_default() += 1;
    }
    done
}

/// How many stand at a gate at once: a process for each target, or one plugin.
fn at_once(gate: &str) -> usize {
    if ["first", "last", "tidy"].contains(&gate) { 2 } else { 1 }
}

/// How often each gate was passed, or stood at.
fn gates(lab: &Lab) -> BTreeMap<String, usize> {
    let mut gates = BTreeMap::new();
    for name in lab.read("gates/log").lines() {
        *gates.entry(name.to_owned()).or_default() += 1;
    }
    gates
}

fn assert_nothing_held(server: &Server, lab: &Lab, what: &str) {
    poll(&format!("{what}: targets stay held"), || {
        let held = server.oyez(lab, &["targets", "list", "--format", "json"]).ended(0).json();
        (held == serde_json::json!([])).then_some(())
    });
}

/// What an undisturbed job does.
fn undisturbed() -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (lab, server, id) = at(Boundary::Gate("acquire"));
    open(&lab, &server, Boundary::Gate("acquire"));
    until(&server, &lab, &id, &["Completed"]);
    let job = server.job(&lab, &id);
    assert_eq!((&job["verdict"], &job["complete"]), (&"success".into(), &"yes".into()), "{job:#}");
    (done(&lab, &id), gates(&lab))
}

/// All boundaries, a few at a time.
fn everywhere(case: impl Fn(Boundary) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(boundary) =
                    BOUNDARIES.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    case(*boundary);
                }
            });
        }
    });
}

#[test]
fn a_job_whose_server_is_killed_at_any_boundary_does_what_it_would_have_done() {
    let (expected, passed) = undisturbed();
    everywhere(|boundary| {
        let (lab, mut server, id) = at(boundary);
        let before = gates(&lab);
        server.running.kill();
        drop(server);
        let server = start(&lab);
        if let Boundary::Gate(name) = boundary {
            // What its server left behind is ended first, then it stands at the gate again.
            let again = before[name] + at_once(name);
            poll("it does not come there again", || (gates(&lab)[name] == again).then_some(()));
        }
        open(&lab, &server, boundary);
        until(&server, &lab, &id, &["Completed"]);
        let job = server.job(&lab, &id);
        assert_eq!(
            (&job["verdict"], &job["complete"]),
            (&"success".into(), &"yes".into()),
            "{boundary:?} {job:#}"
        );
        assert_eq!(done(&lab, &id), expected, "{boundary:?}");
        // What stood at a gate was done again, as its kind allows, and nothing else.
        let mut again = passed.clone();
        if let Boundary::Gate(name) = boundary {
            *again.get_mut(name).unwrap() += at_once(name);
        }
        assert_eq!(gates(&lab), again, "{boundary:?}");
        assert_nothing_held(&server, &lab, &format!("{boundary:?}"));
    });
}

#[test]
fn a_job_that_is_paused_at_any_boundary_goes_on_and_does_what_it_would_have_done() {
    let (expected, passed) = undisturbed();
    everywhere(|boundary| {
        let (lab, server, id) = at(boundary);
        server.oyez(&lab, &["pause", &id]).ended(0);
        // What cannot be halted is waited for.
        open(&lab, &server, boundary);
        let state = until(&server, &lab, &id, &["Paused", "Completed"]);
        let is_last = matches!(boundary, Boundary::Gate("final"));
        assert!(state == "Paused" || is_last, "{boundary:?}: {state}");
        if state == "Paused" {
            server.oyez(&lab, &["resume", &id]).ended(0);
        }
        until(&server, &lab, &id, &["Completed"]);
        let job = server.job(&lab, &id);
        assert_eq!(
            (&job["verdict"], &job["complete"]),
            (&"success".into(), &"yes".into()),
            "{boundary:?} {job:#}"
        );
        assert_eq!(done(&lab, &id), expected, "{boundary:?}");
        let mut gates = gates(&lab);
        // Acquiring, releasing and reporting may be given up and begun again.
        if let Boundary::Gate(name @ ("acquire" | "release" | "report" | "final")) = boundary {
            gates.insert(name.to_owned(), passed[name]);
        }
        assert_eq!(gates, passed, "{boundary:?}");
        assert_nothing_held(&server, &lab, &format!("{boundary:?}"));
    });
}

#[test]
fn a_job_that_is_cancelled_at_any_boundary_ends_cleans_up_and_gives_its_targets_back() {
    everywhere(|boundary| {
        let (lab, server, id) = at(boundary);
        server.oyez(&lab, &["stop", &id]).ended(0);
        // Steps are ended; who releases, cleans up or reports is waited for.
        if let Boundary::Gate("release" | "tidy" | "report" | "final") = boundary {
            open(&lab, &server, boundary);
        }
        let state = until(&server, &lab, &id, &["Cancelled", "Completed"]);
        if let Boundary::Queue = boundary {
            open(&lab, &server, boundary);
        }
        let is_last = matches!(boundary, Boundary::Gate("final"));
        assert!(state == "Cancelled" || is_last, "{boundary:?}: {state}");
        assert_nothing_held(&server, &lab, &format!("{boundary:?}"));
        let done = done(&lab, &id);
        let acquired =
            done.iter().filter(|(what, _)| what.starts_with("acquired")).map(|(_, n)| n).sum::<usize>();
        assert_eq!(done.get("target_released").copied().unwrap_or(0), acquired, "{boundary:?} {done:#?}");
        // Each step that was begun has come to an end.
        let begun: usize = done.iter().filter(|(what, _)| what.starts_with("in ")).map(|(_, n)| n).sum();
        let ended = ["target_out", "target_err"].iter().filter_map(|what| done.get(*what)).sum::<usize>();
        assert_eq!(begun, ended, "{boundary:?} {done:#?}");
        // Its clean-up was done for each target that a step had begun with.
        if acquired > 0 {
            assert_eq!(done.get("in \"tidy\"").copied().unwrap_or(0), acquired, "{boundary:?} {done:#?}");
        }
        server.oyez(&lab, &["list", "--state", &state]).ended(0);
    });
}
