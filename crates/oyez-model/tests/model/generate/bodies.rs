//! Arbitrary bodies of every kind of event, every field of them.

use oyez_model::event::*;
use oyez_model::{
    BlobHash, EventBody, Guid, JobSource, JobState, JobUid, Outcome, ProducerId, RunNumber, SectionRef,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::values::{text, value};

/// Producers that meet each other, and the extremes.
pub const PRODUCERS: [u64; 6] = [1, 2, 3, 0, 1 << 40, u64::MAX];

/// A node's number: mostly one of a few, so that events meet.
pub fn node() -> impl Strategy<Value = u64> {
    prop_oneof![30 => 1..7u64, 1 => Just(0), 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

/// A node: mostly one's own or one of the first producer.
pub fn at() -> impl Strategy<Value = SectionRef> {
    let producer =
        prop_oneof![3 => Just(None), 3 => select(&PRODUCERS[..]).prop_map(Some), 1 => Just(Some(1))];
    (producer, node()).prop_map(|(p, number)| SectionRef { producer: p.map(ProducerId), number })
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    option::of(select(&Outcome::ALL[..]))
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn json() -> impl Strategy<Value = RawJson> {
    prop_oneof![Just("{\"a\": [1, null]}".to_owned()), text()].prop_map(RawJson)
}

fn time() -> impl Strategy<Value = Option<i64>> {
    option::of(prop_oneof![any::<i64>(), 0..1_000_000i64])
}

/// Plans: small ones mostly, and one that nobody can ever meet.
fn planned() -> impl Strategy<Value = Option<u64>> {
    option::of(prop_oneof![8 => 0..5u64, 1 => Just(u64::MAX)])
}

fn span() -> impl Strategy<Value = LogSpan> {
    (text(), any::<u64>(), option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u64>()))
        .prop_map(|(file, begin, size, begin_lines, size_lines)| LogSpan {
            file,
            begin,
            size,
            begin_lines,
            size_lines,
        })
}

/// A reason, sometimes longer than a row holds and with a character across the cut.
fn reason() -> impl Strategy<Value = String> {
    prop_oneof![6 => text(), 1 => (990..1010usize).prop_map(|n| format!("{}äöü{}", "x".repeat(n - 6), "y".repeat(n)))]
}

macro_rules! body {
    ($variant:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| EventBody::from($variant { $($field),* })).boxed()
    };
}

/// A body with more fields than a tuple of strategies takes: the rest is filled in by another strategy.
macro_rules! partial {
    ($variant:ident { $($field:ident: $strategy:expr),* $(,)? } and { $($more:ident: $other:expr),* $(,)? }) => {
        (($($strategy,)*), ($($other,)*))
            .prop_map(|(($($field,)*), ($($more,)*))| EventBody::from($variant { $($field,)* $($more,)* }))
            .boxed()
    };
}

/// The course of a job.
fn job() -> Vec<(u32, BoxedStrategy<EventBody>)> {
    let uid = any::<[u8; 16]>().prop_map(JobUid::from_bytes);
    let guid = "[a-z:/]{1,6}".prop_map(|t| Guid::new(t).expect("a guid"));
    let sources = [JobSource::Engine, JobSource::Exec, JobSource::Pyats, JobSource::Api, JobSource::Hec];
    let submitted = (
        (uid.clone(), text(), text(), select(sources.to_vec()), words(), vec(guid, 0..2), option::of(text())),
        (btree_map(text(), text(), 0..2), option::of(text()), option::of(text()), option::of(text())),
        (option::of(json()), option::of(words()), option::of(text())),
    )
        .prop_map(
            |(
                (uid, name, requestor, source, tags, guids, project),
                (variant, host, server_id, request),
                rest,
            )| {
                let (extended, command, version) = rest;
                EventBody::from(JobSubmitted {
                    uid,
                    name,
                    requestor,
                    source,
                    tags,
                    guids,
                    project,
                    variant,
                    host,
                    server_id,
                    priority: None,
                    request,
                    extended,
                    command,
                    version,
                })
            },
        );
    let verbs = vec![Control::Cancel, Control::Kill, Control::Pause, Control::Resume];
    vec![
        (2, submitted.boxed()),
        (4, body!(JobStateChanged { state: select(&JobState::ALL[..]), error: option::of(text()) })),
        (1, body!(JobControl { verb: select(verbs), by: text(), why: option::of(text()) })),
        (1, body!(JobPaused { snapshot: json() })),
        (1, body!(JobLinked { relation: text(), job: uid })),
        (1, body!(JobRetention { keep_until: time(), hold: option::of(text()) })),
        (4, body!(RunStarted { id: node(), run: any::<u32>().prop_map(RunNumber), planned: planned() })),
        (3, body!(RunStopped { id: at(), outcome: outcome() })),
        (
            8,
            partial!(TestStarted {
                id: node(),
                parent: at(),
                name: text(),
                index: any::<u32>(),
                attempt: prop_oneof![3 => 0..2u32, 1 => any::<u32>()],
                planned: planned(),
                cleanup: option::of(any::<bool>()),
                suite: option::of(words()),
                variant: option::of(btree_map(text(), text(), 0..2)),
                began: time(),
            } and { peer_id: option::of(text()), peer: option::of(value()) }),
        ),
        (
            8,
            body!(TestStopped {
                id: at(),
                outcome: outcome(),
                reason: option::of(reason()),
                retried: option::of(any::<bool>()),
                ended: time(),
                peer: option::of(value()),
            }),
        ),
        (
            2,
            body!(ProducerJoined {
                pid: option::of(any::<u64>()),
                ppid: option::of(any::<u64>()),
                host: option::of(text()),
                program: option::of(text()),
                forked_from: option::of(any::<u64>().prop_map(ProducerId)),
            }),
        ),
        (3, Just(EventBody::from(ProducerLeft {})).boxed()),
        (
            2,
            body!(ProducerBroke {
                producer: option::of(select(&PRODUCERS[..]).prop_map(ProducerId)),
                reason: text(),
            }),
        ),
    ]
}

/// Sections and what they are made of.
fn sections() -> Vec<(u32, BoxedStrategy<EventBody>)> {
    let source = (text(), option::of(any::<u64>())).prop_map(|(file, line)| SourceRef { file, line });
    vec![
        (1, body!(ContextOpened { id: at(), client: option::of(any::<u64>()), at: time() })),
        (1, body!(ContextClosed { id: at(), peer: option::of(value()), at: time() })),
        (
            1,
            body!(ClientJoined {
                client: any::<u64>(),
                pid: text(),
                ppid: option::of(text()),
                token: option::of(text()),
            }),
        ),
        (1, body!(ClientLeft { client: any::<u64>(), open: 0..3u64 })),
        (1, body!(CallAnswered { client: any::<u64>(), number: any::<u64>(), error: option::of(value()) })),
        (5, body!(SectionAnnounced { id: node(), parent: at(), r#type: text(), name: text() })),
        (
            16,
            partial!(SectionStarted {
                id: node(),
                parent: at(),
                r#type: text(),
                name: text(),
                began: time(),
                description: option::of(text()),
                source: option::of(source),
                parameters: option::of(value()),
                extra: option::of(value()),
                peer_id: option::of(text()),
            } and {
                peer: option::of(value()),
                client: option::of(any::<u64>()),
                span: option::of(span()),
                aside: option::of(any::<bool>()),
            }),
        ),
        (
            2,
            body!(SectionUpdated {
                id: at(),
                name: option::of(text()),
                description: option::of(text()),
                extra: option::of(value()),
                parameters: option::of(value()),
                peer: option::of(value()),
            }),
        ),
        (2, body!(SectionDetail { id: at(), detail: value() })),
        (
            16,
            body!(SectionStopped {
                id: at(),
                outcome: outcome(),
                reason: option::of(reason()),
                data: option::of(value()),
                rollup: option::of(any::<bool>()),
                ended: time(),
                peer: option::of(value()),
                span: option::of(span()),
            }),
        ),
        (3, body!(SectionRemoved { id: at() })),
        (1, body!(LogRebased { id: at(), span: span() })),
        (1, body!(LogSpanned { id: at(), span: span() })),
    ]
}

/// Targets and their visits.
fn targets() -> Vec<(u32, BoxedStrategy<EventBody>)> {
    let target = (text(), option::of(text()), option::of(text()), option::of(text()), option::of(json()))
        .prop_map(|(id, fqdn, primary_ipv4, primary_ipv6, manager_state)| Target {
            id,
            fqdn,
            primary_ipv4,
            primary_ipv6,
            manager_state,
        });
    let locks = vec![LockChange::Taken, LockChange::Lost, LockChange::Released];
    vec![
        (4, body!(TargetAcquired { id: node(), test: at(), target: target })),
        (4, body!(TargetIn { id: node(), target: at(), label: text(), step: text() })),
        (4, body!(TargetOut { id: at() })),
        (3, body!(TargetErr { id: at(), error: reason(), outcome: outcome() })),
        (3, body!(TargetReleased { id: at() })),
        (1, body!(TargetAcquireErr { test: at(), error: text() })),
        (1, body!(TargetLock { target: text(), change: select(locks) })),
    ]
}

/// What hangs on sections, and what went wrong around them.
fn hanging() -> Vec<(u32, BoxedStrategy<EventBody>)> {
    let streams = || select(vec![Stream::Stdout, Stream::Stderr, Stream::Log]);
    let changes = vec![ChildChange::Started, ChildChange::Exited, ChildChange::Killed];
    let guid = option::of("[a-z]{1,4}".prop_map(|t| Guid::new(t).expect("a guid")));
    vec![
        (1, body!(VariableEmitted { id: at(), name: text(), value: json() })),
        (1, body!(Named { id: at(), name: text(), target: option::of(text()), payload: option::of(json()) })),
        (
            6,
            body!(LogText {
                id: at(),
                stream: streams(),
                text: vec(any::<u8>(), 0..20).prop_map(LogBytes::from),
                level: option::of(text()),
            }),
        ),
        (
            1,
            body!(Artifact {
                id: at(),
                name: text(),
                mime: text(),
                blob: any::<[u8; 32]>().prop_map(BlobHash),
                size: any::<u64>(),
                rest_of: option::of(streams()),
            }),
        ),
        (
            1,
            body!(Measurement {
                id: at(),
                name: text(),
                value: value(),
                unit: option::of(text()),
                low: option::of(-1e300..1e300f64),
                high: option::of(-1e300..1e300f64),
                at: time(),
                index: option::of(any::<u64>()),
            }),
        ),
        (
            1,
            body!(Entry {
                id: at(),
                guid: guid,
                host: option::of(text()),
                app: option::of(text()),
                level: option::of(text()),
                fields: value(),
            }),
        ),
        (
            1,
            body!(ChildLife {
                id: at(),
                pid: any::<u64>(),
                change: select(changes),
                code: option::of(any::<i32>()),
                signal: option::of(any::<i32>()),
            }),
        ),
        (
            2,
            body!(Report {
                run: option::of(any::<u32>().prop_map(RunNumber)),
                reporter: text(),
                success: any::<bool>(),
                data: json(),
                error: option::of(text()),
                neutral: option::of(any::<bool>()),
            }),
        ),
        (
            2,
            body!(OutputDropped {
                id: at(),
                bytes: prop_oneof![0..9u64, any::<u64>(), Just(u64::MAX)],
                why: text()
            }),
        ),
        (2, body!(SourceCut { id: at(), reason: text() })),
    ]
}

/// A kind that nobody knows yet.
pub fn unknown() -> impl Strategy<Value = EventBody> {
    (prop_oneof![60..100u16, Just(u16::MAX), Just(0)], vec(any::<u8>(), 0..20))
        .prop_map(|(kind, bytes)| EventBody::Unknown(Unknown { kind, bytes }))
}

/// One strategy for each kind that this version knows, with how often it is to come.
pub fn kinds() -> Vec<(u32, BoxedStrategy<EventBody>)> {
    [job(), sections(), targets(), hanging()].into_iter().flatten().collect()
}

/// Any body.
pub fn body() -> BoxedStrategy<EventBody> {
    let mut all = kinds();
    all.push((2, unknown().boxed()));
    proptest::strategy::Union::new_weighted(all).boxed()
}
