//! `randecho`: writes a line, and fails every other target; for trying out what a failure does.

use async_trait::async_trait;

use super::timed::{Resumption, TimedStep, Visited};
use crate::runner::Visit;

/// The step.
#[derive(Debug)]
pub(super) struct RandEcho {
    pub(super) text: String,
}

#[async_trait]
impl TimedStep for RandEcho {
    fn resumption(&self) -> Resumption {
        Resumption::Repeated
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let succeeds = visit.random().is_multiple_of(2);
        let (event, word) =
            if succeeds { ("TargetSucceeded", "succeeded") } else { ("TargetFailed", "failed") };
        visit.event(event, None).await;
        visit.log(format!("Run: target {} {word}: {}", visit.target, self.text)).await;
        if succeeds { Visited::Passed } else { Visited::Failed("target randomly failed".to_owned()) }
    }
}
