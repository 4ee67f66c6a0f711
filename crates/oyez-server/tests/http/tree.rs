//! Jobs that are written into the store event by event, as an engine would.

use std::sync::atomic::{AtomicI64, Ordering};

use oyez_model::event::{
    EventBody, JobStateChanged, JobSubmitted, ProducerLeft, RawJson, RunStarted, RunStopped, Target,
    TargetAcquired, TargetErr, TargetIn, TargetOut, TestStarted, TestStopped,
};
use oyez_model::{JobSource, JobState, JobUid, RunNumber, SectionRef, Time};
use oyez_store::{NewEvent, NewJob};

use crate::lab::Lab;

/// A job in the making.
pub struct Job {
    submitted: JobSubmitted,
    pub events: Vec<NewEvent>,
    nodes: u64,
}

/// 2026-11-20T16:53:20Z, and a microsecond more at each look.
fn now() -> Time {
    static NOW: AtomicI64 = AtomicI64::new(1_795_193_600_000_000_000);
    Time(NOW.fetch_add(1000, Ordering::Relaxed))
}

impl Job {
    pub fn new(name: &str) -> Self {
        let random = u64::try_from(now().0).unwrap();
        let mut ten = [7; 10];
        ten[..8].copy_from_slice(&random.to_be_bytes());
        let submitted = JobSubmitted {
            uid: JobUid::new(1, ten),
            name: name.to_owned(),
            requestor: "me".to_owned(),
            source: JobSource::Engine,
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
        };
        Job { submitted, events: Vec::new(), nodes: 0 }
    }

    /// Tests by name, each with its steps by label; all of `echo`.
    pub fn tests(mut self, tests: &[(&str, &[&str])]) -> Self {
        let step = |label: &&str| serde_json::json!({"Name": "echo", "Label": label});
        let test = |(name, steps): &(&str, &[&str])| serde_json::json!({"TestName": name, "TestSteps": steps.iter().map(step).collect::<Vec<_>>()});
        let extended = serde_json::json!({
            "TestDescriptors": tests.iter().map(|_| serde_json::json!({"Disabled": false})).collect::<Vec<_>>(),
            "TestStepsDescriptors": tests.iter().map(test).collect::<Vec<_>>(),
        });
        self.submitted.extended = Some(RawJson(extended.to_string()));
        self
    }

    pub fn say(&mut self, body: impl Into<EventBody>) {
        self.events.push(NewEvent::new(now(), body));
    }

    fn node(&mut self) -> u64 {
        self.nodes += 1;
        self.nodes
    }

    pub fn state(&mut self, state: JobState) {
        self.say(JobStateChanged { state, error: None });
    }

    pub fn run(&mut self, run: u32) -> SectionRef {
        let id = self.node();
        self.say(RunStarted { id, run: RunNumber(run), planned: None });
        SectionRef::own(id)
    }

    pub fn test(&mut self, run: SectionRef, index: u32, attempt: u32, name: &str) -> SectionRef {
        let id = self.node();
        self.say(TestStarted {
            id,
            parent: run,
            name: name.to_owned(),
            index,
            attempt,
            ..Default::default()
        });
        SectionRef::own(id)
    }

    pub fn target(&mut self, test: SectionRef, target: &str) -> SectionRef {
        let id = self.node();
        let fqdn = Some(format!("{}.example.org", target.to_lowercase()));
        let target = Target { id: target.to_owned(), fqdn, ..Target::default() };
        self.say(TargetAcquired { id, test, target });
        SectionRef::own(id)
    }

    pub fn enter(&mut self, target: SectionRef, label: &str) -> SectionRef {
        let id = self.node();
        self.say(TargetIn { id, target, label: label.to_owned(), step: "Echo".to_owned() });
        SectionRef::own(id)
    }

    pub fn leave(&mut self, visit: SectionRef) {
        self.say(TargetOut { id: visit });
    }

    pub fn fail(&mut self, visit: SectionRef, error: &str) {
        self.say(TargetErr { id: visit, error: error.to_owned(), outcome: None });
    }

    /// A visit that comes to a good end.
    pub fn pass(&mut self, target: SectionRef, label: &str) {
        let visit = self.enter(target, label);
        self.leave(visit);
    }

    pub fn end_test(&mut self, test: SectionRef, retried: bool) {
        self.say(TestStopped { id: test, retried: retried.then_some(true), ..Default::default() });
    }

    pub fn end(&mut self, run: SectionRef) {
        self.say(RunStopped { id: run, outcome: None });
        self.say(ProducerLeft {});
        self.state(JobState::Completed);
    }

    /// Puts it into the store; its number there.
    pub fn store(self, lab: &Lab) -> u64 {
        let job = NewJob { time: now(), submitted: self.submitted, owner: None, then: self.events };
        lab.runtime.block_on(lab.store.create_job(job)).unwrap().0
    }
}
