//! Bytes in any encoding to UTF-8, lossy and in bounded pieces.
//!
//! The encoding is, in this order: that of a byte order mark; UTF-16 if every second byte of the first tag is zero; the one
//! that the XML declaration names; UTF-8. A declaration that can be read as ASCII cannot be UTF-16, whatever it says: .NET
//! writers that serialise into a string leave such declarations in files that are UTF-8.
//!
//! Bytes that are not of the encoding become U+FFFD: a report full of test output is worth more with a hole in it than not
//! at all.

use std::io::{self, BufRead, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

/// How much of the start is looked at to find the XML declaration's `encoding`.
const HEAD: usize = 512;
/// Bytes decoded at a time. It also bounds what the parser sees in one piece.
const PIECE: usize = 32 * 1024;

/// The XML declaration names an encoding that is not known.
#[derive(Debug, thiserror::Error)]
#[error("unknown encoding {0:?}")]
pub(super) struct UnknownEncoding(pub String);

/// A [`BufRead`] over UTF-8 made from a [`BufRead`] over anything.
pub(super) struct Decode<R> {
    inner: R,
    /// The first bytes, read to find the encoding and not decoded yet from `head_at` on.
    head: Vec<u8>,
    head_at: usize,
    /// None until the encoding is known.
    decoder: Option<Decoder>,
    /// Decoded and not consumed: `out[at..end]`.
    out: Box<[u8]>,
    at: usize,
    end: usize,
    finished: bool,
    lossy: bool,
}

// By hand, as the buffers would fill a screen.
impl<R> std::fmt::Debug for Decode<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decode")
            .field("encoding", &self.decoder.as_ref().map(|decoder| decoder.encoding().name()))
            .field("lossy", &self.lossy)
            .finish_non_exhaustive()
    }
}

impl<R: BufRead> Decode<R> {
    /// Reads nothing yet.
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            head: Vec::new(),
            head_at: 0,
            decoder: None,
            out: vec![0; PIECE].into_boxed_slice(),
            at: 0,
            end: 0,
            finished: false,
            lossy: false,
        }
    }

    /// Whether any byte had to be replaced by U+FFFD so far.
    pub(super) fn lossy(&self) -> bool {
        self.lossy
    }

    /// Reads the start, without giving it out, until the encoding is certain.
    fn find_encoding(&mut self) -> io::Result<Decoder> {
        while self.head.len() < HEAD && !declaration_ends(&self.head) {
            let piece = self.inner.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            let taken = piece.len().min(HEAD - self.head.len());
            self.head.extend_from_slice(&piece[..taken]);
            self.inner.consume(taken);
        }
        if let Some((encoding, mark)) = Encoding::for_bom(&self.head) {
            self.head_at = mark;
            return Ok(encoding.new_decoder_without_bom_handling());
        }
        let encoding = match self.head.as_slice() {
            [b'<', 0, ..] => UTF_16LE,
            [0, b'<', ..] => UTF_16BE,
            head => match declared(head) {
                None => UTF_8,
                Some(label) => match Encoding::for_label(label) {
                    Some(known) if known == UTF_16LE || known == UTF_16BE => UTF_8,
                    Some(known) if known != REPLACEMENT => known,
                    _ => {
                        let label = String::from_utf8_lossy(label).into_owned();
                        return Err(io::Error::new(io::ErrorKind::InvalidData, UnknownEncoding(label)));
                    }
                },
            },
        };
        Ok(encoding.new_decoder_without_bom_handling())
    }
}

