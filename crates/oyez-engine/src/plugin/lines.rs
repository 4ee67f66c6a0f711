//! Bytes to lines, none longer than a limit.

/// A line that is not complete yet.
#[derive(Debug)]
pub(super) struct Lines {
    begin: Vec<u8>,
    limit: usize,
    is_too_long: bool,
}

/// What came of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end; never blank.
    Whole(Vec<u8>),
    /// One that is longer than the limit; nothing comes after it.
    TooLong,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Lines {
        Lines { begin: Vec::new(), limit, is_too_long: false }
    }

    /// More bytes; `each` gets the lines that they complete, until it says no.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line) -> bool) {
        while !self.is_too_long {
            let end = bytes.iter().position(|b| *b == b'\n');
            let (now, later) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.begin.len() + now.len() > self.limit {
                self.is_too_long = true;
                self.begin = Vec::new();
                each(Line::TooLong);
                return;
            }
            self.begin.extend_from_slice(now);
            if end.is_none() {
                return;
            }
            bytes = &later[1..];
            let line = std::mem::take(&mut self.begin);
            if !line.iter().all(u8::is_ascii_whitespace) && !each(Line::Whole(line)) {
                return;
            }
        }
    }

    /// The end: what came last without an end of line counts as one.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Line) -> bool) {
        let line = std::mem::take(&mut self.begin);
        if !line.iter().all(u8::is_ascii_whitespace) {
            each(Line::Whole(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(bytes: &[u8], limit: usize, at: usize) -> Vec<Line> {
        let (mut lines, mut out) = (Lines::new(limit), Vec::new());
        let (a, b) = bytes.split_at(at.min(bytes.len()));
        let mut each = |line| {
            out.push(line);
            true
        };
        lines.push(a, &mut each);
        lines.push(b, &mut each);
        lines.finish(&mut each);
        out
    }

    #[test]
    fn a_line_beyond_the_limit_is_the_last() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(split(b"ab\n\n  \nabc\nd", 3, 1), [whole("ab"), whole("abc"), whole("d")]);
        assert_eq!(split(b"ab\nabcd\nd\n", 3, 5), [whole("ab"), Line::TooLong]);
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b' ')], 0..60),
            at in 0_usize..60,
            limit in 1_usize..20,
        ) {
            prop_assert_eq!(split(&bytes, limit, at), split(&bytes, limit, 0));
        }
    }
}
