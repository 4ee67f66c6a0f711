//! Targets through steps. Each goes from step to step for itself and stops at its first error (specs/contest.md 1.7).
//!
//! There is no task for a target. What a step does in no time (`echo`, `variables`) is done here and now; a target
//! that sleeps stands in a heap by the time of its waking; one that needs a process waits in line for a slot, those
//! that have begun before those that have not, so that few are open at a time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use oyez_model::event::{
    LogText, Named, RawJson, SectionStopped, Stream, TargetErr, TargetIn, TargetOut, VariableEmitted,
};
use oyez_model::{Outcome, SectionRef};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::command::{CommandTask, Ended};
use super::job::Job;
use crate::duration::GoDuration;
use crate::process::{Cause, Exit, Slot};
use crate::steps::{Cmd, Step, Work, message};
use crate::stop::{Scope, Stop};
use crate::target::Target;
use crate::template::{StepVariables, Subject, VariableMap};

/// After so many targets others on this thread get their turn.
const TURN: u32 = 64;
/// So many sleepers wake together; the next of them after these have gone on.
const WAKE: u32 = 256;

/// A target on its way through the steps.
pub(super) struct Seat<'t> {
    pub(super) target: &'t Target,
    section: u64,
    /// The sections of the same target listed again.
    twins: Vec<u64>,
    step: usize,
    /// The section of its visit to the step.
    visit: u64,
    is_inside: bool,
    variables: Option<Arc<VariableMap>>,
    has_passed: bool,
}

impl<'t> Seat<'t> {
    pub(super) fn new(target: &'t Target, section: u64) -> Self {
        Seat {
            target,
            section,
            twins: Vec::new(),
            step: 0,
            visit: 0,
            is_inside: false,
            variables: None,
            has_passed: false,
        }
    }

    /// The same target is listed again.
    pub(super) fn add_twin(&mut self, section: u64) {
        self.twins.push(section);
    }

    /// The same target at the start of other steps, with the variables that it has.
    pub(super) fn again(self, section: u64) -> Self {
        Seat { variables: self.variables, ..Seat::new(self.target, section) }
    }

    /// Whether it came through all steps without an error.
    pub(super) fn has_passed(&self) -> bool {
        self.has_passed
    }

    fn subject(&self) -> Subject<'t> {
        let variables = self.variables.clone().map(|variables| variables as Arc<dyn StepVariables>);
        // Without any the texts of ConTest's errors still name what is missing.
        Subject::new(self.target, Some(variables.unwrap_or_else(no_variables)))
    }
}

fn no_variables() -> Arc<dyn StepVariables> {
    static NONE: std::sync::LazyLock<Arc<VariableMap>> = std::sync::LazyLock::new(Arc::default);
    NONE.clone()
}

/// The targets of an attempt, and where each stands.
pub(super) struct Pipeline<'j, 't> {
    job: &'j Job,
    steps: &'j [Step],
    seats: Vec<Seat<'t>>,
    scope: Scope,
    /// When all must be over, and after what time that is.
    deadline: Option<(Instant, GoDuration)>,
    /// Why nothing new begins.
    stopped: Option<Stop>,
    /// Seats that have not ended.
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
}

/// What the pipeline waited for.
enum Event {
    Stopped(Stop),
    Ended(Ended),
    Slot(Slot),
    Time,
}

impl<'j, 't> Pipeline<'j, 't> {
    pub(super) fn new(
        job: &'j Job,
        steps: &'j [Step],
        seats: Vec<Seat<'t>>,
        scope: Scope,
        timeout: Option<GoDuration>,
    ) -> Self {
        Pipeline {
            job,
            steps,
            scope,
            deadline: timeout.map(|timeout| (Instant::now() + timeout.to_std(), timeout)),
            stopped: None,
            open: seats.len(),
            ready: (0..seats.len()).collect(),
            begun: VecDeque::new(),
            fresh: VecDeque::new(),
            sleeping: BinaryHeap::new(),
            running: 0,
            slot: None,
            // Bounded by the number of process slots.
            ended: mpsc::unbounded_channel(),
            seats,
        }
    }

