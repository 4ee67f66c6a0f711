//! How long reports of a large job take, and how much memory: `million [SECTIONS] [FOLDER] [FORMAT,...]`.
//!
//! The rows are made up as they are asked for, so that the memory seen is that of the reports and not of a store: one
//! run, tests of 1,000 cases each, every tenth case with a line of log, every thousandth failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "an example that a person runs and watches"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use oyez_model::event::{
    JobStateChanged, JobSubmitted, LogText, RawJson, Report, RunStarted, RunStopped, SectionStarted,
    SectionStopped, Stream, TestStarted, TestStopped,
};
use oyez_model::row::{Hang, SEGMENT_LEN, SegmentKind};
use oyez_model::{
    BlobHash, Changes, Event, EventBody, EventNumber, EventSeq, JobId, JobSource, JobState, JobUid, Live,
    NodeKind, NodeRow, Outcome, ProducerId, RunNumber, SectionId, SectionRef, Segment, Time,
};
use oyez_report::{Format, Options, write_reports};
use oyez_store::{JobReader, StoreError};

const CASES: u64 = 1000;
const START: i64 = 1_795_193_601_000_000_000;

/// Run 1 is node 1, test t is node 2 + t * (CASES + 1), its cases follow it.
struct MadeUp {
    tests: u64,
    live: Live,
    root: NodeRow,
}

fn id(number: u64) -> SectionId {
    SectionId::new(ProducerId::FIRST, number)
}

impl MadeUp {
    fn new(sections: u64) -> MadeUp {
        let tests = sections.div_ceil(CASES + 1);
        let mut live = Live::new();
        let mut changes = Changes::default();
        let mut root = None;
        let mut seq = 0;
        let mut say = |body: EventBody| {
            seq += 1;
            let event = Event {
                producer: ProducerId::FIRST,
                number: EventNumber(seq),
                time: Time(START + seq.cast_signed() * 1000),
                body,
            };
            live.apply(EventSeq(seq), &event, &(), &mut changes);
            root = changes.nodes.drain(..).rfind(|row| row.id == SectionId::ROOT).or(root.take());
            changes.clear();
        };
        say(submitted().into());
        say(JobStateChanged { state: JobState::Started, error: None }.into());
        say(RunStarted { id: 1, run: RunNumber(1), planned: Some(tests) }.into());
        for t in 0..tests {
            let test = 2 + t * (CASES + 1);
            say(test_started(test, t).into());
            for c in 1..=CASES {
                say(section_started(test + c, test, c).into());
                let outcome = Some(outcome_of(c));
                say(SectionStopped {
                    id: SectionRef::own(test + c),
                    outcome,
                    reason: None,
                    data: None,
                    rollup: None,
                    ended: None,
                    ..Default::default()
                }
                .into());
            }
            say(TestStopped {
                id: SectionRef::own(test),
                outcome: None,
                reason: None,
                retried: None,
                ended: None,
                ..Default::default()
            }
            .into());
        }
        say(RunStopped { id: SectionRef::own(1), outcome: None }.into());
        say(report().into());
        say(JobStateChanged { state: JobState::Completed, error: None }.into());
        let root = root.unwrap();
        MadeUp { tests, live, root }
    }

    fn row(&self, of: SectionId) -> Option<NodeRow> {
        if of == SectionId::ROOT {
            return Some(self.root.clone());
        }
        let mut row = NodeRow::new(of, SectionId::ROOT, NodeKind::Run);
        row.started = Some(Time(START + of.number.cast_signed() * 2000));
        row.stopped = Some(Time(
            START + of.number.cast_signed() * 2000 + 1_500_000 + (of.number.cast_signed() % 97) * 31_000,
        ));
        row.start_seq = EventSeq(of.number * 2);
        row.outcome = Some(Outcome::Failed);
        if of.number == 1 {
            row.name = "Run 1".to_owned();
            row.index = 1;
            row.stopped = Some(Time(START + (self.tests * (CASES + 1)).cast_signed() * 2000));
            row.counts = self.live.job_row().counts;
            row.child_segments = u32::try_from(self.tests / SEGMENT_LEN as u64).unwrap();
            row.children = (self.tests / SEGMENT_LEN as u64 * SEGMENT_LEN as u64..self.tests)
                .map(|t| id(2 + t * (CASES + 1)))
                .collect();
            return Some(row);
        }
        let (t, c) = ((of.number - 2) / (CASES + 1), (of.number - 2) % (CASES + 1));
        if t >= self.tests {
            return None;
        }
        if c == 0 {
            row.kind = NodeKind::Test;
            row.parent = id(1);
            row.name = format!("test number {t}");
            row.index = u32::try_from(t).unwrap();
            row.counts.0 = [CASES - 1, 0, 1, 0, 0, 0, 0, 0];
            row.child_segments = (CASES / SEGMENT_LEN as u64) as u32;
            row.children = (CASES / SEGMENT_LEN as u64 * SEGMENT_LEN as u64..CASES)
                .map(|i| id(of.number + 1 + i))
                .collect();
        } else {
            row.kind = NodeKind::Section;
            row.parent = id(of.number - c);
            row.r#type = "Testcase".to_owned();
            row.name = format!("case {c} handles input {}", of.number % 7919);
            row.outcome = Some(outcome_of(c));
            row.key = of.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if c == CASES {
                row.reason = "expected 17, found 18".to_owned();
            }
            if c % 10 == 0 {
                row.hangs = vec![Hang { seq: EventSeq(of.number * 2 + 1), is_log: true }];
            }
        }
        Some(row)
    }
}

fn outcome_of(case: u64) -> Outcome {
    if case == CASES { Outcome::Failed } else { Outcome::Passed }
}

