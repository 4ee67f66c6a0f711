//! What a process prints, on its way to the journal: joined into pieces of whole lines, the first part in place, the
//! rest in parts for blobs, and what is beyond all limits counted. Nothing here waits or reads a clock.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oyez_model::event::Stream;

/// A piece is handed on when it is this long.
const PIECE: usize = 8 << 10;
/// Whole lines are handed on after this time at the latest,
const LINES_AFTER: Duration = Duration::from_millis(100);
/// the begin of a line after this one: a prompt, a row of dots.
const BEGIN_AFTER: Duration = Duration::from_secs(1);
/// A part goes into a blob after this time even if it is not full.
const PART_AFTER: Duration = Duration::from_secs(10);
/// When output of all processes together takes this much memory, parts go into blobs before they are full,
const MUCH: usize = 64 << 20;
/// but not if they are shorter than this.
const SHORT: usize = 256 << 10;
/// So many times what one stream has pending is handed on early because the other one speaks, so that both are in the
/// order in which they came; after that only the limits above count.
const TURNS: u32 = 64;

/// Bytes that are held in parts, by all captures of this process.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// How much is kept of the output of one process.
#[derive(Clone, Copy, Debug)]
pub struct CaptureLimits {
    /// Bytes in place, of both streams together.
    pub inline: usize,
    /// Bytes in parts, likewise.
    pub rest: u64,
    /// The longest part.
    pub part: usize,
}

/// Where captured output goes.
pub trait OutputSink {
    /// Bytes have just come, before anything is done with them; gives back what is to be captured.
    fn heard<'b>(&mut self, _stream: Stream, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        Cow::Borrowed(bytes)
    }

    /// A piece that stands in place.
    fn text(&mut self, stream: Stream, bytes: Vec<u8>);

    /// A part of the rest, in order for each stream.
    ///
    /// # Errors
    /// Why it could not be kept.
    fn part(&mut self, stream: Stream, bytes: Vec<u8>) -> Result<(), String>;

    /// So many bytes are not kept.
    fn dropped(&mut self, bytes: u64, why: &str);

    /// Reading stopped before the end of the output; how much did not come nobody knows.
    fn cut(&mut self, why: &str);
}

/// What is under way between a process and a sink.
#[derive(Debug)]
pub struct Capture {
    limits: CaptureLimits,
    inline_left: usize,
    rest_left: u64,
    streams: [Pending; 2],
    turns_left: u32,
    round: u64,
    over: u64,
    lost: Vec<(u64, String)>,
}

/// What one stream has pending: it has text until the limit is reached, from then on a part.
#[derive(Debug, Default)]
struct Pending {
    text: Vec<u8>,
    part: Vec<u8>,
    /// When the first byte of what is pending came, and in which round.
    since: Option<Instant>,
    round: u64,
}

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

impl Capture {
    /// Nothing is captured yet.
    #[must_use]
    pub fn new(limits: CaptureLimits) -> Self {
        Capture {
            limits,
            inline_left: limits.inline,
            rest_left: limits.rest,
            streams: Default::default(),
            turns_left: TURNS,
            round: 0,
            over: 0,
            lost: Vec::new(),
        }
    }

    /// What comes from here on is later than what came before: in between, the reader waited.
    pub fn next_round(&mut self) {
        self.round += 1;
    }

    /// Bytes came on a stream; [`Stream::Log`] counts as standard error.
    pub fn push(&mut self, stream: Stream, bytes: &[u8], now: Instant, sink: &mut dyn OutputSink) {
        let at = usize::from(stream != Stream::Stdout);
        self.take_turns(at, sink);
        let (text, rest) = bytes.split_at(bytes.len().min(self.inline_left));
        if !text.is_empty() {
            self.inline_left -= text.len();
            self.streams[at].begin(now, self.round);
            self.streams[at].text.extend_from_slice(text);
            if self.streams[at].text.len() >= PIECE {
                self.streams[at].flush_lines(STREAMS[at], PIECE, sink);
            }
        }
        if self.inline_left == 0 {
            // No more text will come: what is there is complete.
            self.streams[at].flush_text(STREAMS[at], sink);
        }
        if !rest.is_empty() {
            self.push_rest(at, rest, now, sink);
        }
    }

