//! Who has the store open for writing: a lock on `oyez.lock`, which the kernel takes back when a process dies.
//!
//! The first to open a store is alone with it: it makes or migrates the file and looks at the log. Then it shares the
//! lock with all others who may write, for as long as they have the store open.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::trouble::Trouble;
use crate::error::StoreError;

/// The lock, alone or shared.
#[derive(Debug)]
pub(super) struct Lock<'f> {
    file: File,
    alone: bool,
    folder: &'f Path,
}

impl<'f> Lock<'f> {
    /// Takes it alone if nobody has it, else shared; waits while somebody else has it alone.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub(super) fn take(folder: &'f Path) -> Result<Self, StoreError> {
        let t = Trouble(folder);
        let file = File::create(folder.join("oyez.lock")).map_err(|e| t.io(&e))?;
        let alone = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                file.lock_shared().map_err(|e| t.io(&e))?;
                false
            }
            Err(TryLockError::Error(e)) => return Err(t.io(&e)),
        };
        Ok(Lock { file, alone, folder })
    }

    /// Nobody else may be writing.
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Lets others in; the lock ends with the file.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn share(self) -> Result<File, StoreError> {
        if self.alone {
            self.file.lock_shared().map_err(|e| Trouble(self.folder).io(&e))?;
        }
        Ok(self.file)
    }
}
