//! `sshcmd`: a program of each target, over ssh (specs/contest.md 4).

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::ssh::{Expect, Login, Stopping, Way, join};
use super::timed::{Resumption, TimedStep, Visited};
use super::{Text, optional};
use crate::descriptor::Parameter;
use crate::duration::GoDuration;
use crate::plan::SshCmdParameters;
use crate::runner::Visit;
use crate::template::{Functions, Subject};

/// The port, and the time, where nothing is said.
const PORT: u16 = 22;
const TIMEOUT: GoDuration = GoDuration::from_secs(600);

/// The step.
#[derive(Debug)]
pub(super) struct SshCmd {
    host: Text,
    port: Option<Text>,
    user: Text,
    private_key_file: Option<Text>,
    password: Option<Text>,
    executable: Text,
    args: Vec<(String, Text)>,
    expect: String,
    timeout: Option<Text>,
    known_hosts: Option<Text>,
    skip_if_empty_host: bool,
    check_host_key: bool,
}

/// What it does for one target.
struct Task {
    login: Login,
    command: String,
    timeout: GoDuration,
}

impl SshCmd {
    pub(super) fn new(parameters: &SshCmdParameters, functions: &Functions) -> Self {
        let text = |parameter: &Parameter| Text::new(parameter, functions);
        let some = |parameter: &Option<Parameter>| parameter.as_ref().map(text);
        SshCmd {
            host: text(&parameters.host),
            port: some(&parameters.port),
            user: text(&parameters.user),
            private_key_file: some(&parameters.private_key_file),
            password: some(&parameters.password),
            executable: text(&parameters.executable),
            args: parameters.args.iter().map(|arg| (arg.text().into_owned(), text(arg))).collect(),
            expect: parameters.expect.clone(),
            timeout: some(&parameters.timeout),
            known_hosts: some(&parameters.known_hosts),
            skip_if_empty_host: parameters.skip_if_empty_host,
            check_host_key: parameters.check_host_key,
        }
    }

    /// What is to be done for a target, in ConTest's order and words; `None` when it has no host and that is no error.
    fn task(&self, subject: &Subject<'_>) -> Result<Option<Task>, String> {
        let expand = |what: &str, text: &Text| {
            text.expand(subject).map_err(|e| format!("cannot expand {what} parameter: {e}"))
        };
        let user = expand("user", &self.user)?;
        let host = expand("host", &self.host)?;
        if host.is_empty() {
            return if self.skip_if_empty_host { Ok(None) } else { Err("host value is empty".to_owned()) };
        }
        let port = match optional(&self.port, |text| expand("port", text))? {
            None => PORT,
            Some(port) => port.parse::<u16>().map_err(|e| {
                format!("failed to convert port parameter to integer: strconv.Atoi: parsing {port:?}: {e}")
            })?,
        };
        let timeout = match optional(&self.timeout, |text| expand("timeout", text))? {
            None => TIMEOUT,
            Some(text) => text.parse().map_err(|e| format!("cannot parse timeout paramter: {e}"))?,
        };
        let key_file = optional(&self.private_key_file, |text| expand("private key file", text))?;
        let password = optional(&self.password, |text| expand("password", text))?;
        let known_hosts = optional(&self.known_hosts, |text| expand("known_hosts", text))?;
        let mut words = vec![expand("executable", &self.executable)?];
        for (source, arg) in &self.args {
            let expanded = arg.expand(subject);
            words.push(expanded.map_err(|e| format!("cannot expand command argument '{source}': {e}"))?);
        }
        let command = join(words.iter().map(String::as_str));
        if command.contains('\0') {
            return Err("an argument holds a NUL character, which no program can be given".to_owned());
        }
        let (key_file, password) = (key_file.unwrap_or_default(), password.unwrap_or_default());
        let (known_hosts, check_host_key) = (known_hosts.unwrap_or_default(), self.check_host_key);
        let login = Login { host, port, user, key_file, password, check_host_key, known_hosts };
        Ok(Some(Task { login, command, timeout }))
    }

    fn expectation(&self) -> Result<Option<Expect>, String> {
        if self.expect.is_empty() {
            return Ok(None);
        }
        let regex = regex::bytes::Regex::new(&self.expect);
        let regex = regex
            .map_err(|e| format!("malformed expect parameter: Can not compile {} with {e}", self.expect))?;
        Ok(Some(Expect::new(regex)))
    }

    async fn work(&self, visit: &Visit, task: Task) -> Result<Visited, String> {
        let timeout = task.timeout.to_std();
        let overdue = || Visited::Failed(format!("timed out after {}", task.timeout));
        let since = Duration::from_nanos(visit.now().since(visit.began));
        let deadline = Instant::now() + timeout.saturating_sub(since);
        let expect = self.expectation()?;
        let session = tokio::select! {
            biased;
            _ = visit.stopped() => return Ok(Visited::Stopped),
            connected = tokio::time::timeout_at(deadline, task.login.connect()) => match connected {
                Ok(connected) => connected?,
                Err(_) => return Ok(overdue()),
            },
        };
        let mut way = Way { deadline: Some(deadline), expect, ..Way::default() };
        let end = session.run(visit, &task.command, &mut way).await?;
        session.close().await;
        Ok(match end {
            Err(Stopping::Stopped) => Visited::Stopped,
            Err(Stopping::TimedOut) => overdue(),
            Err(Stopping::Enough) => Visited::Passed,
            Ok(end) => match (end.error(), way.expect.is_none_or(|mut expect| expect.is_met())) {
                (Some(error), _) => Visited::Failed(error),
                (None, true) => Visited::Passed,
                (None, false) => {
                    let (expect, target) = (&self.expect, &visit.target);
                    Visited::Failed(format!("match for {expect} not found for target {target}"))
                }
            },
        })
    }
}

#[async_trait]
impl TimedStep for SshCmd {
    fn resumption(&self) -> Resumption {
        Resumption::Lost
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let task = self.task(&visit.subject());
        match task {
            Err(e) => Visited::Failed(e),
            Ok(None) => {
                visit.log("skipped: the target has no host").await;
                Visited::Passed
            }
            Ok(Some(task)) => self.work(visit, task).await.unwrap_or_else(Visited::Failed),
        }
    }
}
