//! A test of a run: one pass over the targets of an attempt fills the lists of all its steps.

use std::collections::HashMap;

use oyez_model::event::{EventBody, TargetAcquireErr};
use oyez_model::row::{REASON_LEN, SEGMENT_LEN};
use oyez_model::{EventSeq, NodeRow, SectionId};
use oyez_store::{JobReader, StoreError, tree};
use oyez_wire::contest::go;
use oyez_wire::contest::shape::TestShape;
use oyez_wire::contest::status::{self, RunAt, StepAt, TestAt};

use super::parts::Parts;
use super::{Attempt, READ_AT_ONCE, StatusError};
use crate::contest::spool::Spool;

/// Text of a visit that is held before it goes to its lists.
const HELD: usize = 64 << 10;

/// A step on its way into the reply.
struct Step {
    at: StepAt,
    /// An attempt was found in which something happened in it.
    is_seen: bool,
}

struct Test<'a> {
    reader: &'a dyn JobReader,
    at: TestAt,
    steps: Vec<Step>,
    by_label: HashMap<&'a str, usize>,
    parts: Parts,
    /// An attempt was found in which targets were acquired, or could not be.
    is_acquired: bool,
    attempt: u32,
    text: Vec<u8>,
}

/// A target with its visits, in the order in which they began.
struct Seen {
    /// Its JSON; `None` when it is listed once more.
    json: Option<Vec<u8>>,
    visits: Vec<NodeRow>,
}

/// Writes a test; its attempts come with the highest first.
pub(super) fn write(
    reader: &dyn JobReader,
    run: RunAt,
    shape: &TestShape,
    attempts: &[Attempt],
    out: &mut Spool,
) -> Result<(), StatusError> {
    let at = TestAt::new(run, &shape.name);
    let step = |step: &oyez_wire::contest::shape::StepShape| Step {
        at: StepAt::new(&at, &step.name, &step.label),
        is_seen: false,
    };
    let mut test = Test {
        reader,
        steps: shape.steps.iter().map(step).collect(),
        by_label: shape.steps.iter().enumerate().map(|(i, step)| (step.label.as_str(), i)).collect(),
        parts: Parts::new(2 * shape.steps.len() + 1),
        at,
        is_acquired: false,
        attempt: 0,
        text: Vec::new(),
    };
    for attempt in attempts {
        test.attempt = attempt.attempt;
        test.attempt(&tree::node(reader, attempt.id)?)?;
        // Of each step the highest attempt counts that came so far.
        if test.is_acquired && test.steps.iter().all(|step| step.is_seen) {
            break;
        }
    }
    test.pour(out)
}

