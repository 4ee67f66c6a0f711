//! Chunks: parts, or lines of the index, gathered to a size that compresses well, compressed by a thread beside the
//! walk, written in the order in which they were made.
//!
//! A chunk is `<script type="application/octet-stream" id="c7">BASE64</script>`: browsers keep such an element as text
//! and never run it. Inside is raw deflate (RFC 1951); the same text gives the same bytes on every machine.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::out::Out;

/// A chunk of parts is closed when it is longer: small enough to unpack in a few milliseconds.
const PARTS_AT: usize = 160 << 10;
const INDEX_AT: usize = 512 << 10;
/// How many chunks may wait for the thread.
const WAITING: usize = 4;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Parts,
    Index,
}

struct Chunk {
    kind: Kind,
    number: usize,
    bytes: Vec<u8>,
}

pub(super) struct Packer {
    parts: Vec<u8>,
    /// How many parts there are.
    next_part: u32,
    /// The number of the first part of each chunk.
    first_parts: Vec<u32>,
    index_chunks: usize,
    thread: Option<Thread>,
    ready: Vec<Chunk>,
}

struct Thread {
    to: SyncSender<Chunk>,
    from: Receiver<Chunk>,
    handle: thread::JoinHandle<()>,
    under_way: usize,
}

impl Packer {
    pub(super) fn new() -> Self {
        Packer {
            parts: Vec::with_capacity(2 * PARTS_AT),
            next_part: 0,
            first_parts: Vec::new(),
            index_chunks: 0,
            thread: Thread::start(),
            ready: Vec::new(),
        }
    }

    /// Takes a part; its number.
    pub(super) fn part(&mut self, html: &[u8]) -> u32 {
        let number = self.next_part;
        self.next_part += 1;
        if self.parts.is_empty() {
            self.first_parts.push(number);
        } else {
            // Nothing that is escaped has this byte.
            self.parts.push(0);
        }
        self.parts.extend_from_slice(html);
        // An empty part first in its chunk leaves no trace in the buffer.
        if self.parts.is_empty() {
            self.parts.push(b' ');
        }
        if self.parts.len() >= PARTS_AT {
            self.close_parts();
        }
        number
    }

    fn close_parts(&mut self) {
        if !self.parts.is_empty() {
            let bytes = std::mem::replace(&mut self.parts, Vec::with_capacity(2 * PARTS_AT));
            self.submit(Chunk { kind: Kind::Parts, number: self.first_parts.len() - 1, bytes });
        }
    }

    /// Takes lines of the index when they are enough for a chunk, or the last ones.
    pub(super) fn index(&mut self, lines: &mut Vec<u8>, last: bool) {
        if lines.len() >= INDEX_AT || (last && !lines.is_empty()) {
            let bytes = std::mem::replace(lines, Vec::with_capacity(INDEX_AT + 1024));
            let number = self.index_chunks;
            self.index_chunks += 1;
            self.submit(Chunk { kind: Kind::Index, number, bytes });
        }
    }

    fn submit(&mut self, chunk: Chunk) {
        let chunk = match &mut self.thread {
            None => compress(chunk),
            Some(thread) => match thread.to.send(chunk) {
                Ok(()) => {
                    thread.under_way += 1;
                    return;
                }
                // The thread is gone: from here on it is done in place.
                Err(returned) => compress(returned.0),
            },
        };
        self.ready.push(chunk);
    }

    /// Writes what is compressed by now.
    pub(super) fn settle(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        if let Some(thread) = &mut self.thread {
            while thread.under_way > 0
                && let Ok(chunk) = thread.from.try_recv()
            {
                thread.under_way -= 1;
                self.ready.push(chunk);
            }
        }
        for chunk in self.ready.drain(..) {
            write(out, &chunk);
        }
        out.settle()
    }

    /// Compresses and writes all that is left.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        self.close_parts();
        if let Some(Thread { to, from, handle, under_way }) = self.thread.take() {
            drop(to);
            let rest: Vec<Chunk> = from.iter().collect();
            let lost = rest.len() != under_way;
            self.ready.extend(rest);
            if handle.join().is_err() || lost {
                return Err(io::Error::other("the thread that compresses the page has ended too early"));
            }
        }
        for chunk in self.ready.drain(..) {
            write(out, &chunk);
        }
        out.settle()
    }

    pub(super) fn first_parts(&self) -> &[u32] {
        &self.first_parts
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Parts => self.first_parts.len(),
            Kind::Index => self.index_chunks,
        }
    }
}

impl Thread {
    /// `None` where no thread can be had: the work is then done in place.
    fn start() -> Option<Thread> {
        let (to, chunks) = sync_channel::<Chunk>(WAITING);
        let (done, from) = channel();
        let work = move || {
            for chunk in chunks {
                if done.send(compress(chunk)).is_err() {
                    break;
                }
            }
        };
        let handle = thread::Builder::new().name("oyez-report-pack".to_owned()).spawn(work).ok()?;
        Some(Thread { to, from, handle, under_way: 0 })
    }
}

fn write(out: &mut Out<'_>, chunk: &Chunk) {
    let letter = match chunk.kind {
        Kind::Parts => 'c',
        Kind::Index => 'i',
    };
    out.text(&format!("<script type=\"application/octet-stream\" id=\"{letter}{}\">", chunk.number));
    out.buf.extend_from_slice(&chunk.bytes);
    out.text("</script>\n");
}

fn compress(chunk: Chunk) -> Chunk {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(chunk.bytes.len() / 4), Compression::new(4));
    // Writing into a vector does not fail.
    let packed = encoder.write_all(&chunk.bytes).and_then(|()| encoder.finish()).unwrap_or_default();
    Chunk { bytes: STANDARD.encode(packed).into_bytes(), ..chunk }
}
