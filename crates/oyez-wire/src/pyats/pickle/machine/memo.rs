//! The numbers under which a pickle comes back to what it made.

use std::collections::HashMap;

use super::super::arena::{Id, NOTHING};

/// Nodes under the numbers that the pickle gave them.
#[derive(Debug)]
pub(super) struct Memo {
    /// Writers count from 0 or 1.
    dense: Vec<Id>,
    /// Any other numbers.
    sparse: HashMap<usize, Id>,
    /// How many numbers are taken.
    pub(super) len: usize,
}

impl Memo {
    pub(super) fn new() -> Self {
        Memo { dense: Vec::with_capacity(64), sparse: HashMap::new(), len: 0 }
    }

    pub(super) fn put(&mut self, number: usize, id: Id) {
        let before = if let Some(slot) = self.dense.get_mut(number) {
            std::mem::replace(slot, id)
        } else if number <= self.dense.len() + 1 {
            self.dense.resize(number, NOTHING);
            self.dense.push(id);
            NOTHING
        } else {
            self.sparse.insert(number, id).unwrap_or(NOTHING)
        };
        if before == NOTHING && (self.sparse.is_empty() || self.is_new(number)) {
            self.len += 1;
        }
    }

    /// The dense numbers have grown over one that stood among the others.
    fn is_new(&mut self, number: usize) -> bool {
        number >= self.dense.len() || self.sparse.remove(&number).is_none()
    }

    pub(super) fn get(&self, number: usize) -> Option<Id> {
        match self.dense.get(number) {
            Some(id) if *id != NOTHING => Some(*id),
            _ if self.sparse.is_empty() => None,
            _ => self.sparse.get(&number).copied(),
        }
    }
}
