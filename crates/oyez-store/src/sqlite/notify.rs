//! Seeing another process's commits: the kernel says when the log file changes; nobody polls faster than once a second.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

/// Tells when the store's log is written by anybody.
#[derive(Debug)]
pub(super) struct Watch {
    fd: OwnedFd,
}

impl Watch {
    /// Watches the folder of the store's file for changes of the log.
    pub(super) fn new(store: &Path) -> Option<Watch> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        inotify::add_watch(&fd, store.parent()?, flags).ok()?;
        Some(Watch { fd })
    }

    /// Waits for a change, at most `timeout`; true when there was one.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let millis = i64::try_from(timeout.as_millis()).unwrap_or(1000);
        let limit = rustix::event::Timespec { tv_sec: millis / 1000, tv_nsec: (millis % 1000) * 1_000_000 };
        let ready = poll(&mut fds, Some(&limit)).is_ok_and(|n| n > 0);
        if ready {
            // What changed does not matter: the journal is read to find out.
            let mut buffer = [0u8; 4096];
            while rustix::io::read(&self.fd, &mut buffer).is_ok_and(|n| n > 0) {}
        }
        ready
    }
}
