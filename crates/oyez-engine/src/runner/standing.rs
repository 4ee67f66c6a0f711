//! Where a job stands, read from its journal: what it needs to go on after a pause, or after its server died.
//!
//! There is one source for both, what was recorded, so that a job that was killed goes on like one that was paused.
//! Tests and runs that are done are read from their rows; only the events of the last attempt are read again, so that
//! this takes no longer the more runs there were. A pause leaves a payload besides ([`super::snapshot`]), with what a
//! step alone can know.

use std::collections::HashMap;
use std::sync::Arc;

use oyez_model::event::{Target as TargetEvent, TestStopped};
use oyez_model::row::Flags;
use oyez_model::{Event, EventBody, EventSeq, NodeKind, NodeRow, Outcome, ProducerId, SectionRef, Time};
use oyez_store::{JobReader, StoreError, tree};
use serde_json::value::RawValue;

use super::pipeline::Visiting;
use crate::reporters::{JobStatus, RunStatus, TestStatus};
use crate::template::VariableMap;

/// Events that are read at once.
const PAGE: usize = 4096;

/// Where a job stands.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The number of the last event that its runner recorded.
    pub(super) recorded: u64,
    /// The highest number of its nodes.
    pub(super) nodes: u64,
    /// The sums over the runs that are done.
    pub(super) totals: JobStatus,
    /// The number of the last run that is done, and when that was.
    pub(super) last_run: Option<(u32, Time)>,
    /// The run that is not.
    pub(super) run: Option<OpenRun>,
    /// Final reports that are made.
    pub(super) final_reports: usize,
    /// What the last pause left.
    pub(super) paused: Option<String>,
    /// Whether the job began at all.
    pub(super) is_started: bool,
}

/// A run that is not done.
#[derive(Debug, Default)]
pub(super) struct OpenRun {
    /// Its node.
    pub(super) id: u64,
    /// Its number, from 1.
    pub(super) number: u32,
    /// Its tests that are done, each by its last attempt.
    pub(super) done: Vec<TestStatus>,
    /// The last attempt, if its test is not known to be done.
    pub(super) last: Option<OpenAttempt>,
    /// Reports on this run that are made.
    pub(super) reports: usize,
}

/// An attempt that was begun.
#[derive(Debug, Default)]
pub(super) struct OpenAttempt {
    /// Its node.
    pub(super) id: u64,
    /// The test's place in the descriptor.
    pub(super) index: usize,
    /// Which attempt it is, from 0.
    pub(super) attempt: u32,
    /// Why its targets could not be acquired.
    pub(super) acquire_error: Option<String>,
    /// Its targets, in the order in which they were acquired.
    pub(super) seats: Vec<Stand>,
    /// How it ended, and when.
    pub(super) stopped: Option<(TestStopped, Time)>,
    /// Its clean-up, once that began.
    pub(super) cleanup: Option<Cleanup>,
    /// Targets whose release is recorded, by their sections.
    pub(super) released: Vec<u64>,
}

/// A clean-up that was begun.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    /// Its node.
    pub(super) id: u64,
    /// Its targets.
    pub(super) seats: Vec<Stand>,
    /// Whether it ended.
    pub(super) is_done: bool,
}

/// Where a target stands.
#[derive(Debug)]
pub(super) struct Stand {
    /// The target, as it was acquired.
    pub(super) target: TargetEvent,
    /// Its section.
    pub(super) section: u64,
    /// The sections of the same target listed again.
    pub(super) twins: Vec<u64>,
    /// The step that it is in, or before.
    pub(super) step: usize,
    /// Its visit to that step.
    pub(super) visit: Option<Visiting>,
    /// It failed in its step; its end may not be recorded yet.
    pub(super) failed: Option<(Outcome, String)>,
    /// How it ended.
    pub(super) ended: Option<Outcome>,
    /// Its variables.
    pub(super) variables: Option<Arc<VariableMap>>,
}

