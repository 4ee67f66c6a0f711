//! SQLite's words for trouble, in ours.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::error::StoreError;

/// How long a writer waits for another process before it gives up, in seconds.
pub(super) const BUSY_SECONDS: u64 = 30;

/// Translates errors of the file at this path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble<'a>(pub &'a Path);

impl Trouble<'_> {
    pub(super) fn of(self, error: Error) -> StoreError {
        let path = self.0.to_owned();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                StoreError::ReadOnly { path, reason }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Busy { path, seconds: BUSY_SECONDS }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged { what: format!("the store's file {}", path.display()), detail: reason }
            }
            // Our own statements are right: a table, a column or a value that is not as it must be was damaged.
            Some(ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) | None => {
                StoreError::Damaged { what: format!("the store's file {}", path.display()), detail: reason }
            }
            _ => StoreError::Io { path, reason },
        }
    }

    pub(super) fn io(self, error: &std::io::Error) -> StoreError {
        let (path, reason) = (self.0.to_owned(), error.to_string());
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly { path, reason }
            }
            _ => StoreError::Io { path, reason },
        }
    }
}
