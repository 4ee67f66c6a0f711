//! Details and extras.

use oyez_model::Value;
use oyez_model::event::{SectionDetail, SectionUpdated};

use super::argument::Arguments;
use super::dispatch::Answer;
use super::{CallError, Session};
use crate::pyats::tree::Ix;

impl Session {
    pub(super) fn add_detail(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let Some(detail) = arguments.get("detail") else { return Ok(Value::Null) };
        let Some(ix) = self.context(client) else {
            return Err(CallError::attribute("'NoneType' object has no attribute 'add_detail'"));
        };
        let id = self.reference(ix);
        self.emit(SectionDetail { id, detail: detail.clone() });
        Ok(Value::Null)
    }

    pub(super) fn add_extra(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        if let Some(ix) = self.context(client) {
            self.extend(ix, arguments);
        }
        Ok(Value::Null)
    }

    /// To the innermost open section of every client that has one.
    pub(super) fn add_running_extra(&mut self, arguments: Arguments<'_>) -> Answer {
        let mut done: Vec<Ix> = Vec::new();
        for client in self.clients.here() {
            if let Some(ix) = self.clients.own(client)
                && !done.contains(&ix)
            {
                done.push(ix);
                self.extend(ix, arguments);
            }
        }
        Ok(Value::Null)
    }

    pub(super) fn add_testsuite_extra(&mut self, arguments: Arguments<'_>) -> Answer {
        let Some(suite) = self.tree.suite() else {
            return Err(CallError::invalid("No TestSuite to add extras to."));
        };
        self.extend(suite, arguments);
        Ok(Value::Null)
    }

    fn extend(&mut self, ix: Ix, arguments: Arguments<'_>) {
        if !arguments.0.is_empty() {
            let id = self.reference(ix);
            let extra = Some(Value::Map(arguments.0.to_vec()));
            self.emit(SectionUpdated { id, extra, ..SectionUpdated::default() });
        }
    }
}
