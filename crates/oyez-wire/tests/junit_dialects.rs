//! What each of the known writers means, in documents of our own that have the shape of theirs.
#![expect(clippy::unwrap_used, reason = "a test may: its panic is the report")]

use oyez_wire::formats::junit::{
    AttemptKind, Case, Item, JunitError, Message, MessageKind, Reader, Status, Suite, SuiteEnd,
};

/// Everything in a document that must be whole.
fn read(xml: &str) -> Vec<Item> {
    Reader::new(xml.as_bytes()).collect::<Result<_, JunitError>>().unwrap()
}

fn cases(items: &[Item]) -> Vec<&Case> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Case(case) => Some(&**case),
            _ => None,
        })
        .collect()
}

fn suites(items: &[Item]) -> Vec<&Suite> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::SuiteStart(suite) => Some(&**suite),
            _ => None,
        })
        .collect()
}

fn ends(items: &[Item]) -> Vec<&SuiteEnd> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::SuiteEnd(end) => Some(&**end),
            _ => None,
        })
        .collect()
}

/// The case of a document that has one, written without its suite.
fn one(case: &str) -> Case {
    let items = read(&format!("<testsuite>{case}</testsuite>"));
    let cases = cases(&items);
    assert_eq!(cases.len(), 1);
    cases[0].clone()
}

