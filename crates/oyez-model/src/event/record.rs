//! Events in the journal, version 1. A chunk of events is one byte `1`, then one record for each event:
//!
//! | part | form |
//! |---|---|
//! | producer | varint: 0 = a producer new to this chunk, whose id follows as varint; n = the n-th one of this chunk |
//! | number | varint: its number minus what is expected of that producer in this chunk (0 at its first: the number itself follows) |
//! | time | zigzag varint: nanoseconds since the record before (the first: since the Unix epoch) |
//! | kind | varint |
//! | length | varint |
//! | body | that many bytes of CBOR, an array by field number |
//!
//! A chunk needs no other chunk to be read; a record can be stepped over without looking into its body. The store
//! compresses chunks and checks them by a checksum of its own.

use thiserror::Error;

use super::{Event, EventBody};
use crate::ids::{EventNumber, ProducerId};
use crate::pack::{self, Unpack};
use crate::time::Time;

const VERSION: u8 = 1;

/// Why a chunk cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// Made by a newer version.
    #[error("records of version {0}; this Oyez reads version {VERSION}: use a newer one")]
    Version(u8),
    /// The bytes end within a record or make no sense; says which record, from 0.
    #[error("record {0} of a chunk is damaged")]
    Damaged(usize),
}

/// Appends the bytes of a body, to be handed to [`RecordWriter::push`]; producers make them on their own threads.
pub fn encode_body(body: &EventBody, out: &mut Vec<u8>) {
    body.encode_into(out);
}

/// Writes the records of one chunk.
#[derive(Debug, Default)]
pub struct RecordWriter {
    out: Vec<u8>,
    producers: Vec<(ProducerId, u64)>,
    time: i64,
    count: u64,
}

impl RecordWriter {
    /// An empty chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one event.
    pub fn push(&mut self, producer: ProducerId, number: EventNumber, time: Time, kind: u16, body: &[u8]) {
        if self.out.is_empty() {
            self.out.push(VERSION);
        }
        // Searched from the end: the last producers are the likely ones, and a chunk has few.
        match self.producers.iter_mut().enumerate().rev().find(|(_, (id, _))| *id == producer) {
            Some((i, (_, expected))) => {
                pack::put(&mut self.out, i as u64 + 1);
                pack::put_signed(&mut self.out, number.0.wrapping_sub(*expected).cast_signed());
                *expected = number.0.wrapping_add(1);
            }
            None => {
                pack::put(&mut self.out, 0);
                pack::put(&mut self.out, producer.0);
                pack::put(&mut self.out, number.0);
                self.producers.push((producer, number.0.wrapping_add(1)));
            }
        }
        pack::put_signed(&mut self.out, time.0.wrapping_sub(self.time));
        self.time = time.0;
        pack::put(&mut self.out, u64::from(kind));
        pack::put_bytes(&mut self.out, body);
        self.count += 1;
    }

    /// How many events it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.out.len()
    }

    /// The bytes; the writer is empty afterwards.
    pub fn take(&mut self) -> Vec<u8> {
        self.producers.clear();
        self.time = 0;
        self.count = 0;
        std::mem::take(&mut self.out)
    }
}

/// One record, its body not looked into yet.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Who made it.
    pub producer: ProducerId,
    /// The producer's number for it.
    pub number: EventNumber,
    /// When it happened.
    pub time: Time,
    /// Its kind's number.
    pub kind: u16,
    /// Its body.
    pub body: &'a [u8],
}

impl Record<'_> {
    /// The event; a body that its own kind cannot read stays as unknown bytes, so that nothing is lost.
    #[must_use]
    pub fn event(&self) -> Event {
        let body = EventBody::decode(self.kind, self.body).unwrap_or_else(|_| {
            EventBody::Unknown(super::Unknown { kind: self.kind, bytes: self.body.to_vec() })
        });
        Event { producer: self.producer, number: self.number, time: self.time, body }
    }
}

/// Reads the records of a chunk.
#[derive(Debug)]
pub struct Records<'a> {
    rest: Unpack<'a>,
    producers: Vec<(ProducerId, u64)>,
    time: i64,
    count: usize,
}

impl<'a> Records<'a> {
    /// The records of these bytes.
    ///
    /// # Errors
    /// [`RecordError::Version`] when a newer version wrote them.
    pub fn new(bytes: &'a [u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            None => Ok(Self { rest: Unpack(&[]), producers: Vec::new(), time: 0, count: 0 }),
            Some((&VERSION, rest)) => {
                Ok(Self { rest: Unpack(rest), producers: Vec::new(), time: 0, count: 0 })
            }
            Some((v, _)) => Err(RecordError::Version(*v)),
        }
    }

    fn step(&mut self) -> Option<Record<'a>> {
        let (producer, number) = match self.rest.get()? {
            0 => {
                let (id, number) = (ProducerId(self.rest.get()?), self.rest.get()?);
                self.producers.push((id, number.wrapping_add(1)));
                (id, number)
            }
            i => {
                let i = usize::try_from(i - 1).ok()?;
                let delta = self.rest.get_signed()?;
                let (id, expected) = self.producers.get_mut(i)?;
                let number = expected.wrapping_add_signed(delta);
                *expected = number.wrapping_add(1);
                (*id, number)
            }
        };
        self.time = self.time.wrapping_add(self.rest.get_signed()?);
        let kind = u16::try_from(self.rest.get()?).ok()?;
        let body = self.rest.bytes()?;
        Some(Record { producer, number: EventNumber(number), time: Time(self.time), kind, body })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.0.is_empty() {
            return None;
        }
        let at = self.count;
        self.count += 1;
        match self.step() {
            Some(record) => Some(Ok(record)),
            None => {
                self.rest = Unpack(&[]);
                Some(Err(RecordError::Damaged(at)))
            }
        }
    }
}
