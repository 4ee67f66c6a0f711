//! The descriptors that a real ConTest answered: what it refused is refused with its text, what it took is taken.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

#[path = "../../../tests/skipped.rs"]
mod skipped;

use std::path::{Path, PathBuf};

use oyez_engine::descriptor::{Format, ParseOptions};
use oyez_engine::{Environment, FetchLimits, Prepared, Uri, prepare};
use serde_json::Value;

/// A machine with the programs that the recordings use.
struct Machine;

impl Environment for Machine {
    fn find_executable(&self, name: &str) -> Result<PathBuf, String> {
        match name {
            "nosuchbinary" => Err(format!("exec: {name:?}: executable file not found in $PATH")),
            _ => Ok(Path::new("/usr/bin").join(name)),
        }
    }

    fn check_executable(&self, _path: &Path) -> Result<(), String> {
        Ok(())
    }

    fn fetch(&self, uri: &Uri, _limits: FetchLimits) -> Result<Vec<u8>, String> {
        Err(format!("{uri} is not there"))
    }
}

fn golden() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/contest");
    if path.is_dir() {
        Some(path)
    } else {
        skipped::skipped("../shared is not there");
        None
    }
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)));
    files.sort();
    files
}

fn prepared(bytes: &[u8], format: Option<Format>, require_version: bool) -> Prepared {
    prepare(bytes, &ParseOptions { format, require_version }, &Machine)
}

fn errors(prepared: &Prepared) -> Vec<&str> {
    prepared.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.contest.as_str()).collect()
}

/// A recording's descriptor, and what ConTest answered: its error, if any.
fn recording(path: &Path) -> (String, Option<String>) {
    let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let body: Value = serde_json::from_str(recording["start"]["body"].as_str().unwrap()).unwrap();
    (recording["jobDesc"].to_string(), body["Error"].as_str().map(ToOwned::to_owned))
}

#[test]
fn what_contest_refused_is_refused_with_its_text() {
    let Some(golden) = golden() else { return };
    let mut seen = 0;
    for path in files(&golden.join("recorded"), &["json"]) {
        let (descriptor, Some(answer)) = recording(&path) else { continue };
        let prepared = prepared(descriptor.as_bytes(), None, true);
        assert!(prepared.plan.is_none(), "{}", path.display());
        assert_eq!(errors(&prepared).first(), Some(&answer.as_str()), "{}", path.display());
        let first = prepared.diagnostics.iter().find(|d| d.is_error()).unwrap();
        assert!(!first.path.is_empty(), "{}: {first}", path.display());
        assert_eq!(errors(&prepared).len(), 1, "{}: {:#?}", path.display(), prepared.diagnostics);
        seen += 1;
    }
    assert!(seen >= 22, "only {seen}");
}

#[test]
fn what_contest_took_is_taken() {
    let Some(golden) = golden() else { return };
    let mut seen = 0;
    for path in files(&golden.join("recorded"), &["json"]) {
        let (descriptor, None) = recording(&path) else { continue };
        let prepared = prepared(descriptor.as_bytes(), None, true);
        assert!(prepared.plan.is_some(), "{}: {:#?}", path.display(), prepared.diagnostics);
        seen += 1;
    }
    assert!(seen >= 22, "only {seen}");
}

#[test]
fn recordings_that_went_wrong_later_are_taken_with_a_warning() {
    let Some(golden) = golden() else { return };
    for (name, path, message) in [
        (
            "echo-bad-template",
            "TestDescriptors[0].Steps[0].parameters.text",
            "can't evaluate field Nope in type *target.Target",
        ),
        (
            "zero-targets",
            "TestDescriptors[0].TargetManagerAcquireParameters.Targets",
            "there are no targets, so the test cannot succeed",
        ),
        ("unknown-fields", "Bogus", "unknown field; it is ignored"),
    ] {
        let (descriptor, _) = recording(&golden.join(format!("recorded/{name}.json")));
        let prepared = prepared(descriptor.as_bytes(), None, true);
        assert!(prepared.plan.is_some());
        let warnings: Vec<_> =
            prepared.diagnostics.iter().map(|d| (d.path.as_str(), d.message.as_str())).collect();
        assert_eq!(warnings, [(path, message)], "{name}");
    }
}

#[test]
fn answers_over_http_are_the_same() {
    let Some(golden) = golden() else { return };
    let mut seen = 0;
    for path in files(&golden.join("http-examples"), &["txt"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(request) = text.lines().next().filter(|line| line.contains("requestor=me -d jobDesc="))
        else {
            continue;
        };
        let descriptor = request.split("jobDesc=").nth(1).unwrap();
        let body = text.lines().find(|line| line.starts_with("{\"ServerID\"")).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let prepared = prepared(descriptor.as_bytes(), Some(Format::Json), true);
        assert_eq!(errors(&prepared).first().copied(), body["Error"].as_str(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 5, "only {seen}");
}

#[test]
fn sample_descriptors_are_read() {
    let Some(golden) = golden() else { return };
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        prepared(&bytes, Format::of_file(path), false)
    };
    for name in [
        "descriptors/start-literal.json",
        "descriptors/start-literal-with-cleanup.json",
        "test-simple.yaml",
        "test-variables.yaml",
    ] {
        let prepared = read(&golden.join(name));
        assert!(prepared.plan.is_some(), "{name}: {:#?}", prepared.diagnostics);
        assert_eq!(prepared.diagnostics, [], "{name}");
    }
    let mut others = files(&golden.join("descriptors"), &["json", "yaml"]);
    others.extend(files(&golden.join("descriptors/fwtesting"), &["json"]));
    others.extend(files(&golden, &["yaml"]));
    for path in others {
        let prepared = read(&path);
        assert!(prepared.descriptor.is_some(), "{}", path.display());
        // Whatever is wrong with them is a plugin that is not there, a label that is missing, or (`debug.json`)
        // that they are no job at all; never that they could not be read.
        let unread =
            errors(&prepared).into_iter().find(|e| e.starts_with("json:") || e.starts_with("not valid"));
        assert_eq!(unread, None, "{}", path.display());
    }
}

#[test]
fn yaml_and_json_plan_the_same() {
    let Some(golden) = golden() else { return };
    let bytes = std::fs::read(golden.join("test-simple.yaml")).unwrap();
    let plan = prepared(&bytes, Some(Format::Yaml), false).plan.unwrap();
    assert_eq!(plan.name, "A simple test job");
    assert_eq!(plan.runs, Some(2));
    assert_eq!(plan.run_interval.to_string(), "1s");
    assert_eq!(plan.acquire_timeout.to_string(), "5m0s");
    assert_eq!(plan.tests.len(), 2);
    assert_eq!(plan.tests[1].steps[1].label, "Test2Step2");
    let json = serde_json::to_value(&plan.tests[0].steps[0]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "label": "Test1Step1",
            "plugin": "Cmd",
            "parameters": {
                "executable": "/usr/bin/echo",
                "args": ["Test 1, Step 1, target {{ .ID }}"],
                "emit_stdout": true,
                "emit_stderr": true
            }
        })
    );
}
