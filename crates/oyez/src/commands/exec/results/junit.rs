//! JUnit XML: each suite with cases becomes a test.

use std::fs::File;
use std::io::BufReader;

use oyez_model::SectionRef;
use oyez_model::event::SourceCut;
use oyez_store::{Clock, SystemClock};
use oyez_wire::formats::junit::{JunitError, Reader, Tests};

use crate::commands::exec::job;
use crate::commands::exec::record::Recorder;
use crate::error::CommandError;

/// Reads and records a file.
///
/// # Errors
/// The store's own trouble.
pub(super) async fn read(
    recorder: &mut Recorder,
    file: File,
    name: &str,
    nodes: &mut u64,
) -> Result<(), CommandError> {
    let mut tests = Tests::new(SectionRef::own(job::RUN), *nodes, SystemClock.now());
    let mut reader = Reader::new(BufReader::with_capacity(1 << 16, file));
    let mut failed: Option<JunitError> = None;
    loop {
        match reader.next() {
            None => break,
            Some(Ok(item)) => tests.item(item, &mut |body| recorder.push(body)),
            Some(Err(e)) => {
                failed = Some(e);
                break;
            }
        }
        recorder.make_room().await?;
    }
    let unfinished = reader.unfinished().cloned();
    tests.end(unfinished, &mut |body| recorder.push(body));
    *nodes = tests.nodes();
    if let Some(e) = failed {
        recorder.push(SourceCut { id: SectionRef::own(job::TEST), reason: format!("{name}: {e}") });
    }
    Ok(())
}
