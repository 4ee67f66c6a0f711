//! How pyATS cuts a message into chunks on its socket, in both directions.
//!
//! A chunk is three bytes and then its payload: 0 when it is the last of its message and anything else when more follow, and
//! the length of the payload, two bytes, most significant first. A message of nothing is one empty chunk.
//! Source: `specs/pyats.md` 1.1.

/// The most that one chunk holds.
pub const CHUNK: usize = 65_535;

/// Larger messages are refused unless somebody says otherwise; pyATS has no limit, 33 MB were seen to work.
pub const MAX_MESSAGE: usize = 256 << 20;

/// Buffers beyond this size are given back once their message has been taken.
const KEEP: usize = 1 << 20;

const HEADER: usize = 3;

/// Why a stream of chunks cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message grows beyond the limit. What follows on this stream cannot be told apart any more: close it.
    #[error("a message of more than {limit} bytes; send less in one call, or raise the limit")]
    TooLarge {
        /// The most bytes that a message may have.
        limit: usize,
    },
}

/// Finds whole messages in what arrives on a socket, in pieces of any size.
///
/// ```
/// use oyez_wire::pyats::frame::{Frames, encode};
///
/// let mut bytes = Vec::new();
/// encode(b"one", &mut bytes);
/// encode(b"two", &mut bytes);
///
/// let mut frames = Frames::default();
/// let mut arrived = &bytes[..];
/// assert_eq!(frames.next(&mut arrived), Ok(Some(&b"one"[..])));
/// assert_eq!(frames.next(&mut arrived), Ok(Some(&b"two"[..])));
/// assert_eq!(frames.next(&mut arrived), Ok(None));
/// assert!(arrived.is_empty() && !frames.is_mid_message());
/// ```
#[derive(Clone, Debug)]
pub struct Frames {
    /// What has arrived of the chunks of this message.
    message: Vec<u8>,
    /// What has arrived of the next chunk's header.
    header: [u8; HEADER],
    /// How many bytes of `header` are there; all of them while a payload arrives.
    header_len: usize,
    /// What is still to come of this chunk's payload.
    missing: usize,
    /// A chunk has ended and said that more follow.
    more: bool,
    /// `message` was handed out whole, and is forgotten by the next call.
    taken: bool,
    limit: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Frames::new(MAX_MESSAGE)
    }
}

impl Frames {
    /// A stream of which nothing has arrived; messages of more than `limit` bytes are an error.
    #[must_use]
    pub fn new(limit: usize) -> Frames {
        Frames {
            message: Vec::new(),
            header: [0; HEADER],
            header_len: 0,
            missing: 0,
            more: false,
            taken: false,
            limit,
        }
    }

    /// The next whole message, or `None` when `arrived` has been used up before its end. What was used is cut off the
    /// front of `arrived`: call again until there is `None`, then with what arrives next. A message of one chunk that has
    /// arrived as a whole is not copied.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`], again and again: the stream cannot be used any more.
    pub fn next<'f, 'i: 'f>(&'f mut self, arrived: &mut &'i [u8]) -> Result<Option<&'f [u8]>, FrameError> {
        if self.taken {
            self.taken = false;
            self.message.clear();
            self.message.shrink_to(KEEP);
        }
        if !self.is_mid_message()
            && let Some((&[0, high, low], rest)) = arrived.split_first_chunk::<HEADER>()
            && let Some((message, rest)) = rest.split_at_checked(length(high, low))
            && message.len() <= self.limit
        {
            *arrived = rest;
            return Ok(Some(message));
        }
        while !arrived.is_empty() {
            if self.header_len < HEADER {
                self.take_header(arrived);
                if self.header_len < HEADER {
                    break;
                }
                self.missing = length(self.header[1], self.header[2]);
                self.message.reserve(self.missing.min(self.limit));
            }
            if self.message.len() + self.missing > self.limit {
                return Err(FrameError::TooLarge { limit: self.limit });
            }
            let (payload, rest) = arrived.split_at(self.missing.min(arrived.len()));
            self.message.extend_from_slice(payload);
            self.missing -= payload.len();
            *arrived = rest;
            if self.missing > 0 {
                break;
            }
            self.header_len = 0;
            if self.header[0] == 0 {
                self.more = false;
                self.taken = true;
                return Ok(Some(&self.message));
            }
            self.more = true;
        }
        Ok(None)
    }

    fn take_header(&mut self, arrived: &mut &[u8]) {
        let (bytes, rest) = arrived.split_at(arrived.len().min(HEADER - self.header_len));
        self.header[self.header_len..][..bytes.len()].copy_from_slice(bytes);
        self.header_len += bytes.len();
        *arrived = rest;
    }

    /// Whether some bytes of a chunk's header have arrived, and not all.
    #[must_use]
    pub fn is_mid_header(&self) -> bool {
        (1..HEADER).contains(&self.header_len)
    }

    /// Whether a message has begun and not ended: an end of the stream here has cut it off.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.header_len > 0 || self.more
    }
}

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

