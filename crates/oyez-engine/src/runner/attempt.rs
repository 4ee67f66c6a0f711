//! A test of a run: its attempts, each with its targets, steps and clean-up (specs/contest.md 1.5, 1.6).

use std::sync::Arc;

use oyez_model::event::{TargetAcquireErr, TargetReleased, TestStarted, TestStopped};
use oyez_model::{Outcome, SectionRef, Time};

use super::desk::Desk;
use super::job::{Failure, Job};
use super::pipeline::{Pipeline, Seat};
use super::roster::{Acquired, Offer, Roster};
use super::seating::targets;
use super::snapshot::{Payload, RunnerState};
use super::standing::{Cleanup, OpenAttempt};
use crate::control::{Halt, Phase};
use crate::duration::GoDuration;
use crate::locks::AcquireError;
use crate::plan::{Plan, PlannedTest};
use crate::reporters::TestStatus;
use crate::steps::Step;
use crate::stop::Scope;
use crate::template::Functions;

/// A test with its steps ready to be done.
pub(super) struct PreparedTest<'p> {
    planned: &'p PlannedTest,
    steps: Vec<Step>,
    cleanup: Vec<Step>,
    /// Where its targets come from.
    offer: Offer<'p>,
}

/// What became of a test in a run.
pub(super) enum Tried {
    /// It came to its end; this is how its last attempt fared.
    Done(TestStatus),
    /// It was stopped before.
    Stopped,
    /// It was paused; this is where it stands.
    Paused(Box<Payload>),
}

/// What became of one attempt.
struct Attempt {
    outcome: Outcome,
    reason: Option<String>,
    status: TestStatus,
    /// Whether it was stopped before it was done.
    is_cut: bool,
    /// The whole job fails with it.
    failure: Option<Failure>,
}

impl<'p> PreparedTest<'p> {
    pub(super) fn new(planned: &'p PlannedTest, functions: &Functions) -> Self {
        let prepare = |steps: &[_]| steps.iter().map(|step| Step::new(step, functions)).collect();
        let (steps, cleanup) = (prepare(&planned.steps), prepare(&planned.cleanup_steps));
        PreparedTest { planned, steps, cleanup, offer: Offer::new(&planned.target_manager) }
    }

    /// Its place in the descriptor.
    pub(super) fn index(&self) -> usize {
        self.planned.index
    }

    fn course(&self, which: Which, is_cleanup: bool) -> Arc<Course> {
        let (run, attempt) = (which.number, which.attempt);
        Arc::new(Course { run, test: self.planned.name.clone(), attempt, is_cleanup })
    }

    fn status(&self) -> TestStatus {
        let PlannedTest { name, index, .. } = self.planned;
        TestStatus { name: name.clone(), index: *index, ..TestStatus::default() }
    }
}

/// What came of one attempt.
enum Attempted {
    /// It counts.
    Done(TestStatus),
    /// Another one should follow, not before that time; if none does, this is to be said of it.
    Failed(TestStopped, Time),
    /// It was stopped.
    Stopped,
    /// It was paused.
    Paused(Box<Payload>),
}

/// Which attempt of which test of which run, as steps are told.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// The run, from 1.
    pub(crate) run: u32,
    /// The test's name.
    pub(crate) test: String,
    /// The attempt, from 0.
    pub(crate) attempt: u32,
    /// These are its clean-up steps.
    pub(crate) is_cleanup: bool,
}

/// Which attempt of which run.
#[derive(Clone, Copy)]
struct Which {
    run: SectionRef,
    /// The run's number, from 1.
    number: u32,
    attempt: u32,
    is_last: bool,
}

impl Job {
    /// Attempts until one succeeds or there are no more; from `open` on, when the job was halted in the middle.
    pub(super) async fn test(
        self: &Arc<Self>,
        test: &PreparedTest<'_>,
        (run, number): (SectionRef, u32),
        plan: &Plan,
        mut open: Option<OpenAttempt>,
    ) -> Result<Tried, Failure> {
        let retry = test.planned.retry;
        let mut failed: Option<TestStopped> = None;
        let first = open.as_ref().map_or(0, |open| open.attempt);
        for attempt in first..=retry.retries {
            if open.is_none() && self.stops.reason().is_some() {
                break;
            }
            let which = Which { run, number, attempt, is_last: attempt == retry.retries };
            match self.attempt(test, which, plan, open.take()).await? {
                Attempted::Done(status) => return Ok(Tried::Done(status)),
                Attempted::Paused(payload) => return Ok(Tried::Paused(payload)),
                Attempted::Failed(last, ended) => {
                    failed = Some(last);
                    let next =
                        ended.plus(i64::try_from(retry.interval.to_std().as_nanos()).unwrap_or(i64::MAX));
                    match self.stops.sleep_until(next, self.recorder.now()).await {
                        Ok(()) => {}
                        Err(Halt::Stop(_)) => break,
                        Err(Halt::Pause) => {
                            let next_attempt = Some(next);
                            let payload = Payload { attempt, next_attempt, ..Payload::new() };
                            return Ok(Tried::Paused(Box::new(payload)));
                        }
                    }
                }
                Attempted::Stopped => {
                    failed = None;
                    break;
                }
            }
        }
        if let Some(last) = failed {
            // No other attempt follows after all: this one is what came of the test.
            self.recorder.record(last);
        }
        Ok(Tried::Stopped)
    }

