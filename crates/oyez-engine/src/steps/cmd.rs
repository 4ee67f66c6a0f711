//! `cmd`: a program for each target.

use std::path::PathBuf;

use oyez_model::event::RawJson;

use super::Text;
use super::payload;
use crate::plan::CmdParameters;
use crate::template::{Functions, Subject};

/// The step.
#[derive(Debug)]
pub(crate) struct Cmd {
    program: PathBuf,
    args: Vec<(String, Text)>,
    dir: Option<Text>,
    pub(crate) emit_stdout: bool,
    pub(crate) emit_stderr: bool,
}

/// What it does for one target.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) dir: Option<PathBuf>,
}

impl Cmd {
    pub(super) fn new(parameters: &CmdParameters, functions: &Functions) -> Cmd {
        let args = parameters.args.iter();
        Cmd {
            program: parameters.executable.clone(),
            args: args.map(|arg| (arg.text().into_owned(), Text::new(arg, functions))).collect(),
            dir: parameters.dir.as_ref().map(|dir| Text::new(dir, functions)),
            emit_stdout: parameters.emit_stdout,
            emit_stderr: parameters.emit_stderr,
        }
    }

    /// The command for a target.
    pub(crate) fn expand(&self, subject: &Subject<'_>) -> Result<Command, String> {
        let mut args = Vec::with_capacity(self.args.len());
        for (source, arg) in &self.args {
            let expanded = arg.expand(subject);
            args.push(expanded.map_err(|e| format!("failed to expand argument '{source}': {e}"))?);
        }
        let dir = match &self.dir {
            Some(dir) => dir.expand(subject).map_err(|e| format!("failed to expand dir: {e}"))?,
            None => String::new(),
        };
        if args.iter().any(|arg| arg.contains('\0')) || dir.contains('\0') {
            return Err("an argument holds a NUL character, which no program can be given".to_owned());
        }
        let dir = (!dir.is_empty()).then(|| PathBuf::from(dir));
        Ok(Command { program: self.program.clone(), args, dir })
    }
}

impl Command {
    /// The payload of ConTest's `CmdStart`.
    pub(crate) fn payload(&self) -> RawJson {
        let program = self.program.to_string_lossy();
        let dir = self.dir.as_ref().map(|dir| dir.to_string_lossy()).unwrap_or_default();
        payload::start(&program, &self.args, &dir)
    }
}