    fn push_rest(&mut self, at: usize, mut rest: &[u8], now: Instant, sink: &mut dyn OutputSink) {
        let keep = usize::try_from(self.rest_left).unwrap_or(usize::MAX).min(rest.len());
        self.over += (rest.len() - keep) as u64;
        self.rest_left -= keep as u64;
        rest = &rest[..keep];
        while !rest.is_empty() {
            let stream = &mut self.streams[at];
            let (now_on, later) = rest.split_at(rest.len().min(self.limits.part - stream.part.len()));
            stream.begin(now, self.round);
            stream.part.extend_from_slice(now_on);
            let held = HELD.fetch_add(now_on.len(), Ordering::Relaxed) + now_on.len();
            rest = later;
            let long = stream.part.len() >= self.limits.part;
            if long || (held > MUCH && stream.part.len() >= SHORT) {
                self.flush_part(at, sink);
            }
        }
    }

    /// When the other stream speaks, what this one said in an earlier round goes first.
    fn take_turns(&mut self, at: usize, sink: &mut dyn OutputSink) {
        let other = 1 - at;
        let pending = &mut self.streams[other];
        if self.turns_left > 0 && pending.round < self.round && pending.text.ends_with(b"\n") {
            self.turns_left -= 1;
            pending.flush_text(STREAMS[other], sink);
        }
    }

    /// When [`Capture::tick`] has something to do.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.streams.iter().filter_map(|pending| Some(pending.since? + pending.patience()?)).min()
    }

    /// Hands on what has waited long enough.
    pub fn tick(&mut self, now: Instant, sink: &mut dyn OutputSink) {
        for (at, stream) in STREAMS.into_iter().enumerate() {
            let pending = &mut self.streams[at];
            let (Some(since), Some(patience)) = (pending.since, pending.patience()) else { continue };
            if now < since + patience {
                continue;
            }
            if pending.text.contains(&b'\n') {
                pending.flush_lines(stream, usize::MAX, sink);
                pending.since = (!pending.text.is_empty()).then_some(now);
            } else {
                pending.flush_text(stream, sink);
            }
            self.flush_part(at, sink);
        }
    }

    /// The process has ended: hands on all there is, and says what is missing.
    pub fn finish(&mut self, sink: &mut dyn OutputSink) {
        for (at, stream) in STREAMS.into_iter().enumerate() {
            self.streams[at].flush_text(stream, sink);
            self.flush_part(at, sink);
        }
        if self.over > 0 {
            let most = self.limits.rest.saturating_add(self.limits.inline as u64);
            sink.dropped(self.over, &format!("a process's output is kept up to {most} bytes"));
            self.over = 0;
        }
        for (bytes, why) in self.lost.drain(..) {
            sink.dropped(bytes, &why);
        }
    }

    fn flush_part(&mut self, at: usize, sink: &mut dyn OutputSink) {
        let part = std::mem::take(&mut self.streams[at].part);
        if part.is_empty() {
            return;
        }
        HELD.fetch_sub(part.len(), Ordering::Relaxed);
        if self.streams[at].text.is_empty() {
            self.streams[at].since = None;
        }
        let bytes = part.len() as u64;
        if let Err(why) = sink.part(STREAMS[at], part) {
            // Reasons are few; if they are not, the first of them stands for the others.
            let known = self.lost.iter().position(|(_, known)| *known == why);
            match known.or((self.lost.len() >= 8).then_some(0)) {
                Some(at) => self.lost[at].0 += bytes,
                None => self.lost.push((bytes, why)),
            }
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        for pending in &self.streams {
            HELD.fetch_sub(pending.part.len(), Ordering::Relaxed);
        }
    }
}

impl Pending {
    fn begin(&mut self, now: Instant, round: u64) {
        if self.since.is_none() {
            self.since = Some(now);
            self.round = round;
        }
    }

    fn patience(&self) -> Option<Duration> {
        if self.text.contains(&b'\n') {
            Some(LINES_AFTER)
        } else if !self.text.is_empty() {
            Some(BEGIN_AFTER)
        } else {
            (!self.part.is_empty()).then_some(PART_AFTER)
        }
    }

    /// Hands on whole lines; what follows the last of them stays, unless it is `longest` or more.
    fn flush_lines(&mut self, stream: Stream, longest: usize, sink: &mut dyn OutputSink) {
        let end = self.text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if self.text.len() - end >= longest {
            return self.flush_text(stream, sink);
        }
        if end > 0 {
            let rest = self.text.split_off(end);
            let lines = std::mem::replace(&mut self.text, rest);
            if self.text.is_empty() && self.part.is_empty() {
                self.since = None;
            }
            sink.text(stream, lines);
        }
    }

