//! Rules about what a reader sees.

use oyez_model::row::{SEGMENT_LEN, SegmentKind};
use oyez_model::{EventSeq, JobId, JobState, NodeRow, Outcome, ProducerId, SectionId};

use super::append::journal;
use super::events::{batch, begin, end, job, left, line, lines, producer, started, state, test};
use super::{Form, clock};
use crate::api::{JobReader, NewEvent, Store};
use crate::error::StoreError;
use crate::tree;

const ME: ProducerId = ProducerId::FIRST;

fn id(number: u64) -> SectionId {
    SectionId::new(producer(1), number)
}

async fn tell(store: &dyn Store, job: JobId, first: u64, events: Vec<NewEvent>) -> u64 {
    let next = first + events.len() as u64;
    store.append(job, batch(producer(1), first, events)).await.unwrap();
    next
}

/// All that can be read of a job's tree: every node from the root down, depth first, with the events that hang on it.
///
/// # Errors
/// The reader's.
pub fn whole_tree(reader: &dyn JobReader) -> Result<Vec<(NodeRow, Vec<u64>)>, StoreError> {
    let mut out = Vec::new();
    let mut stack = vec![tree::root(reader)?];
    while let Some(row) = stack.pop() {
        let mut hangs = Vec::new();
        let mut page = 0;
        while let Some(some) = tree::hangs(reader, &row, page)? {
            hangs.extend(some.iter().map(|hang| hang.seq.0));
            page += 1;
        }
        let mut children = Vec::new();
        for page in tree::children(reader, &row) {
            children.extend(page?);
        }
        stack.extend(children.into_iter().rev());
        out.push((row, hangs));
    }
    Ok(out)
}

/// Commits that come later change nothing for it; the next one sees them.
pub async fn a_reader_stays_at_its_moment(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let next =
        tell(&*store, job, 1, vec![test(1, "t"), begin(2, 1, "open"), begin(3, 1, "ended"), end(3, None)])
            .await;
    let reader = store.reader(job).await.unwrap();
    let before = whole_tree(&*reader).unwrap();
    let last = reader.live().last_seq();
    tell(
        &*store,
        job,
        next,
        vec![end(2, Some(Outcome::Failed)), line(3, "late"), begin(4, 1, "new"), left()],
    )
    .await;
    store.append(job, batch(ME, 3, vec![state(JobState::Completed)])).await.unwrap();
    assert_eq!(whole_tree(&*reader).unwrap(), before);
    assert_eq!((reader.live().last_seq(), reader.live().state()), (last, JobState::Started));
    assert_eq!(journal(&*reader).len() as u64, last.0);
    assert_eq!(reader.events_after(last, 10).unwrap(), vec![]);
    assert_eq!(reader.events_at(&[EventSeq(last.0 + 1)]).unwrap(), vec![]);
    assert_eq!(reader.failures(10).unwrap(), vec![]);
    let later = store.reader(job).await.unwrap();
    assert_eq!(later.live().state(), JobState::Completed);
    assert_eq!(journal(&*later).len() as u64, last.0 + 5);
    assert_eq!(later.failures(10).unwrap().len(), 1);
    assert_eq!(whole_tree(&*later).unwrap().len(), 5);
}

