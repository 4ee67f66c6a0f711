//! Reports that are cut off, broken, hostile or far too large.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

use std::io::{self, BufRead, Cursor, Read};

use oyez_wire::formats::junit::{Case, Item, JunitError, Limits, Reader};
use proptest::prelude::*;

const SMALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<testsuites name="all" tests="4">
  <testsuite name="outer" tests="4" time="1.5">
    <properties><property name="k" value="é"/></properties>
    <testcase name="one" classname="c" time="0.1"/>
    <testsuite name="inner">
      <testcase name="two"><failure message="&lt;m&gt;" type="T"><![CDATA[a ]] > b]]></failure></testcase>
      <testcase name="three"><flakyFailure><stackTrace>s &amp; t</stackTrace></flakyFailure></testcase>
    </testsuite>
    <testcase name="four"><skipped/><system-out>out</system-out></testcase>
  </testsuite>
</testsuites>"#;

/// The complete cases, and the error at the end if there is one.
fn read(bytes: &[u8], limits: Limits) -> (Vec<Case>, Option<JunitError>) {
    let mut cases = Vec::new();
    for item in Reader::with_limits(bytes, limits) {
        match item {
            Ok(Item::Case(case)) => cases.push(*case),
            Ok(_) => {}
            Err(error) => return (cases, Some(error)),
        }
    }
    (cases, None)
}

#[test]
fn a_report_cut_at_any_byte_gives_its_complete_cases_and_then_says_that_it_is_cut() {
    let (whole, none) = read(SMALL.as_bytes(), Limits::default());
    assert!(none.is_none());
    assert_eq!(whole.len(), 4);
    let ends = [
        "one\" classname=\"c\" time=\"0.1\"/>",
        "]]></failure></testcase>",
        "</flakyFailure></testcase>",
        "</system-out></testcase>",
    ]
    .map(|end| SMALL.find(end).unwrap() + end.len());
    for cut in 0..SMALL.len() {
        let (cases, error) = read(&SMALL.as_bytes()[..cut], Limits::default());
        let complete = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(cases, whole[..complete], "cut at {cut}");
        assert!(matches!(error, Some(JunitError::Truncated { .. })), "cut at {cut}: {error:?}");
    }
}

#[test]
fn a_cut_report_names_the_line_and_what_was_open() {
    let cut = SMALL.find("s &amp; t").unwrap() + 1;
    let mut reader = Reader::new(&SMALL.as_bytes()[..cut]);
    let error = reader.by_ref().find_map(Result::err).unwrap();
    let JunitError::Truncated { at, open } = &error else { panic!("{error}") };
    assert_eq!((at.line, at.offset), (9, cut as u64));
    assert_eq!(open, &["all", "outer", "inner", "three"]);
    assert!(error.to_string().contains("inside all > outer > inner > three"), "{error}");
    assert_eq!(reader.unfinished().unwrap().name, "three");
    assert!(reader.next().is_none());
}

#[test]
fn an_empty_file_is_a_cut_report() {
    for nothing in ["", "\n", "<?xml version='1.0'?>\n", "\u{feff}"] {
        let (_, error) = read(nothing.as_bytes(), Limits::default());
        assert!(
            matches!(&error, Some(JunitError::Truncated { open, .. }) if open.is_empty()),
            "{nothing:?}: {error:?}"
        );
    }
}

#[test]
fn foreign_files_are_refused_with_what_stands_there() {
    for (file, expected) in [
        ("TAP version 14\n1..2\nok 1\n", "\"TAP version 14\\n1..2\\nok 1\""),
        ("<html><body/></html>", "<html>"),
        ("<testcase name='a'/>", "<testcase>"),
        ("{\"a\": 1}", "\"{\\\"a\\\": 1}\""),
    ] {
        let (_, error) = read(file.as_bytes(), Limits::default());
        let Some(JunitError::NotJunit { found, at }) = error else { panic!("{file}: {error:?}") };
        assert_eq!((found.as_str(), at.line), (expected, 1));
    }
}

