//! Rows in bytes: what goes in comes out, and bytes of any kind are a row or are refused.

use oyez_model::row::{Flags, Hang, NodeKind};
use oyez_model::{Counts, EventSeq, NodeRow, Outcome, ProducerId, SectionId, Segment, Time};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::generate::cases;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..200u64, 1 => any::<u64>(), 1 => Just(u64::MAX), 1 => Just(1 << 63)]
}

fn id() -> impl Strategy<Value = SectionId> {
    let producer = prop_oneof![Just(1u64), Just(1 << 40), any::<u64>()];
    (producer, number()).prop_map(|(p, n)| SectionId::new(ProducerId(p), n))
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![1_795_193_683_000_000_000..1_795_193_684_000_000_000i64, any::<i64>()].prop_map(Time)
}

fn hang() -> impl Strategy<Value = Hang> {
    (number(), any::<bool>()).prop_map(|(seq, is_log)| Hang { seq: EventSeq(seq), is_log })
}

fn row() -> impl Strategy<Value = NodeRow> {
    let kinds = vec![NodeKind::Job, NodeKind::Run, NodeKind::Test, NodeKind::Section];
    let outcome = || option::of(select(&Outcome::ALL[..]));
    let flags = prop_oneof![Just(0u16), 0..128u16, any::<u16>()].prop_map(Flags);
    let who = (id(), id(), select(kinds), ".{0,6}", ".{0,6}", ".{0,6}");
    let when = (option::of(time()), option::of(time()), (outcome(), outcome()), flags, number());
    let counted =
        (any::<u32>(), any::<u32>(), option::of(number()), number(), any::<[u64; 8]>(), any::<u64>());
    let below = (any::<u32>(), vec(id(), 0..5), any::<u32>(), vec(hang(), 0..5));
    // Any of the groups may be absent: each of its fields has a place of its own in the bytes.
    (who, when, option::of(counted), option::of(below)).prop_map(
        |(
            (id, parent, kind, r#type, name, reason),
            (started, stopped, (outcome, rolled), flags, seq),
            counted,
            below,
        )| {
            let mut row = NodeRow::new(id, parent, kind);
            (row.r#type, row.name, row.reason) = (r#type, name, reason);
            (row.started, row.stopped, row.outcome, row.flags) = (started, stopped, outcome, flags);
            (row.rolled, row.start_seq) = (rolled, EventSeq(seq));
            if let Some((index, attempt, planned, seen, counts, key)) = counted {
                (row.index, row.attempt, row.planned, row.seen) = (index, attempt, planned, seen);
                (row.counts, row.key) = (Counts(counts), key);
            }
            if let Some((child_segments, children, hang_segments, hangs)) = below {
                (row.child_segments, row.children) = (child_segments, children);
                (row.hang_segments, row.hangs) = (hang_segments, hangs);
            }
            row
        },
    )
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_row_reads_back_from_its_bytes(row in row(), epoch in time()) {
        let bytes = row.pack(epoch);
        prop_assert_eq!(NodeRow::unpack(row.id, epoch, &bytes), Some(row));
    }

    #[test]
    fn a_row_that_is_cut_or_has_more_behind_it_is_refused(row in row(), cut in any::<Index>(), more in any::<u8>()) {
        let mut bytes = row.pack(Time(0));
        prop_assert_eq!(NodeRow::unpack(row.id, Time(0), &bytes[..cut.index(bytes.len())]), None);
        bytes.push(more);
        prop_assert_eq!(NodeRow::unpack(row.id, Time(0), &bytes), None);
    }

    #[test]
    fn any_bytes_are_a_row_or_are_refused(bytes in vec(any::<u8>(), 0..60), id in id(), epoch in time()) {
        for bytes in [bytes.clone(), [&[1], &bytes[..]].concat()] {
            if let Some(row) = NodeRow::unpack(id, epoch, &bytes) {
                // Whatever was read can be kept, read again and asked.
                prop_assert_eq!(NodeRow::unpack(id, epoch, &row.pack(epoch)), Some(row.clone()));
                let _ = (row.child_count(), row.duration(), row.is_open(), row.is_excluded());
            }
            let _ = (Segment::children(id, &bytes), Segment::hangs(&bytes));
        }
    }

    #[test]
    fn segments_read_back_from_their_bytes(
        node in id(), children in vec(id(), 0..20), hangs in vec(hang(), 0..20), n in any::<u32>(),
    ) {
        let segment = Segment::of_children(node, n, &children);
        prop_assert_eq!((segment.node, segment.number), (node, n));
        prop_assert_eq!(Segment::children(node, &segment.data), Some(children));
        prop_assert_eq!(Segment::hangs(&Segment::of_hangs(node, n, &hangs).data), Some(hangs));
    }
}

#[test]
fn a_row_of_another_version_is_refused() {
    let row = NodeRow::new(SectionId::new(ProducerId(1), 1), SectionId::ROOT, NodeKind::Test);
    let mut bytes = row.pack(Time(0));
    bytes[0] = 2;
    assert_eq!(NodeRow::unpack(row.id, Time(0), &bytes), None);
}

#[test]
fn a_row_of_an_ordinary_section_takes_few_bytes() {
    let producer = ProducerId::from_random(0x0123_4567_89ab_cdef);
    let mut row =
        NodeRow::new(SectionId::new(producer, 70_001), SectionId::new(producer, 69_999), NodeKind::Section);
    let epoch = Time(1_795_193_683_000_000_000);
    (row.r#type, row.name) = ("Cmd".to_owned(), "ping".to_owned());
    (row.started, row.stopped) = (Some(epoch.plus(3_000_000_000)), Some(epoch.plus(3_004_000_000)));
    (row.outcome, row.start_seq) = (Some(Outcome::Passed), EventSeq(150_000));
    row.hangs = (0..2).map(|i| Hang { seq: EventSeq(150_001 + i), is_log: true }).collect();
    let size = row.pack(epoch).len();
    assert!(size <= 36, "{size} bytes");
}