#[test]
fn a_bare_suite_is_a_root_as_good_as_testsuites() {
    let items = read(r#"<testsuite name="s" tests="1"><testcase name="a"/></testsuite>"#);
    assert_eq!(items.len(), 3);
    assert_eq!(
        (suites(&items)[0].name.as_str(), suites(&items)[0].depth, suites(&items)[0].wrapper),
        ("s", 0, false)
    );
}

#[test]
fn a_case_may_stand_directly_under_testsuites() {
    let items = read(
        r#"<testsuites><testcase name="a"/><testsuite name="s"><testcase name="b"/></testsuite></testsuites>"#,
    );
    assert_eq!(cases(&items).iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(suites(&items)[0].wrapper);
    assert_eq!(ends(&items).last().unwrap().seen.tests, 2);
}

#[test]
fn suites_nest_and_count_what_stands_within_them() {
    let items = read(
        r#"<testsuites tests="4"><testsuite name="a" tests="4">
            <testsuite name="b" tests="2"><testcase name="1"/><testcase name="2"><failure/></testcase></testsuite>
            <testsuite name="c" tests="2"><testcase name="3"><skipped/></testcase></testsuite>
        </testsuite></testsuites>"#,
    );
    assert_eq!(suites(&items).iter().map(|suite| suite.depth).collect::<Vec<_>>(), [0, 1, 2, 2]);
    let ends = ends(&items);
    assert_eq!(ends.iter().map(|end| end.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a", ""]);
    assert_eq!(ends[0].shortfall(), None);
    assert_eq!(ends[1].shortfall(), Some((2, 1)));
    assert_eq!(ends[3].shortfall(), Some((4, 3)));
    assert_eq!((ends[3].seen.failures, ends[3].seen.skipped), (1, 1));
}

#[test]
fn documents_written_one_after_another_are_read_one_after_another() {
    let items = read(
        "<?xml version='1.0'?><testsuite name='a'><testcase name='1'/></testsuite>\n\
         <?xml version='1.0'?><testsuite name='b'><testcase name='2'/></testsuite>\nDone.",
    );
    assert_eq!(cases(&items).len(), 2);
    assert_eq!(suites(&items).iter().map(|suite| suite.depth).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn every_field_of_a_suite_is_kept() {
    let items = read(
        r#"<testsuite name="s" package="p" file="f.py" timestamp="2026-01-02T03:04:05+01:00" time="1,234.5" hostname="h"
            id="7" tests="10" failures="1" errors="2" skipped="3" disabled="4" assertions="5" log="x.log"/>"#,
    );
    let suite = suites(&items)[0];
    assert_eq!(suite.package.as_deref(), Some("p"));
    assert_eq!(suite.file.as_deref(), Some("f.py"));
    assert_eq!(suite.timestamp.as_deref(), Some("2026-01-02T03:04:05+01:00"));
    assert_eq!(suite.time, Some(1234.5));
    assert_eq!(suite.hostname.as_deref(), Some("h"));
    assert_eq!(suite.id.as_deref(), Some("7"));
    let announced = suite.announced;
    assert_eq!((announced.tests, announced.failures, announced.errors), (Some(10), Some(1), Some(2)));
    assert_eq!((announced.skipped, announced.disabled, announced.assertions), (Some(3), Some(4), Some(5)));
    assert_eq!(suite.attributes, [("log".to_owned(), "x.log".to_owned())]);
}

#[test]
fn error_beats_failure_and_failure_beats_skipped_in_any_order() {
    for (inside, status) in [
        ("", Status::Passed),
        ("<skipped/>", Status::Skipped),
        ("<skipped/><failure/>", Status::Failed),
        ("<failure/><skipped/>", Status::Failed),
        ("<error/><failure/><skipped/>", Status::Errored),
        ("<failure/><error/>", Status::Errored),
        ("<warning>careful</warning>", Status::Passed),
    ] {
        assert_eq!(one(&format!("<testcase name='a'>{inside}</testcase>")).status, status, "{inside}");
    }
}

#[test]
fn the_reason_is_the_message_that_decided() {
    let case = one(
        "<testcase name='a'><skipped message='later'/><failure message='' type='T'>\n  line one\nline two</failure></testcase>",
    );
    let reason = case.reason().unwrap();
    assert_eq!((reason.kind, reason.r#type.as_deref()), (MessageKind::Failure, Some("T")));
    assert_eq!(reason.headline(), Some("line one"));
    assert_eq!(
        one("<testcase name='a'><skipped message='later'/></testcase>").reason().and_then(Message::headline),
        Some("later")
    );
    assert_eq!(one("<testcase name='a'/>").reason(), None);
}

#[test]
fn googletest_says_what_did_not_run_by_attributes() {
    let status = |attributes: &str| one(&format!("<testcase name='T' classname='C' {attributes}/>")).status;
    assert_eq!(status("status='run' result='completed'"), Status::Passed);
    assert_eq!(status("status='notrun' result='suppressed'"), Status::Skipped);
    assert_eq!(status("status='run' result='skipped'"), Status::Skipped);
    let case = one(
        "<testcase name='T/0' value_param='(1, 2)' file='a.cc' line='12' status='run' result='completed' time='0.01' \
         timestamp='2026-01-02T03:04:05.006' classname='P/C'><failure message='a.cc:13&#x0A;Expected' type=''><![CDATA[a.cc:13\n\
         Expected: <1> & 2]]></failure><failure message='second'/></testcase>",
    );
    assert_eq!((case.status, case.messages.len(), case.line), (Status::Failed, 2, Some(12)));
    assert_eq!(case.messages[0].message.as_deref(), Some("a.cc:13\nExpected"));
    assert_eq!(case.messages[0].text.text, "a.cc:13\nExpected: <1> & 2");
    assert!(case.attributes.contains(&("value_param".to_owned(), "(1, 2)".to_owned())));
}

#[test]
fn ctest_says_failed_by_attribute_alone() {
    assert_eq!(one("<testcase name='t' classname='t' time='0.1' status='fail'/>").status, Status::Failed);
    assert_eq!(
        one("<testcase name='t' classname='t' time='0.1' status='disabled'/>").status,
        Status::Skipped
    );
}

#[test]
fn nextest_and_surefire_attempts_do_not_decide() {
    let case = one("<testcase name='t' classname='bin' timestamp='2026-01-02T03:04:05Z' time='0.5'>\
           <flakyFailure timestamp='2026-01-02T03:04:04Z' time='0.25' message='m1' type='test failure'>\n\
             <stackTrace>at a\nat b</stackTrace>\n<system-out>o1</system-out><system-err>e1</system-err></flakyFailure>\
           <flakyError type='x'>own text</flakyError>\
           <system-out>o2</system-out></testcase>");
    assert_eq!(case.status, Status::Passed);
    let [first, second] = case.reruns.as_slice() else { panic!("{:?}", case.reruns) };
    assert_eq!((first.kind, second.kind), (AttemptKind::FlakyFailure, AttemptKind::FlakyError));
    assert_eq!((first.text.text.as_str(), second.text.text.as_str()), ("at a\nat b", "own text"));
    assert_eq!((first.time, first.message.as_deref()), (Some(0.25), Some("m1")));
    assert_eq!(first.system_out.as_ref().unwrap().text, "o1");
    assert_eq!(first.system_err.as_ref().unwrap().text, "e1");
    assert_eq!(case.system_out.unwrap().text, "o2");

    let case = one(
        "<testcase name='t'><failure type='F'>x</failure><rerunFailure type='F'><stackTrace>y</stackTrace></rerunFailure><rerunError/></testcase>",
    );
    assert_eq!((case.status, case.reruns.len()), (Status::Failed, 2));
}

#[test]
fn pytest_properties_and_output_belong_to_where_they_stand() {
    let items = read(
        "<testsuites><testsuite name='pytest'><properties><property name='k' value='v'/></properties>\
         <testcase name='t' classname='m'><properties><property name='a' value='1'/><property name='a'>\n two \n</property></properties>\
         <system-out>one</system-out><system-out>two</system-out><system-err>e</system-err></testcase>\
         <system-out>suite out</system-out><system-err>suite err</system-err><error message='broken'/></testsuite></testsuites>",
    );
    let case = cases(&items)[0];
    assert_eq!(case.properties, [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "two".to_owned())]);
    assert_eq!(case.system_out.as_ref().unwrap().text, "one\ntwo");
    assert_eq!(case.system_err.as_ref().unwrap().text, "e");
    let kinds: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Property { name, value, .. } => Some(format!("{name}={value}")),
            Item::SystemOut(text) | Item::SystemErr(text) => Some(text.text.clone()),
            Item::SuiteMessage(message) => message.message.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["k=v", "suite out", "suite err", "broken"]);
}

#[test]
fn phpunit_keeps_assertions_class_and_warnings() {
    let case = one(
        r"<testcase name='t' class='A\B' classname='A.B' file='/x.php' line='20' assertions='3' time='0.001441'><warning type='W'>w</warning></testcase>",
    );
    assert_eq!((case.assertions, case.line, case.time), (Some(3), Some(20), Some(0.001441)));
    assert_eq!(case.attributes, [("class".to_owned(), r"A\B".to_owned())]);
    assert_eq!((case.status, case.messages[0].kind), (Status::Passed, MessageKind::Warning));
}

#[test]
fn prefixed_names_mean_the_same() {
    let items = read(
        "<j:testsuite xmlns:j='urn:x' name='s'><j:testcase name='a'><j:failure/></j:testcase></j:testsuite>",
    );
    assert_eq!(cases(&items)[0].status, Status::Failed);
    assert!(suites(&items)[0].attributes.is_empty());
}

#[test]
fn xml_that_a_test_printed_without_escaping_adds_no_case() {
    let items = read(
        "<testsuite><testcase name='a'><system-out>x <testcase name='b'><failure/></testcase> y</system-out></testcase></testsuite>",
    );
    let cases = cases(&items);
    assert_eq!((cases.len(), cases[0].status), (1, Status::Passed));
    assert_eq!(cases[0].system_out.as_ref().unwrap().text, "x  y");
}

#[test]
fn line_ends_and_references_are_resolved_and_nothing_else_is_changed() {
    let case = one(
        "<testcase name='a&amp;b'><system-out>1\r\n2\r3&#13;&#10;&lt;&nbsp;&#x1b;[0m<![CDATA[&amp;]]> &</system-out></testcase>",
    );
    assert_eq!(case.name, "a&b");
    assert_eq!(case.system_out.unwrap().text, "1\n2\n3\r\n<&nbsp;\u{1b}[0m&amp; &");
}
