//! One connection, and what is run over it.

use std::time::Duration;

use oyez_model::event::Stream;
use regex::bytes::Regex;
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, Disconnect, Pty, Sig};
use tokio::time::{Instant, sleep_until};

use super::Client;
use crate::runner::{Ear, Output, Visit};

/// How often an expectation is looked for while output comes, as in ConTest.
const LOOK: Duration = Duration::from_millis(250);
/// An expectation is looked for in the last so many bytes.
const LOOKED_AT: usize = 1 << 20;
/// What was killed has so long to be gone.
const KILLED: Duration = Duration::from_secs(2);
/// What a helper program prints at most.
const LONGEST_ANSWER: usize = 16 << 20;
/// A helper program has so long.
const HELPER: Duration = Duration::from_secs(60);

/// A connection on which somebody is logged in. Dropped, it is closed.
pub(in crate::steps) struct Session {
    handle: Handle<Client>,
}

/// How a remote program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::steps) enum RemoteEnd {
    /// With this code.
    Exited(u32),
    /// By a signal.
    Signalled(String),
    /// The server did not say how.
    Unsaid,
}

impl RemoteEnd {
    /// What is wrong about it, in the words of Go's ssh library; nothing about code 0.
    pub(in crate::steps) fn error(&self) -> Option<String> {
        match self {
            RemoteEnd::Exited(0) => None,
            RemoteEnd::Exited(code) => Some(format!("Process exited with status {code}")),
            RemoteEnd::Signalled(name) => {
                let number =
                    ["HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV"];
                let number = number.iter().position(|known| known == name).map_or(127, |at| 129 + at);
                let number = if name == "TERM" { 143 } else { number };
                Some(format!("Process exited with status {number} from signal {name}"))
            }
            RemoteEnd::Unsaid => {
                Some("wait: remote command exited without exit status or exit signal".to_owned())
            }
        }
    }
}

/// Why a remote program was not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::steps) enum Stopping {
    /// It printed what was expected.
    Enough,
    /// It took too long.
    TimedOut,
    /// The visit was stopped.
    Stopped,
}

/// How a program is run.
#[derive(Default)]
pub(in crate::steps) struct Way {
    /// When it must be over.
    pub(in crate::steps) deadline: Option<Instant>,
    /// On a terminal, whose end is the program's end even where a server passes on no signals; standard error is then
    /// one with standard output.
    pub(in crate::steps) on_terminal: bool,
    /// Who hears its standard output.
    pub(in crate::steps) ear: Option<Box<dyn Ear>>,
    /// What its standard output must hold for it to be enough.
    pub(in crate::steps) expect: Option<Expect>,
}

/// An expectation.
pub(in crate::steps) struct Expect {
    regex: Regex,
    seen: Vec<u8>,
    has_new: bool,
}

impl Expect {
    pub(in crate::steps) fn new(regex: Regex) -> Self {
        Expect { regex, seen: Vec::new(), has_new: true }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
        if self.seen.len() > 2 * LOOKED_AT {
            self.seen.drain(..self.seen.len() - LOOKED_AT);
        }
        self.has_new = true;
    }

    /// Whether it was met by now.
    pub(in crate::steps) fn is_met(&mut self) -> bool {
        std::mem::take(&mut self.has_new) && self.regex.is_match(&self.seen)
    }
}

impl Session {
    pub(super) fn new(handle: Handle<Client>) -> Self {
        Session { handle }
    }

    /// Runs a program to its end; its output is the visit's.
    pub(in crate::steps) async fn run(
        &self,
        visit: &Visit,
        command: &str,
        way: &mut Way,
    ) -> Result<Result<RemoteEnd, Stopping>, String> {
        let channel = self.open().await?;
        if way.on_terminal {
            // Nothing is to be changed on the way, and nothing that is sent to be seen again.
            let modes = [(Pty::OPOST, 0), (Pty::ECHO, 0)];
            channel.request_pty(false, "xterm", 80, 120, 0, 0, &modes).await.map_err(|e| e.to_string())?;
        }
        channel.exec(true, command).await.map_err(|e| format!("failed to start process: {e}"))?;
        let output = visit.output();
        let mut program = Program { channel, output, end: None, is_closed: false };
        let stopping = program.attend(visit, way).await?;
        if let Some(stopping) = stopping {
            program.end(visit, way, stopping).await;
        }
        let Program { channel, output, end, .. } = program;
        let _gone = channel.close().await;
        output.finish(&mut way.ear).await;
        Ok(match stopping {
            None => Ok(end.unwrap_or(RemoteEnd::Unsaid)),
            Some(stopping) => Err(stopping),
        })
    }

