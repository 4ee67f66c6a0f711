//! `oyez exec --parse ocp=FILE`: the output of OCP diagnostics that stands in files.

use serde_json::{Value, json};

use crate::lab::Lab;

/// Artifacts with their numbers, a line each.
fn lines(artifacts: &[Value]) -> String {
    let line = |(i, artifact): (usize, &Value)| {
        let mut artifact = artifact.clone();
        artifact["sequenceNumber"] = json!(i);
        artifact["timestamp"] = json!(format!("2026-01-01T00:00:{i:02}Z"));
        format!("{artifact}\n")
    };
    artifacts.iter().enumerate().map(line).collect()
}

fn step(id: &str, mut what: Value) -> Value {
    what["testStepId"] = json!(id);
    json!({"testStepArtifact": what})
}

/// A run of two steps, the second of which fails.
fn fans() -> String {
    lines(&[
        json!({"schemaVersion": {"major": 2, "minor": 0}}),
        json!({"testRunArtifact": {"testRunStart": {
            "name": "fans", "version": "1.2", "commandLine": "fans --all", "parameters": {},
            "dutInfo": {"dutInfoId": "rack 7"}}}}),
        step("0", json!({"testStepStart": {"name": "speed"}})),
        step(
            "0",
            json!({"measurement": {"name": "fan 0", "value": 1500, "unit": "rpm",
            "validators": [{"type": "GREATER_THAN", "value": 1000}, {"type": "NOT_EQUAL", "value": 1234}]}}),
        ),
        step("0", json!({"measurementSeriesStart": {"measurementSeriesId": "s", "name": "noise"}})),
        step("0", json!({"measurementSeriesElement": {"measurementSeriesId": "s", "index": 0, "value": 31}})),
        step("0", json!({"measurementSeriesEnd": {"measurementSeriesId": "s", "totalCount": 1}})),
        step("0", json!({"testStepEnd": {"status": "COMPLETE"}})),
        step("1", json!({"testStepStart": {"name": "heat"}})),
        step("1", json!({"log": {"severity": "INFO", "message": "looking at the probe"}})),
        step("1", json!({"diagnosis": {"verdict": "too-hot", "type": "FAIL", "message": "90 C"}})),
        step("1", json!({"testStepEnd": {"status": "COMPLETE"}})),
        json!({"testRunArtifact": {"testRunEnd": {"status": "COMPLETE", "result": "FAIL"}}}),
    ])
}

#[test]
fn the_runs_of_a_diagnostic_become_tests_and_its_steps_their_cases() {
    let lab = Lab::new();
    lab.write("whole.jsonl", format!("warming up\n{}", fans()));
    let script = "cp whole.jsonl out-1.jsonl; cp whole.jsonl out-2.jsonl; exit 1";
    lab.oyez(&["exec", "--parse", "ocp=out-*.jsonl", "--", "sh", "-c", script]).ended(1);
    let job = lab.job();
    assert_eq!((&job["complete"], &job["outcome"]), (&json!("yes"), &json!("failed")), "{job}");
    let counts = &job["counts"];
    assert_eq!((&counts["passed"], &counts["failed"]), (&json!(2), &json!(2)), "{job}");
    let report: Value =
        serde_json::from_str(&lab.oyez(&["report", "latest", "--format", "json"]).ended(0).text()).unwrap();
    let text = report.to_string();
    for said in ["rack 7", "warming up", "looking at the probe", "NOT_EQUAL"] {
        assert!(text.contains(said), "{said}: {report:#}");
    }
    let tests = report["children"][0]["children"].as_array().unwrap();
    let fans = &tests[1];
    assert_eq!(
        (tests.len(), &fans["name"], &fans["outcome"]),
        (3, &json!("fans"), &json!("failed")),
        "{report:#}"
    );
    let speed = &fans["children"][0];
    let measured = &speed["measurements"];
    assert_eq!(
        (&measured[0]["name"], &measured[0]["value"], &measured[0]["unit"], &measured[0]["low"]),
        (&json!("fan 0"), &json!(1500), &json!("rpm"), &json!(1000.0)),
        "{speed:#}"
    );
    assert_eq!((&measured[1]["name"], &measured[1]["index"]), (&json!("noise"), &json!(0)), "{speed:#}");
    let junit = lab.oyez(&["report", "latest", "--format", "junit"]).ended(0).text();
    assert!(junit.contains("too-hot: 90 C"), "{junit}");
}

#[test]
fn a_missing_artifact_makes_the_report_incomplete_and_says_which() {
    let lab = Lab::new();
    lab.write("whole.jsonl", fans());
    lab.oyez(&["exec", "--parse", "ocp=r.jsonl", "--", "cp", "whole.jsonl", "r.jsonl"]).ended(0);
    assert_eq!(lab.job()["complete"], "yes");
    lab.oyez(&["exec", "--parse", "ocp=r.jsonl", "--", "sh", "-c", "sed 10d whole.jsonl > r.jsonl"]).ended(0);
    let job = &lab.jobs()[0];
    assert_eq!((&job["complete"], &job["gaps"][0]["code"]), (&json!("no"), &json!("source_cut")), "{job}");
    let expected = "r.jsonl: artifact 9 is missing";
    assert!(job["gaps"][0]["text"].as_str().unwrap().contains(expected), "{job}");
    let status = lab.oyez(&["status", "latest"]).ended(3).text();
    assert!(status.contains(expected), "{status}");
    for format in ["json", "junit", "markdown", "html", "ctrf", "tap"] {
        let text = lab.oyez(&["report", "latest", "--format", format]).ended(0).text();
        assert!(text.contains(expected), "{format}: {text}");
    }
}

#[test]
fn a_file_cut_anywhere_or_of_something_else_makes_the_report_incomplete() {
    let lab = Lab::new();
    let whole = fans();
    lab.write("whole.jsonl", &whole);
    for cut in [0, 1, 70, 300, whole.len() / 2, whole.len() - 3] {
        let script = format!("head -c {cut} whole.jsonl > r.jsonl");
        lab.oyez(&["exec", "--parse", "ocp=r.jsonl", "--", "sh", "-c", &script]).ended(0);
        let job = &lab.jobs()[0];
        assert_eq!(job["complete"], "no", "cut at {cut}: {job}");
        let said =
            |gap: &Value| gap["code"] == "source_cut" && gap["text"].as_str().unwrap().contains("r.jsonl");
        assert!(job["gaps"].as_array().unwrap().iter().any(said), "cut at {cut}: {job}");
    }
    for script in ["echo '<testsuite/>' > r.jsonl", "head -c 20000000 /dev/zero > r.jsonl", "true"] {
        lab.oyez(&["exec", "--parse", "ocp=r.jsonl", "--", "sh", "-c", &format!("rm -f r.jsonl; {script}")])
            .ended(0);
        let job = &lab.jobs()[0];
        assert_eq!(job["complete"], "no", "{script}: {job}");
    }
}
