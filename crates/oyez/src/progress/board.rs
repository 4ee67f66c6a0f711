//! What a display knows of a job: its live state, folded from the events as they are recorded, and what ended lately.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use oyez_model::event::EventBody;
use oyez_model::row::Flags;
use oyez_model::{Changes, Counts, Event, EventNumber, EventSeq, Live, NodeKind, NodeRow, ProducerId};
use oyez_store::NewEvent;

/// Lines that wait to be shown; when there are more, it is said how many were left out.
const LINES: usize = 500;

/// Shared between the engine, which tells, and the display, which looks ten times a second.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: Live,
    seq: u64,
    changes: Changes,
    began: Instant,
    ended: VecDeque<NodeRow>,
    left_out: u64,
    notes: Vec<String>,
    first_done: Option<(Instant, u64)>,
}

/// A test that runs now.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name, with the attempt.
    pub name: String,
    /// How many cases it plans.
    pub planned: Option<u64>,
    /// How they ended so far.
    pub counts: Counts,
}

/// A look at the job.
#[derive(Clone, Debug)]
pub struct Look {
    /// The run, from 1.
    pub run: u32,
    /// How all cases ended so far.
    pub counts: Counts,
    /// Tests that run now.
    pub running: Vec<Running>,
    /// Visits to steps, or sections, that are open: their names, the oldest first, a few.
    pub busy: Vec<String>,
    /// Since it began.
    pub seconds: f64,
    /// Cases that ended in each second, lately.
    pub rate: f64,
    /// Seconds left, if that can be told.
    pub left: Option<f64>,
}

impl Default for Board {
    fn default() -> Self {
        let inner = Inner {
            live: Live::new(),
            seq: 0,
            changes: Changes::default(),
            began: Instant::now(),
            ended: VecDeque::new(),
            left_out: 0,
            notes: Vec::new(),
            first_done: None,
        };
        Board { inner: Mutex::new(inner) }
    }
}

impl Inner {
    fn take(&mut self, seq: EventSeq, event: &Event) {
        let Inner { live, changes, ended, left_out, .. } = self;
        self.seq = seq.0;
        live.apply(seq, event, &(), changes);
        for row in changes.nodes.drain(..) {
            let case = row.r#type == "Target" || row.r#type == "Testcase";
            let worth = match row.kind {
                NodeKind::Run | NodeKind::Test => true,
                NodeKind::Section => case && row.outcome.is_some_and(|o| !o.is_good()),
                NodeKind::Job => false,
            };
            if worth && ended.len() < LINES {
                ended.push_back(row);
            } else if worth {
                *left_out += 1;
            }
        }
        changes.clear();
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more event of the only producer.
    pub fn heard(&self, event: &NewEvent) {
        // Text does not change the tree.
        if matches!(event.body, EventBody::LogText(_) | EventBody::Named(_)) {
            self.lock().seq += 1;
            return;
        }
        let mut inner = self.lock();
        let seq = inner.seq + 1;
        let (producer, number) = (ProducerId::FIRST, EventNumber(seq));
        inner.take(EventSeq(seq), &Event { producer, number, time: event.time, body: event.body.clone() });
    }

    /// One more event, as it stands in the journal.
    pub fn take(&self, seq: EventSeq, event: &Event) {
        if !matches!(event.body, EventBody::LogText(_) | EventBody::Named(_)) {
            self.lock().take(seq, event);
        }
    }

    /// Something to say.
    pub fn note(&self, text: &str) {
        let mut inner = self.lock();
        if inner.notes.len() < LINES {
            inner.notes.push(text.to_owned());
        }
    }

    /// What is to be said since the last look.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notes)
    }

    /// Runs, tests and bad cases that ended since the last look, and how many did not fit.
    pub fn take_ended(&self) -> (Vec<NodeRow>, u64) {
        let mut inner = self.lock();
        let left_out = std::mem::take(&mut inner.left_out);
        (inner.ended.drain(..).collect(), left_out)
    }

    /// A look.
    pub fn look(&self) -> Look {
        let mut inner = self.lock();
        let job = inner.live.job_row();
        let mut tests = Vec::new();
        let mut open = Vec::new();
        for row in inner.live.open_rows() {
            match row.kind {
                NodeKind::Test => tests.push(row),
                NodeKind::Section if row.is_open() => open.push(row),
                _ => {}
            }
        }
        tests.sort_by_key(|row| row.start_seq);
        // The innermost are what is really under way: a section that nobody names as its parent.
        let parents: std::collections::HashSet<_> = open.iter().map(|row| row.parent).collect();
        let names: std::collections::HashMap<_, _> =
            open.iter().map(|row| (row.id, row.name.clone())).collect();
        open.retain(|row| !parents.contains(&row.id));
        // What runs comes before what waits for its turn.
        open.sort_by_key(|row| (!names.contains_key(&row.parent), row.start_seq));
        let busy = open.iter().take(6).map(|row| match names.get(&row.parent) {
            Some(above) => format!("{above} › {}", row.name),
            None => row.name.clone(),
        });
        let busy: Vec<String> = busy.collect();
        let running: Vec<Running> = tests
            .into_iter()
            .map(|row| Running {
                name: if row.attempt > 0 {
                    format!("{} (attempt {})", row.name, row.attempt + 1)
                } else {
                    row.name
                },
                planned: row.planned.filter(|_| !row.flags.has(Flags::CLEANUP)),
                counts: row.counts,
            })
            .collect();
        let done = job.counts.total();
        let now = Instant::now();
        let (since, before) = *inner.first_done.get_or_insert((now, done));
        let seconds = now.duration_since(since).as_secs_f64();
        let rate = if seconds > 0.2 { (done - before.min(done)) as f64 / seconds } else { 0.0 };
        let left = running.first().and_then(|test| {
            let missing = test.planned?.checked_sub(test.counts.total())?;
            (rate > 0.0 && missing > 0).then(|| missing as f64 / rate)
        });
        Look {
            run: job.runs,
            counts: job.counts,
            running,
            busy,
            seconds: inner.began.elapsed().as_secs_f64(),
            rate,
            left,
        }
    }
}
