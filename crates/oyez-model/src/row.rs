//! What the fold writes: one row for each run, test and section that has ended, segments of what hangs on those that
//! have much, one row for each producer that is gone, one for the job. All can be made again from the journal.
//!
//! A row of a node is packed ([`NodeRow::pack`]): version, flags, then the fields that the flags say are there, small
//! numbers as varints, times relative to the job's first event, ids relative to the node's own.

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::fold::Completeness;
use crate::ids::{EventSeq, Guid, JobUid, ProducerId, SectionId};
use crate::outcome::{Counts, Outcome};
use crate::pack::{self, Unpack};
use crate::state::{JobSource, JobState, Verdict};
use crate::time::Time;

/// How many children or hanging events a row holds itself; each time it has so many they move to a [`Segment`].
pub const SEGMENT_LEN: usize = 256;

/// A reason is cut to this many bytes in a row; the journal has the whole.
pub const REASON_LEN: usize = 1000;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum NodeKind {
    /// The job itself, the root.
    #[n(0)]
    Job,
    /// A run.
    #[n(1)]
    Run,
    /// An attempt of a test.
    #[n(2)]
    Test,
    /// Anything below a test.
    #[n(3)]
    Section,
}

/// Yes or no of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// Announced, never started.
    pub const ANNOUNCED: Flags = Flags(1);
    /// The job ended before it did.
    pub const NEVER_ENDED: Flags = Flags(2);
    /// Its parent never came: it hangs below the job.
    pub const ORPHAN: Flags = Flags(4);
    /// Taken back by its producer.
    pub const REMOVED: Flags = Flags(8);
    /// An attempt after which another one followed.
    pub const RETRIED: Flags = Flags(16);
    /// Part of a clean-up.
    pub const CLEANUP: Flags = Flags(32);
    /// Does not count for its parent.
    pub const NO_ROLLUP: Flags = Flags(64);
    /// Stands beside the test's own sections and is no case of it: a plugin's.
    pub const ASIDE: Flags = Flags(128);

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets or clears `other`.
    pub fn set(&mut self, other: Flags, on: bool) {
        if on { self.0 |= other.0 } else { self.0 &= !other.0 }
    }
}

/// An event that hangs on a node: read it from the journal by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hang {
    /// Its number in the job's journal.
    pub seq: EventSeq,
    /// Log text, as opposed to a detail, measurement, artifact, named event, ...
    pub is_log: bool,
}

/// A run, a test or a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its identity.
    pub id: SectionId,
    /// What it hangs below.
    pub parent: SectionId,
    /// What it is.
    pub kind: NodeKind,
    /// Its type: `Testcase`, `Step`, `Target`, `Cmd`, ...; empty for runs and tests.
    pub r#type: String,
    /// Its name.
    pub name: String,
    /// When it began.
    pub started: Option<Time>,
    /// When it ended.
    pub stopped: Option<Time>,
    /// How it ended; for an open one what its children rolled up so far.
    pub outcome: Option<Outcome>,
    /// Of one that never ended: what its children rolled up, in case its end is heard of later.
    pub rolled: Option<Outcome>,
    /// Yes or no.
    pub flags: Flags,
    /// Why, at most [`REASON_LEN`] bytes.
    pub reason: String,
    /// The run's number from 1, or the test's place from 0.
    pub index: u32,
    /// The test's attempt, from 0.
    pub attempt: u32,
    /// How many children were planned.
    pub planned: Option<u64>,
    /// How many of those have come.
    pub seen: u64,
    /// Outcomes of its children; of a run and a job: of the cases (children of tests) below.
    pub counts: Counts,
    /// Digest of its [`crate::TestKey`]; 0 for what has none.
    pub key: u64,
    /// The event with which it began.
    pub start_seq: EventSeq,
    /// How many segments of children it has.
    pub child_segments: u32,
    /// The children after those, in the order in which they came.
    pub children: Vec<SectionId>,
    /// How many segments of hanging events it has.
    pub hang_segments: u32,
    /// The hanging events after those.
    pub hangs: Vec<Hang>,
}

impl NodeRow {
    /// A row with nothing but its place.
    #[must_use]
    pub fn new(id: SectionId, parent: SectionId, kind: NodeKind) -> Self {
        NodeRow {
            id,
            parent,
            kind,
            r#type: String::new(),
            name: String::new(),
            started: None,
            stopped: None,
            outcome: None,
            rolled: None,
            flags: Flags::default(),
            reason: String::new(),
            index: 0,
            attempt: 0,
            planned: None,
            seen: 0,
            counts: Counts::default(),
            key: 0,
            start_seq: EventSeq(0),
            child_segments: 0,
            children: Vec::new(),
            hang_segments: 0,
            hangs: Vec::new(),
        }
    }

