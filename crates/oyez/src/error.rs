//! What the command says when it cannot do it: what, where, what to do next, and the exit code that goes with it.

use std::path::PathBuf;

use oyez_store::StoreError;
use thiserror::Error;

use crate::exit;

/// Why the command ends without doing what it was asked.
#[derive(Debug, Error)]
pub enum CommandError {
    /// What was asked makes no sense; nothing was started.
    #[error("{0}")]
    Usage(String),
    /// A descriptor is wrong; what is wrong has been printed already.
    #[error("{}: {errors} error{}; nothing was started", path, if *errors == 1 { "" } else { "s" })]
    Descriptor {
        /// Which file.
        path: String,
        /// How many errors.
        errors: usize,
    },
    /// The store cannot do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried: `cannot write`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] oyez_engine::EngineError),
    /// A server elsewhere did not do it.
    #[error(transparent)]
    Remote(#[from] crate::remote::RemoteError),
    /// The report server cannot serve.
    #[error(transparent)]
    Server(oyez_server::pyats::ServeError),
    /// A report cannot be made.
    #[error(transparent)]
    Report(#[from] oyez_report::ReportError),
    /// The runtime cannot be started.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    /// Standard output went away: nobody reads any more.
    #[error("standard output was closed")]
    OutputClosed,
    /// Standard output failed.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
}

impl CommandError {
    /// The exit code that goes with it.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            CommandError::Usage(_) | CommandError::Descriptor { .. } => exit::USAGE,
            CommandError::Store(StoreError::NoJob(_)) => exit::USAGE,
            CommandError::Remote(e) => e.code(),
            CommandError::OutputClosed => exit::SUCCESS,
            _ => exit::INCOMPLETE,
        }
    }
}

impl From<std::io::Error> for CommandError {
    /// Of standard output: errors of files say which file.
    fn from(e: std::io::Error) -> Self {
        if e.kind() == std::io::ErrorKind::BrokenPipe {
            CommandError::OutputClosed
        } else {
            CommandError::Output(e)
        }
    }
}

/// The result of a command: an exit code, or why there is none.
pub type Outcome = Result<u8, CommandError>;
