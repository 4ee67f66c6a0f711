//! A program that is left to an agent on the other machine: nobody has to stay connected while it runs.
//!
//! The agent is a program of the user's that speaks as ConTest's does (`start`, `poll`, `kill`, `reap`, a line of JSON as
//! answer to the first two); without one, a shell script of ours is sent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oyez_model::event::Stream;
use serde::Deserialize;
use tokio::time::Instant;

use super::Ended;
use super::bag::{Agent, Ssh};
use super::remote::{at, connect, put, send};
use crate::runner::{Ear, Output, Visit};
use crate::steps::ssh::{RemoteEnd, Session, Stopping, join};

/// The agent that is sent when the user has none.
const OURS: &str = include_str!("agent.sh");
/// How long an agent has to start the program, as in ConTest.
const START: Duration = Duration::from_secs(5);
/// How often it is asked.
const POLL: Duration = Duration::from_secs(1);

/// An agent in place.
pub(super) struct Remote<'s> {
    ssh: &'s Ssh,
    session: &'s Session,
    /// Where the agent is there.
    agent: String,
    /// Options of `start`.
    options: Option<String>,
}

#[derive(Deserialize)]
struct Started {
    sid: String,
}

/// What has happened since the last time.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Polled {
    stdout: String,
    stderr: String,
    /// The same as base64, from our own agent.
    stdout64: String,
    stderr64: String,
    exitcode: Option<i64>,
    error: String,
}

impl<'s> Remote<'s> {
    pub(super) async fn new(
        ssh: &'s Ssh,
        agent: &Agent,
        session: &'s Session,
        visit: &Visit,
    ) -> Result<Remote<'s>, String> {
        let (sent, quota) = match agent.program.as_str() {
            "" => {
                let seconds = agent.time_quota.map(|quota| quota.to_std().as_secs_f64().ceil());
                (put(session, OURS.as_bytes(), visit).await, seconds.map(|seconds| seconds.to_string()))
            }
            file => (send(session, file, visit).await, agent.time_quota.map(|quota| quota.to_string())),
        };
        let path = sent.map_err(|why| format!("failed to send agent: {why}"))?;
        Ok(Remote { ssh, session, agent: path, options: quota.map(|quota| format!("--time-quota={quota}")) })
    }

    /// Starts it, and asks until it has ended.
    pub(super) async fn run(
        self,
        visit: &Visit,
        words: &[&str],
        deadline: Option<Instant>,
        mut ear: Option<Box<dyn Ear>>,
    ) -> Result<Result<Ended, Stopping>, String> {
        let head = [Some(self.agent.as_str()), self.options.as_deref(), Some("start")];
        let command = join(head.into_iter().flatten().chain(words.iter().copied()));
        let started = self.start(&command).await;
        let mut output = visit.output();
        let ended = match &started {
            Err(why) => Err(why.clone()),
            Ok(sid) => self.attend(visit, sid, deadline, &mut output, &mut ear).await,
        };
        if let (Ok(sid), Ok(Err(_))) = (&started, &ended) {
            let _gone = self.ask("kill", sid).await;
        }
        if let Ok(sid) = &started {
            let _gone = self.ask("reap", sid).await;
        }
        output.finish(&mut ear).await;
        self.session.remove(std::slice::from_ref(&self.agent)).await;
        ended
    }

    /// A connection of its own, whose end frees the agent from us.
    async fn start(&self, command: &str) -> Result<String, String> {
        let session = connect(self.ssh).await?;
        let line = session.launch(command, START).await;
        session.close().await;
        let line = line.map_err(|why| match why.as_str() {
            "no input" => "agent did not return a session id: no input".to_owned(),
            _ => why,
        })?;
        let started: Started =
            serde_json::from_slice(&line).map_err(|e| format!("agent did not return a session id: {e}"))?;
        Ok(started.sid)
    }

    async fn attend(
        &self,
        visit: &Visit,
        sid: &str,
        deadline: Option<Instant>,
        output: &mut Output,
        ear: &mut Option<Box<dyn Ear>>,
    ) -> Result<Result<Ended, Stopping>, String> {
        let mut heard = Instant::now();
        loop {
            let polled = tokio::select! {
                biased;
                _ = visit.stopped() => return Ok(Err(Stopping::Stopped)),
                () = at(deadline) => return Ok(Err(Stopping::TimedOut)),
                polled = async {
                    tokio::time::sleep(POLL).await;
                    self.ask("poll", sid).await
                } => polled,
            };
            let (stdout, end) = match polled {
                Ok((stdout, _, end)) => (stdout, end),
                // A machine that restarts, say; but not for ever.
                Err(why) if heard.elapsed() > self.ssh.timeout => return Err(why),
                Err(_) => continue,
            };
            heard = Instant::now();
            if let Some(error) = end.error() {
                return Ok(Ok(Ended::Otherwise(format!("failed to wait on process: {error}"))));
            }
            let Ok(polled) = serde_json::from_slice::<Polled>(&stdout) else {
                return Err("failed to deserialize agent output".to_owned());
            };
            let bytes = |text: &str, encoded: &str| match encoded {
                "" => text.as_bytes().to_vec(),
                encoded => STANDARD.decode(encoded).unwrap_or_default(),
            };
            output.hear(ear, &bytes(&polled.stdout, &polled.stdout64)).await;
            output.push(Stream::Stderr, &bytes(&polled.stderr, &polled.stderr64)).await;
            output.tick().await;
            if !polled.error.is_empty() {
                return Ok(Ok(Ended::Otherwise(format!("failed to wait on process: {}", polled.error))));
            }
            if let Some(code) = polled.exitcode {
                return Ok(Ok(Ended::Code(code)));
            }
        }
    }

    /// Asks the agent, over a connection of its own.
    async fn ask(&self, verb: &str, sid: &str) -> Result<(Vec<u8>, Vec<u8>, RemoteEnd), String> {
        let session = connect(self.ssh).await?;
        let answer = session.call(&join([self.agent.as_str(), verb, sid]), b"").await;
        session.close().await;
        answer
    }
}
