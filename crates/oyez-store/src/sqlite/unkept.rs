//! When a sync of the store's file fails: the log is the truth then, and must stay.
//!
//! SQLite moves its log into the file (a checkpoint) in parts when commits come meanwhile, and counts a part as moved
//! before the file is synced: the sync comes with the last part. When that sync fails, the kernel forgets the pages of
//! all parts and says so once. The next checkpoint moves the last part again, not those before it; its sync succeeds,
//! the log begins anew, and pages are missing for good. Even without a power cut they can read as they were before.
//!
//! So after a failed sync nobody moves the log any more: what was acked is whole in it. The file is marked, by a commit
//! in the log like any other (`application_id`, which is 0 else), so that each process that has it open sees it before
//! it moves anything. Nothing is written any more, because it would be written from pages that may be old. The next who
//! opens the store alone moves the whole log from its first frame ([`mend`]) and takes the mark away.
//!
//! Between the failed sync and the mark somebody else could move the rest; who opened the file after the failure is not
//! told of it by the kernel. So who moves the log reads it at the same time ([`move_log`]'s `pin`): while that reader
//! stays where it is the log does not begin anew, and it stays when a sync has failed. Whoever has not seen the mark in
//! his own pin cannot move the log beyond it, because the mark comes later.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, ffi};

/// The mark: "Oyun".
const MARK: i32 = 0x4f79_756e;

/// What became of an attempt to move the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// As much as could be; perhaps nothing, because others were in the way.
    Some,
    /// All of it, and it begins anew if that was asked.
    All,
    /// A sync failed, here or elsewhere: the log must not be moved any more.
    Never,
}

/// Moves the log into the file, unless that is marked; marks it when the device fails to keep it. `how` is SQLite's
/// word: `PASSIVE`, `RESTART`, `TRUNCATE`.
///
/// `pin` reads while the log is moved. After [`Moved::Never`] it still does: it must be kept as long as `conn`.
pub fn move_log(conn: &Connection, pin: &Connection, how: &str) -> Moved {
    let let_go = |moved| {
        // Where there is no transaction, nothing is pinned.
        let _ = pin.execute_batch("ROLLBACK");
        moved
    };
    match pin.execute_batch("BEGIN").and_then(|()| is_marked(pin)) {
        Ok(false) => {}
        Ok(true) => return let_go(Moved::Never),
        // Whether it may be moved is not known now: the log only stays longer.
        Err(_) => return let_go(Moved::Some),
    }
    // The others would wait for our own pin.
    match checkpoint(conn, "PASSIVE") {
        Err(rusqlite::Error::SqliteFailure(e, _)) if e.extended_code == ffi::SQLITE_IOERR_FSYNC => {
            mark(conn);
            Moved::Never
        }
        Ok(true) if how != "PASSIVE" => {
            // All is moved and synced. What comes now is either moved as a whole or not at all, so that a sync that
            // fails does no harm; and the pin would be in the way.
            let done = let_go(Moved::All);
            if matches!(checkpoint(conn, how), Ok(true)) { done } else { Moved::Some }
        }
        Ok(true) => let_go(Moved::All),
        _ => let_go(Moved::Some),
    }
}

/// Whether all of the log has been moved and synced.
fn checkpoint(conn: &Connection, how: &str) -> rusqlite::Result<bool> {
    conn.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
        let (busy, log, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && log == moved)
    })
}

/// Marks the file. When not even that can be written, this process still knows.
pub(super) fn mark(conn: &Connection) {
    let _ = conn.execute_batch(&format!("PRAGMA application_id = {MARK}"));
}

/// Whether the log must not be moved.
pub(super) fn is_marked(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA application_id", [], |row| row.get::<_, i32>(0)).map(|id| id == MARK)
}

/// Moves the whole log into the file, whatever was said to be moved already, and takes the mark away.
///
/// # Errors
/// Busy, when anybody else has the file open; the device's. Then all is as before.
pub(super) fn mend(path: &Path, vfs: Option<&str>) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Before anything is read: so SQLite does not take the shared index, which remembers what was moved, but makes one
    // of its own from the log.
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")?;
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    conn.execute_batch("PRAGMA application_id = 0")
}
