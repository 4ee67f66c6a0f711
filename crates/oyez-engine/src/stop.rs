//! What can end work before its time, and how that reaches those who do it: tasks by an await, threads that poll by a
//! file descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use oyez_model::Outcome;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::watch;

use crate::duration::GoDuration;

/// Why work ends before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for it.
    Cancelled,
    /// It took longer than it may.
    TimedOut(GoDuration),
    /// It did not halt so long after a pause was asked for.
    NotPaused(GoDuration),
    /// The job does not hold what it works on any more, or cannot keep what it finds; says which.
    Lost(String),
}

impl Stop {
    /// What is said of a target that it hits.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Stop::Cancelled => "cancelled".to_owned(),
            Stop::TimedOut(after) => format!("timed out after {after}"),
            Stop::NotPaused(after) => {
                format!("could not be paused: a step did not come to its end within {after}")
            }
            Stop::Lost(what) => what.clone(),
        }
    }

    /// How a target that it hits ends.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Stop::TimedOut(_) => Outcome::Failed,
            Stop::Cancelled | Stop::NotPaused(_) | Stop::Lost(_) => Outcome::Aborted,
        }
    }
}

/// A piece of work that can be stopped (processes get TERM, and KILL after their grace), killed (KILL at once), or
/// paused (what cannot halt comes to its end first). None can be taken back, and the first reason stands.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: watch::Sender<State>,
    /// Readable, and never read, from the moment on that it is stopped; likewise killed.
    stop_fd: OwnedFd,
    kill_fd: OwnedFd,
}

#[derive(Clone, Debug, Default)]
struct State {
    stop: Option<Stop>,
    killed: bool,
    paused: bool,
}

impl Scope {
    /// Work that goes on.
    ///
    /// # Errors
    /// The system's, when this process may not have another file open.
    pub fn new() -> io::Result<Scope> {
        let fd = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let inner = Inner { state: watch::Sender::new(State::default()), stop_fd: fd()?, kill_fd: fd()? };
        Ok(Scope(Arc::new(inner)))
    }

    /// Stops it.
    pub fn stop(&self, why: Stop) {
        self.0.state.send_if_modified(|state| {
            let first = state.stop.is_none();
            state.stop.get_or_insert(why);
            first
        });
        raise(&self.0.stop_fd);
    }

    /// Kills it.
    pub fn kill(&self, why: Stop) {
        self.stop(why);
        self.0.state.send_modify(|state| state.killed = true);
        raise(&self.0.kill_fd);
    }

    /// Pauses it: nothing new begins, and what can be halted gives its state and ends.
    pub fn pause(&self) {
        self.0.state.send_if_modified(|state| !std::mem::replace(&mut state.paused, true));
    }

    /// Whether it was paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.state.borrow().paused
    }

    /// Waits until it is paused.
    pub async fn paused(&self) {
        // An error would mean that the sender is gone, but it lives in `self`.
        let mut state = self.0.state.subscribe();
        drop(state.wait_for(|state| state.paused).await);
    }

    /// Why it was stopped, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Stop> {
        self.0.state.borrow().stop.clone()
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.state.borrow().stop.is_some()
    }

    /// Whether it was killed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.0.state.borrow().killed
    }

    /// Waits until it is stopped.
    pub async fn stopped(&self) -> Stop {
        let mut state = self.0.state.subscribe();
        loop {
            if let Some(stop) = &state.borrow_and_update().stop {
                return stop.clone();
            }
            if state.changed().await.is_err() {
                // The sender lives in `self`.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until it is killed.
    pub async fn killed(&self) -> Stop {
        let mut state = self.0.state.subscribe();
        // An error would mean that the sender is gone, but it lives in `self`.
        drop(state.wait_for(|state| state.killed).await);
        self.reason().unwrap_or(Stop::Cancelled)
    }

    /// Readable once it is stopped.
    #[must_use]
    pub fn stop_fd(&self) -> BorrowedFd<'_> {
        self.0.stop_fd.as_fd()
    }

    /// Readable once it is killed.
    #[must_use]
    pub fn kill_fd(&self) -> BorrowedFd<'_> {
        self.0.kill_fd.as_fd()
    }
}

fn raise(fd: &OwnedFd) {
    // Fails only when the counter is full, and then it is readable already.
    let _full = rustix::io::write(fd, &1_u64.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(fd: BorrowedFd<'_>) -> bool {
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(1)
    }

    #[tokio::test]
    async fn a_stop_reaches_tasks_and_threads_and_keeps_its_first_reason() {
        let scope = Scope::new().unwrap();
        let waiting = tokio::spawn({
            let scope = scope.clone();
            async move { scope.stopped().await }
        });
        assert!(!scope.is_stopped() && !is_readable(scope.stop_fd()));
        scope.stop(Stop::TimedOut(GoDuration::from_secs(5)));
        scope.kill(Stop::Cancelled);
        assert_eq!(waiting.await.unwrap().text(), "timed out after 5s");
        assert_eq!(scope.reason(), Some(Stop::TimedOut(GoDuration::from_secs(5))));
        assert!(scope.is_killed() && is_readable(scope.stop_fd()) && is_readable(scope.kill_fd()));
    }
}
