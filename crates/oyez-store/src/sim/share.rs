//! What the connections to one database share: locks on the file, and the memory in which SQLite keeps the index of its
//! log. The rules are those of sqlite.org/lockingv3.html and of `xShmLock` in sqlite.org/c3ref/io_methods.html.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Slots that can be locked in the shared memory.
const SLOTS: usize = 8;

/// How far a connection has locked the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// Somebody else is in the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

#[derive(Debug, Default)]
struct State {
    readers: u32,
    reserved: bool,
    pending: bool,
    exclusive: bool,
    /// For each slot: how many share it, -1 when one has it alone.
    slots: [i32; SLOTS],
    regions: Vec<Box<[AtomicU64]>>,
    mapped: u32,
}

/// One database.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
}

/// What one connection holds.
#[derive(Debug, Default)]
pub(super) struct Holds {
    level: Level,
    reserved: bool,
    pending: bool,
    shared_slots: u8,
    own_slots: u8,
    mapped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn raise(&self, holds: &mut Holds, to: Level) -> Result<(), Busy> {
        let mut state = self.lock();
        if holds.level >= to {
            return Ok(());
        }
        match to {
            Level::None => {}
            Level::Shared => {
                if state.pending || state.exclusive {
                    return Err(Busy);
                }
                state.readers += 1;
            }
            Level::Reserved | Level::Pending => {
                if state.reserved {
                    return Err(Busy);
                }
                (state.reserved, holds.reserved) = (true, true);
            }
            Level::Exclusive => {
                if (state.pending && !holds.pending) || (state.reserved && !holds.reserved) {
                    return Err(Busy);
                }
                (state.pending, holds.pending) = (true, true);
                holds.level = Level::Pending;
                if state.readers > 1 {
                    return Err(Busy);
                }
                state.exclusive = true;
            }
        }
        holds.level = to;
        Ok(())
    }

    pub(super) fn lower(&self, holds: &mut Holds, to: Level) {
        let mut state = self.lock();
        if holds.level <= to {
            return;
        }
        if holds.level == Level::Exclusive {
            state.exclusive = false;
        }
        if std::mem::take(&mut holds.pending) {
            state.pending = false;
        }
        if std::mem::take(&mut holds.reserved) {
            state.reserved = false;
        }
        if to == Level::None {
            state.readers = state.readers.saturating_sub(1);
        }
        holds.level = to;
    }

    pub(super) fn is_reserved(&self) -> bool {
        let state = self.lock();
        state.reserved || state.pending || state.exclusive
    }

    /// The memory of a region; null when it is not there and shall not be made.
    pub(super) fn map(&self, holds: &mut Holds, region: usize, bytes: usize, make: bool) -> *const AtomicU64 {
        let mut state = self.lock();
        if !std::mem::replace(&mut holds.mapped, true) {
            state.mapped += 1;
        }
        if make {
            while state.regions.len() <= region {
                state.regions.push((0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect());
            }
        }
        state.regions.get(region).map_or(std::ptr::null(), |memory| memory.as_ptr())
    }

    /// Gives the memory back; with the last that does, it is gone: the next to come makes the index from the log.
    pub(super) fn unmap(&self, holds: &mut Holds) {
        for slot in 0..SLOTS {
            self.unlock_slots(holds, slot, 1);
        }
        let mut state = self.lock();
        if std::mem::take(&mut holds.mapped) {
            state.mapped -= 1;
            if state.mapped == 0 {
                state.regions.clear();
            }
        }
    }

    pub(super) fn share_slot(&self, holds: &mut Holds, slot: usize) -> Result<(), Busy> {
        let mut state = self.lock();
        let bit = 1 << slot;
        if holds.shared_slots & bit != 0 {
            return Ok(());
        }
        match state.slots.get_mut(slot) {
            Some(users) if *users >= 0 => *users += 1,
            _ => return Err(Busy),
        }
        holds.shared_slots |= bit;
        Ok(())
    }

    pub(super) fn own_slots(&self, holds: &mut Holds, first: usize, n: usize) -> Result<(), Busy> {
        let mut state = self.lock();
        let range = first..(first + n).min(SLOTS);
        let free = |slot: &usize| state.slots[*slot] == 0 || holds.own_slots & (1 << slot) != 0;
        if !range.clone().all(|slot| free(&slot)) {
            return Err(Busy);
        }
        for slot in range {
            state.slots[slot] = -1;
            holds.own_slots |= 1 << slot;
        }
        Ok(())
    }

    pub(super) fn unlock_slots(&self, holds: &mut Holds, first: usize, n: usize) {
        let mut state = self.lock();
        for slot in first..(first + n).min(SLOTS) {
            let bit = 1 << slot;
            if holds.own_slots & bit != 0 {
                state.slots[slot] = 0;
            } else if holds.shared_slots & bit != 0 {
                state.slots[slot] -= 1;
            }
            holds.own_slots &= !bit;
            holds.shared_slots &= !bit;
        }
    }
}
