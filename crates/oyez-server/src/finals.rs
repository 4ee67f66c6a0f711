//! What final reporters said of a job.

use oyez_model::event::{EventBody, Report};
use oyez_model::{EventSeq, Time};
use oyez_store::{JobReader, StoreError, tree};

/// Final reports are the last that hang on a job; so many pages of what hangs there are looked through, from the end.
const PAGES: usize = 4;

/// The final reports of a job, in the order in which they were made.
///
/// # Errors
/// The store's own trouble.
pub(crate) fn of(reader: &dyn JobReader) -> Result<Vec<(Time, Report)>, StoreError> {
    let root = tree::root(reader)?;
    let mut found = Vec::new();
    for page in (0..=root.hang_segments).rev().take(PAGES) {
        let Some(hangs) = tree::hangs(reader, &root, page)? else { continue };
        let seqs: Vec<EventSeq> = hangs.iter().filter(|hang| !hang.is_log).map(|hang| hang.seq).collect();
        for (_, event) in reader.events_at(&seqs)?.into_iter().rev() {
            match event.body {
                EventBody::Report(report) if report.run.is_none() => found.push((event.time, report)),
                // Those of runs come before.
                EventBody::Report(_) if !found.is_empty() => {
                    found.reverse();
                    return Ok(found);
                }
                _ => {}
            }
        }
    }
    found.reverse();
    Ok(found)
}
