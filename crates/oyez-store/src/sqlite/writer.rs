//! The writer's thread: takes what is in line, commits it, answers; merges when nothing is in line.

use std::time::Duration;

use tokio::sync::watch;

use super::commit::{Ask, Committer};
use super::mover::Mover;
use super::queue::{Queue, Waiting};

/// Runs until the queue is closed and empty, and all that has ended is merged.
pub(super) fn run(mut committer: Committer, queue: &Queue, commits: &watch::Sender<u64>, mover: &Mover) {
    loop {
        // While there is something to merge, a look at the queue is enough: merging fills the pauses.
        let patience = if committer.wants_merge() { Duration::ZERO } else { Duration::from_secs(3600) };
        match queue.next(patience) {
            Some(waiting) if !waiting.is_empty() => {
                commit(&mut committer, waiting, commits);
                mover.restart_if_long(committer.conn());
            }
            // What cannot be merged stays as it is: nothing is lost, and it is tried again at the next start.
            Some(_) => drop(committer.merge_some()),
            None if committer.wants_merge() => drop(committer.merge_some()),
            None => break,
        }
    }
    mover.finish(committer.conn());
}

fn commit(committer: &mut Committer, waiting: Vec<Waiting>, commits: &watch::Sender<u64>) {
    let (asks, replies): (Vec<Ask>, Vec<_>) = waiting.into_iter().map(|w| (w.ask, w.reply)).unzip();
    let answers = committer.run(asks);
    for (reply, answer) in replies.into_iter().zip(answers) {
        // Nobody waits any more: the answer is for nobody.
        let _ = reply.send(answer);
    }
    commits.send_modify(|n| *n += 1);
}
