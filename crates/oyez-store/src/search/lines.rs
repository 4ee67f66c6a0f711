//! The lines of an event, held against a query.

use oyez_model::event::{EventBody, LogText};
use oyez_model::{EventSeq, JobId, JobUid, NodeKind, NodeRow, ProducerId, SectionId, Time};
use rustc_hash::FxHashMap;

use super::{LONGEST_LINE, Level, LogCursor, LogHit, LogQuery};
use crate::error::StoreError;

/// The number of the kind of events that hold log.
pub(crate) const LOG_TEXT: u16 = LogText::KIND;

/// An event that holds log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogEvent<'e> {
    pub job: JobId,
    pub seq: EventSeq,
    pub producer: ProducerId,
    pub time: Time,
    pub log: &'e LogText,
}

/// An event's lines, as they are shown.
pub(crate) fn each_line(log: &LogText, mut each: impl FnMut(u32, &str)) {
    for (line, number) in String::from_utf8_lossy(&log.text.0).lines().zip(0..) {
        each(number, line);
    }
}

/// What was found, and where it ends.
#[derive(Debug)]
pub(crate) struct Hits<'q> {
    query: &'q LogQuery,
    pub hits: Vec<LogHit>,
    /// The hit after the last that is wanted.
    pub next: Option<LogCursor>,
}

impl<'q> Hits<'q> {
    pub(crate) fn new(query: &'q LogQuery) -> Self {
        Hits { query, hits: Vec::new(), next: None }
    }

    /// All that is wanted is there, and more.
    pub(crate) fn is_full(&self) -> bool {
        self.next.is_some()
    }

    /// Looks at an event's lines, from a line on. Names are put in later: [`Names::put`].
    pub(crate) fn look(&mut self, event: LogEvent<'_>, from: u32) {
        if !self.query.is_in_time(event.time) || self.is_full() {
            return;
        }
        let text = String::from_utf8_lossy(&event.log.text.0);
        for (line, number) in text.lines().zip(0u32..).skip(from as usize) {
            let found = match &self.query.pattern {
                Some(pattern) => match pattern.find(line) {
                    Some(found) => found.start,
                    None => continue,
                },
                None => 0,
            };
            let level = Level::of_line(event.log.level.as_deref(), line);
            if !self.query.levels.fits(level) {
                continue;
            }
            if self.hits.len() >= self.query.wanted() {
                self.next = Some(LogCursor { job: event.job, seq: event.seq, line: number });
                return;
            }
            let text = window(line, found);
            self.hits.push(LogHit {
                job: event.job,
                uid: JobUid::default(),
                name: String::new(),
                seq: event.seq,
                line: number,
                time: event.time,
                section: event.log.id.resolve(event.producer),
                path: String::new(),
                target: None,
                stream: event.log.stream,
                level,
                text: text.to_owned(),
                is_cut: text.len() < line.len(),
            });
        }
    }
}

/// At most [`LONGEST_LINE`] bytes of a line, with what was found at `at`.
fn window(line: &str, at: usize) -> &str {
    if line.len() <= LONGEST_LINE {
        return line;
    }
    let begin = if at < LONGEST_LINE / 2 { 0 } else { at - LONGEST_LINE / 4 };
    let begin = line.ceil_char_boundary(begin.min(line.len() - LONGEST_LINE));
    &line[begin..line.floor_char_boundary(begin + LONGEST_LINE)]
}

/// Where names come from.
pub(crate) trait Nodes {
    /// A job's identity and name.
    fn job(&mut self, job: JobId) -> Result<(JobUid, String), StoreError>;
    /// A node's row.
    fn node(&mut self, job: JobId, id: SectionId) -> Result<Option<NodeRow>, StoreError>;
}

/// The names of what was found, each looked up once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    jobs: FxHashMap<JobId, (JobUid, String)>,
    /// Path and target.
    paths: FxHashMap<(JobId, SectionId), (String, Option<String>)>,
}

/// Deeper trees are named from there on.
const DEEPEST: usize = 100;

impl Names {
    /// Puts names to hits. What cannot be read has none.
    pub(crate) fn put(&mut self, hits: &mut [LogHit], nodes: &mut dyn Nodes) -> Result<(), StoreError> {
        for hit in hits {
            if let std::collections::hash_map::Entry::Vacant(new) = self.jobs.entry(hit.job) {
                new.insert(readable(nodes.job(hit.job))?.unwrap_or_default());
            }
            if let Some((uid, name)) = self.jobs.get(&hit.job) {
                (hit.uid, hit.name) = (*uid, name.clone());
            }
            (hit.path, hit.target) = match self.paths.get(&(hit.job, hit.section)) {
                Some(known) => known.clone(),
                None => {
                    let found = path(hit.job, hit.section, nodes)?;
                    self.paths.insert((hit.job, hit.section), found.clone());
                    found
                }
            };
        }
        Ok(())
    }
}

fn readable<T>(got: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match got {
        Ok(got) => Ok(Some(got)),
        Err(StoreError::Damaged { .. } | StoreError::NoJob(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The names from the test down to a section, and the target among them.
fn path(
    job: JobId,
    section: SectionId,
    nodes: &mut dyn Nodes,
) -> Result<(String, Option<String>), StoreError> {
    let (mut names, mut target, mut at) = (Vec::new(), None, section);
    while names.len() < DEEPEST {
        let Some(row) = readable(nodes.node(job, at))?.flatten() else {
            if names.is_empty() && at.number != 0 {
                names.push(at.to_string());
            }
            break;
        };
        if matches!(row.kind, NodeKind::Job | NodeKind::Run) {
            break;
        }
        if row.r#type == "Target" && target.is_none() {
            target = Some(row.name.clone());
        }
        names.push(row.name);
        at = row.parent;
    }
    names.reverse();
    Ok((names.join("/"), target))
}

/// An event's log, when it holds one.
pub(crate) fn log_of(body: &EventBody) -> Option<&LogText> {
    match body {
        EventBody::LogText(log) => Some(log),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_line_the_part_with_what_was_found_is_given() {
        let line = format!("{}needle{}", "ä".repeat(10_000), "b".repeat(10_000));
        let at = line.find("needle").unwrap();
        for place in [0, at, line.len() - 1] {
            let part = window(&line, place);
            assert!(part.len() <= LONGEST_LINE && part.len() > LONGEST_LINE - 8);
            let begin = part.as_ptr() as usize - line.as_ptr() as usize;
            assert!((begin..=begin + part.len()).contains(&place));
        }
        assert!(window(&line, at).contains("needle"));
        assert_eq!(window("short", 3), "short");
    }
}
