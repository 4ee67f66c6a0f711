//! Steps of a descriptor to steps of a plan: their names, labels and parameters (specs/contest.md 1.1, 4).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::registry::{Kind, find};
use super::{CmdParameters, PlannedStep, SleepDuration, StepKind};
use crate::descriptor::{Parameter, StepDescriptor, too_long, warn_unknown};
use crate::diagnostic::{Path, Sink};
use crate::duration::GoDuration;
use crate::environment::Environment;
use crate::template::{self, Functions, check_identifier};

/// The bytes that a label may have.
const LONGEST_LABEL: usize = 32;

/// Plans the steps of one test, then its cleanup steps: variables of the former are known to the latter.
pub(super) struct Planner<'e> {
    pub(super) environment: &'e dyn Environment,
    pub(super) functions: &'e Functions,
    /// The variables that the steps before set, by label.
    emitted: BTreeMap<String, Vec<String>>,
}

impl<'e> Planner<'e> {
    pub(super) fn new(environment: &'e dyn Environment, functions: &'e Functions) -> Self {
        Planner { environment, functions, emitted: BTreeMap::new() }
    }

    /// Plans a list of steps; those that are wrong are missing.
    pub(super) fn plan(
        &mut self,
        steps: &[Option<StepDescriptor>],
        path: &Path<'_>,
        sink: &mut Sink,
    ) -> Vec<PlannedStep> {
        let mut planned = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let path = path.item(i);
            match step {
                None => {
                    sink.error(&path, "test step description is null");
                }
                Some(step) => planned.extend(self.plan_one(step, i, &path, sink)),
            }
        }
        planned
    }

    fn plan_one(
        &mut self,
        step: &StepDescriptor,
        index: usize,
        path: &Path<'_>,
        sink: &mut Sink,
    ) -> Option<PlannedStep> {
        let label_path = path.field("label");
        if let Some(message) = too_long("Test step label", &step.label, LONGEST_LABEL) {
            sink.error(&label_path, message);
        }
        if sink.has_error_at(path) {
            return None;
        }
        let name = &step.name;
        let prefix = format!("NewStepBundle for test step '{name}' with index {index} failed: ");
        let kind = sink.within(&prefix, |sink| {
            let kind = self.plugin(step, path, sink);
            check_label(step, &label_path, sink);
            kind
        })?;
        if let StepKind::Variables(variables) = &kind {
            self.emitted.insert(step.label.clone(), variables.iter().map(|(name, _)| name.clone()).collect());
        } else {
            self.emitted.insert(step.label.clone(), Vec::new());
        }
        Some(PlannedStep { label: step.label.clone(), kind, extensions: step.extensions })
    }

    fn plugin(&self, step: &StepDescriptor, path: &Path<'_>, sink: &mut Sink) -> Option<StepKind> {
        let name = &step.name;
        let name_path = path.field("name");
        let plugin = match find(Kind::Step, name) {
            Ok(plugin) => plugin,
            Err(_) if sink.has_error_at(&name_path) => return None,
            Err(e) => {
                sink.within(&format!("could not get the desired TestStep ({name}): "), |sink| {
                    sink.error(&name_path, e.message).hint(e.hint);
                });
                return None;
            }
        };
        sink.within(&format!("could not validate parameters for test step {name}: "), |sink| {
            let path = path.field("parameters");
            let mut parameters = Parameters { step, path: &path, sink };
            match plugin {
                "Cmd" => self.cmd(&mut parameters),
                "Echo" => self.echo(&mut parameters),
                "Sleep" => self.sleep(&mut parameters),
                _ => variables(&mut parameters),
            }
        })
    }

    fn cmd(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["executable", "args", "dir", "emit_stdout", "emit_stderr"]);
        let executable = self.executable(parameters);
        for (i, arg) in parameters.step.values("args").iter().enumerate() {
            self.inspect(arg, &parameters.path.field("args").item(i), parameters.sink);
        }
        let dir = parameters.step.values("dir").first();
        if let Some(dir) = dir {
            self.inspect(dir, &parameters.path.field("dir"), parameters.sink);
        }
        for name in ["executable", "dir", "emit_stdout", "emit_stderr"] {
            parameters.only_one(name);
        }
        let (emit_stdout, emit_stderr) = (parameters.bool("emit_stdout"), parameters.bool("emit_stderr"));
        Some(StepKind::Cmd(CmdParameters {
            executable: executable?,
            args: parameters.step.values("args").to_vec(),
            dir: dir.cloned(),
            emit_stdout: emit_stdout?,
            emit_stderr: emit_stderr?,
        }))
    }

    fn executable(&self, parameters: &mut Parameters<'_>) -> Option<PathBuf> {
        let path = parameters.path.field("executable");
        let name = parameters.step.one("executable");
        if name.is_empty() {
            if !parameters.sink.has_error_at(&path) && !parameters.sink.has_error_at(parameters.path) {
                let message = "invalid or missing 'executable' parameter, must be exactly one string";
                parameters.sink.error(&path, message).hint("write \"executable\": [\"echo\"]");
            }
            return None;
        }
        if name.starts_with('/') {
            let file = PathBuf::from(name.as_ref());
            if let Err(why) = self.environment.check_executable(&file) {
                let message = format!("{name} cannot be executed here: {why}");
                parameters.sink.warning(&path, message).hint("every target will fail unless that changes");
            }
            return Some(file);
        }
        match self.environment.find_executable(&name) {
            Ok(found) => Some(found),
            Err(why) => {
                let message = format!("cannot find '{name}' executable in PATH: {why}");
                let error = parameters.sink.error(&path, message);
                if name.contains(' ') {
                    error.hint("the program's arguments stand in \"args\"");
                } else if name.contains("{{") {
                    error.hint("the name of the program is no template");
                } else {
                    error.hint("install it, or give its whole path");
                }
                None
            }
        }
    }

    fn echo(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
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

    fn sleep(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
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

    /// Warns of what will go wrong when a template is expanded. ConTest takes it and fails later, so do we.
    fn inspect(&self, parameter: &Parameter, path: &Path<'_>, sink: &mut Sink) {
        let seen = template::inspect(&parameter.text(), self.functions);
        for problem in seen.problems {
            sink.warning(path, problem).hint("every target will fail in this step");
        }
        for template::VariableUse { label, name } in seen.variables {
            let problem = match self.emitted.get(&label) {
                None => format!("no step before this one has the label '{label}'"),
                Some(names) if !names.contains(&name) => format!("step '{label}' sets no variable '{name}'"),
                Some(_) => continue,
            };
            sink.warning(path, problem).hint("every target will fail in this step");
        }
    }
}

/// The parameters of a step, and where they stand.
struct Parameters<'p> {
    step: &'p StepDescriptor,
    path: &'p Path<'p>,
    sink: &'p mut Sink,
}