impl<R: BufRead> BufRead for Decode<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.end {
            return Ok(&self.out[self.at..self.end]);
        }
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => self.find_encoding()?,
        };
        let mut outcome = Ok(());
        while self.at == self.end && !self.finished {
            let from_head = self.head_at < self.head.len();
            let piece = if from_head {
                &self.head[self.head_at..]
            } else {
                match self.inner.fill_buf() {
                    Ok(piece) => piece,
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            };
            let last = piece.is_empty();
            let (result, read, written, replaced) = decoder.decode_to_utf8(piece, &mut self.out, last);
            if from_head {
                self.head_at += read;
            } else {
                self.inner.consume(read);
            }
            self.at = 0;
            self.end = written;
            self.lossy |= replaced;
            // A decoder must not be called again after its last piece went in whole.
            self.finished = last && result == CoderResult::InputEmpty;
        }
        self.decoder = Some(decoder);
        outcome.map(|()| &self.out[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.end.min(self.at + amount);
    }
}

impl<R: BufRead> Read for Decode<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let taken = self.fill_buf()?.read(into)?;
        self.consume(taken);
        Ok(taken)
    }
}

/// Whether more of the start would not change what [`declared`] says: there is no declaration, or it is there whole.
fn declaration_ends(head: &[u8]) -> bool {
    const OPEN: &[u8] = b"<?xml";
    if head.len() < OPEN.len() {
        return head.len() >= 4 && !OPEN.starts_with(head) && !head.starts_with(&[0xEF, 0xBB, 0xBF]);
    }
    !head.starts_with(OPEN) || head.contains(&b'>')
}

/// The value of `encoding` in an XML declaration.
fn declared(head: &[u8]) -> Option<&[u8]> {
    let declaration = head.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr::memchr(b'>', declaration)?];
    let after_name = &declaration[memchr::memmem::find(declaration, b"encoding")? + b"encoding".len()..];
    let value = after_name.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    let end = memchr::memchr(*quote, value)?;
    Some(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes with a source that gives `step` bytes at a time.
    fn decode(bytes: &[u8], step: usize) -> (io::Result<String>, bool) {
        let mut decode = Decode::new(io::BufReader::with_capacity(step, bytes));
        let mut text = String::new();
        let outcome = decode.read_to_string(&mut text).map(|_| text);
        (outcome, decode.lossy())
    }

    #[test]
    fn every_way_to_name_an_encoding_gives_the_same_text() {
        let text = "<?xml version='1.0'?><a>é €</a>";
        let latin = b"<?xml version='1.0' encoding = \"windows-1252\" ?><a>\xe9 \x80</a>".to_vec();
        let mut little = vec![0xff, 0xfe];
        little.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let mut big = vec![0xfe, 0xff];
        big.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        let mut marked = vec![0xef, 0xbb, 0xbf];
        marked.extend(text.as_bytes());
        let liar = text.replace("'1.0'", "'1.0' encoding='utf-16'").into_bytes();
        let unmarked = little[2..].to_vec();
        for bytes in [text.as_bytes().to_vec(), latin, little, big, marked, liar, unmarked] {
            for step in [1, 2, 3, 7, 4096] {
                let (decoded, lossy) = decode(&bytes, step);
                let decoded = decoded.unwrap();
                assert!(decoded.ends_with("<a>é €</a>"), "{decoded}");
                assert!(decoded.starts_with("<?xml"), "{decoded}");
                assert!(!lossy);
            }
        }
    }

    #[test]
    fn a_byte_that_is_not_utf_8_is_replaced_and_noted() {
        let (text, lossy) = decode(b"<a>\xe9</a>", 1);
        assert_eq!(text.unwrap(), "<a>\u{fffd}</a>");
        assert!(lossy);
    }

    #[test]
    fn an_unknown_encoding_is_named_in_the_error() {
        let (outcome, _) = decode(b"<?xml version='1.0' encoding='klingon'?><a/>", 4096);
        let error = outcome.unwrap_err();
        let inner = error.get_ref().unwrap().downcast_ref::<UnknownEncoding>().unwrap();
        assert_eq!(inner.0, "klingon");
    }

    #[test]
    fn the_end_is_the_end_however_often_it_is_asked_for() {
        let mut decode = Decode::new(&b"a"[..]);
        let mut text = String::new();
        decode.read_to_string(&mut text).unwrap();
        for _ in 0..3 {
            assert!(decode.fill_buf().unwrap().is_empty());
        }
    }
}
