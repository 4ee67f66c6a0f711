//! Control over a job that runs: pause it, cancel it, kill it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use oyez_model::Time;
use tokio::sync::watch;

use crate::stop::{Scope, Stop};

/// Pauses, cancels or kills a job; every clone is the same control.
///
/// Paused, a job begins nothing new, lets what cannot be halted come to its end, and ends its run in state Paused, with
/// its targets still locked; it goes on where it was when it is resumed. Cancelled, a job starts nothing new, ends what runs (TERM, and KILL after the grace), cleans up, releases its
/// targets and reports. Killed, it sends KILL at once and does not clean up. Both take effect before the call returns.
#[derive(Clone, Default)]
pub struct Control(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: watch::Sender<State>,
    runs: Mutex<Vec<Weak<Stops>>>,
}

#[derive(Default)]
struct State {
    cancelled: Option<Asked>,
    killed: Option<Asked>,
    paused: Option<Pause>,
}

/// Who asked for something, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Who; without one, the job's requestor.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// It stands in the job's journal already.
    pub is_recorded: bool,
}

/// A pause that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// By whom, and why.
    pub asked: Asked,
    /// How long steps that cannot be halted may take to their end; without it, as long as they need.
    pub timeout: Option<Duration>,
    /// The server asked for it because it ends: the next one goes on by itself.
    pub is_handed_on: bool,
}

impl Control {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the job; the first reason stands.
    pub fn cancel(&self, why: impl Into<String>) {
        self.cancel_by(Asked { why: Some(why.into()), ..Asked::default() });
    }

    /// Cancels the job on somebody's behalf; the first one stands.
    pub fn cancel_by(&self, asked: Asked) {
        self.change(|state| {
            state.cancelled.get_or_insert(asked);
        });
    }

    /// Kills the job, which also cancels it.
    pub fn kill(&self) {
        self.kill_by(Asked { why: Some("killed".to_owned()), ..Asked::default() });
    }

    /// Kills the job on somebody's behalf.
    pub fn kill_by(&self, asked: Asked) {
        self.change(|state| {
            state.cancelled.get_or_insert_with(|| asked.clone());
            state.killed.get_or_insert(asked);
        });
    }

    /// Pauses the job; the first request stands.
    pub fn pause(&self, pause: Pause) {
        self.change(|state| {
            state.paused.get_or_insert(pause);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.state.send_modify(change);
        for run in self.runs().iter().filter_map(Weak::upgrade) {
            run.apply();
        }
    }

    /// Whether it was cancelled (or killed).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.state.borrow().cancelled.is_some()
    }

    /// Whether it was killed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.0.state.borrow().killed.is_some()
    }

    /// Why it was cancelled, if it was.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        self.0.state.borrow().cancelled.as_ref().and_then(|asked| asked.why.clone())
    }

    /// Who asked to cancel it, if anybody did; likewise to kill it.
    pub(crate) fn asked(&self) -> (Option<Asked>, Option<Asked>) {
        let state = self.0.state.borrow();
        (state.cancelled.clone(), state.killed.clone())
    }

    /// The pause that was asked for, if one was.
    #[must_use]
    pub fn pausing(&self) -> Option<Pause> {
        self.0.state.borrow().paused.clone()
    }

    /// Waits until a pause is asked for.
    pub async fn paused(&self) {
        self.until(|state| state.paused.is_some()).await;
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        self.until(|state| state.cancelled.is_some()).await;
    }

    /// Waits until it is killed.
    pub async fn killed(&self) {
        self.until(|state| state.killed.is_some()).await;
    }

    async fn until(&self, holds: impl FnMut(&State) -> bool) {
        // An error would mean that the sender is gone, but it lives in `self`.
        let mut state = self.0.state.subscribe();
        drop(state.wait_for(holds).await);
    }

    fn runs(&self) -> MutexGuard<'_, Vec<Weak<Stops>>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.borrow();
        f.debug_struct("Control")
            .field("cancelled", &state.cancelled)
            .field("killed", &state.killed)
            .field("paused", &state.paused)
            .finish()
    }
}

/// What a scope is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The steps of a test: everything stops them.
    Steps,
    /// Its clean-up: done also when the job was cancelled, but not when it was killed or lost its targets.
    Cleanup,
}

/// Why a job does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// For good.
    Stop(Stop),
    /// For now.
    Pause,
}

/// All that can end the work of one running job, brought together: its control, and what goes wrong within.
pub(crate) struct Stops {
    control: Control,
    state: Mutex<Inside>,
    aborted: watch::Sender<Option<Stop>>,
}

#[derive(Default)]
struct Inside {
    current: Option<(Scope, Phase)>,
}