fn submitted() -> JobSubmitted {
    JobSubmitted {
        uid: JobUid::new(1_795_193_601_000, [1; 10]),
        name: "a large job".to_owned(),
        requestor: "bench".to_owned(),
        source: JobSource::Api,
        tags: Vec::new(),
        guids: Vec::new(),
        project: None,
        variant: BTreeMap::new(),
        host: None,
        server_id: None,
        priority: None,
        request: None,
        extended: None,
        command: None,
        version: None,
    }
}

fn test_started(id: u64, index: u64) -> TestStarted {
    TestStarted {
        id,
        parent: SectionRef::own(1),
        name: format!("test number {index}"),
        index: u32::try_from(index).unwrap(),
        attempt: 0,
        planned: None,
        cleanup: None,
        suite: Some(vec!["package".to_owned(), "module".to_owned()]),
        variant: None,
        began: None,
        ..Default::default()
    }
}

fn section_started(id: u64, parent: u64, case: u64) -> SectionStarted {
    SectionStarted {
        id,
        parent: SectionRef::own(parent),
        r#type: "Testcase".to_owned(),
        name: format!("case {case}"),
        began: None,
        description: None,
        source: None,
        parameters: None,
        extra: None,
        peer_id: None,
        ..Default::default()
    }
}

fn report() -> Report {
    Report {
        run: None,
        reporter: "TargetSuccess".to_owned(),
        success: false,
        data: RawJson("[\"99.9% is not = 100%\"]".to_owned()),
        error: None,
        neutral: None,
    }
}

impl JobReader for MadeUp {
    fn id(&self) -> JobId {
        JobId(1)
    }
    fn live(&self) -> &Live {
        &self.live
    }
    fn nodes(&self, ids: &[SectionId]) -> Result<Vec<NodeRow>, StoreError> {
        Ok(ids.iter().filter_map(|id| self.row(*id)).collect())
    }
    fn segment(&self, node: SectionId, _: SegmentKind, number: u32) -> Result<Vec<u8>, StoreError> {
        let from = u64::from(number) * SEGMENT_LEN as u64;
        let all = from..from + SEGMENT_LEN as u64;
        let children: Vec<SectionId> = match node.number {
            1 => all.map(|t| id(2 + t * (CASES + 1))).collect(),
            test => all.map(|i| id(test + 1 + i)).collect(),
        };
        Ok(Segment::of_children(node, number, &children).data)
    }
    fn events_at(&self, seqs: &[EventSeq]) -> Result<Vec<(EventSeq, Event)>, StoreError> {
        let last = self.live.last_seq();
        let event = |seq: &EventSeq| {
            let node = seq.0 / 2;
            let body: EventBody = if seq.0 == 1 {
                submitted().into()
            } else if *seq == last {
                JobStateChanged { state: JobState::Completed, error: None }.into()
            } else if self.root.hangs.iter().any(|hang| hang.seq == *seq) {
                report().into()
            } else if seq.0.is_multiple_of(2) {
                test_started(node, (node - 2) / (CASES + 1)).into()
            } else {
                let text =
                    format!("reading input {node}\nchecking the answer of node {node}\n").into_bytes().into();
                LogText { id: SectionRef::own(node), stream: Stream::Stdout, text, level: None }.into()
            };
            (
                *seq,
                Event {
                    producer: ProducerId::FIRST,
                    number: EventNumber(seq.0),
                    time: Time(START + node.cast_signed() * 2000 + 700),
                    body,
                },
            )
        };
        Ok(seqs.iter().map(event).collect())
    }
    fn events_after(&self, _: EventSeq, _: usize) -> Result<Vec<(EventSeq, Event)>, StoreError> {
        Ok(Vec::new())
    }
    fn failures(&self, limit: usize) -> Result<Vec<NodeRow>, StoreError> {
        Ok((0..self.tests).take(limit).filter_map(|t| self.row(id(2 + t * (CASES + 1) + CASES))).collect())
    }
    fn blob(&self, hash: BlobHash) -> Result<bytes::Bytes, StoreError> {
        Err(StoreError::NoBlob(hash))
    }
}

/// A line of this process's status, in KiB.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let sections: u64 = arguments.next().map_or(1_000_000, |n| n.parse().expect("a number of sections"));
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "million-reports".to_owned()));
    let asked = arguments.next();
    std::fs::create_dir_all(&folder).unwrap();
    let reader = MadeUp::new(sections);
    println!("{} sections, {} KiB resident before", reader.tests * (CASES + 1), status("VmRSS"));
    let mut sets: Vec<Vec<Format>> = Format::ALL.map(|f| vec![f]).to_vec();
    sets.push(vec![Format::Json, Format::Junit, Format::Html]);
    if let Some(asked) = asked {
        sets = vec![asked.split(',').map(|name| name.parse().unwrap()).collect()];
    }
    for formats in sets {
        let mut files: Vec<(Format, BufWriter<File>)> = formats
            .iter()
            .map(|f| (*f, BufWriter::new(File::create(folder.join(f.file_name())).unwrap())))
            .collect();
        let mut outputs: Vec<(Format, &mut dyn Write)> =
            files.iter_mut().map(|(format, file)| (*format, file as &mut dyn Write)).collect();
        let start = Instant::now();
        write_reports(&reader, &mut outputs, &Options::default()).unwrap();
        let took = start.elapsed();
        let names: Vec<&str> = formats.iter().map(|f| f.name()).collect();
        let bytes: u64 =
            formats.iter().map(|f| std::fs::metadata(folder.join(f.file_name())).unwrap().len()).sum();
        println!(
            "{:22} {:6.2} s {:8.1} MB, {} KiB resident at most",
            names.join("+"),
            took.as_secs_f64(),
            bytes as f64 / 1e6,
            status("VmHWM")
        );
    }
}
