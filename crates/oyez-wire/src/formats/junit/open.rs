//! The elements that are open while a report is read.

use super::item::{Announced, Attempt, AttemptKind, Case, Message, MessageKind, Tally, Text};

/// An element whose end tag has not come yet, with what is known of it.
#[derive(Debug)]
pub(super) enum Open {
    Suite(OpenSuite),
    Case(Box<Case>),
    Property {
        name: String,
        value: Option<String>,
        text: Text,
        /// Bytes cut from its attributes.
        dropped: u64,
    },
    Message(Box<Message>),
    Attempt {
        attempt: Box<Attempt>,
        trace: Option<Text>,
    },
    /// `<stackTrace>` of an attempt.
    Trace(Text),
    Output(Stream, Text),
    /// Has no meaning of its own: what stands in it counts as standing around it.
    Transparent {
        /// Whether it stands in a text, so that no element in it means anything.
        in_text: bool,
    },
}

/// What of a suite is needed at its end.
#[derive(Debug)]
pub(super) struct OpenSuite {
    pub name: String,
    pub wrapper: bool,
    pub depth: usize,
    pub announced: Announced,
    pub seen: Tally,
}

/// Which of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// What an element is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Suite {
        wrapper: bool,
    },
    Case,
    Property,
    Message(MessageKind),
    Attempt(AttemptKind),
    Trace,
    Output(Stream),
    /// Known to group others and say nothing itself.
    Group,
    Unknown,
}

impl Element {
    /// Looks up a name without its namespace prefix.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "testsuites" => Self::Suite { wrapper: true },
            "testsuite" => Self::Suite { wrapper: false },
            "testcase" => Self::Case,
            "property" => Self::Property,
            "failure" => Self::Message(MessageKind::Failure),
            "error" => Self::Message(MessageKind::Error),
            "skipped" => Self::Message(MessageKind::Skipped),
            "warning" => Self::Message(MessageKind::Warning),
            "rerunFailure" => Self::Attempt(AttemptKind::RerunFailure),
            "rerunError" => Self::Attempt(AttemptKind::RerunError),
            "flakyFailure" => Self::Attempt(AttemptKind::FlakyFailure),
            "flakyError" => Self::Attempt(AttemptKind::FlakyError),
            "stackTrace" => Self::Trace,
            "system-out" => Self::Output(Stream::Out),
            "system-err" => Self::Output(Stream::Err),
            "properties" => Self::Group,
            _ => Self::Unknown,
        }
    }
}

impl Open {
    /// Whether what stands in this element is text, whatever it looks like: an element in it means nothing. A test that
    /// prints unescaped XML must not add cases.
    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Property { .. } | Self::Message(_) | Self::Trace(_) | Self::Output(..) => true,
            Self::Transparent { in_text } => *in_text,
            Self::Suite(_) | Self::Case(_) | Self::Attempt { .. } => false,
        }
    }

    /// Where text that stands in this element goes.
    pub(super) fn text(&mut self) -> Option<&mut Text> {
        match self {
            Self::Property { text, .. } | Self::Trace(text) | Self::Output(_, text) => Some(text),
            Self::Message(message) => Some(&mut message.text),
            Self::Attempt { attempt, .. } => Some(&mut attempt.text),
            Self::Suite(_) | Self::Case(_) | Self::Transparent { .. } => None,
        }
    }

    /// What a person would call it, if it is something that has a name.
    pub(super) fn name(&self) -> Option<&str> {
        let (name, otherwise) = match self {
            Self::Suite(suite) if suite.wrapper => (&suite.name, "<testsuites>"),
            Self::Suite(suite) => (&suite.name, "<testsuite>"),
            Self::Case(case) => (&case.name, "<testcase>"),
            _ => return None,
        };
        Some(if name.is_empty() { otherwise } else { name })
    }
}