    /// How many children it has.
    #[must_use]
    pub fn child_count(&self) -> u64 {
        u64::from(self.child_segments) * SEGMENT_LEN as u64 + self.children.len() as u64
    }

    /// Nanoseconds from start to stop, when it has both.
    #[must_use]
    pub fn duration(&self) -> Option<u64> {
        Some(self.stopped?.since(self.started?))
    }

    /// Has begun, has not ended, and its job goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stopped.is_none() && !self.flags.has(Flags::NEVER_ENDED)
    }

    /// Counts neither for the verdict nor in the totals: a retried attempt, a clean-up, a removed section.
    #[must_use]
    pub fn is_excluded(&self) -> bool {
        self.flags.has(Flags::RETRIED) || self.flags.has(Flags::CLEANUP) || self.flags.has(Flags::REMOVED)
    }

    /// Planned children that have not come.
    pub(crate) fn missing(&self) -> u64 {
        self.planned.map_or(0, |planned| planned.saturating_sub(self.seen))
    }

    /// The row in bytes, without its id; `epoch` is the time of the job's first event.
    #[must_use]
    pub fn pack(&self, epoch: Time) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.name.len());
        out.push(1);
        let have = [
            self.started.is_some(),
            self.stopped.is_some(),
            self.outcome.is_some(),
            self.flags != Flags::default(),
            !self.reason.is_empty(),
            self.index != 0,
            self.attempt != 0,
            self.planned.is_some(),
            self.seen != 0 || self.counts != Counts::default(),
            self.key != 0,
            self.child_segments != 0,
            !self.children.is_empty(),
            self.hang_segments != 0,
            !self.hangs.is_empty(),
            self.parent.producer == self.id.producer,
            self.rolled.is_some(),
        ];
        let bits = have.iter().enumerate().fold(0, |bits, (i, on)| bits | (u64::from(*on) << i));
        pack::put(&mut out, bits << 2 | self.kind as u64);
        put_id(&mut out, self.parent, self.id, have[14]);
        pack::put_bytes(&mut out, self.r#type.as_bytes());
        pack::put_bytes(&mut out, self.name.as_bytes());
        pack::put(&mut out, self.start_seq.0);
        let start = self.started.unwrap_or(epoch);
        if have[0] {
            pack::put_signed(&mut out, start.0.wrapping_sub(epoch.0));
        }
        if let Some(stop) = self.stopped {
            pack::put_signed(&mut out, stop.0.wrapping_sub(start.0));
        }
        if let Some(outcome) = self.outcome {
            out.push(outcome.index() as u8);
        }
        if let Some(rolled) = self.rolled {
            out.push(rolled.index() as u8);
        }
        if have[3] {
            pack::put(&mut out, u64::from(self.flags.0));
        }
        if have[4] {
            pack::put_bytes(&mut out, self.reason.as_bytes());
        }
        for (on, n) in [(have[5], self.index), (have[6], self.attempt)] {
            if on {
                pack::put(&mut out, u64::from(n));
            }
        }
        if let Some(planned) = self.planned {
            pack::put(&mut out, planned);
        }
        if have[8] {
            pack::put(&mut out, self.seen);
            self.counts.0.iter().for_each(|n| pack::put(&mut out, *n));
        }
        if have[9] {
            out.extend_from_slice(&self.key.to_le_bytes());
        }
        if have[10] {
            pack::put(&mut out, u64::from(self.child_segments));
        }
        if have[11] {
            pack_children(&mut out, self.id, &self.children);
        }
        if have[12] {
            pack::put(&mut out, u64::from(self.hang_segments));
        }
        if have[13] {
            pack_hangs(&mut out, self.start_seq, &self.hangs);
        }
        out
    }

    /// The row of `id` from its bytes; `None` when they are damaged or of a newer version.
    #[must_use]
    pub fn unpack(id: SectionId, epoch: Time, bytes: &[u8]) -> Option<NodeRow> {
        let mut from = Unpack(bytes);
        if from.byte()? != 1 {
            return None;
        }
        let head = from.get()?;
        let have = |i: u32| head >> (2 + i) & 1 == 1;
        let kind = [NodeKind::Job, NodeKind::Run, NodeKind::Test, NodeKind::Section][(head & 3) as usize];
        let parent = get_id(&mut from, id, have(14))?;
        let mut row = NodeRow::new(id, parent, kind);
        row.r#type = from.text()?.to_owned();
        row.name = from.text()?.to_owned();
        row.start_seq = EventSeq(from.get()?);
        let mut start = epoch;
        if have(0) {
            start = Time(epoch.0.wrapping_add(from.get_signed()?));
            row.started = Some(start);
        }
        if have(1) {
            row.stopped = Some(Time(start.0.wrapping_add(from.get_signed()?)));
        }
        if have(2) {
            row.outcome = Some(Outcome::from_index(usize::from(from.byte()?))?);
        }
        if have(15) {
            row.rolled = Some(Outcome::from_index(usize::from(from.byte()?))?);
        }
        if have(3) {
            row.flags = Flags(u16::try_from(from.get()?).ok()?);
        }
        if have(4) {
            row.reason = from.text()?.to_owned();
        }
        if have(5) {
            row.index = u32::try_from(from.get()?).ok()?;
        }
        if have(6) {
            row.attempt = u32::try_from(from.get()?).ok()?;
        }
        if have(7) {
            row.planned = Some(from.get()?);
        }
        if have(8) {
            row.seen = from.get()?;
            for n in &mut row.counts.0 {
                *n = from.get()?;
            }
        }
        if have(9) {
            let (key, rest) = from.0.split_first_chunk::<8>()?;
            row.key = u64::from_le_bytes(*key);
            from.0 = rest;
        }
        if have(10) {
            row.child_segments = u32::try_from(from.get()?).ok()?;
        }
        if have(11) {
            row.children = unpack_children(&mut from, id)?;
        }
        if have(12) {
            row.hang_segments = u32::try_from(from.get()?).ok()?;
        }
        if have(13) {
            row.hangs = unpack_hangs(&mut from, row.start_seq)?;
        }
        from.0.is_empty().then_some(row)
    }
}

