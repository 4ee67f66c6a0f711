//! The wrapped command: started, its end waited for.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use oyez_model::event::Stream;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::output::{self, Copied, Unsent, say};
use super::relay;
use super::signals::{Passing, Signals};
use super::spool::Spool;
use super::terminal::{self, Resizer};

/// How long the pipes' end is awaited after the command's own: what it started may need a moment to end, too.
const GRACE: Duration = Duration::from_millis(250);

/// How the command ended.
#[derive(Clone, Debug)]
pub enum Finished {
    /// By itself.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// It never began; the exit code is a shell's.
    NotStarted {
        /// 126 or 127.
        code: u8,
        /// Why.
        why: String,
    },
}

impl Finished {
    /// The exit code that a shell would give.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Finished::Exited(n) => u8::try_from(n & 0xff).unwrap_or(1),
            Finished::Signalled(n) => u8::try_from(128 + n).unwrap_or(255),
            Finished::NotStarted { code, .. } => *code,
        }
    }
}

/// The command has ended, and what it printed itself has been passed on.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How it ended.
    pub how: Finished,
    /// Something that it left behind can still print.
    pub is_held: bool,
    /// What could not be passed on.
    pub unsent: Vec<Unsent>,
    /// When all this was known.
    pub at: Instant,
}

impl Ending {
    fn now(how: Finished) -> Self {
        Ending { how, is_held: false, unsent: Vec::new(), at: Instant::now() }
    }
}

/// The end, when it has come.
#[derive(Clone, Debug)]
pub struct End(watch::Receiver<Option<Ending>>);

impl End {
    /// Waits for it.
    pub async fn wait(&mut self) -> Ending {
        match self.0.wait_for(Option::is_some).await.map(|ending| ending.clone()) {
            Ok(Some(ending)) => ending,
            _ => Ending::now(Finished::NotStarted { code: 126, why: "nobody waited for it".to_owned() }),
        }
    }

    /// When it came, if it has.
    pub fn came(&self) -> Option<Instant> {
        self.0.borrow().as_ref().map(|ending| ending.at)
    }
}

/// Starts the command. What it prints is passed on and goes into `spool`, which is closed at its end.
pub fn start(command: &[OsString], spool: Arc<Spool>, runtime: &Handle) -> End {
    let (done, end) = watch::channel(None);
    let signals = Signals::listen(runtime);
    match spawn(command) {
        Ok(Started { mut child, outputs, resizer, halt }) => {
            let passing = signals.pass_on(Pid::from_child(&child), resizer, runtime);
            std::thread::spawn(move || {
                let attended = attend(&mut child, outputs, halt, &spool, passing);
                spool.close();
                done.send_replace(Some(attended));
            });
        }
        Err(e) => {
            let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            spool.close();
            done.send_replace(Some(Ending::now(not_started(&name, &e))));
        }
    }
    End(end)
}

struct Started {
    child: Child,
    outputs: Vec<(Stream, File)>,
    resizer: Option<Resizer>,
    /// The copies stop when the second of them is closed.
    halt: (OwnedFd, OwnedFd),
}

/// With a terminal for what we print into a terminal, one pipe where both streams go to one place, else two.
fn spawn(command: &[OsString]) -> io::Result<Started> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::inherit());
    let mut outputs = Vec::new();
    let mut piped = |stream| -> io::Result<std::io::PipeWriter> {
        let (ours, theirs) = std::io::pipe()?;
        outputs.push((stream, File::from(OwnedFd::from(ours))));
        Ok(theirs)
    };
    let halt = pipe_with(PipeFlags::CLOEXEC)?;
    let screen = terminal::open();
    match &screen {
        Some(screen) if rustix::termios::isatty(io::stderr()) => {
            command.stdout(screen.theirs()?).stderr(screen.theirs()?);
        }
        Some(screen) => {
            command.stdout(screen.theirs()?).stderr(piped(Stream::Stderr)?);
        }
        None => {
            let out = piped(Stream::Stdout)?;
            let err = if output::are_one() { out.try_clone()? } else { piped(Stream::Stderr)? };
            command.stdout(out).stderr(err);
        }
    }
    let child = command.spawn()?;
    let resizer = screen.and_then(terminal::Terminal::into_reader).map(|(from, resizer)| {
        outputs.push((Stream::Stdout, from));
        resizer
    });
    Ok(Started { child, outputs, resizer, halt })
}

fn not_started(program: &str, e: &io::Error) -> Finished {
    let (code, why) = match e.kind() {
        io::ErrorKind::NotFound => (127, "command not found".to_owned()),
        io::ErrorKind::PermissionDenied => (126, "permission denied".to_owned()),
        _ => (126, e.to_string()),
    };
    let why = format!("{program}: {why}");
    say(&why);
    Finished::NotStarted { code, why }
}

/// Waits for the command's end and passes its output on until then.
fn attend(
    child: &mut Child,
    outputs: Vec<(Stream, File)>,
    (heard, halt): (OwnedFd, OwnedFd),
    spool: &Arc<Spool>,
    passing: Passing,
) -> Ending {
    let heard = Arc::new(heard);
    // Each copy holds a sender: when all are gone, all output has been passed on.
    let (copying, copied) = mpsc::channel::<()>();
    let copies: Vec<_> = outputs
        .into_iter()
        .map(|(stream, from)| output::copy(from, stream, spool.clone(), heard.clone(), copying.clone()))
        .collect();
    drop(copying);
    let how = wait(child, passing);
    let _ = copied.recv_timeout(GRACE);
    drop(halt);
    let mut ending = Ending::now(how);
    for copy in copies {
        let Ok(Copied { stream, unsent, left }) = copy.join() else { continue };
        ending.unsent.extend(unsent);
        if let Some(from) = left {
            ending.is_held = true;
            leave_behind(from, stream, spool);
        }
    }
    ending.at = Instant::now();
    ending
}

/// Where no process can be left behind we stay ourselves: late is better than lost.
fn leave_behind(from: File, stream: Stream, spool: &Arc<Spool>) {
    let Err(from) = relay::leave(from, stream) else { return };
    let Ok((heard, _open)) = pipe_with(PipeFlags::CLOEXEC) else { return };
    let (copying, _) = mpsc::channel();
    let _ = output::copy(from, stream, spool.clone(), Arc::new(heard), copying).join();
}

fn wait(child: &mut Child, passing: Passing) -> Finished {
    // It is not taken away before nobody sends signals to its number any more.
    let id = WaitId::Pid(Pid::from_child(child));
    let ended = || waitid(id.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    while matches!(ended(), Err(rustix::io::Errno::INTR)) {}
    drop(passing);
    match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Finished::Exited(code),
            (None, signal) => Finished::Signalled(signal.unwrap_or(9)),
        },
        Err(e) => Finished::NotStarted { code: 126, why: format!("cannot be waited for: {e}") },
    }
}
