//! A plugin's process: lines to it, lines from it, the tail of its standard error, its end.
//!
//! The thread that attends the process cuts its output into lines and waits when nobody takes them, so that a plugin that
//! writes faster than it is heard waits as well. Whoever drops a session kills its process with all that came of it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oyez_model::event::Stream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::lines::{Line, Lines};
use super::protocol::{LONGEST_LINE, Say};
use crate::process::{
    CaptureLimits, Cause, Cookie, Exit, Launch, OutputSink, ProcessEnd, ProcessPool, Slot, Task,
};
use crate::runner::Alive;
use crate::stop::{Scope, Stop};

/// Lines that wait to be heard.
const WAITING: usize = 64;
/// Long messages that wait to be written.
const LONG: usize = 16;
/// The bytes of standard error that are told with an error.
const TAIL: usize = 2048;

/// What a session is started with.
pub(super) struct Start {
    /// The executable.
    pub(super) program: PathBuf,
    /// What its processes carry.
    pub(super) cookie: Cookie,
    /// How long it has between TERM and KILL.
    pub(super) grace: Duration,
    /// How much of its standard error is kept.
    pub(super) limits: CaptureLimits,
    /// Where its standard error goes, besides the tail.
    pub(super) log: Option<Box<dyn OutputSink + Send>>,
    /// Held as long as it lives.
    pub(super) alive: Option<Alive>,
}

/// A plugin's process.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) input: Input,
    pub(super) tail: Tail,
    pub(super) scope: Scope,
    lines: mpsc::Receiver<Line>,
    ended: oneshot::Receiver<ProcessEnd>,
    end: Option<ProcessEnd>,
}

/// Where messages to a plugin go.
#[derive(Clone, Debug)]
pub(super) struct Input {
    // Bounded: the long messages by permits, the others are a few for each target that is inside.
    to: mpsc::UnboundedSender<(Vec<u8>, Option<OwnedSemaphorePermit>)>,
    permits: Arc<Semaphore>,
}

impl Input {
    /// A line as it stands.
    pub(super) fn raw(&self, line: &str) {
        let _gone = self.to.send((format!("{line}\n").into_bytes(), None));
    }

    /// A short message; one that finds no reader is lost, and the end of the process is told elsewhere.
    pub(super) fn say(&self, message: &Say<'_>) {
        if let Ok(line) = message.line() {
            let _gone = self.to.send((line, None));
        }
    }

    /// A message that may be long: waits until there is room for it.
    ///
    /// # Errors
    /// It is too long.
    pub(super) async fn send(&self, message: &Say<'_>) -> Result<(), String> {
        let line = message.line()?;
        // It is never closed.
        let permit = self.permits.clone().acquire_owned().await.ok();
        let _gone = self.to.send((line, permit));
        Ok(())
    }
}

/// The last of what a plugin wrote on its standard error.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let over = tail.len().saturating_sub(TAIL);
        tail.drain(..over);
    }

    /// A text with the tail attached, if there is any.
    pub(super) fn after(&self, text: &str) -> String {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(tail.make_contiguous());
        match said.trim() {
            "" => text.to_owned(),
            said => format!("{text}; its standard error ends with: {said}"),
        }
    }
}

/// What comes from a plugin.
#[derive(Debug)]
pub(super) enum Next {
    /// A line.
    Line(Vec<u8>),
    /// A line that is too long.
    TooLong,
    /// Nothing more: its process has ended.
    Ended(ProcessEnd),
}

