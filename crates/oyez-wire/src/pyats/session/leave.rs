//! A client goes away, or stops all that it has open.

use oyez_model::Value;
use oyez_model::event::ClientLeft;

use super::Session;
use super::argument::Sorted;
use super::dispatch::Answer;
use crate::pyats::tree::Kind;

impl Session {
    /// What a client has open is stopped from the inside out; what its children have open, before.
    pub(super) fn leave(&mut self, client: u64) {
        let mut going = vec![client];
        let mut at = 0;
        while at < going.len() {
            let children = self.clients.children(going[at]);
            going.extend(children.into_iter().filter(|child| !going.contains(child)).collect::<Vec<_>>());
            at += 1;
        }
        let open = self.clients.get(client).map_or(0, |c| c.stack.len() as u64);
        for one in going.into_iter().rev() {
            self.stop_all(one);
        }
        self.emit(ClientLeft { client, open });
    }

    pub(super) fn stop_open_contexts(&mut self, client: u64) -> Answer {
        self.stop_all(client);
        Ok(Value::Null)
    }

    fn stop_all(&mut self, client: u64) {
        while let Some(ix) = self.clients.own(client) {
            match self.tree.node(ix).kind {
                Kind::Section | Kind::Plugin => self.abandon(ix),
                Kind::Task => self.end_task(ix, Sorted::default(), false),
                Kind::Suite => self.end_suite(ix),
            }
            // Nothing can stay: an end that changed nothing would be asked for again for ever.
            if self.clients.own(client) == Some(ix) {
                return;
            }
        }
    }
}