impl Test<'_> {
    /// The list of all targets of the test.
    fn targets_list(&self) -> usize {
        2 * self.steps.len()
    }

    fn pour(mut self, out: &mut Spool) -> Result<(), StatusError> {
        self.at.open(out.buffer());
        for (i, step) in self.steps.iter().enumerate() {
            if i > 0 {
                out.buffer().push(b',');
            }
            step.at.open(out.buffer());
            self.parts.pour(2 * i + 1, out)?;
            StepAt::targets(out.buffer());
            self.parts.pour(2 * i, out)?;
            out.buffer().push(b'}');
        }
        TestAt::targets(out.buffer());
        let list = self.targets_list();
        self.parts.pour(list, out)?;
        out.buffer().push(b'}');
        Ok(out.settle()?)
    }

    fn attempt(&mut self, row: &NodeRow) -> Result<(), StatusError> {
        let wanted: Vec<bool> = self.steps.iter().map(|step| !step.is_seen).collect();
        let is_last = !self.is_acquired;
        let mut listed_again: HashMap<String, u32> = HashMap::new();
        for page in tree::children(self.reader, row) {
            let rows: Vec<NodeRow> = page?.into_iter().filter(|row| row.r#type == "Target").collect();
            for (seen, row) in self.targets(&rows)?.iter().zip(&rows) {
                self.is_acquired = true;
                if seen.json.is_some() {
                    self.target(seen, &wanted, is_last)?;
                } else if is_last {
                    *listed_again.entry(row.name.clone()).or_default() += 1;
                }
            }
        }
        if is_last {
            self.again(row, &listed_again)?;
            self.not_acquired(row)?;
        }
        Ok(())
    }

    /// Targets of a page, what they are and which steps they visited.
    fn targets(&self, rows: &[NodeRow]) -> Result<Vec<Seen>, StatusError> {
        let mut out = Vec::with_capacity(rows.len());
        // Rising, as readers ask for them: a page is in the order in which its rows began, mostly.
        let mut starts: Vec<EventSeq> = rows.iter().map(|row| row.start_seq).collect();
        starts.sort_unstable();
        starts.dedup();
        let events: HashMap<EventSeq, _> = self.reader.events_at(&starts)?.into_iter().collect();
        let few = |row: &&NodeRow| row.child_segments == 0;
        let ids: Vec<SectionId> = rows.iter().filter(few).flat_map(|row| row.children.clone()).collect();
        let mut visits = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(SEGMENT_LEN) {
            visits.extend(self.reader.nodes(ids)?.into_iter().map(|visit| (visit.id, visit)));
        }
        for row in rows {
            let json = match events.get(&row.start_seq).map(|event| &event.body) {
                Some(EventBody::TargetAcquired(body)) => Some(status::target(&body.target)),
                _ => None,
            };
            let visits = if row.child_segments == 0 {
                row.children.iter().filter_map(|id| visits.remove(id)).collect()
            } else {
                let pages: Result<Vec<Vec<NodeRow>>, StoreError> = tree::children(self.reader, row).collect();
                pages?.concat()
            };
            out.push(Seen { json, visits });
        }
        Ok(out)
    }

    /// A target: its visits go into the lists of their steps, the last of them into that of the test.
    fn target(&mut self, seen: &Seen, wanted: &[bool], is_last: bool) -> Result<(), StatusError> {
        let visited = self.visited(seen);
        let last = visited.last().map(|(step, _)| *step);
        for (step, visits) in visited {
            let mut lists = Vec::with_capacity(2);
            if wanted[step] {
                self.steps[step].is_seen = true;
                lists.push(2 * step);
            }
            if is_last && last == Some(step) {
                lists.push(self.targets_list());
            }
            if !lists.is_empty() {
                self.visit(step, &visits, seen, &lists, wanted[step].then_some(2 * step + 1))?;
            }
        }
        if is_last && last.is_none() {
            self.unseen()?;
        }
        Ok(())
    }

    /// The visits of a target by the step they were made to, in the order of the steps. A step that was done again for
    /// the target has several.
    fn visited<'s>(&self, seen: &'s Seen) -> Vec<(usize, Vec<&'s NodeRow>)> {
        let mut out: Vec<(usize, Vec<&NodeRow>)> = Vec::with_capacity(seen.visits.len());
        for visit in &seen.visits {
            let Some(step) = self.by_label.get(visit.name.as_str()).copied() else { continue };
            match out.iter_mut().rev().find(|(at, _)| *at == step) {
                Some((_, visits)) => visits.push(visit),
                None => out.push((step, vec![visit])),
            }
        }
        out.sort_by_key(|(step, _)| *step);
        out
    }

    fn unseen(&mut self) -> Result<(), StatusError> {
        let list = self.targets_list();
        self.parts.next(list);
        TestAt::unseen_target(&mut self.text);
        self.flush(&[list])
    }

    /// One target in one step, into each of `lists`; the step's own events into another one.
    fn visit(
        &mut self,
        step: usize,
        visits: &[&NodeRow],
        seen: &Seen,
        lists: &[usize],
        own: Option<usize>,
    ) -> Result<(), StatusError> {
        let (Some(last), Some(target)) = (visits.last(), &seen.json) else { return Ok(()) };
        lists.iter().for_each(|list| self.parts.next(*list));
        self.steps[step].at.visit(&mut self.text, target, last.started, last.stopped);
        go::string(&mut self.text, &error_of(self.reader, last)?);
        StepAt::visit_events(&mut self.text);
        let mut items = status::items();
        for visit in visits {
            for page in 0.. {
                let Some(hangs) = tree::hangs(self.reader, visit, page)? else { break };
                let seqs: Vec<_> = hangs.iter().filter(|hang| !hang.is_log).map(|hang| hang.seq).collect();
                for seqs in seqs.chunks(READ_AT_ONCE) {
                    for (seq, event) in self.reader.events_at(seqs)? {
                        let Some(shown) = status::shown(&event.body) else { continue };
                        let (at, when) = (&self.steps[step].at, (seq, event.time, self.attempt));
                        let what = (shown.name, shown.payload.as_deref());
                        if shown.of_target {
                            items.next(&mut self.text);
                            at.event(&mut self.text, when, Some(target), what);
                            if self.text.len() >= HELD {
                                self.flush(lists)?;
                            }
                        } else if let Some(own) = own {
                            let mut text = Vec::new();
                            at.event(&mut text, when, None, what);
                            self.parts.next(own);
                            self.parts.add(own, &text)?;
                        }
                    }
                }
            }
        }
        items.close(&mut self.text);
        self.text.push(b'}');
        self.flush(lists)
    }

    fn flush(&mut self, lists: &[usize]) -> Result<(), StatusError> {
        for list in lists {
            self.parts.add(*list, &self.text)?;
        }
        self.text.clear();
        Ok(())
    }

    /// Targets that are listed more than once run once and count as often: they stand in the test's list as often.
    fn again(&mut self, row: &NodeRow, listed: &HashMap<String, u32>) -> Result<(), StatusError> {
        if listed.is_empty() {
            return Ok(());
        }
        let list = [self.targets_list()];
        for page in tree::children(self.reader, row) {
            let mut rows = page?;
            rows.retain(|row| row.r#type == "Target" && listed.contains_key(&row.name));
            for (seen, row) in self.targets(&rows)?.iter().zip(&rows).filter(|(seen, _)| seen.json.is_some())
            {
                let visited = self.visited(seen);
                for _ in 0..listed.get(&row.name).copied().unwrap_or_default() {
                    match visited.last() {
                        Some((step, visits)) => self.visit(*step, visits, seen, &list, None)?,
                        None => self.unseen()?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Targets that could not be acquired are one target that failed.
    fn not_acquired(&mut self, row: &NodeRow) -> Result<(), StatusError> {
        let list = self.targets_list();
        for page in 0.. {
            let Some(hangs) = tree::hangs(self.reader, row, page)? else { break };
            let seqs: Vec<_> = hangs.iter().filter(|hang| !hang.is_log).map(|hang| hang.seq).collect();
            for seqs in seqs.chunks(READ_AT_ONCE) {
                for (seq, event) in self.reader.events_at(seqs)? {
                    if let EventBody::TargetAcquireErr(TargetAcquireErr { error, .. }) = &event.body {
                        self.is_acquired = true;
                        self.parts.next(list);
                        self.at.acquire_error(&mut self.text, seq, event.time, self.attempt, error);
                        self.flush(&[list])?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What went wrong in a visit, in full; nothing when nothing did.
fn error_of(reader: &dyn JobReader, visit: &NodeRow) -> Result<String, StatusError> {
    if visit.outcome.is_none_or(|outcome| outcome.is_good()) {
        return Ok(String::new());
    }
    // A row holds a reason's beginning; one that is longer hangs on the visit as a whole, the last of its events.
    if visit.reason.len() + 4 > REASON_LEN {
        let last =
            if visit.hangs.is_empty() { visit.hang_segments.saturating_sub(1) } else { visit.hang_segments };
        let seqs: Vec<EventSeq> =
            tree::hangs(reader, visit, last)?.unwrap_or_default().iter().map(|hang| hang.seq).collect();
        for seqs in seqs.rchunks(READ_AT_ONCE) {
            for (_, event) in reader.events_at(seqs)?.into_iter().rev() {
                if let EventBody::TargetErr(body) = event.body {
                    return Ok(body.error);
                }
            }
        }
    }
    Ok(visit.reason.clone())
}