/// Children and hanging events leave their row by whole segments, in order.
pub async fn a_node_with_a_thousand_children_is_read_in_pages(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let mut next = tell(&*store, job, 1, vec![test(1, "t"), begin(2, 1, "log")]).await;
    for n in 0..10 {
        let numbers = 3 + n * 100..103 + n * 100;
        let events =
            numbers.clone().map(|i| begin(i, 1, &format!("s{i}"))).chain(numbers.map(|i| end(i, None)));
        let lines = (0..60).map(|i| line(2, &format!("{i}")));
        next = tell(&*store, job, next, events.chain(lines).collect()).await;
    }
    for round in 0..2 {
        let reader = store.reader(job).await.unwrap();
        let row = tree::node(&*reader, id(1)).unwrap();
        assert_eq!((row.child_count(), row.child_segments), (1001, 1001 / SEGMENT_LEN as u32));
        let pages: Vec<Vec<NodeRow>> = tree::children(&*reader, &row).map(Result::unwrap).collect();
        assert!(pages.iter().all(|page| page.len() <= SEGMENT_LEN));
        let numbers: Vec<u64> = pages.iter().flatten().map(|row| row.id.number).collect();
        assert_eq!(numbers, (2..=1002).collect::<Vec<_>>());
        let log = tree::node(&*reader, id(2)).unwrap();
        assert_eq!(tree::hang_count(&log), 600);
        let tree = whole_tree(&*reader).unwrap();
        let hangs = &tree.iter().find(|(row, _)| row.id == id(2)).unwrap().1;
        assert!(hangs.len() == 600 && hangs.is_sorted());
        let seqs: Vec<EventSeq> = hangs.iter().map(|n| EventSeq(*n)).collect();
        assert_eq!(reader.events_at(&seqs).unwrap().len(), 600);
        let missing = reader.segment(id(1), SegmentKind::Children, 17).unwrap_err();
        assert!(matches!(missing, StoreError::Damaged { .. }), "{missing:?}");
        if round == 0 {
            next = tell(&*store, job, next, vec![end(2, None), end(1, None), left()]).await;
            store.append(job, batch(ME, 3, vec![state(JobState::Completed)])).await.unwrap();
        }
    }
}

async fn batches(store: &dyn Store, job: JobId) -> u64 {
    let mut next = 1;
    for n in [1, 7, 2, 300, 1, 1, 40, 5] {
        store.append(job, lines(producer(1), next, n)).await.unwrap();
        next += n;
    }
    next + 1
}

/// Over the borders of what was appended together, with any limit.
pub async fn events_are_read_from_any_number_on(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let last = batches(&*store, job).await;
    let reader = store.reader(job).await.unwrap();
    let all = reader.events_after(EventSeq(0), usize::MAX).unwrap();
    assert_eq!(all.len() as u64, last);
    for after in 0..=last + 1 {
        for limit in [0, 1, 3, 1000] {
            let got = reader.events_after(EventSeq(after), limit).unwrap();
            let from = usize::try_from(after).unwrap().min(all.len());
            assert_eq!(got, all[from..(from + limit).min(all.len())], "after {after}, at most {limit}");
        }
    }
    for far in [1 << 36, (1 << 36) + 1, 1 << 63, u64::MAX] {
        assert_eq!(reader.events_after(EventSeq(far), 10).unwrap(), vec![]);
        assert_eq!(store.wait(job, EventSeq(far), std::time::Duration::ZERO).await.unwrap().0, last);
    }
}

/// What is not there is left out.
pub async fn events_are_read_by_their_numbers(form: &dyn Form) {
    let store = form.open(clock());
    let (job, other) = (started(&*store, 1).await, started(&*store, 2).await);
    let last = batches(&*store, job).await;
    batches(&*store, other).await;
    let reader = store.reader(job).await.unwrap();
    let all = reader.events_after(EventSeq(0), usize::MAX).unwrap();
    let seqs = |n: &[u64]| n.iter().map(|n| EventSeq(*n)).collect::<Vec<_>>();
    for step in [1, 2, 7, 64, 1000] {
        let wanted: Vec<u64> = (0..last + 20).step_by(step).collect();
        let got = reader.events_at(&seqs(&wanted)).unwrap();
        let want = all.iter().filter(|(seq, _)| wanted.contains(&seq.0));
        assert!(got.iter().eq(want), "every {step}");
    }
    let far = [0, 1 << 36, (1 << 36) | 3, (2 << 36) | 3, 1 << 63, u64::MAX];
    assert_eq!(reader.events_at(&seqs(&far)).unwrap(), vec![]);
    assert_eq!(reader.events_at(&[]).unwrap(), vec![]);
}

