//! A plugin as a reporter: one process for each report. What it cannot say is a report that says so, with success false.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::manager::{millis, open};
use super::protocol::{Heard, Query, Role, Say};
use super::query::{Page, page};
use super::session::{Next, Session, end_text};
use super::talk;
use crate::plan::{ExternalPlugin, ExternalReporter};
use crate::reporters::{JobStatus, Report, RunStatus};
use crate::runner::Desk;

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of<'s> {
    Run(&'s RunStatus),
    Job(&'s JobStatus),
}

impl Of<'_> {
    fn run(self) -> Option<u32> {
        match self {
            Of::Run(status) => Some(status.run),
            Of::Job(_) => None,
        }
    }

    fn status(self) -> Value {
        match self {
            Of::Run(status) => {
                let tests = status.tests.iter().map(|test| {
                    json!({
                        "name": test.name, "index": test.index, "succeeded": test.succeeded, "total": test.total,
                        "acquire_error": test.acquire_error,
                    })
                });
                let tests: Vec<Value> = tests.collect();
                json!({"run": status.run, "tests": tests})
            }
            Of::Job(status) => {
                let tests: Vec<Value> = status
                    .tests
                    .iter()
                    .map(|test| {
                        json!({
                            "name": test.name, "index": test.index, "runs": test.runs, "succeeded": test.succeeded,
                            "percent": test.percent, "without_targets": test.without_targets,
                        })
                    })
                    .collect();
                json!({"runs": status.runs, "tests": tests})
            }
        }
    }
}

/// Reports; within `timeout`, whatever the plugin does.
pub(crate) async fn report(
    desk: &Desk,
    reporter: &ExternalReporter,
    of: Of<'_>,
    timeout: Duration,
) -> Report {
    let plugin = &reporter.plugin;
    let failed = |why: String| Report::failed(format!("reporter {}: {why}", plugin.name));
    let end = Instant::now() + timeout;
    let opened = tokio::select! {
        opened = tokio::time::timeout_at(end, open(desk, plugin, Role::Reporter)) => opened,
        () = desk.killed() => return failed("the job was killed".to_owned()),
    };
    let mut session = match opened {
        Ok(Ok(session)) => session,
        Ok(Err(why)) => return failed(why),
        Err(_) => return failed(format!("it gave no `report` within {}", talk::said(timeout))),
    };
    let asked = tokio::select! {
        asked = tokio::time::timeout_at(end, ask(&mut session, desk, reporter, of, timeout)) => asked,
        () = desk.killed() => Ok(Err("the job was killed".to_owned())),
    };
    match asked {
        Ok(Ok(report)) => {
            session.close(desk.grace()).await;
            report
        }
        Ok(Err(why)) => failed(session.wrong(&why).await),
        Err(_) => failed(session.wrong(&format!("it gave no `report` within {}", talk::said(timeout))).await),
    }
}

async fn ask(
    session: &mut Session,
    desk: &Desk,
    reporter: &ExternalReporter,
    of: Of<'_>,
    timeout: Duration,
) -> Result<Report, String> {
    let ExternalReporter { plugin: ExternalPlugin { executable, .. }, parameters } = reporter;
    let (job, status) = (desk.job_uid(), of.status());
    let (run, timeout_ms) = (of.run(), millis(timeout));
    let message = Say::Report { job: &job, run, parameters, status: &status, timeout_ms };
    session.input.send(&message).await?;
    loop {
        let line = match session.next().await {
            Next::Line(line) => line,
            Next::TooLong => return Err(talk::too_long()),
            Next::Ended(end) => {
                return Err(format!("{}, where `report` was expected", end_text(executable, &end)));
            }
        };
        match Heard::read(&line).map_err(|why| format!("it wrote {why}"))? {
            Heard::Unknown(_) => {}
            Heard::Log { text, level, .. } => desk.log(text, level).await,
            Heard::Query(query) => {
                let Page { events, next } = answer(desk, query).await?;
                session.input.send(&Say::Events { events, next }).await?;
            }
            Heard::Report { success, data, error } => return Ok(Report { success, data, error }),
            other => return Err(talk::unexpected(&other, "report")),
        }
    }
}

/// From the journal, with all that was recorded so far.
async fn answer(desk: &Desk, query: Query) -> Result<Page, String> {
    let reader = desk.recorder().reader().await.map_err(|e| e.to_string())?;
    let read = tokio::task::spawn_blocking(move || page(&*reader, &query));
    read.await.map_err(|e| e.to_string())?
}
