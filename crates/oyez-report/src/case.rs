//! What a case and all below it come to, for documents that know no sections below a case: JUnit, CTRF.

use oyez_model::{EventBody, Outcome, Value};

use crate::content::Content;
use crate::text::{self, Tail};
use crate::walk::{Node, Place};

const MAX_MESSAGE: usize = 4096;
const MAX_TRACE: usize = 16 << 10;
const MAX_STEPS: usize = 200;

/// A section directly below the case.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub name: String,
    pub outcome: Option<Outcome>,
    pub kind: String,
}

/// A case while it is visited.
#[derive(Debug)]
pub(crate) struct Case {
    depth: u32,
    log: Tail,
    reason: String,
    /// The first section below that failed by itself: its name and why.
    first_failure: Option<(String, String)>,
    trace: String,
    pub steps: Vec<Step>,
    pub steps_left_out: u64,
}

impl Case {
    pub(crate) fn new(node: &Node<'_>, content: &Content, max_log: usize) -> Case {
        let mut case = Case {
            depth: node.depth,
            log: Tail::new(max_log),
            reason: text::one_line(node.reason(content), MAX_MESSAGE).into_owned(),
            first_failure: None,
            trace: String::new(),
            steps: Vec::new(),
            steps_left_out: 0,
        };
        case.take(content);
        case
    }

    /// A section somewhere below the case.
    pub(crate) fn below(&mut self, node: &Node<'_>, content: &Content) {
        if node.depth == self.depth + 1 {
            if self.steps.len() < MAX_STEPS {
                let name = text::one_line(&node.row.name, 200).into_owned();
                self.steps.push(Step { name, outcome: node.row.outcome, kind: node.row.r#type.clone() });
            } else {
                self.steps_left_out += 1;
            }
        }
        if self.first_failure.is_none() && node.is_leaf_failure() {
            let why = text::one_line(node.reason(content), MAX_MESSAGE).into_owned();
            self.first_failure = Some((text::one_line(&node.row.name, 200).into_owned(), why));
        }
        if !content.log.is_empty() {
            let mut heading = String::with_capacity(node.row.name.len() + 16);
            heading.push_str("--- ");
            heading.push_str(&text::one_line(&node.row.name, 200));
            heading.push_str(" ---\n");
            self.log.push(&heading);
        }
        self.take(content);
    }

    fn take(&mut self, content: &Content) {
        content.each_plain(|text| self.log.push(text));
        for item in &content.items {
            if let EventBody::SectionDetail(detail) = &item.body
                && self.trace.len() < MAX_TRACE
            {
                let said = value_text(&detail.detail);
                self.trace.push_str(text::clip(&said, MAX_TRACE - self.trace.len()));
                self.trace.push('\n');
            }
        }
    }

    /// Why it ended as it did: its own reason, else that of the first section below that failed.
    pub(crate) fn message(&self, outcome: Option<Outcome>) -> String {
        match &self.first_failure {
            _ if !self.reason.is_empty() => self.reason.clone(),
            Some((name, why)) if !why.is_empty() => format!("{name}: {why}"),
            Some((name, _)) => format!("{name} {}", outcome_word(outcome)),
            None => outcome_word(outcome).to_owned(),
        }
    }

    /// Details that its producer gave: a stack trace, a diff.
    pub(crate) fn trace(&self) -> &str {
        &self.trace
    }

    /// The end of its log, with a first line that says what is left out.
    pub(crate) fn log(&mut self) -> Option<String> {
        if self.log.is_empty() {
            return None;
        }
        let (text, left_out) = std::mem::take(&mut self.log).take();
        Some(if left_out > 0 { format!("[{left_out} bytes before this are left out]\n{text}") } else { text })
    }
}

/// The word for an outcome, also for none.
pub(crate) fn outcome_word(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("no outcome", Outcome::as_str)
}

/// A value as text for people: texts as they are, anything else as JSON.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text::plain_str(text).into_owned(),
        Value::Surrogates(bytes) => text::plain(bytes).into_owned(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// A name that is never empty, on one line.
pub(crate) fn name_of(node: &Node<'_>, max: usize) -> String {
    let name = text::one_line(&node.row.name, max);
    match (name.is_empty(), node.place) {
        (false, _) => name.into_owned(),
        (true, Place::Test) => "(test without a name)".to_owned(),
        (true, _) => "(section without a name)".to_owned(),
    }
}
