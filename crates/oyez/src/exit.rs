//! Exit codes: a contract. `oyez --help` and the docs list them; nothing else in the command makes one up.

use std::process::ExitCode;

/// The verdict is success.
pub const SUCCESS: u8 = 0;
/// The verdict is not success.
pub const FAILURE: u8 = 1;
/// The command or a descriptor is wrong; nothing was started.
pub const USAGE: u8 = 2;
/// The job could not be completed, or its report is incomplete: infrastructure.
pub const INCOMPLETE: u8 = 3;
/// The job was cancelled.
pub const CANCELLED: u8 = 4;
/// The job is paused.
pub const PAUSED: u8 = 5;

/// What `--help` says of them.
pub const HELP: &str = "Exit codes:
  0  the verdict is success
  1  the verdict is not success
  2  the command or a descriptor is wrong; nothing was started
  3  the job could not be completed, or its report is incomplete
  4  the job was cancelled
  5  the job is paused
`oyez exec` passes on the exit code of its command instead (127 not found, 126 not executable, 128+n signal n).";

/// The exit code of a job that has come to rest.
#[must_use]
pub fn of_job(row: &oyez_model::JobRow) -> u8 {
    use oyez_model::{Completeness, JobState, Verdict};
    match row.state {
        JobState::Cancelled | JobState::Cancelling => CANCELLED,
        JobState::Paused => PAUSED,
        JobState::Completed => match (&row.complete, row.verdict) {
            (Completeness::No(_), _) => INCOMPLETE,
            (_, Some(Verdict::Failure)) => FAILURE,
            _ => SUCCESS,
        },
        _ => INCOMPLETE,
    }
}

/// As the process ends with it.
#[must_use]
pub fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}
