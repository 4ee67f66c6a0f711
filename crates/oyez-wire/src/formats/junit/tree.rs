//! The open elements, and what a start tag or a text adds to them. What an end tag does is in `close`.

use quick_xml::events::BytesStart;

use super::attributes::{Attributes, append, append_reference};
use super::error::{JunitError, Position};
use super::item::{Case, Item, Text};
use super::limits::{Limits, Notes};
use super::open::{Element, Open, OpenSuite};

/// What is known of the elements that have begun and not ended. It reads no bytes itself: tokens come in, items go out.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub limits: Limits,
    pub notes: Notes,
    /// Outermost first.
    pub stack: Vec<Open>,
    /// How many of the open elements are suites.
    pub suites: usize,
    /// How many of the open elements are cases.
    pub cases: usize,
    /// Bytes kept for the open cases.
    pub held: usize,
    /// Whether there is a report at all.
    pub root_seen: bool,
}

impl Tree {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether the report could end here.
    pub(super) fn is_complete(&self) -> bool {
        self.root_seen && self.stack.is_empty()
    }

    /// The names of what is open, outermost first.
    pub(super) fn names(&self) -> Vec<String> {
        self.stack.iter().filter_map(Open::name).map(str::to_owned).collect()
    }

    /// The innermost open case.
    pub(super) fn case(&self) -> Option<&Case> {
        self.stack.iter().rev().find_map(|open| match open {
            Open::Case(case) => Some(&**case),
            _ => None,
        })
    }

    /// A start tag.
    pub(super) fn opened(
        &mut self,
        tag: &BytesStart<'_>,
        at: Position,
        dropped: u64,
    ) -> Result<Option<Item>, JunitError> {
        let name = tag.local_name();
        let element = Element::named(name.as_ref());
        if self.stack.is_empty() && !matches!(element, Element::Suite { .. }) {
            return Err(JunitError::NotJunit { at, found: format!("<{}>", excerpt(name.as_ref())) });
        }
        if self.stack.len() >= self.limits.elements {
            return Err(JunitError::TooDeep { at, limit: self.limits.elements });
        }
        let in_text = self.stack.last().is_some_and(Open::is_text);
        let element = match element {
            _ if in_text => Element::Unknown,
            // There is no case that it could be an attempt of.
            Element::Attempt(_) if self.cases == 0 => Element::Unknown,
            element => element,
        };
        if matches!(element, Element::Suite { .. }) && self.suites >= self.limits.suites {
            return Err(JunitError::TooDeep { at, limit: self.limits.suites });
        }
        let room = if matches!(element, Element::Suite { .. }) { usize::MAX } else { self.room() };
        let limits = self.limits;
        let mut attributes = Attributes { limits: &limits, notes: &mut self.notes, room, dropped };
        let malformed = |what| JunitError::Malformed { at, what };
        let mut item = None;
        let open = match element {
            Element::Suite { wrapper } => {
                let suite = attributes.suite(tag, self.suites, wrapper).map_err(malformed)?;
                self.root_seen = true;
                self.suites += 1;
                let open = OpenSuite {
                    name: suite.name.clone(),
                    wrapper,
                    depth: suite.depth,
                    announced: suite.announced,
                    seen: Default::default(),
                };
                item = Some(Item::SuiteStart(Box::new(suite)));
                Open::Suite(open)
            }
            Element::Case => {
                let case = attributes.case(tag).map_err(malformed)?;
                self.cases += 1;
                Open::Case(Box::new(case))
            }
            Element::Property => {
                let (name, value) = attributes.property(tag).map_err(malformed)?;
                Open::Property { name, value, text: Text::default(), dropped: attributes.dropped }
            }
            Element::Message(kind) => {
                Open::Message(Box::new(attributes.message(tag, kind).map_err(malformed)?))
            }
            Element::Attempt(kind) => {
                let attempt = Box::new(attributes.attempt(tag, kind).map_err(malformed)?);
                Open::Attempt { attempt, trace: None }
            }
            Element::Trace => Open::Trace(Text::default()),
            Element::Output(stream) => Open::Output(stream, Text::default()),
            Element::Group => Open::Transparent { in_text },
            Element::Unknown => {
                attributes.notes.unknown_elements += 1;
                Open::Transparent { in_text }
            }
        };
        if self.cases > 0 && !matches!(open, Open::Suite(_)) {
            self.held += room - attributes.room;
        }
        self.stack.push(open);
        Ok(item)
    }

    /// A piece of text.
    pub(super) fn text(&mut self, piece: &str, at: Position, dropped: u64) -> Result<(), JunitError> {
        // As XML would have it: every line end is one line feed.
        let unix;
        let piece = if memchr::memchr(b'\r', piece.as_bytes()).is_some() {
            unix = piece.replace("\r\n", "\n").replace('\r', "\n");
            unix.as_str()
        } else {
            piece
        };
        self.kept(piece, at, |text, limit, _| {
            append(text, piece, limit);
            text.dropped_bytes += dropped;
        })
    }

    /// A reference in a text.
    pub(super) fn reference(&mut self, name: &str, at: Position) -> Result<(), JunitError> {
        self.kept(name, at, |text, limit, notes| append_reference(text, name, limit, notes))
    }

    /// Has `add` append to the text that is open, or accounts for `piece` as stray.
    fn kept(
        &mut self,
        piece: &str,
        at: Position,
        add: impl FnOnce(&mut Text, usize, &mut Notes),
    ) -> Result<(), JunitError> {
        let room = self.room();
        let target = self.stack.iter_mut().rev().find(|open| !matches!(open, Open::Transparent { .. }));
        if let Some(text) = target.and_then(Open::text) {
            let before = text.text.len();
            add(text, self.limits.text.min(before.saturating_add(room)), &mut self.notes);
            if self.cases > 0 {
                self.held += text.text.len() - before;
            }
        } else if !self.root_seen && !piece.trim().is_empty() {
            return Err(JunitError::NotJunit { at, found: format!("{:?}", excerpt(piece)) });
        } else {
            self.stray(piece);
        }
        Ok(())
    }

    pub(super) fn stray(&mut self, text: &str) {
        self.notes.stray_text_bytes += text.trim().len() as u64;
    }

    /// Bytes that may still be kept for what is open.
    fn room(&self) -> usize {
        if self.cases == 0 { usize::MAX } else { self.limits.case.saturating_sub(self.held) }
    }
}

/// The first words of something, for a message.
fn excerpt(text: &str) -> &str {
    let text = text.trim();
    &text[..text.floor_char_boundary(40)]
}