fn put_id(out: &mut Vec<u8>, id: SectionId, own: SectionId, same: bool) {
    if !same {
        pack::put(out, id.producer.0);
    }
    pack::put_signed(out, id.number.wrapping_sub(own.number).cast_signed());
}

fn get_id(from: &mut Unpack<'_>, own: SectionId, same: bool) -> Option<SectionId> {
    let producer = if same { own.producer } else { ProducerId(from.get()?) };
    Some(SectionId::new(producer, own.number.wrapping_add_signed(from.get_signed()?)))
}

// Children mostly come from one producer, in rising order: a delta to the one before, and the producer when it changes.
fn pack_children(out: &mut Vec<u8>, own: SectionId, children: &[SectionId]) {
    pack::put(out, children.len() as u64);
    let mut before = own;
    for child in children {
        let same = child.producer == before.producer;
        let delta = child.number.wrapping_sub(before.number).cast_signed();
        put_marked(out, zigzag(delta), !same);
        if !same {
            pack::put(out, child.producer.0);
        }
        before = *child;
    }
}

fn unpack_children(from: &mut Unpack<'_>, own: SectionId) -> Option<Vec<SectionId>> {
    let n = from.get()?;
    let mut out = Vec::with_capacity(usize::try_from(n).ok()?.min(SEGMENT_LEN));
    let mut before = own;
    for _ in 0..n {
        let (delta, other) = get_marked(from)?;
        let producer = if other { ProducerId(from.get()?) } else { before.producer };
        before = SectionId::new(producer, before.number.wrapping_add_signed(unzigzag(delta)));
        out.push(before);
    }
    Some(out)
}

// Rising numbers, so a delta to the one before. The first may stand before the base: what was heard of a node before
// it began has hung on it since.
fn pack_hangs(out: &mut Vec<u8>, base: EventSeq, hangs: &[Hang]) {
    pack::put(out, hangs.len() as u64);
    let mut before = base.0;
    for (i, hang) in hangs.iter().enumerate() {
        let delta = hang.seq.0.wrapping_sub(before);
        put_marked(out, if i == 0 { zigzag(delta.cast_signed()) } else { delta }, hang.is_log);
        before = hang.seq.0;
    }
}

fn unpack_hangs(from: &mut Unpack<'_>, base: EventSeq) -> Option<Vec<Hang>> {
    let n = from.get()?;
    let mut out = Vec::with_capacity(usize::try_from(n).ok()?.min(SEGMENT_LEN));
    let mut before = base.0;
    for i in 0..n {
        let (delta, is_log) = get_marked(from)?;
        before = before.wrapping_add(if i == 0 { unzigzag(delta).cast_unsigned() } else { delta });
        out.push(Hang { seq: EventSeq(before), is_log });
    }
    Some(out)
}

// A number of 64 bits and a mark of one: a varint of 65 bits, whose first byte holds the mark and the six lowest bits.
fn put_marked(out: &mut Vec<u8>, n: u64, mark: bool) {
    let low = (n as u8 & 0x3f) << 1 | u8::from(mark);
    if n >> 6 == 0 {
        out.push(low);
    } else {
        out.push(low | 0x80);
        pack::put(out, n >> 6);
    }
}

