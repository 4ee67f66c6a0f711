//! What the functions of a template need to know of the expansion that is going on in this thread.
//!
//! The template engine fixes its functions when a template is parsed and calls them with their arguments only.
//! Which target it is, where its variables are and what is left of the bounds is therefore kept beside it, in the
//! thread, from the start of an expansion to its end. Expansion never waits, so nothing else comes between.

use std::cell::RefCell;
use std::sync::Arc;

use super::variables::StepVariables;

thread_local! {
    static CURRENT: RefCell<Option<Session>> = const { RefCell::new(None) };
}

pub(super) struct Session {
    pub(super) target: String,
    pub(super) variables: Option<Arc<dyn StepVariables>>,
    /// Bytes that text functions may still take and give.
    pub(super) bytes: usize,
    /// Nodes that bodies which repeat may still execute.
    pub(super) nodes: usize,
    /// The bound that was met, if any.
    pub(super) exceeded: Option<&'static str>,
}

/// Ends the session when it goes, also in a panic.
pub(super) struct Guard(());

impl Guard {
    pub(super) fn enter(target: &str, variables: Option<Arc<dyn StepVariables>>) -> Guard {
        let session = Session {
            target: target.to_owned(),
            variables,
            bytes: super::bounds::MOST_BYTES,
            nodes: super::bounds::MOST_NODES,
            exceeded: None,
        };
        CURRENT.with_borrow_mut(|current| *current = Some(session));
        Guard(())
    }

    /// Ends it; gives the bound that was met, if any.
    pub(super) fn leave(self) -> Option<&'static str> {
        CURRENT.with_borrow_mut(Option::take).and_then(|session| session.exceeded)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// Gives the session of this thread to `f`; `None` outside of an expansion.
pub(super) fn with<T>(f: impl FnOnce(&mut Session) -> T) -> Option<T> {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(f))
}
