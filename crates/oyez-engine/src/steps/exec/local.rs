//! Programs of this machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::Ended;
use super::bag::Task;
use crate::process::{Cause, Exit};
use crate::runner::{Ear, Running, Visit};
use crate::steps::Command;

/// Runs it in a slot, like every process.
pub(super) async fn run(visit: &Visit, task: &Task, ear: Option<Box<dyn Ear>>) -> Result<Ended, String> {
    check(&task.program).await.map_err(|why| format!("failed to create proc: {why}"))?;
    let Some(slot) = visit.slot().await else { return Ok(Ended::Stopped) };
    let command = Command { program: PathBuf::from(&task.program), args: task.args.clone(), dir: None };
    let timeout = task.time_quota.map(crate::GoDuration::to_std);
    let how = Running { timeout, ear, ..Running::default() };
    let ended = visit.process(slot, command, how).await.map_err(|e| e.to_string())?;
    Ok(match (ended.end.cause, ended.end.exit) {
        (Cause::Stopped, _) => Ended::Stopped,
        (Cause::TimedOut, _) => Ended::TimedOut(task.time_quota.unwrap_or_default()),
        (Cause::Itself, Exit::Code(code)) => Ended::Code(code.into()),
        (Cause::Itself, exit @ Exit::Signal { .. }) => Ended::Otherwise(format!("process ended: {exit}")),
        (Cause::Itself, Exit::NotStarted(why)) => Ended::Otherwise(format!("failed to start process: {why}")),
        (Cause::Itself, exit @ Exit::Outlived) => Ended::Otherwise(exit.to_string()),
    })
}

/// ConTest looks before it starts a program, and does not search for it.
pub(super) async fn check(program: &str) -> Result<(), String> {
    let path = program.to_owned();
    let looking = tokio::task::spawn_blocking(move || std::fs::metadata(path));
    let meta = looking.await.map_err(|e| e.to_string())?.map_err(|_| "no such file".to_owned())?;
    if !meta.is_file() {
        return Err("not a file".to_owned());
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err("provided binary is not executable".to_owned());
    }
    Ok(())
}
