//! Targets through steps. Each goes from step to step for itself and stops at its first error (specs/contest.md 1.7).
//!
//! There is no task for a target. What a step does in no time (`echo`, `variables`) is done here and now; a target
//! that sleeps stands in a heap by the time of its waking; one that needs a process waits in line for a slot, those
//! that have begun before those that have not, so that few are open at a time. Only what takes its time in another way
//! is a task for each visit (`timed`).
//!
//! Paused, nothing new begins: who waits or sleeps is parked where it is, who is inside a step that cannot be halted
//! comes out of it first. Targets that were parked, or whose server died, come in again with their old visit.

mod seat;
mod timed;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{
    LogText, Named, RawJson, SectionStopped, Stream, TargetErr, TargetIn, TargetOut, VariableEmitted,
};
use oyez_model::{Outcome, SectionRef};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::attempt::Course;
use super::command::{CommandTask, Ended};
use super::job::Job;
use crate::duration::GoDuration;
use crate::process::{Cause, Exit, Slot};
use crate::steps::{Cmd, Nap, Resumption, Step, Work, message};
use crate::stop::{Scope, Stop};
use seat::Place;
pub(super) use seat::{Seat, Visiting, no_variables};
use timed::{Finished, Visits};

/// After so many targets others on this thread get their turn.
const TURN: u32 = 64;
/// So many sleepers wake together; the next of them after these have gone on.
const WAKE: u32 = 256;

/// What is said of a target whose visit cannot be taken up again.
const LOST: &str =
    "was running when its server ended, and cannot be done again: nobody knows how far it came";

/// The targets of an attempt, and where each stands.
pub(super) struct Pipeline<'j, 't> {
    job: &'j Arc<Job>,
    steps: &'j [Step],
    seats: Vec<Seat<'t>>,
    course: Arc<Course>,
    scope: Scope,
    /// When all must be over, and after what time that is.
    deadline: Option<(Instant, GoDuration)>,
    /// Why nothing new begins.
    stopped: Option<Stop>,
    /// Nothing new begins for now.
    is_paused: bool,
    /// Seats that have neither ended nor been parked.
    open: usize,
    ready: VecDeque<usize>,
    /// Seats that wait for a process slot: with a step behind them, and without.
    begun: VecDeque<usize>,
    fresh: VecDeque<usize>,
    sleeping: BinaryHeap<Reverse<(Instant, usize, bool)>>,
    /// Processes that run.
    running: usize,
    slot: Option<Pin<Box<dyn Future<Output = Slot> + Send + 'j>>>,
    ended: (mpsc::UnboundedSender<Ended>, mpsc::UnboundedReceiver<Ended>),
    visits: Visits,
}

/// What the pipeline waited for.
enum Event {
    Stopped(Stop),
    Paused,
    Visited(Finished),
    Ended(Ended),
    Slot(Slot),
    Time,
}

impl<'j, 't> Pipeline<'j, 't> {
    pub(super) fn new(
        job: &'j Arc<Job>,
        steps: &'j [Step],
        seats: Vec<Seat<'t>>,
        course: Arc<Course>,
        scope: Scope,
        timeout: Option<GoDuration>,
    ) -> Self {
        Pipeline {
            job,
            steps,
            course,
            scope,
            deadline: timeout.map(|timeout| (Instant::now() + timeout.to_std(), timeout)),
            stopped: None,
            is_paused: false,
            open: seats.iter().filter(|seat| seat.place == Place::Open).count(),
            ready: (0..seats.len()).filter(|at| seats[*at].place == Place::Open).collect(),
            begun: VecDeque::new(),
            fresh: VecDeque::new(),
            sleeping: BinaryHeap::new(),
            running: 0,
            slot: None,
            // Bounded by the number of process slots.
            ended: mpsc::unbounded_channel(),
            visits: Visits::new(steps, &seats),
            seats,
        }
    }

