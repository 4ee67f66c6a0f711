//! What a step that takes its time has in hand: one target, and what it may do to the job.

use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{LogText, Named, RawJson, Stream, VariableEmitted};
use oyez_model::{EventBody, SectionRef, Time};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::attempt::Course;
use super::command::{CommandTask, Ended, Running};
use super::desk::{Desk, log_text};
use super::job::Job;
use super::output::Output;
use super::pipeline::no_variables;
use crate::duration::GoDuration;
use crate::process::{ProcessPool, Slot};
use crate::steps::Command;
use crate::stop::{Scope, Stop};
use crate::target::Target;
use crate::template::{StepVariables, Subject, VariableMap};

/// A target's visit to a step.
pub(crate) struct Visit {
    /// The target.
    pub(crate) target: Target,
    /// The step's label.
    pub(crate) label: String,
    /// When the target came in; also when that was before the job was halted.
    pub(crate) began: Time,
    /// What the step gave when it was paused.
    pub(crate) state: Option<Box<RawValue>>,
    /// How long it may take from now on, and how long its step may at all.
    pub(crate) timeout: Option<[GoDuration; 2]>,
    /// Which attempt of which test it belongs to.
    pub(crate) course: Arc<Course>,
    pub(super) section: SectionRef,
    pub(super) variables: Option<Arc<VariableMap>>,
    pub(super) scope: Scope,
    pub(super) job: Arc<Job>,
}

impl Visit {
    /// The target and its variables, for templates.
    pub(crate) fn subject(&self) -> Subject<'_> {
        let variables = self.variables.clone().map(|variables| variables as Arc<dyn StepVariables>);
        Subject::new(&self.target, Some(variables.unwrap_or_else(no_variables)))
    }

    /// The section of this visit.
    pub(crate) fn section(&self) -> SectionRef {
        self.section
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Time {
        self.job.recorder.now()
    }

    /// Records an event, when there is room for it.
    pub(crate) async fn record(&self, body: impl Into<EventBody>) {
        self.job.recorder.room().await;
        self.job.recorder.record(body);
    }

    /// Writes a line to the visit's log.
    pub(crate) async fn log(&self, line: impl Into<String>) {
        let mut text: String = line.into();
        text.push('\n');
        let text = text.into_bytes().into();
        self.record(LogText { id: self.section, stream: Stream::Log, text, level: None }).await;
    }

    /// The same with a level.
    pub(crate) async fn log_as(&self, line: String, level: Option<String>) {
        self.record(log_text(self.section, line, level)).await;
    }

    /// Records that the step did something wrong.
    pub(crate) async fn test_error(&self, text: &str) {
        self.desk().test_error(text).await;
    }

    /// What steps have set for the target.
    pub(crate) fn variables(&self) -> Option<Arc<VariableMap>> {
        self.variables.clone()
    }

    /// Waits until what was recorded so far is kept; says whether it is.
    pub(crate) async fn committed(&self) -> bool {
        self.job.recorder.committed().await.is_ok()
    }

    /// Who works for the step as a whole.
    pub(crate) fn desk(&self) -> Desk {
        Desk::new(&self.job, self.section)
    }

    /// Where processes run.
    pub(crate) fn pool(&self) -> &Arc<ProcessPool> {
        &self.job.pool
    }

    /// The right to one process that may live as long as the step has targets.
    pub(crate) async fn long_slot(&self) -> Option<Slot> {
        tokio::select! {
            biased;
            _ = self.stopped() => None,
            slot = self.job.pool.long_slot() => Some(slot),
        }
    }

    /// Records an event of the step's own, as ConTest's plugins emit them.
    pub(crate) async fn event(&self, name: &str, payload: Option<RawJson>) {
        let target = Some(self.target.id.clone());
        self.record(Named { id: self.section, name: name.to_owned(), target, payload }).await;
    }

    /// Sets a variable of this step for the target.
    pub(crate) async fn emit(&mut self, name: &str, value: Box<RawValue>) {
        let json = RawJson(value.get().to_owned());
        Arc::make_mut(self.variables.get_or_insert_default()).set(&self.label, name, value);
        self.record(VariableEmitted { id: self.section, name: name.to_owned(), value: json }).await;
    }

    /// Waits until the visit is to end.
    pub(crate) async fn stopped(&self) -> Stop {
        self.scope.stopped().await
    }

    /// Waits until the visit is to end at once.
    pub(crate) async fn killed(&self) -> Stop {
        self.scope.killed().await
    }

    /// How long what runs has to end by itself once it was asked to.
    pub(crate) fn grace(&self) -> Duration {
        self.job.grace
    }

    /// What keeps the output of something that is no process of ours.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.section, self.job.recorder.clone(), self.job.limits)
    }

    /// Numbers of new nodes, for sections below this visit.
    pub(crate) fn nodes(&self) -> impl FnMut() -> u64 + Send + use<> {
        let job = self.job.clone();
        move || job.node()
    }

    /// Waits until the visit is to halt.
    pub(crate) async fn paused(&self) {
        self.scope.paused().await;
    }

    /// The right to one process; waits for it in line with everybody else, and is given up when the visit is stopped.
    pub(crate) async fn slot(&self) -> Option<Slot> {
        tokio::select! {
            biased;
            _ = self.stopped() => None,
            slot = self.job.pool.slot() => Some(slot),
        }
    }

    /// 64 random bits.
    pub(crate) fn random(&self) -> u64 {
        self.job.recorder.random()
    }

    /// Runs a process to its end, its output in the visit's log. It is killed when this is dropped.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub(crate) async fn process(&self, slot: Slot, command: Command, how: Running) -> std::io::Result<Ended> {
        let Running { wanted, timeout, stdin, ear, until } = how;
        let enough = async {
            match until {
                // Who would say so may be gone as well.
                Some(until) => drop(until.await),
                None => std::future::pending().await,
            }
        };
        let scope = Scope::new()?;
        let guard = Guard(scope.clone());
        // One process, one end.
        let (to, mut ended) = mpsc::unbounded_channel();
        let task = CommandTask::new(&self.job, 0, self.section, wanted, to).heard_by(ear);
        self.job.start_process(slot, command, self.section, scope.clone(), (timeout, stdin), task);
        let ended = tokio::select! {
            ended = ended.recv() => ended,
            () = enough => {
                scope.kill(Stop::Cancelled);
                ended.recv().await
            }
            why = self.stopped() => {
                match self.scope.is_killed() {
                    true => scope.kill(why),
                    false => scope.stop(why),
                }
                tokio::select! {
                    ended = ended.recv() => ended,
                    why = self.scope.killed() => {
                        scope.kill(why);
                        ended.recv().await
                    }
                }
            }
        };
        drop(guard);
        // Its task tells the end also when its thread breaks down.
        ended.ok_or_else(|| std::io::Error::other("the process's end was not told"))
    }
}

/// Kills what is left of a process that nobody waits for any more.
struct Guard(Scope);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill(Stop::Cancelled);
    }
}
