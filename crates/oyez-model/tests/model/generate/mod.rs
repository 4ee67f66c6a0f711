//! What the properties run over: a fold that keeps its rows, and generators of events, jobs and values.

pub mod bodies;
pub mod chaos;
pub mod jobs;
pub mod said;
pub mod values;

use std::collections::{BTreeMap, BTreeSet};

use oyez_model::event::JobSubmitted;
use oyez_model::fold::Rows;
use oyez_model::row::{Hang, SegmentKind};
use oyez_model::{
    Changes, Event, EventBody, EventNumber, EventSeq, JobSource, JobUid, Live, NodeRow, ProducerId,
    ProducerRow, SectionId, Segment, Time,
};
use proptest::prelude::ProptestConfig;

/// The rows that have left a live state, as a store keeps them: the last of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub nodes: BTreeMap<SectionId, NodeRow>,
    pub segments: BTreeMap<(SectionId, SegmentKind, u32), Vec<u8>>,
    pub producers: BTreeMap<ProducerId, ProducerRow>,
}

impl Rows for Kept {
    fn node(&self, id: SectionId) -> Option<NodeRow> {
        self.nodes.get(&id).cloned()
    }
    fn producer(&self, id: ProducerId) -> Option<ProducerRow> {
        self.producers.get(&id).cloned()
    }
}

impl Kept {
    pub fn take(&mut self, changes: &mut Changes) {
        self.nodes.extend(changes.nodes.drain(..).map(|row| (row.id, row)));
        self.segments.extend(changes.segments.drain(..).map(|s| ((s.node, s.kind, s.number), s.data)));
        self.producers.extend(changes.producers.drain(..).map(|row| (row.id, row)));
    }
}

/// A job being folded, with all its rows.
#[derive(Clone, Debug)]
pub struct Folded {
    pub live: Live,
    pub kept: Kept,
}

impl Folded {
    pub fn new() -> Self {
        Folded { live: Live::new(), kept: Kept::default() }
    }

    /// Of a whole job.
    pub fn of(events: &[Event]) -> Self {
        let mut job = Folded::new();
        events.iter().for_each(|event| job.hear(event));
        job
    }

    /// The next event.
    pub fn hear(&mut self, event: &Event) {
        self.hear_batch(std::slice::from_ref(event));
    }

    /// Some events whose rows are kept at once; whether a checkpoint must follow.
    pub fn hear_batch(&mut self, events: &[Event]) -> bool {
        let mut changes = Changes::default();
        for event in events {
            let seq = EventSeq(self.live.last_seq().0 + 1);
            self.live.apply(seq, event, &self.kept, &mut changes);
        }
        let revived = changes.revived;
        self.kept.take(&mut changes);
        revived
    }

    /// All nodes, those that are open as they stand.
    pub fn nodes(&self) -> BTreeMap<SectionId, NodeRow> {
        let mut nodes = self.kept.nodes.clone();
        nodes.extend(self.live.open_rows().map(|row| (row.id, row)));
        nodes
    }

    /// All children of a node, those in segments first.
    pub fn children(&self, row: &NodeRow) -> Vec<SectionId> {
        let mut all = Vec::new();
        for number in 0..row.child_segments {
            let data = &self.kept.segments[&(row.id, SegmentKind::Children, number)];
            all.extend(Segment::children(row.id, data).expect("a segment reads back"));
        }
        all.extend(&row.children);
        all
    }

    /// All that hangs on a node, in segments first.
    pub fn hangs(&self, row: &NodeRow) -> Vec<Hang> {
        let mut all = Vec::new();
        for number in 0..row.hang_segments {
            let data = &self.kept.segments[&(row.id, SegmentKind::Hangs, number)];
            all.extend(Segment::hangs(data).expect("a segment reads back"));
        }
        all.extend(&row.hangs);
        all
    }

    /// The codes of what is missing.
    pub fn gaps(&self) -> BTreeMap<String, u64> {
        let row = self.live.job_row();
        row.complete.gaps().iter().map(|gap| (gap.code.clone(), gap.count)).collect()
    }
}

