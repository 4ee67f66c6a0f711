//! Who has the store open for writing: a lock on `oyez.lock`, which the kernel takes back when a process dies.
//!
//! The first to open a store is alone with it: it makes or migrates the file and looks at the log. Then it shares the
//! lock with all others who may write, for as long as they have the store open.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::trouble::{BUSY_SECONDS, Trouble};
use crate::error::StoreError;

/// The lock, alone or shared.
#[derive(Debug)]
pub(super) struct Lock<'f> {
    file: File,
    alone: bool,
    folder: &'f Path,
}

impl<'f> Lock<'f> {
    /// Takes it alone if nobody has it, else shared; waits while somebody else has it alone, but not for ever.
    ///
    /// # Errors
    /// The file cannot be made or locked; [`StoreError::Busy`] when somebody keeps it alone.
    pub(super) fn take(folder: &'f Path) -> Result<Self, StoreError> {
        let t = Trouble(folder);
        let file = File::create(folder.join("oyez.lock")).map_err(|e| t.io(&e))?;
        let alone = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                shared(&file, folder)?;
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
            shared(&self.file, self.folder)?;
        }
        Ok(self.file)
    }
}

/// How often a lock that somebody else has alone is asked for.
const ASK: Duration = Duration::from_millis(5);

fn shared(file: &File, folder: &Path) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(Trouble(folder).io(&e)),
            Err(TryLockError::WouldBlock) if begun.elapsed().as_secs() >= BUSY_SECONDS => {
                return Err(StoreError::Busy { path: folder.to_owned(), seconds: BUSY_SECONDS });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(ASK),
        }
    }
}
