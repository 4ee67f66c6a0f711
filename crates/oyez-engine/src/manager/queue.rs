//! Who is next: the higher priority first, within one priority who came first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use oyez_model::JobId;

use crate::control::Control;
use crate::runner::Queued;

/// So many jobs wait with all that they need; of the others it is read again when their turn comes.
const READY: usize = 1000;

/// Jobs that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<(Reverse<i32>, JobId), Waiting>,
    priorities: HashMap<JobId, i32>,
    ready: usize,
}

/// A job that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: JobId,
    pub(super) control: Control,
    /// What it needs; without it, it is opened again from the store.
    pub(super) queued: Option<Box<Queued>>,
}

impl Queue {
    /// A job joins; one that is in line already stays where it is.
    pub(super) fn push(&mut self, id: JobId, priority: i32, control: Control, queued: Option<Queued>) {
        if self.priorities.contains_key(&id) {
            return;
        }
        let queued = queued.filter(|_| self.ready < READY).map(Box::new);
        self.ready += usize::from(queued.is_some());
        self.priorities.insert(id, priority);
        self.order.insert((Reverse(priority), id), Waiting { id, control, queued });
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let (_, waiting) = self.order.pop_first()?;
        self.priorities.remove(&waiting.id);
        self.ready -= usize::from(waiting.queued.is_some());
        Some(waiting)
    }

    /// Takes one out of line.
    pub(super) fn take(&mut self, id: JobId) -> Option<Waiting> {
        let priority = self.priorities.remove(&id)?;
        let waiting = self.order.remove(&(Reverse(priority), id))?;
        self.ready -= usize::from(waiting.queued.is_some());
        Some(waiting)
    }

    /// The control of one that waits.
    pub(super) fn get(&self, id: JobId) -> Option<&Control> {
        let priority = *self.priorities.get(&id)?;
        Some(&self.order.get(&(Reverse(priority), id))?.control)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_priority_is_first_and_within_one_who_came_first() {
        let mut queue = Queue::default();
        for (id, priority) in [(1, 0), (2, 5), (3, 0), (4, -1), (5, 5), (3, 9)] {
            queue.push(JobId(id), priority, Control::new(), None);
        }
        assert_eq!(queue.take(JobId(5)).unwrap().id, JobId(5));
        assert!(queue.take(JobId(5)).is_none() && queue.get(JobId(5)).is_none());
        assert!(queue.get(JobId(4)).is_some());
        let order: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.id.0).collect();
        assert_eq!(order, [2, 1, 3, 4]);
        assert!(queue.is_empty());
    }
}