/// Appends a message to `out`, in chunks as pyATS cuts it: full ones, and the rest in the last.
pub fn encode(message: &[u8], out: &mut Vec<u8>) {
    out.reserve(message.len() + HEADER * (message.len() / CHUNK + 1));
    let mut rest = message;
    while let Some((chunk, after)) = rest.split_at_checked(CHUNK)
        && !after.is_empty()
    {
        push_chunk(true, chunk, out);
        rest = after;
    }
    push_chunk(false, rest, out);
}

/// Appends the message that `write` appends, in chunks; one that fits into one chunk is not copied.
pub fn encode_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    write(out);
    let message = start + HEADER;
    match u16::try_from(out.len().saturating_sub(message)) {
        Ok(len) if out.len() >= message => out[start + 1..message].copy_from_slice(&len.to_be_bytes()),
        _ => {
            let message = out.split_off(message.min(out.len()));
            out.truncate(start);
            encode(&message, out);
        }
    }
}

fn push_chunk(more: bool, payload: &[u8], out: &mut Vec<u8>) {
    let [.., high, low] = payload.len().to_be_bytes();
    out.extend_from_slice(&[u8::from(more), high, low]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn all(frames: &mut Frames, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for piece in pieces {
            let mut arrived = *piece;
            while let Some(message) = frames.next(&mut arrived).unwrap() {
                messages.push(message.to_vec());
            }
            assert!(arrived.is_empty());
        }
        messages
    }

    fn encoded(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(message, &mut out);
        out
    }

    #[test]
    fn messages_are_cut_as_pyats_cuts_them() {
        let heads = |len: usize| {
            let bytes = encoded(&vec![7; len]);
            bytes.chunks(HEADER + CHUNK).map(|chunk| (chunk[0], chunk[1], chunk[2])).collect::<Vec<_>>()
        };
        assert_eq!(heads(0), [(0, 0, 0)]);
        assert_eq!(heads(CHUNK), [(0, 255, 255)]);
        assert_eq!(heads(CHUNK + 1), [(1, 255, 255), (0, 0, 1)]);
        assert_eq!(heads(2 * CHUNK), [(1, 255, 255), (0, 255, 255)]);
    }

    #[test]
    fn a_message_written_in_place_is_the_same() {
        for len in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            let message = vec![3; len];
            let mut out = b"before".to_vec();
            encode_with(&mut out, |out| out.extend_from_slice(&message));
            assert_eq!(out, [b"before", &encoded(&message)[..]].concat());
        }
    }

    #[test]
    fn small_chunks_any_flag_and_empty_chunks_are_read() {
        let bytes = [&b"\x01\x00\x02ab\xff\x00\x00\x80\x00\x01c\x00\x00\x00"[..], b"\x00\x00\x00"].concat();
        let expected = vec![b"abc".to_vec(), Vec::new()];
        assert_eq!(all(&mut Frames::default(), &[&bytes]), expected);
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&mut Frames::default(), &bytewise), expected);
    }

    #[test]
    fn an_end_within_a_message_is_told_from_one_between_messages() {
        let bytes = b"\x01\x00\x01a\x00\x00\x01b";
        for cut in 0..=bytes.len() {
            let mut frames = Frames::default();
            all(&mut frames, &[&bytes[..cut]]);
            assert_eq!(frames.is_mid_message(), !matches!(cut, 0 | 8), "{cut}");
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_an_error_and_stays_one() {
        let bytes = encoded(&[1; 100]);
        assert!(Frames::new(100).next(&mut &bytes[..]).unwrap().is_some());
        let mut frames = Frames::new(99);
        for _ in 0..3 {
            assert_eq!(frames.next(&mut &bytes[..]), Err(FrameError::TooLarge { limit: 99 }));
        }
        let mut frames = Frames::new(99);
        let two = [b"\x01\x00\x32", &[0; 50][..], b"\x00\x00\x32", &[0; 50][..]].concat();
        assert_eq!(frames.next(&mut &two[..]), Err(FrameError::TooLarge { limit: 99 }));
    }

    #[test]
    fn an_announced_length_takes_no_memory_for_what_never_comes() {
        let mut frames = Frames::default();
        all(&mut frames, &[b"\x01\xff\xff"]);
        assert!(frames.message.capacity() <= 2 * CHUNK);
    }

    proptest! {
        #[test]
        fn messages_come_back_from_pieces_of_any_size(
            messages in vec(prop_oneof![4 => vec(any::<u8>(), 0..20), 1 => Just(vec![5; CHUNK + 9])], 0..6),
            sizes in vec(1..40_000usize, 1..20),
        ) {
            let mut bytes = Vec::new();
            messages.iter().for_each(|message| encode(message, &mut bytes));
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(rest.len().min(*size));
                pieces.push(piece);
                rest = after;
            }
            let mut frames = Frames::default();
            prop_assert_eq!(all(&mut frames, &pieces), messages);
            prop_assert!(!frames.is_mid_message());
        }
    }
}
