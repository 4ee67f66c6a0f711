//! Processes: started in a group of their own, their output captured, never more at once than allowed, ended as whole
//! trees.
//!
//! ```text
//!  ProcessPool ── Slot ──► start(Launch, Task) ──► a thread: spawn, poll, wait ──► Task::ended
//!                                                     │ pipes ──► Capture ──► OutputSink
//!                                                     │ stop, deadline ──► Tree: TERM, KILL
//! ```
//!
//! One thread attends one process at a time, from its start to its end: it polls both pipes, the process (a pidfd) and
//! the file descriptors of the [`Scope`](crate::stop::Scope) that it belongs to. That costs less than a process driver
//! on an event loop, and a thread that waits for the journal keeps its process waiting, so that memory stays bounded.
//!
//! | module | holds |
//! |---|---|
//! | `pool` | the threads and the slots |
//! | `attend` | one process from its start to its end |
//! | `capture` | its output: pieces, parts, limits |
//! | `tree` | all that came of it, and how that is ended |
//! | `table` | the process table |
//! | `reap` | orphans that became children of ours |
//! | `leftovers` | processes of a job whose server is gone |
//! | `exit` | how a process ended, in Go's words |

mod attend;
mod capture;
mod exit;
mod leftovers;
mod pool;
mod reap;
mod table;
mod tree;

pub use capture::{Capture, CaptureLimits, OutputSink};
pub use exit::Exit;
pub(crate) use leftovers::end_leftovers;
pub use pool::{Launch, ProcessPool, Slot, Task};
pub use reap::{become_reaper, reap};
pub use tree::{Tree, kill_tree};

/// The variable that tells a process which job it belongs to: the job's uid.
pub const JOB_VARIABLE: &str = "OYEZ_JOB";

/// The variable that tells a process which section it belongs to: `PRODUCER.NUMBER`, the producer in hexadecimal.
pub const SECTION_VARIABLE: &str = "OYEZ_SECTION";

/// The variable that tells which time it is that a process owns the job: one that takes a job over may begin a section
/// again, and its processes are not those of before.
pub const TURN_VARIABLE: &str = "OYEZ_TURN";

/// What a process carries in its environment, and hands on to whatever it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    job: String,
    section: String,
    turn: String,
}

impl Cookie {
    /// The cookie of a section.
    #[must_use]
    pub fn new(job: impl std::fmt::Display, section: impl std::fmt::Display, turn: u64) -> Self {
        Cookie { job: job.to_string(), section: section.to_string(), turn: turn.to_string() }
    }

    /// Its variables, names and values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); 3] {
        [(JOB_VARIABLE, &self.job), (SECTION_VARIABLE, &self.section), (TURN_VARIABLE, &self.turn)]
    }
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// By itself.
    Itself,
    /// Its scope was stopped.
    Stopped,
    /// It took longer than it may.
    TimedOut,
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEnd {
    /// How.
    pub exit: Exit,
    /// Why.
    pub cause: Cause,
}
