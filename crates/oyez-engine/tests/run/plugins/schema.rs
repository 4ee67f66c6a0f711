//! Every message of the examples, of jobs and of the conformance kit is valid by the published schema.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oyez_engine::plugin::kit::{self, Case, Verdict};
use oyez_model::JobState;
use serde_json::{Value, json};

use super::bench::{Bench, examples};
use super::checker::check;
use crate::lab::{echo, job, step, test};

/// Stands before an example and keeps what is said both ways.
const LISTENER: &str = r#"#!/usr/bin/env python3
import os, subprocess, sys, threading
child = subprocess.Popen(["EXAMPLE"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def pump(source, to, side):
    with open(f"FOLDER/{side}", "ab") as log:
        for line in source:
            log.write(line); log.flush()
            try:
                to.write(line); to.flush()
            except OSError:
                pass
threading.Thread(target=lambda: (pump(sys.stdin.buffer, child.stdin, "to"), child.stdin.close()), daemon=True).start()
pump(child.stdout, sys.stdout.buffer, "from")
os._exit(child.wait())
"#;

fn listened(bench: &Bench, name: &str) -> PathBuf {
    let example = examples().join(name);
    let text = LISTENER
        .replace("EXAMPLE", example.to_str().unwrap())
        .replace("FOLDER", bench.lab.path("").to_str().unwrap());
    bench.write(name, &text);
    bench.folder.join(name)
}

/// The messages of a side; each must be valid, and have no field that the schema does not name.
fn kinds(schema: &Value, side: &str, log: &Path) -> Vec<String> {
    let mut kinds = Vec::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let kind = message["type"].as_str().unwrap().to_owned();
        if kind == "news_of_a_later_version" || message.get("a_new_field").is_some() {
            continue;
        }
        let definition = &schema["$defs"][format!("{side}_{kind}")];
        assert!(definition.is_object(), "the schema knows no {kind}: {line}");
        let mut of_kind = schema.clone();
        of_kind.as_object_mut().unwrap().remove("anyOf");
        of_kind["$ref"] = json!(format!("#/$defs/{side}_{kind}"));
        assert_eq!(check(&of_kind, &message), Vec::<String>::new(), "{line}");
        for field in message.as_object().unwrap().keys() {
            assert!(
                definition["properties"].get(field).is_some(),
                "the schema does not name {field}: {line}"
            );
        }
        kinds.push(kind);
    }
    kinds.sort();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn what_is_said_between_oyez_and_the_examples_is_valid_by_the_schema() {
    let bench = Bench::new();
    let shelf = examples().join("shelf.json");
    let mut cases = Vec::new();
    for name in ["stopwatch", "shelf", "culprits"] {
        let parameters = (name == "shelf").then(|| json!({"file": shelf}));
        let options = kit::Options {
            role: None,
            parameters: parameters.map(|p| serde_json::value::to_raw_value(&p).unwrap()),
            bad_parameters: None,
            patience: Duration::from_secs(20),
        };
        let program = listened(&bench, name);
        let mut tell = |case: &Case| cases.push((name, case.clone()));
        let passed = kit::check(&program, &options, &mut tell).await;
        assert!(passed, "{cases:#?}");
    }
    assert!(cases.iter().all(|(_, case)| case.verdict == Verdict::Passed), "{cases:#?}");
    let mut test = test("t", &[], vec![step("stopwatch", "wait", json!({"seconds": [0]})), echo("e", "x")]);
    test["TargetManagerName"] = json!("shelf");
    test["TargetManagerAcquireParameters"] = json!({"file": shelf, "count": 2});
    let mut job = job(vec![test]);
    let reporter = json!({"Name": "culprits"});
    job["Reporting"] = json!({"RunReporters": [reporter], "FinalReporters": [reporter]});
    assert_eq!(bench.run(&job).await.end.state, JobState::Completed);
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/plugin-protocol-1.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let to = kinds(&schema, "to", &bench.lab.path("to"));
    let all_of = |side: &str| {
        let prefix = format!("{side}_");
        let definitions = schema["$defs"].as_object().unwrap().keys();
        let mut kinds: Vec<_> =
            definitions.filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect();
        kinds.retain(|kind| kind != "plugin");
        kinds.sort();
        kinds
    };
    assert_eq!(to, all_of("to"), "every kind of message to a plugin was sent");
    let mut from = all_of("from");
    from.retain(|kind| kind != "error");
    assert_eq!(kinds(&schema, "from", &bench.lab.path("from")), from);
}

#[tokio::test]
async fn the_kit_names_what_is_wrong_with_a_plugin() {
    for (body, name, why) in [
        ("pass", "targets, one after the other", "no result for kit-1 came within 1s"),
        (
            "say('target_out', target='T9')",
            "targets, at once",
            "it wrote of target T9, which it was not given",
        ),
        (
            "say('target_out', target=targets[0])",
            "targets, at once",
            "it wrote again of target kit-1, which had its result",
        ),
        (
            "say('weather', target=target)",
            "targets, at once",
            "it wrote a message `weather`, which the protocol does not have",
        ),
        ("print('working')", "cancel of one target", "it wrote what is no message"),
        (
            "say('target_out', target=target) or sys.exit(3)",
            "targets, one after the other",
            "it ended: exit status 3",
        ),
    ] {
        let bench = Bench::new();
        bench.write("bad", &super::bench::step_doing(body));
        let options = kit::Options {
            role: None,
            parameters: None,
            bad_parameters: None,
            patience: Duration::from_secs(1),
        };
        let mut cases = Vec::new();
        let mut tell = |case: &Case| cases.push(case.clone());
        assert!(!kit::check(&bench.folder.join("bad"), &options, &mut tell).await);
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let said = match &case.verdict {
            Verdict::Failed(said) => said,
            other => unreachable!("{body}: {other:?}"),
        };
        assert!(said.contains(why), "{body}: {said}");
        assert!(!case.asks.is_empty());
    }
}
