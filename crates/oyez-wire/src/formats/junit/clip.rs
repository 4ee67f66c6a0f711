//! Bounds what the XML parser takes into memory, and knows where in the file it is.
//!
//! The parser collects one token (a text up to the next `<` or `&`, a tag, a CDATA section, ...) in one buffer, however long it is.
//! [`Clip`] stands before it and watches each token's length. Where a token may lose its rest without harm to the structure,
//! the rest is read over and counted: texts, CDATA sections, comments, quoted attribute values. A tag that is too long outside
//! its quotes is an error.
//!
//! It relies on one property of the parser: a call to `read_event_into` consumes exactly one token, from its first byte on.
//! So [`Clip::begin`] before each call is all the synchronisation there is.

use std::io::{self, BufRead, Read};

use super::error::Position;

/// What a tag may have beside one value cut at the limit, and what a declaration or instruction may have at all, in bytes.
const MARKUP: usize = 1 << 20;

/// A token was longer than allowed, in a place where it cannot be cut.
#[derive(Debug, thiserror::Error)]
#[error("a piece of markup is longer than {limit} bytes")]
pub(super) struct TooLong {
    pub limit: usize,
}

/// What kind of token is being read, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// No byte yet.
    Unknown,
    /// Ends before `<` or `&`.
    Text,
    /// `<`, and nothing yet that tells more.
    Markup,
    /// `<!`, and nothing yet that tells more.
    Bang,
    /// A start or end tag, and the quote that is open in it.
    Tag(Option<u8>),
    /// Ends with the byte twice and `>`: `-` of a comment, `]` of a CDATA section.
    Doubled(u8),
    /// A declaration or processing instruction.
    Other,
}

/// A [`BufRead`] that shortens tokens longer than `limit`.
#[derive(Debug)]
pub(super) struct Clip<R> {
    inner: R,
    limit: usize,
    token: Token,
    /// Bytes of this token that the parser has consumed.
    passed: usize,
    /// How many of the token's last bytes are the byte of [`Token::Doubled`], at most 2.
    run: u8,
    /// What stands in for an end that was read over: given out before `inner` goes on.
    pending: &'static [u8],
    dropped: u64,
    at: Position,
    token_at: Position,
    ended: bool,
}

impl<R: BufRead> Clip<R> {
    pub(super) fn new(inner: R, limit: usize) -> Self {
        Self {
            inner,
            limit,
            token: Token::Unknown,
            passed: 0,
            run: 0,
            pending: b"",
            dropped: 0,
            at: Position::START,
            token_at: Position::START,
            ended: false,
        }
    }

    /// Says that the next byte is the first of a token.
    pub(super) fn begin(&mut self) {
        self.token = Token::Unknown;
        self.passed = 0;
        self.run = 0;
        self.token_at = self.at;
    }

    /// Bytes of this token that were left out; asking sets it back to 0.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Whether the source has said that there is no more.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Where the current token begins.
    pub(super) fn token_at(&self) -> Position {
        self.token_at
    }

    /// Where the next byte to be consumed stands.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    pub(super) fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Reads over what is too much of this token. `Ok(())` leaves the source at the first byte that the parser shall see.
    fn skip(&mut self) -> io::Result<()> {
        match self.token {
            Token::Text => self.skip_to(|piece| memchr::memchr2(b'<', b'&', piece)),
            Token::Tag(Some(quote)) => self.skip_to(|piece| memchr::memchr(quote, piece)),
            Token::Doubled(byte) => self.skip_doubled(byte),
            _ => Ok(()),
        }
    }

    /// Leaves out everything up to the byte that `find` finds.
    fn skip_to(&mut self, find: impl Fn(&[u8]) -> Option<usize>) -> io::Result<()> {
        loop {
            let piece = self.inner.fill_buf()?;
            if piece.is_empty() {
                return Ok(());
            }
            let found = find(piece);
            let length = found.unwrap_or(piece.len());
            self.at = advanced(self.at, &piece[..length]);
            self.inner.consume(length);
            self.dropped += length as u64;
            if found.is_some() {
                return Ok(());
            }
        }
    }

