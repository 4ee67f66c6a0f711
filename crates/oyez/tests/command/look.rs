//! Looking at jobs: `list`, `status`, `events`, `logs`, `report`.

use std::io::{BufRead, BufReader};

use crate::lab::{Lab, descriptor};

/// A store with three jobs: 1 passed, 2 failed with a guid, 3 passed with the same guid and a tag.
fn three() -> Lab {
    let lab = Lab::new();
    lab.oyez(&["exec", "--name", "one", "--", "echo", "first"]).ended(0);
    lab.oyez(&["exec", "--name", "two", "--guid", "g", "--", "false"]).ended(1);
    lab.oyez(&["exec", "--name", "three", "--guid", "g", "--guid", "h", "--tag", "t", "--", "echo", "third"])
        .ended(0);
    lab
}

fn names(lab: &Lab, arguments: &[&str]) -> Vec<String> {
    let done = lab.oyez(&[&["list", "--format", "json"], arguments].concat()).ended(0);
    done.json().as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_list_is_newest_first_and_can_be_narrowed() {
    let lab = three();
    assert_eq!(names(&lab, &[]), ["three", "two", "one"]);
    assert_eq!(names(&lab, &["--limit", "1"]), ["three"]);
    assert_eq!(names(&lab, &["--guid", "g"]), ["three", "two"]);
    assert_eq!(names(&lab, &["--tag", "t"]), ["three"]);
    assert_eq!(names(&lab, &["--state", "Completed"]), ["three", "two", "one"]);
    assert_eq!(names(&lab, &["--state", "Failed,Cancelled"]), [""; 0]);
    assert_eq!(lab.oyez(&["list", "--format", "jsonl"]).ended(0).lines().len(), 3);
    let table = lab.oyez(&["list"]).ended(0).text();
    assert_eq!(table.lines().count(), 4, "{table}");
    lab.oyez(&["list", "--state", "Nonsense"]).ended(2);
}

#[test]
fn every_job_in_a_list_has_the_promised_fields() {
    for job in three().jobs() {
        for field in ["id", "uid", "guid", "name", "state", "complete", "outcome"] {
            assert!(job.get(field).is_some(), "{field}: {job}");
        }
    }
}

#[test]
fn a_place_without_a_store_is_an_empty_list_and_nothing_to_look_at() {
    let lab = Lab::new();
    assert_eq!(lab.jobs().len(), 0);
    for command in ["status", "events", "logs"] {
        let done = lab.oyez(&[command]).ended(2);
        assert!(done.err.contains("there is no store"), "{}", done.err);
    }
    assert!(!lab.path("store").exists(), "looking makes none");
}

#[test]
fn a_job_is_found_by_number_uid_guid_and_latest() {
    let lab = three();
    let uid = lab.jobs()[2]["uid"].as_str().unwrap().to_owned();
    for (id, name) in [("1", "one"), (uid.as_str(), "one"), ("h", "three"), ("latest", "three")] {
        let job = lab.oyez(&["status", id, "--format", "json"]).ended(0).json();
        assert_eq!(job["name"], name, "{id}");
    }
    for unknown in ["17", "nobody"] {
        let done = lab.oyez(&["status", unknown]).ended(2);
        assert!(done.err.contains(unknown), "{}", done.err);
    }
}

#[test]
fn a_guid_of_several_jobs_lists_them_and_ends_with_2() {
    let lab = three();
    for command in ["status", "events", "logs"] {
        let done = lab.oyez(&[command, "g"]).ended(2);
        assert!(
            done.err.contains("two") && done.err.contains("three") && !done.err.contains("one"),
            "{}",
            done.err
        );
    }
    lab.oyez(&["report", "g", "--format", "json"]).ended(2);
}

#[test]
fn a_status_ends_with_the_code_of_its_job() {
    let lab = three();
    lab.oyez(&["status", "1"]).ended(0);
    let done = lab.oyez(&["status", "2"]).ended(1);
    assert!(done.text().contains("exit status 1"), "{}", done.text());
}

#[test]
fn every_document_goes_to_standard_output_a_file_or_a_folder() {
    let lab = three();
    for (format, mark) in [
        ("json", "\"three\""),
        ("junit", "<testsuites"),
        ("markdown", "three"),
        ("html", "<!doctype html>"),
        ("ctrf", "\"results\""),
        ("tap", "TAP version 14"),
    ] {
        let text = lab.oyez(&["report", "3", "--format", format]).ended(0).text();
        assert!(text.to_lowercase().contains(&mark.to_lowercase()), "{format}: {text:.300}");
        lab.oyez(&["report", "3", "--format", format, "--out", "one"]).ended(0);
        assert!(lab.read("one") == text, "{format}: the same bytes in a file");
    }
    lab.oyez(&["report", "latest", "--out", "all"]).ended(0);
    assert!(lab.path("all/report.json").is_file() && lab.path("all/report.html").is_file());
    lab.oyez(&["report", "latest", "--format", "pdf"]).ended(2);
    lab.oyez(&["report", "latest", "--format", "json", "--out", "no/such/folder/x"]).ended(3);
}

#[test]
fn events_can_be_read_from_a_number_on() {
    let lab = three();
    let all = lab.oyez(&["events", "1", "--format", "jsonl"]).ended(0).lines();
    let some = lab.oyez(&["events", "1", "--after", "3", "--format", "jsonl"]).ended(0).lines();
    assert_eq!(some, all[3..]);
    let human = lab.oyez(&["events", "1"]).ended(0).text();
    assert_eq!(human.lines().count(), all.len(), "{human}");
}

#[test]
fn logs_show_where_each_line_came_from() {
    let lab = Lab::new();
    let steps = ["{name: echo, label: s, parameters: {text: [\"from {{ .ID }}\"]}}"];
    lab.run(&descriptor(&["T1", "T2"], &steps)).ended(0);
    let text = lab.oyez(&["logs", "latest"]).ended(0).text();
    assert!(text.contains("A test/T1/s | from T1"), "{text}");
    let one = lab.oyez(&["logs", "latest", "--section", "T2"]).ended(0).text();
    assert!(one.contains("from T2") && !one.contains("from T1"), "{one}");
    assert_eq!(lab.oyez(&["logs", "latest", "--raw", "--section", "T2"]).ended(0).text(), "from T2\n");
    assert_eq!(lab.oyez(&["logs", "latest", "--stream", "stderr"]).ended(0).text(), "");
    let jsonl = lab.oyez(&["logs", "latest", "--format", "jsonl", "--section", "T2"]).ended(0).text();
    let line: serde_json::Value = serde_json::from_str(&jsonl).unwrap();
    let said = ["path", "stream", "text"].map(|key| line[key].as_str().unwrap());
    assert_eq!(said, ["A test/T2/s", "log", "from T2"], "{jsonl}");
    assert!(line["time"].as_str().unwrap().ends_with('Z') && line["section"].is_string(), "{jsonl}");
    lab.oyez(&["logs", "latest", "--format", "jsonl", "--raw"]).ended(2);
}

/// Follows a job of another process with a command that must end by itself, and see its last word.
fn follow(arguments: &[&str], last: &str) {
    let lab = Lab::new();
    let script = "echo begun; until [ -e go ]; do sleep 0.01; done; echo last word";
    let running = lab.start(&["exec", "--", "sh", "-c", script]);
    lab.wait_for("log_text");
    let mut follower = lab.start(arguments);
    let mut lines = BufReader::new(follower.stdout()).lines();
    let mut seen = Vec::new();
    // It has caught up with what there is before anything more happens.
    while !seen.iter().any(|line: &String| line.contains("begun")) {
        seen.push(lines.next().unwrap().unwrap());
    }
    lab.write("go", "");
    seen.extend(lines.map_while(Result::ok));
    follower.end().ended(0);
    running.end().ended(0);
    assert!(seen.iter().any(|line| line.contains(last)), "{seen:#?}");
}

#[test]
fn events_of_another_process_can_be_followed_to_the_end() {
    follow(&["events", "latest", "--follow", "--format", "jsonl"], "\"state\":\"Completed\"");
}

#[test]
fn logs_of_another_process_can_be_followed_to_the_end() {
    follow(&["logs", "latest", "--follow"], "last word");
}

#[test]
fn a_job_can_be_looked_at_while_it_runs() {
    let lab = Lab::new();
    let running = lab.start(&["exec", "--", "sh", "-c", "echo begun; until [ -e go ]; do sleep 0.01; done"]);
    lab.wait_for("log_text");
    let job = lab.oyez(&["status", "latest", "--format", "json"]).ended(0).json();
    assert_eq!((&job["state"], &job["complete"]), (&"Started".into(), &"unknown".into()));
    for format in ["json", "junit", "markdown", "html", "ctrf", "tap"] {
        assert!(!lab.oyez(&["report", "latest", "--format", format]).ended(0).out.is_empty(), "{format}");
    }
    lab.write("go", "");
    running.end().ended(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let lab = Lab::new();
    lab.oyez(&["exec", "--", "seq", "200000"]).ended(0);
    let mut running = lab.start(&["logs", "latest"]);
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).unwrap();
    let done = running.end();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
}
