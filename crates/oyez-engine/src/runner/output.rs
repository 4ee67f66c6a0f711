//! The output of something that is no process of ours: captured as that of processes is, with the same limits, and
//! recorded by a task that may wait.

use std::time::Instant;

use bytes::Bytes;
use oyez_model::event::{Artifact, LogText, OutputDropped, SourceCut, Stream};
use oyez_model::{EventBody, SectionRef};

use super::command::Ear;
use crate::process::{Capture, CaptureLimits, OutputSink};
use crate::recorder::Recorder;

/// Bytes that come, on their way to the journal.
pub(crate) struct Output {
    section: SectionRef,
    recorder: Recorder,
    capture: Capture,
    taken: Taken,
    parts: [u32; 2],
}

/// What the capture handed on and is not recorded yet.
#[derive(Default)]
struct Taken(Vec<Piece>);

enum Piece {
    Text(Stream, Vec<u8>),
    Part(Stream, Vec<u8>),
    Dropped(u64, String),
    Cut(String),
}

impl OutputSink for Taken {
    fn text(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.0.push(Piece::Text(stream, bytes));
    }

    fn part(&mut self, stream: Stream, bytes: Vec<u8>) -> Result<(), String> {
        self.0.push(Piece::Part(stream, bytes));
        Ok(())
    }

    fn dropped(&mut self, bytes: u64, why: &str) {
        self.0.push(Piece::Dropped(bytes, why.to_owned()));
    }

    fn cut(&mut self, why: &str) {
        self.0.push(Piece::Cut(why.to_owned()));
    }
}

impl Output {
    pub(super) fn new(section: SectionRef, recorder: Recorder, limits: CaptureLimits) -> Self {
        Output { section, recorder, capture: Capture::new(limits), taken: Taken::default(), parts: [0; 2] }
    }

    /// Bytes came on a stream.
    pub(crate) async fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.capture.push(stream, bytes, Instant::now(), &mut self.taken);
        self.record().await;
        self.capture.next_round();
    }

    /// When something is to be handed on even if nothing comes.
    pub(crate) fn due(&self) -> Option<tokio::time::Instant> {
        self.capture.due().map(tokio::time::Instant::from_std)
    }

    /// Time has passed.
    pub(crate) async fn tick(&mut self) {
        self.capture.tick(Instant::now(), &mut self.taken);
        self.record().await;
    }

    /// Bytes came on standard output that somebody hears.
    pub(crate) async fn hear(&mut self, ear: &mut Option<Box<dyn Ear>>, bytes: &[u8]) {
        let Some(ear) = ear else { return self.push(Stream::Stdout, bytes).await };
        let mut events = Vec::new();
        let kept = ear.hear(bytes, &mut |event| events.push(event));
        self.say(events).await;
        if !kept.is_empty() {
            self.push(Stream::Stdout, &kept).await;
        }
    }

    /// Nothing more will come.
    pub(crate) async fn finish(mut self, ear: &mut Option<Box<dyn Ear>>) {
        if let Some(ear) = ear {
            let mut events = Vec::new();
            let kept = ear.end(&mut |event| events.push(event));
            self.say(events).await;
            self.push(Stream::Stdout, &kept).await;
        }
        self.capture.finish(&mut self.taken);
        self.record().await;
    }

    async fn say(&mut self, events: Vec<EventBody>) {
        for event in events {
            self.recorder.room().await;
            self.recorder.record(event);
        }
    }

    async fn record(&mut self) {
        let id = self.section;
        for piece in std::mem::take(&mut self.taken.0) {
            let event: EventBody = match piece {
                Piece::Text(stream, text) => LogText { id, stream, text: text.into(), level: None }.into(),
                Piece::Part(stream, bytes) => self.part(stream, bytes).await,
                Piece::Dropped(bytes, why) => OutputDropped { id, bytes, why }.into(),
                Piece::Cut(reason) => SourceCut { id, reason }.into(),
            };
            self.recorder.room().await;
            self.recorder.record(event);
        }
    }

    async fn part(&mut self, stream: Stream, bytes: Vec<u8>) -> EventBody {
        let (id, size) = (self.section, bytes.len() as u64);
        let at = usize::from(stream != Stream::Stdout);
        match self.recorder.put_blob(Bytes::from(bytes)).await {
            Ok(blob) => {
                self.parts[at] += 1;
                let name = format!("{}.{}", ["stdout", "stderr"][at], self.parts[at]);
                let mime = "text/plain".to_owned();
                Artifact { id, name, mime, blob, size, rest_of: Some(stream) }.into()
            }
            Err(e) => OutputDropped { id, bytes: size, why: e.to_string() }.into(),
        }
    }
}
