//! The recordings beside the workspace: a job of every kind of section, and what single calls left in files.

use std::path::PathBuf;

use oyez_report::pyats;
use oyez_wire::pyats::import::Format;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{assert_same, imported, written};

fn golden() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/pyats");
    if folder.exists() {
        return Some(folder);
    }
    crate::skipped::skipped("../shared is not there");
    None
}

fn read(name: &str) -> Option<String> {
    golden().map(|folder| std::fs::read_to_string(folder.join(name)).unwrap())
}

#[test]
fn results_json_is_written_as_it_was_read() {
    let Some(text) = read("results.json") else { return };
    let tree = imported(text.as_bytes(), Format::Json);
    // A thread of the real server counts lines: where it was late, `begin_lines` stands last.
    let mut expected = text.trim_end().to_owned();
    while let Some(at) = expected.find(", \"begin_lines\": 343}") {
        let from = expected[..at].rfind("\"size\"").unwrap();
        let (sizes, lines) = (expected[from..at].to_owned(), "\"begin_lines\": 343, ");
        expected.replace_range(from..at + lines.len(), &format!("{lines}{sizes}"));
    }
    assert_same("results.json", &expected, &written(&tree, pyats::json));
}

#[test]
fn results_yaml_is_written_as_it_was_read() {
    let Some(text) = read("results.yaml") else { return };
    // The recording's placeholders stand where YAML takes no `@`; they are as long as what is there instead.
    let text = text.replace("@ARCHIVE@", "/ARCHIVE/").replace("@SITE@", "/SITE/").replace("@JOB@", "/JOB/");
    let text = ["VENV", "STDLIB", "CONF", "RUNINFO", "RUN"]
        .iter()
        .fold(text, |text, name| text.replace(&format!("@{name}@"), &format!("/{name}/")));
    let tree = imported(text.as_bytes(), Format::Yaml);
    // Where a long line was broken depended on the paths that the placeholders stand for: words are compared.
    let unfolded = |text: &str| {
        let mut joined = String::new();
        for line in text.lines() {
            match joined.strip_suffix('\\') {
                Some(before) => {
                    joined.truncate(before.len());
                    let rest = line.trim_start();
                    joined.push_str(rest.strip_prefix("\\ ").map_or(rest, |_| &rest[1..]));
                }
                None => {
                    joined.push('\n');
                    joined.push_str(line);
                }
            }
        }
        joined.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_same("results.yaml", &unfolded(&text), &unfolded(&written(&tree, pyats::yaml)));
}

#[test]
fn the_xml_files_are_those_of_the_recording() {
    let (Some(json), Some(details), Some(summary)) =
        (read("results.json"), read("ResultsDetails.xml"), read("ResultsSummary.xml"))
    else {
        return;
    };
    let tree = imported(json.as_bytes(), Format::Json);
    assert_same("ResultsSummary.xml", &summary, &written(&tree, pyats::summary_xml));
    assert_same("ResultsDetails.xml", &details, &written(&tree, pyats::details_xml));
}

/// One answer of a recorded case.
#[derive(Deserialize)]
struct Answer {
    step: String,
    json: Option<Box<RawValue>>,
    text: Option<String>,
}

#[test]
fn every_file_of_the_recorded_cases_is_written_as_it_was() {
    let Some(text) = read("cases/recorded.json") else { return };
    // Words of Python's JSON that no other reader takes; a number that no reader looks at stands for them.
    let text = text.replace(": NaN", ": 1e777").replace(": -Infinity", ": -1e777");
    let python = |json: &RawValue| json.get().replace("-1e777", "-Infinity").replace("1e777", "NaN");
    let cases: std::collections::BTreeMap<String, Vec<Answer>> = serde_json::from_str(&text).unwrap();
    let mut files = 0;
    for (case, answers) in &cases {
        let mut tree = None;
        for answer in answers {
            match (&*answer.step, &answer.json, &answer.text) {
                ("file results.json", Some(json), _) => {
                    let json = python(json);
                    let of = tree.insert(imported(json.as_bytes(), Format::Json));
                    assert_same(case, &json, &written(of, pyats::json));
                    files += 1;
                }
                ("file ResultsDetails.xml", _, Some(text)) if tree.is_some() => {
                    assert_same(case, text, &written(tree.as_ref().unwrap(), pyats::details_xml));
                    files += 1;
                }
                ("file ResultsSummary.xml", _, Some(text)) if tree.is_some() => {
                    assert_same(case, text, &written(tree.as_ref().unwrap(), pyats::summary_xml));
                    files += 1;
                }
                _ => {}
            }
        }
    }
    assert!(files > 40, "{files} files in the recording");
}
