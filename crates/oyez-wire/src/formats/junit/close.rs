//! What an end tag does to the open elements.

use super::attributes;
use super::item::{Case, Item, Status, SuiteEnd, Text};
use super::open::{Open, OpenSuite, Stream};
use super::tree::Tree;

impl Tree {
    /// An end tag. The parser has checked that it is that of the innermost open element.
    pub(super) fn closed(&mut self) -> Option<Item> {
        match self.stack.pop()? {
            Open::Suite(suite) => Some(self.suite_closed(suite)),
            Open::Case(case) => Some(self.case_closed(case)),
            Open::Property { name, value, text, dropped } => {
                let value = value.unwrap_or_else(|| text.text.trim().to_owned());
                let dropped_bytes = dropped + text.dropped_bytes;
                match self.case_with_room(dropped_bytes, |case| case.properties.len()) {
                    Around::Suite => return Some(Item::Property { name, value, dropped_bytes }),
                    Around::FullCase(_) => {}
                    Around::Case(case) => case.properties.push((name, value)),
                }
                None
            }
            Open::Message(mut message) => {
                blank_to_empty(&mut message.text);
                let decided = message.kind.status().unwrap_or_default();
                let dropped = message.dropped_bytes + message.text.dropped_bytes;
                match self.case_with_room(dropped, |case| case.messages.len()) {
                    Around::Suite => return Some(Item::SuiteMessage(message)),
                    // What it says is too much to keep; that it is there still decides.
                    Around::FullCase(case) => case.status = case.status.max(decided),
                    Around::Case(case) => {
                        case.status = case.status.max(decided);
                        case.messages.push(*message);
                    }
                }
                None
            }
            Open::Attempt { mut attempt, trace } => {
                blank_to_empty(&mut attempt.text);
                if let Some(trace) = trace {
                    join(&mut attempt.text, trace);
                }
                let dropped = attempt.dropped_bytes + attempt.text.dropped_bytes;
                if let Around::Case(case) = self.case_with_room(dropped, |case| case.reruns.len()) {
                    case.reruns.push(*attempt);
                }
                None
            }
            Open::Trace(text) => {
                match self.stack.iter_mut().rev().find(|open| !matches!(open, Open::Transparent { .. })) {
                    Some(Open::Attempt { trace: Some(before), .. }) => join(before, text),
                    Some(Open::Attempt { trace, .. }) => *trace = Some(text),
                    _ => self.stray(&text.text),
                }
                None
            }
            Open::Output(stream, text) => self.output_closed(stream, text),
            Open::Transparent { .. } => None,
        }
    }

    fn suite_closed(&mut self, suite: OpenSuite) -> Item {
        self.suites -= 1;
        if let Some(around) = self.innermost_suite() {
            around.seen.add(&suite.seen);
        }
        let OpenSuite { name, wrapper, depth, announced, seen } = suite;
        Item::SuiteEnd(Box::new(SuiteEnd { name, wrapper, depth, announced, seen }))
    }

    fn case_closed(&mut self, mut case: Box<Case>) -> Item {
        if case.status == Status::Passed {
            case.status = attributes::status(&case.attributes);
        }
        self.cases -= 1;
        if self.cases == 0 {
            self.held = 0;
        }
        if let Some(suite) = self.innermost_suite() {
            suite.seen.count(case.status);
        }
        Item::Case(case)
    }

    /// Gives an output to the attempt, case or suite that it stands in.
    fn output_closed(&mut self, stream: Stream, text: Text) -> Option<Item> {
        let dropped = text.dropped_bytes;
        for open in self.stack.iter_mut().rev() {
            let kept = match (&mut *open, stream) {
                (Open::Attempt { attempt, .. }, Stream::Out) => &mut attempt.system_out,
                (Open::Attempt { attempt, .. }, Stream::Err) => &mut attempt.system_err,
                (Open::Case(case), Stream::Out) => &mut case.system_out,
                (Open::Case(case), Stream::Err) => &mut case.system_err,
                (Open::Suite(_), _) => break,
                _ => continue,
            };
            match kept {
                Some(before) => join(before, text),
                None => *kept = Some(text),
            }
            self.case_with_room(dropped, |_| 0);
            return None;
        }
        Some(match stream {
            Stream::Out => Item::SystemOut(text),
            Stream::Err => Item::SystemErr(text),
        })
    }

    fn innermost_suite(&mut self) -> Option<&mut OpenSuite> {
        self.stack.iter_mut().rev().find_map(|open| match open {
            Open::Suite(suite) => Some(suite),
            _ => None,
        })
    }

    /// The case that what just ended belongs to, after `dropped` bytes are accounted to it, if it has fewer than
    /// `limits.parts` of those that `parts` counts.
    fn case_with_room(&mut self, dropped: u64, parts: impl FnOnce(&Case) -> usize) -> Around<'_> {
        let limit = self.limits.parts;
        let nearest = self.stack.iter_mut().rev().find(|open| matches!(open, Open::Case(_) | Open::Suite(_)));
        let Some(Open::Case(case)) = nearest else { return Around::Suite };
        case.dropped_bytes += dropped;
        if parts(case) < limit {
            return Around::Case(case);
        }
        case.dropped_parts += 1;
        Around::FullCase(case)
    }
}

/// What stands around an element that just ended.
enum Around<'a> {
    Suite,
    /// A case that has as many such elements as it may.
    FullCase(&'a mut Case),
    Case(&'a mut Case),
}

/// A text that is only the indentation of the file says nothing.
fn blank_to_empty(text: &mut Text) {
    if text.text.trim().is_empty() {
        text.text.clear();
    }
}

/// Appends one text to another. Their bytes are within the limit of the case already.
fn join(text: &mut Text, more: Text) {
    if !text.text.is_empty() && !text.text.ends_with('\n') {
        text.text.push('\n');
    }
    text.text.push_str(&more.text);
    text.dropped_bytes += more.dropped_bytes;
}
