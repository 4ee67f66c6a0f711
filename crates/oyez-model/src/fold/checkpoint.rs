//! The live state in bytes, so that a reader or a restarted writer folds only what came after it.
//!
//! A checkpoint is a cache: it can be dropped, the fold from the first event makes the same. One of another version is
//! not read.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::complete::Tally;
use super::{Live, OpenNode};
use crate::event::{RecordWriter, Records, encode_body};
use crate::ids::{EventSeq, ProducerId, SectionId};
use crate::outcome::{Counts, Outcome};
use crate::row::{JobRow, NodeRow, ProducerRow};

const VERSION: u32 = 1;

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
#[error("a checkpoint is damaged or of another version: fold from the first event instead")]
pub struct CheckpointError;

#[derive(Encode, Decode)]
struct Node {
    #[n(0)]
    id: SectionId,
    #[n(1)]
    row: ByteVec,
    #[n(2)]
    rolled: Option<Outcome>,
    #[n(3)]
    open_children: u32,
    #[n(4)]
    ended: bool,
    #[n(5)]
    waiting: bool,
    #[n(6)]
    cases: Option<Counts>,
}

#[derive(Encode, Decode)]
struct Pending {
    #[n(0)]
    node: SectionId,
    #[n(1)]
    seqs: Vec<EventSeq>,
    #[n(2)]
    records: ByteVec,
}

#[derive(Encode, Decode)]
struct Checkpoint {
    #[n(0)]
    version: u32,
    #[n(1)]
    job: JobRow,
    #[n(2)]
    key_seed: u64,
    #[n(3)]
    last_seq: EventSeq,
    #[n(4)]
    producers: Vec<ProducerRow>,
    #[n(5)]
    nodes: Vec<Node>,
    #[n(6)]
    waiting: Vec<(SectionId, Vec<SectionId>)>,
    #[n(7)]
    pending: Vec<Pending>,
    #[n(8)]
    tally: Tally,
    #[n(9)]
    final_reports: (u64, u64),
    #[n(10)]
    run_reports: (u64, u64),
    #[n(11)]
    closer: ProducerId,
}

impl Live {
    /// The live state in bytes.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let epoch = self.epoch();
        let mut producers: Vec<ProducerRow> = self.producers.values().cloned().collect();
        producers.sort_unstable_by_key(|p| p.id);
        let mut nodes: Vec<Node> = self
            .nodes
            .iter()
            .map(|(id, n)| Node {
                id: *id,
                row: n.row.pack(epoch).into(),
                rolled: n.rolled,
                open_children: n.open_children,
                ended: n.ended,
                waiting: n.waiting,
                cases: n.cases.as_deref().copied(),
            })
            .collect();
        nodes.sort_unstable_by_key(|n| n.id);
        let mut waiting: Vec<(SectionId, Vec<SectionId>)> =
            self.waiting.iter().map(|(id, children)| (*id, children.clone())).collect();
        waiting.sort_unstable();
        let mut pending: Vec<Pending> =
            self.pending.iter().map(|(node, events)| pend(*node, events)).collect();
        pending.sort_unstable_by_key(|p| p.node);
        let whole = Checkpoint {
            version: VERSION,
            job: self.job.clone(),
            key_seed: self.key_seed,
            last_seq: self.last_seq,
            producers,
            nodes,
            waiting,
            pending,
            tally: self.tally.clone(),
            final_reports: self.final_reports,
            run_reports: self.run_reports,
            closer: self.closer,
        };
        let mut out = Vec::new();
        // Writing CBOR into a vector cannot fail.
        let _ = minicbor::encode(&whole, &mut out);
        out
    }

    /// The live state from its bytes.
    ///
    /// # Errors
    /// [`CheckpointError`]: fold from the first event instead.
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Live, CheckpointError> {
        let whole: Checkpoint = minicbor::decode(bytes).map_err(|_| CheckpointError)?;
        if whole.version != VERSION {
            return Err(CheckpointError);
        }
        let epoch = whole.job.submitted;
        let rooted = whole.nodes.iter().any(|n| n.id == SectionId::ROOT);
        let mut live = Live::new();
        for n in whole.nodes {
            let row = NodeRow::unpack(n.id, epoch, &n.row).ok_or(CheckpointError)?;
            let node = OpenNode {
                row,
                rolled: n.rolled,
                open_children: n.open_children,
                ended: n.ended,
                waiting: n.waiting,
                cases: n.cases.map(Box::new),
            };
            live.nodes.insert(n.id, node);
        }
        if !rooted {
            return Err(CheckpointError);
        }
        for p in whole.pending {
            let mut events = Vec::with_capacity(p.seqs.len().min(1024));
            let records = Records::new(&p.records).map_err(|_| CheckpointError)?;
            for (record, seq) in records.zip(p.seqs) {
                events.push((seq, record.map_err(|_| CheckpointError)?.event()));
            }
            live.pending_count += events.len();
            live.pending.insert(p.node, events);
        }
        live.waiting_count = whole.waiting.iter().map(|(_, children)| children.len()).sum();
        live.waiting = whole.waiting.into_iter().collect();
        live.producers = whole.producers.into_iter().map(|p| (p.id, p)).collect();
        live.job = whole.job;
        live.key_seed = whole.key_seed;
        live.last_seq = whole.last_seq;
        live.tally = whole.tally;
        live.final_reports = whole.final_reports;
        live.run_reports = whole.run_reports;
        live.closer = whole.closer;
        Ok(live)
    }
}

fn pend(node: SectionId, events: &[(EventSeq, crate::event::Event)]) -> Pending {
    let mut records = RecordWriter::new();
    let mut body = Vec::new();
    for (_, event) in events {
        body.clear();
        encode_body(&event.body, &mut body);
        records.push(event.producer, event.number, event.time, event.body.kind(), &body);
    }
    Pending { node, seqs: events.iter().map(|(seq, _)| *seq).collect(), records: records.take().into() }
}
