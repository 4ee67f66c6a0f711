//! Folding a and then b is folding a and b, also when the live state went through bytes in between.

use oyez_model::fold::CheckpointError;
use oyez_model::{Changes, Event, EventSeq, Live};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate::jobs::{self, picks};
use crate::generate::{Folded, cases, chaos};

fn through_bytes(live: &Live) -> Live {
    let bytes = live.checkpoint();
    let back = Live::from_checkpoint(&bytes).expect("a checkpoint reads back");
    assert_eq!(&back, live);
    assert_eq!(back.checkpoint(), bytes, "the same state is the same bytes");
    back
}

fn folding_in_two_is_folding_in_one(events: &[Event], cut: usize) -> Result<(), TestCaseError> {
    let whole = Folded::of(events);
    let mut parts = Folded::of(&events[..cut]);
    parts.live = through_bytes(&parts.live);
    events[cut..].iter().for_each(|event| parts.hear(event));
    prop_assert_eq!(&parts.live, &whole.live);
    prop_assert_eq!(&parts.kept, &whole.kept);
    prop_assert_eq!(parts.live.job_row(), whole.live.job_row());
    Ok(())
}

/// A store that commits these events in batches of these sizes, writes a checkpoint with a commit in which something
/// was revived, and with some others; and whose reader, after each commit, has only the last checkpoint and the
/// events after it.
fn a_reader_with_the_last_checkpoint_is_never_wrong(
    events: &[Event],
    batches: &[(usize, bool)],
) -> Result<(), TestCaseError> {
    let mut store = Folded::new();
    let mut reader = Live::new();
    let mut rest = events;
    for (size, due) in batches.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, later) = rest.split_at((*size).min(rest.len()));
        rest = later;
        if store.hear_batch(batch) || *due {
            reader = through_bytes(&store.live);
        } else {
            for event in batch {
                let mut changes = Changes::default();
                reader.apply(EventSeq(reader.last_seq().0 + 1), event, &(), &mut changes);
            }
        }
        prop_assert_eq!(&reader, &store.live, "after event {}", store.live.last_seq());
    }
    Ok(())
}

fn batches() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop_oneof![
        Just(vec![(1, false)]),
        vec((1..6usize, prop::bool::weighted(0.1)), 1..8),
        Just(vec![(usize::MAX, false)]),
    ]
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn folding_any_events_in_two_parts_is_folding_them_in_one(events in chaos::events(60), cut in any::<Index>()) {
        folding_in_two_is_folding_in_one(&events, cut.index(events.len() + 1))?;
    }

    #[test]
    fn folding_a_real_job_in_two_parts_is_folding_it_in_one(
        job in jobs::job(24, false), order in picks(), cut in any::<Index>(),
    ) {
        let events = job.heard(&order);
        folding_in_two_is_folding_in_one(&events, cut.index(events.len() + 1))?;
    }

    #[test]
    fn the_last_checkpoint_and_the_events_after_it_need_no_rows(
        events in chaos::events(60), batches in batches(),
    ) {
        a_reader_with_the_last_checkpoint_is_never_wrong(&events, &batches)?;
    }

    #[test]
    fn the_last_checkpoint_of_a_real_job_and_the_events_after_it_need_no_rows(
        job in jobs::job(24, true), order in picks(), at in any::<Index>(), batches in batches(),
    ) {
        a_reader_with_the_last_checkpoint_is_never_wrong(&job.heard_with_late_words(&order, at), &batches)?;
    }

    #[test]
    fn a_damaged_checkpoint_is_refused_or_read_and_never_panics(
        events in chaos::events(40), at in any::<Index>(), byte in any::<u8>(), cut in any::<Index>(), next in chaos::events(10),
    ) {
        let mut bytes = Folded::of(&events).live.checkpoint();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert!(Live::from_checkpoint(&bytes[..cut.index(bytes.len())]).is_err());
        if let Ok(mut live) = Live::from_checkpoint(&bytes) {
            let mut changes = Changes::default();
            for event in &next {
                live.apply(EventSeq(live.last_seq().0.saturating_add(1)), event, &(), &mut changes);
            }
            let _ = live.job_row();
        }
    }
}

#[test]
fn a_checkpoint_of_another_version_is_refused() {
    let mut bytes = Live::new().checkpoint();
    // The array's head, then the version.
    assert_eq!(bytes[1], 1);
    bytes[1] = 2;
    let refused: Result<Live, CheckpointError> = Live::from_checkpoint(&bytes);
    assert!(refused.unwrap_err().to_string().contains("fold from the first event"));
}

#[test]
fn a_checkpoint_without_the_jobs_own_node_is_refused() {
    let mut bytes = Live::new().checkpoint();
    // The root's id, (0, 0), before the bytes of its row.
    let is_root = |w: &[u8]| w[..3] == [0x82, 0, 0] && w[3] >> 5 == 2;
    let at = bytes.windows(4).position(is_root).expect("the root is there");
    bytes[at + 2] = 1;
    assert!(Live::from_checkpoint(&bytes).is_err());
}
