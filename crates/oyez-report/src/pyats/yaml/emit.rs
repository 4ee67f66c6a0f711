//! Lines and indents of block style.
//!
//! What PyYAML's emitter remembers between two tokens is the column, and whether nothing but space and indicators
//! (`-`, `?`) stand on the line so far: then a collection begins on that line (`- - 1`, `- a: 1`).

/// Where the text stands.
#[derive(Debug)]
pub(super) struct Emitter {
    /// Characters on this line; all are ASCII, so bytes.
    pub(super) column: usize,
    /// Whether the last character was a space, or there is none.
    pub(super) after_space: bool,
    /// Whether only indents and indicators stand on this line.
    pub(super) only_indent: bool,
}

impl Default for Emitter {
    fn default() -> Self {
        Emitter { column: 0, after_space: true, only_indent: true }
    }
}

const SPACES: &[u8; 64] = b"                                                                ";

impl Emitter {
    /// A word that stands for itself, after a space where one is due.
    pub(super) fn indicator(&mut self, out: &mut Vec<u8>, word: &str) {
        self.space(out);
        self.word(out, word);
        self.only_indent = false;
    }

    /// A space where one is due.
    pub(super) fn space(&mut self, out: &mut Vec<u8>) {
        if !self.after_space {
            out.push(b' ');
            self.column += 1;
        }
    }

    /// Characters, as they are.
    pub(super) fn word(&mut self, out: &mut Vec<u8>, word: &str) {
        out.extend_from_slice(word.as_bytes());
        self.column += word.len();
        self.after_space = false;
    }

    /// The end of a line.
    pub(super) fn line(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
        (self.column, self.after_space, self.only_indent) = (0, true, true);
    }

    /// Goes to this column: on this line when nothing but indicators stands before it, else on the next.
    pub(super) fn indent(&mut self, out: &mut Vec<u8>, indent: usize) {
        if !self.only_indent || self.column > indent || self.column == indent && !self.after_space {
            self.line(out);
        }
        if self.column < indent {
            self.after_space = true;
            let mut left = indent - self.column;
            while left > 0 {
                let n = left.min(SPACES.len());
                out.extend_from_slice(&SPACES[..n]);
                left -= n;
            }
            self.column = indent;
        }
    }

    /// The `-` of an item, after which the item may begin on the same line; also the `?` and `:` of a long key.
    pub(super) fn mark(&mut self, out: &mut Vec<u8>, indent: usize, mark: &str) {
        self.indent(out, indent);
        self.space(out);
        self.word(out, mark);
    }

    /// The `-` of an item.
    pub(super) fn item(&mut self, out: &mut Vec<u8>, indent: usize) {
        self.mark(out, indent, "-");
    }

    /// A key of ours, which needs no quotes.
    pub(super) fn key(&mut self, out: &mut Vec<u8>, indent: usize, key: &str) {
        self.indent(out, indent);
        self.word(out, key);
        self.only_indent = false;
        self.colon(out);
    }

    /// The `:` after a short key.
    pub(super) fn colon(&mut self, out: &mut Vec<u8>) {
        self.word(out, ":");
        self.only_indent = false;
    }

    /// The end of the document.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if self.column > 0 {
            self.line(out);
        }
    }
}
