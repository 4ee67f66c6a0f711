//! Why a job could not be run.

use oyez_store::StoreError;
use thiserror::Error;

/// Why a job could not be begun, or not be brought to its end; its own failures are no errors but its state.
#[derive(Debug, Clone, Error)]
pub enum EngineError {
    /// The store does not take it, or does not take it any more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The descriptor cannot be written as JSON.
    #[error("the descriptor cannot be kept: {0}; this is a fault of Oyez, please report it")]
    Descriptor(String),
}
