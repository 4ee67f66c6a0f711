//! A job in memory at one moment: a copy-on-write handle.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use oyez_model::row::SegmentKind;
use oyez_model::{BlobHash, Event, EventSeq, JobId, Live, NodeKind, NodeRow, SectionId};

use super::job::MemoryJob;
use crate::api::JobReader;
use crate::error::StoreError;

pub(super) struct MemoryReader {
    id: JobId,
    job: Arc<MemoryJob>,
    blobs: Arc<HashMap<BlobHash, Bytes>>,
}

impl MemoryReader {
    pub(super) fn new(id: JobId, job: Arc<MemoryJob>, blobs: Arc<HashMap<BlobHash, Bytes>>) -> Self {
        MemoryReader { id, job, blobs }
    }
}

impl JobReader for MemoryReader {
    fn id(&self) -> JobId {
        self.id
    }

    fn live(&self) -> &Live {
        &self.job.live
    }

    fn nodes(&self, ids: &[SectionId]) -> Result<Vec<NodeRow>, StoreError> {
        let row =
            |id: &SectionId| self.job.live.open_row(*id).or_else(|| self.job.kept.nodes.get(id).cloned());
        Ok(ids.iter().filter_map(row).collect())
    }

    fn segment(&self, node: SectionId, kind: SegmentKind, number: u32) -> Result<Vec<u8>, StoreError> {
        self.job.kept.segments.get(&(node, kind, number)).cloned().ok_or_else(|| StoreError::Damaged {
            what: format!("segment {number} of section {node} of job {}", self.id),
            detail: "it is missing".to_owned(),
        })
    }

    fn events_at(&self, seqs: &[EventSeq]) -> Result<Vec<(EventSeq, Event)>, StoreError> {
        let event = |seq: &EventSeq| {
            let i = usize::try_from(seq.0).ok()?.checked_sub(1)?;
            Some((*seq, self.job.events.get(i)?.clone()))
        };
        Ok(seqs.iter().filter_map(event).collect())
    }

    fn events_after(&self, after: EventSeq, limit: usize) -> Result<Vec<(EventSeq, Event)>, StoreError> {
        let start = usize::try_from(after.0).unwrap_or(usize::MAX);
        let rest = self.job.events.iter().zip(1..).skip(start).take(limit);
        Ok(rest.map(|(event, seq)| (EventSeq(seq), event.clone())).collect())
    }

    fn failures(&self, limit: usize) -> Result<Vec<NodeRow>, StoreError> {
        Ok(self.job.kept.nodes.values().filter(|row| is_leaf_failure(row)).take(limit).cloned().collect())
    }

    fn blob(&self, hash: BlobHash) -> Result<Bytes, StoreError> {
        self.blobs.get(&hash).cloned().ok_or(StoreError::NoBlob(hash))
    }
}

/// A section or test that a person must look at, with no such child of its own.
pub(crate) fn is_leaf_failure(row: &NodeRow) -> bool {
    row.outcome.is_some_and(|o| !o.is_good())
        && row.counts.bad() == 0
        && matches!(row.kind, NodeKind::Section | NodeKind::Test)
        && !row.is_excluded()
}
