//! A test of a run: its attempts, each with its targets, steps and clean-up (specs/contest.md 1.5, 1.6).

use std::sync::Arc;

use oyez_model::event::{
    SectionStarted, TargetAcquireErr, TargetAcquired, TargetReleased, TestStarted, TestStopped,
};
use oyez_model::{Outcome, SectionRef, event};

use super::job::{Failure, Job};
use super::pipeline::{Pipeline, Seat};
use super::roster::{Offer, Roster};
use crate::control::{Halt, Phase};
use crate::locks::AcquireError;
use crate::plan::{Plan, PlannedTest};
use crate::reporters::TestStatus;
use crate::steps::Step;
use crate::stop::Scope;
use crate::target::Target;
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

    fn status(&self) -> TestStatus {
        let PlannedTest { name, index, .. } = self.planned;
        TestStatus { name: name.clone(), index: *index, ..TestStatus::default() }
    }
}

/// What came of one attempt.
enum Attempted {
    /// It counts.
    Done(TestStatus),
    /// Another one should follow; if none does, this is to be said of it.
    Failed(TestStopped),
    /// It was stopped.
    Stopped,
}

impl Job {
    /// Attempts until one succeeds or there are no more.
    pub(super) async fn test(
        self: &Arc<Self>,
        test: &PreparedTest<'_>,
        run: SectionRef,
        plan: &Plan,
    ) -> Result<Tried, Failure> {
        let retry = test.planned.retry;
        let mut failed: Option<TestStopped> = None;
        for attempt in 0..=retry.retries {
            if attempt > 0 && self.stops.sleep(retry.interval.to_std()).await.is_err() {
                break;
            }
            if self.stops.reason().is_some() {
                break;
            }
            let is_last = attempt == retry.retries;
            match self.attempt(test, run, attempt, is_last, plan).await? {
                Attempted::Done(status) => return Ok(Tried::Done(status)),
                Attempted::Failed(stopped) => failed = Some(stopped),
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

    /// One attempt.
    async fn attempt(
        self: &Arc<Self>,
        test: &PreparedTest<'_>,
        run: SectionRef,
        attempt: u32,
        is_last: bool,
        plan: &Plan,
    ) -> Result<Attempted, Failure> {
        let id = self.start(test, run, attempt, test.offer.planned(), false);
        let acquired = self.acquire(&test.offer, plan.acquire_timeout.to_std()).await;
        let mut seats = Vec::new();
        let mut released = Vec::new();
        let done = match &acquired {
            Ok(acquired) => {
                let main = self.main(test, acquired.roster(), id).await;
                released = main.sections;
                seats = main.seats;
                main.attempt
            }
            Err(e) => self.not_acquired(test, id, e, plan),
        };
        // Without targets there is nothing that another attempt could change.
        let is_over = done.outcome == Outcome::Passed || is_last || test.offer.planned() == Some(0);
        let again = !is_over && !done.is_cut && done.failure.is_none() && self.stops.reason().is_none();
        let stopped = TestStopped {
            id: SectionRef::own(id),
            outcome: Some(done.outcome),
            reason: done.reason,
            retried: again.then_some(true),
            ended: None,
            ..Default::default()
        };
        // What is to be said if it is the last one after all: it ended now, and for this reason.
        let last = TestStopped {
            reason: None,
            retried: Some(false),
            ended: Some(self.recorder.now().0),
            ..stopped.clone()
        };
        let has_cleanup = !test.cleanup.is_empty() && !seats.is_empty();
        if has_cleanup {
            // The attempt is over; the targets are held until the clean-up is.
            self.recorder.record(stopped.clone());
            self.clean_up(test, run, attempt, seats).await;
        }
        for section in released {
            self.recorder.record(TargetReleased { id: SectionRef::own(section) });
            self.recorder.room().await;
        }
        if !has_cleanup {
            self.recorder.record(stopped);
        }
        self.recorder.room().await;
        if let Err(why) = self.locks.release(plan.release_timeout.to_std()).await {
            self.leave_behind(why.clone());
            // A job that is being cancelled has another state for that.
            if self.stops.reason().is_none() {
                return Err(Failure(why));
            }
        }
        match done.failure {
            Some(failure) => Err(failure),
            None if again => Ok(Attempted::Failed(last)),
            None if is_over && !done.is_cut => Ok(Attempted::Done(done.status)),
            None => Ok(Attempted::Stopped),
        }
    }

    fn start(
        &self,
        test: &PreparedTest<'_>,
        run: SectionRef,
        attempt: u32,
        targets: Option<usize>,
        cleanup: bool,
    ) -> u64 {
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

    fn not_acquired(&self, test: &PreparedTest<'_>, id: u64, e: &AcquireError, plan: &Plan) -> Attempt {
        let mut attempt = Attempt {
            outcome: Outcome::Errored,
            reason: None,
            status: test.status(),
            is_cut: false,
            failure: None,
        };
        match e {
            AcquireError::Failed(error) => {
                self.recorder.record(TargetAcquireErr { test: SectionRef::own(id), error: error.clone() });
                attempt.status.acquire_error = Some(error.clone());
                attempt.reason = Some(error.clone());
            }
            AcquireError::TimedOut => {
                let why = format!("target manager acquire timed out after {}", plan.acquire_timeout);
                attempt.reason = Some(why.clone());
                attempt.failure = Some(Failure(why));
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

    /// The targets are held: they go through the steps.
    async fn main<'t>(
        self: &Arc<Self>,
        test: &'t PreparedTest<'_>,
        roster: &'t Roster<'_>,
        id: u64,
    ) -> Main<'t> {
        let mut sections = Vec::new();
        let mut seats: Vec<Seat<'t>> = Vec::new();
        for (target, place, is_first) in roster.listed() {
            if is_first {
                sections.push(self.acquired(id, target));
                seats.push(Seat::new(target, sections[place]));
            } else {
                // A target that is listed twice runs once and counts twice, as in ConTest (specs/contest.md 4).
                seats[place].add_twin(self.held(
                    id,
                    target,
                    Some("listed again: it runs once and counts twice"),
                ));
            }
            self.recorder.room().await;
        }
        let scope = match self.stops.enter(Phase::Steps) {
            Ok(scope) => scope,
            Err(e) => {
                let why = format!("no file descriptors left ({e}): raise `ulimit -n`");
                let failure = Some(Failure(why.clone()));
                let (outcome, reason, status) = (Outcome::Errored, Some(why), test.status());
                return Main {
                    attempt: Attempt { outcome, reason, status, is_cut: false, failure },
                    sections,
                    seats,
                };
            }
        };
        let timeout = test.planned.extensions.timeout;
        let seats = Pipeline::new(self, &test.steps, seats, scope.clone(), timeout).run().await;
        let mut status = test.status();
        status.total = roster.len() as u64;
        status.succeeded = roster.runs_as().iter().filter(|place| seats[**place].has_passed()).count() as u64;
        let attempt = self.judge(status, &scope);
        Main { attempt, sections, seats }
    }

    fn acquired(&self, test: u64, target: &Target) -> u64 {
        let id = self.node();
        let text = |address: Option<std::net::IpAddr>| address.map(|address| address.to_string());
        let target = event::Target {
            id: target.id.clone(),
            fqdn: Some(&target.fqdn).filter(|fqdn| !fqdn.is_empty()).cloned(),
            primary_ipv4: text(target.primary_ipv4),
            primary_ipv6: text(target.primary_ipv6),
        };
        self.recorder.record(TargetAcquired { id, test: SectionRef::own(test), target });
        id
    }

    /// A section for a target that is held already.
    fn held(&self, test: u64, target: &Target, description: Option<&str>) -> u64 {
        let id = self.node();
        self.recorder.record(SectionStarted {
            id,
            parent: SectionRef::own(test),
            r#type: "Target".to_owned(),
            name: target.id.clone(),
            began: None,
            description: description.map(str::to_owned),
            source: None,
            parameters: None,
            extra: None,
            peer_id: None,
            ..Default::default()
        });
        id
    }

    /// The clean-up steps, on all targets, whatever came of them; errors are recorded and change nothing.
    async fn clean_up<'t>(
        self: &Arc<Self>,
        test: &PreparedTest<'_>,
        run: SectionRef,
        attempt: u32,
        seats: Vec<Seat<'t>>,
    ) {
        let Ok(scope) = self.stops.enter(Phase::Cleanup) else {
            self.recorder.notice("no file descriptors left: there was no clean-up; raise `ulimit -n`");
            return;
        };
        if scope.is_stopped() {
            return;
        }
        let id = self.start(test, run, attempt, Some(seats.len()), true);
        let mut again = Vec::with_capacity(seats.len());
        for seat in seats {
            let section = self.held(id, seat.target, None);
            again.push(seat.again(section));
            self.recorder.room().await;
        }
        let seats = Pipeline::new(self, &test.cleanup, again, scope.clone(), None).run().await;
        let mut status = test.status();
        status.total = seats.len() as u64;
        status.succeeded = seats.iter().filter(|seat| seat.has_passed()).count() as u64;
        let Attempt { outcome, reason, .. } = self.judge(status, &scope);
        let id = SectionRef::own(id);
        self.recorder.record(TestStopped {
            id,
            outcome: Some(outcome),
            reason,
            retried: None,
            ended: None,
            ..Default::default()
        });
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
struct Main<'t> {
    attempt: Attempt,
    /// The sections of the targets that are held.
    sections: Vec<u64>,
    seats: Vec<Seat<'t>>,
}
