//! External plugins: executables in a folder that are steps, target managers or reporters.
//!
//! ```text
//!  plan ──► find ──► check: hello, validate          (a process while the plan is made)
//!  runner ──► step      ─┐
//!  runner ──► manager   ─┼─► session ──► process      (one for each attempt of a step, each acquire, release, report)
//!  runner ──► reporter  ─┘      │
//!                               └─ lines ◄──► protocol
//! ```
//!
//! A plugin reads messages on its standard input and writes messages on its standard output, one JSON object on each
//! line; docs/plugins.md has every one of them. What it does wrong (a target that it does not have, a line that is no
//! message, an end in the middle, silence) is an error of its own targets, never of the job's other steps or of the
//! server: each wait has an end, each line and each queue a limit, and its process is ended with all that it started.
//!
//! | module | holds |
//! |---|---|
//! | [`protocol`] | the messages and their limits |
//! | `lines` | bytes to lines |
//! | `session` | a process, its lines, its end |
//! | `talk` | the exchanges that every plugin knows: hello, validate |
//! | `find` | names to executables |
//! | `check` | what a plan asks of plugins |
//! | `parameters` | parameters whose every text is a template |
//! | `step`, `shared` | a plugin as a step, and the process that the targets of an attempt share |
//! | `manager` | a plugin as a target manager |
//! | `reporter`, `query` | a plugin as a reporter, and what it may ask the journal |
//! | [`kit`] | the conformance kit, for those who write plugins |

mod check;
mod find;
pub mod kit;

mod lines;
pub(crate) mod manager;

mod parameters;
pub mod protocol;
pub(crate) mod query;
pub(crate) mod reporter;

mod session;
mod shared;
pub(crate) mod step;
mod talk;

pub(crate) use check::{Plugins, Wrong};
pub(crate) use find::Found;
