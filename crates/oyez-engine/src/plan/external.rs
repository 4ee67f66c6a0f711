//! External plugins in a plan: they were asked who they are and whether their parameters are right.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::StepKind;
use super::steps::Planner;
use crate::descriptor::{StepDescriptor, raw};
use crate::diagnostic::{Path, Sink};
use crate::plugin::protocol::{Resume, Role, Which};
use crate::plugin::{Found, Plugins, Wrong};

/// An executable that is a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExternalPlugin {
    /// The name of its file.
    pub name: String,
    /// Where it is, absolute.
    pub executable: PathBuf,
    /// Its own version.
    pub version: String,
}

/// A plugin as a step.
#[derive(Debug, Clone, Serialize)]
pub struct ExternalStep {
    /// Which.
    #[serde(flatten)]
    pub plugin: ExternalPlugin,
    /// What can be done with a target that was inside when the job was halted.
    pub resume: Resume,
    /// An object; every text in it is a template.
    pub parameters: Box<RawValue>,
}

/// A plugin as a target manager.
#[derive(Debug, Clone, Serialize)]
pub struct ExternalManager {
    /// Which.
    #[serde(flatten)]
    pub plugin: ExternalPlugin,
    /// With which it acquires.
    pub acquire: Box<RawValue>,
    /// With which it releases.
    pub release: Box<RawValue>,
}

/// A plugin as a reporter.
#[derive(Debug, Clone, Serialize)]
pub struct ExternalReporter {
    /// Which.
    #[serde(flatten)]
    pub plugin: ExternalPlugin,
    /// Its parameters.
    pub parameters: Box<RawValue>,
}

impl PartialEq for ExternalReporter {
    fn eq(&self, other: &Self) -> bool {
        self.plugin == other.plugin && self.parameters.get() == other.parameters.get()
    }
}

/// A step that is a plugin.
pub(super) fn step(
    planner: &Planner<'_>,
    step: &StepDescriptor,
    found: &Found,
    path: &Path<'_>,
    sink: &mut Sink,
) -> Option<StepKind> {
    let name = &step.name;
    let parameters_path = path.field("parameters");
    sink.within(&format!("could not validate parameters for test step {name}: "), |sink| {
        for (parameter, values) in &step.parameters {
            for value in values.iter().filter(|value| raw::kind(&value.0) == raw::Kind::String) {
                planner.inspect(value, &parameters_path.field(parameter), sink);
            }
        }
        // Maps of texts can always be written.
        let parameters = to_raw_value(&step.parameters).ok()?;
        let of = Of { plugins: planner.plugins, found, role: Role::Step };
        let (plugin, resume) = of.plugin(&path.field("name"), sink)?;
        of.check(Which::Step, &parameters, &parameters_path, sink)
            .then(|| StepKind::External(Box::new(ExternalStep { plugin, resume, parameters })))
    })
}

/// A plugin in a role.
pub(super) struct Of<'p> {
    pub(super) plugins: &'p Plugins<'p>,
    pub(super) found: &'p Found,
    pub(super) role: Role,
}

impl Of<'_> {
    /// Who it is; `None` when it does not say, which is said.
    pub(super) fn plugin(&self, name: &Path<'_>, sink: &mut Sink) -> Option<(ExternalPlugin, Resume)> {
        match self.plugins.hello(self.found, self.role) {
            Ok(checked) => {
                let Found { name, path } = self.found.clone();
                let plugin = ExternalPlugin { name, executable: path, version: checked.version };
                Some((plugin, checked.resume))
            }
            Err(why) => {
                self.refuse(&why, name, sink);
                None
            }
        }
    }

    /// Whether it takes the parameters; what is wrong with them is said at its place.
    pub(super) fn check(
        &self,
        which: Which,
        parameters: &RawValue,
        path: &Path<'_>,
        sink: &mut Sink,
    ) -> bool {
        let errors = match self.plugins.validate(self.found, self.role, which, parameters) {
            Ok(errors) => errors,
            Err(why) => {
                self.refuse(&why, path, sink);
                return false;
            }
        };
        for Wrong { parameter, message, hint } in &errors {
            let at = parameter.as_deref().map(|parameter| path.field(parameter));
            sink.error(at.as_ref().unwrap_or(path), message.as_str()).hint_if(hint.clone());
        }
        errors.is_empty()
    }

    fn refuse(&self, why: &str, path: &Path<'_>, sink: &mut Sink) {
        let Found { name, path: executable } = self.found;
        let hint = format!("try it alone: oyez plugin check {}", executable.display());
        sink.error(path, format!("the plugin {name} cannot be used: {why}")).hint(hint);
    }
}
