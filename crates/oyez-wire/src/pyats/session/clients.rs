//! The processes that report: who they are, whose children, and which sections they have open.

use std::collections::VecDeque;

use oyez_model::event::EventBody;
use oyez_model::{SectionId, SectionRef, Value};
use rustc_hash::FxHashMap;

use crate::pyats::tree::{Ix, Tree};

/// How many answers are remembered for each client.
const ANSWERED: usize = 4;
/// How far up a process's ancestors are looked at.
const ANCESTORS: usize = 64;

/// One process.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Its process id, as it said it.
    pub pid: String,
    /// Its parent's.
    pub ppid: String,
    /// What it shows when it comes back.
    pub token: Option<String>,
    /// What it has open, outermost first.
    pub stack: Vec<Ix>,
    /// Connected now, or expected back.
    pub here: bool,
    /// The numbers of its last numbered calls that changed something, and what was answered: after an interrupt a client
    /// may ask for the one before the last.
    pub answered: VecDeque<(u64, Option<Value>)>,
}

/// All of them, folded from the job's events.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    all: FxHashMap<u64, Client>,
    by_pid: FxHashMap<String, u64>,
    last: u64,
}

impl Clients {
    /// The number that the next one gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.last + 1
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Client> {
        self.all.get(&number)
    }

    /// The one that shows this token.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<u64> {
        self.all.iter().find(|(_, c)| c.token.as_deref() == Some(token)).map(|(n, _)| *n)
    }

    /// Those that are here, in the order in which they came.
    #[must_use]
    pub fn here(&self) -> Vec<u64> {
        let mut here: Vec<u64> = self.all.iter().filter(|(_, c)| c.here).map(|(n, _)| *n).collect();
        here.sort_unstable();
        here
    }

    /// Those whose parent is `number`, in the order in which they came.
    #[must_use]
    pub fn children(&self, number: u64) -> Vec<u64> {
        let Some(parent) = self.get(number) else { return Vec::new() };
        if self.by_pid.get(&parent.pid) != Some(&number) {
            return Vec::new();
        }
        let is_child = |c: &Client| c.here && c.ppid == parent.pid;
        let mut out: Vec<u64> =
            self.all.iter().filter(|(n, c)| **n != number && is_child(c)).map(|(n, _)| *n).collect();
        out.sort_unstable();
        out
    }

    /// What a client has open itself: the innermost.
    #[must_use]
    pub fn own(&self, number: u64) -> Option<Ix> {
        self.get(number)?.stack.last().copied()
    }

    /// A client's current context: its own innermost, else that of its nearest registered ancestor that has one.
    #[must_use]
    pub fn context(&self, number: u64) -> Option<Ix> {
        let mut at = number;
        for _ in 0..ANCESTORS {
            let client = self.get(at)?;
            if let Some(own) = client.stack.last() {
                return Some(*own);
            }
            let parent = *self.by_pid.get(&client.ppid)?;
            if parent == at {
                return None;
            }
            at = parent;
        }
        None
    }

    /// Whether any client has something open.
    #[must_use]
    pub fn any_open(&self) -> bool {
        self.all.values().any(|c| !c.stack.is_empty())
    }

    /// Keeps up with the tree: to be told of each event after it.
    pub fn apply(&mut self, tree: &Tree, producer: oyez_model::ProducerId, body: &EventBody) {
        let at = |r: SectionRef| tree.by_id(r.resolve(producer));
        match body {
            EventBody::ClientJoined(b) => {
                self.last = self.last.max(b.client);
                let client = self.all.entry(b.client).or_default();
                client.pid.clone_from(&b.pid);
                client.ppid = b.ppid.clone().unwrap_or_default();
                client.token.clone_from(&b.token);
                client.here = true;
                self.by_pid.insert(b.pid.clone(), b.client);
            }
            EventBody::ClientLeft(b) => {
                // Forgotten, so that a lab's run of a million short processes costs what is alive.
                if let Some(gone) = self.all.remove(&b.client)
                    && self.by_pid.get(&gone.pid) == Some(&b.client)
                {
                    self.by_pid.remove(&gone.pid);
                }
            }
            EventBody::CallAnswered(b) => {
                if let Some(client) = self.all.get_mut(&b.client) {
                    client.answered.push_back((b.number, b.error.clone()));
                    if client.answered.len() > ANSWERED {
                        client.answered.pop_front();
                    }
                }
            }
            EventBody::ContextOpened(b) => self.opened(b.client, at(b.id)),
            EventBody::SectionStarted(b) => {
                self.opened(b.client, tree.by_id(SectionId::new(producer, b.id)));
            }
            EventBody::ContextClosed(b) => self.closed(tree, at(b.id)),
            EventBody::SectionStopped(b) => self.closed(tree, at(b.id)),
            EventBody::TestStopped(b) => {
                // A task that somebody else gave its result is still its own process's context.
                let from_outside = b.peer.as_ref().and_then(|p| p.get(crate::pyats::tree::ONE)).is_some();
                if !from_outside {
                    self.closed(tree, at(b.id));
                }
            }
            _ => {}
        }
    }

    fn opened(&mut self, client: Option<u64>, ix: Option<Ix>) {
        if let (Some(client), Some(ix)) = (client.and_then(|n| self.all.get_mut(&n)), ix) {
            client.stack.push(ix);
        }
    }

    fn closed(&mut self, tree: &Tree, ix: Option<Ix>) {
        let Some(ix) = ix else { return };
        if let Some(client) = tree.node(ix).owner.and_then(|owner| self.all.get_mut(&owner))
            && let Some(place) = client.stack.iter().rposition(|open| *open == ix)
        {
            client.stack.remove(place);
        }
    }
}
