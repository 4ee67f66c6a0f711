//! Well-formed jobs of several producers that know nothing of each other but the ids of nodes.
//!
//! The first producer makes the runs; each makes tests below those and sections below anybody's tests and sections,
//! ends its own nodes or leaves that to another, and hangs things on any node. An outcome that is said at a node's
//! end takes the place of what came before it, so it is said only where the whole subtree is one producer's matter:
//! everywhere else the order would rightly make a difference.

use std::collections::BTreeSet;

use oyez_model::event::*;
use oyez_model::{
    Event, EventBody, EventSeq, JobState, NodeKind, Outcome, ProducerId, RunNumber, SectionId, SectionRef,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{event, numbered, said, submitted};

/// Producers of a job; the first also submits it.
const MAKERS: [u64; 4] = [1, 1 << 33, (1 << 33) + 1, 1 << 62];
/// Says the final state and nothing else.
pub const CLOSER: u64 = 1 << 50;
const START: i64 = 1_795_193_683_000_000_000;

/// A job as its producers say it.
#[derive(Clone)]
pub struct Job {
    /// Comes before all others.
    pub first: Event,
    /// What each producer says, in its order.
    pub streams: Vec<Vec<Event>>,
    /// Comes after all others.
    pub last: Event,
    /// Nodes whose outcome is said and not rolled up.
    pub explicit: BTreeSet<SectionId>,
}

#[derive(Clone, Debug)]
struct Spec {
    maker: usize,
    is_test: bool,
    /// A test below anything at all, not only below a run or the job.
    is_deep: bool,
    parent: Index,
    name: String,
    announced: bool,
    begins: bool,
    ended_by: Option<usize>,
    /// How many nodes later it ends.
    lasts: u16,
    outcome: Option<Outcome>,
    rollup: Option<bool>,
    long_reason: bool,
    renamed: bool,
    removed: bool,
    retried: bool,
    cleanup: bool,
    attempt: u32,
    planned: Option<u64>,
    hangs: Vec<(usize, u8, u16)>,
}

fn spec() -> impl Strategy<Value = Spec> {
    let maker = || 0..MAKERS.len();
    let rare = || proptest::bool::weighted(0.12);
    let place = (maker(), proptest::bool::weighted(0.25), any::<Index>(), "[ab]{1,2}", (rare(), rare()));
    let ended_by = prop_oneof![6 => Just(None), 2 => maker().prop_map(Some)];
    let end = (
        proptest::bool::weighted(0.93),
        ended_by,
        0..12u16,
        option::weighted(0.8, select(&Outcome::ALL[..])),
        option::weighted(0.2, any::<bool>()),
        (rare(), rare(), rare(), rare(), rare()),
    );
    let rest = (0..2u32, option::weighted(0.3, 0..5u64), vec((maker(), 0..8u8, 0..12u16), 0..3));
    (place, end, rest).prop_map(
        |(
            (maker, is_test, parent, name, (announced, is_deep)),
            (begins, ended_by, lasts, outcome, rollup, (long_reason, renamed, removed, retried, cleanup)),
            (attempt, planned, hangs),
        )| Spec {
            maker,
            is_test,
            is_deep,
            parent,
            name,
            announced,
            begins,
            ended_by: begins.then_some(ended_by.unwrap_or(maker)),
            lasts,
            outcome,
            rollup,
            long_reason,
            renamed,
            removed,
            retried,
            cleanup,
            attempt,
            planned,
            hangs,
        },
    )
}

/// A job of up to `n` nodes. With `late_words`, one whose rows do not depend on what is heard only after the final
/// state either: then only nodes without children say an outcome, and no attempt turns out to be retried.
pub fn job(n: usize, late_words: bool) -> impl Strategy<Value = Job> {
    (vec(option::of(0..4u64), 0..3), vec(spec(), 1..n), vec(0..4u8, MAKERS.len()))
        .prop_map(move |(runs, specs, ends)| build(&runs, &specs, &ends, late_words))
}

struct Node {
    id: SectionId,
    kind: NodeKind,
    parent: Option<usize>,
}

fn build(runs: &[Option<u64>], specs: &[Spec], ends: &[u8], late_words: bool) -> Job {
    let mut words: Vec<Vec<(u32, EventBody)>> = vec![Vec::new(); MAKERS.len()];
    let mut numbers = [0u64; MAKERS.len()];
    let mut nodes: Vec<Node> = Vec::new();
    let mut number = |maker: usize| {
        numbers[maker] += 1;
        SectionId::new(ProducerId(MAKERS[maker]), numbers[maker])
    };
    for (i, planned) in runs.iter().enumerate() {
        let id = number(0);
        let run = RunNumber(i as u32 + 1);
        words[0].push((0, RunStarted { id: id.number, run, planned: *planned }.into()));
        words[0].push((u32::MAX, RunStopped { id: SectionRef::own(id.number), outcome: None }.into()));
        nodes.push(Node { id, kind: NodeKind::Run, parent: None });
    }
    for spec in specs {
        let is_test = spec.is_test || nodes.iter().all(|node| node.kind == NodeKind::Run);
        let wanted: &[NodeKind] = match (is_test, spec.is_deep) {
            (true, false) => &[NodeKind::Run],
            (true, true) => &[NodeKind::Run, NodeKind::Test, NodeKind::Section],
            _ => &[NodeKind::Test, NodeKind::Section],
        };
        let above: Vec<usize> = (0..nodes.len()).filter(|i| wanted.contains(&nodes[*i].kind)).collect();
        let parent = (!above.is_empty()).then(|| above[spec.parent.index(above.len())]);
        let kind = if is_test { NodeKind::Test } else { NodeKind::Section };
        nodes.push(Node { id: number(spec.maker), kind, parent });
    }
    let mut explicit = BTreeSet::new();
    for (i, spec) in specs.iter().enumerate() {
        let at = runs.len() + i;
        let own = own_matter(&nodes, specs, runs.len(), at);
        let leaf = !nodes.iter().any(|node| node.parent == Some(at));
        let outcome = spec.outcome.filter(|_| own && (leaf || !late_words));
        if spec.begins && outcome.is_some() {
            explicit.insert(nodes[at].id);
        }
        say(&mut words, &nodes, at, spec, outcome, leaf, late_words);
    }
    let streams =
        words.into_iter().enumerate().map(|(maker, words)| stream(maker, words, ends[maker])).collect();
    let done = said::state(JobState::Completed);
    Job {
        first: numbered(vec![event(MAKERS[0], START, submitted("a job"))]).remove(0),
        streams,
        last: numbered(vec![event(CLOSER, START + 1_000_000, done)]).remove(0),
        explicit,
    }
}

/// Whether a node, all below it and all their ends are said by one producer.
fn own_matter(nodes: &[Node], specs: &[Spec], runs: usize, at: usize) -> bool {
    let who = specs[at - runs].maker;
    (at..nodes.len()).all(|i| {
        let mut above = Some(i);
        while let Some(j) = above.filter(|j| *j > at) {
            above = nodes[j].parent;
        }
        let spec = &specs[i - runs];
        above != Some(at) || (spec.maker == who && spec.ended_by.is_none_or(|by| by == who))
    })
}

/// Says all there is to say of one node, in the streams of those who say it.
fn say(
    words: &mut [Vec<(u32, EventBody)>],
    nodes: &[Node],
    at: usize,
    spec: &Spec,
    outcome: Option<Outcome>,
    leaf: bool,
    late_words: bool,
) {
    let (id, kind) = (nodes[at].id, nodes[at].kind);
    let above = nodes[at].parent.map_or(SectionId::ROOT, |p| nodes[p].id);
    let from = |maker: usize| SectionRef::of(id, ProducerId(MAKERS[maker]));
    let parent = SectionRef::of(above, id.producer);
    let key = at as u32 * 100;
    let (name, r#type) = (spec.name.clone(), "Testcase".to_owned());
    let mine = &mut words[spec.maker];
    if kind == NodeKind::Test {
        mine.push((key, test(id, parent, spec)));
    } else {
        if spec.announced || !spec.begins {
            let (name, r#type) = (format!("{name}?"), r#type.clone());
            mine.push((key, SectionAnnounced { id: id.number, parent, r#type, name }.into()));
        }
        if spec.begins {
            mine.push((key + 1, SectionStarted { r#type, name, ..said::section(id.number, parent) }.into()));
        }
    }
    if spec.renamed {
        let name = Some(format!("{}!", spec.name));
        mine.push((
            key + 2,
            SectionUpdated {
                id: from(spec.maker),
                name,
                description: None,
                extra: None,
                ..Default::default()
            }
            .into(),
        ));
    }
    for (maker, what, later) in &spec.hangs {
        words[*maker].push((key + 3 + u32::from(*later) * 100, hanging(from(*maker), *what)));
    }
    let end = key + 4 + u32::from(spec.lasts) * 100;
    if spec.removed && leaf && kind == NodeKind::Section && spec.ended_by.is_none_or(|by| by == spec.maker) {
        // Before its end or after it.
        let when = if spec.lasts.is_multiple_of(2) { end + 50 } else { end - 1 };
        words[spec.maker].push((when, SectionRemoved { id: from(spec.maker) }.into()));
    }
    let Some(by) = spec.ended_by else { return };
    let reason = Some(if spec.long_reason { "because ".repeat(200) } else { "because".to_owned() });
    let body = if kind == NodeKind::Test {
        let retried = (!late_words).then_some(spec.retried);
        TestStopped { outcome, reason, retried, ..said::test_stop(from(by)) }.into()
    } else {
        let rollup = spec.rollup.filter(|_| leaf || !late_words);
        let ended = Some(START + i64::from(end));
        SectionStopped { reason, rollup, ended, ..said::stop(from(by), outcome) }.into()
    };
    words[by].push((end, body));
}

fn test(id: SectionId, parent: SectionRef, spec: &Spec) -> EventBody {
    TestStarted {
        name: spec.name.clone(),
        attempt: spec.attempt,
        planned: spec.planned,
        cleanup: Some(spec.cleanup),
        suite: Some(vec!["suite".to_owned()]),
        ..said::test(id.number, parent)
    }
    .into()
}

fn hanging(id: SectionRef, what: u8) -> EventBody {
    match what {
        0 => OutputDropped { id, bytes: 7, why: "too long".to_owned() }.into(),
        1 => SourceCut { id, reason: "cut in the middle".to_owned() }.into(),
        2 => EventBody::Unknown(Unknown { kind: 1000, bytes: vec![1, 2, 3] }),
        3 => SectionDetail { id, detail: "a remark".into() }.into(),
        _ => said::text(id, "a line\n").into(),
    }
}

/// What one producer says, in its order, from its first word to its last.
fn stream(maker: usize, mut words: Vec<(u32, EventBody)>, end: u8) -> Vec<Event> {
    words.sort_by_key(|(key, _)| *key);
    let mut bodies: Vec<EventBody> = Vec::new();
    if maker == 0 {
        // Its first event is the submission, which comes before everything.
        bodies.push(submitted("a job").into());
        bodies.push(said::state(JobState::Started).into());
    }
    bodies.push(ProducerJoined { pid: Some(maker as u64), ..said::joined("worker") }.into());
    bodies.extend(words.into_iter().map(|(_, body)| body));
    match end {
        0 => {}
        1 => bodies.push(ProducerBroke { producer: None, reason: format!("end of file {maker}") }.into()),
        _ => bodies.push(ProducerLeft {}.into()),
    }
    let all =
        (START..).step_by(1000).zip(bodies).map(|(time, body)| event(MAKERS[maker], time, body)).collect();
    let mut all = numbered(all);
    if maker == 0 {
        all.remove(0);
    }
    all
}

/// A line for each event.
impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for event in self.streams.iter().flatten() {
            write!(f, "\n{}", event.to_json(EventSeq(0)))?;
        }
        Ok(())
    }
}

impl Job {
    /// One order in which its producers may be heard: each pick says whose word is next.
    pub fn heard(&self, picks: &[u8]) -> Vec<Event> {
        let mut streams: Vec<_> = self.streams.iter().map(|stream| stream.iter()).collect();
        let mut events = vec![self.first.clone()];
        let mut picks = picks.iter().cycle();
        while streams.iter().any(|stream| stream.len() > 0) {
            let pick = usize::from(picks.next().copied().unwrap_or(0));
            let n = streams.len();
            let from = (0..n).map(|i| (pick + i) % n).find(|i| streams[*i].len() > 0);
            events.extend(from.and_then(|i| streams[i].next()).cloned());
        }
        events.push(self.last.clone());
        events
    }

    /// The same order with the final state as early as it can be without cutting off who waits for a node.
    pub fn heard_with_late_words(&self, picks: &[u8], at: Index) -> Vec<Event> {
        let mut events = self.heard(picks);
        let Some(last) = events.pop() else { return events };
        let mut known: BTreeSet<SectionId> = BTreeSet::from([SectionId::ROOT]);
        let mut waited_for: BTreeSet<SectionId> = BTreeSet::new();
        // Not before the job has started; not while anything waits.
        let mut earliest = 1;
        for (i, event) in events.iter().enumerate() {
            let (begins, about) = begins_and_about(event);
            if matches!(event.body, EventBody::JobStateChanged(_)) {
                earliest = i + 1;
            }
            if let Some(id) = begins {
                known.insert(id);
                if waited_for.remove(&id) {
                    earliest = i + 1;
                }
            }
            waited_for.extend(about.filter(|id| !known.contains(id)));
        }
        let place = earliest + at.index(events.len() - earliest + 1);
        events.insert(place, last);
        events
    }
}

/// The node that an event begins, and the one that it hangs on or below.
fn begins_and_about(event: &Event) -> (Option<SectionId>, Option<SectionId>) {
    let own = |n: u64| Some(SectionId::new(event.producer, n));
    let at = |r: SectionRef| Some(r.resolve(event.producer));
    match &event.body {
        EventBody::RunStarted(b) => (own(b.id), None),
        EventBody::TestStarted(b) => (own(b.id), at(b.parent)),
        EventBody::SectionAnnounced(b) => (own(b.id), at(b.parent)),
        EventBody::SectionStarted(b) => (own(b.id), at(b.parent)),
        EventBody::TestStopped(b) => (None, at(b.id)),
        EventBody::SectionStopped(b) => (None, at(b.id)),
        EventBody::SectionUpdated(b) => (None, at(b.id)),
        EventBody::SectionDetail(b) => (None, at(b.id)),
        EventBody::SectionRemoved(b) => (None, at(b.id)),
        EventBody::LogText(b) => (None, at(b.id)),
        EventBody::OutputDropped(b) => (None, at(b.id)),
        EventBody::SourceCut(b) => (None, at(b.id)),
        _ => (None, None),
    }
}

/// Whose word is next, again and again.
pub fn picks() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        // One after the other, in both directions, and mixed.
        Just(vec![0]),
        Just(vec![3]),
        Just(vec![3, 2, 1, 0]),
        vec(any::<u8>(), 1..60),
    ]
}