    /// Runs a helper program of ours: what it prints comes back, standard output and error apart.
    pub(in crate::steps) async fn call(
        &self,
        command: &str,
        input: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>, RemoteEnd), String> {
        let work = async {
            let channel = self.open().await?;
            channel.exec(true, command).await.map_err(|e| e.to_string())?;
            let (mut stdout, mut stderr, mut end) = (Vec::new(), Vec::new(), RemoteEnd::Unsaid);
            let (mut reader, writer) = channel.split();
            let send = async {
                // A program that wants no more has ended, and says so itself.
                let _ended = writer.data(input).await;
                let _ended = writer.eof().await;
            };
            let receive = async {
                while let Some(message) = reader.wait().await {
                    match message {
                        ChannelMsg::Data { data } => add(&mut stdout, &data),
                        ChannelMsg::ExtendedData { data, .. } => add(&mut stderr, &data),
                        ChannelMsg::ExitStatus { exit_status } => end = RemoteEnd::Exited(exit_status),
                        ChannelMsg::ExitSignal { signal_name, .. } => end = signalled(&signal_name),
                        ChannelMsg::Failure => return Err(format!("ssh: command {command} failed")),
                        ChannelMsg::Close => break,
                        _ => {}
                    }
                }
                Ok(())
            };
            let ((), received) = tokio::join!(send, receive);
            received.map(|()| (stdout, stderr, end))
        };
        tokio::time::timeout(HELPER, work)
            .await
            .map_err(|_| format!("{command} did not end within {} s", HELPER.as_secs()))?
    }

    async fn open(&self) -> Result<Channel<Msg>, String> {
        let opened = self.handle.channel_open_session().await;
        opened.map_err(|e| format!("cannot create SSH session to server: {e}"))
    }

    /// Starts a helper program that goes on after the connection's end; gives the first line that it prints.
    pub(in crate::steps) async fn launch(
        &self,
        command: &str,
        patience: Duration,
    ) -> Result<Vec<u8>, String> {
        let work = async {
            let mut channel = self.open().await?;
            channel.exec(true, command).await.map_err(|e| format!("failed to start process: {e}"))?;
            let mut line = Vec::new();
            while !line.contains(&b'\n') {
                match channel.wait().await {
                    Some(ChannelMsg::Data { data }) => add(&mut line, &data),
                    Some(ChannelMsg::Close) | None => return Err("no input".to_owned()),
                    Some(_) => {}
                }
            }
            let end = line.iter().position(|b| *b == b'\n').unwrap_or(line.len());
            line.truncate(end);
            Ok(line)
        };
        tokio::time::timeout(patience, work).await.map_err(|_| "timeout while starting agent".to_owned())?
    }

    /// Puts a file there that its owner may run.
    pub(in crate::steps) async fn upload(&self, path: &str, content: &[u8]) -> Result<(), String> {
        let file = super::join([path]);
        let command = format!("umask 077 && cat > {file} && chmod 500 {file}");
        let (_, stderr, end) = self.call(&command, content).await?;
        match end.error() {
            None => Ok(()),
            Some(error) => Err(format!("{error}: {}", String::from_utf8_lossy(&stderr).trim())),
        }
    }

    /// Takes files away again; what cannot be taken away stays.
    pub(in crate::steps) async fn remove(&self, paths: &[String]) {
        if !paths.is_empty() {
            let words = ["rm", "-f", "--"].into_iter().chain(paths.iter().map(String::as_str));
            let _stays = self.call(&super::join(words), b"").await;
        }
    }

