//! Every document is valid by the schema of its kind, whatever the job.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

mod sample;
mod schema;
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod strange;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oyez_report::{Format, Options, write_report};
use oyez_store::JobReader;
use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn written(reader: &dyn JobReader, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    write_report(reader, format, &mut out, &Options::default()).unwrap();
    out
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn assert_valid(schema: &Path, format: Format) {
    let schema = json(schema);
    for (name, job) in strange::all() {
        let document: Value =
            serde_json::from_slice(&written(job.as_ref(), format)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let wrong = schema::check(&schema, &document);
        assert!(wrong.is_empty(), "{name}: {:#?}", &wrong[..wrong.len().min(10)]);
    }
}

#[test]
fn report_json_is_valid_by_the_published_schema() {
    assert_valid(&workspace().join("docs/schemas/oyez-report-1.schema.json"), Format::Json);
}

#[test]
fn the_schema_refuses_what_it_does_not_name() {
    let schema = json(&workspace().join("docs/schemas/oyez-report-1.schema.json"));
    let mut document: Value =
        serde_json::from_slice(&written(sample::lab().reader().as_ref(), Format::Json)).unwrap();
    document["job"]["surprise"] = Value::Bool(true);
    document["children"][0]["outcome"] = Value::String("great".to_owned());
    assert_eq!(schema::check(&schema, &document).len(), 2);
}

#[test]
fn ctrf_is_valid_by_its_schema() {
    let path = workspace().join("../shared/golden/formats/ctrf/schema/ctrf.schema.json");
    if !path.exists() {
        skipped::skipped("../shared is not there");
        return;
    }
    assert_valid(&path, Format::Ctrf);
}

#[test]
fn ctrf_counts_are_those_of_its_tests() {
    let document: Value =
        serde_json::from_slice(&written(sample::lab().reader().as_ref(), Format::Ctrf)).unwrap();
    let results = &document["results"];
    let tests = results["tests"].as_array().unwrap();
    let of = |status: &str| tests.iter().filter(|t| t["status"] == status).count();
    assert_eq!(results["summary"]["tests"], tests.len());
    for status in ["passed", "failed", "skipped", "pending", "other"] {
        assert_eq!(results["summary"][status], of(status), "{status}");
    }
    let flaky: Vec<&Value> = tests.iter().filter(|t| t["flaky"] == true).collect();
    assert_eq!(flaky.len(), 2);
    assert_eq!(flaky[0]["retryAttempts"][0]["message"], "exit code 1: 100% packet loss");
}

#[test]
fn junit_is_valid_by_jenkins_schema() {
    let xsd = workspace().join("../shared/golden/formats/schemas/junit-10.xsd");
    if !xsd.exists() {
        skipped::skipped("../shared is not there");
        return;
    }
    if Command::new("xmllint").arg("--version").stderr(Stdio::null()).status().is_err() {
        skipped::skipped("xmllint is not installed (Debian: libxml2-utils)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, job) in strange::all() {
        let file = folder.path().join("junit.xml");
        std::fs::write(&file, written(job.as_ref(), Format::Junit)).unwrap();
        // Ten megabytes in one attribute are more than libxml2 takes unless it is told to.
        let out = Command::new("xmllint")
            .args(["--noout", "--huge", "--schema"])
            .arg(&xsd)
            .arg(&file)
            .output()
            .unwrap();
        assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