fn get_marked(from: &mut Unpack<'_>) -> Option<(u64, bool)> {
    let first = from.byte()?;
    let high = if first & 0x80 == 0 { 0 } else { from.get()? };
    let low = u64::from(first >> 1 & 0x3f);
    (high < 1 << 58).then_some((high << 6 | low, first & 1 == 1))
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// [`SEGMENT_LEN`] children.
    Children,
    /// [`SEGMENT_LEN`] hanging events.
    Hangs,
}

/// [`SEGMENT_LEN`] children or hanging events of a node that has many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Whose.
    pub node: SectionId,
    /// Of what.
    pub kind: SegmentKind,
    /// Which, from 0.
    pub number: u32,
    /// The content, packed.
    pub data: Vec<u8>,
}

impl Segment {
    /// A segment of children.
    #[must_use]
    pub fn of_children(node: SectionId, number: u32, children: &[SectionId]) -> Self {
        let mut data = Vec::with_capacity(children.len() * 2);
        pack_children(&mut data, node, children);
        Segment { node, kind: SegmentKind::Children, number, data }
    }

    /// A segment of hanging events.
    #[must_use]
    pub fn of_hangs(node: SectionId, number: u32, hangs: &[Hang]) -> Self {
        let mut data = Vec::with_capacity(hangs.len() * 2);
        pack_hangs(&mut data, EventSeq(0), hangs);
        Segment { node, kind: SegmentKind::Hangs, number, data }
    }

    /// The children in a segment's bytes.
    #[must_use]
    pub fn children(node: SectionId, data: &[u8]) -> Option<Vec<SectionId>> {
        unpack_children(&mut Unpack(data), node)
    }

    /// The hanging events in a segment's bytes.
    #[must_use]
    pub fn hangs(data: &[u8]) -> Option<Vec<Hang>> {
        unpack_hangs(&mut Unpack(data), EventSeq(0))
    }
}

/// Where a producer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Presence {
    /// It may say more.
    #[default]
    #[n(0)]
    Here,
    /// It said that it is done.
    #[n(1)]
    Left,
    /// It went away without a word.
    #[n(2)]
    Broke,
}

/// A producer that has left or broken off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ProducerRow {
    /// Its identity.
    #[n(0)]
    pub id: ProducerId,
    /// The number of its last event.
    #[n(1)]
    pub last: u64,
    /// The job's number of that event.
    #[n(2)]
    pub last_seq: EventSeq,
    /// The highest number of its nodes.
    #[n(3)]
    pub max_node: u64,
    /// Where it stands.
    #[n(4)]
    pub presence: Presence,
    /// What it is: program, process, host.
    #[n(5)]
    pub label: String,
}

/// A job, as lists show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Encode, Decode)]
pub struct JobRow {
    /// Its identity.
    #[n(0)]
    pub uid: JobUid,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// Who asked for it.
    #[n(2)]
    pub requestor: String,
    /// Where it came from.
    #[n(3)]
    pub source: JobSource,
    /// Tags.
    #[n(4)]
    pub tags: Vec<String>,
    /// Correlation texts.
    #[n(5)]
    pub guids: Vec<Guid>,
    /// The project.
    #[n(6)]
    pub project: Option<String>,
    /// Where it stands.
    #[n(7)]
    pub state: JobState,
    /// Why it failed.
    #[n(8)]
    pub error: Option<String>,
    /// When it was submitted; times in its rows are relative to this.
    #[n(9)]
    pub submitted: Time,
    /// When it was first started.
    #[n(10)]
    pub started: Option<Time>,
    /// When it came to its end.
    #[n(11)]
    pub ended: Option<Time>,
    /// What its runs rolled up to.
    #[n(12)]
    pub outcome: Option<Outcome>,
    /// What its reporters say; see [`Verdict`].
    #[n(13)]
    pub verdict: Option<Verdict>,
    /// Whether the report is complete.
    #[n(14)]
    pub complete: Completeness,
    /// Outcomes of its cases.
    #[n(15)]
    pub counts: Counts,
    /// The highest run that was started.
    #[n(16)]
    pub runs: u32,
    /// How many events it has.
    #[n(17)]
    pub events: u64,
    /// The version of Oyez that took it.
    #[n(18)]
    pub version: Option<String>,
    /// The wrapped command.
    #[n(19)]
    pub command: Option<Vec<String>>,
    /// The server that took it; without one it was run in the foreground.
    #[n(20)]
    pub server_id: Option<String>,
}
