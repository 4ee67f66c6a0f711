//! A job: its runs, its reporters, its states.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oyez_model::event::Report as ReportEvent;
use oyez_model::event::{Control, JobControl, JobStateChanged, RawJson, RunStarted, RunStopped};
use oyez_model::{JobState, JobUid, RunNumber, SectionRef, Time};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::attempt::{PreparedTest, Tried};
use super::begin::joined;
use super::desk::Desk;
use super::snapshot::Payload;
use super::standing::{OpenRun, Standing};
use crate::control::{Asked, Halt, Pause, Stops};
use crate::duration::GoDuration;
use crate::locks::Locks;
use crate::plan::{Plan, PlannedReporter};
use crate::plugin::reporter::{Of, report};
use crate::process::{CaptureLimits, ProcessPool};
use crate::recorder::Recorder;
use crate::reporters::{Noop, Reporter, RunStatus};
use crate::stop::Stop;
use crate::template::Functions;

/// Between two runs of a job without end in which there was nothing to do: such runs would follow one another as fast
/// as the store takes them.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// A job that runs.
pub(super) struct Job {
    pub(super) uid: JobUid,
    /// Of its lease: with each new owner another one.
    pub(super) epoch: u64,
    pub(super) requestor: String,
    pub(super) stops: Arc<Stops>,
    pub(super) recorder: Recorder,
    pub(super) locks: Arc<Locks>,
    pub(super) pool: Arc<ProcessPool>,
    pub(super) limits: CaptureLimits,
    pub(super) grace: Duration,
    pub(super) report_timeout: Duration,
    pub(super) functions: Functions,
    /// For threads that have to wait for the store.
    pub(super) handle: Handle,
    /// The number of the last node.
    pub(super) nodes: AtomicU64,
    pub(super) is_cancelling: AtomicBool,
    /// What could not be ended or given back, the first of it.
    pub(super) left_behind: Mutex<Option<String>>,
    /// Processes that are attended apart from its targets.
    pub(super) alive: Arc<watch::Sender<usize>>,
}

/// Why a job fails.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

