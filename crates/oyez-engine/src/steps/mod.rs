//! Steps, ready to be done: their templates are parsed once, for all targets.
//!
//! A template that cannot be parsed is the failure of each target that comes to it (specs/contest.md 1.2). ConTest
//! ends the whole job for one in `echo`; here it is no different from the others.

mod cmd;
mod exec;
mod gathercmd;
mod payload;
mod qemu;
mod randecho;
mod s3;
mod ssh;
mod sshcmd;
mod terminal;
mod timed;
mod waitport;

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::descriptor::Parameter;
use crate::duration::GoDuration;
use crate::plan::{PlannedStep, SleepDuration, StepKind};
use crate::plugin::step::PluginStep;
use crate::template::{Functions, Subject, Template, TemplateError};

pub(crate) use cmd::{Cmd, Command};
pub(crate) use payload::message;
pub(crate) use timed::{GatheringStep, Resumption, TimedStep, Visited, begun};

/// A step of a test.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) label: String,
    /// The plugin's name, as it stands in events.
    pub(crate) plugin: String,
    /// How long a target may be in it.
    pub(crate) timeout: Option<GoDuration>,
    /// Whether a visit may be done again when nobody knows how far it came.
    pub(crate) is_repeatable: bool,
    pub(crate) work: Work,
}

/// What a step does with a target.
#[derive(Debug)]
pub(crate) enum Work {
    Echo(Text),
    Sleep(Nap),
    Variables(Vec<(String, Box<RawValue>)>),
    Cmd(Arc<Cmd>),
    Timed(Arc<dyn TimedStep>),
    Gather(Arc<dyn GatheringStep>),
}

/// A parameter: a template, or why it is none.
#[derive(Debug)]
pub(crate) struct Text(Result<Template, TemplateError>);

/// How long to sleep.
#[derive(Debug)]
pub(crate) enum Nap {
    Fixed(Duration),
    Template(Text),
}

impl Step {
    pub(crate) fn new(planned: &PlannedStep, functions: &Functions) -> Step {
        let work = match &planned.kind {
            StepKind::Echo { text } => Work::Echo(Text::new(text, functions)),
            StepKind::Sleep { duration: SleepDuration::Fixed(duration) } => {
                Work::Sleep(Nap::Fixed(duration.to_std()))
            }
            StepKind::Sleep { duration: SleepDuration::Template(text) } => {
                Work::Sleep(Nap::Template(Text::new(text, functions)))
            }
            StepKind::Variables(variables) => Work::Variables(variables.clone()),
            StepKind::Cmd(parameters) => Work::Cmd(Arc::new(Cmd::new(parameters, functions))),
            StepKind::RandEcho { text } => timed(randecho::RandEcho { text: text.text().into_owned() }),
            StepKind::WaitPort(parameters) => timed(waitport::WaitPort::new(parameters, functions)),
            StepKind::GatherCmd(parameters) => {
                Work::Gather(Arc::new(gathercmd::GatherCmd::new(parameters, functions)))
            }
            StepKind::External(step) => timed(PluginStep::new(step, functions)),
            StepKind::SshCmd(parameters) => timed(sshcmd::SshCmd::new(parameters, functions)),
            StepKind::Exec(parameters) => timed(exec::Exec::new(parameters, functions)),
            StepKind::TerminalExpect(parameters) => {
                timed(terminal::TerminalExpect::new(parameters, functions))
            }
            StepKind::Qemu(parameters) => timed(qemu::Qemu::new(parameters, functions)),
            StepKind::S3FileUpload(parameters) => timed(s3::S3FileUpload::new(parameters, functions)),
        };
        Step {
            label: planned.label.clone(),
            plugin: planned.kind.plugin().to_owned(),
            timeout: planned.extensions.timeout,
            is_repeatable: planned.extensions.repeatable,
            work,
        }
    }
}

impl Step {
    /// What can be done with a visit that was cut off.
    pub(crate) fn resumption(&self) -> Resumption {
        let own = match &self.work {
            Work::Echo(_) | Work::Variables(_) => Resumption::Repeated,
            Work::Sleep(_) => Resumption::Resumed,
            Work::Cmd(_) => Resumption::Lost,
            Work::Timed(timed) => timed.resumption(),
            Work::Gather(gather) => gather.resumption(),
        };
        if own == Resumption::Lost && self.is_repeatable { Resumption::Repeated } else { own }
    }
}

fn timed(step: impl TimedStep + 'static) -> Work {
    Work::Timed(Arc::new(step))
}

/// The text of a parameter that need not be given.
fn optional<T>(
    text: &Option<Text>,
    expand: impl FnOnce(&Text) -> Result<T, String>,
) -> Result<Option<T>, String> {
    text.as_ref().map(expand).transpose()
}

impl Text {
    pub(crate) fn new(parameter: &Parameter, functions: &Functions) -> Text {
        Text::parse(&parameter.text(), functions)
    }

    fn parse(text: &str, functions: &Functions) -> Text {
        Text(Template::parse(text, functions))
    }

    /// The text for a target.
    pub(crate) fn expand(&self, subject: &Subject<'_>) -> Result<String, String> {
        let template = self.0.as_ref().map_err(ToString::to_string)?;
        template.expand(subject).map(std::borrow::Cow::into_owned).map_err(|e| e.to_string())
    }
}

impl Nap {
    /// How long to sleep for a target.
    pub(crate) fn duration(&self, subject: &Subject<'_>) -> Result<Duration, String> {
        match self {
            Nap::Fixed(duration) => Ok(*duration),
            Nap::Template(text) => {
                let text = text.expand(subject)?;
                let parsed = text.parse::<GoDuration>();
                parsed.map(GoDuration::to_std).map_err(|e| format!("invalid duration {text:?}: {e}"))
            }
        }
    }
}
