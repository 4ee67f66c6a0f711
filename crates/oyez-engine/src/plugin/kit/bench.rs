//! A plugin on the bench: started anew for each case.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::super::check::{NO_OUTPUT, cookie};
use super::super::protocol::{Heard, Hello, Resume, Role, Say};
use super::super::session::{Next, Session, Start, end_text};
use super::super::talk::{self, said, too_long};
use super::Options;
use crate::process::ProcessPool;

/// How long after TERM a process gets KILL.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Bench {
    pub(super) program: PathBuf,
    pub(super) role: Role,
    pub(super) parameters: Box<RawValue>,
    pub(super) bad_parameters: Option<Box<RawValue>>,
    pub(super) resume: Resume,
    pub(super) patience: Duration,
    pool: ProcessPool,
}

impl Bench {
    pub(super) fn new(program: PathBuf, options: &Options) -> Bench {
        Bench {
            program,
            role: Role::Step,
            parameters: RawValue::NULL.to_owned(),
            bad_parameters: None,
            resume: Resume::default(),
            patience: options.patience,
            pool: ProcessPool::new(1),
        }
    }

    async fn spawn(&self) -> Result<Session, String> {
        let slot = self.pool.slot().await;
        let (program, cookie) = (self.program.clone(), cookie("kit"));
        let start = Start { program, cookie, grace: GRACE, limits: NO_OUTPUT, log: None, alive: None };
        Session::start(&self.pool, slot, start).map_err(|e| format!("it cannot be started: {e}"))
    }

    /// Starts it, and asks who it is.
    pub(super) async fn greet(&self, role: Role) -> Result<Hello, String> {
        let mut session = self.spawn().await?;
        let hello = talk::hello(&mut session, &self.program, role, self.patience).await;
        session.close(self.patience).await;
        hello
    }

    /// Starts it, and goes on after hello.
    pub(super) async fn open(&self) -> Result<Session, String> {
        let mut session = self.spawn().await?;
        talk::hello(&mut session, &self.program, self.role, self.patience).await?;
        Ok(session)
    }

    /// Its next message; what the protocol does not have is wrong here.
    pub(super) async fn next(&self, session: &mut Session, what: &str) -> Result<Heard, String> {
        match self.read(session, what, Instant::now() + self.patience).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(session.wrong(&format!("it ended, where {what} was expected")).await),
            Err(why) => Err(session.wrong(&why).await),
        }
    }

    /// The same; `None` at its end.
    pub(super) async fn read(
        &self,
        session: &mut Session,
        what: &str,
        until: Instant,
    ) -> Result<Option<Heard>, String> {
        match tokio::time::timeout_at(until, session.next()).await {
            Err(_) => Err(format!("no {what} came within {}", said(self.patience))),
            Ok(Next::TooLong) => Err(too_long()),
            Ok(Next::Ended(end)) if end.exit.is_success() => Ok(None),
            Ok(Next::Ended(end)) => {
                Err(format!("{}, where {what} was expected", end_text(&self.program, &end)))
            }
            Ok(Next::Line(line)) => match Heard::read(&line).map_err(|why| format!("it wrote {why}"))? {
                Heard::Unknown(kind) => {
                    Err(format!("it wrote a message `{kind}`, which the protocol does not have"))
                }
                message => Ok(Some(message)),
            },
        }
    }

    /// It must end by itself, with exit status 0, and say nothing more but logs.
    pub(super) async fn ends(&self, session: &mut Session) -> Result<(), String> {
        let until = Instant::now() + self.patience;
        loop {
            let result: Result<(), String> = match self.read(session, "end of it", until).await {
                Ok(None) => return Ok(()),
                Ok(Some(Heard::Log { .. })) => continue,
                Ok(Some(other)) => {
                    Err(format!("it wrote a message `{}`, where its end was expected", other.kind()))
                }
                Err(why) => Err(why),
            };
            if let Err(why) = result {
                return Err(session.wrong(&why).await);
            }
        }
    }

    /// A message that is sent as it stands here.
    pub(super) async fn send(&self, session: &Session, message: &Say<'_>) -> Result<(), String> {
        session.input.send(message).await
    }
}
