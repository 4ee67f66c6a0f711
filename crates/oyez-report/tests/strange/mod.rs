//! Jobs of every shape that a document must survive.

use oyez_model::event::{OutputDropped, SourceCut, Stream, TestStarted};
use oyez_model::{EventBody, JobState, Outcome, SectionRef, Value};
use oyez_store::JobReader;

use crate::sample::{Job, lab};

pub type Named = (&'static str, Box<dyn JobReader>);

/// One of each.
pub fn all() -> Vec<Named> {
    vec![
        ("lab", lab().reader()),
        ("empty", empty()),
        ("running", running()),
        ("incomplete", incomplete()),
        ("failed job", failed()),
        ("caseless", caseless()),
        ("hostile", hostile()),
        ("deep", deep(300)),
        ("300 children", wide(300)),
        ("only a retried attempt", only_retried()),
        ("loose", loose()),
    ]
}

pub fn empty() -> Box<dyn JobReader> {
    let mut job = Job::new("nothing");
    job.wait_ms(5).end_job(JobState::Completed, None);
    job.reader()
}

/// A job in the middle of its work: one case ended, one goes on.
pub fn running() -> Box<dyn JobReader> {
    let mut job = Job::new("still at it");
    let run = job.run(1, Some(2));
    let test = job.test(run, "boot", 0, 0);
    let first = job.section(test, "Testcase", "one");
    job.wait_ms(30).end(first, Outcome::Passed, "");
    let second = job.section(test, "Testcase", "two");
    job.wait_ms(3).log(second, Stream::Stdout, "half way\n");
    job.reader()
}

/// Something is missing in every way that there is.
pub fn incomplete() -> Box<dyn JobReader> {
    let mut job = Job::new("cut off");
    let run = job.run(1, Some(5));
    let test = job.test(run, "boot", 0, 0);
    let case = job.section(test, "Testcase", "never ends");
    job.log(case, Stream::Stdout, "so far so good\n");
    job.say(OutputDropped { id: SectionRef::own(case), bytes: 1000, why: "<the> disk was full".to_owned() });
    job.say(SourceCut {
        id: SectionRef::own(case),
        reason: "the file ends in the middle of line 7".to_owned(),
    });
    job.wait_ms(9).end_job(JobState::Completed, None);
    job.reader()
}

pub fn failed() -> Box<dyn JobReader> {
    let mut job = Job::new("could not");
    job.wait_ms(2).end_job(JobState::Failed, Some("target manager acquire timed out after 5m0s"));
    job.reader()
}

/// A test that is its own result, as `exec` makes it.
pub fn caseless() -> Box<dyn JobReader> {
    let mut job = Job::new("make check");
    job.submitted().command = Some(vec!["make".to_owned(), "check".to_owned()]);
    let run = job.run(1, None);
    let test = job.test(run, "make check", 0, 0);
    job.log(test, Stream::Stderr, "make: *** No rule to make target 'check'.  Stop.\n");
    job.wait_ms(12).end_test_as(test, Outcome::Failed, "exit code 2");
    job.end_run(run);
    job.end_job(JobState::Completed, None);
    job.reader()
}

/// Names and texts that would break a careless document.
pub const NAMES: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]><![CDATA[ & \"quoted\" 'too'",
    "```\n# heading [link](http://evil.example) @everyone | a | b |",
    "\u{1b}[31mred\u{1b}[0m \u{0}\u{7}\u{8} tab\there\r\nnew line",
    "not ok 1 - fake # SKIP \\ backslash",
    "\u{feff}\u{fffe}\u{ffff}\u{202e}reversed\u{2028}",
    "",
];

pub fn hostile() -> Box<dyn JobReader> {
    let mut job = Job::new(NAMES[0]);
    job.submitted().requestor = NAMES[1].to_owned();
    job.submitted().host = Some(NAMES[2].to_owned());
    let run = job.run(1, None);
    for (n, name) in NAMES.iter().enumerate() {
        let test = job.test(run, name, n as u32, 0);
        let case = job.section(test, name, name);
        let step = job.section(case, "Step", name);
        job.log(step, Stream::Stdout, name);
        job.log(step, Stream::Stderr, b"\xed\xa0\x80 lone \xff\xfe bytes \x1b[1;4;38;5;200mloud\x1b[0m\x1b]8;;http://evil.example\x07link\n");
        job.detail(step, *name);
        job.detail(step, Value::Surrogates(b"lone \xed\xa0\x80 surrogate".to_vec()));
        job.detail(
            step,
            Value::Map(vec![
                (Value::Int(1), Value::Float(f64::NAN)),
                (Value::Null, Value::Bytes(vec![0, 255])),
            ]),
        );
        job.named(step, name, "{not json </script>");
        job.named(step, name, &("[".repeat(500) + &"]".repeat(500)));
        job.artifact(step, name, Some(Stream::Stdout));
        job.measure(step, name, f64::INFINITY, "</td>", f64::INFINITY);
        job.wait_ms(1).end(step, Outcome::Failed, name);
        job.end(case, Outcome::Failed, &name.repeat(200));
        job.end_test(test, false);
    }
    let long = "a very long name ".repeat(1 << 16);
    let test = job.test(run, &long, 99, 0);
    let case = job.section(test, "Testcase", &long);
    job.log(case, Stream::Stdout, "x".repeat(1 << 20));
    job.end(case, Outcome::Errored, &long);
    job.end_test(test, false);
    job.end_run(run);
    job.report(Some(1), NAMES[0], false, &serde_json::to_string(NAMES[3]).unwrap());
    job.report(None, NAMES[2], false, "neither json");
    job.end_job(JobState::Completed, Some(NAMES[0]));
    job.reader()
}

/// Sections in sections.
pub fn deep(levels: usize) -> Box<dyn JobReader> {
    let mut job = Job::new("deep");
    let run = job.run(1, None);
    let test = job.test(run, "well", 0, 0);
    let mut open = Vec::new();
    let mut above = test;
    for level in 0..levels {
        above = job.section(above, "Step", &format!("level {level}"));
        open.push(above);
    }
    job.log(above, Stream::Stdout, "the bottom\n");
    for (n, id) in open.into_iter().rev().enumerate() {
        job.end(id, Outcome::Failed, if n == 0 { "too deep" } else { "" });
    }
    job.end_test(test, false);
    job.end_run(run);
    job.end_job(JobState::Completed, None);
    job.reader()
}

/// Many cases in one test.
pub fn wide(cases: usize) -> Box<dyn JobReader> {
    let mut job = Job::new("wide");
    let run = job.run(1, None);
    let test = job.test(run, "many", 0, 0);
    for n in 0..cases {
        let case = job.section(test, "Testcase", &format!("case {n}"));
        let outcome = if n % 100 == 99 { Outcome::Failed } else { Outcome::Passed };
        job.wait_ms(1).end(case, outcome, "");
    }
    job.end_test(test, false);
    job.end_run(run);
    job.end_job(JobState::Completed, None);
    job.reader()
}

/// The attempt that should have followed never came.
pub fn only_retried() -> Box<dyn JobReader> {
    let mut job = Job::new("cancelled between attempts");
    let run = job.run(1, Some(1));
    let test = job.test(run, "boot", 0, 0);
    let case = job.section(test, "Testcase", "one");
    job.end(case, Outcome::Failed, "no link");
    job.end_test(test, true);
    job.wait_ms(4).end_job(JobState::Cancelled, None);
    job.reader()
}

/// Sections without a test: their parent never came, or is the run.
pub fn loose() -> Box<dyn JobReader> {
    let mut job = Job::new("loose");
    let run = job.run(1, None);
    let setup = job.section(run, "CommonSetup", "connect");
    job.end(setup, Outcome::Errored, "no route");
    let lost = job.section(4711, "Step", "lost");
    job.end(lost, Outcome::Passed, "");
    let nested = job.section(setup, "Step", "below");
    job.say(TestStarted {
        id: 9000,
        parent: SectionRef::own(nested),
        name: "a test below a section".to_owned(),
        index: 0,
        attempt: 0,
        planned: None,
        cleanup: None,
        suite: None,
        variant: None,
        began: None,
        ..Default::default()
    });
    if let EventBody::TestStarted(b) = job.last() {
        b.planned = Some(3);
    }
    job.end_run(run);
    job.end_job(JobState::Completed, None);
    job.reader()
}
