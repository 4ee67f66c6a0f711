//! Programs of other machines, over ssh.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Ended;
use super::agent::Remote;
use super::bag::{Ssh, Task};
use super::local::check;
use crate::fetch::read_file;
use crate::runner::{Ear, Visit};
use crate::steps::ssh::{RemoteEnd, Session, Stopping, Way, join};

/// The longest program that is sent.
const LONGEST: u64 = 256 << 20;

/// Runs it there.
pub(super) async fn run(
    visit: &Visit,
    task: &Task,
    ssh: &Ssh,
    ear: Option<Box<dyn Ear>>,
) -> Result<Ended, String> {
    let quota = task.time_quota;
    let deadline = quota.map(|quota| Instant::now() + quota.to_std());
    let overdue = || Ended::TimedOut(quota.unwrap_or_default());
    let prepared = tokio::select! {
        biased;
        _ = visit.stopped() => return Ok(Ended::Stopped),
        () = at(deadline) => return Ok(overdue()),
        prepared = prepare(visit, task, ssh) => prepared,
    };
    let Prepared { session, program, sent } =
        prepared.map_err(|why| format!("failed to create proc: {why}"))?;
    let words: Vec<&str> =
        std::iter::once(program.as_str()).chain(task.args.iter().map(String::as_str)).collect();
    let ended = match &ssh.agent {
        None => attended(visit, &session, &join(words.iter().copied()), deadline, ear).await,
        Some(agent) => {
            let remote = Remote::new(ssh, agent, &session, visit).await;
            match remote {
                Ok(remote) => remote.run(visit, &words, deadline, ear).await,
                Err(why) => Err(why),
            }
        }
    };
    session.remove(&sent).await;
    session.close().await;
    ended.map(|ended| {
        ended.unwrap_or_else(|stopping| match stopping {
            Stopping::Stopped => Ended::Stopped,
            Stopping::TimedOut | Stopping::Enough => overdue(),
        })
    })
}

/// A connection with the program in place.
struct Prepared {
    session: Session,
    /// Where the program is there.
    program: String,
    /// What was sent, to be taken away again.
    sent: Vec<String>,
}

async fn prepare(visit: &Visit, task: &Task, ssh: &Ssh) -> Result<Prepared, String> {
    let session = connect(ssh).await?;
    if !ssh.send_binary {
        return Ok(Prepared { session, program: task.program.clone(), sent: Vec::new() });
    }
    check(&task.program).await?;
    let program = send(&session, &task.program, visit).await;
    let program = program.map_err(|why| format!("cannot send binary to remote ssh: {why}"))?;
    Ok(Prepared { session, sent: vec![program.clone()], program })
}

/// Connects within the time that connecting may take.
pub(super) async fn connect(ssh: &Ssh) -> Result<Session, String> {
    let timeout = ssh.timeout.max(Duration::from_millis(1));
    let connected = tokio::time::timeout(timeout, ssh.login.connect()).await;
    connected.map_err(|_| format!("cannot connect to SSH server {}: i/o timeout", ssh.login.address()))?
}

/// Sends a file of this machine; where it is there.
pub(super) async fn send(session: &Session, file: &str, visit: &Visit) -> Result<String, String> {
    let path = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_file(Path::new(&path), LONGEST));
    let content = reading.await.map_err(|e| e.to_string())?;
    let content = content.map_err(|why| format!("cannot open source bin file: {why}"))?;
    put(session, &content, visit).await
}

/// Puts a program there under a name of its own.
pub(super) async fn put(session: &Session, content: &[u8], visit: &Visit) -> Result<String, String> {
    let path = format!("/tmp/exec_bin_{:016x}{:016x}", visit.random(), visit.random());
    session.upload(&path, content).await.map_err(|why| format!("failed to send file: {why}"))?;
    Ok(path)
}

/// Stays connected until it has ended.
async fn attended(
    visit: &Visit,
    session: &Session,
    command: &str,
    deadline: Option<Instant>,
    ear: Option<Box<dyn Ear>>,
) -> Result<Result<Ended, Stopping>, String> {
    let mut way = Way { deadline, on_terminal: true, ear, ..Way::default() };
    let end = session.run(visit, command, &mut way).await?;
    Ok(end.map(|end| match end {
        RemoteEnd::Exited(code) => Ended::Code(code.into()),
        other => {
            Ended::Otherwise(format!("failed to wait on process: {}", other.error().unwrap_or_default()))
        }
    }))
}

pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
