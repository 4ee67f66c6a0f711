//! Moves SQLite's log into the file on a thread of its own, so that no commit waits for it.
//!
//! The log begins anew only when all of it has been moved and nobody reads it any more, which under load is never the
//! case by itself. A long log is slow to read, the more so the longer it is, and whoever opens the store after a crash
//! reads all of it: so the writer itself sees to it that it begins anew in time, and this thread when nothing is written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::pool::{self, Pool};
use super::unkept::{self, Moved};
use super::wal;

/// The log is moved each time it has grown by so many pages (256 KiB). Measured under a flood: small steps are over
/// before a commit has to wait for them (p99 of another job's ack 1.8 ms; with steps of 16 MiB 15 ms), and the log
/// begins anew more often.
const STEP: u64 = 64;
/// At so many pages (32 MiB) the writer makes it begin anew. A start after a crash reads that in about 100 ms.
pub(super) const LONGEST: u64 = 8192;
/// For so long the writer waits then for who reads or moves it, and tries again when it is longer by an eighth of
/// [`LONGEST`].
const PATIENCE: Duration = Duration::from_millis(10);
/// For so long when it has become four times as long: commits get slower then than this wait is.
const PATIENCE_AT_LAST: Duration = Duration::from_millis(250);
/// When the log has not grown for so long, it begins anew if it can,
const IDLE: Duration = Duration::from_millis(500);
/// which is tried so often.
const IDLE_TRIES: u32 = 20;
/// A log that is longer when the store is closed is moved then, and as many free pages are given back; less is left to
/// the next who opens the store, because it syncs the device.
const LEAVE_UP_TO: u64 = 1024;

#[derive(Debug)]
pub(super) struct Mover {
    pool: Arc<Pool>,
    pages: AtomicU64,
    /// The writer moves the log itself when it is longer than this.
    retry: AtomicU64,
    /// A sync of the file failed ([`unkept`]): nothing is moved any more, and nothing written.
    unkept: AtomicBool,
    /// Held by who moves the log: two would be in each other's way.
    moving: Mutex<()>,
    /// The writer waits for that: the thread lets it go first.
    hurry: AtomicBool,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    /// How often it may still be tried to let the log begin anew while nothing is written.
    tries: u32,
    stopped: bool,
    /// What keeps the log from beginning anew after a sync of the file failed.
    pins: Vec<Connection>,
}

impl Mover {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Mover {
            pool,
            pages: AtomicU64::new(0),
            retry: AtomicU64::new(0),
            unkept: AtomicBool::new(false),
            moving: Mutex::default(),
            hurry: AtomicBool::new(false),
            state: Mutex::default(),
            work: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log has so many pages now.
    pub(super) fn grown(&self, pages: u64) {
        let before = self.pages.swap(pages, Ordering::Relaxed);
        if pages / STEP > before / STEP {
            let mut state = self.lock();
            (state.wanted, state.tries) = (true, IDLE_TRIES);
            drop(state);
            self.work.notify_one();
        }
    }

    /// Whether a sync of the file failed, here or in another process.
    pub(super) fn is_unkept(&self) -> bool {
        self.unkept.load(Ordering::Acquire)
    }

    /// Whether all of it was moved, and it begins anew if that is `how`.
    fn move_log(&self, conn: &Connection, how: &str) -> bool {
        // When it cannot be done now, the log only stays longer.
        if self.is_unkept() {
            return false;
        }
        let Ok(pin) = self.pool.take() else { return false };
        match unkept::move_log(conn, &pin, how) {
            moved @ (Moved::Some | Moved::All) => {
                self.pool.put(pin);
                moved == Moved::All
            }
            Moved::Never => {
                self.unkept.store(true, Ordering::Release);
                self.lock().pins.push(pin);
                false
            }
        }
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store is closed: what is read by nobody is held by nobody.
    pub(super) fn unpin(&self) {
        self.lock().pins.clear();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.work.notify_all();
    }

    /// The thread: a connection of its own, opened when it is first needed.
    pub(super) fn run(&self) {
        let mut conn = None;
        while let Some(wanted) = self.wait() {
            if conn.is_none() {
                conn = pool::open(self.pool.path(), self.pool.vfs(), false, false).ok();
            }
            let Some(conn) = &conn else { continue };
            if self.hurry.load(Ordering::Relaxed) {
                continue;
            }
            let _turn = self.take_turn();
            if wanted {
                self.move_log(conn, "PASSIVE");
            } else if pool::without_waiting(|| self.move_log(conn, "TRUNCATE")) {
                self.pages.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Until the log has grown (true), or has not for a while although it is long (false); none at the end.
    fn wait(&self) -> Option<bool> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if std::mem::take(&mut state.wanted) {
                return Some(true);
            }
            let rests = state.tries > 0 && self.pages.load(Ordering::Relaxed) > LEAVE_UP_TO;
            let patience = if rests { IDLE } else { Duration::from_secs(3600) };
            let (locked, timeout) =
                self.work.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = locked;
            if rests && timeout.timed_out() && !state.wanted && !state.stopped {
                state.tries -= 1;
                return Some(false);
            }
        }
    }

    /// The writer itself makes the log begin anew when it has become too long. It waits for who reads for a moment only:
    /// while one of them stays at an old one the log grows, and nobody's commit is held up.
    pub(super) fn restart_if_long(&self, conn: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages <= LONGEST {
            self.retry.store(LONGEST, Ordering::Relaxed);
        } else if pages > self.retry.load(Ordering::Relaxed) {
            self.retry.store(pages + LONGEST / 8, Ordering::Relaxed);
            let patience = if pages < 4 * LONGEST { PATIENCE } else { PATIENCE_AT_LAST };
            self.hurry.store(true, Ordering::Relaxed);
            self.restart(conn, Instant::now() + patience);
            self.hurry.store(false, Ordering::Relaxed);
        }
    }

    fn restart(&self, conn: &Connection, end: Instant) {
        loop {
            if let Ok(_turn) = self.moving.try_lock()
                && (pool::without_waiting(|| self.move_log(conn, "RESTART")) || self.is_unkept())
            {
                return;
            }
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Whether the log's file is long, although what stands in it may be short since it began anew.
    fn is_file_long(&self) -> bool {
        let is_long = |file: std::fs::Metadata| file.len() > LEAVE_UP_TO * 4096;
        self.pool.vfs().is_none() && std::fs::metadata(wal::path(self.pool.path())).is_ok_and(is_long)
    }

    /// The last the writer does: freed pages are given back, a long log is moved.
    pub(super) fn finish(&self, conn: &Connection) {
        if self.is_unkept() {
            // Once more, with patience: nobody else may take the log for moved.
            unkept::mark(conn);
            return;
        }
        // Others may be reading: then as much as can be is done.
        let _ = pool::without_waiting(|| -> rusqlite::Result<()> {
            let free = conn.query_row("PRAGMA freelist_count", [], |row| super::rows::uint(row, 0))?;
            if free > LEAVE_UP_TO {
                // It gives back one page for each row that is asked for.
                let mut vacuum = conn.prepare("PRAGMA incremental_vacuum")?;
                let mut pages = vacuum.query([])?;
                while pages.next()?.is_some() {}
            }
            if free > LEAVE_UP_TO || self.pages.load(Ordering::Relaxed) > LEAVE_UP_TO || self.is_file_long() {
                let _turn = self.take_turn();
                self.move_log(conn, "TRUNCATE");
            }
            Ok(())
        });
    }
}
