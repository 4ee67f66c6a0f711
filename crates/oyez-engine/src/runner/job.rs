//! A job: its runs, its reporters, its states.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oyez_model::event::Report as ReportEvent;
use oyez_model::event::{Control, JobControl, JobStateChanged, RawJson, RunStarted, RunStopped};
use oyez_model::{JobState, JobUid, RunNumber, SectionRef};

use tokio::runtime::Handle;

use super::attempt::{PreparedTest, Tried};
use crate::control::{Asked, Stops};
use crate::duration::GoDuration;
use crate::locks::Locks;
use crate::plan::{Plan, PlannedReporter};
use crate::process::{CaptureLimits, ProcessPool};
use crate::recorder::Recorder;
use crate::reporters::{JobStatus, Noop, Report, RunStatus};
use crate::stop::Stop;
use crate::template::Functions;

/// Between two runs of a job without end in which there was nothing to do: such runs would follow one another as fast
/// as the store takes them.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// A job that runs.
pub(super) struct Job {
    pub(super) uid: JobUid,
    pub(super) requestor: String,
    pub(super) stops: Arc<Stops>,
    pub(super) recorder: Recorder,
    pub(super) locks: Arc<Locks>,
    pub(super) pool: Arc<ProcessPool>,
    pub(super) limits: CaptureLimits,
    pub(super) grace: Duration,
    pub(super) functions: Functions,
    /// For threads that have to wait for the store.
    pub(super) handle: Handle,
    /// The number of the last node.
    pub(super) nodes: AtomicU64,
    pub(super) is_cancelling: AtomicBool,
    /// What could not be ended or given back, the first of it.
    pub(super) left_behind: Mutex<Option<String>>,
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

    /// Runs it; gives its last state, which is not recorded yet, and why.
    pub(super) async fn run(self: &Arc<Self>, plan: &Plan) -> (JobState, Option<String>) {
        let result = tokio::select! {
            // In this order, so that a cancel is recorded before what follows from it.
            biased;
            never = self.hear_control() => match never {},
            never = self.watch_time(plan.extensions.timeout) => match never {},
            result = self.runs(plan) => result,
        };
        let left_behind = self.left_behind.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (self.is_cancelling.load(Ordering::Relaxed), result, left_behind) {
            (_, Err(Failure(why)), _) => (JobState::Failed, Some(why)),
            (true, Ok(()), Some(what)) => (JobState::CancellationFailed, Some(what)),
            (true, Ok(()), None) => (JobState::Cancelled, None),
            (false, Ok(()), _) => (JobState::Completed, None),
        }
    }

    /// Records what is asked of the job.
    async fn hear_control(&self) -> std::convert::Infallible {
        let control = self.stops.control();
        control.cancelled().await;
        self.begin_cancelling();
        control.killed().await;
        let asked = control.asked().1.unwrap_or_default();
        self.record_control(Control::Kill, Asked { why: None, ..asked });
        std::future::pending().await
    }

    fn record_control(&self, verb: Control, asked: Asked) {
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

    async fn runs(self: &Arc<Self>, plan: &Plan) -> Result<(), Failure> {
        let tests: Vec<_> = plan.tests.iter().map(|test| PreparedTest::new(test, &self.functions)).collect();
        let mut status = JobStatus::default();
        let mut is_stopped = false;
        for number in 1..=plan.runs.unwrap_or(u32::MAX) {
            let begin = tokio::time::Instant::now();
            is_stopped = self.stops.reason().is_some();
            if is_stopped {
                break;
            }
            let Some(run) = self.one_run(plan, number, &tests).await? else {
                is_stopped = true;
                break;
            };
            status.add(&run);
            let mut pause = plan.run_interval.to_std();
            if plan.runs.is_none() {
                if tests.is_empty() {
                    // Nothing will ever be done, so doing it once is enough.
                    break;
                }
                let idle = run.tests.iter().all(|test| test.total == 0);
                pause = if idle { pause.max(IDLE_PAUSE.saturating_sub(begin.elapsed())) } else { pause };
            }
            let is_last = plan.runs.is_some_and(|runs| number == runs);
            if !is_last && !pause.is_zero() && self.stops.sleep(pause).await.is_err() {
                is_stopped = true;
                break;
            }
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
            for PlannedReporter { reporter } in &plan.final_reporters {
                self.report(None, reporter.name(), &reporter.final_report(&status));
            }
        }
        Ok(())
    }

    /// One run of all tests; `None` when it was not brought to its end. Then nobody reports on it.
    async fn one_run(
        self: &Arc<Self>,
        plan: &Plan,
        number: u32,
        tests: &[PreparedTest<'_>],
    ) -> Result<Option<RunStatus>, Failure> {
        let id = self.node();
        let run = RunNumber(number);
        self.recorder.record(RunStarted { id, run, planned: Some(tests.len() as u64) });
        let mut status = RunStatus { run: number, tests: Vec::with_capacity(tests.len()) };
        for test in tests {
            match self.test(test, SectionRef::own(id), plan).await {
                Ok(Tried::Done(done)) => status.tests.push(done),
                Ok(Tried::Stopped) => break,
                Err(failure) => {
                    self.recorder.record(RunStopped { id: SectionRef::own(id), outcome: None });
                    return Err(failure);
                }
            }
        }
        let complete = status.tests.len() == tests.len();
        if complete {
            for PlannedReporter { reporter } in &plan.run_reporters {
                self.report(Some(run), reporter.name(), &reporter.run_report(&status));
            }
        }
        self.recorder.record(RunStopped { id: SectionRef::own(id), outcome: None });
        self.recorder.room().await;
        Ok(complete.then_some(status))
    }

    fn report(&self, run: Option<RunNumber>, reporter: &str, report: &Report) {
        self.recorder.record(ReportEvent {
            run,
            reporter: reporter.to_owned(),
            success: report.success,
            data: RawJson(report.data.to_string()),
            error: report.error.clone(),
            // `noop` says success whatever happened: a job whose only final reporter it is must not turn green by it.
            neutral: (reporter == Noop::NAME).then_some(true),
        });
    }
}