impl Standing {
    /// Reads it. Blocks.
    ///
    /// # Errors
    /// The store's own trouble.
    pub(super) fn read(reader: &dyn JobReader) -> Result<Standing, StoreError> {
        let root = tree::root(reader)?;
        let mut standing = Standing::default();
        if let Some(producer) = reader.live().producer(ProducerId::FIRST) {
            (standing.recorded, standing.nodes) = (producer.last, producer.max_node);
        }
        let mut from = EventSeq(0);
        for page in tree::children(reader, &root) {
            for run in page?.into_iter().filter(|row| row.kind == NodeKind::Run) {
                from = EventSeq(run.start_seq.0 - 1);
                let (done, last) = tests(reader, &run)?;
                if let Some(ended) = run.stopped {
                    standing.totals.add(&RunStatus { run: run.index, tests: done });
                    standing.last_run = Some((run.index, ended));
                    continue;
                }
                let (id, number) = (run.id.number, run.index);
                if let Some(last) = &last {
                    from = EventSeq(last.start_seq.0 - 1);
                }
                let index = last.map(|last| last.index as usize);
                let done = done.into_iter().filter(|test| Some(test.index) != index).collect();
                standing.run = Some(OpenRun { id, number, done, last: None, reports: 0 });
            }
        }
        standing.replay(reader, from)?;
        Ok(standing)
    }

    /// Reads the last events again.
    fn replay(&mut self, reader: &dyn JobReader, mut from: EventSeq) -> Result<(), StoreError> {
        let mut places = Places::default();
        loop {
            let events = reader.events_after(from, PAGE)?;
            let Some((last, _)) = events.last() else { return Ok(()) };
            from = *last;
            for (_, event) in &events {
                self.hear(event, &mut places);
            }
        }
    }

    fn hear(&mut self, event: &Event, places: &mut Places) {
        match &event.body {
            EventBody::JobPaused(paused) => self.paused = Some(paused.snapshot.0.clone()),
            EventBody::JobStateChanged(change) => {
                self.is_started |= change.state == oyez_model::JobState::Started;
            }
            _ => {}
        }
        // Only the runner says where the job stands.
        if event.producer != ProducerId::FIRST {
            return;
        }
        if let EventBody::Report(report) = &event.body {
            match (&report.run, &mut self.run) {
                (None, _) => self.final_reports += 1,
                (Some(number), Some(run)) if number.0 == run.number => run.reports += 1,
                _ => {}
            }
        }
        let Some(run) = &mut self.run else { return };
        if let EventBody::TestStarted(started) = &event.body
            && started.cleanup != Some(true)
        {
            *places = Places { test: started.id, ..Places::default() };
            run.last = Some(OpenAttempt {
                id: started.id,
                index: started.index as usize,
                attempt: started.attempt,
                ..OpenAttempt::default()
            });
        }
        if let Some(attempt) = &mut run.last {
            attempt.hear(event, places);
        }
    }
}

/// The last attempts of a run's tests that have ended, and the row of the very last attempt.
fn tests(reader: &dyn JobReader, run: &NodeRow) -> Result<(Vec<TestStatus>, Option<NodeRow>), StoreError> {
    let mut done: Vec<TestStatus> = Vec::new();
    let mut last = None;
    for page in tree::children(reader, run) {
        for test in page? {
            if test.kind != NodeKind::Test || test.flags.has(Flags::CLEANUP) {
                continue;
            }
            let status = status(&test);
            match done.last_mut().filter(|done| done.index == status.index) {
                Some(before) => *before = status,
                None => done.push(status),
            }
            last = Some(test);
        }
    }
    Ok((done, last))
}

/// How an attempt fared, by its row: its children are its targets.
fn status(test: &NodeRow) -> TestStatus {
    let total = test.child_count();
    let has_hangs = !test.hangs.is_empty() || test.hang_segments > 0;
    // Only an attempt without targets has something hanging on it: why they could not be acquired.
    let acquire_error = (total == 0 && has_hangs).then(|| test.reason.clone());
    TestStatus {
        name: test.name.clone(),
        index: test.index as usize,
        succeeded: test.counts.of(Outcome::Passed),
        total,
        acquire_error,
    }
}

/// Which seat a section belongs to.
#[derive(Debug, Default)]
struct Places {
    test: u64,
    /// Sections of targets and their visits: whether of the clean-up, and which seat.
    sections: HashMap<u64, (bool, usize)>,
    /// The label of the step of each visit that is under way.
    labels: HashMap<u64, String>,
    /// The first seat of each target, of the test and of its clean-up.
    targets: [HashMap<String, usize>; 2],
}