    /// Says goodbye.
    pub(in crate::steps) async fn close(self) {
        let _gone = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}

fn add(to: &mut Vec<u8>, bytes: &[u8]) {
    let room = LONGEST_ANSWER.saturating_sub(to.len());
    to.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

fn signalled(signal: &Sig) -> RemoteEnd {
    let name = match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    };
    RemoteEnd::Signalled(name)
}

/// A remote program under way.
struct Program {
    channel: Channel<Msg>,
    output: Output,
    end: Option<RemoteEnd>,
    is_closed: bool,
}

impl Program {
    /// Stays with it until it has ended (then nothing is said) or must be.
    async fn attend(&mut self, visit: &Visit, way: &mut Way) -> Result<Option<Stopping>, String> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (due, deadline) = (self.output.due(), way.deadline);
            tokio::select! {
                biased;
                _ = visit.stopped() => return Ok(Some(Stopping::Stopped)),
                () = at(deadline) => return Ok(Some(Stopping::TimedOut)),
                _ = look.tick(), if way.expect.is_some() => {
                    if way.expect.as_mut().is_some_and(Expect::is_met) {
                        return Ok(Some(Stopping::Enough));
                    }
                }
                message = self.channel.wait() => {
                    self.take(message, way).await?;
                    if self.is_closed {
                        return Ok(None);
                    }
                }
                () = at(due) => self.output.tick().await,
            }
        }
    }

    /// Ends it: TERM, then KILL, then the connection's end, whichever of them reaches it.
    async fn end(&mut self, visit: &Visit, way: &mut Way, stopping: Stopping) {
        let patience = if stopping == Stopping::Enough { Duration::ZERO } else { visit.grace() };
        let _gone = self.channel.signal(Sig::TERM).await;
        let term = Instant::now() + patience;
        if self
            .drain(way, async {
                tokio::select! { () = sleep_until(term) => {}, _ = visit.killed() => {} }
            })
            .await
        {
            return;
        }
        let _gone = self.channel.signal(Sig::KILL).await;
        if stopping == Stopping::Enough || way.on_terminal {
            return;
        }
        if !self.drain(way, tokio::time::sleep(KILLED)).await {
            let why = "the server passes on no signals: what it runs may go on until it writes something\n";
            self.output.push(Stream::Stderr, why.as_bytes()).await;
        }
    }

    /// Takes what still comes, until the program's end (true) or that of the patience.
    async fn drain(&mut self, way: &mut Way, patience: impl Future<Output = ()>) -> bool {
        let mut patience = std::pin::pin!(patience);
        while !self.is_closed {
            tokio::select! {
                biased;
                () = &mut patience => return false,
                message = self.channel.wait() => {
                    if self.take(message, way).await.is_err() {
                        return true;
                    }
                }
            }
        }
        true
    }

    async fn take(&mut self, message: Option<ChannelMsg>, way: &mut Way) -> Result<(), String> {
        match message {
            Some(ChannelMsg::Data { data }) => {
                if let Some(expect) = &mut way.expect {
                    expect.push(&data);
                }
                self.output.hear(&mut way.ear, &data).await;
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => self.output.push(Stream::Stderr, &data).await,
            Some(ChannelMsg::ExitStatus { exit_status }) => self.end = Some(RemoteEnd::Exited(exit_status)),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => self.end = Some(signalled(&signal_name)),
            Some(ChannelMsg::Failure) => {
                return Err("failed to start process: ssh: command failed".to_owned());
            }
            Some(ChannelMsg::Close) | None => self.is_closed = true,
            Some(_) => {}
        }
        Ok(())
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_ends_are_said_in_gos_words() {
        assert_eq!(RemoteEnd::Exited(0).error(), None);
        assert_eq!(RemoteEnd::Exited(3).error().unwrap(), "Process exited with status 3");
        let killed = RemoteEnd::Signalled("KILL".to_owned());
        assert_eq!(killed.error().unwrap(), "Process exited with status 137 from signal KILL");
        let terminated = RemoteEnd::Signalled("TERM".to_owned());
        assert_eq!(terminated.error().unwrap(), "Process exited with status 143 from signal TERM");
    }
}
