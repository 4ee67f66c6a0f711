//! Why a chore did not get done.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// An error of a command, in words that say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Some steps failed; each has said why when it did.
    #[error("failed: {}; what to do stands at each of them above", .0.join(", "))]
    Steps(Vec<&'static str>),

    /// A program that the command cannot do without could not be brought in.
    #[error(
        "{program} is missing and could not be installed: {why}; install it by hand ({by_hand}) and start again"
    )]
    Missing {
        /// What was wanted.
        program: &'static str,
        /// What went wrong.
        why: String,
        /// The line that a person would type.
        by_hand: String,
    },

    /// A program could not be started at all.
    #[error("{command} could not be started: {source}; see that it is installed and in PATH")]
    Start {
        /// The line, as one would type it.
        command: String,
        /// What the system said.
        source: io::Error,
    },

    /// An argument names a step that is not there.
    #[error("there is no step {name:?}; the steps are {}", .known.join(", "))]
    NoSuchStep {
        /// What was given.
        name: String,
        /// What could have been.
        known: Vec<&'static str>,
    },

    /// A program ended with an error of its own, which it has said above.
    #[error("{command} ended with {status}; what it said stands above")]
    Failed {
        /// The line, as one would type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },

    /// A file or folder of ours cannot be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried: `cannot make`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// What came out is not what should have; says what to do.
    #[error("{0}")]
    Wrong(String),
}