#[test]
fn broken_structure_is_an_error_at_its_place() {
    let xml = "<testsuite name='s'>\n<testcase name='a'/>\n  <testcase name='b'></testsuite>\n";
    let (cases, error) = read(xml.as_bytes(), Limits::default());
    assert_eq!(cases.len(), 1);
    let Some(JunitError::Malformed { at, .. }) = error else { panic!("{error:?}") };
    assert_eq!((at.line, at.column), (3, 22));
}

#[test]
fn entities_of_a_doctype_are_never_expanded() {
    let xml = r#"<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "boom"><!ENTITY f SYSTEM "file:///etc/passwd">]>
        <testsuite name="&a;"><testcase name="t"><failure message="&f;">&a;&a;</failure></testcase></testsuite>"#;
    let mut reader = Reader::new(xml.as_bytes());
    let items: Vec<Item> = reader.by_ref().collect::<Result<_, _>>().unwrap();
    let Item::SuiteStart(suite) = &items[0] else { panic!("{items:?}") };
    assert_eq!(suite.name, "&a;");
    let Item::Case(case) = &items[1] else { panic!("{items:?}") };
    assert_eq!(case.messages[0].message.as_deref(), Some("&f;"));
    assert_eq!(case.messages[0].text.text, "&a;&a;");
    assert_eq!((reader.notes().doctypes, reader.notes().unknown_references), (1, 4));
}

#[test]
fn bytes_of_another_encoding_cost_a_character_not_the_report() {
    let mut reader = Reader::new(&b"<testsuite><testcase name='a\xe9'/></testsuite>"[..]);
    let cases: Vec<_> = reader
        .by_ref()
        .filter_map(|item| if let Ok(Item::Case(case)) = item { Some(case.name) } else { None })
        .collect();
    assert_eq!(cases, ["a\u{fffd}"]);
    assert!(reader.notes().lossy);
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><testsuite><testcase name='a\xe9'/></testsuite>";
    assert_eq!(read(latin, Limits::default()).0[0].name, "aé");
    let (_, error) = read(b"<?xml version='1.0' encoding='klingon'?><testsuite/>", Limits::default());
    assert!(matches!(&error, Some(JunitError::Encoding { label }) if label == "klingon"), "{error:?}");
}

#[test]
fn depth_has_an_end() {
    let deep = |name: &str, depth| format!("<testsuite>{}", format!("<{name}>").repeat(depth));
    let (_, error) = read(deep("testsuite", 63).as_bytes(), Limits::default());
    assert!(matches!(error, Some(JunitError::Truncated { .. })), "{error:?}");
    let (_, error) = read(deep("testsuite", 64).as_bytes(), Limits::default());
    assert!(matches!(error, Some(JunitError::TooDeep { limit: 64, .. })), "{error:?}");
    let (_, error) = read(deep("x", 1_000_000).as_bytes(), Limits::default());
    assert!(matches!(error, Some(JunitError::TooDeep { limit: 128, .. })), "{error:?}");
}

/// Gives `head`, then a piece many times, then `tail`, and never holds more than a little of it.
struct Long {
    head: Cursor<Vec<u8>>,
    piece: Vec<u8>,
    left: u64,
    given: u64,
    tail: Cursor<Vec<u8>>,
}

impl Long {
    fn new(head: &str, piece: &str, times: u64, tail: &str) -> Self {
        let left = times * piece.len() as u64;
        // As a file would: some kilobytes at once.
        let piece = piece.repeat((1 << 13) / piece.len() + 1).into_bytes();
        Self { head: Cursor::new(head.into()), piece, left, given: 0, tail: Cursor::new(tail.into()) }
    }
}

impl Read for Long {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let taken = self.fill_buf()?.read(into)?;
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for Long {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if (self.head.position() as usize) < self.head.get_ref().len() {
            return self.head.fill_buf();
        }
        if self.left > 0 {
            let length = self.piece.len() as u64;
            let at = self.given % length;
            let end = length.min(at + self.left);
            return Ok(&self.piece[at as usize..end as usize]);
        }
        self.tail.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if (self.head.position() as usize) < self.head.get_ref().len() {
            self.head.consume(amount);
        } else if self.left > 0 {
            self.left -= amount as u64;
            self.given += amount as u64;
        } else {
            self.tail.consume(amount);
        }
    }
}