    /// One attempt, or what is left of it.
    async fn attempt(
        self: &Arc<Self>,
        test: &PreparedTest<'_>,
        which: Which,
        plan: &Plan,
        open: Option<OpenAttempt>,
    ) -> Result<Attempted, Failure> {
        let mut open = open.unwrap_or_else(|| {
            let id = self.start(test, which, test.offer.planned(), false);
            OpenAttempt { id, ..OpenAttempt::default() }
        });
        let course = test.course(which, false);
        let desk = Desk::new(self, SectionRef::own(open.id));
        let acquired = self.acquire_for(test, plan, &open, (&course, &desk)).await;
        let mut seats = Vec::new();
        let done = match &acquired {
            Ok(acquired) => {
                let before = std::mem::take(&mut open.seats);
                let seated = self.seats(open.id, acquired.roster(), before).await;
                match self.main(test, which, acquired.roster(), seated, open.stopped.is_some()).await {
                    Main::Done(attempt, done) => {
                        seats = done;
                        attempt
                    }
                    Main::Paused(seats) => {
                        let steps = Some(RunnerState::of(&test.steps, &seats));
                        return Ok(Attempted::paused(which.attempt, acquired.roster(), steps, None));
                    }
                }
            }
            Err(AcquireError::Halted(Halt::Pause)) => {
                let payload = Payload { attempt: which.attempt, ..Payload::new() };
                return Ok(Attempted::Paused(Box::new(payload)));
            }
            Err(e) => self.not_acquired(test, &open, e, plan),
        };
        // Without targets there is nothing that another attempt could change.
        let is_over = done.outcome == Outcome::Passed || which.is_last || test.offer.planned() == Some(0);
        let (stopped, ended, again) = match open.stopped.take() {
            // It ended before the job was halted; what was said of it then holds.
            Some((stopped, ended)) => {
                let again = stopped.retried == Some(true);
                (stopped, Some(ended), again)
            }
            None => {
                let again =
                    !is_over && !done.is_cut && done.failure.is_none() && self.stops.reason().is_none();
                let stopped = TestStopped {
                    id: SectionRef::own(open.id),
                    outcome: Some(done.outcome),
                    reason: done.reason,
                    retried: again.then_some(true),
                    ..Default::default()
                };
                (stopped, None, again)
            }
        };
        let now = ended.unwrap_or_else(|| self.recorder.now());
        // What is to be said if it is the last one after all: it ended now, and for this reason.
        let last = TestStopped { reason: None, retried: Some(false), ended: Some(now.0), ..stopped.clone() };
        let sections: Vec<u64> = seats.iter().map(Seat::section).collect();
        let has_cleanup = !test.cleanup.is_empty() && !seats.is_empty();
        if has_cleanup {
            // The attempt is over; the targets are held until the clean-up is.
            if ended.is_none() {
                self.recorder.record(stopped.clone());
            }
            let cleanup = open.cleanup.take();
            if let Some(seats) = self.clean_up(test, which, seats, cleanup).await
                && let Ok(acquired) = &acquired
            {
                let state = Some(RunnerState::of(&test.cleanup, &seats));
                return Ok(Attempted::paused(which.attempt, acquired.roster(), None, state));
            }
        }
        let mut handed_back = Ok(());
        if let (Offer::External(manager), Ok(acquired)) = (&test.offer, &acquired)
            && open.released.is_empty()
        {
            let targets = acquired.roster().unique();
            handed_back = self.hand_back(manager, &course, &desk, (plan.release_timeout, &targets)).await;
        }
        for section in sections.into_iter().filter(|section| !open.released.contains(section)) {
            self.recorder.record(TargetReleased { id: SectionRef::own(section) });
            self.recorder.room().await;
        }
        if !has_cleanup && ended.is_none() {
            self.recorder.record(stopped);
        }
        self.recorder.room().await;
        if let Err(why) = self.locks.release(plan.release_timeout.to_std()).await.and(handed_back) {
            self.leave_behind(why.clone());
            // A job that is being cancelled has another state for that.
            if self.stops.reason().is_none() {
                return Err(Failure(why));
            }
        }
        match done.failure {
            Some(failure) => Err(failure),
            None if again => Ok(Attempted::Failed(last, now)),
            None if (is_over || ended.is_some()) && !done.is_cut => Ok(Attempted::Done(done.status)),
            None => Ok(Attempted::Stopped),
        }
    }

