//! The writer's thread: takes what is in line, commits it, answers; merges when nothing is in line.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::commit::{Ask, Committer};
use super::mover::Mover;
use super::queue::{Line, Queue, Waiting};

/// The committer, for whoever does the writer's work: its thread, or a producer's own when the writer sleeps.
pub(super) struct Writer {
    pub committer: Mutex<Committer>,
    pub queue: Queue,
    pub commits: watch::Sender<u64>,
    pub mover: Arc<Mover>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// When the writer's thread ends by a panic, nobody is left to answer.
struct Gone<'q>(&'q Queue);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon();
        }
    }
}

impl Writer {
    /// The thread: runs until the queue is closed and empty, and all that has ended is merged.
    pub(super) fn run(&self) {
        let _gone = Gone(&self.queue);
        loop {
            // While there is something to merge, a look at the queue is enough: merging fills the pauses.
            let wants_merge = self.lock().wants_merge();
            let patience = if wants_merge { Duration::ZERO } else { Duration::from_secs(3600) };
            match self.queue.wait(patience) {
                Line::Waiting => self.work(&mut self.lock()),
                // What cannot be merged stays as it is: nothing is lost, and it is tried again at the next start.
                Line::Empty if wants_merge => drop(self.lock().merge_some()),
                Line::Empty => {}
                Line::Closed if self.lock().wants_merge() => drop(self.lock().merge_some()),
                Line::Closed => break,
            }
        }
        self.mover.finish(self.lock().conn());
    }

    /// Does the writer's work on this thread, unless somebody else is doing it.
    pub(super) fn work_here(&self) -> bool {
        match self.committer.try_lock() {
            Ok(mut committer) => {
                self.work(&mut committer);
                // Ended jobs are merged by the writer's own thread.
                if committer.wants_merge() {
                    self.queue.wake();
                }
                true
            }
            Err(_) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Committer> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One commit of what is in line.
    fn work(&self, committer: &mut Committer) {
        let waiting = self.queue.take();
        if waiting.is_empty() {
            return;
        }
        let (asks, replies): (Vec<Ask>, Vec<_>) =
            waiting.into_iter().map(|w: Waiting| (w.ask, w.reply)).unzip();
        let answers = committer.run(asks);
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Nobody waits any more: the answer is for nobody.
            let _ = reply.send(answer);
        }
        self.commits.send_modify(|n| *n += 1);
        self.mover.restart_if_long(committer.conn());
    }
}