const SMALL_LIMITS: Limits =
    Limits { suites: 8, elements: 16, text: 100_000, case: 250_000, name: 1_000, parts: 10 };

/// The one case of a report that goes on after what was too long.
fn case_of(head: &str, piece: &str, times: u64, tail: &str) -> Case {
    let source = Long::new(&format!("<testsuite>{head}"), piece, times, &format!("{tail}</testsuite>"));
    let items: Vec<Item> = Reader::with_limits(source, SMALL_LIMITS).collect::<Result<_, _>>().unwrap();
    let Item::Case(case) = &items[1] else { panic!("{items:?}") };
    assert_eq!(items.len(), 3);
    (**case).clone()
}

#[test]
fn a_text_that_is_too_long_is_cut_and_the_rest_is_counted() {
    let total = 3_000_000;
    for (open, piece, close) in [
        ("", "0123456789", ""),
        ("<![CDATA[", "01234<6&89", "]]>"),
        ("", "01234&amp;", ""),
        ("", "<![CDATA[]]>0123456789", ""),
        ("<!--", "-", "-->0123456789"),
    ] {
        let times = total / piece.len() as u64;
        let head = format!("<testcase name='t'><system-out>{open}");
        let case =
            case_of(&head, piece, times, &format!("{close}</system-out><failure message='m'/></testcase>"));
        let text = case.system_out.unwrap();
        assert!(text.text.len() <= SMALL_LIMITS.text);
        assert!(text.text.starts_with("01234"));
        if open != "<!--" {
            assert!(text.text.len() + 4 > SMALL_LIMITS.text);
            assert!(text.dropped_bytes > total / 3);
        }
        assert_eq!(case.dropped_bytes, text.dropped_bytes);
        assert_eq!(case.messages.len(), 1, "what follows is read as ever");
    }
}

#[test]
fn a_cdata_section_full_of_brackets_ends_where_it_ends() {
    let case = case_of(
        "<testcase name='t'><system-out><![CDATA[",
        "]",
        5_000_000,
        "]]></system-out><skipped/></testcase>",
    );
    let text = case.system_out.unwrap();
    assert_eq!(case.messages.len(), 1);
    assert!((SMALL_LIMITS.text - 16..=SMALL_LIMITS.text).contains(&text.text.len()));
    assert!((4_900_000 - 2..=4_900_000 + 16).contains(&text.dropped_bytes), "{}", text.dropped_bytes);
}

