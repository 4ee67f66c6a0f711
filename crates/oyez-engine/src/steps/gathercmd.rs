//! `gathercmd`: a program that runs once for all targets, which wait for it (specs/contest.md 4).
//!
//! What it prints and its events stand with one target. In ConTest that is whichever came first, and Go starts the newest
//! of its goroutines first: the last that is listed, as the recordings have it. When it fails, its targets fail; in ConTest
//! the whole job does.

use std::path::PathBuf;

use async_trait::async_trait;
use oyez_model::event::RawJson;

use super::payload;
use super::timed::{GatheringStep, Resumption, Visited};
use super::{Command, Text};
use crate::plan::GatherCmdParameters;
use crate::process::{Cause, Exit};
use crate::runner::{Running, Visit};
use crate::target::Target;
use crate::template::{Functions, Subject};

/// The bytes of ConTest's `Err`.
const LONGEST_ERR: usize = 10_240;

/// The step.
#[derive(Debug)]
pub(super) struct GatherCmd {
    binary: PathBuf,
    args: Vec<(String, Text)>,
}

impl GatherCmd {
    pub(super) fn new(parameters: &GatherCmdParameters, functions: &Functions) -> Self {
        let args = parameters.args.iter();
        GatherCmd {
            binary: parameters.binary.clone(),
            args: args.map(|arg| (arg.text().into_owned(), Text::new(arg, functions))).collect(),
        }
    }

    fn command(&self) -> Result<Command, String> {
        let nobody = Target::default();
        let subject = Subject::new(&nobody, None);
        let one = |(source, arg): &(String, Text)| {
            arg.expand(&subject).map_err(|e| format!("failed to expand argument: {source} -> {e}"))
        };
        let args = self.args.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        if args.iter().any(|arg| arg.contains('\0')) {
            return Err("an argument holds a NUL character, which no program can be given".to_owned());
        }
        Ok(Command { program: self.binary.clone(), args, dir: None })
    }
}

#[async_trait]
impl GatheringStep for GatherCmd {
    /// ConTest kills it when the job is paused, and runs it again later.
    fn resumption(&self) -> Resumption {
        Resumption::Repeated
    }

    async fn run(&self, visits: &mut [Visit]) -> Vec<Visited> {
        let Some(speaker) = visits.last() else { return Vec::new() };
        let all = |one: &dyn Fn() -> Visited| visits.iter().map(|_| one()).collect();
        let command = match self.command() {
            Ok(command) => command,
            Err(e) => return all(&|| Visited::Failed(e.clone())),
        };
        let slot = tokio::select! {
            biased;
            () = speaker.paused() => return all(&|| Visited::Paused(None)),
            slot = speaker.slot() => slot,
        };
        let Some(slot) = slot else { return all(&|| Visited::Stopped) };
        let program = command.program.to_string_lossy();
        let start = payload::gather_start(&program, &command.args);
        speaker.event("GatherCmdStart", Some(start)).await;
        let how = Running { wanted: [true, true], ..Running::default() };
        let ended = tokio::select! {
            biased;
            // Dropped, it is killed.
            () = speaker.paused() => return all(&|| Visited::Paused(None)),
            ended = speaker.process(slot, command, how) => ended,
        };
        let ended = match ended {
            Ok(ended) => ended,
            Err(e) => return all(&|| Visited::Failed(e.to_string())),
        };
        if ended.end.cause == Cause::Stopped {
            return all(&|| Visited::Stopped);
        }
        let exit = ended.end.exit;
        let output = |bytes: &Option<Vec<u8>>| {
            bytes.as_deref().map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let end = match &exit {
            Exit::Code(0) => RawJson("null".to_owned()),
            Exit::NotStarted(_) | Exit::Outlived => {
                payload::gather_end(0, &format!("unknown error: {exit}"), LONGEST_ERR)
            }
            Exit::Code(_) | Exit::Signal { .. } => {
                let code = if let Exit::Code(code) = exit { code } else { -1 };
                let said = format!("stdout: {}\nstderr: {}", output(&ended.stdout), output(&ended.stderr));
                payload::gather_end(code, &said, LONGEST_ERR)
            }
        };
        speaker.event("GatherCmdEnd", Some(end)).await;
        match exit.is_success() {
            true => all(&|| Visited::Passed),
            false => all(&|| Visited::Failed(exit.to_string())),
        }
    }
}
