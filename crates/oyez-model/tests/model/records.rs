//! Events in the journal's form: what goes in comes out, and damage is said, with its place.

use oyez_model::event::{RecordError, RecordWriter, Records, encode_body};
use oyez_model::{Event, EventNumber, ProducerId, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::generate::{cases, chaos};

fn written(events: &[Event]) -> Vec<u8> {
    let mut records = RecordWriter::new();
    write_all(&mut records, events);
    assert_eq!(records.count(), events.len() as u64);
    let size = records.size();
    let bytes = records.take();
    assert_eq!(bytes.len(), size);
    assert_eq!((records.count(), records.size()), (0, 0));
    bytes
}

fn write_all(records: &mut RecordWriter, events: &[Event]) {
    for event in events {
        let mut body = Vec::new();
        encode_body(&event.body, &mut body);
        records.push(event.producer, event.number, event.time, event.body.kind(), &body);
    }
}

/// The events up to the first damage, and that.
fn read(bytes: &[u8]) -> (Vec<Event>, Option<RecordError>) {
    let mut events = Vec::new();
    match Records::new(bytes) {
        Err(e) => return (events, Some(e)),
        Ok(records) => {
            for record in records {
                match record {
                    Ok(record) => events.push(record.event()),
                    Err(e) => return (events, Some(e)),
                }
            }
        }
    }
    (events, None)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn events_read_back_from_their_records(events in chaos::events(30)) {
        prop_assert_eq!(read(&written(&events)), (events, None));
    }

    #[test]
    fn a_writer_that_was_emptied_starts_anew(a in chaos::events(10), b in chaos::events(10)) {
        let mut records = RecordWriter::new();
        write_all(&mut records, &a);
        let _ = records.take();
        write_all(&mut records, &b);
        prop_assert_eq!(records.take(), written(&b));
    }

    #[test]
    fn a_chunk_that_is_cut_gives_what_is_whole_and_names_the_record_that_is_not(
        events in chaos::events(12), cut in any::<Index>(),
    ) {
        let bytes = written(&events);
        let cut = cut.index(bytes.len() + 1);
        let (got, damage) = read(&bytes[..cut]);
        prop_assert_eq!(&got[..], &events[..got.len()]);
        // The version and whole records are no damage: who keeps chunks keeps how many there are.
        let whole = (0..=events.len()).any(|n| written(&events[..n]).len() == cut) || cut == 1;
        prop_assert_eq!(damage, (!whole).then_some(RecordError::Damaged(got.len())));
    }

    #[test]
    fn any_bytes_are_records_or_damage_and_the_end_comes(bytes in vec(any::<u8>(), 0..200)) {
        for bytes in [bytes.clone(), [&[1], &bytes[..]].concat()] {
            let Ok(records) = Records::new(&bytes) else { continue };
            let found: Vec<_> = records.take(bytes.len() + 1).collect();
            // A record has at least five bytes of its own.
            prop_assert!(found.len() <= bytes.len() / 5 + 1);
            prop_assert!(found.iter().rev().skip(1).all(Result::is_ok), "something follows damage");
            for record in found.into_iter().flatten() {
                let event = record.event();
                let mut body = Vec::new();
                encode_body(&event.body, &mut body);
                prop_assert_eq!(event.body.kind(), record.kind);
            }
        }
    }

    #[test]
    fn a_changed_byte_is_never_worse_than_damage(
        events in chaos::events(12), at in any::<Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = written(&events);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}

#[test]
fn records_of_a_newer_version_are_refused_with_what_to_do() {
    let refused = Records::new(&[2, 0, 0]).unwrap_err();
    assert_eq!(refused, RecordError::Version(2));
    assert!(refused.to_string().contains("use a newer one"));
}

#[test]
fn an_event_of_a_busy_producer_takes_six_bytes_beside_its_body() {
    let mut records = RecordWriter::new();
    for n in 1..=1000u16 {
        // Some microseconds after the one before.
        let time = Time(1_795_193_683_000_000_000 + i64::from(n) * 5_000);
        records.push(ProducerId::FIRST, EventNumber(u64::from(n)), time, 34, &[0x80]);
    }
    let size = records.take().len();
    assert!(size <= 1000 * 7 + 16, "{size} bytes");
}
