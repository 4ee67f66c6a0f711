//! The command's output: passed on as it comes, and a copy of it for the recorder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oyez_model::event::Stream;
use oyez_store::{Clock, SystemClock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::spool::{Piece, Spool};

/// So much is read at once.
pub const PIECE: usize = 64 << 10;
/// How long is read on from a pipe that is never empty after the command's end.
const DRAIN: Duration = Duration::from_millis(500);

/// Bytes that could not be passed on.
#[derive(Clone, Debug)]
pub struct Unsent {
    /// How many.
    pub bytes: u64,
    /// Why, for people.
    pub why: String,
}

/// What became of a pipe.
#[derive(Debug)]
pub struct Copied {
    /// Which.
    pub stream: Stream,
    /// What could not be passed on.
    pub unsent: Option<Unsent>,
    /// The pipe, if something still holds its other end. All that the command itself wrote has been read.
    pub left: Option<File>,
}

/// Whether standard output and standard error are one open file, as after `2>&1`: then the command gets one pipe for
/// both, so that the order of what it writes is kept. Where both go nowhere there is no order to keep.
pub fn are_one() -> bool {
    let facts = |fd: &dyn AsFd| -> rustix::io::Result<_> {
        let (fd, stat) = (fd.as_fd(), rustix::fs::fstat(fd)?);
        // Two that were opened each for itself have places of their own in a file. Pipes have none.
        let place = rustix::fs::tell(fd).ok();
        Ok((stat.st_dev, stat.st_ino, rustix::fs::fcntl_getfl(fd)?, place, stat.st_rdev))
    };
    let null = rustix::fs::makedev(1, 3);
    matches!((facts(&io::stdout()), facts(&io::stderr())), (Ok(out), Ok(err)) if out == err && out.4 != null)
}

/// Copies until the pipe's end, or until it is empty after `halt` has been closed at its other end. Says through
/// `copying`, by dropping it, that it is done.
pub fn copy(
    mut from: File,
    stream: Stream,
    spool: Arc<Spool>,
    halt: Arc<OwnedFd>,
    copying: std::sync::mpsc::Sender<()>,
) -> JoinHandle<Copied> {
    std::thread::spawn(move || {
        let _copying = copying;
        let mut buffer = vec![0; PIECE];
        let mut halted = None;
        let (mut unsent, mut is_held) = (None, false);
        loop {
            if !wait(&from, &halt, &mut halted) || halted.is_some_and(|at: Instant| at.elapsed() > DRAIN) {
                is_held = true;
                break;
            }
            let n = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                    continue;
                }
                Err(_) => break,
            };
            let (time, bytes) = (SystemClock.now(), &buffer[..n]);
            let sent = match stream {
                Stream::Stderr => pass_on(&io::stderr(), bytes),
                _ => pass_on(&io::stdout(), bytes),
            };
            spool.push(Piece { time, stream, bytes: bytes.to_vec() });
            // When nobody takes our output any more, the command is to feel it as it would without us: its next write
            // fails. Closing the pipe does that.
            if let Err((rest, errno)) = sent {
                unsent = not_sent(stream, rest, errno);
                break;
            }
        }
        Copied { stream, unsent, left: is_held.then_some(from) }
    })
}

/// Waits until there is something to read (or the end), or until `halt` is closed. False: closed, and nothing there.
fn wait(from: &File, halt: &OwnedFd, halted: &mut Option<Instant>) -> bool {
    loop {
        if halted.is_some() {
            let mut fds = [PollFd::new(from, PollFlags::IN)];
            return match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Err(Errno::INTR) => continue,
                Err(_) => true,
                Ok(_) => !fds[0].revents().is_empty(),
            };
        }
        let mut fds = [PollFd::new(from, PollFlags::IN), PollFd::new(halt, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) if !fds[0].revents().is_empty() => return true,
            Ok(_) if !fds[1].revents().is_empty() => *halted = Some(Instant::now()),
            Ok(_) | Err(Errno::INTR) => {}
            // It can be read without knowing whether there is something.
            Err(_) => return true,
        }
    }
}

/// Nobody reads any more: that happens, and nobody wants to hear of it. Anything else is said.
fn not_sent(stream: Stream, bytes: usize, errno: Errno) -> Option<Unsent> {
    if errno == Errno::PIPE {
        return None;
    }
    let name = if stream == Stream::Stderr { "standard error" } else { "standard output" };
    let why = format!("{name} cannot be written: {}", io::Error::from(errno));
    say(&why);
    Some(Unsent { bytes: bytes as u64, why })
}

/// What we say ourselves.
pub fn say(text: &str) {
    line(&format!("oyez: {text}"));
}

/// A line on standard error; where that cannot be written there is nobody to tell.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes all of it.
///
/// # Errors
/// How many bytes could not be written, and why.
pub fn pass_on(to: &impl AsFd, mut bytes: &[u8]) -> Result<(), (usize, Errno)> {
    let fd = to.as_fd();
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
                let _ = poll(&mut fds, None);
            }
            Err(e) => return Err((bytes.len(), e)),
        }
    }
    Ok(())
}
