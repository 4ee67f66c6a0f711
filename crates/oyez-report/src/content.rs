//! What hangs on one section, read when the section is visited and bounded in bytes and number.

use std::collections::VecDeque;

use oyez_model::event::{LogText, Stream};
use oyez_model::row::Hang;
use oyez_model::{Event, EventBody, EventSeq, NodeKind, NodeRow, Time, Value};
use oyez_store::{JobReader, StoreError, tree};

/// How many details, measurements, artifacts, ... of one section stand in a document.
const MAX_ITEMS: usize = 1000;
/// How many bytes those may have together, roughly.
const MAX_ITEM_BYTES: usize = 1 << 20;
/// How many events are read at once.
const READ_AT_ONCE: usize = 64;

/// A piece of a log: whole lines, or a part of a very long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogPiece {
    pub time: Time,
    pub stream: Stream,
    pub level: Option<String>,
    pub bytes: Vec<u8>,
}

/// Anything else that hangs on a section.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub time: Time,
    pub body: EventBody,
}

/// What is not shown of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub pieces: u64,
    pub bytes: u64,
}

/// What hangs on a section.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    /// The log's beginning and its end.
    pub log: Vec<LogPiece>,
    /// What is left out, between `log[gap_at - 1]` and `log[gap_at]`.
    pub left_out: LeftOut,
    pub gap_at: usize,
    /// Details, measurements, artifacts, named events, ... in the order in which they came.
    pub items: Vec<Item>,
    /// How many of those are left out.
    pub items_left_out: u64,
}

impl Content {
    /// Reads what hangs on `row`; of a test also how it began, which says its suite.
    pub(crate) fn load(reader: &dyn JobReader, row: &NodeRow, max_log: usize) -> Result<Content, StoreError> {
        let mut loading = Loading::new(max_log);
        if row.kind == NodeKind::Test {
            loading.take_all(reader.events_at(&[row.start_seq])?);
        }
        for page in 0.. {
            let Some(hangs) = tree::hangs(reader, row, page)? else { break };
            loading.read(reader, &hangs)?;
        }
        Ok(loading.done())
    }

    /// Whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty() && self.left_out.pieces == 0 && self.items.is_empty() && self.items_left_out == 0
    }

    /// The log as plain text, a piece at a time, with a line where something is left out.
    pub(crate) fn each_plain(&self, mut take: impl FnMut(&str)) {
        for at in 0..=self.log.len() {
            if at == self.gap_at && self.left_out.bytes > 0 {
                take(&format!("[{} bytes of log are left out here]\n", self.left_out.bytes));
            }
            if let Some(piece) = self.log.get(at) {
                take(&crate::text::plain(&piece.bytes));
            }
        }
    }

    /// The reason of its end in full, where the row has only its beginning.
    pub(crate) fn whole_reason(&self) -> Option<&str> {
        self.items.iter().rev().find_map(|item| match &item.body {
            EventBody::SectionStopped(b) => b.reason.as_deref(),
            EventBody::TestStopped(b) => b.reason.as_deref(),
            EventBody::TargetErr(b) => Some(b.error.as_str()),
            _ => None,
        })
    }

    /// What stands above a test in its own tree.
    pub(crate) fn suite(&self) -> &[String] {
        let suite = self.items.iter().find_map(|item| match &item.body {
            EventBody::TestStarted(b) => b.suite.as_deref(),
            _ => None,
        });
        suite.unwrap_or_default()
    }
}

/// Takes what hangs on a section, event by event, and keeps what a document shows.
pub(crate) struct Loading {
    content: Content,
    head_left: usize,
    tail: VecDeque<LogPiece>,
    tail_bytes: usize,
    max_tail: usize,
    item_bytes: usize,
}

impl Loading {
    pub(crate) fn new(max_log: usize) -> Self {
        let head = max_log / 2;
        Loading {
            content: Content::default(),
            head_left: head,
            tail: VecDeque::new(),
            tail_bytes: 0,
            max_tail: max_log - head,
            item_bytes: 0,
        }
    }

    fn read(&mut self, reader: &dyn JobReader, hangs: &[Hang]) -> Result<(), StoreError> {
        for part in hangs.chunks(READ_AT_ONCE) {
            let mut seqs: Vec<EventSeq> = part.iter().map(|hang| hang.seq).collect();
            // What came before its section stands after it in the journal's order; the reader wants rising numbers.
            seqs.sort_unstable();
            self.take_all(reader.events_at(&seqs)?);
        }
        Ok(())
    }

    fn take_all(&mut self, events: Vec<(EventSeq, Event)>) {
        events.into_iter().for_each(|(_, event)| self.take(event));
    }

