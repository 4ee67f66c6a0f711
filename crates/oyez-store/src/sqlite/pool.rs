//! Connections for readers, used again.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;
use super::trouble::{BUSY_SECONDS, Trouble};
use crate::error::StoreError;

/// Connections that wait for their next reader; more are closed.
const SPARE: usize = 8;

thread_local! {
    /// Whether this thread waits for other connections.
    static PATIENT: Cell<bool> = const { Cell::new(true) };
}

/// Does something without waiting for other connections, which is busy at once where it would have to.
pub(super) fn without_waiting<T>(work: impl FnOnce() -> T) -> T {
    PATIENT.set(false);
    let done = work();
    PATIENT.set(true);
    done
}

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
                let conn = match self.read_only {
                    true => open_to_look(&self.path, self.vfs(), false),
                    false => open(&self.path, self.vfs(), false, false),
                }
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

/// A connection that only reads, also where SQLite cannot make the files that it wants beside its own.
pub(super) fn open_to_look(path: &Path, vfs: Option<&str>, power: bool) -> rusqlite::Result<Connection> {
    let opened = open(path, vfs, power, true).and_then(|conn| schema::version(&conn).map(|_| conn));
    let refused = opened.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
    let sealed = matches!(refused, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
    if !sealed || vfs.is_some() || !path.is_file() {
        return opened;
    }
    // In a folder that cannot be written there is neither a log nor its index. Who writes has both, so nobody does.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let has_log = std::fs::metadata(super::wal::path(path)).is_ok_and(|log| log.len() > 0);
    let conn = if has_log {
        // The index in this connection's own memory, and no locks, for which the file would have to be written.
        let conn = Connection::open_with_flags_and_vfs(path, flags, "unix-none")?;
        conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        conn
    } else {
        Connection::open_with_flags(unchanging(path), flags | OpenFlags::SQLITE_OPEN_URI)?
    };
    schema::configure(&conn, power)?;
    Ok(conn)
}

/// The path as a URI that tells SQLite that the file does not change (sqlite.org/uri.html).
fn unchanging(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri + "?immutable=1"
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
        if !PATIENT.get() {
            return false;
        }
        let step = (200 + spread) * u64::from(tries.unsigned_abs().min(20) + 1);
        std::thread::sleep(std::time::Duration::from_micros(step));
        // The first 20 tries take about 50 ms, each further one about 5 ms.
        u64::from(tries.unsigned_abs()) * 5 < BUSY_SECONDS * 1000
    }))?;
    schema::configure(&conn, power)?;
    Ok(conn)
}
