//! The fold: live state of a job + event = live state + changed rows.
//!
//! The live state holds what is still open: nodes that have not ended or have open children, producers that may say
//! more, a few counters. A node that has ended and has no open child leaves as a [`NodeRow`]; when something about it
//! comes late (a fork reports after its parent ended) it is looked up through [`Rows`] and taken in again.
//!
//! * A child may come before its parent: it waits, with all that belongs to it, until the parent comes. What still
//!   waits when the job ends hangs below the job, marked as an orphan.
//! * Outcomes roll up to parents as children end, by pyATS's rule; an outcome said at the end of a node takes the
//!   place of what its children rolled up; what comes later rolls up on top.
//! * What was planned, announced, begun and never ended, dropped or cut off is counted: [`Live::completeness`].
//!
//! The order in which independent producers are heard changes no row but in the order of children of a common parent
//! and in the journal numbers. `tests/model/` holds this and the other rules as properties.

mod checkpoint;
mod complete;
mod nodes;
mod pending;

use rustc_hash::FxHashMap;

pub use checkpoint::CheckpointError;
pub use complete::{Completeness, Gap};
use complete::{Tally, note};

use crate::event::{Event, EventBody, JobSubmitted};
use crate::ids::{EventNumber, EventSeq, JobUid, ProducerId, SectionId, TestKey};
use crate::outcome::{Counts, Outcome};
use crate::row::{JobRow, NodeKind, NodeRow, Presence, ProducerRow, Segment};
use crate::state::{JobSource, JobState, Verdict};
use crate::time::Time;

/// How many nodes may wait for parents, and how many events for nodes, before they are placed below the job.
pub const MAX_WAITING: usize = 100_000;

/// Looks up what has left the live state. A pure function of the events so far; the store reads its tables.
pub trait Rows {
    /// The row of a node that has left.
    fn node(&self, id: SectionId) -> Option<NodeRow>;
    /// The row of a producer that has left.
    fn producer(&self, id: ProducerId) -> Option<ProducerRow>;
}

/// For a fold that starts at the first event and keeps no rows.
impl Rows for () {
    fn node(&self, _: SectionId) -> Option<NodeRow> {
        None
    }
    fn producer(&self, _: ProducerId) -> Option<ProducerRow> {
        None
    }
}

/// The rows that changed, in the order in which they did: a later one of the same id takes the place of an earlier.
#[derive(Debug, Default)]
pub struct Changes {
    /// Nodes.
    pub nodes: Vec<NodeRow>,
    /// Segments.
    pub segments: Vec<Segment>,
    /// Producers.
    pub producers: Vec<ProducerRow>,
    /// Whether [`Live::job_row`] is another one now.
    pub job: bool,
    /// Something that had left was taken in again: a checkpoint must follow in the same commit, because a fold from
    /// an earlier one would look it up as it is now, not as it was.
    pub revived: bool,
}

impl Changes {
    /// Forgets them, keeping the memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.segments.clear();
        self.producers.clear();
        self.job = false;
        self.revived = false;
    }

    /// A node that has left, in these changes or before them.
    fn left(&self, id: SectionId, rows: &dyn Rows) -> Option<NodeRow> {
        self.nodes.iter().rfind(|row| row.id == id).cloned().or_else(|| rows.node(id))
    }

    /// A producer that has left, in these changes or before them; finding one is a revival.
    fn producer_left(&mut self, id: ProducerId, rows: &dyn Rows) -> Option<ProducerRow> {
        let left = self.producers.iter().rfind(|p| p.id == id).cloned().or_else(|| rows.producer(id));
        self.revived |= left.is_some();
        left
    }
}

/// A node that is open, or has open children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenNode {
    pub row: NodeRow,
    /// What its children rolled up, or what was said at its end.
    pub rolled: Option<Outcome>,
    /// Children that are in the live state.
    pub open_children: u32,
    pub ended: bool,
    /// Its parent has not come yet.
    pub waiting: bool,
    /// Cases of tests further down, for the run and the job, while the way up to them is not known.
    pub cases: Option<Box<Counts>>,
}

impl OpenNode {
    pub(crate) fn new(row: NodeRow) -> Self {
        OpenNode { row, rolled: None, open_children: 0, ended: false, waiting: false, cases: None }
    }

    /// Ended, or given up when its job ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.ended || self.row.flags.has(crate::row::Flags::NEVER_ENDED)
    }

    /// What can be said of a node that never ended: that something below it went wrong, never that all went well.
    pub(crate) fn so_far(&self) -> Option<Outcome> {
        self.rolled.filter(|outcome| !outcome.is_good())
    }
}

