//! `echo`, `randecho`, `sleep`, `variables`: steps that touch nothing outside.

use super::{Parameters, Planner};
use crate::duration::GoDuration;
use crate::plan::{SleepDuration, StepKind};
use crate::template::check_identifier;

impl Planner<'_> {
    pub(super) fn echo(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["text"]);
        parameters.only_one("text");
        let path = parameters.path.field("text");
        match parameters.step.values("text").first().filter(|text| !text.text().is_empty()) {
            Some(text) => {
                self.inspect(text, &path, parameters.sink);
                Some(StepKind::Echo { text: text.clone() })
            }
            None => {
                parameters.missing(
                    "text",
                    "Missing 'text' field in echo parameters",
                    "\"text\": [\"hello\"]",
                );
                None
            }
        }
    }

    pub(super) fn sleep(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["duration"]);
        parameters.only_one("duration");
        let path = parameters.path.field("duration");
        let Some(duration) = parameters.step.values("duration").first().filter(|d| !d.text().is_empty())
        else {
            let message = "Missing 'duration' field in sleep parameters";
            parameters.missing("duration", message, "\"duration\": [\"1m30s\"]");
            return None;
        };
        let text = duration.text();
        if text.contains("{{") {
            self.inspect(duration, &path, parameters.sink);
            return Some(StepKind::Sleep { duration: SleepDuration::Template(duration.clone()) });
        }
        match text.parse::<GoDuration>() {
            Ok(duration) => Some(StepKind::Sleep { duration: SleepDuration::Fixed(duration) }),
            Err(e) => {
                let message = format!("invalid duration {text:?}: {e}");
                parameters
                    .sink
                    .error(&path, message)
                    .hint("write a duration with its unit: \"1m30s\", \"300ms\"");
                None
            }
        }
    }

    /// ConTest does not expand its text, nor do we.
    pub(super) fn randecho(parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["text"]);
        parameters.only_one("text");
        match parameters.step.values("text").first().filter(|text| !text.text().is_empty()) {
            Some(text) => Some(StepKind::RandEcho { text: text.clone() }),
            None => {
                let message = "Missing 'text' field in echo parameters";
                parameters.missing("text", message, "\"text\": [\"hello\"]");
                None
            }
        }
    }
}

pub(super) fn variables(parameters: &mut Parameters<'_>) -> Option<StepKind> {
    let mut set = Vec::new();
    let errors = parameters.sink.errors();
    for (name, values) in &parameters.step.parameters {
        let path = parameters.path.field(name);
        if let Err(e) = check_identifier(name) {
            parameters.sink.error(&path, format!("invalid variable name: '{name}': {e}"));
        }
        match values.as_slice() {
            [value] => set.push((name.clone(), value.0.clone())),
            _ if parameters.sink.has_error_at(&path) => {}
            _ => {
                let count = values.len();
                let message = format!("invalid number of parameter '{name}' values: {count} (expected 1)");
                parameters.sink.error(&path, message);
            }
        }
    }
    (parameters.sink.errors() == errors).then_some(StepKind::Variables(set))
}
