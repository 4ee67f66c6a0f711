//! What somebody has in hand who works for a job apart from any target: the process of a plugin, for one.

use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{LogText, Named, RawJson, Stream};
use oyez_model::{ProducerId, SectionRef};
use tokio::sync::{mpsc, watch};

use super::command::CommandTask;
use super::job::Job;
use crate::process::{CaptureLimits, Cookie, OutputSink, ProcessPool};
use crate::recorder::Recorder;

/// A job, and the section that the work belongs to.
#[derive(Clone)]
pub(crate) struct Desk {
    job: Arc<Job>,
    section: SectionRef,
}

/// Says that a process of a job lives that is attended apart from its targets.
#[derive(Debug)]
pub(crate) struct Alive(Arc<watch::Sender<usize>>);

impl Alive {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Desk {
    pub(super) fn new(job: &Arc<Job>, section: SectionRef) -> Self {
        Desk { job: job.clone(), section }
    }

    /// The job's uid.
    pub(crate) fn job_uid(&self) -> String {
        self.job.uid.to_string()
    }

    /// What processes of this work carry.
    pub(crate) fn cookie(&self) -> Cookie {
        Cookie::new(self.job.uid, self.section.resolve(ProducerId::FIRST), self.job.epoch)
    }

    /// How much is kept of what they print,
    pub(crate) fn limits(&self) -> CaptureLimits {
        self.job.limits
    }

    /// and where that goes.
    pub(crate) fn output(&self) -> Box<dyn OutputSink + Send> {
        // Whoever wants to hear of the process's end hears of it elsewhere.
        let (to, _) = mpsc::unbounded_channel();
        Box::new(CommandTask::new(&self.job, 0, self.section, [false; 2], to))
    }

    /// The right to run processes.
    pub(crate) fn pool(&self) -> &Arc<ProcessPool> {
        &self.job.pool
    }

    /// Held as long as a process of this work lives; the job waits for it.
    pub(crate) fn alive(&self) -> Alive {
        Alive::new(&self.job.alive)
    }

    /// How long a process has between TERM and KILL.
    pub(crate) fn grace(&self) -> Duration {
        self.job.grace
    }

    /// Waits until the job is to end at once.
    pub(crate) async fn killed(&self) {
        self.job.stops.control().killed().await;
    }

    /// The job's journal.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.job.recorder
    }

    /// Writes a line to the section's log.
    pub(crate) async fn log(&self, text: String, level: Option<String>) {
        self.recorder().room().await;
        self.recorder().record(log_text(self.section, text, level));
    }

    /// Records that a step did something wrong, as ConTest does (specs/contest.md 1.7).
    pub(crate) async fn test_error(&self, text: &str) {
        self.recorder().room().await;
        let payload = Some(RawJson(serde_json::Value::from(text).to_string()));
        let (name, target) = ("TestError".to_owned(), None);
        self.recorder().record(Named { id: self.section, name, target, payload });
    }

    /// Something outlives the job that should not.
    pub(crate) fn leave_behind(&self, what: String) {
        self.job.leave_behind(what);
    }
}

/// A line of a log.
pub(super) fn log_text(id: SectionRef, mut text: String, level: Option<String>) -> LogText {
    /// The bytes that the name of a level may have.
    const LONGEST_LEVEL: usize = 32;
    text.push('\n');
    let level = level.filter(|level| !level.is_empty() && level.len() <= LONGEST_LEVEL);
    LogText { id, stream: Stream::Log, text: text.into_bytes().into(), level }
}