    /// Goes on until each target has ended.
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
            if self.open == 0 {
                break;
            }
            match self.next().await {
                Event::Stopped(why) => self.stop(why),
                Event::Ended(ended) => self.process_ended(ended),
                Event::Slot(slot) => self.start_process(slot),
                Event::Time => self.wake(),
            }
        }
        std::mem::take(&mut self.seats)
    }

    async fn next(&mut self) -> Event {
        let waits = self.stopped.is_none() && !(self.begun.is_empty() && self.fresh.is_empty());
        if !waits {
            self.slot = None;
        } else if self.slot.is_none() {
            let pool = &self.job.pool;
            self.slot = Some(Box::pin(pool.slot()));
        }
        let first = self.sleeping.peek().map(|Reverse((wake, ..))| *wake);
        let deadline = self.deadline.map(|(deadline, _)| deadline).filter(|_| self.stopped.is_none());
        let time = [first, deadline].into_iter().flatten().min();
        let (slot, ended) = (&mut self.slot, &mut self.ended.1);
        let has_slot = slot.is_some();
        tokio::select! {
            biased;
            why = self.scope.stopped(), if self.stopped.is_none() => Event::Stopped(why),
            Some(ended) = ended.recv() => Event::Ended(ended),
            slot = async { match slot { Some(slot) => slot.await, None => std::future::pending().await } },
                if has_slot => Event::Slot(slot),
            () = async { match time { Some(time) => tokio::time::sleep_until(time).await, None => std::future::pending().await } }
                => Event::Time,
        }
    }

    /// Takes a target as far as it comes without waiting.
    fn go_on(&mut self, at: usize) {
        while let Some(step) = self.steps.get(self.seats[at].step) {
            if self.stopped.is_some() || self.scope.is_stopped() {
                return self.cut(at);
            }
            let done = match &step.work {
                Work::Cmd(_) if self.seats[at].step == 0 => return self.fresh.push_back(at),
                Work::Cmd(_) => return self.begun.push_back(at),
                Work::Sleep(nap) => {
                    let duration = nap.duration(&self.seats[at].subject());
                    self.enter(at, step);
                    match duration {
                        Ok(duration) => return self.sleep(at, step, duration),
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

    fn enter(&mut self, at: usize, step: &Step) {
        let visit = self.job.node();
        let seat = &mut self.seats[at];
        (seat.visit, seat.is_inside) = (visit, true);
        self.job.recorder.record(TargetIn {
            id: visit,
            target: SectionRef::own(seat.section),
            label: step.label.clone(),
            step: step.plugin.to_owned(),
        });
    }

    fn visit(&self, at: usize) -> SectionRef {
        SectionRef::own(self.seats[at].visit)
    }

    fn leave(&mut self, at: usize) {
        self.job.recorder.record(TargetOut { id: self.visit(at) });
        self.seats[at].is_inside = false;
        self.seats[at].step += 1;
    }

    /// A target ends with an error in its step.
    fn fail(&mut self, at: usize, error: String, outcome: Option<Outcome>) {
        let id = self.visit(at);
        self.job.recorder.record(TargetErr { id, error: error.clone(), outcome });
        self.seats[at].is_inside = false;
        self.finish(at, outcome.unwrap_or(Outcome::Failed), Some(error));
    }

    /// A target's way is cut short, within a step or between two.
    fn cut(&mut self, at: usize) {
        let why = self.scope.reason().unwrap_or(Stop::Cancelled);
        if self.seats[at].is_inside {
            self.fail(at, why.text(), Some(why.outcome()));
        } else {
            self.finish(at, why.outcome(), Some(why.text()));
        }
    }

    /// A target's way is over.
    fn finish(&mut self, at: usize, outcome: Outcome, reason: Option<String>) {
        self.open -= 1;
        let seat = &mut self.seats[at];
        seat.has_passed = outcome == Outcome::Passed;
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

    fn sleep(&mut self, at: usize, step: &Step, duration: std::time::Duration) {
        let now = Instant::now();
        let timeout = step.timeout.map(GoDuration::to_std).filter(|timeout| *timeout < duration);
        // Beyond what an instant can say is as good as for ever.
        let wake = now.checked_add(timeout.unwrap_or(duration));
        let wake = wake.unwrap_or_else(|| now + std::time::Duration::from_secs(30 * 365 * 86_400));
        self.sleeping.push(Reverse((wake, at, timeout.is_some())));
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

    /// Nothing new begins, and who sleeps or waits ends now; processes hear of it by themselves.
    fn stop(&mut self, why: Stop) {
        self.stopped = Some(why);
        self.slot = None;
        // They are cut when their turn comes, which leaves the recorder time for so many.
        self.ready.extend(self.begun.drain(..).chain(self.fresh.drain(..)));
        self.ready.extend(self.sleeping.drain().map(|Reverse((_, at, _))| at));
    }

    /// There is a slot: the next target in line gets its process.
    fn start_process(&mut self, slot: Slot) {
        self.slot = None;
        let Some(at) = self.begun.pop_front().or_else(|| self.fresh.pop_front()) else { return };
        if self.scope.is_stopped() {
            // It is in line again when the stop is noticed, which is next.
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
                let task = CommandTask::new(self.job, at, id, cmd, self.ended.0.clone());
                let timeout = step.timeout.map(GoDuration::to_std);
                self.running += 1;
                self.job.start_process(slot, command, id, self.scope.clone(), timeout, task);
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
