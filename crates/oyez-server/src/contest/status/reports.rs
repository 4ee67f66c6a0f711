//! What reporters said: those of runs, a list for each run, then the final ones.

use oyez_model::event::{EventBody, Report};
use oyez_model::{EventSeq, NodeRow, RunNumber, Time};
use oyez_store::{JobReader, tree};
use oyez_wire::contest::status::{self, Items};

use super::{READ_AT_ONCE, StatusError};
use crate::contest::spool::Spool;

/// Writes both lists, and the end of the reply.
pub(super) fn write(reader: &dyn JobReader, root: &NodeRow, out: &mut Spool) -> Result<(), StatusError> {
    let job = reader.id();
    status::run_reports(out.buffer(), job);
    let mut runs = status::items();
    let mut open: Option<(RunNumber, Items)> = None;
    let mut finals = Vec::new();
    each(reader, root, &mut |seq, time, report| {
        let Some(run) = report.run else {
            finals.push(seq);
            return Ok(());
        };
        let buffer = out.buffer();
        let (_, mut items) = match open.take() {
            Some(same) if same.0 == run => same,
            other => {
                if let Some((_, items)) = other {
                    items.close(buffer);
                }
                runs.next(buffer);
                (run, status::items())
            }
        };
        items.next(buffer);
        status::report(buffer, job, time, report);
        open = Some((run, items));
        Ok(out.settle()?)
    })?;
    if let Some((_, items)) = open {
        items.close(out.buffer());
    }
    runs.close(out.buffer());
    status::final_reports(out.buffer());
    let mut items = status::items();
    for seqs in finals.chunks(READ_AT_ONCE) {
        for (_, event) in reader.events_at(seqs)? {
            if let EventBody::Report(report) = &event.body {
                items.next(out.buffer());
                status::report(out.buffer(), job, event.time, report);
            }
        }
    }
    items.close(out.buffer());
    status::end(out.buffer());
    Ok(out.settle()?)
}

/// Shows each report, in the order in which they were made.
fn each(
    reader: &dyn JobReader,
    root: &NodeRow,
    see: &mut dyn FnMut(EventSeq, Time, &Report) -> Result<(), StatusError>,
) -> Result<(), StatusError> {
    for page in 0.. {
        let Some(hangs) = tree::hangs(reader, root, page)? else { break };
        let seqs: Vec<EventSeq> = hangs.iter().filter(|hang| !hang.is_log).map(|hang| hang.seq).collect();
        for seqs in seqs.chunks(READ_AT_ONCE) {
            for (seq, event) in reader.events_at(seqs)? {
                if let EventBody::Report(report) = &event.body {
                    see(seq, event.time, report)?;
                }
            }
        }
    }
    Ok(())
}