impl Job {
    /// The number of a new node.
    pub(super) fn node(&self) -> u64 {
        self.nodes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Something outlives the job that should not.
    pub(super) fn leave_behind(&self, what: String) {
        self.left_behind.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    /// Says that it begins, or that another process goes on with it.
    pub(super) fn begin(&self, prior: JobState, is_started: bool) {
        let is_cancelled = self.stops.control().is_cancelled();
        if is_started {
            self.recorder.record(joined());
        }
        // What is cancelled before its turn never starts.
        if prior == JobState::Paused || (prior == JobState::Queued && !is_cancelled) {
            self.recorder.record(JobStateChanged { state: JobState::Started, error: None });
        }
    }

    /// Runs it from where it stands; gives its next state, which is not recorded yet.
    pub(super) async fn run(self: &Arc<Self>, plan: &Plan, standing: Standing) -> Ending {
        let result = tokio::select! {
            // In this order, so that a cancel is recorded before what follows from it.
            biased;
            never = self.hear_control() => match never {},
            never = self.watch_time(plan.extensions.timeout) => match never {},
            result = self.runs(plan, standing) => result,
        };
        // They end soon: nobody waits for them any more, and what is not done is killed. The sender lives in `self`.
        drop(self.alive.subscribe().wait_for(|alive| *alive == 0).await);
        let left_behind = self.left_behind.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (state, error) = match (self.is_cancelling.load(Ordering::Relaxed), result, left_behind) {
            (_, Err(Failure(why)), _) => match self.stops.aborted() {
                Some(Stop::NotPaused(_)) => (JobState::PauseFailed, Some(why)),
                _ => (JobState::Failed, Some(why)),
            },
            (false, Ok(Some(payload)), _) => return Ending::Paused(payload),
            (true, Ok(_), Some(what)) => (JobState::CancellationFailed, Some(what)),
            (true, Ok(_), None) => (JobState::Cancelled, None),
            (false, Ok(None), _) => (JobState::Completed, None),
        };
        Ending::Over(state, error)
    }

    /// Records what is asked of the job.
    async fn hear_control(&self) -> std::convert::Infallible {
        let control = self.stops.control();
        tokio::select! {
            () = control.cancelled() => {}
            never = self.hear_pause() => match never {},
        }
        self.begin_cancelling();
        control.killed().await;
        let asked = control.asked().1.unwrap_or_default();
        self.record_control(Control::Kill, Asked { why: None, ..asked });
        std::future::pending().await
    }

    /// Records that a pause is asked for, and gives it up when it takes too long.
    async fn hear_pause(&self) -> std::convert::Infallible {
        let control = self.stops.control();
        control.paused().await;
        if let Some(Pause { asked, timeout, .. }) = control.pausing() {
            self.record_control(Control::Pause, asked);
            if let Some(timeout) = timeout {
                tokio::time::sleep(timeout).await;
                let nanos = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
                self.stops.abort(Stop::NotPaused(GoDuration(nanos)));
            }
        }
        std::future::pending().await
    }

    fn record_control(&self, verb: Control, asked: Asked) {
        if asked.is_recorded {
            return;
        }
        let by = asked.by.unwrap_or_else(|| self.requestor.clone());
        self.recorder.record(JobControl { verb, by, why: asked.why });
    }

    /// Records that the job is being cancelled, if it is: once, by whoever sees it first.
    fn begin_cancelling(&self) {
        let control = self.stops.control();
        if control.is_cancelled() && !self.is_cancelling.swap(true, Ordering::Relaxed) {
            self.record_control(Control::Cancel, control.asked().0.unwrap_or_default());
            self.recorder.record(JobStateChanged { state: JobState::Cancelling, error: None });
        }
    }

    async fn watch_time(&self, timeout: Option<GoDuration>) -> std::convert::Infallible {
        if let Some(timeout) = timeout {
            tokio::time::sleep(timeout.to_std()).await;
            self.stops.abort(Stop::TimedOut(timeout));
        }
        std::future::pending().await
    }

    /// All runs, and the final reports; says where it stands when it was paused.
    async fn runs(
        self: &Arc<Self>,
        plan: &Plan,
        standing: Standing,
    ) -> Result<Option<Box<Payload>>, Failure> {
        let tests: Vec<_> = plan.tests.iter().map(|test| PreparedTest::new(test, &self.functions)).collect();
        let Standing { totals: mut status, last_run, run: mut open, final_reports, .. } = standing;
        let mut number = open.as_ref().map_or(last_run.map_or(0, |(number, _)| number) + 1, |run| run.number);
        let mut next = last_run.map(|(_, ended)| after(ended, plan.run_interval.to_std()));
        let mut is_stopped = false;
        while plan.runs.is_none_or(|runs| number <= runs) {
            if let (None, Some(next)) = (&open, next) {
                let payload = || Payload { run: number, start_at: Some(next), ..Payload::new() };
                match self.stops.sleep_until(next, self.recorder.now()).await {
                    Ok(()) => {}
                    Err(Halt::Stop(_)) => is_stopped = true,
                    Err(Halt::Pause) => return Ok(Some(Box::new(payload()))),
                }
            }
            if is_stopped || (open.is_none() && self.stops.reason().is_some()) {
                is_stopped = true;
                break;
            }
            let begin = self.recorder.now();
            if open.is_none() && self.stops.halt() == Some(Halt::Pause) {
                return Ok(Some(Box::new(Payload { run: number, start_at: Some(begin), ..Payload::new() })));
            }
            let run = match self.one_run(plan, number, &tests, open.take()).await? {
                RunEnd::Done(run) => run,
                RunEnd::Stopped => {
                    is_stopped = true;
                    break;
                }
                RunEnd::Paused(payload) => return Ok(Some(payload)),
            };
            status.add(&run);
            let now = self.recorder.now();
            next = Some(after(now, plan.run_interval.to_std()));
            if plan.runs.is_none() {
                if tests.is_empty() {
                    // Nothing will ever be done, so doing it once is enough.
                    break;
                }
                if run.tests.iter().all(|test| test.total == 0) {
                    next = next.max(Some(after(begin, IDLE_PAUSE)));
                }
            }
            number += 1;
        }
        if is_stopped {
            // This may be seen here before it is heard there.
            self.begin_cancelling();
        }
        if let Some(why) = self.stops.aborted() {
            return Err(Failure(why.text()));
        }
        // A job without end gets its final report when it is stopped: there is no other end. One that was stopped
        // before its first run was over has nothing to report on.
        if self.stops.reason().is_none() || status.runs > 0 {
            for PlannedReporter { reporter } in plan.final_reporters.iter().skip(final_reports) {
                self.report(SectionRef::JOB, reporter, Of::Job(&status)).await;
            }
        }
        Ok(None)
    }

    /// One run of all tests, or what is left of it. One that was not brought to its end nobody reports on.
    async fn one_run(
        self: &Arc<Self>,
        plan: &Plan,
        number: u32,
        tests: &[PreparedTest<'_>],
        open: Option<OpenRun>,
    ) -> Result<RunEnd, Failure> {
        let run = RunNumber(number);
        let mut open = open.unwrap_or_else(|| {
            let id = self.node();
            self.recorder.record(RunStarted { id, run, planned: Some(tests.len() as u64) });
            OpenRun { id, ..OpenRun::default() }
        });
        let section = SectionRef::own(open.id);
        let mut status = RunStatus { run: number, tests: Vec::with_capacity(tests.len()) };
        for (at, test) in tests.iter().enumerate() {
            let known = open.done.iter().position(|done| done.index == test.index());
            if let Some(known) = known {
                status.tests.push(open.done.swap_remove(known));
                continue;
            }
            let last = open.last.take_if(|last| last.index == test.index());
            match self.test(test, (section, number), plan, last).await {
                Ok(Tried::Done(done)) => status.tests.push(done),
                Ok(Tried::Stopped) => break,
                Ok(Tried::Paused(mut payload)) => {
                    (payload.run, payload.test) = (number, at + 1);
                    return Ok(RunEnd::Paused(payload));
                }
                Err(failure) => {
                    self.recorder.record(RunStopped { id: section, outcome: None });
                    return Err(failure);
                }
            }
        }
        let is_complete = status.tests.len() == tests.len();
        if is_complete {
            for PlannedReporter { reporter } in plan.run_reporters.iter().skip(open.reports) {
                self.report(section, reporter, Of::Run(&status)).await;
            }
        }
        self.recorder.record(RunStopped { id: section, outcome: None });
        self.recorder.room().await;
        Ok(if is_complete { RunEnd::Done(status) } else { RunEnd::Stopped })
    }

    async fn report(self: &Arc<Self>, section: SectionRef, reporter: &Reporter, of: Of<'_>) {
        let report = match (reporter, of) {
            (Reporter::External(external), _) => {
                report(&Desk::new(self, section), external, of, self.report_timeout).await
            }
            (_, Of::Run(status)) => reporter.run_report(status),
            (_, Of::Job(status)) => reporter.final_report(status),
        };
        let run = match of {
            Of::Run(status) => Some(RunNumber(status.run)),
            Of::Job(_) => None,
        };
        let reporter = reporter.name();
        self.recorder.record(ReportEvent {
            run,
            reporter: reporter.to_owned(),
            success: report.success,
            data: RawJson(report.data.to_string()),
            error: report.error,
            // `noop` says success whatever happened: a job whose only final reporter it is must not turn green by it.
            neutral: (reporter == Noop::NAME).then_some(true),
        });
    }
}

/// What became of a run.
enum RunEnd {
    /// It came to its end.
    Done(RunStatus),
    /// It was stopped before.
    Stopped,
    /// It was paused.
    Paused(Box<Payload>),
}

/// What became of a job.
pub(super) enum Ending {
    /// It has come to its end, in this state; why, if it failed.
    Over(JobState, Option<String>),
    /// It goes on later, from here.
    Paused(Box<Payload>),
}

fn after(time: Time, pause: Duration) -> Time {
    time.plus(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX))
}
