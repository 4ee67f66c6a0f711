//! A job of a million sections: folded and stored, the live state on the way, its documents, and the page in a browser.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use oyez_model::event::{JobStateChanged, ProducerLeft, RunStopped, TestStarted, TestStopped};
use oyez_model::{Changes, Event, EventNumber, EventSeq, JobState, Live, Outcome, ProducerId, SectionRef};
use oyez_store::{Batch, Clock, NewEvent, SqliteOptions, SqliteStore, Store, SystemClock};

use crate::table::Table;
use crate::{browser, corpus, measure};

const SECTIONS: u64 = 1_000_000;
/// Each test has so many cases, each case so many steps.
const CASES: u64 = 100;
const STEPS: u64 = 9;
const BATCH: usize = 1024;

/// All of it.
pub fn run(table: &mut Table) {
    let dir = measure::folder();
    // In a process of its own: the peak of a child's memory is counted from its parent's on.
    let made = measure::done(
        Command::new(measure::done(std::env::current_exe())).arg(MAKE).arg(dir.path()).output(),
    );
    let made = String::from_utf8_lossy(&made.stdout).into_owned();
    let numbers: Vec<f64> = made.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [rate, live, stored] = numbers[..] else {
        eprintln!("the job could not be made: {made}");
        return;
    };
    table.note("fold alone, one thread", rate, "events/s");
    table.at_most("live state of that job, at most", live, 10.0, "MiB");
    table.at_most("1,000,000 sections folded and stored", stored, 8.0, "s");
    let uid = "latest";
    let out = dir.path().join("out");
    let done = measure::child(
        Command::new(measure::oyez())
            .args(["report", uid, "--format", "json,junit,html", "--data"])
            .arg(dir.path())
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::null()),
    );
    table.at_most("their JSON + JUnit + HTML together", done.seconds, 10.0, "s");
    table.at_most("resident memory while writing them", done.peak_mib, 256.0, "MiB");
    for name in ["report.json", "junit.xml", "report.html"] {
        let size = std::fs::metadata(out.join(name)).map_or(0, |meta| meta.len());
        table.note(&format!("size of {name}"), size as f64 / 1048576.0, "MiB");
    }
    match browser::first_paint(&out.join("report.html")) {
        Ok(millis) => table.at_most("first paint of that report.html in Chromium", millis / 1e3, 1.0, "s"),
        Err(why) => println!("skip  first paint: {why}"),
    }
}

/// How the benchmark calls itself to make the job.
pub const MAKE: &str = "make-a-million-sections";

/// Makes the job in a store of this folder; prints the fold's rate, the live state's size and the time it took.
pub fn make(folder: &Path) {
    let events = events();
    let (rate, live) = fold_only(&events);
    let begin = Instant::now();
    measure::runtime().block_on(store(folder, events));
    println!("{rate} {live} {}", begin.elapsed().as_secs_f64());
}

/// The events of the whole job but its first: runs, tests, cases and steps, with a failure here and there.
fn events() -> Vec<NewEvent> {
    let mut out: Vec<NewEvent> = Vec::with_capacity(2 * SECTIONS as usize + 50_000);
    let mut push = |body: oyez_model::EventBody| out.push(NewEvent { time: SystemClock.now(), body });
    push(JobStateChanged { state: JobState::Started, error: None }.into());
    push(corpus::run_started(1).into());
    let (mut node, mut sections, mut index) = (1, 0, 0);
    while sections < SECTIONS {
        node += 1;
        let test = node;
        push(
            TestStarted {
                id: test,
                parent: SectionRef::own(1),
                name: format!("suite_{index:05}"),
                index,
                attempt: 0,
                planned: None,
                cleanup: None,
                suite: None,
                variant: None,
                began: None,
                ..Default::default()
            }
            .into(),
        );
        for case in 0..CASES {
            node += 1;
            let id = node;
            push(corpus::started(id, SectionRef::own(test), "Testcase", format!("test_case_{case:03}")));
            for step in 0..STEPS {
                node += 1;
                push(corpus::started(node, SectionRef::own(id), "Step", format!("step_{step}")));
                let outcome = if node.is_multiple_of(4999) { Outcome::Failed } else { Outcome::Passed };
                push(corpus::stopped(node, outcome));
            }
            push(corpus::rolled(id));
            sections += 1 + STEPS;
        }
        push(
            TestStopped {
                id: SectionRef::own(test),
                outcome: None,
                reason: None,
                retried: None,
                ended: None,
                ..Default::default()
            }
            .into(),
        );
        index += 1;
    }
    push(RunStopped { id: SectionRef::own(1), outcome: None }.into());
    push(ProducerLeft {}.into());
    push(JobStateChanged { state: JobState::Completed, error: None }.into());
    out
}

fn fold_only(events: &[NewEvent]) -> (f64, f64) {
    let before = measure::resident_mib();
    let mut live = Live::new();
    let mut changes = Changes::default();
    let begin = Instant::now();
    let mut peak: f64 = 0.0;
    for (event, n) in events.iter().zip(2..) {
        let event = Event {
            producer: ProducerId::FIRST,
            number: EventNumber(n),
            time: event.time,
            body: event.body.clone(),
        };
        live.apply(EventSeq(n), &event, &(), &mut changes);
        changes.clear();
        if n % 100_000 == 0 {
            peak = peak.max(measure::resident_mib() - before);
        }
    }
    (events.len() as f64 / begin.elapsed().as_secs_f64(), peak)
}

async fn store(folder: &Path, events: Vec<NewEvent>) {
    let store = Arc::new(measure::done(SqliteStore::open(folder, SqliteOptions::default())));
    let job = corpus::new_job("a million sections");
    let id = measure::done(store.create_job(job).await);
    let mut first = 2;
    let mut events = events.into_iter();
    loop {
        let batch: Vec<NewEvent> = events.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let n = batch.len() as u64;
        let batch =
            Batch { producer: ProducerId::FIRST, first: EventNumber(first), events: batch, epoch: None };
        measure::done(store.append(id, batch).await);
        first += n;
    }
    measure::done(store.close().await);
}
