//! Old results come in, with their logs and dates.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use oyez_model::{Outcome, Value};

use crate::support::{Server, oyez, run, text};
use crate::wire::{Wire, end, result};

fn command(data: &Path, arguments: &[&str]) -> Output {
    run(Command::new(oyez()).args(arguments).arg("--data").arg(data), Duration::from_secs(30))
}

/// A run with a log, as a server leaves it.
fn left_behind() -> Server {
    let server = Server::start(&[]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    let path = server.folder().join("TaskLog.T");
    let log: Value = path.to_str().unwrap().into();
    std::fs::write(&path, "before\n").unwrap();
    client.does("start_testsuite", &[("id", "J.2026".into()), ("name", "nightly".into())]);
    client.does("start_task", &[("id", "T".into()), ("logfile", log.clone())]);
    let section = |id: &str| [("id", id.into()), ("logfile", log.clone()), ("type", "Testcase".into())];
    client.does("start_section", &section("one"));
    std::fs::write(&path, "before\nin one\n").unwrap();
    client.does("stop_section", &[("result", result(Outcome::Failed))]);
    client.does("start_section", &section("two"));
    client.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut client);
    server
}

#[test]
fn a_run_s_folder_becomes_a_job_with_its_name_its_dates_and_its_logs_once() {
    let server = left_behind();
    let data = tempfile::tempdir().unwrap();
    let folder = server.folder();
    for time in ["first", "second"] {
        let output = command(data.path(), &["import", "pyats", folder.to_str().unwrap()]);
        assert!(output.status.success(), "{time}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout).contains("imported before"), time == "second", "{time}");
    }
    let listed = command(data.path(), &["list", "--format", "json"]);
    let jobs: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(jobs.as_array().unwrap().len(), 1);
    assert_eq!((&jobs[0]["name"], &jobs[0]["complete"]), (&"nightly".into(), &"yes".into()), "{jobs}");
    let again = command(data.path(), &["report", "1", "--format", "pyats-json"]);
    assert_eq!(text(&again.stdout), std::fs::read_to_string(folder.join("results.json")).unwrap());
    let logs = text(&command(data.path(), &["logs", "1"]).stdout);
    let one = logs.lines().find(|line| line.contains("in one")).unwrap();
    assert!(one.contains("one"), "{one}");
    assert!(
        logs.lines().find(|line| line.contains("before")).is_some_and(|line| !line.contains("/one")),
        "{logs}"
    );
}

#[test]
fn a_file_that_is_no_report_is_said_with_what_is_wrong_and_the_others_come_in() {
    let server = left_behind();
    let data = tempfile::tempdir().unwrap();
    let bad = data.path().join("bad.json");
    std::fs::write(&bad, "{\"version\": \"3.4\", \"report\": {\"type\": \"TestSuite\", \"id\"").unwrap();
    let good = server.folder().join("results.json");
    let output = command(
        &data.path().join("store"),
        &["import", "pyats", bad.to_str().unwrap(), good.to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("bad.json"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("nightly"), "{}", text(&output.stdout));
}

#[test]
fn an_archive_whose_names_lead_out_of_it_writes_nothing_outside() {
    let server = left_behind();
    let data = tempfile::tempdir().unwrap();
    let archive = data.path().join("a.zip");
    let script = "import sys, zipfile\n\
                  z = zipfile.ZipFile(sys.argv[1], 'w')\n\
                  z.write(sys.argv[2], 'results.json')\n\
                  z.writestr('../escaped', 'no')\n\
                  z.writestr('/tmp/oyez-escaped', 'no')\n\
                  z.close()\n";
    let made = run(
        Command::new("python3").args(["-c", script]).arg(&archive).arg(server.folder().join("results.json")),
        Duration::from_secs(30),
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let output = command(&data.path().join("store"), &["import", "pyats", archive.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!data.path().join("escaped").exists() && !std::env::temp_dir().join("escaped").exists());
    assert!(!Path::new("/tmp/oyez-escaped").exists());
}

#[test]
fn every_job_can_be_had_as_pyats_results() {
    let data = tempfile::tempdir().unwrap();
    let ran = command(
        data.path(),
        &["run", "../../examples/hello.yaml", "--format", "quiet", "--out", "/dev/null/no"],
    );
    // The folder cannot be made: nothing was started. With one that can, it runs.
    assert!(!ran.status.success());
    let out = data.path().join("out");
    let ran = run(
        Command::new(oyez())
            .args(["run", "../../examples/hello.yaml", "--format", "quiet", "--out"])
            .arg(&out)
            .arg("--data")
            .arg(data.path()),
        Duration::from_secs(60),
    );
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let results = command(data.path(), &["report", "latest", "--format", "pyats-json"]);
    let results: serde_json::Value = serde_json::from_slice(&results.stdout).unwrap();
    assert_eq!(results["report"]["result"]["value"], "passed", "{results}");
    assert!(!results["report"]["tasks"][0]["sections"].as_array().unwrap().is_empty());
}
