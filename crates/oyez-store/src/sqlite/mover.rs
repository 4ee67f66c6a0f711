//! Moves SQLite's log into the file on a thread of its own, so that no commit waits for it.
//!
//! Under load the log can grow faster than it is moved; then the writer itself waits once, and the log begins anew.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::pool::{self, Pool};
use super::unkept::{self, Moved};

/// The log is moved each time it has grown by so many pages (256 KiB). Measured under a flood: small steps are over
/// before a commit has to wait for them (p99 of another job's ack 1.8 ms; with steps of 16 MiB 15 ms), and the log
/// begins anew more often.
const STEP: u64 = 64;
/// Where it cannot be moved fast enough it begins anew at so many pages (128 MiB), and the writer waits for that.
const LONGEST: u64 = 32_768;
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
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
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
            self.lock().wanted = true;
            self.work.notify_one();
        }
    }

    /// Whether a sync of the file failed, here or in another process.
    pub(super) fn is_unkept(&self) -> bool {
        self.unkept.load(Ordering::Acquire)
    }

    fn move_log(&self, conn: &Connection, how: &str) {
        // When it cannot be done now, the log only stays longer.
        if self.is_unkept() {
            return;
        }
        let Ok(pin) = self.pool.take() else { return };
        match unkept::move_log(conn, &pin, how) {
            Moved::Some => self.pool.put(pin),
            Moved::Never => {
                self.unkept.store(true, Ordering::Release);
                self.lock().pins.push(pin);
            }
        }
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
        loop {
            let state = self.lock();
            let idle = |state: &mut State| !state.wanted && !state.stopped;
            let mut state = self.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return;
            }
            state.wanted = false;
            drop(state);
            if conn.is_none() {
                conn = pool::open(self.pool.path(), self.pool.vfs(), false, false).ok();
            }
            if let Some(conn) = &conn {
                self.move_log(conn, "PASSIVE");
            }
        }
    }

    /// The writer itself moves the log when it has become too long. It never waits for readers: while one of them
    /// stays at an old moment the log grows, and nobody's commit is held up.
    pub(super) fn restart_if_long(&self, conn: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages <= LONGEST {
            self.retry.store(LONGEST, Ordering::Relaxed);
        } else if pages > self.retry.load(Ordering::Relaxed) {
            self.retry.store(pages + LONGEST / 8, Ordering::Relaxed);
            pool::without_waiting(|| self.move_log(conn, "RESTART"));
        }
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
            if free > LEAVE_UP_TO || self.pages.load(Ordering::Relaxed) > LEAVE_UP_TO {
                self.move_log(conn, "TRUNCATE");
            }
            Ok(())
        });
    }
}
