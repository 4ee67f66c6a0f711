//! What ConTest checks of a descriptor before it looks at any plugin, in its order: version, tags, the length of
//! the name, then the descriptor as a whole (specs/contest.md 1.1, 1.8, 1.14).

use std::collections::HashSet;

use oyez_model::tags::{TagError, is_valid_tag};

use super::{Descriptor, VERSION};
use crate::diagnostic::{Path, Sink};

/// The bytes that a job's name may have.
const LONGEST_JOB_NAME: usize = 64;
/// The tags that a job may have. ConTest has no limit but its database's.
const MOST_TAGS: usize = 1_000;

/// ConTest's text for a name that is too long; `None` when it is not.
pub(crate) fn too_long(what: &str, text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("{what} is too long: {} > {most}", text.len()))
}

pub(crate) fn check(descriptor: &Descriptor, require_version: bool, sink: &mut Sink) {
    check_version(descriptor.version.as_deref(), require_version, sink);
    check_tags(&descriptor.tags, sink);
    let name_path = Path::Root.field("JobName");
    if let Some(message) = too_long("Job name", &descriptor.job_name, LONGEST_JOB_NAME) {
        sink.error(&name_path, message);
    }
    sink.within("could not validate job descriptor: ", |sink| check_whole(descriptor, sink));
}

fn check_version(version: Option<&str>, required: bool, sink: &mut Sink) {
    const WRITE: &str = "write \"Version\": \"1.0\"";
    let path = Path::Root.field("Version");
    let version = match version {
        None if !required => return,
        version => version.unwrap_or_default(),
    };
    if version.is_empty() {
        if !sink.has_error_at(&path) {
            sink.error(&path, "version Error: Empty Job Descriptor Version Field").hint(WRITE);
        }
        return;
    }
    let refusal = match version.split_once('.') {
        Some((major, minor)) if !minor.contains('.') => match (atoi(major), atoi(minor)) {
            (Err(e), _) | (_, Err(e)) => format!("version Error: {e}"),
            (Ok(1), Ok(minor)) if minor <= 0 => return,
            _ => format!(
                "version Error: The Job Descriptor Version {version} is not compatible with the server: {VERSION}"
            ),
        },
        _ => format!("version Error: Incorrect Job Descriptor Version {version}"),
    };
    sink.error(&path, refusal).hint(WRITE);
}

/// Go's `strconv.Atoi`, with its error texts.
fn atoi(text: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|e| {
        let why = match e.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {text:?}: {why}")
    })
}

fn check_tags(tags: &[String], sink: &mut Sink) {
    let path = Path::Root.field("Tags");
    if tags.len() > MOST_TAGS {
        let message = format!("there are too many tags: {} > {MOST_TAGS}", tags.len());
        sink.error(&path, message).hint("each list of jobs shows all of them");
        return;
    }
    let mut seen = HashSet::new();
    for (i, tag) in tags.iter().enumerate() {
        let path = path.item(i);
        if tag.is_empty() && sink.has_error_at(&path) {
            continue;
        }
        let checked = is_valid_tag(tag, false);
        let unique = seen.insert(tag);
        match checked {
            Err(e @ TagError::Internal(_)) => {
                sink.error(&path, e.to_string()).hint("a tag that starts with _ is set by the server");
            }
            Err(e) => {
                sink.error(&path, e.to_string()).hint("a tag is made of letters, digits, - and _");
            }
            Ok(()) if !unique => {
                sink.error(&path, TagError::Duplicate(tag.clone()).to_string());
            }
            Ok(()) => {}
        }
    }
}

fn check_whole(descriptor: &Descriptor, sink: &mut Sink) {
    let root = Path::Root;
    let tests_path = root.field("TestDescriptors");
    if descriptor.tests.is_empty() && !sink.has_error_at(&tests_path) {
        sink.error(&tests_path, "need at least one TestDescriptor in the JobDescriptor");
    }
    let name_path = root.field("JobName");
    if descriptor.job_name.is_empty() && !sink.has_error_at(&name_path) {
        sink.error(&name_path, "job name cannot be empty");
    }
    if descriptor.run_interval.is_negative() {
        sink.error(&root.field("RunInterval"), "run interval must be non-negative");
    }
    check_reporters(descriptor, sink);
    check_signs(descriptor, sink);
}

