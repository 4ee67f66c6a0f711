//! One job in memory: its events, its live state, the rows that have left it.

use std::collections::{BTreeMap, HashMap};

use oyez_model::event::{JobSubmitted, encode_body};
use oyez_model::fold::Rows;
use oyez_model::row::SegmentKind;
use oyez_model::{
    Changes, Event, EventBody, EventNumber, EventSeq, JobId, Live, NodeRow, ProducerId, ProducerRow,
    SectionId,
};

use crate::admit::{Admission, admit, check_batch, check_event};
use crate::api::{Ack, Batch, NewEvent, NewJob};
use crate::error::StoreError;

#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub nodes: BTreeMap<SectionId, NodeRow>,
    pub segments: HashMap<(SectionId, SegmentKind, u32), Vec<u8>>,
    pub producers: HashMap<ProducerId, ProducerRow>,
}

impl Rows for Kept {
    fn node(&self, id: SectionId) -> Option<NodeRow> {
        self.nodes.get(&id).cloned()
    }
    fn producer(&self, id: ProducerId) -> Option<ProducerRow> {
        self.producers.get(&id).cloned()
    }
}

impl Kept {
    pub(crate) fn take(&mut self, changes: &mut Changes) {
        for row in changes.nodes.drain(..) {
            self.nodes.insert(row.id, row);
        }
        for s in changes.segments.drain(..) {
            self.segments.insert((s.node, s.kind, s.number), s.data);
        }
        for row in changes.producers.drain(..) {
            self.producers.insert(row.id, row);
        }
    }
}

/// Whether these events, and `more` besides, make a batch within the limits.
pub(super) fn check_limits(events: &[NewEvent], more: usize) -> Result<(), StoreError> {
    check_batch(events.len() + more)?;
    let mut bytes = Vec::new();
    for event in events {
        bytes.clear();
        encode_body(&event.body, &mut bytes);
        check_event(bytes.len())?;
    }
    Ok(())
}

#[derive(Clone, Debug)]
pub(super) struct MemoryJob {
    pub events: Vec<Event>,
    pub live: Live,
    pub kept: Kept,
}

impl MemoryJob {
    pub(super) fn new(job: NewJob) -> Self {
        let NewJob { time, submitted, then, .. } = job;
        let mut new = MemoryJob { events: Vec::new(), live: Live::new(), kept: Kept::default() };
        new.push(ProducerId::FIRST, EventNumber(1), time, EventBody::from(JobSubmitted { ..submitted }));
        for (event, number) in then.into_iter().zip(2..) {
            new.push(ProducerId::FIRST, EventNumber(number), event.time, event.body);
        }
        new
    }

    fn push(&mut self, producer: ProducerId, number: EventNumber, time: oyez_model::Time, body: EventBody) {
        let event = Event { producer, number, time, body };
        let mut changes = Changes::default();
        self.live.apply(EventSeq(self.events.len() as u64 + 1), &event, &self.kept, &mut changes);
        self.kept.take(&mut changes);
        self.events.push(event);
    }

    pub(super) fn append(&mut self, job: JobId, batch: Batch) -> Result<Ack, StoreError> {
        let known =
            self.live.producer(batch.producer).cloned().or_else(|| self.kept.producer(batch.producer));
        let last = known.map_or(0, |p| p.last);
        if let Admission::From(start) = admit(job, batch.producer, last, batch.first, batch.events.len())? {
            for (event, number) in batch.events.into_iter().zip(batch.first.0..).skip(start) {
                self.push(batch.producer, EventNumber(number), event.time, event.body);
            }
            return Ok(self.ack(
                batch.producer,
                batch.first.0,
                self.live.producer(batch.producer).map_or(0, |p| p.last),
            ));
        }
        let end = batch.first.0 + (batch.events.len() as u64).saturating_sub(1);
        Ok(self.ack(batch.producer, batch.first.0, end))
    }

    fn ack(&self, producer: ProducerId, first: u64, last: u64) -> Ack {
        let seq = |number: u64| {
            let at = self.events.iter().rposition(|e| e.producer == producer && e.number.0 == number);
            EventSeq(at.map_or(self.events.len() as u64, |i| i as u64 + 1))
        };
        Ack { first: seq(first), last: seq(last) }
    }
}
