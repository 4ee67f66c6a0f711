//! `terminalexpect`: waits for a text on a serial port (specs/contest.md 4).
//!
//! Who reads a port takes what it says from others that read it, so a port is locked: targets that have the same one wait
//! for each other.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use async_trait::async_trait;
use memchr::memmem;
use oyez_model::event::Stream;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::termios::{ControlModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::net::unix::pipe;
use tokio::time::Instant;

use super::Text;
use super::timed::{Resumption, TimedStep, Visited};
use crate::duration::GoDuration;
use crate::plan::TerminalExpectParameters;
use crate::runner::Visit;
use crate::template::Functions;

/// How often a port that somebody else has is asked for.
const ASK: Duration = Duration::from_millis(100);

/// The step.
#[derive(Debug)]
pub(super) struct TerminalExpect {
    port: Text,
    text: Text,
    speed: u32,
    timeout: GoDuration,
}

impl TerminalExpect {
    pub(super) fn new(parameters: &TerminalExpectParameters, functions: &Functions) -> Self {
        TerminalExpect {
            port: Text::new(&parameters.port, functions),
            text: Text::new(&parameters.r#match, functions),
            speed: parameters.speed,
            timeout: parameters.timeout,
        }
    }

    async fn wait(&self, visit: &Visit, port: &str, text: &str) -> Result<(), String> {
        let terminal = loop {
            match Terminal::open(port, self.speed)? {
                Some(terminal) => break terminal,
                None => tokio::time::sleep(ASK).await,
            }
        };
        let mut output = visit.output();
        let found = terminal.read_until(text.as_bytes(), &mut output).await;
        output.finish(&mut None).await;
        found.map_err(|e| format!("read {port}: {e}"))
    }
}

#[async_trait]
impl TimedStep for TerminalExpect {
    /// What it said while nobody listened is lost.
    fn resumption(&self) -> Resumption {
        Resumption::Lost
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let subject = visit.subject();
        let expanded = self.port.expand(&subject).and_then(|port| Ok((port, self.text.expand(&subject)?)));
        drop(subject);
        let (port, text) = match expanded {
            Ok(expanded) => expanded,
            Err(e) => return Visited::Failed(e),
        };
        let since = Duration::from_nanos(visit.now().since(visit.began));
        let end = Instant::now() + self.timeout.to_std().saturating_sub(since);
        tokio::select! {
            biased;
            _ = visit.stopped() => Visited::Stopped,
            found = tokio::time::timeout_at(end, self.wait(visit, &port, &text)) => match found {
                Ok(Ok(())) => Visited::Passed,
                Ok(Err(e)) => Visited::Failed(e),
                Err(_) => Visited::Failed(format!("timed out after {}", self.timeout)),
            },
        }
    }
}

/// A port that is ours, as it was when it is dropped.
struct Terminal {
    /// Read like a pipe: all that is asked of it is to be readable.
    file: pipe::Receiver,
    before: Termios,
}

impl Terminal {
    /// Opens a port; `None` while somebody else has it.
    fn open(port: &str, speed: u32) -> Result<Option<Terminal>, String> {
        // Without waiting for a carrier, and without becoming our controlling terminal.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(port);
        let file = file.map_err(|e| match e.kind() {
            ErrorKind::NotFound => format!("open {port}: no such file or directory"),
            ErrorKind::PermissionDenied => format!("open {port}: permission denied"),
            _ => format!("open {port}: {e}"),
        })?;
        let said = |e: rustix::io::Errno| format!("{port}: {e}");
        let before = tcgetattr(&file).map_err(|_| format!("{port} is no terminal"))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let mut raw = before.clone();
        raw.make_raw();
        raw.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        raw.set_speed(speed).map_err(|_| format!("{port}: it knows no speed of {speed} baud"))?;
        tcsetattr(&file, OptionalActions::Now, &raw).map_err(said)?;
        let file = pipe::Receiver::from_file_unchecked(file).map_err(|e| format!("{port}: {e}"))?;
        Ok(Some(Terminal { file, before }))
    }

    /// Reads until the text has come.
    async fn read_until(&self, text: &[u8], output: &mut crate::runner::Output) -> std::io::Result<()> {
        let mut window = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let due = output.due();
            tokio::select! {
                ready = self.file.readable() => ready?,
                () = at(due) => {
                    output.tick().await;
                    continue;
                }
            }
            let read = match self.file.try_read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
                Err(e) => return Err(e),
            };
            output.push(Stream::Stdout, &buffer[..read]).await;
            window.extend_from_slice(&buffer[..read]);
            if memmem::find(&window, text).is_some() {
                return Ok(());
            }
            // What may be the begin of it.
            window.drain(..window.len().saturating_sub(text.len().saturating_sub(1)));
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}