    /// Goes on until each target has ended, or was parked because of a pause.
    pub(super) async fn run(mut self) -> Vec<Seat<'t>> {
        let mut turn = 0;
        while self.open > 0 {
            while let Some(seat) = self.ready.pop_front() {
                self.go_on(seat);
                turn += 1;
                if self.job.recorder.is_full() {
                    self.job.recorder.room().await;
                } else if turn % TURN == 0 {
                    tokio::task::yield_now().await;
                }
            }
            self.gather();
            if self.open == 0 {
                break;
            }
            match self.next().await {
                Event::Stopped(why) => self.stop(why),
                Event::Paused => self.pause(),
                Event::Visited(finished) => self.visited(finished),
                Event::Ended(ended) => self.process_ended(ended),
                Event::Slot(slot) => self.start_process(slot),
                Event::Time => self.wake(),
            }
        }
        self.visits.close().await;
        std::mem::take(&mut self.seats)
    }

    async fn next(&mut self) -> Event {
        let goes_on = self.stopped.is_none() && !self.is_paused;
        let waits = goes_on && !(self.begun.is_empty() && self.fresh.is_empty());
        if !waits {
            self.slot = None;
        } else if self.slot.is_none() {
            let pool = &self.job.pool;
            self.slot = Some(Box::pin(pool.slot()));
        }
        let first = self.sleeping.peek().map(|Reverse((wake, ..))| *wake);
        let deadline = self.deadline.map(|(deadline, _)| deadline).filter(|_| self.stopped.is_none());
        let time = [first, deadline].into_iter().flatten().min();
        let (slot, ended, visits) = (&mut self.slot, &mut self.ended.1, &mut self.visits);
        let has_slot = slot.is_some();
        tokio::select! {
            biased;
            why = self.scope.stopped(), if self.stopped.is_none() => Event::Stopped(why),
            () = self.scope.paused(), if goes_on => Event::Paused,
            Some(ended) = ended.recv() => Event::Ended(ended),
            Some(finished) = visits.next() => Event::Visited(finished),
            slot = async { match slot { Some(slot) => slot.await, None => std::future::pending().await } },
                if has_slot => Event::Slot(slot),
            () = async { match time { Some(time) => tokio::time::sleep_until(time).await, None => std::future::pending().await } }
                => Event::Time,
        }
    }

    /// Takes a target as far as it comes without waiting.
    fn go_on(&mut self, at: usize) {
        if let Some((outcome, error)) = self.seats[at].failed.take() {
            return self.finish(at, outcome, Some(error));
        }
        while let Some(step) = self.steps.get(self.seats[at].step) {
            if self.stopped.is_some() || self.scope.is_stopped() {
                return self.cut(at);
            }
            if self.scope.is_paused() {
                return self.park(at);
            }
            if !self.takes_up(at, step) {
                return;
            }
            let done = match &step.work {
                Work::Cmd(_) if self.seats[at].step == 0 => return self.fresh.push_back(at),
                Work::Cmd(_) => return self.begun.push_back(at),
                Work::Timed(_) => return self.visits.push(at),
                Work::Gather(_) => {
                    self.enter(at, step);
                    return self.visits.arrive(self.seats[at].step, at);
                }
                Work::Sleep(nap) => {
                    self.enter(at, step);
                    match self.sleep(at, step, nap) {
                        Ok(()) => return,
                        Err(e) => Err(e),
                    }
                }
                Work::Echo(text) => {
                    self.enter(at, step);
                    text.expand(&self.seats[at].subject()).map(|text| self.log(at, text))
                }
                Work::Variables(variables) => {
                    self.enter(at, step);
                    self.set_variables(at, step, variables);
                    Ok(())
                }
            };
            match done {
                Ok(()) => self.leave(at),
                Err(e) => return self.fail(at, e, None),
            }
        }
        self.finish(at, Outcome::Passed, None);
    }

    /// A target that was inside a step when the job was halted: whether it can be inside again.
    fn takes_up(&mut self, at: usize, step: &Step) -> bool {
        let Some(visit) = self.seats[at].visit.as_mut().filter(|visit| visit.is_old) else { return true };
        visit.is_old = false;
        match step.resumption() {
            Resumption::Resumed => true,
            Resumption::Repeated => {
                visit.state = None;
                self.log(
                    at,
                    "begun again: its server ended, or the job was paused, in the middle".to_owned(),
                );
                true
            }
            Resumption::Lost => {
                self.fail(at, LOST.to_owned(), Some(Outcome::Errored));
                false
            }
        }
    }

    /// A target comes into a step, unless it is inside already.
    fn enter(&mut self, at: usize, step: &Step) {
        let seat = &mut self.seats[at];
        if seat.visit.is_some() {
            return;
        }
        let id = self.job.node();
        seat.visit = Some(Visiting { id, began: self.job.recorder.now(), is_old: false, state: None });
        self.job.recorder.record(TargetIn {
            id,
            target: SectionRef::own(seat.section),
            label: step.label.clone(),
            step: step.plugin.clone(),
        });
    }

    fn visit(&self, at: usize) -> SectionRef {
        SectionRef::own(self.seats[at].visit.as_ref().map_or(0, |visit| visit.id))
    }

    fn leave(&mut self, at: usize) {
        self.job.recorder.record(TargetOut { id: self.visit(at) });
        self.seats[at].visit = None;
        self.visits.moved(self.seats[at].step);
        self.seats[at].step += 1;
    }

    /// A target stays where it is until the job goes on.
    fn park(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        if let Some(visit) = &mut seat.visit {
            visit.is_old = true;
        }
        seat.place = Place::Parked;
        self.open -= 1;
    }

    /// A target ends with an error in its step.
    fn fail(&mut self, at: usize, error: String, outcome: Option<Outcome>) {
        let id = self.visit(at);
        self.job.recorder.record(TargetErr { id, error: error.clone(), outcome });
        self.seats[at].visit = None;
        self.finish(at, outcome.unwrap_or(Outcome::Failed), Some(error));
    }

    /// A target's way is cut short, within a step or between two.
    fn cut(&mut self, at: usize) {
        let why = self.scope.reason().unwrap_or(Stop::Cancelled);
        if self.seats[at].visit.is_some() {
            self.fail(at, why.text(), Some(why.outcome()));
        } else {
            self.finish(at, why.outcome(), Some(why.text()));
        }
    }

    /// A target's way is over.
    fn finish(&mut self, at: usize, outcome: Outcome, reason: Option<String>) {
        self.open -= 1;
        self.visits.gone(self.seats[at].step);
        let seat = &mut self.seats[at];
        seat.place = Place::Ended { passed: outcome == Outcome::Passed };
        for section in std::iter::once(&seat.section).chain(&seat.twins) {
            self.job.recorder.record(SectionStopped {
                id: SectionRef::own(*section),
                outcome: Some(outcome),
                reason: reason.clone(),
                data: None,
                rollup: None,
                ended: None,
                ..Default::default()
            });
        }
    }

    fn log(&self, at: usize, mut text: String) {
        text.push('\n');
        let text = text.into_bytes().into();
        self.job.recorder.record(LogText { id: self.visit(at), stream: Stream::Log, text, level: None });
    }

    fn set_variables(
        &mut self,
        at: usize,
        step: &Step,
        variables: &[(String, Box<serde_json::value::RawValue>)],
    ) {
        let id = self.visit(at);
        let map = Arc::make_mut(self.seats[at].variables.get_or_insert_default());
        for (name, value) in variables {
            map.set(&step.label, name, value.clone());
            let (name, value) = (name.clone(), RawJson(value.get().to_owned()));
            self.job.recorder.record(VariableEmitted { id, name, value });
        }
    }

    /// A target sleeps from when it came in, or until the time that it had when it was paused.
    fn sleep(&mut self, at: usize, step: &Step, nap: &Nap) -> Result<(), String> {
        let seat = &self.seats[at];
        let wall = self.job.recorder.now();
        let since = seat.visit.as_ref().map_or(0, |visit| wall.since(visit.began));
        let since = Duration::from_nanos(since);
        let deadline = seat.visit.as_ref().and_then(|visit| visit.state.as_deref()).and_then(nap_state::read);
        let left = match deadline {
            Some(deadline) => Duration::from_nanos(deadline.since(wall)),
            None => nap.duration(&seat.subject())?.saturating_sub(since),
        };
        let timeout = step.timeout.map(|timeout| timeout.to_std().saturating_sub(since));
        let timeout = timeout.filter(|timeout| *timeout < left);
        let now = Instant::now();
        // Beyond what an instant can say is as good as for ever.
        let wake = now.checked_add(timeout.unwrap_or(left));
        let wake = wake.unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400));
        self.sleeping.push(Reverse((wake, at, timeout.is_some())));
        Ok(())
    }

    /// The time has come for sleepers, or for all.
    fn wake(&mut self) {
        let now = Instant::now();
        if let Some((deadline, timeout)) = self.deadline
            && now >= deadline
        {
            // Noticed like any other stop.
            self.deadline = None;
            self.scope.stop(Stop::TimedOut(timeout));
        }
        for _ in 0..WAKE {
            if self.sleeping.peek().is_none_or(|Reverse((wake, ..))| *wake > now) {
                return;
            }
            let Some(Reverse((_, at, timed_out))) = self.sleeping.pop() else { return };
            let timeout = self.steps.get(self.seats[at].step).and_then(|step| step.timeout);
            match timeout.filter(|_| timed_out) {
                Some(timeout) => self.fail(at, Stop::TimedOut(timeout).text(), None),
                None => {
                    self.leave(at);
                    self.ready.push_back(at);
                }
            }
        }
    }

    /// Nothing new begins: who sleeps or waits is parked, who is inside hears of it or comes out first.
    fn pause(&mut self) {
        self.is_paused = true;
        self.slot = None;
        let (now, wall) = (Instant::now(), self.job.recorder.now());
        for Reverse((wake, at, timed_out)) in std::mem::take(&mut self.sleeping) {
            // A timeout is counted from the time when the target came in.
            let left = wake.saturating_duration_since(now);
            if let Some(visit) = self.seats[at].visit.as_mut().filter(|_| !timed_out) {
                visit.state = Some(nap_state::write(wall, left));
            }
            self.ready.push_back(at);
        }
        self.ready.extend(self.begun.drain(..).chain(self.fresh.drain(..)));
        self.ready.extend(self.visits.not_begun());
    }

    /// Nothing new begins, and who sleeps or waits ends now; processes hear of it by themselves.
    fn stop(&mut self, why: Stop) {
        self.stopped = Some(why);
        self.slot = None;
        self.ready.extend(self.visits.not_begun());
        // They are cut when their turn comes, which leaves the recorder time for so many.
        self.ready.extend(self.begun.drain(..).chain(self.fresh.drain(..)));
        self.ready.extend(self.sleeping.drain().map(|Reverse((_, at, _))| at));
    }

    /// There is a slot: the next target in line gets its process.
    fn start_process(&mut self, slot: Slot) {
        self.slot = None;
        let Some(at) = self.begun.pop_front().or_else(|| self.fresh.pop_front()) else { return };
        if self.scope.is_stopped() || self.scope.is_paused() {
            // It is in line again when that is noticed, which is next.
            return self.begun.push_front(at);
        }
        let steps = self.steps;
        let Some((step, cmd)) = steps.get(self.seats[at].step).and_then(as_cmd) else { return };
        self.enter(at, step);
        match cmd.expand(&self.seats[at].subject()) {
            // The slot goes to the next one.
            Err(e) => self.fail(at, e, None),
            Ok(command) => {
                let id = self.visit(at);
                let payload = Some(command.payload());
                self.job.recorder.record(self.named(at, "CmdStart", payload));
                let task = CommandTask::new(
                    self.job,
                    at,
                    id,
                    [cmd.emit_stdout, cmd.emit_stderr],
                    self.ended.0.clone(),
                );
                let timeout = step.timeout.map(GoDuration::to_std);
                self.running += 1;
                self.job.start_process(slot, command, id, self.scope.clone(), (timeout, None), task);
            }
        }
    }

    fn named(&self, at: usize, name: &str, payload: Option<RawJson>) -> Named {
        let target = Some(self.seats[at].target.id.clone());
        Named { id: self.visit(at), name: name.to_owned(), target, payload }
    }

    fn process_ended(&mut self, ended: Ended) {
        let Ended { seat: at, end, stdout, stderr } = ended;
        self.running -= 1;
        let has_run = !matches!(end.exit, Exit::NotStarted(_));
        if has_run && end.exit != Exit::Outlived {
            self.job.recorder.record(self.named(at, "CmdEnd", Some(RawJson("null".to_owned()))));
        }
        for (name, text) in [("CmdStdout", stdout), ("CmdStderr", stderr)] {
            if let Some(text) = text.filter(|_| has_run) {
                self.job.recorder.record(self.named(at, name, Some(message(&text))));
            }
        }
        let step = self.steps.get(self.seats[at].step);
        if end.exit == Exit::Outlived {
            let target = &self.seats[at].target.id;
            self.job.leave_behind(format!("a process of target {target} could not be killed"));
        }
        match end.cause {
            Cause::Itself if end.exit.is_success() => {
                self.leave(at);
                self.ready.push_back(at);
            }
            Cause::Itself => self.fail(at, end.exit.to_string(), None),
            Cause::TimedOut => {
                let timeout = step.and_then(|step| step.timeout).unwrap_or_default();
                self.fail(at, Stop::TimedOut(timeout).text(), None);
            }
            Cause::Stopped => self.cut(at),
        }
    }
}

impl Drop for Pipeline<'_, '_> {
    fn drop(&mut self) {
        if self.running > 0 {
            // Nobody waits for them any more.
            self.scope.kill(Stop::Cancelled);
        }
    }
}

fn as_cmd(step: &Step) -> Option<(&Step, &Arc<Cmd>)> {
    match &step.work {
        Work::Cmd(cmd) => Some((step, cmd)),
        _ => None,
    }
}

/// What a sleeper needs to go on, as ConTest's `sleep` writes it: `{"D":1795193683019}`, the time of its waking in
/// milliseconds since the Unix epoch.
mod nap_state {
    use std::time::Duration;

    use oyez_model::Time;
    use serde_json::value::RawValue;

    pub(super) fn write(now: Time, left: Duration) -> Box<RawValue> {
        let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let until = (now.0 / 1_000_000).saturating_add(left);
        RawValue::from_string(format!("{{\"D\":{until}}}")).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    pub(super) fn read(state: &RawValue) -> Option<Time> {
        #[derive(serde::Deserialize)]
        struct State {
            #[serde(rename = "D")]
            until: i64,
        }
        let state: State = serde_json::from_str(state.get()).ok()?;
        Some(Time(state.until.saturating_mul(1_000_000)))
    }
}
