//! Any event may follow any other: nothing panics, and what is left is a tree in which everything stands once.

use std::collections::{BTreeMap, BTreeSet};

use oyez_model::event::SectionStarted;
use oyez_model::fold::Completeness;
use oyez_model::row::Flags;
use oyez_model::{Counts, Event, EventSeq, Live, NodeKind, NodeRow, ProducerId, SectionId, SectionRef};
use proptest::prelude::*;

use crate::generate::{Folded, cases, chaos, event, numbered, said};

/// Everything that can be asked of a live state.
fn ask(job: &Folded) {
    let row = job.live.job_row();
    assert_eq!(row.complete == Completeness::Unknown, !row.state.is_final());
    assert_eq!(row.verdict, job.live.verdict());
    for row in job.live.open_rows() {
        assert_eq!(job.live.open_row(row.id), Some(row));
    }
    if row.state.is_final() {
        assert_eq!(job.live.open_nodes(), 0, "a job that has ended keeps nothing open");
    }
    assert!(serde_json::to_string(&row).is_ok());
}

/// Every node stands below a parent that knows it, once, and hangs together with the job or waits.
fn check_tree(job: &Folded) {
    let nodes = job.nodes();
    let mut parents: BTreeMap<SectionId, SectionId> = BTreeMap::new();
    for row in nodes.values() {
        for child in job.children(row) {
            assert_eq!(parents.insert(child, row.id), None, "{child} has two parents");
            assert_eq!(nodes[&child].parent, row.id, "{child} knows another parent");
        }
    }
    for row in nodes.values().filter(|row| row.id != SectionId::ROOT) {
        let mut seen = BTreeSet::new();
        let mut at = row.id;
        while let Some(above) = parents.get(&at) {
            assert!(seen.insert(at), "{} hangs below itself", row.id);
            at = *above;
        }
        let waits = !nodes.contains_key(&nodes[&at].parent);
        assert!(at == SectionId::ROOT || waits, "{} got lost at {at}", row.id);
    }
}

/// What is in the live state is open, waits for its parent, or has something below it that is.
fn check_live(job: &Folded) {
    let open: BTreeMap<SectionId, NodeRow> = job.live.open_rows().map(|row| (row.id, row)).collect();
    let mut needed: BTreeSet<SectionId> = BTreeSet::from([SectionId::ROOT]);
    for row in open.values() {
        let waits = !open.contains_key(&row.parent) && !job.kept.nodes.contains_key(&row.parent);
        let mut at = row;
        while (row.stopped.is_none() || waits) && needed.insert(at.id) {
            match open.get(&at.parent) {
                Some(above) => at = above,
                None => break,
            }
        }
    }
    let more: Vec<&SectionId> = open.keys().filter(|id| !needed.contains(id)).collect();
    assert!(more.is_empty(), "{more:?} should have left");
}

/// The counts of tests and sections are those of their children.
fn check_counts(job: &Folded) {
    let nodes = job.nodes();
    let is_section = |row: &&NodeRow| {
        row.kind == NodeKind::Section && !row.flags.has(Flags::REMOVED) && !row.flags.has(Flags::ASIDE)
    };
    for row in nodes.values().filter(|row| matches!(row.kind, NodeKind::Test | NodeKind::Section)) {
        let mut counts = Counts::default();
        let children = job.children(row);
        let sections = children.iter().map(|id| &nodes[id]).filter(is_section);
        sections.filter(|child| !child.is_open()).for_each(|child| counts.add(child.outcome));
        assert_eq!(row.counts, counts, "of {}", row.id);
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn no_prefix_of_any_sequence_of_events_panics(events in chaos::events(60)) {
        let mut job = Folded::new();
        ask(&job);
        for event in &events {
            job.hear(event);
            ask(&job);
        }
        check_tree(&job);
        check_counts(&job);
        let rows = job.nodes();
        for row in rows.values() {
            let bytes = row.pack(job.live.epoch());
            let back = NodeRow::unpack(row.id, job.live.epoch(), &bytes);
            prop_assert_eq!(back.as_ref(), Some(row));
        }
    }

    #[test]
    fn every_prefix_leaves_a_tree_in_which_each_node_stands_once(events in chaos::events(30)) {
        let mut job = Folded::new();
        for event in &events {
            job.hear(event);
            check_tree(&job);
            check_live(&job);
            check_counts(&job);
        }
    }

    #[test]
    fn the_journals_own_numbers_may_be_anything(
        events in proptest::collection::vec((any::<u64>(), chaos::event()), 0..30),
    ) {
        let mut live = Live::new();
        let mut changes = oyez_model::Changes::default();
        for (seq, event) in &events {
            live.apply(EventSeq(*seq), event, &(), &mut changes);
            prop_assert!(Live::from_checkpoint(&live.checkpoint()).is_ok());
        }
    }
}

#[test]
fn the_generated_events_are_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut numbers = BTreeSet::new();
    for (_, strategy) in crate::generate::bodies::kinds() {
        numbers.insert(strategy.new_tree(&mut runner).unwrap().current().kind());
    }
    let known: BTreeSet<u16> = oyez_model::event::KINDS.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, known);
}

/// Two sections that name each other as parents, a section that names itself, and one with the job's own number.
#[test]
fn sections_in_a_circle_are_shown_below_the_job_and_said_to_be_orphans() {
    let of = |producer, number| SectionRef { producer: Some(ProducerId(producer)), number };
    let events: Vec<Event> = numbered(vec![
        event(7, 0, said::section(1, of(8, 1))),
        event(7, 0, said::test(2, of(8, 1))),
        event(8, 0, said::section(1, of(7, 1))),
        event(9, 0, said::section(1, SectionRef::own(1))),
        event(9, 0, said::section(0, SectionRef::JOB)),
    ]);
    let job = Folded::of(&events);
    check_tree(&job);
    let root = job.live.open_row(SectionId::ROOT).unwrap();
    assert_eq!(job.children(&root), [SectionId::new(ProducerId(8), 1), SectionId::new(ProducerId(9), 1)]);
    assert!(root.children.iter().all(|id| job.nodes()[id].flags.has(Flags::ORPHAN)));
}

/// Somebody ends what was only announced; then it begins as a part that stands aside.
#[test]
fn what_begins_aside_after_its_end_is_counted_no_more() {
    let begun = SectionStarted { aside: Some(true), ..said::section(6, SectionRef::own(1)) };
    let events: Vec<Event> = numbered(vec![
        event(3, 0, said::test(1, SectionRef::JOB)),
        event(3, 0, said::announced(6, SectionRef::own(1))),
        event(1, 0, said::stop(SectionRef { producer: Some(ProducerId(3)), number: 6 }, None)),
        event(3, 0, begun),
    ]);
    check_counts(&Folded::of(&events[..3]));
    check_counts(&Folded::of(&events));
}