impl Session {
    /// Starts a process.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub(super) fn start(pool: &ProcessPool, slot: Slot, start: Start) -> std::io::Result<Session> {
        let Start { program, cookie, grace, limits, log, alive } = start;
        let scope = Scope::new()?;
        let (writer, reader) = pipe::pipe()?;
        let stdin = Some(reader.into_blocking_fd()?);
        let (to, from) = mpsc::unbounded_channel();
        tokio::spawn(write(writer, from));
        let (line, lines) = mpsc::channel(WAITING);
        let (tell, ended) = oneshot::channel();
        let tail = Tail::default();
        let task = PluginTask {
            lines: Lines::new(LONGEST_LINE),
            to: line,
            tail: tail.clone(),
            log,
            ended: Some(tell),
            _alive: alive,
        };
        let launch = Launch {
            program,
            args: Vec::new(),
            dir: None,
            stdin,
            cookie,
            scope: scope.clone(),
            grace,
            timeout: None,
            limits,
        };
        pool.start(slot, launch, Box::new(task));
        let input = Input { to, permits: Arc::new(Semaphore::new(LONG)) };
        Ok(Session { input, tail, scope, lines, ended, end: None })
    }

    /// What comes next; may be given up and asked again.
    pub(super) async fn next(&mut self) -> Next {
        if let Some(end) = &self.end {
            return Next::Ended(end.clone());
        }
        match self.lines.recv().await {
            Some(Line::Whole(line)) => Next::Line(line),
            Some(Line::TooLong) => Next::TooLong,
            None => Next::Ended(self.ended().await),
        }
    }

    /// Its end; what it writes meanwhile is lost.
    pub(super) async fn ended(&mut self) -> ProcessEnd {
        self.lines.close();
        if let Some(end) = &self.end {
            return end.clone();
        }
        let end = (&mut self.ended).await.unwrap_or_else(|_| ProcessEnd {
            exit: Exit::NotStarted(
                "its thread broke down; this is a fault of Oyez, please report it".to_owned(),
            ),
            cause: Cause::Itself,
        });
        self.end = Some(end.clone());
        end
    }

    /// It did something wrong: its process is killed; gives the text with what it said on standard error, all of it.
    pub(super) async fn wrong(&mut self, why: &str) -> String {
        self.scope.kill(Stop::Cancelled);
        self.ended().await;
        self.tail.after(why)
    }

    /// Closes its input and waits for its end, which may take so long; then it is ended. Says whether it ended by itself.
    pub(super) async fn close(mut self, patience: Duration) -> (ProcessEnd, bool) {
        // The writer's end closes the pipe; what is written goes out first.
        let (nobody, _) = mpsc::unbounded_channel();
        self.input.to = nobody;
        match tokio::time::timeout(patience, self.ended()).await {
            Ok(end) => (end, true),
            Err(_) => {
                self.scope.stop(Stop::Cancelled);
                (self.ended().await, false)
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.end.is_none() {
            self.scope.kill(Stop::Cancelled);
        }
    }
}

/// Writes lines as they come, until there are no more or nobody reads them.
async fn write(
    mut pipe: pipe::Sender,
    mut lines: mpsc::UnboundedReceiver<(Vec<u8>, Option<OwnedSemaphorePermit>)>,
) {
    while let Some((line, _permit)) = lines.recv().await {
        if pipe.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// Why a process that was to speak has ended, in words.
pub(super) fn end_text(program: &Path, end: &ProcessEnd) -> String {
    match &end.exit {
        Exit::Code(0) => "it ended with exit status 0".to_owned(),
        Exit::NotStarted(why) => format!("{} could not be started: {why}", program.display()),
        exit => format!("it ended: {exit}"),
    }
}

struct PluginTask {
    lines: Lines,
    to: mpsc::Sender<Line>,
    tail: Tail,
    log: Option<Box<dyn OutputSink + Send>>,
    ended: Option<oneshot::Sender<ProcessEnd>>,
    _alive: Option<Alive>,
}

impl OutputSink for PluginTask {
    fn heard<'b>(&mut self, stream: Stream, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if stream == Stream::Stdout {
            let to = &self.to;
            self.lines.push(bytes, |line| to.blocking_send(line).is_ok());
            return Cow::Borrowed(&[]);
        }
        self.tail.push(bytes);
        match self.log {
            Some(_) => Cow::Borrowed(bytes),
            None => Cow::Borrowed(&[]),
        }
    }

    fn text(&mut self, stream: Stream, bytes: Vec<u8>) {
        if let Some(log) = &mut self.log {
            log.text(stream, bytes);
        }
    }

    fn part(&mut self, stream: Stream, bytes: Vec<u8>) -> Result<(), String> {
        self.log.as_mut().map_or(Ok(()), |log| log.part(stream, bytes))
    }

    fn dropped(&mut self, bytes: u64, why: &str) {
        if let Some(log) = &mut self.log {
            log.dropped(bytes, why);
        }
    }

    fn cut(&mut self, why: &str) {
        if let Some(log) = &mut self.log {
            log.cut(why);
        }
    }
}

impl Task for PluginTask {
    fn ended(mut self: Box<Self>, end: ProcessEnd) {
        let to = &self.to;
        self.lines.finish(|line| to.blocking_send(line).is_ok());
        if let Some(ended) = self.ended.take() {
            let _gone = ended.send(end);
        }
    }
}