    /// The targets of an attempt: those that it had, or new ones.
    async fn acquire_for<'a, 'p>(
        &self,
        test: &'a PreparedTest<'p>,
        plan: &Plan,
        open: &OpenAttempt,
        whose: (&Course, &Desk),
    ) -> Result<Acquired<'a, 'p>, AcquireError> {
        if let Some(why) = &open.acquire_error {
            return Err(AcquireError::Failed(why.clone()));
        }
        if !open.seats.is_empty() {
            let acquired = match &test.offer {
                Offer::All(roster) => Acquired::Known(roster),
                // A file may say something else by now: those that were found stay.
                Offer::File(_) | Offer::External(_) => Acquired::Found(Roster::new(targets(&open.seats))),
            };
            let is_cleaned =
                test.cleanup.is_empty() || open.cleanup.as_ref().is_some_and(|open| open.is_done);
            if open.stopped.is_none() || !is_cleaned {
                let again = self.locks.take_again(&acquired.roster().unique()).await;
                again.map_err(AcquireError::Lost)?;
            }
            return Ok(acquired);
        }
        // Held, and not recorded: they are offered anew, and others may be chosen.
        let _runs_out = self.locks.release(plan.release_timeout.to_std()).await;
        self.acquire(&test.offer, whose, plan.acquire_timeout.to_std()).await
    }

    fn start(&self, test: &PreparedTest<'_>, which: Which, targets: Option<usize>, cleanup: bool) -> u64 {
        let Which { run, attempt, .. } = which;
        let PlannedTest { name, index, .. } = test.planned;
        let name = if cleanup { format!("{name} [CLEANUP]") } else { name.clone() };
        let id = self.node();
        self.recorder.record(TestStarted {
            id,
            parent: run,
            name,
            index: u32::try_from(*index).unwrap_or(u32::MAX),
            attempt,
            planned: targets.map(|targets| targets as u64),
            cleanup: cleanup.then_some(true),
            suite: None,
            variant: None,
            began: None,
            ..Default::default()
        });
        id
    }

    fn not_acquired(
        &self,
        test: &PreparedTest<'_>,
        open: &OpenAttempt,
        e: &AcquireError,
        plan: &Plan,
    ) -> Attempt {
        let mut attempt = Attempt {
            outcome: Outcome::Errored,
            reason: None,
            status: test.status(),
            is_cut: false,
            failure: None,
        };
        match e {
            AcquireError::Failed(error) => {
                if open.acquire_error.is_none() {
                    let test = SectionRef::own(open.id);
                    self.recorder.record(TargetAcquireErr { test, error: error.clone() });
                }
                attempt.status.acquire_error = Some(error.clone());
                attempt.reason = Some(error.clone());
            }
            AcquireError::TimedOut => {
                let why = format!("target manager acquire timed out after {}", plan.acquire_timeout);
                attempt.reason = Some(why.clone());
                attempt.failure = Some(Failure(why));
            }
            AcquireError::Lost(why) => {
                attempt.reason = Some(why.clone());
                attempt.failure = Some(Failure(why.clone()));
            }
            AcquireError::Halted(Halt::Stop(why)) => {
                attempt.outcome = why.outcome();
                attempt.reason = Some(why.text());
                attempt.is_cut = true;
            }
            AcquireError::Halted(Halt::Pause) => attempt.is_cut = true,
        }
        attempt
    }

