//! Events for programs of ours: as they stand in the journal, so that nothing is lost on the way.
//!
//! `Accept: application/vnd.oyez.events` gets a sequence of frames:
//!
//! | part | form |
//! |---|---|
//! | first | the number of the frame's first event in the job's journal, 8 bytes, big end first; the others follow on |
//! | length | of what follows, 4 bytes |
//! | records | a chunk of the journal (`oyez_model::event::RecordWriter`) |
//!
//! A frame without records says only that the sender is there.

use std::io::{self, Read};

use oyez_model::event::{RecordWriter, Records, encode_body};
use oyez_model::{Event, EventSeq};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.oyez.events";

/// No frame is longer.
const LONGEST: u32 = u32::MAX >> 2;

/// Appends a frame of events, whose numbers follow one on the other.
pub fn write(out: &mut Vec<u8>, events: &[(EventSeq, Event)]) {
    let mut writer = RecordWriter::new();
    let mut body = Vec::new();
    for (_, event) in events {
        body.clear();
        encode_body(&event.body, &mut body);
        writer.push(event.producer, event.number, event.time, event.body.kind(), &body);
    }
    let records = writer.take();
    let first = events.first().map_or(0, |(seq, _)| seq.0);
    out.extend_from_slice(&first.to_be_bytes());
    // A page of events is far from 4 GiB.
    out.extend_from_slice(&u32::try_from(records.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&records);
}

/// Reads the next frame; `None` at the end.
///
/// # Errors
/// It breaks off, or makes no sense.
pub fn read(from: &mut dyn Read) -> io::Result<Option<Vec<(EventSeq, Event)>>> {
    let mut head = Vec::with_capacity(12);
    from.take(12).read_to_end(&mut head)?;
    // The end may come before a frame, not within one.
    if head.is_empty() {
        return Ok(None);
    }
    let Ok([first @ .., l0, l1, l2, l3]) = <[u8; 12]>::try_from(head) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let (first, length) = (u64::from_be_bytes(first), u32::from_be_bytes([l0, l1, l2, l3]));
    if length > LONGEST {
        return Err(wrong("a frame of events is too long"));
    }
    let mut records = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut records)?;
    if records.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut out = Vec::new();
    for (seq, record) in (first..).zip(Records::new(&records).map_err(|e| wrong(&e.to_string()))?) {
        out.push((EventSeq(seq), record.map_err(|e| wrong(&e.to_string()))?.event()));
    }
    Ok(Some(out))
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oyez_model::event::{ProducerLeft, RunStarted};
    use oyez_model::{EventNumber, ProducerId, RunNumber, Time};

    #[test]
    fn events_come_back_with_their_numbers_and_an_end_in_the_middle_is_seen() {
        let event = |number: u64, body: oyez_model::EventBody| {
            let producer = ProducerId(number % 2 + 1);
            (EventSeq(number + 40), Event { producer, number: EventNumber(number), time: Time(7), body })
        };
        let events = [
            event(1, RunStarted { id: 1, run: RunNumber(1), planned: None }.into()),
            event(2, ProducerLeft {}.into()),
        ];
        let mut bytes = Vec::new();
        write(&mut bytes, &events);
        let length = bytes.len();
        write(&mut bytes, &[]);
        let from = &mut &bytes[..];
        assert_eq!(read(from).unwrap().unwrap(), events);
        assert_eq!(read(from).unwrap().unwrap(), []);
        assert!(read(from).unwrap().is_none());
        for cut in 1..length {
            assert!(read(&mut &bytes[..cut]).is_err(), "{cut}");
        }
    }
}
