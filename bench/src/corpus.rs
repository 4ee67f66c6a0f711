//! Jobs to measure with: real clocks, ids as labs have them.

use oyez_model::event::{JobSubmitted, RunStarted, SectionStarted, SectionStopped, TestStarted};
use oyez_model::{EventBody, Outcome, RunNumber, SectionRef};
use oyez_store::{Clock, NewEvent, NewJob, SystemClock};

/// A job's first event.
#[must_use]
pub fn new_job(name: &str) -> NewJob {
    let clock = SystemClock;
    NewJob {
        time: clock.now(),
        submitted: JobSubmitted {
            uid: clock.job_uid(),
            name: name.to_owned(),
            requestor: "bench".to_owned(),
            source: Default::default(),
            tags: Vec::new(),
            guids: Vec::new(),
            project: None,
            variant: Default::default(),
            host: None,
            server_id: None,
            priority: None,
            request: None,
            extended: None,
            command: None,
            version: None,
        },
        owner: None,
        then: Vec::new(),
    }
}

/// A run and a test to hang sections below: nodes 1 and 2 of the job's first producer.
#[must_use]
pub fn run_and_test() -> Vec<NewEvent> {
    let now = SystemClock.now();
    let run = run_started(1);
    let test = TestStarted {
        id: 2,
        parent: SectionRef::own(1),
        name: "bench".to_owned(),
        index: 0,
        attempt: 0,
        planned: None,
        cleanup: None,
        suite: None,
        variant: None,
        began: None,
        ..Default::default()
    };
    vec![NewEvent::new(now, run), NewEvent::new(now, test)]
}

/// A section begins.
#[must_use]
pub fn started(id: u64, parent: SectionRef, kind: &str, name: String) -> EventBody {
    SectionStarted {
        id,
        parent,
        r#type: kind.to_owned(),
        name,
        began: None,
        description: None,
        source: None,
        parameters: None,
        extra: None,
        peer_id: None,
        ..Default::default()
    }
    .into()
}

/// A section ends.
#[must_use]
pub fn stopped(id: u64, outcome: Outcome) -> EventBody {
    SectionStopped {
        id: SectionRef::own(id),
        outcome: Some(outcome),
        reason: None,
        data: None,
        rollup: None,
        ended: None,
        ..Default::default()
    }
    .into()
}

/// A section ends with what its children rolled up.
#[must_use]
pub fn rolled(id: u64) -> EventBody {
    SectionStopped {
        id: SectionRef::own(id),
        outcome: None,
        reason: None,
        data: None,
        rollup: None,
        ended: None,
        ..Default::default()
    }
    .into()
}

/// The first run.
#[must_use]
pub fn run_started(id: u64) -> RunStarted {
    RunStarted { id, run: RunNumber(1), planned: None }
}