fn check_reporters(descriptor: &Descriptor, sink: &mut Sink) {
    let path = Path::Root.field("Reporting");
    let reporting = &descriptor.reporting;
    let (run_path, final_path) = (path.field("RunReporters"), path.field("FinalReporters"));
    if reporting.run_reporters.is_empty() && reporting.final_reporters.is_empty() {
        let said = [&path, &run_path, &final_path].into_iter().any(|path| sink.has_error_at(path));
        if !said {
            let message = "at least one run reporter or one final reporter must be specified in a job";
            sink.error(&path, message).hint(
                "for example \"Reporting\": {\"RunReporters\": [{\"Name\": \"TargetSuccess\", \
                 \"Parameters\": {\"SuccessExpression\": \"=100%\"}}]}",
            );
        }
    }
    for (i, reporter) in reporting.run_reporters.iter().enumerate() {
        let item = run_path.item(i);
        let path = item.field("Name");
        if reporter.name.trim().is_empty() && !sink.has_error_at(&path) && !sink.has_error_at(&item) {
            sink.error(&path, "run reporters cannot have empty or all-whitespace names");
        }
    }
}

/// Spans of time that ConTest takes and then does something odd with.
fn check_signs(descriptor: &Descriptor, sink: &mut Sink) {
    let root = Path::Root;
    let negative = |d: Option<crate::GoDuration>| d.is_some_and(crate::GoDuration::is_negative);
    for (name, timeout) in [
        ("TargetManagerAcquireTimeout", descriptor.acquire_timeout),
        ("TargetManagerReleaseTimeout", descriptor.release_timeout),
    ] {
        if negative(timeout) {
            sink.warning(&root.field(name), "is negative, so it is over before it starts");
        }
    }
    for (i, test) in descriptor.tests.iter().enumerate() {
        if test.as_ref().is_some_and(|test| test.retry.interval.is_negative()) {
            let (tests, retry) = (root.field("TestDescriptors"), "RetryParameters");
            let test = tests.item(i);
            let retry = test.field(retry);
            sink.warning(&retry.field("RetryInterval"), "is negative: there is no pause");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ParseOptions, parse_descriptor};

    /// The descriptor of one test, with some fields replaced.
    fn answers(json: &str, require_version: bool) -> Vec<String> {
        let options = ParseOptions { require_version, ..ParseOptions::default() };
        let parsed = parse_descriptor(json.as_bytes(), &options);
        parsed.diagnostics.into_iter().filter(|d| d.is_error()).map(|d| d.contest).collect()
    }

    #[test]
    fn versions_are_refused_in_contests_words() {
        let first = |version: &str| answers(&format!("{{\"Version\":{version}}}"), true).remove(0);
        assert_eq!(answers("{}", true)[0], "version Error: Empty Job Descriptor Version Field");
        assert!(!answers("{}", false)[0].starts_with("version"));
        assert_eq!(first("\"\""), "version Error: Empty Job Descriptor Version Field");
        assert_eq!(first("\"1\""), "version Error: Incorrect Job Descriptor Version 1");
        assert_eq!(first("\"1.0.0\""), "version Error: Incorrect Job Descriptor Version 1.0.0");
        assert_eq!(first("\"a.0\""), "version Error: strconv.Atoi: parsing \"a\": invalid syntax");
        assert_eq!(
            first("\"1.99999999999999999999\""),
            "version Error: strconv.Atoi: parsing \"99999999999999999999\": value out of range"
        );
        assert_eq!(
            first("\"1.1\""),
            "version Error: The Job Descriptor Version 1.1 is not compatible with the server: 1.0"
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_in_contests_order() {
        let json = r#"{"Tags":["a b","_a","q","q"],"JobName":"","RunInterval":"-1s"}"#;
        assert_eq!(
            answers(json, true),
            [
                "version Error: Empty Job Descriptor Version Field",
                "\"a b\" is not a valid tag",
                "\"_a\" is an internal tag and is not allowed",
                "duplicate tag \"q\"",
                "could not validate job descriptor: need at least one TestDescriptor in the JobDescriptor",
                "could not validate job descriptor: job name cannot be empty",
                "could not validate job descriptor: run interval must be non-negative",
                "could not validate job descriptor: at least one run reporter or one final reporter must be \
                 specified in a job",
            ]
        );
    }

    #[test]
    fn a_name_may_have_64_bytes() {
        let long = format!("{{\"JobName\":\"{}\"}}", "a".repeat(65));
        assert_eq!(answers(&long, false)[0], "Job name is too long: 65 > 64");
        let fits = format!("{{\"JobName\":\"{}\"}}", "a".repeat(64));
        assert!(!answers(&fits, false)[0].contains("long"));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_not_called_missing_as_well() {
        let json =
            r#"{"JobName":5,"Tags":[5],"TestDescriptors":{},"Reporting":{"RunReporters":[{"Name":1}]}}"#;
        let said = answers(json, false);
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said.iter().all(|s| s.starts_with("json: cannot unmarshal")), "{said:?}");
    }
}