#[test]
fn an_attribute_that_is_too_long_is_cut_and_the_rest_is_counted() {
    let case = case_of(
        "<testcase name='t'><failure type='T' message='",
        "a>b ",
        3_000_000,
        "' x='y'>text</failure></testcase>",
    );
    let message = &case.messages[0];
    assert_eq!(message.message.as_ref().unwrap().len(), SMALL_LIMITS.text);
    assert_eq!((message.r#type.as_deref(), message.text.text.as_str()), (Some("T"), "text"));
    assert_eq!(message.dropped_bytes, 12_000_000 - SMALL_LIMITS.text as u64);
    let case = case_of("<testcase name='", "n", 5_000, "'/>");
    assert_eq!((case.name.len(), case.dropped_bytes), (1_000, 4_000));
}

#[test]
fn markup_that_never_ends_is_an_error_and_not_a_full_memory() {
    for (head, piece) in [
        ("<testsuite><testcase ", "a='b' "),
        ("<testsuite><testcase", "x"),
        ("<?xml version='1.0'?><!DOCTYPE x [", "<!ENTITY a 'b'>"),
        ("<testsuite><?pi ", "x"),
    ] {
        let source = Long::new(head, piece, 100_000_000, "");
        let error = Reader::with_limits(source, SMALL_LIMITS).find_map(Result::err);
        assert!(matches!(error, Some(JunitError::TooLong { .. })), "{head}: {error:?}");
    }
}

#[test]
fn a_case_keeps_a_bounded_number_of_parts_and_still_knows_its_status() {
    let case = case_of("<testcase name='t'>", "<skipped/>", 1_000, "<failure/></testcase>");
    assert_eq!((case.messages.len(), case.dropped_parts), (10, 991));
    assert_eq!(case.status, oyez_wire::formats::junit::Status::Failed);
    let case = case_of(
        "<testcase name='t'><properties>",
        "<property name='a' value='b'/>",
        1_000,
        "</properties></testcase>",
    );
    assert_eq!((case.properties.len(), case.dropped_parts), (10, 990));
}

#[test]
fn all_texts_of_a_case_together_are_bounded() {
    let text = "x".repeat(90_000);
    let part = format!("<failure message='{text}'>{text}</failure>");
    let case = case_of("<testcase name='t'>", &part, 5, "</testcase>");
    let kept: usize = case
        .messages
        .iter()
        .map(|message| message.text.text.len() + message.message.as_ref().map_or(0, String::len))
        .sum();
    assert!(kept <= SMALL_LIMITS.case, "{kept}");
    assert_eq!(case.dropped_bytes + kept as u64, 900_000);
}

#[test]
fn an_error_of_the_source_is_handed_on_with_its_place() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }
    let source = io::BufReader::new((&b"<testsuite>\n<testcase name='a'/>"[..]).chain(Broken));
    let items: Vec<_> = Reader::new(source).collect();
    let Some(Err(error @ JunitError::Io { .. })) = items.last() else { panic!("{items:?}") };
    assert!(error.to_string().contains("the cable is out"), "{error}");
}

/// Pieces that make up reports, put together at random: far likelier to reach odd states than random bytes.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "<testsuites>",
        "</testsuites>",
        "<testsuite name='s' tests='3'>",
        "</testsuite>",
        "<testcase name='c'>",
        "<testcase name=\"d\"/>",
        "</testcase>",
        "<failure message='m'>",
        "</failure>",
        "<skipped/>",
        "<error>",
        "</error>",
        "<system-out>",
        "</system-out>",
        "<flakyFailure>",
        "</flakyFailure>",
        "<stackTrace>",
        "</stackTrace>",
        "<properties>",
        "</properties>",
        "<property name='p'>",
        "</property>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "&amp;",
        "&",
        "&#0;",
        "&x;",
        "<?xml version='1.0'?>",
        "<!DOCTYPE a [",
        "]>",
        "<",
        ">",
        "'",
        "\"",
        "\r\n",
        "text",
        "\u{0}",
        "<x>",
        "</x>",
        "/>",
        "!",
        "-",
        "]",
    ]);
    prop_oneof![9 => fixed.prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes, Limits::default());
    }

    #[test]
    fn no_mixture_of_pieces_makes_it_panic_or_give_more_than_stands_there(pieces in prop::collection::vec(piece(), 0..80)) {
        let xml = pieces.concat();
        let limits = Limits { text: 20, name: 8, case: 60, parts: 2, ..Limits::default() };
        let (cases, _) = read(xml.as_bytes(), limits);
        prop_assert!(cases.len() <= xml.matches("<testcase").count());
        for case in &cases {
            prop_assert!(case.name.len() <= 8 && case.messages.len() <= 2 && case.properties.len() <= 2);
            for message in &case.messages {
                prop_assert!(message.text.text.len() <= 20);
            }
        }
    }

    #[test]
    fn the_pieces_in_which_a_report_arrives_change_nothing(step in 1_usize..200, cut in 0..SMALL.len()) {
        let bytes = &SMALL.as_bytes()[..cut];
        let at_once: Vec<_> = Reader::new(bytes).map(|item| format!("{item:?}")).collect();
        let in_steps: Vec<_> =
            Reader::new(io::BufReader::with_capacity(step, bytes)).map(|item| format!("{item:?}")).collect();
        prop_assert_eq!(at_once, in_steps);
    }
}
