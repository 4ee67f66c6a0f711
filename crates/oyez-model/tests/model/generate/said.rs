//! Bodies of events with nothing in them but what a test is about; the rest can be set with `..`.

use oyez_model::event::*;
use oyez_model::{JobState, Outcome, SectionRef};

/// A test begins.
pub fn test(id: u64, parent: SectionRef) -> TestStarted {
    TestStarted {
        id,
        parent,
        name: format!("test {id}"),
        index: 0,
        attempt: 0,
        planned: None,
        cleanup: None,
        suite: None,
        variant: None,
        began: None,
        ..Default::default()
    }
}

/// A test ends with what its sections made.
pub fn test_stop(id: SectionRef) -> TestStopped {
    TestStopped { id, outcome: None, reason: None, retried: None, ended: None, ..Default::default() }
}

/// A section begins.
pub fn section(id: u64, parent: SectionRef) -> SectionStarted {
    SectionStarted {
        id,
        parent,
        r#type: "Step".to_owned(),
        name: format!("section {id}"),
        began: None,
        description: None,
        source: None,
        parameters: None,
        extra: None,
        peer_id: None,
        ..Default::default()
    }
}

/// A section will come.
pub fn announced(id: u64, parent: SectionRef) -> SectionAnnounced {
    SectionAnnounced { id, parent, r#type: "Step".to_owned(), name: format!("section {id}") }
}

/// A section ends.
pub fn stop(id: SectionRef, outcome: impl Into<Option<Outcome>>) -> SectionStopped {
    SectionStopped {
        id,
        outcome: outcome.into(),
        reason: None,
        data: None,
        rollup: None,
        ended: None,
        ..Default::default()
    }
}

/// The job is in another state.
pub fn state(state: JobState) -> JobStateChanged {
    JobStateChanged { state, error: None }
}

/// Log text.
pub fn text(id: SectionRef, bytes: impl Into<Vec<u8>>) -> LogText {
    LogText { id, stream: Stream::Stdout, text: LogBytes::from(bytes.into()), level: None }
}

/// A producer comes.
pub fn joined(program: &str) -> ProducerJoined {
    ProducerJoined { pid: None, ppid: None, host: None, program: Some(program.to_owned()), forked_from: None }
}