impl Parameters<'_> {
    fn known(&mut self, known: &[&str]) {
        let names: Vec<_> = self.step.parameters.keys().map(String::as_str).collect();
        warn_unknown(&names, known, self.path, self.sink);
    }

    fn only_one(&mut self, name: &str) {
        let count = self.step.values(name).len();
        if count > 1 {
            self.sink
                .warning(&self.path.field(name), format!("only the first of these {count} values is used"));
        }
    }

    fn missing(&mut self, name: &str, message: &str, example: &str) {
        let path = self.path.field(name);
        if !self.sink.has_error_at(&path) && !self.sink.has_error_at(self.path) {
            self.sink.error(&path, message).hint(format!("write {example}"));
        }
    }

    /// A truth value as Go's `ParseBool` reads it; false when it is not given.
    fn bool(&mut self, name: &str) -> Option<bool> {
        match self.step.one(name).as_ref() {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            text => {
                let why = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
                let message = format!("invalid non-boolean `{name}` parameter: {why}");
                self.sink.error(&self.path.field(name), message).hint("write [true] or [false]");
                None
            }
        }
    }
}

fn variables(parameters: &mut Parameters<'_>) -> Option<StepKind> {
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

fn check_label(step: &StepDescriptor, path: &Path<'_>, sink: &mut Sink) {
    let label = &step.label;
    if label.is_empty() {
        if !sink.has_error_at(path) {
            sink.error(path, format!("step has no label, but it is mandatory (step: {step})"))
                .hint("give it a label of its own, such as \"label\": \"step1\"");
        }
    } else if let Err(e) = check_identifier(label) {
        sink.error(path, format!("'{label}' doesn't match variable name format: {e}"))
            .hint("a label is made of letters, digits and _, and starts with a letter");
    }
}
