//! Visits that are tasks of their own, and targets that gather before a step.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{Named, RawJson};
use oyez_model::{Outcome, SectionRef};
use tokio::task::{Id, JoinSet};

use super::seat::Place;
use super::{Pipeline, Seat};
use crate::duration::GoDuration;
use crate::runner::visit::Visit;
use crate::steps::{Step, TimedStep, Visited, Work};
use crate::stop::{Scope, Stop};
use crate::template::VariableMap;

/// So many visits of one test are under way at once; further targets wait before the step.
const MOST: usize = 1024;
/// A visit that has not ended so long after it was stopped is given up (specs/contest.md 1.7),
const PATIENCE: Duration = Duration::from_secs(30);
/// and one that was killed after this.
const KILLED: Duration = Duration::from_secs(1);
/// A visit that keeps to its timeout itself is late for it by no more than this.
const OWN_TIMEOUT: GoDuration = GoDuration::from_secs(1);

/// Visits under way, and who waits for one.
pub(super) struct Visits {
    tasks: JoinSet<Vec<End>>,
    /// Whose task it is, should it go down.
    seats: HashMap<Id, Vec<usize>>,
    waiting: VecDeque<usize>,
    /// The targets that stand in or before each step and may still come to a later one, when one of them gathers.
    standing: Vec<usize>,
    /// The targets that are in a step that gathers, by step.
    arrived: BTreeMap<usize, Vec<usize>>,
    /// What visits to a step share, by step.
    shared: BTreeMap<usize, Shared>,
}

/// What visits to a step share.
struct Shared {
    work: Arc<dyn TimedStep>,
    /// Visits that have begun, and those of them that have not ended.
    begun: usize,
    inside: usize,
    /// It knows that there will be no more.
    is_told: bool,
}

/// The end of one visit.
pub(super) struct End {
    seat: usize,
    visited: Visited,
    variables: Option<Arc<VariableMap>>,
    /// It was given up.
    is_overdue: bool,
}

/// The end of a task.
pub(super) enum Finished {
    Ended(Vec<End>),
    /// It went down with its visits.
    Broke(Vec<usize>, String),
}

