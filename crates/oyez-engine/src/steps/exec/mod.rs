//! `exec`: a program here or over ssh, which may report as OCP diagnostics do (specs/contest.md 4).
//!
//! | module | does |
//! |---|---|
//! | `bag` | its parameters for a target: an object whose every string is a template |
//! | `local` | programs of this machine |
//! | `remote` | those of others, at once or left to an agent |
//! | `agent` | what is said to an agent |
//! | `ocp` | their reports |

mod agent;
mod bag;
mod local;
mod ocp;
mod remote;

use async_trait::async_trait;
use oyez_model::event::RawJson;

use super::timed::{Resumption, TimedStep, Visited};
use crate::duration::GoDuration;
use crate::plan::ExecParameters;
use crate::runner::{Ear, Visit};
use crate::template::Functions;
use bag::{Bag, Task, Transport};
use ocp::Verdict;

/// The step.
#[derive(Debug)]
pub(super) struct Exec {
    bag: Result<Bag, String>,
}

/// How a program ended, wherever it ran.
enum Ended {
    /// With a code.
    Code(i64),
    /// In another way.
    Otherwise(String),
    /// It took too long.
    TimedOut(GoDuration),
    /// The visit was stopped.
    Stopped,
}

impl Exec {
    pub(super) fn new(parameters: &ExecParameters, functions: &Functions) -> Self {
        Exec { bag: Bag::new(&parameters.bag, functions) }
    }

    async fn work(&self, visit: &Visit, task: &Task) -> Result<Visited, String> {
        let verdict = task.ocp_output.then(Verdict::default);
        if verdict.is_none() {
            visit.event("TestStart", Some(RawJson("{}".to_owned()))).await;
        }
        let ear = verdict.as_ref().map(|verdict| -> Box<dyn Ear> { Box::new(ocp::Ear::new(visit, verdict)) });
        let ended = match &task.transport {
            Transport::Local => local::run(visit, task, ear).await?,
            Transport::Ssh(ssh) => remote::run(visit, task, ssh, ear).await?,
        };
        if verdict.is_none() {
            visit.event("TestEnd", Some(RawJson("null".to_owned()))).await;
        }
        let failed = |why: String| match verdict {
            Some(_) => Visited::Failed(format!("failed to wait on transport: {why}")),
            None => Visited::Failed(why),
        };
        Ok(match ended {
            Ended::Stopped => Visited::Stopped,
            Ended::TimedOut(after) => Visited::Failed(format!("timed out after {after}")),
            Ended::Otherwise(why) => failed(why),
            Ended::Code(0) => match verdict.and_then(|verdict| verdict.error()) {
                Some(error) => Visited::Failed(error.to_owned()),
                None => Visited::Passed,
            },
            Ended::Code(code) => match task.exit_codes.get(&code) {
                Some(mapped) => Visited::Failed(format!("exit code mapped error: {mapped}")),
                None => failed(format!("process exited with non-zero code: {code}")),
            },
        })
    }
}

#[async_trait]
impl TimedStep for Exec {
    fn resumption(&self) -> Resumption {
        Resumption::Lost
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let task = self.bag.as_ref().map_err(Clone::clone).and_then(|bag| bag.expand(&visit.subject()));
        match task {
            Ok(task) => self.work(visit, &task).await.unwrap_or_else(Visited::Failed),
            Err(e) => Visited::Failed(e),
        }
    }
}
