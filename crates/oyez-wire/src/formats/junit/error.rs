//! What can be wrong with a report, and where.

use std::fmt;

/// A place in a report, counted in the text as it is after decoding to UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: u64,
    /// In bytes, from 1.
    pub column: u64,
    /// Bytes before this place, without a byte order mark.
    pub offset: u64,
}

impl Position {
    /// The first byte of a file.
    pub const START: Self = Self { line: 1, column: 1, offset: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} (byte {})", self.line, self.column, self.offset)
    }
}

/// Why a report could not be read further. Whatever was complete before this place has been given out already.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JunitError {
    /// The file stops before its elements are closed: its writer was killed, or is still writing.
    #[error(
        "the JUnit report stops at {at}{}: its writer did not finish it; the tests before that place are kept, the report is \
         incomplete",
        inside(open)
    )]
    Truncated {
        /// Where the last, broken piece begins, or the end of the file if no piece is broken.
        at: Position,
        /// The names of the suites and the case that were open, outermost first. Empty in a file that has no root yet.
        open: Vec<String>,
    },

    /// A file of some other kind.
    #[error(
        "this is no JUnit report: at {at} stands {found}, where <testsuites> or <testsuite> was expected; give the file with \
         the format that it has"
    )]
    NotJunit {
        /// Where the foreign thing begins.
        at: Position,
        /// What stands there: an element as `<name>`, or the first words of a text.
        found: String,
    },

    /// Not well-formed XML.
    #[error(
        "the JUnit report is no well-formed XML at {at}: {what}; write it again with the tool that made it"
    )]
    Malformed {
        /// Where the broken piece begins.
        at: Position,
        /// The parser's words.
        what: String,
    },

    /// Deeper than the reader follows.
    #[error(
        "the JUnit report nests deeper than {limit} levels at {at}; no test tool writes that, look for its cause there"
    )]
    TooDeep {
        /// Where the element that goes too deep begins.
        at: Position,
        /// The depth allowed: of suites, or of any elements.
        limit: usize,
    },

    /// A tag or declaration of a size that is no longer one.
    #[error(
        "the JUnit report has a piece of markup of more than {limit} bytes at {at}; a quote or bracket is missing there"
    )]
    TooLong {
        /// Where the piece begins.
        at: Position,
        /// The size allowed, in bytes.
        limit: usize,
    },

    /// The XML declaration names an encoding that is not known.
    #[error(
        "the JUnit report says that it is encoded in {label:?}, which is not known; convert it to UTF-8 and read it again"
    )]
    Encoding {
        /// The label, as declared.
        label: String,
    },

    /// The bytes could not be read.
    #[error(
        "reading the JUnit report failed after {at}: {source}; see that the file can be read, and try again"
    )]
    Io {
        /// How far reading had come.
        at: Position,
        /// What the source said.
        source: std::io::Error,
    },
}

/// The open elements as the middle of a sentence.
fn inside(open: &[String]) -> String {
    if open.is_empty() { String::new() } else { format!(", inside {}", open.join(" > ")) }
}