    fn flush_text(&mut self, stream: Stream, sink: &mut dyn OutputSink) {
        if !self.text.is_empty() {
            if self.part.is_empty() {
                self.since = None;
            }
            sink.text(stream, std::mem::take(&mut self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Kept {
        pieces: Vec<(Stream, Vec<u8>)>,
        parts: Vec<(Stream, Vec<u8>)>,
        dropped: u64,
        refuse: bool,
    }

    impl OutputSink for Kept {
        fn text(&mut self, stream: Stream, bytes: Vec<u8>) {
            self.pieces.push((stream, bytes));
        }
        fn part(&mut self, stream: Stream, bytes: Vec<u8>) -> Result<(), String> {
            if self.refuse {
                return Err("no room".to_owned());
            }
            self.parts.push((stream, bytes));
            Ok(())
        }
        fn cut(&mut self, _: &str) {}

        fn dropped(&mut self, bytes: u64, _: &str) {
            self.dropped += bytes;
        }
    }

    impl Kept {
        fn all(&self, wanted: Stream) -> Vec<u8> {
            let all = self.pieces.iter().chain(&self.parts);
            all.filter(|(stream, _)| *stream == wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
        }
    }

    const LIMITS: CaptureLimits = CaptureLimits { inline: 100, rest: 1000, part: 64 };

    #[test]
    fn lines_are_joined_and_handed_on_in_time() {
        let (mut kept, begin) = (Kept::default(), Instant::now());
        let mut capture = Capture::new(LIMITS);
        capture.push(Stream::Stdout, b"one\ntwo\nthr", begin, &mut kept);
        assert!(kept.pieces.is_empty());
        assert_eq!(capture.due(), Some(begin + LINES_AFTER));
        capture.tick(begin + LINES_AFTER, &mut kept);
        assert_eq!(kept.pieces, [(Stream::Stdout, b"one\ntwo\n".to_vec())]);
        assert_eq!(capture.due(), Some(begin + LINES_AFTER + BEGIN_AFTER));
        capture.tick(begin + LINES_AFTER + BEGIN_AFTER, &mut kept);
        assert_eq!(kept.pieces[1].1, b"thr");
        assert_eq!(capture.due(), None);
    }

    #[test]
    fn streams_stay_in_the_order_in_which_they_spoke() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let mut capture = Capture::new(LIMITS);
        for (i, stream) in [Stream::Stdout, Stream::Stderr, Stream::Stdout].into_iter().enumerate() {
            capture.next_round();
            capture.push(stream, format!("{i}\n").as_bytes(), now, &mut kept);
        }
        capture.finish(&mut kept);
        let said: Vec<_> = kept.pieces.iter().map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(said, b"012");
    }

    #[test]
    fn what_is_beyond_the_limits_is_counted() {
        let mut kept = Kept { refuse: true, ..Kept::default() };
        let mut capture = Capture::new(LIMITS);
        capture.push(Stream::Stdout, &[b'x'; 1500], Instant::now(), &mut kept);
        capture.finish(&mut kept);
        assert_eq!(kept.pieces.len(), 1);
        assert_eq!(kept.dropped, 1400);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_unseen(
            pushes in prop::collection::vec((any::<bool>(), prop::collection::vec(prop::sample::select(&b"ab\n\xff"[..]), 0..90), any::<bool>()), 0..40)
        ) {
            let (mut kept, mut now) = (Kept::default(), Instant::now());
            let mut capture = Capture::new(LIMITS);
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for (is_out, bytes, pause) in pushes {
                let stream = if is_out { Stream::Stdout } else { Stream::Stderr };
                capture.next_round();
                capture.push(stream, &bytes, now, &mut kept);
                if is_out { out.extend(bytes) } else { err.extend(bytes) }
                if pause {
                    now += LINES_AFTER;
                    capture.tick(now, &mut kept);
                }
            }
            capture.finish(&mut kept);
            prop_assert_eq!(capture.due(), None);
            let (got_out, got_err) = (kept.all(Stream::Stdout), kept.all(Stream::Stderr));
            prop_assert!(out.starts_with(&got_out) && err.starts_with(&got_err));
            prop_assert_eq!((got_out.len() + got_err.len()) as u64 + kept.dropped, (out.len() + err.len()) as u64);
            prop_assert!(kept.dropped == 0 || got_out.len() + got_err.len() == 1100);
            prop_assert!(kept.parts.iter().all(|(_, part)| part.len() <= LIMITS.part));
        }
    }
}
