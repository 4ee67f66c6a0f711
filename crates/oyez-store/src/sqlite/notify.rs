//! Seeing another process's commits: the kernel says when the log file is written; nobody polls faster than once a
//! second.
//!
//! SQLite writes the log first and its index, in shared memory, last. The kernel tells of the former; whether the commit
//! can be seen already is told by `PRAGMA data_version`. So a few more looks follow each write, soon after each other:
//! between the two lies at most a sync of the device. What is seen first may be the commit before, so they are all made.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

use super::pool::Pool;

/// How often somebody looks who was told of nothing.
const IDLE: Duration = Duration::from_secs(1);
/// The looks that follow a write, in milliseconds from one to the next.
const LOOKS: [u64; 8] = [1, 1, 3, 5, 10, 30, 100, 300];
/// So long after a write it is looked: where many commits follow each other, one look is for all of them.
const CALM: Duration = Duration::from_millis(2);
/// Where the kernel tells nothing, this is how often somebody looks.
const UNTOLD: Duration = Duration::from_millis(20);

/// Calls `changed` soon after each commit of anybody, until `stopped` is set (which is looked at once a second).
pub(super) fn run(pool: &Pool, stopped: &AtomicBool, changed: impl Fn()) {
    let watch = Watch::new(pool.path());
    let mut conn = pool.take().ok();
    let mut seen = None;
    // A commit may be on its way that was written before anybody watched.
    let mut looks = 0;
    while !stopped.load(Ordering::SeqCst) {
        let version = conn.as_ref().and_then(|conn| data_version(conn).ok());
        if version.is_none() || version != seen {
            // Without an answer it is left to those who wait to look for themselves.
            seen = version;
            changed();
        }
        let patience = LOOKS.get(looks).map_or(IDLE, |millis| Duration::from_millis(*millis));
        match &watch {
            Some(watch) => looks = if watch.wait(patience) { 0 } else { looks.saturating_add(1) },
            None => std::thread::sleep(UNTOLD),
        }
        if conn.is_none() {
            conn = pool.take().ok();
        }
    }
    if let Some(conn) = conn {
        pool.put(conn);
    }
}

fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// Tells when the store's log is written by anybody.
#[derive(Debug)]
struct Watch {
    fd: OwnedFd,
}

impl Watch {
    /// Watches the folder of the store's file for changes of the log.
    fn new(store: &Path) -> Option<Watch> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        inotify::add_watch(&fd, store.parent()?, flags).ok()?;
        Some(Watch { fd })
    }

    /// Waits for a change, at most `timeout`; true when there was one.
    fn wait(&self, timeout: Duration) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let millis = i64::try_from(timeout.as_millis()).unwrap_or(1000);
        let limit = rustix::event::Timespec { tv_sec: millis / 1000, tv_nsec: (millis % 1000) * 1_000_000 };
        let ready = poll(&mut fds, Some(&limit)).is_ok_and(|n| n > 0);
        if ready {
            std::thread::sleep(CALM);
            // What changed does not matter: the journal is read to find out.
            let mut buffer = [0u8; 4096];
            while rustix::io::read(&self.fd, &mut buffer).is_ok_and(|n| n > 0) {}
        }
        ready
    }
}
