//! The reader: bytes in, items out.

use std::io::BufRead;

use quick_xml::events::Event;

use super::clip::{Clip, TooLong};
use super::decode::{Decode, UnknownEncoding};
use super::error::{JunitError, Position};
use super::item::{Case, Item};
use super::limits::{Limits, Notes};
use super::tree::Tree;

/// Reads one JUnit XML file. An [`Iterator`] of its [`Item`]s; after an error there is nothing more.
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    xml: quick_xml::Reader<Clip<Decode<R>>>,
    /// The token being looked at; kept to spare an allocation for each.
    buffer: Vec<u8>,
    tree: Tree,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `source` with the default [`Limits`]. Nothing is read before the first item is asked for.
    pub fn new(source: R) -> Self {
        Self::with_limits(source, Limits::default())
    }

    /// Reads from `source` within `limits`.
    pub fn with_limits(source: R, limits: Limits) -> Self {
        let mut xml = quick_xml::Reader::from_reader(Clip::new(Decode::new(source), limits.text));
        let config = xml.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self { xml, buffer: Vec::new(), tree: Tree::new(limits), done: false }
    }

    /// What the reader had to be lenient about so far.
    pub fn notes(&self) -> Notes {
        Notes { lossy: self.xml.get_ref().get_ref().lossy(), ..self.tree.notes }
    }

    /// The innermost case that is open. After [`JunitError::Truncated`] it is the one that was cut off: what is in it may be
    /// half of it, and its status is not decided.
    pub fn unfinished(&self) -> Option<&Case> {
        self.tree.case()
    }

    /// How far the file was read.
    pub fn position(&self) -> Position {
        self.xml.get_ref().at()
    }

    /// Reads up to the next item; None at the end.
    fn advance(&mut self) -> Result<Option<Item>, JunitError> {
        loop {
            self.buffer.clear();
            self.xml.get_mut().begin();
            let event = match self.xml.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.failed(error)),
            };
            let dropped = self.xml.get_mut().take_dropped();
            let at = self.xml.get_ref().token_at();
            let item = match event {
                Event::Start(tag) => self.tree.opened(&tag, at, dropped)?,
                Event::End(_) => self.tree.closed(),
                Event::Text(text) => self.tree.text(&text, at, dropped).map(|()| None)?,
                Event::CData(text) => self.tree.text(&text, at, dropped).map(|()| None)?,
                Event::GeneralRef(name) => self.tree.reference(&name, at).map(|()| None)?,
                Event::DocType(_) => {
                    self.tree.notes.doctypes += 1;
                    None
                }
                Event::Eof if self.tree.is_complete() => return Ok(None),
                Event::Eof => return Err(self.truncated()),
                // expand_empty_elements leaves no Empty; the others say nothing about tests.
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => None,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    fn truncated(&self) -> JunitError {
        JunitError::Truncated { at: self.xml.get_ref().token_at(), open: self.tree.names() }
    }

    /// What the parser's error means.
    fn failed(&self, error: quick_xml::Error) -> JunitError {
        let source = self.xml.get_ref();
        if let quick_xml::Error::Io(error) = &error {
            let inner = error.get_ref();
            if let Some(TooLong { limit }) = inner.and_then(|inner| inner.downcast_ref()) {
                return JunitError::TooLong { at: source.token_at(), limit: *limit };
            }
            if let Some(UnknownEncoding(label)) = inner.and_then(|inner| inner.downcast_ref()) {
                return JunitError::Encoding { label: label.clone() };
            }
            let source = std::io::Error::new(error.kind(), std::sync::Arc::clone(error));
            return JunitError::Io { at: self.position(), source };
        }
        if source.ended() {
            return self.truncated();
        }
        JunitError::Malformed { at: source.token_at(), what: error.to_string() }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Item, JunitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let outcome = self.advance();
        self.done = !matches!(outcome, Ok(Some(_)));
        outcome.transpose()
    }
}

impl<R: BufRead> std::iter::FusedIterator for Reader<R> {}
