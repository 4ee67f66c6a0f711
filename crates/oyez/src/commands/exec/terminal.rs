//! A terminal for the command when we have one: it colours its output and draws its bars as it would without us.
//!
//! The command keeps our own terminal as its controlling one and as its standard input; only what it prints goes
//! through a second terminal in raw mode, which changes no byte.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

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
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn theirs(&self) -> std::io::Result<Stdio> {
        self.theirs.try_clone().map(Stdio::from)
    }

    /// What the command prints, and what keeps the size; the command's own end is closed here.
    pub fn into_reader(self) -> Option<(File, Resizer)> {
        let ours = self.ours.try_clone().ok()?;
        Some((File::from(ours), Resizer(self.ours)))
    }
}

/// Gives the command's terminal the size of ours.
#[derive(Debug)]
pub struct Resizer(OwnedFd);

impl Resizer {
    /// Does it, now.
    pub fn resize(&self) {
        if let Ok(size) = tcgetwinsize(std::io::stdout()) {
            let _ = tcsetwinsize(&self.0, size);
        }
    }
}
