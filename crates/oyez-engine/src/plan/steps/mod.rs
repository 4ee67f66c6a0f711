//! Steps of a descriptor to steps of a plan: their names, labels and parameters (specs/contest.md 1.1, 4).
//!
//! | module | plans |
//! |---|---|
//! | `plain` | `echo`, `randecho`, `sleep`, `variables` |
//! | `cmd` | `cmd`, `gathercmd` |
//! | `network` | `waitport`, `s3fileupload` |
//! | `remote` | `sshcmd`, `exec` |
//! | `console` | `terminalexpect`, `qemu` |

mod cmd;
mod console;
mod network;
mod plain;
mod remote;

use std::collections::{BTreeMap, BTreeSet};

use super::external;
use super::registry::{Kind, find};
use super::{PlannedStep, StepKind};
use crate::descriptor::{Parameter, StepDescriptor, too_long, warn_unknown};
use crate::diagnostic::{Path, Sink};
use crate::duration::GoDuration;
use crate::environment::Environment;
use crate::plugin::Plugins;
use crate::template::{self, Functions, check_identifier};

/// The bytes that a label may have.
const LONGEST_LABEL: usize = 32;

/// Plans the steps of one test, then its cleanup steps: variables of the former are known to the latter.
pub(super) struct Planner<'e> {
    pub(super) environment: &'e dyn Environment,
    pub(super) functions: &'e Functions,
    pub(in crate::plan) plugins: &'e Plugins<'e>,
    /// The variables that the steps before set, by label.
    emitted: BTreeMap<String, Vec<String>>,
    /// The labels of external plugins, whose variables nobody knows before.
    external: BTreeSet<String>,
}

impl<'e> Planner<'e> {
    pub(super) fn new(
        environment: &'e dyn Environment,
        functions: &'e Functions,
        plugins: &'e Plugins<'e>,
    ) -> Self {
        Planner { environment, functions, plugins, emitted: BTreeMap::new(), external: BTreeSet::new() }
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
        if let StepKind::External(_) = &kind {
            self.external.insert(step.label.clone());
        } else if let StepKind::Variables(variables) = &kind {
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
                if let Some(found) = self.plugins.find(name) {
                    return external::step(self, step, &found, path, sink);
                }
                sink.within(&format!("could not get the desired TestStep ({name}): "), |sink| {
                    sink.error(&name_path, e.message).hint(self.plugins.hint(&e.hint));
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
                "RandEcho" => Planner::randecho(&mut parameters),
                "waitport" => self.waitport(&mut parameters),
                "GatherCmd" => self.gathercmd(&mut parameters),
                "SSHCmd" => self.sshcmd(&mut parameters),
                "Exec" => self.exec(&mut parameters),
                "TerminalExpect" => self.terminalexpect(&mut parameters),
                "Qemu" => self.qemu(&mut parameters),
                "s3FileUpload" => self.s3fileupload(&mut parameters),
                _ => plain::variables(&mut parameters),
            }
        })
    }

    /// Warns of what will go wrong when a template is expanded. ConTest takes it and fails later, so do we.
    pub(in crate::plan) fn inspect(&self, parameter: &Parameter, path: &Path<'_>, sink: &mut Sink) {
        let seen = template::inspect(&parameter.text(), self.functions);
        for problem in seen.problems {
            sink.warning(path, problem).hint("every target will fail in this step");
        }
        for template::VariableUse { label, name } in seen.variables {
            if self.external.contains(&label) {
                continue;
            }
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

    /// The first value of a parameter that must not be empty.
    fn needed(&mut self, name: &str, message: &str) -> Option<Parameter> {
        self.only_one(name);
        let found = self.given(name);
        if found.is_none() {
            self.missing(name, message, &format!("\"{name}\": [\"...\"]"));
        }
        found
    }

    /// The first value of a parameter, unless it is empty.
    fn given(&self, name: &str) -> Option<Parameter> {
        self.step.values(name).first().filter(|value| !value.text().is_empty()).cloned()
    }

    /// A whole number as Go's `ParseInt` reads it; what is wrong with it in ConTest's words.
    fn int(&self, name: &str) -> Result<i64, String> {
        let text = self.step.one(name);
        if text.is_empty() {
            return Err("expected an integer string, got an empty string".to_owned());
        }
        let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
        let why = if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            "invalid syntax"
        } else {
            match text.parse() {
                Ok(number) => return Ok(number),
                Err(_) => "value out of range",
            }
        };
        Err(format!("cannot convert '{text}' to int: strconv.ParseInt: parsing {text:?}: {why}"))
    }

    /// A duration, of which there must be one; `None` when it is wrong, which is said in ConTest's words.
    fn duration(&mut self, name: &str) -> Option<GoDuration> {
        let path = self.path.field(name);
        let [value] = self.step.values(name) else {
            let message = format!("a single '{name}' should be provided");
            self.missing(name, &message, &format!("\"{name}\": [\"10s\"]"));
            return None;
        };
        let text = value.text();
        let parsed = text.parse::<GoDuration>();
        parsed
            .map_err(|e| {
                let message = format!("failed to convert '{text}' duration parameter, err: {e}");
                self.sink.error(&path, message).hint("write a duration with its unit: \"1m30s\", \"300ms\"");
            })
            .ok()
    }

    /// A truth value as Go's `ParseBool` reads it; false when it is not given.
    fn bool(&mut self, name: &str) -> Option<bool> {
        self.bool_or(name, false)
    }

    fn bool_or(&mut self, name: &str, when_not_given: bool) -> Option<bool> {
        match self.step.one(name).as_ref() {
            "" => Some(when_not_given),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
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