impl Visits {
    pub(super) fn new(steps: &[Step], seats: &[Seat<'_>]) -> Visits {
        let mut standing = Vec::new();
        let open = |(at, step): (usize, &Step)| {
            let Work::Timed(work) = &step.work else { return None };
            Some((at, Shared { work: work.open()?, begun: 0, inside: 0, is_told: false }))
        };
        let shared: BTreeMap<_, _> = steps.iter().enumerate().filter_map(open).collect();
        if !shared.is_empty() || steps.iter().any(|step| matches!(step.work, Work::Gather(_))) {
            standing.resize(steps.len() + 1, 0);
            for seat in seats.iter().filter(|seat| seat.place == Place::Open) {
                standing[seat.step.min(steps.len())] += 1;
            }
        }
        Visits {
            tasks: JoinSet::new(),
            seats: HashMap::new(),
            waiting: VecDeque::new(),
            standing,
            arrived: BTreeMap::new(),
            shared,
        }
    }

    /// A target waits for its visit.
    pub(super) fn push(&mut self, at: usize) {
        self.waiting.push_back(at);
    }

    /// A target is inside a step that gathers.
    pub(super) fn arrive(&mut self, step: usize, at: usize) {
        self.arrived.entry(step).or_default().push(at);
    }

    /// A target went on from a step to the next.
    pub(super) fn moved(&mut self, from: usize) {
        if !self.standing.is_empty() {
            self.standing[from] -= 1;
            self.standing[from + 1] += 1;
        }
    }

    /// A target's way ended in a step.
    pub(super) fn gone(&mut self, step: usize) {
        if let Some(standing) = self.standing.get_mut(step) {
            *standing -= 1;
        }
    }

    /// Those that wait and have not begun, also within a step that gathers.
    pub(super) fn not_begun(&mut self) -> Vec<usize> {
        let arrived = std::mem::take(&mut self.arrived);
        self.waiting.drain(..).chain(arrived.into_values().flatten()).collect()
    }

    /// Tells what is shared when no other visit can come.
    fn tell_no_more(&mut self) {
        for (step, shared) in self.shared.iter_mut().filter(|(_, shared)| !shared.is_told) {
            let can_come: usize = self.standing.iter().take(step + 1).sum();
            if can_come == shared.inside {
                shared.is_told = true;
                shared.work.no_more(shared.begun);
            }
        }
    }

    /// The attempt is over.
    pub(super) async fn close(&self) {
        for shared in self.shared.values() {
            shared.work.close().await;
        }
    }

    /// A visit has ended, before its target goes on.
    fn out(&mut self, step: usize) {
        if let Some(shared) = self.shared.get_mut(&step) {
            shared.inside -= 1;
        }
    }

    /// The end of a task; `None` when there is none.
    pub(super) async fn next(&mut self) -> Option<Finished> {
        let finished = match self.tasks.join_next_with_id().await? {
            Ok((id, ends)) => {
                self.seats.remove(&id);
                Finished::Ended(ends)
            }
            Err(e) => {
                let seats = self.seats.remove(&e.id()).unwrap_or_default();
                Finished::Broke(seats, e.to_string())
            }
        };
        Some(finished)
    }

    fn spawn(&mut self, seats: Vec<usize>, task: impl Future<Output = Vec<End>> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.seats.insert(handle.id(), seats);
    }

    /// The steps at which everybody has gathered who can still come.
    fn complete(&mut self) -> Vec<(usize, Vec<usize>)> {
        let (mut coming, mut complete) = (0, Vec::new());
        for (step, standing) in self.standing.iter().enumerate() {
            coming += standing;
            if coming > 0 && self.arrived.get(&step).is_some_and(|arrived| arrived.len() == coming) {
                complete.push(step);
                break;
            }
        }
        complete.into_iter().filter_map(|step| Some((step, self.arrived.remove(&step)?))).collect()
    }
}

impl Pipeline<'_, '_> {
    /// Starts visits: those that wait for their turn, and those for which everybody has come.
    pub(super) fn gather(&mut self) {
        while let Some(at) = self.visits.waiting.front().copied() {
            // What is shared may wait for all its targets: none of them is kept from it.
            let shared: usize = self.visits.shared.values().map(|shared| shared.inside).sum();
            let is_shared = self.visits.shared.contains_key(&self.seats[at].step);
            if !is_shared && self.visits.tasks.len().saturating_sub(shared) >= MOST {
                break;
            }
            self.visits.waiting.pop_front();
            self.begin_visit(at);
        }
        for (step, seats) in self.visits.complete() {
            self.begin_gathering(step, seats);
        }
        self.visits.tell_no_more();
    }

    fn begin_visit(&mut self, at: usize) {
        let steps = self.steps;
        let Some(step) = steps.get(self.seats[at].step) else { return };
        let Work::Timed(work) = &step.work else { return };
        self.enter(at, step);
        let (mut work, mut visit) = (work.clone(), self.hand(at, step));
        let mut timeout = self.left(at, step);
        if let Some(shared) = self.visits.shared.get_mut(&self.seats[at].step) {
            (shared.begun, shared.inside) = (shared.begun + 1, shared.inside + 1);
            work = shared.work.clone();
            // It keeps to its timeout itself, and has more to say about it.
            visit.timeout = timeout.zip(step.timeout).map(|(left, whole)| [left, whole]);
            timeout = timeout.map(|timeout| GoDuration(timeout.0.saturating_add(OWN_TIMEOUT.0)));
        }
        let limit = Limit { timeout, scope: self.scope.clone() };
        self.visits.spawn(vec![at], async move {
            let result = limit.hold(work.run(&mut visit)).await;
            let (visited, is_overdue) = result.map_or_else(Overdue::ended, |visited| (visited, false));
            vec![End { seat: at, visited, variables: visit.variables, is_overdue }]
        });
    }

    fn begin_gathering(&mut self, step: usize, seats: Vec<usize>) {
        let steps = self.steps;
        let Some(step) = steps.get(step) else { return };
        let Work::Gather(work) = &step.work else { return };
        let mut visits: Vec<Visit> = seats.iter().map(|at| self.hand(*at, step)).collect();
        let limit = Limit { timeout: step.timeout, scope: self.scope.clone() };
        let (work, of) = (work.clone(), seats.clone());
        self.visits.spawn(seats, async move {
            let result = limit.hold(work.run(&mut visits)).await;
            let (mut ends, overdue) = match result {
                Ok(visited) => (visited, None),
                Err(overdue) => (Vec::new(), Some(overdue)),
            };
            ends.reverse();
            let one = |(seat, visit): (usize, Visit)| {
                let end = ends.pop().map(|visited| (visited, false));
                let (visited, is_overdue) = end.unwrap_or_else(|| match &overdue {
                    Some(overdue) => overdue.clone().ended(),
                    None => (Visited::Ended(Outcome::Errored, "its step gave no result".to_owned()), false),
                });
                End { seat, visited, variables: visit.variables, is_overdue }
            };
            of.into_iter().zip(visits).map(one).collect()
        });
    }

