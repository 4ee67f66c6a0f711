//! What can go wrong while a report is made.

use std::io;

use oyez_store::StoreError;
use thiserror::Error;

use crate::format::Format;

/// Why a report could not be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The job could not be read.
    #[error("the job could not be read for its report: {0}")]
    Store(#[from] StoreError),
    /// The document could not be written.
    #[error(
        "the {format} report could not be written: {source}; what is there of it is not whole: remove it and write it again with `oyez report`"
    )]
    Write {
        /// Which document.
        format: Format,
        /// What the system says.
        source: io::Error,
    },
}
