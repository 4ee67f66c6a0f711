//! Reports that real tools wrote, from the shared material beside the workspace.
#![expect(clippy::unwrap_used, reason = "a test may: its panic is the report")]

#[path = "../../../tests/skipped.rs"]
mod skipped;

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use oyez_wire::formats::junit::{Item, JunitError, Reader, Tally};

/// The folder with the reports; None, said aloud, where it is not there.
fn folder() -> Option<PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/formats/dorny-test-reporter");
    if folder.is_dir() {
        return Some(folder);
    }
    skipped::skipped("../shared is not there");
    None
}

/// All XML files below a folder.
fn xml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "xml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The document without comments and CDATA sections, to count tags in.
fn bare(xml: &str) -> String {
    let mut bare = String::new();
    let mut rest = xml;
    loop {
        let comment = rest.find("<!--").map(|at| (at, "-->"));
        let cdata = rest.find("<![CDATA[").map(|at| (at, "]]>"));
        let Some((at, end)) = comment.into_iter().chain(cdata).min() else { break };
        bare.push_str(&rest[..at]);
        let length = rest[at..].find(end).unwrap() + end.len();
        rest = &rest[at + length..];
    }
    bare + rest
}

/// How many start tags of a name there are, found without an XML parser.
fn tags(bare: &str, name: &str) -> u64 {
    let open = format!("<{name}");
    bare.match_indices(&open)
        .filter(|(at, _)| bare[at + open.len()..].starts_with([' ', '\t', '\r', '\n', '>', '/']))
        .count() as u64
}

#[test]
fn every_case_and_message_of_every_real_report_is_read() {
    let Some(folder) = folder() else { return };
    let mut reports = 0;
    for path in xml_files(&folder) {
        let xml = fs::read_to_string(&path).unwrap();
        let bare = bare(&xml);
        if tags(&bare, "testsuites") + tags(&bare, "testsuite") == 0 {
            continue;
        }
        reports += 1;
        let (mut cases, mut starts, mut ends, mut messages) = (0, 0, 0, 0);
        let mut reader = Reader::new(BufReader::with_capacity(61, fs::File::open(&path).unwrap()));
        for item in &mut reader {
            match item.unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
                Item::Case(case) => {
                    cases += 1;
                    messages += case.messages.len() as u64;
                    assert_eq!((case.dropped_bytes, case.dropped_parts), (0, 0));
                }
                Item::SuiteStart(_) => starts += 1,
                Item::SuiteEnd(_) => ends += 1,
                Item::SuiteMessage(_) => messages += 1,
                _ => {}
            }
        }
        assert_eq!(cases, tags(&bare, "testcase"), "{}", path.display());
        assert_eq!(starts, tags(&bare, "testsuite") + tags(&bare, "testsuites"), "{}", path.display());
        assert_eq!(starts, ends, "{}", path.display());
        let written: u64 =
            ["failure", "error", "skipped", "warning"].map(|name| tags(&bare, name)).iter().sum();
        assert_eq!(messages, written, "{}", path.display());
        assert_eq!(reader.notes().unknown_elements, 0, "{}", path.display());
        assert!(!reader.notes().lossy);
    }
    assert!(reports >= 20, "only {reports} reports found");
}

#[test]
fn a_report_of_another_kind_is_refused_by_name() {
    let Some(folder) = folder() else { return };
    for name in ["dotnet-nunit.xml", "external/nunit-sample.xml"] {
        let file = fs::File::open(folder.join(name)).unwrap();
        let first = Reader::new(BufReader::new(file)).next();
        let Some(Err(JunitError::NotJunit { found, .. })) = first else { panic!("{name}: {first:?}") };
        assert_eq!(found, "<test-run>");
    }
}

#[test]
fn what_careful_writers_announce_is_what_is_seen() {
    let Some(folder) = folder() else { return };
    for name in [
        "external/java/pulsar-test-report.xml",
        "external/java/junit4-complete.xml",
        "external/java/TEST-org.apache.pulsar.AddMissingPatchVersionTest.xml",
        "python-xunit-unittest.xml",
        "nette-tester/tester-v1.7-report.xml",
    ] {
        let file = fs::File::open(folder.join(name)).unwrap();
        let last = Reader::new(BufReader::new(file)).last();
        let Some(Ok(Item::SuiteEnd(end))) = last else { panic!("{name}: {last:?}") };
        assert_eq!(end.shortfall(), None, "{name}");
        let Tally { tests, skipped, failures, .. } = end.seen;
        for (announced, seen) in [
            (end.announced.tests, tests),
            (end.announced.skipped, skipped),
            (end.announced.failures, failures),
        ] {
            assert_eq!(announced.unwrap_or(seen), seen, "{name}");
        }
    }
}
