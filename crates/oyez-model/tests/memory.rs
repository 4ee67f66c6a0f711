//! Whatever bytes say of their own length, reading them takes memory by what is really there.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use oyez_model::event::Records;
use oyez_model::{Live, NodeRow, ProducerId, SectionId, Segment, Time, Value};
use proptest::collection::vec;
use proptest::prelude::*;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, and how much each thread has of it.
struct Counting;

// SAFETY: hands every call to the system's allocator as it is; counting in a `Cell` without a destructor neither
// allocates nor unwinds.
#[expect(unsafe_code, reason = "there is no safe way to see what is allocated")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.get().wrapping_add(layout.size());
        NOW.set(now);
        PEAK.set(PEAK.get().max(now));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` held at once.
fn peak(work: impl FnOnce()) -> usize {
    let before = NOW.get();
    PEAK.set(before);
    work();
    PEAK.get().saturating_sub(before)
}

fn read_all(bytes: &[u8]) {
    let id = SectionId::new(ProducerId(1), 1);
    for record in Records::new(bytes).into_iter().flatten().flatten() {
        drop(record.event());
    }
    drop(NodeRow::unpack(id, Time(0), bytes));
    drop(Segment::children(id, bytes));
    drop(Segment::hangs(bytes));
    drop(minicbor::decode::<Value>(bytes));
    drop(Live::from_checkpoint(bytes));
}

/// A byte may become a value of some dozen bytes, in a vector that has just doubled; and a few hundred half-read
/// containers may stand above it.
fn bound(len: usize) -> usize {
    512 * 1024 + 256 * len
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_any_bytes_takes_no_more_memory_than_the_bytes_allow(bytes in vec(any::<u8>(), 0..2000), head in 0..8u8) {
        let bytes = [&[head][..], &bytes].concat();
        prop_assert!(peak(|| read_all(&bytes)) < bound(bytes.len()));
    }
}

#[test]
fn a_claimed_length_is_no_reason_to_allocate() {
    // Each byte 0xff is a varint that goes on; 0x9b and 0xbb begin a CBOR array and map of a length of 64 bits.
    let varint = [&[0xff; 7][..], &[0x7f]].concat();
    let claims = [
        [&[1, 0][..], &varint, &varint, &varint, &[34], &varint].concat(),
        varint.clone(),
        [&[0x9b][..], &[0x7f; 8]].concat(),
        [&[0xbb][..], &[0x7f; 8]].concat(),
        [0x9b, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f].repeat(200),
        [0x5b, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f].to_vec(),
        [&[0x8c, 0x01][..], &[0x9b, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff].repeat(50)].concat(),
    ];
    for bytes in claims {
        let most = peak(|| read_all(&bytes));
        assert!(most < bound(bytes.len()), "{most} bytes for {bytes:?}");
    }
}

#[test]
fn the_count_sees_what_is_allocated() {
    assert!(peak(|| drop(vec![0u8; 1 << 20])) >= 1 << 20);
}
