//! What stands behind an opcode: numbers and lengths, lines, and the literals of protocol 0.

use std::borrow::Cow;

use super::PickleError;

/// The bytes of a pickle, and how far they have been read.
#[derive(Debug)]
pub(super) struct Input<'p> {
    bytes: &'p [u8],
    pub(super) at: usize,
}

impl<'p> Input<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    fn truncated(&self) -> PickleError {
        PickleError::Truncated { at: self.bytes.len() }
    }

    pub(super) fn u8(&mut self) -> Result<u8, PickleError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.truncated())?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (array, _) = self.bytes[self.at..].split_first_chunk::<N>().ok_or_else(|| self.truncated())?;
        self.at += N;
        Ok(*array)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'p [u8], PickleError> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(len).ok_or_else(|| self.truncated())?;
        self.at += len;
        Ok(taken)
    }

    /// As many bytes as the next `N` say, least significant first.
    pub(super) fn counted<const N: usize>(&mut self) -> Result<&'p [u8], PickleError> {
        let len = self.array::<N>()?;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&len);
        // What does not fit is longer than any pickle.
        self.take(usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX))
    }

    /// The rest of a line, without its end.
    pub(super) fn line(&mut self) -> Result<&'p [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let len = memchr::memchr(b'\n', rest).ok_or_else(|| self.truncated())?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    /// Python refuses a frame that is longer than the rest; what is in it is read like anything else.
    pub(super) fn skip_frame(&mut self) -> Result<(), PickleError> {
        let len = u64::from_le_bytes(self.array()?);
        let rest = self.bytes.len() - self.at;
        if len > rest as u64 { Err(self.truncated()) } else { Ok(()) }
    }
}

/// The bytes of a string literal of Python 2: in quotes, with its escapes. `None`: it is none.
pub(super) fn string(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = match line.trim_ascii() {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return None,
    };
    let Some(first) = memchr::memchr(b'\\', inner) else { return Some(Cow::Borrowed(inner)) };
    let mut out = inner[..first].to_vec();
    let mut rest = &inner[first..];
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        match escape {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(*escape),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'v' => out.push(11),
            b'f' => out.push(12),
            b'r' => out.push(b'\r'),
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                out.push(u8::try_from(digits_of(digits, 16)?).ok()?);
                rest = after;
            }
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                let mut code = u32::from(escape - b'0');
                for digit in &rest[..more] {
                    code = code * 8 + u32::from(digit - b'0');
                }
                // Three digits may say more than a byte holds; Python takes the low bits.
                out.push((code & 0xff) as u8);
                rest = &rest[more..];
            }
            _ => out.extend([b'\\', *escape]),
        }
    }
    Some(Cow::Owned(out))
}

/// The text of a line in Python's raw-unicode-escape: Latin-1, but for `\uXXXX` and `\UXXXXXXXX`. In UTF-8 in which
/// surrogates may stand. `None`: it is none.
pub(super) fn unicode(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    if line.is_ascii() && memchr::memchr(b'\\', line).is_none() {
        return Some(Cow::Borrowed(line));
    }
    let mut out = Vec::with_capacity(line.len() + 8);
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let mut code = u32::from(*byte);
        if *byte == b'\\' {
            let digits = match rest.first() {
                Some(b'u') => 4,
                Some(b'U') => 8,
                Some(other) => {
                    // A pair, so that the second is not taken for the first of an escape.
                    push_code(92, &mut out)?;
                    push_code(u32::from(*other), &mut out)?;
                    rest = &rest[1..];
                    continue;
                }
                None => 0,
            };
            if digits > 0 {
                code = digits_of(rest.get(1..=digits)?, 16)?;
                rest = &rest[digits + 1..];
            }
        }
        push_code(code, &mut out)?;
    }
    Some(Cow::Owned(out))
}

fn digits_of(digits: &[u8], radix: u32) -> Option<u32> {
    digits
        .iter()
        .try_fold(0u32, |n, digit| n.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?))
}

fn push_code(code: u32, out: &mut Vec<u8>) -> Option<()> {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None if (0xd800..0xe000).contains(&code) => {
            let [.., high, low] = code.to_be_bytes();
            out.extend([0xe0 | (high >> 4), 0x80 | ((high & 15) << 2) | (low >> 6), 0x80 | (low & 63)]);
        }
        None => return None,
    }
    Some(())
}

/// Whether these bytes are UTF-8 but for surrogates, each written as if it were a character of its own.
pub(super) fn is_utf8_with_surrogates(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        let Err(error) = std::str::from_utf8(rest) else { return true };
        rest = match &rest[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] => rest,
            _ => return false,
        };
    }
}

/// A floating point number as Python writes it.
pub(super) fn float(line: &[u8]) -> Option<f64> {
    std::str::from_utf8(line.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_old_strings_are_read_as_python_reads_them() {
        for (line, expected) in [
            (&br"'plain'"[..], &b"plain"[..]),
            (br#""it's""#, b"it's"),
            (br"'a\\b\'\n\t\x41\101\0\q'", b"a\\b'\n\tAA\0\\q"),
            (br"'\777\18'", b"\xff\x018"),
            (b"''", b""),
        ] {
            assert_eq!(string(line).as_deref(), Some(expected));
        }
        for wrong in [&b"plain"[..], b"'", b"'a\"", br"'\x4'", br"'\x4g'", br"'\'"] {
            assert_eq!(string(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn escapes_of_unicode_lines_are_read_as_python_reads_them() {
        for (line, expected) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"caf\xe9", "caf\u{e9}".as_bytes()),
            (br"\u20ac\U0001f600\u005c", "\u{20ac}\u{1f600}\\".as_bytes()),
            (br"\ud83d", b"\xed\xa0\xbd"),
            (br"\\u0041\", br"\\u0041\"),
        ] {
            assert_eq!(unicode(line).as_deref(), Some(expected));
        }
        for wrong in [&br"\u12"[..], br"\u12g4", br"\Uffffffff"] {
            assert_eq!(unicode(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn surrogates_may_stand_in_utf8_and_nothing_else_that_is_wrong() {
        assert!(is_utf8_with_surrogates(b"a\xed\xa0\xbd\xed\xb8\x80b"));
        assert!(is_utf8_with_surrogates("\u{1f600}".as_bytes()));
        for wrong in [&b"\xff"[..], b"\xed\xa0", b"\xc0\x80", b"a\xed\xa0\xbd\xff"] {
            assert!(!is_utf8_with_surrogates(wrong));
        }
    }
}