/// Everything about a job that has not come to rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub(crate) job: JobRow,
    pub(crate) key_seed: u64,
    pub(crate) last_seq: EventSeq,
    pub(crate) producers: FxHashMap<ProducerId, ProducerRow>,
    pub(crate) nodes: FxHashMap<SectionId, OpenNode>,
    pub(crate) waiting: FxHashMap<SectionId, Vec<SectionId>>,
    pub(crate) waiting_count: usize,
    pub(crate) pending: FxHashMap<SectionId, Vec<(EventSeq, Event)>>,
    pub(crate) pending_count: usize,
    pub(crate) tally: Tally,
    pub(crate) final_reports: (u64, u64),
    pub(crate) run_reports: (u64, u64),
    /// The producer that said the final state: it need not say that it is done as well.
    pub(crate) closer: ProducerId,
}

impl Live {
    /// A job of which nothing has been heard.
    #[must_use]
    pub fn new() -> Self {
        let nothing = JobUid::from_bytes([0; 16]);
        let root = NodeRow::new(SectionId::ROOT, SectionId::ROOT, NodeKind::Job);
        Live {
            job: JobRow {
                uid: nothing,
                name: String::new(),
                requestor: String::new(),
                source: JobSource::default(),
                tags: Vec::new(),
                guids: Vec::new(),
                project: None,
                state: JobState::Unknown,
                error: None,
                submitted: Time(0),
                started: None,
                ended: None,
                outcome: None,
                verdict: None,
                complete: Completeness::Unknown,
                counts: Counts::default(),
                runs: 0,
                events: 0,
                version: None,
                command: None,
                server_id: None,
            },
            key_seed: TestKey::seed("", &Default::default()),
            last_seq: EventSeq(0),
            producers: FxHashMap::default(),
            nodes: std::iter::once((SectionId::ROOT, OpenNode::new(root))).collect(),
            waiting: FxHashMap::default(),
            waiting_count: 0,
            pending: FxHashMap::default(),
            pending_count: 0,
            tally: Tally::default(),
            final_reports: (0, 0),
            run_reports: (0, 0),
            closer: ProducerId(0),
        }
    }

    /// The fold. `seq` is the event's number in the job's journal.
    ///
    /// Any event can follow any other: what makes no sense (a second start of the same section, a state that cannot
    /// follow) changes nothing, or is counted as a gap; it never panics.
    pub fn apply(&mut self, seq: EventSeq, event: &Event, rows: &dyn Rows, out: &mut Changes) {
        if self.last_seq.0 == 0 {
            self.job.submitted = event.time;
        }
        self.last_seq = seq;
        self.job.events += 1;
        let was_final = self.job.state.is_final();
        let mut step =
            Step { live: self, rows, out, seq, time: event.time, producer: event.producer, again: false };
        step.heard(event.number);
        step.body(event);
        if self.job.state.is_final() {
            // A late word: what it opened must not stay out of the rows.
            if was_final && (self.nodes.len() > 1 || !self.pending.is_empty()) {
                self.settle(rows, out);
            }
            self.close_root(out);
            out.job = true;
        }
    }

    /// The number of the last event.
    #[must_use]
    pub fn last_seq(&self) -> EventSeq {
        self.last_seq
    }

    /// Where the job stands.
    #[must_use]
    pub fn state(&self) -> JobState {
        self.job.state
    }

    /// The time of the job's first event: times in its rows are relative to it.
    #[must_use]
    pub fn epoch(&self) -> Time {
        self.job.submitted
    }

    /// What is known of a producer that is still here: its last number and that event's number in the job.
    #[must_use]
    pub fn producer(&self, id: ProducerId) -> Option<&ProducerRow> {
        self.producers.get(&id)
    }

    /// How many nodes are open.
    #[must_use]
    pub fn open_nodes(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    /// The rows of what is open, as they stand; the job's own is among them. In no particular order.
    pub fn open_rows(&self) -> impl Iterator<Item = NodeRow> + '_ {
        self.nodes.values().map(|node| {
            let mut row = node.row.clone();
            if !node.ended {
                row.outcome = node.rolled;
            }
            row
        })
    }

    /// The row of one open node, as it stands.
    #[must_use]
    pub fn open_row(&self, id: SectionId) -> Option<NodeRow> {
        let node = self.nodes.get(&id)?;
        let mut row = node.row.clone();
        if !node.ended {
            row.outcome = node.rolled;
        }
        Some(row)
    }

