//! An older reader keeps what a newer version made, says that it does not know it, and folds the rest as ever.

use oyez_model::event::{EventBody, RecordWriter, Records, SectionStarted, Unknown, encode_body};
use oyez_model::fold::Completeness;
use oyez_model::{Event, EventNumber, ProducerId, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate::jobs::{self, picks};
use crate::generate::{Folded, Unordered, bodies, cases};

/// One event as a chunk, with these bytes as its body.
fn chunk(event: &Event, kind: u16, body: &[u8]) -> Vec<u8> {
    let mut records = RecordWriter::new();
    records.push(event.producer, event.number, event.time, kind, body);
    records.take()
}

fn bytes_of(body: &EventBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_body(body, &mut bytes);
    bytes
}

fn read(chunk: &[u8]) -> Event {
    Records::new(chunk).expect("this version").next().expect("a record").expect("a sound one").event()
}

/// A body as a newer version would write it: with `more` fields that this one does not know.
fn with_more_fields(body: &[u8], more: &[u8]) -> Vec<u8> {
    // The head of an array of fewer than 24 fields is one byte.
    assert!(matches!(body[0], 0x80..=0x90), "{:x}", body[0]);
    let mut bytes = body.to_vec();
    bytes[0] += more.len() as u8;
    more.iter().for_each(|n| bytes.extend([0x82, 0x18, *n | 0x80, 0xf6]));
    bytes
}

fn new_event(body: EventBody) -> Event {
    Event { producer: ProducerId(1), number: EventNumber(7), time: Time(1), body }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_kind_that_nobody_knows_yet_keeps_number_and_bytes(kind in 60..=u16::MAX, bytes in vec(any::<u8>(), 0..50)) {
        let event = new_event(EventBody::Unknown(Unknown { kind, bytes: bytes.clone() }));
        let back = read(&chunk(&event, kind, &bytes));
        prop_assert_eq!(&back, &event);
        prop_assert_eq!((back.body.kind(), bytes_of(&back.body)), (kind, bytes));
    }

    #[test]
    fn a_known_kind_with_bytes_that_it_cannot_read_keeps_them(
        kind in proptest::sample::select(oyez_model::event::KINDS), bytes in vec(any::<u8>(), 0..50),
    ) {
        let event = new_event(EventBody::Unknown(Unknown { kind: kind.0, bytes: bytes.clone() }));
        let back = read(&chunk(&event, kind.0, &bytes));
        prop_assert_eq!(back.body.kind(), kind.0);
        if matches!(back.body, EventBody::Unknown(_)) {
            prop_assert_eq!(bytes_of(&back.body), bytes);
        }
    }

    #[test]
    fn fields_of_a_newer_version_are_skipped_when_read_and_kept_when_copied(
        body in bodies::body(), more in vec(any::<u8>(), 1..4),
    ) {
        prop_assume!(!matches!(body, EventBody::Unknown(_)));
        // A newer version has written all fields of this one before its own.
        let full = all_fields(&body);
        let newer = with_more_fields(&full, &more);
        let event = new_event(body);
        let kind = event.body.kind();
        let made = chunk(&event, kind, &newer);
        prop_assert_eq!(read(&made), event);

        let mut copy = RecordWriter::new();
        for record in Records::new(&made).expect("this version") {
            let r = record.expect("a sound one");
            copy.push(r.producer, r.number, r.time, r.kind, r.body);
        }
        prop_assert_eq!(copy.take(), made);
    }

    #[test]
    fn a_job_with_events_of_a_newer_version_folds_as_without_them_and_says_so(
        job in jobs::job(16, false), order in picks(), newer in vec((any::<Index>(), bodies::unknown()), 1..6),
    ) {
        let plain = job.heard(&order);
        // A newer producer says nothing but them, and takes its leave.
        let who = ProducerId(1 << 45);
        let mut events = plain.clone();
        let mut at: Vec<usize> = newer.iter().map(|(at, _)| 1 + at.index(plain.len() - 1)).collect();
        at.sort_unstable();
        let bodies = newer.iter().map(|(_, body)| body.clone()).zip(&at);
        for (number, (body, at)) in bodies.enumerate() {
            let number = EventNumber(number as u64 + 1);
            events.insert(at + number.0 as usize - 1, Event { producer: who, number, time: Time(0), body });
        }
        let (without, with) = (Folded::of(&plain), Folded::of(&events));

        let (a, b) = (Unordered::of(&without, &plain), Unordered::of(&with, &events));
        let differences = a.differences(&b);
        // The job's row tells how many events there are and what is missing; the newer producer is one more.
        prop_assert_eq!(differences.len(), 2, "{}", differences.join("\n"));
        let unknown = |job: &Folded| job.gaps().get("unknown_kind").copied().unwrap_or(0);
        prop_assert_eq!(unknown(&with), unknown(&without) + newer.len() as u64);
        prop_assert!(matches!(with.live.job_row().complete, Completeness::No(_)));
        prop_assert_eq!(with.live.job_row().counts, without.live.job_row().counts);
        prop_assert_eq!(with.live.job_row().outcome, without.live.job_row().outcome);
    }
}

/// The body's bytes with every field of this version; the last ones are left out when they are absent.
fn all_fields(body: &EventBody) -> Vec<u8> {
    let mut bytes = bytes_of(body);
    while u64::from(bytes[0] & 0x1f) < field_count(body) {
        bytes[0] += 1;
        bytes.push(0xf6);
    }
    bytes
}

/// How many fields a body's kind has: as many as its JSON form, which leaves none out.
fn field_count(body: &EventBody) -> u64 {
    serde_json::to_value(body).ok().and_then(|v| v.as_object().map(|o| o.len() as u64)).unwrap_or(0)
}

#[test]
fn a_producer_that_sends_the_least_is_read_with_the_rest_absent() {
    // id, parent, type, name: what version 1 of a section's start cannot do without.
    let bytes = [0x84, 0x01, 0x00, 0x61, b't', 0x61, b'n'];
    let body: SectionStarted = minicbor::decode(&bytes).unwrap();
    assert_eq!((body.id, body.name.as_str(), body.r#type.as_str(), body.extra), (1, "n", "t", None));
}
