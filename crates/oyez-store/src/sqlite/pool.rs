//! Connections for readers, used again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::schema;
use super::trouble::{BUSY_SECONDS, Trouble};
use crate::error::StoreError;

/// Connections that wait for their next reader; more are closed.
const SPARE: usize = 8;

#[derive(Debug)]
pub(super) struct Pool {
    path: PathBuf,
    vfs: Option<String>,
    read_only: bool,
    spare: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(path: PathBuf, vfs: Option<String>, read_only: bool) -> Self {
        Pool { path, vfs, read_only, spare: Mutex::default() }
    }

    pub(super) fn vfs(&self) -> Option<&str> {
        self.vfs.as_deref()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that only reads.
    pub(super) fn take(&self) -> Result<Connection, StoreError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match spare {
            Some(conn) => Ok(conn),
            None => {
                let conn = open(&self.path, self.vfs(), false, self.read_only)
                    .map_err(|e| Trouble(&self.path).of(e))?;
                conn.execute_batch("PRAGMA query_only = ON").map_err(|e| Trouble(&self.path).of(e))?;
                Ok(conn)
            }
        }
    }

    /// Gives it back; whatever it was reading ends.
    pub(super) fn put(&self, conn: Connection) {
        if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(conn);
        }
    }

    pub(super) fn clear(&self) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection with our settings, that waits for other processes in short steps.
pub(super) fn open(
    path: &Path,
    vfs: Option<&str>,
    power: bool,
    read_only: bool,
) -> rusqlite::Result<Connection> {
    let how = match read_only {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let flags = how | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    // Short steps with a spread that depends on the process, so that 64 of them do not march in step.
    let spread = u64::from(std::process::id() % 7) * 50;
    conn.busy_handler(Some(move |tries: i32| {
        let step = (200 + spread) * u64::from(tries.unsigned_abs().min(20) + 1);
        std::thread::sleep(std::time::Duration::from_micros(step));
        // The first 20 tries take about 50 ms, each further one about 5 ms.
        u64::from(tries.unsigned_abs()) * 5 < BUSY_SECONDS * 1000
    }))?;
    schema::configure(&conn, power)?;
    Ok(conn)
}
