//! `cmd`, `gathercmd`: programs of this machine.

use std::path::PathBuf;

use super::{Parameters, Planner};
use crate::plan::{CmdParameters, GatherCmdParameters, StepKind};
use crate::target::Target;
use crate::template::{Subject, Template};

impl Planner<'_> {
    pub(super) fn cmd(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
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
        let message = "invalid or missing 'executable' parameter, must be exactly one string";
        self.program("executable", message, parameters)
    }

    /// A program by its name or path, which must be there unless it is an absolute path.
    pub(super) fn program(
        &self,
        field: &str,
        missing: &str,
        parameters: &mut Parameters<'_>,
    ) -> Option<PathBuf> {
        let path = parameters.path.field(field);
        let name = parameters.step.one(field);
        if name.is_empty() {
            parameters.missing(field, missing, &format!("\"{field}\": [\"echo\"]"));
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

    /// Its arguments are templates that know no target; ConTest expands them at submit already.
    pub(super) fn gathercmd(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["binary", "args"]);
        parameters.only_one("binary");
        let binary = self.program("binary", "invalid or missing 'binary' parameter", parameters);
        let (nobody, args_path) = (Target::default(), parameters.path.field("args"));
        let args = parameters.step.values("args").to_vec();
        let mut is_good = true;
        for (i, arg) in args.iter().enumerate() {
            let text = arg.text();
            let expanded = Template::parse(&text, self.functions)
                .and_then(|template| template.expand(&Subject::new(&nobody, None)).map(drop));
            match expanded {
                Ok(()) => {}
                // The file may be there when the step runs.
                Err(e) if e.to_string().contains("parameters.json") => {
                    parameters.sink.warning(&args_path.item(i), e.to_string());
                }
                Err(e) => {
                    let message = format!("failed to expand argument: {text} -> {e}");
                    let hint = "it runs once for all targets, so its arguments know none of them";
                    parameters.sink.error(&args_path.item(i), message).hint(hint);
                    is_good = false;
                }
            }
        }
        let binary = binary.filter(|_| is_good)?;
        Some(StepKind::GatherCmd(GatherCmdParameters { binary, args }))
    }
}
