//! Output of OCP diagnostics that stands in a file: each run becomes a test, each of its steps a case.

use std::fs::File;
use std::io::Read;

use oyez_model::SectionRef;
use oyez_model::event::{EventBody, OutputDropped, SourceCut};
use oyez_wire::formats::ocp::{Item, Reader, Run};

use crate::commands::exec::job;
use crate::commands::exec::record::Recorder;
use crate::error::CommandError;

/// A file is read up to here.
const MOST_BYTES: u64 = 4 << 30;
/// Of the text between a file's artifacts so much is kept: a file that holds much else is given by mistake, or is a log that
/// is kept anyway.
const MOST_TEXT: usize = 8 << 20;
/// Bytes read at once.
const PIECE: usize = 64 << 10;
/// What was read is kept at the latest after so many bytes.
const FLUSH: u64 = 4 << 20;

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
    let mut output = Output {
        run: Run::of_tests(SectionRef::own(job::RUN), SectionRef::own(job::TEST), 1),
        file: name,
        nodes,
        text: MOST_TEXT,
        dropped: 0,
    };
    let (mut reader, mut file, mut bytes) = (Reader::new(), file.take(MOST_BYTES + 1), vec![0; PIECE]);
    let mut read = 0;
    let cut = loop {
        let n = match file.read(&mut bytes) {
            Ok(0) => break None,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => break Some(format!("reading failed after {read} bytes: {e}")),
        };
        read += n as u64;
        if read > MOST_BYTES {
            break Some(format!(
                "it is longer than the limit of {} GiB: the rest was not read",
                MOST_BYTES >> 30
            ));
        }
        reader.push(&bytes[..n], &mut |item| output.item(item, recorder));
        if read % FLUSH < n as u64 { recorder.flush().await? } else { recorder.make_room().await? }
    };
    reader.end(&mut |item| output.item(item, recorder));
    // What is said of the whole file: it broke off, or is none.
    let reasons = cut.into_iter().chain(output.run.unfinished());
    for reason in reasons {
        recorder.push(SourceCut { id: SectionRef::own(job::TEST), reason: format!("{name}: {reason}") });
    }
    if output.dropped > 0 {
        let why = format!("{name}: more than {} MiB of text between its artifacts", MOST_TEXT >> 20);
        recorder.push(OutputDropped { id: SectionRef::own(job::TEST), bytes: output.dropped, why });
    }
    output.run.end();
    recorder.make_room().await
}

/// What has been read of a file.
struct Output<'o> {
    run: Run,
    file: &'o str,
    nodes: &'o mut u64,
    /// Bytes of text that may still be kept.
    text: usize,
    dropped: u64,
}

impl Output<'_> {
    fn item(&mut self, mut item: Item, recorder: &mut Recorder) {
        if let Item::Text(text) = &mut item {
            let kept = text.len().min(self.text);
            self.text -= kept;
            self.dropped += (text.len() - kept) as u64;
            text.truncate(kept);
            if kept == 0 {
                return;
            }
        }
        let (nodes, file) = (&mut *self.nodes, self.file);
        let mut node = || {
            *nodes += 1;
            *nodes
        };
        self.run.item(item, &mut node, &mut |body| {
            recorder.push(match body {
                EventBody::SourceCut(SourceCut { id, reason }) => {
                    SourceCut { id, reason: format!("{file}: {reason}") }.into()
                }
                other => other,
            });
        });
    }
}
