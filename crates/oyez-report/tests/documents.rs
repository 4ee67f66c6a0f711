//! What the documents say, and that they say it for every shape of job.

#![expect(clippy::unwrap_used, reason = "a test may: its panic is the report")]

mod sample;
mod strange;

use std::cell::Cell;
use std::io::Write;

use oyez_model::event::Stream;
use oyez_model::{JobState, Outcome};
use oyez_report::{Format, Options, ReportError, write_report, write_reports};
use oyez_store::JobReader;
use serde_json::Value;

fn written(reader: &dyn JobReader, format: Format) -> String {
    let mut out = Vec::new();
    write_report(reader, format, &mut out, &Options::default()).unwrap();
    String::from_utf8(out).unwrap()
}

/// A run with a passed and a failed target, and a skipped case.
fn small() -> Box<dyn JobReader> {
    let mut job = sample::Job::new("small");
    let run = job.run(1, Some(1));
    let test = job.wait_ms(1).test(run, "smoke", 0, 0);
    for (target, good) in [("board-1", true), ("board-2", false)] {
        let section = job.target(test, target);
        let visit = job.visit(section, "Cmd", "boot");
        job.wait_ms(250).log(visit, Stream::Stdout, format!("{target} \x1b[1mboots\x1b[0m\n"));
        if good {
            job.out(visit);
        } else {
            job.err(visit, "exit code 4: no link");
        }
        job.end(section, if good { Outcome::Passed } else { Outcome::Failed }, "");
    }
    let skipped = job.section(test, "Testcase", "radio");
    job.end(skipped, Outcome::Skipped, "no radio here");
    job.end_test(test, false);
    job.end_run(run);
    job.report(None, "TargetSuccess", false, r#"["Test smoke: 50.00% is not = 100.00%"]"#);
    job.end_job(JobState::Completed, None);
    job.reader()
}

#[test]
fn the_summary_says_what_a_person_wants_to_know_first() {
    insta::assert_snapshot!(written(small().as_ref(), Format::Markdown));
}

#[test]
fn junit_has_a_suite_for_each_test_and_a_case_for_each_target() {
    insta::assert_snapshot!(written(small().as_ref(), Format::Junit));
}

#[test]
fn tap_has_subtests_and_diagnostics() {
    insta::assert_snapshot!(written(small().as_ref(), Format::Tap));
}

#[test]
fn report_json_nests_runs_tests_and_sections() {
    let document: Value = serde_json::from_str(&written(small().as_ref(), Format::Json)).unwrap();
    insta::assert_json_snapshot!(document);
}

#[test]
fn the_same_journal_gives_the_same_bytes_alone_or_together() {
    for (name, job) in strange::all() {
        let alone: Vec<String> = Format::ALL.iter().map(|f| written(job.as_ref(), *f)).collect();
        let mut together: Vec<Vec<u8>> = vec![Vec::new(); Format::ALL.len()];
        let mut outputs: Vec<(Format, &mut dyn Write)> = Format::ALL
            .into_iter()
            .zip(together.iter_mut())
            .map(|(f, out)| (f, out as &mut dyn Write))
            .collect();
        write_reports(job.as_ref(), &mut outputs, &Options::default()).unwrap();
        for ((format, alone), together) in Format::ALL.iter().zip(alone).zip(together) {
            assert!(alone.as_bytes() == together, "{name}: {format}");
        }
    }
}

#[test]
fn every_document_says_whether_it_is_complete() {
    let job = strange::incomplete();
    let json: Value = serde_json::from_str(&written(job.as_ref(), Format::Json)).unwrap();
    assert_eq!(json["complete"], "no");
    let codes: Vec<&str> =
        json["gaps"].as_array().unwrap().iter().map(|gap| gap["code"].as_str().unwrap()).collect();
    for code in ["never_ended", "planned_missing", "dropped_output", "source_cut"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    for format in [Format::Markdown, Format::Html, Format::Tap, Format::Junit, Format::Ctrf] {
        let text = written(job.as_ref(), format);
        assert!(text.contains("disk was full"), "{format} does not say what is missing");
    }
    // A consumer that knows only testcases sees it as well.
    assert!(written(job.as_ref(), Format::Junit).contains("<error type=\"incomplete\""));
}

#[test]
fn a_job_that_goes_on_is_neither_complete_nor_not() {
    let job = strange::running();
    let json: Value = serde_json::from_str(&written(job.as_ref(), Format::Json)).unwrap();
    assert_eq!((&json["complete"], &json["verdict"]), (&Value::from("unknown"), &Value::Null));
    assert!(written(job.as_ref(), Format::Html).contains("still running"));
    assert!(written(job.as_ref(), Format::Markdown).contains("still running"));
    let junit = written(job.as_ref(), Format::Junit);
    assert!(junit.contains("tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\""), "{junit}");
}

#[test]
fn a_failed_job_says_why() {
    for format in Format::ALL {
        // Those have no place for it.
        if !matches!(format, Format::Tap | Format::Ctrf | Format::PyatsSummary) {
            assert!(
                written(strange::failed().as_ref(), format).contains("acquire timed out after 5m0s"),
                "{format}"
            );
        }
    }
}

/// Each testsuite's counts are those of its testcases, and the document's those of its suites.
#[test]
fn junit_counts_what_it_holds() {
    for (name, job) in strange::all() {
        if name == "hostile" {
            // Its texts hold tags of their own, escaped; counting by tag does not tell them apart.
            continue;
        }
        let text = written(job.as_ref(), Format::Junit);
        let number = |tag: &str, key: &str| -> usize {
            let from = tag.find(&format!(" {key}=\"")).unwrap_or_else(|| panic!("{name}: no {key} in {tag}"))
                + key.len()
                + 3;
            tag[from..].split('"').next().unwrap().parse().unwrap()
        };
        let mut sums = [0; 3];
        for suite in text.split("<testsuite ").skip(1) {
            let head = format!(" {}", suite.split('>').next().unwrap());
            let held = [
                suite.matches("<testcase ").count(),
                suite.matches("<failure ").count(),
                suite.matches("<error ").count(),
            ];
            for (i, key) in ["tests", "failures", "errors"].into_iter().enumerate() {
                assert_eq!(number(&head, key), held[i], "{name}: {key} of {head}");
                sums[i] += held[i];
            }
        }
        let head = text.split("<testsuites").nth(1).unwrap().split('>').next().unwrap();
        if name != "running" && name != "only a retried attempt" {
            let all: Vec<usize> =
                ["tests", "failures", "errors"].iter().map(|key| number(head, key)).collect();
            // Clean-ups stand in suites and do not count in the whole.
            let cleanups = text.matches("power off").count() / 6;
            assert!(sums[0] - all[0] <= cleanups.max(2), "{name}: {sums:?} {all:?}");
            assert_eq!(sums[1..], all[1..], "{name}");
        }
    }
}

#[test]
fn junit_shows_a_retried_failure_in_the_case_that_counts() {
    let text = written(sample::lab().reader().as_ref(), Format::Junit);
    assert_eq!(
        text.matches("<flakyFailure type=\"failed\" message=\"attempt 1: exit code 1: 100% packet loss\">")
            .count(),
        2
    );
    let text = written(strange::only_retried().as_ref(), Format::Junit);
    assert!(text.contains("ran only in attempt 1: failed: no link"), "{text}");
}

#[test]
fn a_clean_up_that_fails_is_no_failure() {
    let text = written(sample::lab().reader().as_ref(), Format::Junit);
    assert!(text.contains("<skipped type=\"failed\" message=\"does not count, as it is part of a clean-up: relay does not answer\""));
    assert!(!written(sample::lab().reader().as_ref(), Format::Markdown).contains("relay does not answer"));
}

#[test]
fn a_test_without_cases_and_a_section_without_a_test_do_not_vanish() {
    let text = written(strange::caseless().as_ref(), Format::Junit);
    assert!(text.contains("<testcase name=\"make check\" classname=\"boards.make check\""), "{text}");
    assert!(text.contains("No rule to make target"));
    let text = written(strange::loose().as_ref(), Format::Junit);
    assert!(
        text.contains("<testcase name=\"connect\"") && text.contains("<testcase name=\"lost\""),
        "{text}"
    );
}

#[test]
fn the_summary_stays_below_githubs_limit_and_says_how_many_more_there_are() {
    let mut job = sample::Job::new("much");
    let run = job.run(1, None);
    let test = job.test(run, "many", 0, 0);
    for n in 0..3000 {
        let case = job.section(test, "Testcase", &format!("case {n} ``` {}", "long ".repeat(60)));
        job.log(case, Stream::Stdout, "what it said ```` \n".repeat(100));
        job.end(case, Outcome::Failed, &"because ".repeat(400));
    }
    job.end_test(test, false);
    for n in 0..500 {
        job.report(
            Some(1),
            &format!("reporter {n}"),
            false,
            &serde_json::to_string(&"says a lot ".repeat(300)).unwrap(),
        );
    }
    job.end_job(JobState::Completed, None);
    let text = written(job.reader().as_ref(), Format::Markdown);
    assert!(text.len() <= 65_535, "{}", text.len());
    assert!(text.contains("## Failures (3000)") && text.contains(" more: `oyez report 1"), "{text}");
    // The limit is used: what fits is there.
    assert!(text.len() > 50_000, "{}", text.len());
}

#[test]
fn nothing_of_a_name_becomes_markup_in_the_page() {
    let text = written(strange::hostile().as_ref(), Format::Html);
    let page = text.split("<div id=\"chunks\"").next().unwrap();
    for tag in ["<img", "<script>alert", "</script><script>alert"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert_eq!(text.matches("<script>").count(), 1, "only our own script");
    assert!(
        text.bytes().all(|b| b >= 0x20 || b == b'\n' || b == b'\t'),
        "control characters are made visible"
    );
}

#[test]
fn a_tree_of_thousands_of_levels_needs_no_stack() {
    let job = strange::deep(5000);
    for format in Format::ALL {
        let text = written(job.as_ref(), format);
        assert!(text.len() > 300, "{format}");
        if format == Format::Json {
            assert_eq!(text.matches("\"kind\":\"section\"").count(), 5000);
            serde_json::from_str::<Value>(&text).unwrap();
        }
    }
}

#[test]
fn twenty_thousand_children_are_all_there() {
    let job = strange::wide(20_000);
    assert_eq!(written(job.as_ref(), Format::Json).matches("\"kind\":\"section\"").count(), 20_000);
    assert_eq!(written(job.as_ref(), Format::Junit).matches("<testcase ").count(), 20_000);
    let tap = written(job.as_ref(), Format::Tap);
    assert!(tap.contains("\n        1..20000\n"), "the plan is that of the points");
    assert_eq!(tap.matches("\n        not ok ").count(), 200);
}

#[test]
fn a_log_that_is_too_long_says_what_is_left_out() {
    let mut job = sample::Job::new("chatty");
    let run = job.run(1, None);
    let test = job.test(run, "chatty", 0, 0);
    let case = job.section(test, "Testcase", "talks");
    for n in 0..2000 {
        job.log(case, Stream::Stdout, format!("line {n:04}\n"));
    }
    job.end(case, Outcome::Passed, "");
    job.end_job(JobState::Completed, None);
    let options = Options { max_log_bytes: 1000, max_case_log_bytes: 500, ..Options::default() };
    let text = |format| {
        let mut out = Vec::new();
        write_report(job.reader().as_ref(), format, &mut out, &options).unwrap();
        String::from_utf8(out).unwrap()
    };
    let json: Value = serde_json::from_str(&text(Format::Json)).unwrap();
    let case = &json["children"][0]["children"][0]["children"][0];
    assert_eq!(case["log_left_out"], serde_json::json!({"after": 50, "pieces": 1900, "bytes": 19_000}));
    assert_eq!(case["log"][49]["text"], "line 0049\n");
    assert_eq!(case["log"][50]["text"], "line 1950\n");
    // 1,900 lines in the middle, and the first 50 lines and the line that says so.
    assert!(
        text(Format::Junit).contains("[539 bytes before this are left out]\nline 1950"),
        "{}",
        text(Format::Junit)
    );
}

#[test]
fn progress_is_told_up_to_the_end() {
    let last = Cell::new(None);
    let told = |p| last.set(Some(p));
    let options = Options { progress: Some(&told), ..Options::default() };
    write_report(strange::wide(2500).as_ref(), Format::Tap, &mut std::io::sink(), &options).unwrap();
    let last = last.get().unwrap();
    assert_eq!((last.sections, last.at), (2502, last.of));
}

#[test]
fn a_full_disk_is_an_error_that_names_the_document() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let error = write_report(small().as_ref(), format, &mut Full, &Options::default()).unwrap_err();
        assert!(matches!(&error, ReportError::Write { format: f, .. } if *f == format), "{error}");
        assert!(error.to_string().contains(format.name()) && error.to_string().contains("no space left"));
    }
}
