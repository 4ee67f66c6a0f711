//! What is wrong with a descriptor, where, and what to do about it.
//!
//! ConTest stops at the first thing that it does not like and says it in one long text. Here everything is said at
//! once, in the order in which ConTest would come upon it, so that the first error is the one that ConTest answers
//! ([`Diagnostic::contest`] is its text to the letter, with the chain of prefixes).

use std::fmt;

use serde::Serialize;

/// A list never grows beyond this; what comes after is counted (a million targets may all be wrong).
const MOST: usize = 200;

/// A message never quotes more than this many characters of the input.
const LONGEST_QUOTE: usize = 1_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The job is refused.
    Error,
    /// The job is taken, but something is probably not as it was meant.
    Warning,
}

/// A place in a text, both counted from 1; `column` counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Where: `TestDescriptors[0].Steps[1].label`; empty for the document as a whole. Steps stand directly below
    /// their test, as `Steps` and `CleanupSteps`, whichever fetcher brought them.
    pub path: String,
    /// What, in ConTest's words where it has any.
    pub message: String,
    /// ConTest's whole answer: `message` with its prefixes. Empty for a warning, of which ConTest knows none.
    pub contest: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The place in the text, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl Diagnostic {
    /// Whether the job is refused because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Sets what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(clip(hint.into()));
        self
    }

    /// Sets the same if there is anything to say.
    pub(crate) fn hint_if(&mut self, hint: Option<String>) -> &mut Self {
        if let Some(hint) = hint {
            self.hint(hint);
        }
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `error: TestDescriptors[0].Steps[1].label: what (hint: what to do)`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
        })?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// A path into a descriptor, as a chain on the stack; it becomes text only when something is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'p> {
    /// The document.
    Root,
    /// A member of an object.
    Field(&'p Path<'p>, &'p str),
    /// An item of an array.
    Item(&'p Path<'p>, usize),
    /// The same place, but ConTest decodes from here on anew: its names of fields start again.
    Anew(&'p Path<'p>),
}

