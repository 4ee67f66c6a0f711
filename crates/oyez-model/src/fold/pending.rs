//! Events about nodes that have not begun yet: they wait, without what is heavy in them, until the node comes.

use minicbor::bytes::ByteVec;

use super::{Live, MAX_WAITING, Step};
use crate::event::{Event, EventBody, LogBytes, RawJson};
use crate::ids::SectionId;
use crate::row::REASON_LEN;
use crate::value::Value;

impl Step<'_> {
    /// An event about a node that has not begun yet is kept until it does.
    pub(super) fn keep_for(&mut self, id: SectionId, event: &Event) {
        if self.live.pending_count >= MAX_WAITING || self.live.job.state.is_final() {
            self.live.tally.unplaced += 1;
            return;
        }
        self.live.pending.entry(id).or_default().push((self.seq, light(event)));
        self.live.pending_count += 1;
    }

    /// A node has begun: what waited for it is heard now.
    pub(super) fn place_pending(&mut self, id: SectionId) {
        let Some(events) = self.live.take_pending(id) else { return };
        for (seq, event) in events {
            let (time, producer) = (event.time, event.producer);
            let mut step =
                Step { live: self.live, rows: self.rows, out: self.out, seq, time, producer, again: true };
            step.body(&event);
        }
    }
}

impl Live {
    fn take_pending(&mut self, id: SectionId) -> Option<Vec<(crate::ids::EventSeq, Event)>> {
        if self.pending_count == 0 {
            return None;
        }
        let events = self.pending.remove(&id)?;
        self.pending_count -= events.len();
        Some(events)
    }
}

/// The event without what the fold does not look at: a hundred thousand of them must not fill the memory, and the
/// journal has the whole.
fn light(event: &Event) -> Event {
    let mut event = event.clone();
    match &mut event.body {
        EventBody::LogText(b) => b.text = LogBytes(ByteVec::from(Vec::new())),
        EventBody::SectionDetail(b) => b.detail = Value::Null,
        EventBody::SectionUpdated(b) => (b.description, b.extra) = (None, None),
        EventBody::SectionStopped(b) => {
            b.data = b.data.take().map(|_| Value::Null);
            shorten(&mut b.reason);
        }
        EventBody::TestStopped(b) => shorten(&mut b.reason),
        EventBody::TargetErr(b) => b.error = short(&b.error),
        EventBody::TargetAcquireErr(b) => b.error.clear(),
        EventBody::VariableEmitted(b) => b.value = RawJson::default(),
        EventBody::Named(b) => b.payload = None,
        EventBody::Measurement(b) => (b.value, b.low, b.high) = (Value::Null, None, None),
        EventBody::Entry(b) => b.fields = Value::Null,
        EventBody::OutputDropped(b) => b.why.clear(),
        EventBody::SourceCut(b) => b.reason.clear(),
        _ => {}
    }
    event
}

fn shorten(reason: &mut Option<String>) {
    if let Some(reason) = reason {
        *reason = short(reason);
    }
}

/// Still longer than a row holds, when it was: a reader of the row must be sent to the journal for the rest.
fn short(reason: &str) -> String {
    let mut end = reason.len().min(REASON_LEN + 4);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
