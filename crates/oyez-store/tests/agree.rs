//! Any sequence of operations gets the same answers from both forms, however often the one on disk is opened again; and
//! what is on disk in the end is sound.
//!
//! `OYEZ_SOAK=1` tries many more sequences.

#![expect(clippy::unwrap_used, reason = "these are tests: a panic is their report")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{JobControl, ProducerBroke, SectionAnnounced, SectionRemoved, TestStopped};
use oyez_model::{BlobHash, EventSeq, JobId, JobState, Outcome, ProducerId, SectionRef};
use oyez_store::clock::ManualClock;
use oyez_store::conformance::events::{at, batch, begin, end, job, left, line, owner, producer, state, test};
use oyez_store::conformance::read::whole_tree;
use oyez_store::conformance::{blob, clock};
use oyez_store::sqlite::{FsckOptions, fsck};
use oyez_store::{
    JobFilter, LeaseName, MemoryStore, NewEvent, SqliteOptions, SqliteStore, Store, StoreError,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Create {
        n: u8,
        owner: Option<u64>,
        then: Vec<Happening>,
    },
    /// `offset`: from the number that is next; 0 is right.
    Append {
        job: u64,
        producer: u64,
        offset: i64,
        events: Vec<Happening>,
        epoch: Option<u64>,
    },
    Acquire {
        names: Vec<u64>,
        owner: u64,
    },
    Renew {
        names: Vec<u64>,
        owner: u64,
    },
    Release {
        names: Vec<u64>,
        owner: u64,
    },
    Advance(u64),
    Blob {
        seed: u64,
        len: usize,
    },
    List {
        states: Vec<u8>,
        tag: bool,
        guid: bool,
        before: Option<u64>,
        limit: usize,
    },
    Find(u64),
    Read(u64),
    Wait(u64),
    Reopen,
}

#[derive(Clone, Debug)]
enum Happening {
    Test(u64),
    Announce(u64, u64),
    Begin(u64, u64),
    End(u64, Option<u8>),
    Retry(u64),
    Remove(u64),
    Line(u64),
    State(u8),
    Left,
    Broke(u64),
    Control,
}

