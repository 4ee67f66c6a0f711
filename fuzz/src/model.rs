//! What is in the store: somebody may hand us a folder that has been damaged, or was made to harm.

use oyez_model::event::{RecordWriter, Records, encode_body};
use oyez_model::{
    Changes, Event, EventBody, EventNumber, EventSeq, Live, NodeRow, ProducerId, SectionId, Segment, Time,
    Value,
};

/// Folds events of one producer as they come, and writes and reads each on the way.
#[derive(Debug)]
pub struct Folder {
    live: Live,
    changes: Changes,
    next: u64,
}

impl Folder {
    /// A job of which nothing has been heard.
    pub fn new() -> Self {
        Folder { live: Live::new(), changes: Changes::default(), next: 1 }
    }

    /// One more event of the job's first producer.
    pub fn say(&mut self, body: EventBody) {
        let mut records = RecordWriter::new();
        let mut bytes = Vec::new();
        encode_body(&body, &mut bytes);
        let time = Time(self.next.cast_signed());
        records.push(ProducerId::FIRST, EventNumber(self.next), time, body.kind(), &bytes);
        let records = records.take();
        let event = Records::new(&records).expect("our own version").next().expect("one record");
        let event = event.expect("what we wrote can be read").event();
        assert_eq!(event.body.kind(), body.kind());
        let mut again = Vec::new();
        encode_body(&event.body, &mut again);
        assert_eq!(bytes, again, "{body:?}");
        self.heard(&event);
        self.next += 1;
    }

    fn heard(&mut self, event: &Event) {
        let seq = EventSeq(self.live.last_seq().0 + 1);
        self.changes.clear();
        self.live.apply(seq, event, &(), &mut self.changes);
        for row in &self.changes.nodes {
            let packed = row.pack(self.live.epoch());
            assert_eq!(NodeRow::unpack(row.id, self.live.epoch(), &packed).as_ref(), Some(row));
        }
    }

    /// The checkpoint of what is left must be the same live state.
    pub fn finish(self) {
        let again = Live::from_checkpoint(&self.live.checkpoint()).expect("our own checkpoint");
        assert!(again == self.live, "a checkpoint gives another live state");
    }
}

impl Default for Folder {
    fn default() -> Self {
        Folder::new()
    }
}

/// A chunk of the journal: read, folded, printed, and written again.
pub fn records(bytes: &[u8]) {
    let Ok(records) = Records::new(bytes) else { return };
    let mut folder = Folder::new();
    let mut writer = RecordWriter::new();
    let mut events = Vec::new();
    for record in records {
        let Ok(record) = record else { break };
        writer.push(record.producer, record.number, record.time, record.kind, record.body);
        let event = record.event();
        let _ = event.to_json(EventSeq(1));
        folder.heard(&event);
        events.push((record.producer, record.number, record.time, record.kind, record.body));
    }
    let _ = (folder.live.job_row(), folder.live.checkpoint());
    let written = writer.take();
    let again = Records::new(&written).expect("our own version").map(|record| {
        let record = record.expect("what we wrote can be read");
        (record.producer, record.number, record.time, record.kind, record.body)
    });
    assert!(again.eq(events), "records change when they are written again");
}

/// A row, and the segments that hold its children and what hangs on it.
pub fn rows(bytes: &[u8]) {
    let id = SectionId { producer: ProducerId::FIRST, number: 7 };
    let epoch = Time(1_700_000_000_000_000_000);
    if let Some(row) = NodeRow::unpack(id, epoch, bytes) {
        let _ = (row.child_count(), row.duration(), row.is_open());
        let packed = row.pack(epoch);
        assert_eq!(NodeRow::unpack(id, epoch, &packed), Some(row));
    }
    if let Some(children) = Segment::children(id, bytes) {
        let segment = Segment::of_children(id, 0, &children);
        assert_eq!(Segment::children(id, &segment.data), Some(children));
    }
    if let Some(hangs) = Segment::hangs(bytes) {
        let segment = Segment::of_hangs(id, 0, &hangs);
        assert_eq!(Segment::hangs(&segment.data), Some(hangs));
    }
}

/// A value in CBOR.
pub fn value(bytes: &[u8]) {
    let Ok(value) = minicbor::decode::<Value>(bytes) else { return };
    let _ = serde_json::to_string(&value);
    let written = minicbor::to_vec(&value).expect("a vector takes everything");
    let again = minicbor::decode::<Value>(&written).expect("what we wrote can be read");
    // By their bytes: a NaN is not equal to itself.
    assert_eq!(written, minicbor::to_vec(&again).expect("a vector takes everything"), "{value:?}");
}

/// A checkpoint of a live state; also one that was made up must fold on without harm.
pub fn checkpoint(bytes: &[u8]) {
    let Ok(mut live) = Live::from_checkpoint(bytes) else { return };
    let _ = (live.job_row(), live.open_nodes(), live.open_rows().count());
    let written = live.checkpoint();
    assert!(Live::from_checkpoint(&written).is_ok(), "a checkpoint that was taken cannot be written again");
    let mut changes = Changes::default();
    let end = oyez_model::event::JobStateChanged { state: oyez_model::JobState::Completed, error: None };
    for (i, body) in
        [EventBody::Unknown(oyez_model::event::Unknown { kind: 9_999, bytes: Vec::new() }), end.into()]
            .into_iter()
            .enumerate()
    {
        let number = EventNumber(i as u64 + 1);
        let event = Event { producer: ProducerId::FIRST, number, time: Time(0), body };
        let seq = EventSeq(live.last_seq().0.saturating_add(1));
        live.apply(seq, &event, &(), &mut changes);
    }
    let _ = live.job_row();
}