impl Stops {
    pub(crate) fn new(control: Control) -> Arc<Self> {
        let stops = Arc::new(Stops { control, state: Mutex::default(), aborted: watch::Sender::new(None) });
        let mut runs = stops.control.runs();
        runs.retain(|run| run.strong_count() > 0);
        runs.push(Arc::downgrade(&stops));
        drop(runs);
        stops
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Ends the job's work for a reason of its own; the first one stands.
    pub(crate) fn abort(&self, why: Stop) {
        self.aborted.send_if_modified(|aborted| {
            let first = aborted.is_none();
            aborted.get_or_insert(why);
            first
        });
        self.apply();
    }

    /// Why it was aborted, if it was.
    pub(crate) fn aborted(&self) -> Option<Stop> {
        self.aborted.borrow().clone()
    }

    /// Why nothing new may begin, if so.
    pub(crate) fn reason(&self) -> Option<Stop> {
        self.aborted().or_else(|| self.control.is_cancelled().then_some(Stop::Cancelled))
    }

    /// Waits until nothing new may begin.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut aborted = self.aborted.subscribe();
        tokio::select! {
            _ = aborted.wait_for(Option::is_some) => {}
            () = self.control.cancelled() => {}
        }
        self.reason().unwrap_or(Stop::Cancelled)
    }

    /// Waits so long; says why if it must end earlier.
    pub(crate) async fn sleep(&self, duration: std::time::Duration) -> Result<(), Halt> {
        tokio::select! {
            biased;
            why = self.halted() => Err(why),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// The same, until a time of day.
    pub(crate) async fn sleep_until(&self, until: Time, now: Time) -> Result<(), Halt> {
        self.sleep(Duration::from_nanos(until.since(now))).await
    }

    /// Waits until nothing new may begin.
    pub(crate) async fn halted(&self) -> Halt {
        tokio::select! {
            biased;
            why = self.stopped() => Halt::Stop(why),
            () = self.control.paused() => Halt::Pause,
        }
    }

    /// Why nothing new may begin, if so; that it was paused counts when nothing else does.
    pub(crate) fn halt(&self) -> Option<Halt> {
        let paused = || self.control.pausing().map(|_| Halt::Pause);
        self.reason().map(Halt::Stop).or_else(paused)
    }

    /// Once the job is stopped, a store in trouble is not worth waiting for much longer; once it is killed, not at all.
    pub(crate) async fn patience_ends(&self, grace: std::time::Duration) {
        self.stopped().await;
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            () = self.control.killed() => {}
        }
    }

    /// A piece of work begins; it takes the place of the one before.
    pub(crate) fn enter(&self, phase: Phase) -> std::io::Result<Scope> {
        let scope = Scope::new()?;
        self.lock().current = Some((scope.clone(), phase));
        self.apply();
        Ok(scope)
    }

    /// Lets the current piece of work know what holds for it by now.
    fn apply(&self) {
        let state = self.lock();
        let Some((scope, phase)) = &state.current else { return };
        if self.control.pausing().is_some() && self.reason().is_none() {
            scope.pause();
        }
        if self.control.is_killed() {
            scope.kill(self.reason().unwrap_or(Stop::Cancelled));
            return;
        }
        let why = match phase {
            Phase::Steps => self.reason(),
            Phase::Cleanup => self.aborted().filter(|why| matches!(why, Stop::Lost(_))),
        };
        if let Some(why) = why {
            scope.stop(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::GoDuration;

    #[tokio::test]
    async fn a_cancel_stops_steps_and_lets_the_clean_up_go_on_until_a_kill() {
        let control = Control::new();
        let stops = Stops::new(control.clone());
        let steps = stops.enter(Phase::Steps).unwrap();
        control.cancel("enough");
        control.cancel("again");
        assert_eq!(control.why().as_deref(), Some("enough"));
        assert_eq!((steps.reason(), steps.is_killed()), (Some(Stop::Cancelled), false));
        let cleanup = stops.enter(Phase::Cleanup).unwrap();
        assert!(!cleanup.is_stopped());
        control.kill();
        control.killed().await;
        assert!(cleanup.is_killed());
    }

    #[tokio::test]
    async fn a_control_that_was_used_before_the_job_began_stops_it_as_well() {
        let control = Control::new();
        control.cancel("early");
        let stops = Stops::new(control);
        assert_eq!(stops.stopped().await, Stop::Cancelled);
        assert!(stops.enter(Phase::Steps).unwrap().is_stopped());
        assert!(stops.sleep(std::time::Duration::from_secs(3600)).await.is_err());
    }

    #[tokio::test]
    async fn only_a_loss_stops_a_clean_up() {
        let stops = Stops::new(Control::new());
        stops.abort(Stop::TimedOut(GoDuration::from_secs(1)));
        assert!(!stops.enter(Phase::Cleanup).unwrap().is_stopped());
        let stops = Stops::new(Control::new());
        stops.abort(Stop::Lost("T1 is gone".to_owned()));
        assert!(stops.enter(Phase::Cleanup).unwrap().is_stopped());
    }
}