impl Happening {
    fn event(&self) -> NewEvent {
        let own = SectionRef::own;
        match *self {
            Happening::Test(id) => test(id, "t"),
            Happening::Announce(id, parent) => {
                let (r#type, name) = ("Step".to_owned(), "a".to_owned());
                NewEvent::new(at(2), SectionAnnounced { id, parent: own(parent), r#type, name })
            }
            Happening::Begin(id, parent) => begin(id, parent, "s"),
            Happening::End(id, outcome) => end(id, outcome.and_then(|o| Outcome::from_index(usize::from(o)))),
            Happening::Retry(id) => NewEvent::new(
                at(6),
                TestStopped {
                    id: own(id),
                    outcome: None,
                    reason: None,
                    retried: Some(true),
                    ended: None,
                    ..Default::default()
                },
            ),
            Happening::Remove(id) => NewEvent::new(at(7), SectionRemoved { id: own(id) }),
            Happening::Line(id) => line(id, "text"),
            Happening::State(code) => state(JobState::from_code(code).unwrap_or_default()),
            Happening::Left => left(),
            Happening::Broke(who) => {
                let producer = Some(producer(who));
                NewEvent::new(at(8), ProducerBroke { producer, reason: "gone".to_owned() })
            }
            Happening::Control => {
                let verb = oyez_model::event::Control::Cancel;
                NewEvent::new(at(9), JobControl { verb, by: "x".to_owned(), why: None })
            }
        }
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => (1..8_u64).prop_map(Happening::Test),
        1 => (1..8_u64, 0..8_u64).prop_map(|(id, parent)| Happening::Announce(id, parent)),
        6 => (1..8_u64, 0..8_u64).prop_map(|(id, parent)| Happening::Begin(id, parent)),
        6 => (1..8_u64, proptest::option::of(0..7_u8)).prop_map(|(id, outcome)| Happening::End(id, outcome)),
        1 => (1..8_u64).prop_map(Happening::Retry),
        1 => (1..8_u64).prop_map(Happening::Remove),
        4 => (0..8_u64).prop_map(Happening::Line),
        2 => (0..10_u8).prop_map(Happening::State),
        1 => Just(Happening::Left),
        1 => (1..4_u64).prop_map(Happening::Broke),
        1 => Just(Happening::Control),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let names = || vec(0..4_u64, 0..3);
    let offset = prop_oneof![8 => Just(0_i64), 2 => -4..0_i64, 1 => 1..3_i64];
    prop_oneof![
        2 => (1..4_u8, proptest::option::of(1..3_u64), vec(happening(), 0..3))
            .prop_map(|(n, owner, then)| Op::Create { n, owner, then }),
        12 => (1..5_u64, 0..4_u64, offset, vec(happening(), 0..8), proptest::option::weighted(0.2, 0..3_u64)).prop_map(
            |(job, producer, offset, events, epoch)| Op::Append { job, producer, offset, events, epoch }
        ),
        1 => (names(), 1..3_u64).prop_map(|(names, owner)| Op::Acquire { names, owner }),
        1 => (names(), 1..3_u64).prop_map(|(names, owner)| Op::Renew { names, owner }),
        1 => (names(), 1..3_u64).prop_map(|(names, owner)| Op::Release { names, owner }),
        1 => (0..12_u64).prop_map(Op::Advance),
        1 => (0..3_u64, 0..100_usize).prop_map(|(seed, len)| Op::Blob { seed, len }),
        1 => (vec(0..10_u8, 0..3), any::<bool>(), any::<bool>(), proptest::option::of(0..5_u64), 0..3_usize)
            .prop_map(|(states, tag, guid, before, limit)| Op::List { states, tag, guid, before, limit }),
        1 => (0..6_u64).prop_map(Op::Find),
        3 => (0..5_u64).prop_map(Op::Read),
        1 => (1..5_u64).prop_map(Op::Wait),
        2 => Just(Op::Reopen),
    ]
}

fn name(n: u64) -> LeaseName {
    if n == 0 { LeaseName::Job(JobId(1)) } else { LeaseName::Target(format!("target {n}")) }
}

/// Everything that can be read of a job.
async fn read(store: &dyn Store, id: JobId) -> Result<String, StoreError> {
    let reader = store.reader(id).await?;
    let events = reader.events_after(EventSeq(0), usize::MAX)?;
    let live = reader.live();
    let seen = (live.job_row(), live.last_seq(), live.open_nodes(), live.completeness());
    Ok(format!("{events:#?} {:#?} {:#?} {seen:#?}", whole_tree(&*reader)?, reader.failures(50)?))
}

/// One operation's answer, as text.
async fn answer(store: &dyn Store, op: &Op, next: &HashMap<(u64, u64), u64>) -> String {
    fn text(answer: Result<impl Debug, StoreError>) -> String {
        format!("{answer:#?}")
    }
    let names = |names: &[u64]| names.iter().map(|n| name(*n)).collect::<Vec<_>>();
    let ttl = Duration::from_secs(5);
    match op {
        Op::Create { n, owner: who, then } => {
            let mut new = job(*n, &["tag"], &["guid"]);
            new.owner = who.map(owner);
            new.then = then.iter().map(Happening::event).collect();
            text(store.create_job(new).await)
        }
        Op::Append { job, producer: who, offset, events, epoch } => {
            let first = next.get(&(*job, *who)).copied().unwrap_or(1).saturating_add_signed(*offset);
            let mut batch = batch(id_of(*who), first, events.iter().map(Happening::event).collect());
            batch.epoch = *epoch;
            text(store.append(JobId(*job), batch).await)
        }
        Op::Acquire { names: n, owner: who } => {
            text(store.acquire(&names(n), &owner(*who), Some(JobId(1)), ttl).await)
        }
        Op::Renew { names: n, owner: who } => text(store.renew(&names(n), &owner(*who), ttl).await),
        Op::Release { names: n, owner: who } => text(store.release(&names(n), &owner(*who)).await),
        Op::Blob { seed, len } => {
            let hash = store.put_blob(blob::noise(*seed, *len)).await;
            let other = store.get_blob(BlobHash([7; 32])).await;
            let back = match &hash {
                Ok(hash) => text(store.get_blob(*hash).await),
                Err(e) => e.to_string(),
            };
            format!("{hash:?} {other:?} {back}")
        }
        Op::List { states, tag, guid, before, limit } => {
            let filter = JobFilter {
                states: states.iter().filter_map(|code| JobState::from_code(*code)).collect(),
                tags: if *tag { vec!["tag".to_owned()] } else { Vec::new() },
                guid: guid.then(|| "guid".to_owned()),
                before: before.map(JobId),
                limit: *limit,
                ..JobFilter::default()
            };
            text(store.jobs(filter).await)
        }
        Op::Find(n) => match n {
            0 => text(store.find("latest").await),
            1 => text(store.find("guid").await),
            n => text(store.find(&n.to_string()).await),
        },
        Op::Read(id) => {
            format!("{} {}", text(store.job(JobId(*id)).await), text(read(store, JobId(*id)).await))
        }
        Op::Wait(id) => text(store.wait(JobId(*id), EventSeq(0), Duration::ZERO).await),
        Op::Advance(_) | Op::Reopen => String::new(),
    }
}

fn id_of(n: u64) -> ProducerId {
    if n == 0 { ProducerId::FIRST } else { producer(n) }
}

fn on_disk(folder: &Path, clock: &Arc<ManualClock>) -> SqliteStore {
    let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::default() };
    SqliteStore::open(folder, options).unwrap()
}

async fn agree(ops: &[Op]) -> Result<(), TestCaseError> {
    let folder = tempfile::TempDir::new().unwrap();
    let clock = clock();
    let memory = MemoryStore::with_clock(clock.clone());
    let mut disk = on_disk(folder.path(), &clock);
    // The number that is next of each producer, as the acks say.
    let mut next: HashMap<(u64, u64), u64> = HashMap::new();
    for op in ops {
        match op {
            Op::Advance(seconds) => clock.advance(seconds * 1_000_000_000),
            Op::Reopen => {
                disk.close().await.unwrap();
                drop(disk);
                disk = on_disk(folder.path(), &clock);
            }
            op => {
                let (a, b) = (answer(&memory, op, &next).await, answer(&disk, op, &next).await);
                prop_assert_eq!(&a, &b, "{:?}", op);
                if let Op::Append { job, producer, offset, events, .. } = op
                    && a.starts_with("Ok")
                {
                    let next = next.entry((*job, *producer)).or_insert(1);
                    *next = (*next).max(next.saturating_add_signed(*offset) + events.len() as u64);
                }
                if let (Op::Create { n: 1..=3, .. }, true) = (op, a.starts_with("Ok")) {
                    let id: u64 = a.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
                    let row = memory.job(JobId(id)).await.unwrap().row;
                    next.entry((id, 0)).or_insert(row.events + 1);
                }
            }
        }
    }
    for id in 1..4 {
        let read = Op::Read(id);
        prop_assert_eq!(answer(&memory, &read, &next).await, answer(&disk, &read, &next).await);
    }
    disk.close().await.unwrap();
    drop(disk);
    let path = folder.path().to_owned();
    let check = move || fsck(&path, &FsckOptions::default(), &SqliteOptions::default(), |_, _| {}).unwrap();
    let report = tokio::task::spawn_blocking(check).await.unwrap();
    prop_assert_eq!(report.findings, vec![]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("OYEZ_SOAK").is_some() { 3000 } else { 150 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_forms_answer_the_same_to_any_sequence(ops in vec(op(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // The jobs that most operations are about are there from the start.
        let mut all = vec![
            Op::Create { n: 1, owner: Some(1), then: vec![Happening::State(1)] },
            Op::Create { n: 2, owner: None, then: vec![] },
        ];
        all.extend(ops);
        runtime.block_on(agree(&all))?;
    }
}