/// Nobody needs to know whether a node is a row already.
pub async fn open_and_ended_nodes_are_read_alike(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let events = vec![
        test(1, "t"),
        begin(2, 1, "ended"),
        end(2, Some(Outcome::Failed)),
        begin(3, 1, "open"),
        begin(4, 9, "before its parent"),
    ];
    let next = tell(&*store, job, 1, events).await;
    let reader = store.reader(job).await.unwrap();
    assert_eq!((reader.id(), reader.live().open_nodes()), (job, 3));
    let rows = reader.nodes(&[id(3), id(77), id(2), SectionId::ROOT, id(1), id(4)]).unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["open", "ended", "job 1", "t", "before its parent"]);
    assert_eq!(rows.iter().map(NodeRow::is_open).collect::<Vec<_>>(), [true, false, true, true, true]);
    // The test is open: its outcome so far is what its children rolled up.
    assert_eq!(rows[3].outcome, Some(Outcome::Failed));
    tell(&*store, job, next, vec![begin(9, 1, "parent"), end(4, None), end(9, None)]).await;
    let reader = store.reader(job).await.unwrap();
    let tree: Vec<u64> = whole_tree(&*reader).unwrap().iter().map(|(row, _)| row.id.number).collect();
    assert_eq!(tree, [0, 1, 2, 3, 9, 4]);
}

/// Not their parents, which failed because of them.
pub async fn failures_are_the_deepest_ones_in_the_order_of_their_ids(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let mut events = vec![test(1, "t")];
    for n in (2..60).rev() {
        let outcome = [None, Some(Outcome::Failed), Some(Outcome::Passed)][n as usize % 3];
        events.extend([begin(2 * n, 1, "outer"), begin(2 * n + 1, 2 * n, "inner"), end(2 * n + 1, outcome)]);
        events.push(end(2 * n, None));
    }
    tell(&*store, job, 1, events).await;
    let reader = store.reader(job).await.unwrap();
    let numbers: Vec<u64> = reader.failures(100).unwrap().iter().map(|row| row.id.number).collect();
    let want: Vec<u64> = (2..60).filter(|n| n % 3 == 1).map(|n| 2 * n + 1).collect();
    assert_eq!(numbers, want);
    let first: Vec<u64> = reader.failures(3).unwrap().iter().map(|row| row.id.number).collect();
    assert_eq!(first, want[..3]);
    assert_eq!(reader.failures(0).unwrap(), vec![]);
}

/// Also after its chunks were merged; a store that keeps nothing is left out.
pub async fn an_ended_jobs_rows_stay_the_same_over_opening_again(form: &dyn Form) {
    if !form.is_lasting() {
        return;
    }
    let store = form.open(clock());
    let job = store.create_job(job(1, &["t"], &["g"])).await.unwrap();
    store.append(job, batch(ME, 2, vec![state(JobState::Started)])).await.unwrap();
    let mut next = tell(&*store, job, 1, vec![test(1, "t")]).await;
    for n in 2..400 {
        let outcome = if n % 7 == 0 { Outcome::Errored } else { Outcome::Passed };
        next = tell(&*store, job, next, vec![begin(n, 1, "s"), line(n, "log"), end(n, Some(outcome))]).await;
    }
    tell(&*store, job, next, vec![end(1, None), left()]).await;
    store.append(job, batch(ME, 3, vec![state(JobState::Completed)])).await.unwrap();
    let look = async |store: &dyn Store| {
        let reader = store.reader(job).await.unwrap();
        let events = reader.events_after(EventSeq(0), usize::MAX).unwrap();
        (store.job(job).await.unwrap(), whole_tree(&*reader).unwrap(), events, reader.failures(1000).unwrap())
    };
    let before = look(&*store).await;
    store.close().await.unwrap();
    drop(store);
    for _ in 0..2 {
        let store = form.open(clock());
        assert!(look(&*store).await == before);
        assert_eq!(store.find("latest").await.unwrap(), [job]);
    }
}
