//! A terminal for the command when we have one: it colours its output and draws its bars as it would without us.
//!
//! The command keeps our own terminal as its controlling one and as its standard input; only what it prints goes
//! through a second terminal in raw mode, which changes no byte.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use tokio::runtime::Handle;

/// Our end, and the command's.
#[derive(Debug)]
pub struct Terminal {
    ours: OwnedFd,
    theirs: OwnedFd,
}

/// A terminal as large as ours, if our standard output is one.
pub fn open() -> Option<Terminal> {
    let out = std::io::stdout();
    if !isatty(&out) {
        return None;
    }
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()?;
    grantpt(&ours).ok()?;
    unlockpt(&ours).ok()?;
    let theirs =
        ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()?;
    let mut modes = tcgetattr(&theirs).ok()?;
    modes.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &modes).ok()?;
    if let Ok(size) = tcgetwinsize(&out) {
        let _ = tcsetwinsize(&ours, size);
    }
    Some(Terminal { ours, theirs })
}

impl Terminal {
    /// For the command's standard output or standard error.
    pub fn theirs(&self) -> Option<Stdio> {
        self.theirs.try_clone().ok().map(Stdio::from)
    }

    /// What the command prints; the command's own end is closed here. It keeps the size of our terminal.
    pub fn into_reader(self, runtime: &Handle) -> Option<File> {
        let ours = self.ours.try_clone().ok()?;
        let _inside = runtime.enter();
        if let Ok(mut resized) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())
        {
            runtime.spawn(async move {
                while resized.recv().await.is_some() {
                    if let Ok(size) = tcgetwinsize(std::io::stdout()) {
                        let _ = tcsetwinsize(&self.ours, size);
                    }
                }
            });
        }
        Some(File::from(ours))
    }
}
