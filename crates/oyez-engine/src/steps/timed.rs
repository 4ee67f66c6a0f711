//! Steps that take their time: each visit of a target is a task of its own, or all targets come together.
//!
//! Such a step sees of the job only its [`Visit`]: the target, its variables, where to record, what stops it. A visit
//! whose task panics or does not return is an error of its target, never of the job.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use oyez_model::Outcome;
use serde_json::value::RawValue;

use crate::runner::Visit;

/// How a visit ended.
#[derive(Debug)]
pub(crate) enum Visited {
    /// The target goes on to the next step.
    Passed,
    /// The target's way ends here, with ConTest's text for it.
    Failed(String),
    /// The same with another outcome than `failed`.
    Ended(Outcome, String),
    /// The job is being paused; this is what [`Visit::state`] will be when it goes on.
    Paused(Option<Box<RawValue>>),
    /// The visit was stopped; the scope knows why.
    Stopped,
}

/// What a step gives at a pause that needs to know no more than that it had begun.
pub(crate) fn begun() -> Option<Box<RawValue>> {
    RawValue::from_string("{}".to_owned()).ok()
}

/// What can be done with a visit that nobody is on any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumption {
    /// It goes on where it was: all that it needs is when it began, and its state if it was paused.
    Resumed,
    /// It can be done again from its beginning.
    Repeated,
    /// Neither: nobody knows what it has done.
    Lost,
}

/// A step with a task for each visit.
#[async_trait]
pub(crate) trait TimedStep: Send + Sync + Debug {
    /// What can be done with a visit that was cut off by a pause or by the end of its server.
    fn resumption(&self) -> Resumption;

    /// What the visits of one attempt share, if they share anything: it takes this step's place then.
    fn open(&self) -> Option<Arc<dyn TimedStep>> {
        None
    }

    /// Of what is shared: `all` visits have begun, and there will be no more of them.
    fn no_more(&self, _all: usize) {}

    /// Of what is shared: the attempt is over; ends what is left.
    async fn close(&self) {}

    /// One visit. It ends soon after [`Visit::stopped`]; when it can be halted, it ends with [`Visited::Paused`] after
    /// [`Visit::paused`], else it goes on to its end.
    async fn run(&self, visit: &mut Visit) -> Visited;
}

/// A step to which all targets come that can still reach it, before it does anything.
#[async_trait]
pub(crate) trait GatheringStep: Send + Sync + Debug {
    /// See [`TimedStep::resumption`].
    fn resumption(&self) -> Resumption;

    /// All visits at once; gives one end for each, in their order.
    async fn run(&self, visits: &mut [Visit]) -> Vec<Visited>;
}
