//! `search` and `tags`, on the local store.

use serde_json::{Value, json};

use crate::lab::Lab;

/// Three jobs that say something.
fn three() -> Lab {
    let lab = Lab::new();
    for (name, tag, script) in [
        ("one", "nightly", "echo 'ERROR: no route to host'; echo done"),
        ("two", "weekly", "echo all is well; echo 'warning: Slow Route' >&2"),
        ("three", "nightly", "printf 'caf\\351 open\\n'; echo rou\u{1b}te"),
    ] {
        lab.oyez(&["exec", "--name", name, "--tag", tag, "--tag", "all", "--", "sh", "-c", script]).ended(0);
    }
    lab
}

fn found(lab: &Lab, arguments: &[&str]) -> Vec<(u64, String)> {
    let done = lab.oyez(&[&["search", "--format", "json"], arguments].concat()).ended(0);
    let line = |line: &Value| (line["job"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned());
    done.json().as_array().unwrap().iter().map(line).collect()
}

#[test]
fn logs_of_all_jobs_are_searched() {
    let lab = three();
    let jobs =
        |arguments: &[&str]| found(&lab, arguments).into_iter().map(|(job, _)| job).collect::<Vec<_>>();
    let all = [(2, "warning: Slow Route".to_owned()), (1, "ERROR: no route to host".to_owned())];
    assert_eq!(found(&lab, &["route"]), all);
    assert_eq!(jobs(&["--regex", "^(all|done)"]), [2, 1]);
    assert_eq!(jobs(&["route", "--level", "error,critical"]), [1]);
    assert_eq!(jobs(&["route", "--tag", "weekly"]), [2]);
    assert_eq!(jobs(&["open", "--job", "latest"]), [3]);
    assert_eq!(jobs(&["caf\u{fffd} open"]), [3]);
    assert_eq!(jobs(&["route", "--since", "1h"]), [2, 1]);
    assert_eq!(jobs(&["route", "--until", "2001-01-01"]), [0u64; 0]);
    assert_eq!(found(&lab, &[]).len(), 6);
    assert_eq!(found(&lab, &["--limit", "0"]).len(), 6);
    let done = lab.oyez(&["search", "--limit", "2", "--format", "jsonl"]).ended(0);
    assert_eq!(done.lines().len(), 2);
    assert!(done.err.contains("there may be more"), "{}", done.err);
    assert!(lab.path("store/search").is_dir());
}

#[test]
fn people_see_where_a_line_was_found_and_nothing_that_would_move_their_cursor() {
    let lab = three();
    let text = lab.oyez(&["search", "rou"]).ended(0).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2], lines[4]), ("job 3  three", "job 2  two", "job 1  one"));
    assert!(lines[1].ends_with("| rou\u{fffd}te") && lines[3].ends_with("! warning: Slow Route"), "{text}");
    let none = lab.oyez(&["search", "nowhere"]).ended(0);
    assert_eq!((none.text().as_str(), none.err.as_str()), ("", "nothing found\n"));
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let lab = three();
    for (arguments, word) in [
        (vec![""], "no text to search for"),
        (vec!["--regex", "a(b"], "character 2: unclosed group"),
        (vec!["--regex", "(a{500}){500}"], "too large"),
        (vec!["--regex"], "required"),
        (vec!["a", "--level", "loud"], "\"loud\" is no level"),
        (vec!["a", "--since", "soon"], "a time is like"),
        (vec!["a", "--since", "1h", "--until", "2h"], "--since is after --until"),
        (vec!["a", "--job", "17"], "17"),
    ] {
        let done = lab.oyez(&[&["search"], &arguments[..]].concat()).ended(2);
        assert!(done.err.contains(word), "{arguments:?}: {}", done.err);
    }
    let empty = Lab::new();
    assert!(empty.oyez(&["search", "a"]).ended(2).err.contains("there is no store"));
    assert_eq!(empty.oyez(&["tags"]).ended(0).text(), "no tags\n");
}

#[test]
fn an_index_that_is_spoilt_is_made_again_and_said() {
    let lab = three();
    found(&lab, &["route"]);
    for file in std::fs::read_dir(lab.path("store/search")).unwrap() {
        std::fs::write(file.unwrap().path(), "nonsense").unwrap();
    }
    let done = lab.oyez(&["search", "route", "--format", "jsonl"]).ended(0);
    assert!(done.err.contains("the index of logs is made again"), "{}", done.err);
    assert_eq!(done.lines().len(), 2);
    lab.oyez(&["fsck"]).ended(0);
}

#[test]
fn tags_are_listed_with_their_jobs() {
    let lab = three();
    let tags = lab.oyez(&["tags", "--format", "json"]).ended(0).json();
    assert_eq!(
        tags,
        json!([{"name": "all", "jobs": 3}, {"name": "nightly", "jobs": 2}, {"name": "weekly", "jobs": 1}])
    );
    assert_eq!(lab.oyez(&["tags", "^N"]).ended(0).text(), "      2  nightly\n");
    let jobs = lab.oyez(&["tags", "--jobs", "nightly", "--format", "jsonl"]).ended(0).lines();
    let names: Vec<&Value> = jobs.iter().map(|job| &job["job"]["name"]).collect();
    assert_eq!(names, ["three", "one"]);
    let table = lab.oyez(&["tags", "--jobs", "nightly", "--limit", "1"]).ended(0).text();
    assert!(
        table.contains("three") && table.contains("no final report") && table.lines().count() == 1,
        "{table}"
    );
    assert_eq!(lab.oyez(&["tags", "--jobs", "nobody"]).ended(0).text(), "no job has it\n");
    assert!(lab.oyez(&["tags", "("]).ended(2).err.contains("unclosed group"));
}
