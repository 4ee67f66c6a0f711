//! Steps that stand elsewhere: where they are asked for, what is wrong with them, and that they are fetched once.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use oyez_engine::descriptor::ParseOptions;
use oyez_engine::{Environment, FetchLimits, Prepared, Uri, prepare};
use serde_json::{Value, json};

/// A machine that remembers what it was asked for.
#[derive(Default)]
struct Machine(RefCell<Vec<String>>);

impl Environment for Machine {
    fn find_executable(&self, name: &str) -> Result<PathBuf, String> {
        Err(format!("exec: {name:?}: executable file not found in $PATH"))
    }

    fn check_executable(&self, _path: &Path) -> Result<(), String> {
        Ok(())
    }

    fn fetch(&self, uri: &Uri, limits: FetchLimits) -> Result<Vec<u8>, String> {
        assert!(limits.time <= FetchLimits::default().time && limits.bytes <= FetchLimits::default().bytes);
        self.0.borrow_mut().push(uri.to_string());
        let echo =
            |name: &str, label: &str| json!({"name": name, "label": label, "parameters": {"text": ["x"]}});
        match uri.to_string().split('?').next().unwrap() {
            "http://lab/steps" => {
                Ok(json!({"steps": [echo("echo", "a"), echo("echo", "b")]}).to_string().into_bytes())
            }
            "/cleanup" => Ok(json!({"Steps": [echo("echo", "c")]}).to_string().into_bytes()),
            "/none" => Ok(b"{}".to_vec()),
            "/page" => Ok(b"<html>".to_vec()),
            "/wrong" => Ok(json!({"steps": [echo("ehco", "a")]}).to_string().into_bytes()),
            "/large" => Ok(format!("{{\"steps\": []{}}}", " ".repeat(16 << 20)).into_bytes()),
            other => Err(format!("GET {other}: the server answered 404 Not Found")),
        }
    }
}

fn test(fetch: Value) -> Value {
    json!({
        "TargetManagerName": "TargetList",
        "TargetManagerAcquireParameters": {"Targets": [{"ID": "T1"}]},
        "TargetManagerReleaseParameters": {},
        "TestFetcherName": "uri",
        "TestFetcherFetchParameters": fetch
    })
}

fn job(tests: Vec<Value>) -> Value {
    json!({
        "JobName": "job",
        "Runs": 1,
        "TestDescriptors": tests,
        "Reporting": {"RunReporters": [{"Name": "noop"}]}
    })
}

fn asked(job: &Value) -> (Prepared, Vec<String>) {
    let machine = Machine::default();
    let prepared = prepare(job.to_string().as_bytes(), &ParseOptions::default(), &machine);
    (prepared, machine.0.into_inner())
}

fn errors(job: &Value) -> Vec<String> {
    let (prepared, _) = asked(job);
    assert!(prepared.plan.is_none());
    prepared.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.contest.clone()).collect()
}

#[test]
fn fetched_steps_are_planned_and_kept_like_those_in_place() {
    let mut one = test(json!({"TestName": "Test 1", "URI": "http://lab/steps"}));
    one["CleanupFetcherName"] = json!("URI");
    one["CleanupFetcherFetchParameters"] = json!({"URI": "/cleanup"});
    let two = test(json!({"TestName": "Test 2", "URI": "http://lab/steps"}));
    let (prepared, asked) = asked(&job(vec![one, two]));
    assert_eq!(asked, ["http://lab/steps", "/cleanup"], "the same document is fetched once");
    assert_eq!(prepared.diagnostics, []);
    let plan = prepared.plan.unwrap();
    let labels =
        |steps: &[oyez_engine::plan::PlannedStep]| steps.iter().map(|s| s.label.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&plan.tests[0].steps), ["a", "b"]);
    assert_eq!(labels(&plan.tests[0].cleanup_steps), ["c"]);
    assert_eq!(labels(&plan.tests[1].steps), ["a", "b"]);
    let extended = serde_json::to_value(plan.extended(&prepared.descriptor.unwrap())).unwrap();
    let kept = &extended["TestStepsDescriptors"];
    assert_eq!(kept[0]["TestName"], "Test 1");
    assert_eq!(kept[0]["TestSteps"][1]["Label"], "b");
    assert_eq!(kept[0]["CleanupSteps"][0]["Label"], "c");
    assert_eq!(kept[1]["TestSteps"][0]["Name"], "echo");
}

#[test]
fn what_is_wrong_is_said_with_contests_prefixes() {
    let one = |fetch| errors(&job(vec![test(fetch)]));
    let validate = "could not get steps descriptors: could not validate TestFetcher fetch parameters: ";
    let first = one(json!({}));
    assert_eq!(first[0], format!("{validate}test name cannot be empty for fetch parameters"));
    assert_eq!(first[1], format!("{validate}file URI not specified in fetch parameters"));
    assert_eq!(
        one(json!({"TestName": "T", "URI": "ssh://lab/x"})),
        [format!("{validate}unsupported scheme ssh")]
    );
    assert_eq!(
        one(json!({"TestName": "T", "URI": "/nowhere"})),
        ["could not get steps descriptors: GET /nowhere: the server answered 404 Not Found"]
    );
    assert!(
        one(json!({"TestName": "T", "URI": "/page"}))[0]
            .starts_with("could not get steps descriptors: cannot decode JSON test description: ")
    );
    assert_eq!(
        one(json!({"TestName": "T", "URI": "/none"})),
        [
            "could not build test steps: could not create test steps bundles: at least one test step is required \
             per test"
        ]
    );
    assert!(one(json!({"TestName": "T", "URI": "/wrong"}))[0].ends_with(
        "NewStepBundle for test step 'ehco' with index 0 failed: could not get the desired TestStep (ehco): \
             TestStep ehco is not registered"
    ));
    let mut cleanup = test(json!({"TestName": "T", "URI": "http://lab/steps"}));
    cleanup["CleanupFetcherName"] = json!("URI");
    cleanup["CleanupFetcherFetchParameters"] = json!({});
    assert_eq!(
        errors(&job(vec![cleanup])),
        [
            "could not get steps descriptors: could not validate CleanupFetcher fetch parameters: file URI not \
             specified in fetch parameters"
        ]
    );
}

#[test]
fn after_a_document_that_cannot_be_had_no_other_is_waited_for() {
    let tests = ["/nowhere", "/elsewhere"].map(|uri| test(json!({"TestName": "T", "URI": uri})));
    let (prepared, asked) = asked(&job(tests.to_vec()));
    assert!(prepared.plan.is_none());
    assert_eq!(asked, ["/nowhere"]);
}

#[test]
fn all_documents_of_a_job_have_a_limit_together() {
    let tests = (0..6).map(|i| test(json!({"TestName": "T", "URI": format!("/large?{i}")}))).collect();
    let errors = errors(&job(tests));
    let limit = "all documents of a job together are longer than the limit of 67108864 bytes";
    assert!(errors.iter().any(|e| e.contains(limit)), "{errors:?}");
}