    /// The targets are held: they go through the steps, unless they have been through them.
    async fn main<'t>(
        self: &Arc<Self>,
        test: &'t PreparedTest<'_>,
        which: Which,
        roster: &'t Roster<'_>,
        mut seats: Vec<Seat<'t>>,
        is_over: bool,
    ) -> Main<'t> {
        let scope = match self.stops.enter(Phase::Steps) {
            Ok(scope) => scope,
            Err(e) => {
                let why = format!("no file descriptors left ({e}): raise `ulimit -n`");
                let failure = Some(Failure(why.clone()));
                let (outcome, reason, status) = (Outcome::Errored, Some(why), test.status());
                return Main::Done(Attempt { outcome, reason, status, is_cut: false, failure }, seats);
            }
        };
        let timeout = test.planned.extensions.timeout;
        if !is_over {
            let course = test.course(which, false);
            seats = self.through(&test.steps, seats, course, &scope, timeout).await;
            if seats.iter().any(Seat::is_parked) {
                return Main::Paused(seats);
            }
        }
        let mut status = test.status();
        status.total = roster.len() as u64;
        status.succeeded = roster.runs_as().iter().filter(|place| seats[**place].has_passed()).count() as u64;
        let attempt = self.judge(status, &scope);
        Main::Done(attempt, seats)
    }

    /// Targets through steps, until each has ended or was parked.
    async fn through<'t>(
        self: &Arc<Self>,
        steps: &[Step],
        seats: Vec<Seat<'t>>,
        course: Arc<Course>,
        scope: &Scope,
        timeout: Option<GoDuration>,
    ) -> Vec<Seat<'t>> {
        let pipeline = Pipeline::new(self, steps, seats, course.clone(), scope.clone(), timeout);
        let mut seats = pipeline.run().await;
        if scope.is_stopped() && seats.iter().any(Seat::is_parked) {
            // It was stopped while it was being paused: nobody goes on.
            seats.iter_mut().for_each(Seat::unpark);
            seats = Pipeline::new(self, steps, seats, course, scope.clone(), None).run().await;
        }
        seats
    }

    /// The clean-up steps, on all targets, whatever came of them; errors are recorded and change nothing. Gives the
    /// seats back when it was paused.
    async fn clean_up<'t>(
        self: &Arc<Self>,
        test: &PreparedTest<'_>,
        which: Which,
        seats: Vec<Seat<'t>>,
        open: Option<Cleanup>,
    ) -> Option<Vec<Seat<'t>>> {
        if open.as_ref().is_some_and(|open| open.is_done) {
            return None;
        }
        let Ok(scope) = self.stops.enter(Phase::Cleanup) else {
            self.recorder.notice("no file descriptors left: there was no clean-up; raise `ulimit -n`");
            return None;
        };
        if scope.is_stopped() && open.is_none() {
            return None;
        }
        let Cleanup { id, seats: before, .. } = open.unwrap_or_else(|| Cleanup {
            id: self.start(test, which, Some(seats.len()), true),
            ..Cleanup::default()
        });
        let again = self.seats_again(id, seats, before).await;
        let seats = self.through(&test.cleanup, again, test.course(which, true), &scope, None).await;
        if seats.iter().any(Seat::is_parked) {
            return Some(seats);
        }
        let mut status = test.status();
        status.total = seats.len() as u64;
        status.succeeded = seats.iter().filter(|seat| seat.has_passed()).count() as u64;
        let Attempt { outcome, reason, .. } = self.judge(status, &scope);
        let id = SectionRef::own(id);
        self.recorder.record(TestStopped { id, outcome: Some(outcome), reason, ..Default::default() });
        None
    }

    /// How an attempt ended whose targets have been through its steps, as far as they came.
    fn judge(&self, status: TestStatus, scope: &Scope) -> Attempt {
        let TestStatus { succeeded, total, .. } = status;
        let mut is_cut = false;
        let (outcome, reason) = match scope.reason() {
            // What was done when the stop came is done.
            Some(why) if succeeded < total => {
                is_cut = self.stops.reason().is_some();
                (why.outcome(), Some(why.text()))
            }
            _ if total == 0 => (Outcome::Errored, Some("there were no targets".to_owned())),
            _ if succeeded == total => (Outcome::Passed, None),
            _ => {
                let s = if total == 1 { "" } else { "s" };
                (Outcome::Failed, Some(format!("{} of {total} target{s} failed", total - succeeded)))
            }
        };
        Attempt { outcome, reason, status, is_cut, failure: None }
    }
}

/// What became of the steps of an attempt.
enum Main<'t> {
    /// Each target came to its end.
    Done(Attempt, Vec<Seat<'t>>),
    /// Some were parked.
    Paused(Vec<Seat<'t>>),
}

impl Attempted {
    fn paused(
        attempt: u32,
        roster: &Roster<'_>,
        steps: Option<RunnerState>,
        cleanup: Option<RunnerState>,
    ) -> Attempted {
        let targets = roster.unique().into_iter().cloned().collect();
        Attempted::Paused(Box::new(Payload { attempt, targets, steps, cleanup, ..Payload::new() }))
    }
}
