//! How much of a report is kept, and what is told of the rest.

/// How much of a report is kept. A report within the defaults costs at most about `case` + 2 x `text` of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Suites in suites, the root counted in. Deeper is an error. Default 64.
    pub suites: usize,
    /// Elements in elements, of any kind. Deeper is an error. Default 128.
    pub elements: usize,
    /// Bytes of one text, one `message` or one `value`; the rest is counted and left out. Default 16 MiB.
    pub text: usize,
    /// Bytes of all texts and attributes of one case together; the rest is counted and left out. Default 64 MiB.
    pub case: usize,
    /// Bytes of any other attribute; the rest is counted and left out. Default 16 KiB.
    pub name: usize,
    /// Of a case: messages, attempts, properties, attributes, each; the rest is counted and left out. Default 4096.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { suites: 64, elements: 128, text: 16 << 20, case: 64 << 20, name: 16 << 10, parts: 4096 }
    }
}

/// What the reader had to be lenient about, for the whole file so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    /// Bytes were not of the file's encoding and became U+FFFD.
    pub lossy: bool,
    /// References to entities that XML does not define, left as they are written.
    pub unknown_references: u64,
    /// Elements that no known writer uses here, passed through.
    pub unknown_elements: u64,
    /// Bytes of text, other than white space, that stood where no text belongs; left out.
    pub stray_text_bytes: u64,
    /// DOCTYPE declarations, skipped.
    pub doctypes: u64,
}