    /// The job as lists show it.
    #[must_use]
    pub fn job_row(&self) -> JobRow {
        let mut row = self.job.clone();
        if let Some(root) = self.nodes.get(&SectionId::ROOT) {
            row.outcome = root.rolled;
            row.counts = root.row.counts;
        }
        row.verdict = self.verdict();
        row.complete = self.completeness();
        row
    }

    /// All final reports if there is any, else all run reports, else the outcome; reporters without an opinion are not
    /// asked.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match (self.final_reports, self.run_reports) {
            ((n, bad), _) if n > 0 => Some(Verdict::of(bad == 0)),
            (_, (n, bad)) if n > 0 => Some(Verdict::of(bad == 0)),
            _ if !self.job.state.is_final() => None,
            _ => self.nodes.get(&SectionId::ROOT)?.rolled.map(|o| Verdict::of(o.is_good())),
        }
    }

    /// Whether the report is complete; unknown until the job has come to its end.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        if !self.job.state.is_final() {
            return Completeness::Unknown;
        }
        let here = |p: &&ProducerRow| p.presence == Presence::Here && p.id != self.closer;
        let gaps = self.tally.gaps(self.producers.values().filter(here).count() as u64);
        if gaps.is_empty() { Completeness::Yes } else { Completeness::No(gaps) }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

/// A reason that its row cannot hold whole: it is read from the event.
fn is_long(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.len() > crate::row::REASON_LEN)
}

/// One event on its way through the live state.
pub(crate) struct Step<'a> {
    pub live: &'a mut Live,
    pub rows: &'a dyn Rows,
    pub out: &'a mut Changes,
    pub seq: EventSeq,
    pub time: Time,
    pub producer: ProducerId,
    /// The event waited for its node: what it counts for the job was counted when it came.
    pub again: bool,
}

