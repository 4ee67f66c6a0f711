//! How a process ended, in Go's words (`os/exec`, `ProcessState.String`), as ConTest's users know them.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which.
        number: i32,
        /// Whether it left a core file.
        core: bool,
    },
    /// It could not be started, and why.
    NotStarted(String),
    /// It was killed, and is still there.
    Outlived,
}

impl Exit {
    /// Whether it ended as it should: with code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Exit::Code(0)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(number)) => Exit::Signal { number, core: status.core_dumped() },
            // Neither is said only of processes that are stopped, and nobody asks for those.
            (None, None) => Exit::Code(-1),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal { number, core } => {
                match signal_name(*number) {
                    Some(name) => write!(f, "signal: {name}")?,
                    None => write!(f, "signal: signal {number}")?,
                }
                f.write_str(if *core { " (core dumped)" } else { "" })
            }
            Exit::NotStarted(why) => f.write_str(why),
            Exit::Outlived => f.write_str("it could not be killed"),
        }
    }
}

/// Go's names (`syscall/zerrors_linux_amd64.go`).
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        16 => "stack fault",
        24 => "CPU time limit exceeded",
        25 => "file size limit exceeded",
        31 => "bad system call",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_said_in_gos_words() {
        let said = |raw| Exit::from(ExitStatus::from_raw(raw)).to_string();
        assert_eq!(said(0x300), "exit status 3");
        assert_eq!(said(9), "signal: killed");
        assert_eq!(said(11 | 0x80), "signal: segmentation fault (core dumped)");
        assert_eq!(said(40), "signal: signal 40");
        assert!(Exit::from(ExitStatus::from_raw(0)).is_success());
    }
}