impl<'p> Path<'p> {
    pub(crate) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path::Field(self, name)
    }

    pub(crate) fn item(&'p self, index: usize) -> Path<'p> {
        Path::Item(self, index)
    }

    pub(crate) fn anew(&'p self) -> Path<'p> {
        Path::Anew(self)
    }

    /// The names of fields without indexes, as Go's decoder quotes them: `TestDescriptors.Disabled`.
    pub(crate) fn go_fields(&self) -> String {
        match self {
            Path::Root | Path::Anew(_) => String::new(),
            Path::Item(parent, _) => parent.go_fields(),
            Path::Field(parent, name) => {
                let before = parent.go_fields();
                if before.is_empty() { (*name).to_owned() } else { format!("{before}.{name}") }
            }
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Anew(same) => same.fmt(f),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Gathers diagnostics, bounded, with the prefixes of ConTest that stand before an error at this point.
#[derive(Debug)]
pub(crate) struct Sink {
    list: Vec<Diagnostic>,
    left_out: usize,
    errors: usize,
    prefix: String,
    /// Takes what is said after the list is full.
    spare: Diagnostic,
}

impl Sink {
    pub(crate) fn new() -> Self {
        Sink {
            list: Vec::new(),
            left_out: 0,
            errors: 0,
            prefix: String::new(),
            spare: Diagnostic {
                severity: Severity::Warning,
                path: String::new(),
                message: String::new(),
                contest: String::new(),
                hint: None,
                position: None,
            },
        }
    }

    /// Runs `inner` with `prefix` before ConTest's texts.
    pub(crate) fn within<T>(&mut self, prefix: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.prefix.len();
        self.prefix.push_str(prefix);
        let result = inner(self);
        self.prefix.truncate(mark);
        result
    }

    /// An error whose message is ConTest's own.
    pub(crate) fn error(&mut self, path: &Path<'_>, message: impl Into<String>) -> &mut Diagnostic {
        let message = message.into();
        let contest = message.clone();
        self.error_as(path, message, &contest)
    }

    /// An error for which ConTest has another text.
    pub(crate) fn error_as(
        &mut self,
        path: &Path<'_>,
        message: impl Into<String>,
        contest: &str,
    ) -> &mut Diagnostic {
        self.errors += 1;
        if self.is_full() {
            return &mut self.spare;
        }
        let contest = clip(format!("{}{contest}", self.prefix));
        self.add(Severity::Error, path.to_string(), message.into(), contest)
    }

    /// A warning.
    pub(crate) fn warning(&mut self, path: &Path<'_>, message: impl Into<String>) -> &mut Diagnostic {
        if self.is_full() {
            return &mut self.spare;
        }
        self.add(Severity::Warning, path.to_string(), message.into(), String::new())
    }

    fn is_full(&mut self) -> bool {
        let full = self.list.len() >= MOST;
        self.left_out += usize::from(full);
        full
    }

    fn add(&mut self, severity: Severity, path: String, message: String, contest: String) -> &mut Diagnostic {
        let index = self.list.len();
        self.list.push(Diagnostic {
            severity,
            path,
            message: clip(message),
            contest,
            hint: None,
            position: None,
        });
        &mut self.list[index]
    }

    /// Whether an error stands at this place already: a value of the wrong type need not be called missing too.
    pub(crate) fn has_error_at(&self, path: &Path<'_>) -> bool {
        if self.errors == 0 {
            return false;
        }
        let path = path.to_string();
        self.list.iter().any(|d| d.is_error() && d.path == path)
    }

    /// How many errors there are by now.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// The list; what was left out is said at its end.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let listed = self.list.iter().filter(|d| d.is_error()).count();
            let severity = if self.errors > listed { Severity::Error } else { Severity::Warning };
            let message = format!("and {} more that are not listed", self.left_out);
            let contest = if severity == Severity::Error { message.clone() } else { String::new() };
            self.add(severity, String::new(), message, contest);
        }
        self.list
    }
}

fn clip(mut text: String) -> String {
    if text.len() > LONGEST_QUOTE {
        let mut end = LONGEST_QUOTE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_descriptor() {
        let tests = Path::Root.field("TestDescriptors");
        let test = tests.item(0);
        let anew = test.anew();
        let steps = anew.field("Steps");
        let step = steps.item(1);
        let label = step.field("label");
        assert_eq!(label.to_string(), "TestDescriptors[0].Steps[1].label");
        assert_eq!(label.go_fields(), "Steps.label");
        assert_eq!(Path::Root.to_string(), "");
    }

    #[test]
    fn the_list_is_bounded_and_says_what_it_left_out() {
        let mut sink = Sink::new();
        for _ in 0..MOST + 7 {
            sink.error(&Path::Root, "wrong");
        }
        assert_eq!(sink.errors(), MOST + 7);
        let list = sink.finish();
        assert_eq!(list.len(), MOST + 1);
        assert_eq!(list[MOST].to_string(), "error: and 7 more that are not listed");
    }

    #[test]
    fn an_error_carries_contests_prefixes() {
        let mut sink = Sink::new();
        sink.within("a: ", |sink| {
            sink.within("b: ", |sink| {
                sink.error(&Path::Root, "c");
            });
            sink.error(&Path::Root, "d");
        });
        let texts: Vec<_> = sink.finish().into_iter().map(|d| (d.message, d.contest)).collect();
        assert_eq!(texts, [("c".to_owned(), "a: b: c".to_owned()), ("d".to_owned(), "a: d".to_owned())]);
    }

    #[test]
    fn a_long_value_is_quoted_in_part() {
        let mut sink = Sink::new();
        sink.error(&Path::Root, "ä".repeat(100_000));
        assert!(sink.finish()[0].message.len() <= LONGEST_QUOTE + 3);
    }
}