    /// Leaves out everything up to and with `]]>` or `-->`, and has the parser given one of its own.
    ///
    /// The end may have begun in what the parser has consumed already (`]` and then the limit). The one it is given is whole
    /// all the same, so that a cut text may end in one or two brackets more than it should: it is marked as cut anyway.
    fn skip_doubled(&mut self, byte: u8) -> io::Result<()> {
        loop {
            let piece = self.inner.fill_buf()?;
            if piece.is_empty() {
                return Ok(());
            }
            let mut length = 0;
            let mut found = false;
            for &next in piece {
                length += 1;
                if next == byte {
                    self.run = (self.run + 1).min(2);
                } else if next == b'>' && self.run == 2 {
                    found = true;
                    break;
                } else {
                    self.run = 0;
                }
            }
            self.at = advanced(self.at, &piece[..length]);
            self.inner.consume(length);
            self.dropped += length as u64;
            if found {
                self.dropped -= 3_u64.min(self.dropped);
                self.pending = if byte == b'-' { b"-->" } else { b"]]>" };
                return Ok(());
            }
        }
    }
}

impl<R: BufRead> BufRead for Clip<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.pending.is_empty() {
            return Ok(self.pending);
        }
        if self.passed >= self.limit {
            self.skip()?;
            if !self.pending.is_empty() {
                return Ok(self.pending);
            }
        }
        let allowed = match self.token {
            // Their rest was just left out, so what comes now ends them.
            Token::Text | Token::Doubled(_) => usize::MAX,
            Token::Other => MARKUP,
            Token::Unknown | Token::Markup | Token::Bang | Token::Tag(_) => self.limit.saturating_add(MARKUP),
        };
        if self.passed >= allowed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong { limit: allowed }));
        }
        let piece = self.inner.fill_buf()?;
        self.ended = piece.is_empty();
        Ok(piece)
    }

    fn consume(&mut self, amount: usize) {
        if !self.pending.is_empty() {
            self.pending = &self.pending[amount.min(self.pending.len())..];
            return;
        }
        // What `fill_buf` gave before is still in the source's buffer, so this cannot fail nor block.
        let Ok(piece) = self.inner.fill_buf() else { return };
        let piece = &piece[..amount.min(piece.len())];
        (self.token, self.run) = followed(self.token, self.run, piece);
        self.at = advanced(self.at, piece);
        self.passed += piece.len();
        let amount = piece.len();
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Clip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let taken = self.fill_buf()?.read(into)?;
        self.consume(taken);
        Ok(taken)
    }
}

/// The token's state after `bytes` more of it.
fn followed(token: Token, run: u8, bytes: &[u8]) -> (Token, u8) {
    let Some((&first, rest)) = bytes.split_first() else { return (token, run) };
    match token {
        Token::Unknown if first == b'<' => followed(Token::Markup, run, rest),
        Token::Unknown | Token::Text => (Token::Text, run),
        Token::Markup => match first {
            b'?' => (Token::Other, run),
            b'!' => followed(Token::Bang, run, rest),
            _ => followed(Token::Tag(quote_of(None, first)), run, rest),
        },
        Token::Bang => match first {
            b'[' => followed(Token::Doubled(b']'), run, rest),
            b'-' => followed(Token::Doubled(b'-'), run, rest),
            _ => (Token::Other, run),
        },
        Token::Tag(open) => (Token::Tag(bytes.iter().fold(open, |open, &byte| quote_of(open, byte))), run),
        Token::Doubled(byte) => {
            let tail = bytes[bytes.len().saturating_sub(2)..].iter();
            (token, tail.fold(run, |run, &last| if last == byte { (run + 1).min(2) } else { 0 }))
        }
        Token::Other => (token, run),
    }
}

/// The open quote of a tag after one more byte.
fn quote_of(open: Option<u8>, byte: u8) -> Option<u8> {
    match open {
        None if byte == b'"' || byte == b'\'' => Some(byte),
        Some(quote) if quote == byte => None,
        open => open,
    }
}

/// The place after `bytes`.
fn advanced(at: Position, bytes: &[u8]) -> Position {
    let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    let column = match memchr::memrchr(b'\n', bytes) {
        Some(last) => (bytes.len() - last) as u64,
        None => at.column + bytes.len() as u64,
    };
    Position { line: at.line + lines, column, offset: at.offset + bytes.len() as u64 }
}