/// What a store holds at the end, without what the order of independent producers may change: children and hanging
/// events as sets, numbers of the journal as (producer, number).
#[derive(Debug, PartialEq)]
pub struct Unordered {
    job: String,
    nodes: BTreeMap<SectionId, UnorderedNode>,
    producers: BTreeMap<ProducerId, (ProducerRow, Option<Heard>)>,
}

type Heard = (ProducerId, u64);

#[derive(Debug, PartialEq)]
struct UnorderedNode {
    row: NodeRow,
    start: Option<Heard>,
    children: BTreeSet<SectionId>,
    hangs: BTreeSet<(Heard, bool)>,
}

impl Unordered {
    /// What is not the same in another, in few lines.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        fn maps<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
            a: &BTreeMap<K, V>,
            b: &BTreeMap<K, V>,
            out: &mut Vec<String>,
        ) {
            let keys: BTreeSet<&K> = a.keys().chain(b.keys()).collect();
            let differ = keys.into_iter().filter(|k| a.get(k) != b.get(k));
            out.extend(differ.map(|k| format!("{k:?}:\n  {:?}\n  {:?}", a.get(k), b.get(k))));
        }
        let mut out = Vec::new();
        if self.job != other.job {
            out.push(format!("the job:\n  {}\n  {}", self.job, other.job));
        }
        maps(&self.nodes, &other.nodes, &mut out);
        maps(&self.producers, &other.producers, &mut out);
        out
    }

    /// What is left of a job that heard `events` in this order.
    pub fn of(job: &Folded, events: &[Event]) -> Self {
        let heard = |seq: EventSeq| {
            let event = events.get(usize::try_from(seq.0).ok()?.checked_sub(1)?)?;
            Some((event.producer, event.number.0))
        };
        let node = |row: NodeRow| {
            let (children, hangs) = (job.children(&row), job.hangs(&row));
            let set: BTreeSet<SectionId> = children.iter().copied().collect();
            assert_eq!(set.len(), children.len(), "{} has a child twice", row.id);
            let hung: BTreeSet<(Heard, bool)> =
                hangs.iter().map(|h| (heard(h.seq).expect("a number of this journal"), h.is_log)).collect();
            assert_eq!(hung.len(), hangs.len(), "an event hangs on {} twice", row.id);
            let start = heard(row.start_seq);
            let row = NodeRow {
                start_seq: EventSeq(0),
                child_segments: 0,
                children: Vec::new(),
                hang_segments: 0,
                hangs: Vec::new(),
                ..row
            };
            UnorderedNode { row, start, children: set, hangs: hung }
        };
        let producer = |row: &ProducerRow| {
            let last = heard(row.last_seq);
            (row.id, (ProducerRow { last_seq: EventSeq(0), ..row.clone() }, last))
        };
        let mut producers: BTreeMap<_, _> = job.kept.producers.values().map(producer).collect();
        producers.extend(events.iter().filter_map(|event| job.live.producer(event.producer)).map(producer));
        Unordered {
            job: format!("{:?}", job.live.job_row()),
            nodes: job.nodes().into_values().map(|row| (row.id, node(row))).collect(),
            producers,
        }
    }
}

/// So many cases, or as many as `PROPTEST_CASES` says, for a long search. No file is written when one fails: a fixed
/// bug gets a test of its own.
pub fn cases(cases: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig { cases: wanted.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// An event of `producer`; its number is set when its stream is put together.
pub fn event(producer: u64, time: i64, body: impl Into<EventBody>) -> Event {
    Event { producer: ProducerId(producer), number: EventNumber(0), time: Time(time), body: body.into() }
}

/// Numbers the events of each producer as they come.
pub fn numbered(mut events: Vec<Event>) -> Vec<Event> {
    let mut last: BTreeMap<ProducerId, u64> = BTreeMap::new();
    for event in &mut events {
        let n = last.entry(event.producer).or_default();
        *n += 1;
        event.number = EventNumber(*n);
    }
    events
}

/// The first event of a job.
pub fn submitted(name: &str) -> JobSubmitted {
    JobSubmitted {
        uid: JobUid::new(1_795_193_683_019, *b"abcdefghij"),
        name: name.to_owned(),
        requestor: "somebody".to_owned(),
        source: JobSource::Api,
        tags: vec!["nightly".to_owned()],
        guids: Vec::new(),
        project: Some("lab".to_owned()),
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
