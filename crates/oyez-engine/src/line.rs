//! Jobs of one engine that wait for the same targets: the higher priority first, within one priority first come, first
//! served. Who holds a target is known by the store alone; here is only who may ask for it next.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oyez_store::LeaseName;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A place in line: the lower is first.
type Place = (Reverse<i32>, u64);

/// Who waits for what.
#[derive(Debug, Default)]
pub(crate) struct Line {
    state: Mutex<State>,
    /// A place was given up, or targets were given back.
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    waiting: HashMap<LeaseName, BTreeSet<Place>>,
}

/// A job's place; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    line: Arc<Line>,
    place: Place,
    names: Vec<LeaseName>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody waits for anything: then nobody has to be waited for.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Takes a place.
    pub(crate) fn join(self: &Arc<Self>, priority: i32, names: &[LeaseName]) -> Ticket {
        let mut state = self.lock();
        state.last += 1;
        let place = (Reverse(priority), state.last);
        for name in names {
            state.waiting.entry(name.clone()).or_default().insert(place);
        }
        Ticket { line: self.clone(), place, names: names.to_vec() }
    }

    /// Targets were given back: whoever waits may look again.
    pub(crate) fn wake(&self) {
        self.moved.notify_waiters();
    }

    /// Waits for [`Line::wake`] or for a place to be given up.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}

impl State {
    fn is_first(&self, name: &LeaseName, place: &Place) -> bool {
        self.waiting.get(name).is_none_or(|all| all.first() == Some(place))
    }
}

impl Ticket {
    /// Whether nobody before it waits for any of the same targets.
    pub(crate) fn is_first(&self) -> bool {
        let state = self.line.lock();
        self.names.iter().all(|name| state.is_first(name, &self.place))
    }

    /// For each of its targets whether nobody before it waits for that one.
    pub(crate) fn is_first_for(&self) -> Vec<bool> {
        let state = self.line.lock();
        self.names.iter().map(|name| state.is_first(name, &self.place)).collect()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        for name in &self.names {
            if let Some(all) = state.waiting.get_mut(name) {
                all.remove(&self.place);
                if all.is_empty() {
                    state.waiting.remove(name);
                }
            }
        }
        drop(state);
        self.line.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ids: &[&str]) -> Vec<LeaseName> {
        ids.iter().map(|id| LeaseName::Target((*id).to_owned())).collect()
    }

    #[test]
    fn who_shares_no_target_does_not_wait_and_others_by_priority_and_arrival() {
        let line = Arc::new(Line::default());
        let first = line.join(0, &names(&["a", "b"]));
        let other = line.join(0, &names(&["c"]));
        let later = line.join(0, &names(&["b", "c"]));
        let urgent = line.join(5, &names(&["b"]));
        assert_eq!([&first, &other, &later, &urgent].map(Ticket::is_first), [false, true, false, true]);
        assert_eq!((first.is_first_for(), later.is_first_for()), (vec![true, false], vec![false, false]));
        drop(urgent);
        assert_eq!([&first, &other, &later].map(Ticket::is_first), [true, true, false]);
        drop(first);
        assert!(!later.is_first());
        drop(other);
        assert!(later.is_first());
        drop(later);
        assert!(line.is_empty());
    }
}