impl Step<'_> {
    fn heard(&mut self, number: EventNumber) {
        let (rows, id, out) = (self.rows, self.producer, &mut *self.out);
        let known = self.live.producers.entry(id).or_insert_with(|| {
            out.producer_left(id, rows).unwrap_or_else(|| ProducerRow { id, ..ProducerRow::default() })
        });
        known.last = number.0;
        known.last_seq = self.seq;
        // Back again after it was given up: it may say more, and its numbers show that nothing was lost.
        if known.presence == Presence::Broke {
            self.live.tally.broke = self.live.tally.broke.saturating_sub(1);
            if self.live.tally.broke == 0 {
                self.live.tally.broke_why.clear();
            }
        }
        known.presence = Presence::Here;
    }

    fn body(&mut self, event: &Event) {
        use crate::ids::SectionRef;
        let at = |r: SectionRef| r.resolve(event.producer);
        let time = self.time;
        match &event.body {
            EventBody::JobSubmitted(b) => self.submitted(b),
            EventBody::JobStateChanged(b) => self.state(b.state, b.error.as_deref()),
            EventBody::JobControl(_) | EventBody::JobPaused(_) | EventBody::JobLinked(_) => {
                self.hang(SectionId::ROOT, event, false);
            }
            EventBody::RunStarted(b) => {
                self.live.job.runs = self.live.job.runs.max(b.run.0);
                self.out.job = true;
                self.start(b.id, SectionId::ROOT, NodeKind::Run, |row| {
                    row.name = format!("Run {}", b.run);
                    row.index = b.run.0;
                    row.planned = b.planned;
                    row.started = Some(time);
                });
            }
            EventBody::RunStopped(b) => self.stop(event, at(b.id), b.outcome, None, true, time),
            EventBody::TestStarted(b) => {
                let suite = b.suite.as_deref().unwrap_or_default();
                let mut key = suite.iter().fold(self.live.key_seed, |key, name| TestKey::below(key, name));
                for (k, v) in b.variant.iter().flatten() {
                    key = TestKey::below(TestKey::below(key, k), v);
                }
                self.start(b.id, at(b.parent), NodeKind::Test, |row| {
                    row.name.clone_from(&b.name);
                    row.index = b.index;
                    row.attempt = b.attempt;
                    row.planned = b.planned;
                    row.key = TestKey::below(key, &b.name);
                    row.flags.set(crate::row::Flags::CLEANUP, b.cleanup == Some(true));
                    row.started = Some(b.began.map_or(time, Time));
                });
            }
            EventBody::TestStopped(b) => {
                let ended = b.ended.map_or(time, Time);
                match b.retried {
                    Some(true) => self.retried(at(b.id)),
                    Some(false) => self.counts_after_all(at(b.id)),
                    None => {}
                }
                if is_long(b.reason.as_deref()) {
                    self.hang(at(b.id), event, false);
                }
                self.stop(event, at(b.id), b.outcome, b.reason.as_deref(), true, ended);
            }
            EventBody::ProducerJoined(b) => {
                if let Some(p) = self.live.producers.get_mut(&self.producer) {
                    let process = b.pid.map(|pid| format!("process {pid}"));
                    let host = b.host.as_ref().map(|host| format!("on {host}"));
                    let parts = [b.program.clone(), process, host];
                    p.label = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
                }
            }
            EventBody::ProducerLeft(_) => self.left(),
            EventBody::ProducerBroke(b) => self.broke(b.producer.unwrap_or(self.producer), &b.reason),
            EventBody::ContextOpened(_)
            | EventBody::ContextClosed(_)
            | EventBody::ClientJoined(_)
            | EventBody::CallAnswered(_)
            | EventBody::TargetLock(_) => {}
            EventBody::ClientLeft(b) => {
                if b.open > 0 && !self.again {
                    self.live.tally.broke += 1;
                    let why = format!("client {} went away with open sections: {}", b.client, b.open);
                    note(&mut self.live.tally.broke_why, why);
                }
            }
            EventBody::SectionAnnounced(b) => self.start(b.id, at(b.parent), NodeKind::Section, |row| {
                row.r#type.clone_from(&b.r#type);
                row.name.clone_from(&b.name);
                row.flags.set(crate::row::Flags::ANNOUNCED, true);
            }),
            EventBody::SectionStarted(b) => {
                self.start(b.id, at(b.parent), NodeKind::Section, |row| {
                    row.r#type.clone_from(&b.r#type);
                    row.name.clone_from(&b.name);
                    row.started = Some(b.began.map_or(time, Time));
                    row.flags.set(crate::row::Flags::ASIDE, b.aside == Some(true));
                });
                // What a row has no column for is read from the event.
                let more = b.description.is_some()
                    || b.source.is_some()
                    || b.parameters.is_some()
                    || b.extra.is_some()
                    || b.span.is_some();
                if more && b.id != 0 {
                    self.hang(SectionId::new(event.producer, b.id), event, false);
                }
            }
            EventBody::SectionUpdated(b) => {
                if let Some(name) = &b.name {
                    self.rename(at(b.id), name);
                }
                let only_for_peers = b.name.is_none()
                    && b.description.is_none()
                    && b.extra.is_none()
                    && b.parameters.is_none()
                    && b.peer.is_some();
                if !only_for_peers {
                    self.hang(at(b.id), event, false);
                }
            }
            EventBody::SectionStopped(b) => {
                let ended = b.ended.map_or(time, Time);
                let long = b.reason.as_ref().is_some_and(|r| r.len() > crate::row::REASON_LEN);
                if (b.data.is_some() || long) && !self.try_hang(at(b.id), event, false) {
                    return;
                }
                self.stop(event, at(b.id), b.outcome, b.reason.as_deref(), b.rollup != Some(false), ended);
            }
            EventBody::SectionRemoved(b) => self.remove(event, at(b.id)),
            EventBody::TargetAcquired(b) => self.start(b.id, at(b.test), NodeKind::Section, |row| {
                row.r#type.push_str("Target");
                row.name.clone_from(&b.target.id);
                // It is to enter one step at least: one that never does has never started.
                row.planned = Some(1);
                row.started = Some(time);
            }),
            EventBody::TargetIn(b) => self.start(b.id, at(b.target), NodeKind::Section, |row| {
                row.r#type.clone_from(&b.step);
                row.name.clone_from(&b.label);
                row.started = Some(time);
            }),
            EventBody::TargetOut(b) => self.stop(event, at(b.id), Some(Outcome::Passed), None, true, time),
            EventBody::TargetErr(b) => {
                let outcome = b.outcome.unwrap_or(Outcome::Failed);
                if is_long(Some(&b.error)) {
                    self.hang(at(b.id), event, false);
                }
                self.stop(event, at(b.id), Some(outcome), Some(&b.error), true, time);
            }
            EventBody::TargetReleased(b) => {
                let id = at(b.id);
                // Its section ended with its last step; only one that never got there ends here.
                if self.live.nodes.get(&id).is_some_and(|node| !node.ended) {
                    self.stop(event, id, None, None, true, time);
                }
            }
            EventBody::TargetAcquireErr(b) => self.hang(at(b.test), event, false),
            EventBody::JobRetention(_) => self.hang(SectionId::ROOT, event, false),
            EventBody::SectionDetail(b) => self.hang(at(b.id), event, false),
            EventBody::LogRebased(b) => self.hang(at(b.id), event, true),
            EventBody::LogSpanned(b) => self.hang(at(b.id), event, true),
            EventBody::VariableEmitted(b) => self.hang(at(b.id), event, false),
            EventBody::Named(b) => self.hang(at(b.id), event, false),
            EventBody::LogText(b) => self.hang(at(b.id), event, true),
            EventBody::Artifact(b) => self.hang(at(b.id), event, b.rest_of.is_some()),
            EventBody::Measurement(b) => self.hang(at(b.id), event, false),
            EventBody::Entry(b) => self.hang(at(b.id), event, false),
            EventBody::ChildLife(b) => self.hang(at(b.id), event, false),
            EventBody::Report(b) => {
                if b.neutral != Some(true) {
                    let count = if b.run.is_some() {
                        &mut self.live.run_reports
                    } else {
                        &mut self.live.final_reports
                    };
                    count.0 += 1;
                    count.1 += u64::from(!b.success);
                    self.out.job = true;
                }
                self.hang(SectionId::ROOT, event, false);
            }
            EventBody::OutputDropped(b) => {
                if !self.again {
                    self.live.tally.dropped = self.live.tally.dropped.saturating_add(b.bytes);
                    note(&mut self.live.tally.dropped_why, b.why.clone());
                }
                self.hang(at(b.id), event, true);
            }
            EventBody::SourceCut(b) => {
                if !self.again {
                    self.live.tally.cuts += 1;
                    note(&mut self.live.tally.cut_why, b.reason.clone());
                }
                self.hang(at(b.id), event, false);
            }
            EventBody::Unknown(_) => self.live.tally.unknown += 1,
        }
    }

    fn submitted(&mut self, b: &JobSubmitted) {
        // A job is submitted once: nobody can give it another identity later.
        if self.live.nodes.get(&SectionId::ROOT).is_some_and(|root| root.row.started.is_some()) {
            return;
        }
        let job = &mut self.live.job;
        job.uid = b.uid;
        job.name.clone_from(&b.name);
        job.requestor.clone_from(&b.requestor);
        job.source = b.source;
        job.tags.clone_from(&b.tags);
        job.guids.clone_from(&b.guids);
        job.project.clone_from(&b.project);
        job.version.clone_from(&b.version);
        job.command.clone_from(&b.command);
        job.server_id.clone_from(&b.server_id);
        self.live.key_seed = TestKey::seed(b.project.as_deref().unwrap_or(""), &b.variant);
        if let Some(root) = self.live.nodes.get_mut(&SectionId::ROOT) {
            root.row.name.clone_from(&b.name);
            root.row.start_seq = self.seq;
            root.row.started = Some(self.time);
        }
        self.out.job = true;
    }

    fn state(&mut self, next: JobState, error: Option<&str>) {
        if !self.live.job.state.may_become(next) {
            return;
        }
        let job = &mut self.live.job;
        job.state = next;
        if next == JobState::Started {
            job.started.get_or_insert(self.time);
        }
        if let Some(error) = error {
            job.error = Some(error.to_owned());
        }
        self.out.job = true;
        if next.is_final() {
            job.ended = Some(self.time);
            self.live.closer = self.producer;
            self.live.settle(self.rows, self.out);
        }
    }

    fn left(&mut self) {
        if let Some(mut row) = self.live.producers.remove(&self.producer) {
            row.presence = Presence::Left;
            self.out.producers.push(row);
        }
    }

    fn broke(&mut self, who: ProducerId, reason: &str) {
        let known = self.live.producers.remove(&who).or_else(|| self.out.producer_left(who, self.rows));
        let mut row = known.unwrap_or_else(|| ProducerRow { id: who, ..ProducerRow::default() });
        let tally = &mut self.live.tally;
        match row.presence {
            // It had said that it was done: nothing is missing when it goes away then.
            Presence::Left => return,
            Presence::Here => tally.broke += 1,
            Presence::Broke => {}
        }
        note(&mut tally.broke_why, format!("{} {reason}", row.label).trim().to_owned());
        row.presence = Presence::Broke;
        self.out.producers.push(row);
    }
}