    pub(crate) fn take(&mut self, event: Event) {
        match event.body {
            EventBody::LogText(text) => self.log(event.time, text),
            body => self.item(event.time, body),
        }
    }

    fn log(&mut self, time: Time, text: LogText) {
        let mut piece =
            LogPiece { time, stream: text.stream, level: text.level, bytes: Vec::from(text.text.0) };
        if self.tail.is_empty() && self.content.left_out.pieces == 0 && piece.bytes.len() <= self.head_left {
            self.head_left -= piece.bytes.len();
            self.content.log.push(piece);
            return;
        }
        // From here on it is the end that is kept.
        if piece.bytes.len() > self.max_tail {
            let cut = piece.bytes.len() - self.max_tail;
            piece.bytes.drain(..cut);
            self.content.left_out.bytes += cut as u64;
            self.content.left_out.pieces += u64::from(self.max_tail == 0);
        }
        self.tail_bytes += piece.bytes.len();
        self.tail.push_back(piece);
        while self.tail_bytes > self.max_tail
            && let Some(first) = self.tail.pop_front()
        {
            self.tail_bytes -= first.bytes.len();
            self.content.left_out.bytes += first.bytes.len() as u64;
            self.content.left_out.pieces += 1;
        }
    }

    fn item(&mut self, time: Time, body: EventBody) {
        self.item_bytes += weight(&body);
        if self.content.items.len() < MAX_ITEMS && self.item_bytes <= MAX_ITEM_BYTES {
            self.content.items.push(Item { time, body });
        } else {
            self.content.items_left_out += 1;
        }
    }

    pub(crate) fn done(mut self) -> Content {
        self.content.gap_at = self.content.log.len();
        self.content.log.extend(self.tail);
        self.content
    }
}

/// Roughly how many bytes an event takes in a document.
fn weight(body: &EventBody) -> usize {
    let own = match body {
        EventBody::SectionDetail(b) => value_weight(&b.detail),
        EventBody::SectionStarted(b) => {
            b.extra.as_ref().map_or(0, value_weight) + b.parameters.as_ref().map_or(0, value_weight)
        }
        EventBody::SectionUpdated(b) => b.extra.as_ref().map_or(0, value_weight),
        EventBody::SectionStopped(b) => {
            b.data.as_ref().map_or(0, value_weight) + b.reason.as_ref().map_or(0, String::len)
        }
        EventBody::Named(b) => b.payload.as_ref().map_or(0, |json| json.0.len()),
        EventBody::VariableEmitted(b) => b.value.0.len(),
        EventBody::Measurement(b) => value_weight(&b.value),
        EventBody::Entry(b) => value_weight(&b.fields),
        EventBody::JobPaused(b) => b.snapshot.0.len(),
        EventBody::Unknown(b) => b.bytes.len(),
        _ => 0,
    };
    own + 64
}

// Values nest at most `oyez_model::value::MAX_DEPTH` deep, so this may call itself.
fn value_weight(value: &Value) -> usize {
    let all = |items: &[Value]| items.iter().map(value_weight).sum::<usize>();
    8 + match value {
        Value::Text(t) => t.len(),
        Value::Surrogates(b) | Value::Bytes(b) => 2 * b.len(),
        Value::Big(n) => 3 * n.magnitude.len(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => all(items),
        Value::Map(pairs) => pairs.iter().map(|(k, v)| value_weight(k) + value_weight(v)).sum(),
        Value::Opaque(o) => o.parts().map(value_weight).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use oyez_model::SectionRef;

    use super::*;

    fn text(bytes: &[u8]) -> LogText {
        LogText { id: SectionRef::JOB, stream: Stream::Stdout, text: bytes.to_vec().into(), level: None }
    }

    #[test]
    fn a_long_log_keeps_its_beginning_and_its_end_and_counts_the_middle() {
        let mut loading = Loading::new(100);
        for n in 0..50 {
            loading.log(Time(n), text(format!("line {n:04}\n").as_bytes()));
        }
        let content = loading.done();
        let times: Vec<i64> = content.log.iter().map(|piece| piece.time.0).collect();
        assert_eq!(times, [0, 1, 2, 3, 4, 45, 46, 47, 48, 49]);
        assert_eq!(content.gap_at, 5);
        assert_eq!(content.left_out, LeftOut { pieces: 40, bytes: 400 });
    }

    #[test]
    fn one_monstrous_line_is_cut_to_its_end() {
        let mut loading = Loading::new(100);
        loading.log(Time(0), text(&[b'x'; 1000]));
        let content = loading.done();
        assert_eq!(content.log[0].bytes.len(), 50);
        assert_eq!(content.left_out.bytes, 950);
    }
}
