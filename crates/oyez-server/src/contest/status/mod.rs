//! ConTest's reply to `status`: all that happened, from rows and journal (specs/contest.md 1.13).
//!
//! ```text
//!  runs ──► tests of the descriptor ──► attempts, the highest first ──► targets, a page at a time ──► visits
//!                                          │
//!                        one pass fills the lists of all steps (`parts`), which go out one after the other
//! ```
//!
//! What is held is a page of rows and a few events; what is written goes to a [`Spool`]. The last run stands in the reply
//! twice, as ConTest's clients expect it.
//!
//! Better than ConTest: a run's `StartTime` is set; two tests of one name have each their own targets; a target's place in
//! a test is that of the last attempt, never of one before it.

mod parts;
mod reports;
mod test;

use std::io;

use oyez_engine::GoDuration;
use oyez_model::event::EventBody;
use oyez_model::row::Flags;
use oyez_model::{EventSeq, JobId, JobRow, NodeKind, NodeRow, SectionId};
use oyez_store::{JobReader, StoreError, tree};
use oyez_wire::contest::shape::{self, TestShape};
use oyez_wire::contest::status::{self, Head, RunAt};
use thiserror::Error;

use super::spool::Spool;

/// Request and extended descriptor are among a job's first events.
const FIRST_EVENTS: usize = 16;
/// How many events are read at once: each may be large.
const READ_AT_ONCE: usize = 32;

/// Why there is no status.
#[derive(Debug, Error)]
pub enum StatusError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reply found no room.
    #[error("no room for the reply in the folder of temporary files: {0}; make room, or set TMPDIR")]
    Room(#[from] io::Error),
    /// The descriptor that was kept with the job cannot be read.
    #[error("the extended descriptor of the job cannot be read: {0}")]
    Descriptor(String),
}

/// Why a job failed, in ConTest's words: the runner's reasons with its time, a zombie's as it is (specs/contest.md 1.7,
/// 1.10).
fn failure(job: JobId, row: &JobRow) -> Option<String> {
    let error = row.error.as_deref()?;
    let (Some(started), Some(ended)) = (row.started, row.ended) else { return Some(error.to_owned()) };
    if error.ends_with("was zombieed") {
        return Some(error.to_owned());
    }
    let took = GoDuration(i64::try_from(ended.since(started)).unwrap_or(i64::MAX));
    Some(format!("job {job} failed after {took}: {error}"))
}

/// Writes the reply for the job of a reader, as the server of this name.
///
/// # Errors
/// [`StatusError`]; what was written until then is worth nothing.
pub fn write(server: &str, reader: &dyn JobReader, out: &mut Spool) -> Result<(), StatusError> {
    let row = reader.live().job_row();
    let failure = failure(reader.id(), &row);
    let head = Head {
        server,
        name: &row.name,
        state: row.state,
        error: failure.as_deref(),
        started: row.started,
        ended: row.ended,
    };
    status::begin(out.buffer(), &head);
    let root = tree::root(reader)?;
    let tests = tests(reader)?;
    let runs = runs(reader, &root)?;
    let job = reader.id();
    let run = |id: SectionId, out: &mut Spool| run(reader, job, id, &tests, out);
    match runs.split_last() {
        None => {
            status::items().close(out.buffer());
            status::middle(out.buffer());
            status::items().close(out.buffer());
        }
        Some((last, before)) => {
            let from = out.len();
            run(*last, out)?;
            let to = out.len();
            status::middle(out.buffer());
            let mut items = status::items();
            for id in before {
                items.next(out.buffer());
                run(*id, out)?;
            }
            items.next(out.buffer());
            out.repeat(from, to)?;
            items.close(out.buffer());
        }
    }
    reports::write(reader, &root, out)?;
    Ok(())
}

/// The tests of the job's extended descriptor; none for a job that has no descriptor.
fn tests(reader: &dyn JobReader) -> Result<Vec<TestShape>, StatusError> {
    for (_, event) in reader.events_after(EventSeq(0), FIRST_EVENTS)? {
        let shapes = match event.body {
            EventBody::JobSubmitted(body) => match body.extended {
                Some(extended) => shape::tests(&extended.0),
                None => continue,
            },
            // What is too long for an event was kept as a blob.
            EventBody::Artifact(body) if body.name == "extended-descriptor.json" => {
                let bytes = reader.blob(body.blob)?;
                let text = std::str::from_utf8(&bytes).map_err(|e| StatusError::Descriptor(e.to_string()))?;
                shape::tests(text)
            }
            _ => continue,
        };
        return shapes.map_err(|e| StatusError::Descriptor(e.to_string()));
    }
    Ok(Vec::new())
}

/// The runs of a job, in order.
fn runs(reader: &dyn JobReader, root: &NodeRow) -> Result<Vec<SectionId>, StatusError> {
    let mut runs = Vec::new();
    for page in tree::children(reader, root) {
        runs.extend(page?.iter().filter(|row| row.kind == NodeKind::Run).map(|row| row.id));
    }
    Ok(runs)
}

/// An attempt of a test.
struct Attempt {
    index: u32,
    attempt: u32,
    id: SectionId,
}

fn run(
    reader: &dyn JobReader,
    job: JobId,
    id: SectionId,
    tests: &[TestShape],
    out: &mut Spool,
) -> Result<(), StatusError> {
    let row = tree::node(reader, id)?;
    let mut attempts = Vec::new();
    for page in tree::children(reader, &row) {
        // What is done in a clean-up is not ConTest's to show.
        let is_seen = |row: &&NodeRow| row.kind == NodeKind::Test && !row.flags.has(Flags::CLEANUP);
        let attempt = |row: &NodeRow| Attempt { index: row.index, attempt: row.attempt, id: row.id };
        attempts.extend(page?.iter().filter(is_seen).map(attempt));
    }
    // The highest attempt of each test first; of two with one number, the later.
    attempts.reverse();
    attempts.sort_by_key(|attempt| (attempt.index, std::cmp::Reverse(attempt.attempt)));
    let at = RunAt { job, run: row.index };
    at.open(out.buffer(), row.started);
    let mut items = status::items();
    for shape in tests {
        let from = attempts.partition_point(|attempt| attempt.index < shape.index);
        let to = attempts.partition_point(|attempt| attempt.index <= shape.index);
        items.next(out.buffer());
        test::write(reader, at, shape, &attempts[from..to], out)?;
    }
    items.close(out.buffer());
    out.buffer().push(b'}');
    Ok(out.settle()?)
}
