//! The wrapped command: started, its output passed on and copied, its end waited for.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oyez_model::Time;
use oyez_model::event::Stream;
use oyez_store::{Clock, SystemClock};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::terminal;

/// Pieces that may wait for the recorder: 16 MiB. The command never waits for it.
const WAITING: usize = 256;
const PIECE: usize = 64 << 10;
/// How long output is awaited after the command's own end, when something it left behind holds the pipes.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// A piece of output.
#[derive(Debug)]
pub struct Piece {
    /// When it came.
    pub time: Time,
    /// Where from.
    pub stream: Stream,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What the recorder gets.
#[derive(Debug)]
pub struct Log {
    /// The pieces, in the order in which they came.
    pub pieces: mpsc::Receiver<Piece>,
    /// Bytes that found no room.
    pub dropped: Arc<AtomicU64>,
}

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

/// The end, when it has come.
#[derive(Clone, Debug)]
pub struct End(watch::Receiver<Option<Finished>>);

impl End {
    /// Waits for it.
    pub async fn wait(&mut self) -> Finished {
        match self.0.wait_for(Option::is_some).await.map(|finished| finished.clone()) {
            Ok(Some(finished)) => finished,
            _ => Finished::NotStarted { code: 126, why: "nobody waited for it".to_owned() },
        }
    }
}

/// Starts the command; its end and its log come as they come. Without a recorder it has our own standard streams.
pub fn run(command: &[String], record: bool, runtime: &Handle) -> (End, Log) {
    let (to, pieces) = mpsc::channel(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let log = Log { pieces, dropped: dropped.clone() };
    let (done, end) = watch::channel(None);
    let end = End(end);
    let screen = if record { terminal::open() } else { None };
    let output = |is_terminal: bool| match (&screen, record) {
        (Some(screen), true) if is_terminal => screen.theirs().unwrap_or_else(Stdio::piped),
        (_, true) => Stdio::piped(),
        (_, false) => Stdio::inherit(),
    };
    let (out, err) = (output(true), output(rustix::termios::isatty(std::io::stderr())));
    let (program, args) = command.split_first().map_or(("", &[][..]), |(p, args)| (p.as_str(), args));
    let child = Command::new(program).args(args).stdin(Stdio::inherit()).stdout(out).stderr(err).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            done.send_replace(Some(not_started(program, &e)));
            return (end, log);
        }
    };
    let signals = pass_signals_on(&child, runtime);
    // Each copy holds a sender: when both are gone, all output has been passed on.
    let (copying, copied) = std::sync::mpsc::channel::<()>();
    if let Some(from) = screen.and_then(|screen| screen.into_reader(runtime)) {
        copy(from, Stream::Stdout, to.clone(), dropped.clone(), copying.clone());
    }
    if let Some(from) = child.stdout.take() {
        copy(from, Stream::Stdout, to.clone(), dropped.clone(), copying.clone());
    }
    if let Some(from) = child.stderr.take() {
        copy(from, Stream::Stderr, to.clone(), dropped, copying.clone());
    }
    drop((to, copying));
    std::thread::spawn(move || {
        let finished = wait(&mut child);
        if let Some(signals) = signals {
            signals.abort();
        }
        // Pipes that are still held belong to something that the command left behind.
        let _ = copied.recv_timeout(LEFT_BEHIND);
        done.send_replace(Some(finished));
    });
    (end, log)
}

fn not_started(program: &str, e: &std::io::Error) -> Finished {
    let (code, why) = match e.kind() {
        std::io::ErrorKind::NotFound => (127, "command not found".to_owned()),
        std::io::ErrorKind::PermissionDenied => (126, "permission denied".to_owned()),
        _ => (126, e.to_string()),
    };
    let why = format!("{program}: {why}");
    eprintln!("oyez: {why}");
    Finished::NotStarted { code, why }
}

fn wait(child: &mut Child) -> Finished {
    match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Finished::Exited(code),
            (None, signal) => Finished::Signalled(signal.unwrap_or(9)),
        },
        Err(e) => Finished::NotStarted { code: 126, why: format!("cannot be waited for: {e}") },
    }
}

/// Passes output on as it comes, and a copy of it to the recorder.
fn copy(
    mut from: impl Read + Send + 'static,
    stream: Stream,
    to: mpsc::Sender<Piece>,
    dropped: Arc<AtomicU64>,
    copying: std::sync::mpsc::Sender<()>,
) {
    std::thread::spawn(move || {
        let _copying = copying;
        let mut buffer = vec![0; PIECE];
        let mut open = true;
        loop {
            let n = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let bytes = &buffer[..n];
            // When nobody reads our output any more, the command is to feel it as it would without us: its next write
            // fails. Closing the pipe by returning does that.
            open = open && pass_on(stream, bytes);
            if !open {
                return;
            }
            let piece = Piece { time: SystemClock.now(), stream, bytes: bytes.to_vec() };
            if to.try_send(piece).is_err() {
                dropped.fetch_add(n as u64, Ordering::Relaxed);
            }
        }
    });
}

fn pass_on(stream: Stream, mut bytes: &[u8]) -> bool {
    let (out, err) = (std::io::stdout(), std::io::stderr());
    let fd = if stream == Stream::Stderr { err.as_fd() } else { out.as_fd() };
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::OUT)];
                let _ = rustix::event::poll(&mut fds, None);
            }
            Err(_) => return false,
        }
    }
    true
}

/// Signals that are sent to us alone reach the command, too. Ctrl-C on a terminal reaches it without us.
fn pass_signals_on(child: &Child, runtime: &Handle) -> Option<tokio::task::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let pid = rustix::process::Pid::from_child(child);
    let at_terminal = rustix::termios::isatty(std::io::stdin());
    let _inside = runtime.enter();
    let mut int = signal(SignalKind::interrupt()).ok()?;
    let mut term = signal(SignalKind::terminate()).ok()?;
    let mut hup = signal(SignalKind::hangup()).ok()?;
    let mut quit = signal(SignalKind::quit()).ok()?;
    Some(runtime.spawn(async move {
        use rustix::process::Signal;
        loop {
            let got = tokio::select! {
                _ = int.recv() => Signal::INT,
                _ = term.recv() => Signal::TERM,
                _ = hup.recv() => Signal::HUP,
                _ = quit.recv() => Signal::QUIT,
            };
            let by_terminal = at_terminal && matches!(got, Signal::INT | Signal::QUIT);
            if !by_terminal {
                // It may have ended in this moment.
                let _ = rustix::process::kill_process(pid, got);
            }
        }
    }))
}
