//! Searching without an index: every line is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use oyez_model::{EventSeq, JobId, JobUid, NodeRow, SectionId};

use super::job::MemoryJob;
use crate::error::StoreError;
use crate::search::lines::{Hits, LogEvent, Names, Nodes, log_of};
use crate::search::{LogCursor, LogPage, LogQuery, TagCount, TagFilter};

/// What fits, of all these jobs; the first has the number 1.
pub(super) fn logs(jobs: &[Arc<MemoryJob>], query: &LogQuery) -> Result<LogPage, StoreError> {
    let number = |i: usize| JobId(i as u64 + 1);
    if let Some(job) = query.job
        && !(1..=jobs.len() as u64).contains(&job.0)
    {
        return Err(StoreError::NoJob(job));
    }
    let (mut hits, mut left, mut stopped) = (Hits::new(query), query.effort, None);
    'jobs: for (i, job) in jobs.iter().enumerate().rev() {
        let id = number(i);
        let tags = job.live.job_row().tags;
        if query.job.is_some_and(|wanted| wanted != id)
            || query.from.is_some_and(|from| id > from.job)
            || !query.tags.iter().all(|tag| tags.contains(tag))
        {
            continue;
        }
        let from = query.from.filter(|from| from.job == id).unwrap_or(LogCursor::of(id));
        for (event, seq) in
            job.events.iter().zip(1..).skip(usize::try_from(from.seq.0.max(1) - 1).unwrap_or(usize::MAX))
        {
            let Some(log) = log_of(&event.body) else { continue };
            if left == 0 {
                stopped = Some(LogCursor { job: id, seq: EventSeq(seq), line: 0 });
                break 'jobs;
            }
            left = left.saturating_sub(log.text.0.len() as u64);
            let line = if from.seq.0 == seq { from.line } else { 0 };
            let event =
                LogEvent { job: id, seq: EventSeq(seq), producer: event.producer, time: event.time, log };
            hits.look(event, line);
            if hits.is_full() {
                break 'jobs;
            }
        }
    }
    let next = hits.next.or(stopped);
    let mut hits = hits.hits;
    Names::default().put(&mut hits, &mut All(jobs))?;
    Ok(LogPage { hits, next, notes: Vec::new() })
}

struct All<'j>(&'j [Arc<MemoryJob>]);

impl All<'_> {
    fn at(&self, job: JobId) -> Result<&MemoryJob, StoreError> {
        let i = usize::try_from(job.0).ok().and_then(|i| i.checked_sub(1));
        i.and_then(|i| self.0.get(i)).map(|job| &**job).ok_or(StoreError::NoJob(job))
    }
}

impl Nodes for All<'_> {
    fn job(&mut self, job: JobId) -> Result<(JobUid, String), StoreError> {
        let row = self.at(job)?.live.job_row();
        Ok((row.uid, row.name))
    }

    fn node(&mut self, job: JobId, id: SectionId) -> Result<Option<NodeRow>, StoreError> {
        let job = self.at(job)?;
        Ok(job.live.open_row(id).or_else(|| job.kept.nodes.get(&id).cloned()))
    }
}

/// The tags of all these jobs.
pub(super) fn tags(jobs: &[Arc<MemoryJob>], filter: &TagFilter) -> Vec<TagCount> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for job in jobs {
        for tag in job.live.job_row().tags {
            *counts.entry(tag).or_default() += 1;
        }
    }
    let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
    let fits = |name: &str| {
        filter.after.as_ref().is_none_or(|after| name > after.as_str())
            && filter.pattern.as_ref().is_none_or(|pattern| pattern.find(name).is_some())
    };
    let found = counts.into_iter().filter(|(name, _)| fits(name)).take(limit);
    found.map(|(name, jobs)| TagCount { name, jobs }).collect()
}