impl OpenAttempt {
    fn hear(&mut self, event: &Event, places: &mut Places) {
        match &event.body {
            EventBody::TestStarted(started) if started.cleanup == Some(true) => {
                self.cleanup = Some(Cleanup { id: started.id, ..Cleanup::default() });
            }
            EventBody::TargetAcquireErr(e) => self.acquire_error = Some(e.error.clone()),
            EventBody::TargetAcquired(acquired) => {
                self.sit(places, false, acquired.id, acquired.target.clone());
            }
            EventBody::SectionStarted(started) if started.r#type == "Target" => {
                let target = TargetEvent { id: started.name.clone(), ..TargetEvent::default() };
                let is_cleanup = started.parent.number != places.test;
                self.sit(places, is_cleanup, started.id, target);
            }
            EventBody::TargetIn(entered) => {
                if let Some((place, stand)) = self.seat(places, &entered.target) {
                    stand.visit =
                        Some(Visiting { id: entered.id, began: event.time, is_old: true, state: None });
                    places.sections.insert(entered.id, place);
                    places.labels.insert(entered.id, entered.label.clone());
                }
            }
            EventBody::TargetOut(left) => {
                if let Some((_, stand)) = self.seat(places, &left.id) {
                    stand.visit = None;
                    stand.step += 1;
                }
                places.labels.remove(&left.id.number);
            }
            EventBody::TargetErr(failed) => {
                if let Some((_, stand)) = self.seat(places, &failed.id) {
                    stand.visit = None;
                    let outcome = failed.outcome.unwrap_or(Outcome::Failed);
                    stand.failed = Some((outcome, failed.error.clone()));
                }
                places.labels.remove(&failed.id.number);
            }
            EventBody::VariableEmitted(emitted) => {
                let label = places.labels.get(&emitted.id.number).cloned();
                let value = RawValue::from_string(emitted.value.0.clone());
                if let (Some(label), Ok(value), Some((_, stand))) =
                    (label, value, self.seat(places, &emitted.id))
                {
                    Arc::make_mut(stand.variables.get_or_insert_default()).set(&label, &emitted.name, value);
                }
            }
            EventBody::SectionStopped(stopped) => {
                // A twin ends with its target.
                if let Some((_, stand)) = self.seat(places, &stopped.id)
                    && stand.section == stopped.id.number
                {
                    stand.ended = Some(stopped.outcome.unwrap_or(Outcome::Passed));
                }
            }
            EventBody::TestStopped(stopped) if stopped.id.number == self.id => {
                self.stopped = Some((stopped.clone(), event.time));
            }
            EventBody::TestStopped(stopped) => {
                if let Some(cleanup) = self.cleanup.as_mut().filter(|c| c.id == stopped.id.number) {
                    cleanup.is_done = true;
                }
            }
            EventBody::TargetReleased(released) => self.released.push(released.id.number),
            _ => {}
        }
    }

    fn sit(&mut self, places: &mut Places, is_cleanup: bool, section: u64, target: TargetEvent) {
        let seats = match &mut self.cleanup {
            Some(cleanup) if is_cleanup => &mut cleanup.seats,
            _ => &mut self.seats,
        };
        let known = &mut places.targets[usize::from(is_cleanup)];
        if let Some(at) = known.get(&target.id) {
            seats[*at].twins.push(section);
            places.sections.insert(section, (is_cleanup, *at));
            return;
        }
        known.insert(target.id.clone(), seats.len());
        places.sections.insert(section, (is_cleanup, seats.len()));
        seats.push(Stand {
            target,
            section,
            twins: Vec::new(),
            step: 0,
            visit: None,
            failed: None,
            ended: None,
            variables: None,
        });
    }

    fn seat(&mut self, places: &Places, section: &SectionRef) -> Option<((bool, usize), &mut Stand)> {
        let place = *places.sections.get(&section.number)?;
        let seats = match &mut self.cleanup {
            Some(cleanup) if place.0 => &mut cleanup.seats,
            _ => &mut self.seats,
        };
        Some((place, seats.get_mut(place.1)?))
    }
}