    /// What a step gets in hand for a target that is inside.
    fn hand(&self, at: usize, step: &Step) -> Visit {
        let seat = &self.seats[at];
        Visit {
            target: seat.target.clone(),
            label: step.label.clone(),
            began: seat.visit.as_ref().map_or_else(|| self.job.recorder.now(), |visit| visit.began),
            state: seat.visit.as_ref().and_then(|visit| visit.state.clone()),
            timeout: None,
            course: self.course.clone(),
            section: SectionRef::own(seat.visit.as_ref().map_or(0, |visit| visit.id)),
            variables: seat.variables.clone(),
            scope: self.scope.clone(),
            job: self.job.clone(),
        }
    }

    /// How long a target may still be in its step.
    fn left(&self, at: usize, step: &Step) -> Option<GoDuration> {
        let began = self.seats[at].visit.as_ref().map(|visit| visit.began);
        let since = began.map_or(0, |began| self.job.recorder.now().since(began));
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        step.timeout.map(|timeout| GoDuration(timeout.0.saturating_sub(since).max(0)))
    }

    /// Visits have ended.
    pub(super) fn visited(&mut self, finished: Finished) {
        let ends = match finished {
            Finished::Ended(ends) => ends,
            Finished::Broke(seats, why) => {
                for at in seats {
                    self.visits.out(self.seats[at].step);
                    let label = self.steps.get(self.seats[at].step).map_or("", |step| &step.label);
                    let error = format!("test step {label} broke down: {why}; this is a fault of Oyez");
                    self.fail(at, error, Some(Outcome::Errored));
                }
                return;
            }
        };
        for End { seat: at, visited, variables, is_overdue } in ends {
            self.visits.out(self.seats[at].step);
            self.seats[at].variables = variables;
            if is_overdue {
                let label = self.steps.get(self.seats[at].step).map_or("", |step| &step.label);
                let text = format!("test step [{label}] did not return");
                let payload = Some(RawJson(serde_json::Value::String(text).to_string()));
                let (id, target) = (self.visit(at), Some(self.seats[at].target.id.clone()));
                self.job.recorder.record(Named { id, name: "TestError".to_owned(), target, payload });
            }
            match visited {
                Visited::Passed => {
                    self.leave(at);
                    self.ready.push_back(at);
                }
                Visited::Failed(error) => self.fail(at, error, None),
                Visited::Ended(outcome, error) => self.fail(at, error, Some(outcome)),
                Visited::Stopped => self.cut(at),
                Visited::Paused(state) => {
                    if let Some(visit) = &mut self.seats[at].visit {
                        visit.state = state;
                    }
                    self.park(at);
                }
            }
        }
    }
}

/// How long a visit may take.
struct Limit {
    timeout: Option<GoDuration>,
    scope: Scope,
}

/// It took longer.
#[derive(Clone)]
enum Overdue {
    /// Than its step may.
    TimedOut(GoDuration),
    /// Than it has after it was stopped.
    Stopped,
}

impl Overdue {
    fn ended(self) -> (Visited, bool) {
        match self {
            Overdue::TimedOut(after) => (Visited::Failed(Stop::TimedOut(after).text()), false),
            Overdue::Stopped => (Visited::Stopped, true),
        }
    }
}

impl Limit {
    async fn hold<T>(&self, visit: impl Future<Output = T>) -> Result<T, Overdue> {
        let timeout = async {
            match self.timeout {
                Some(timeout) => {
                    tokio::time::sleep(timeout.to_std()).await;
                    Overdue::TimedOut(timeout)
                }
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            self.scope.stopped().await;
            tokio::select! {
                () = tokio::time::sleep(PATIENCE) => {}
                () = async {
                    self.scope.killed().await;
                    tokio::time::sleep(KILLED).await;
                } => {}
            }
            Overdue::Stopped
        };
        tokio::select! {
            biased;
            done = visit => Ok(done),
            overdue = timeout => Err(overdue),
            overdue = stopped => Err(overdue),
        }
    }
}
