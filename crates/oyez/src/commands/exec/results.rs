//! Test results that the command left in files: found, read, and recorded as tests of its run.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use oyez_model::SectionRef;
use oyez_model::event::SourceCut;
use oyez_store::{Clock, SystemClock};
use oyez_wire::formats::junit::{JunitError, Reader, Tests};

use super::record::Recorder;
use crate::error::CommandError;

/// Files that one glob may name.
const FILES: usize = 100_000;
/// A file's time may be a little older than the run: some file systems keep whole seconds only.
const SLACK: Duration = Duration::from_secs(2);

/// A format and the files that are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pattern: String,
}

impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("junit", pattern)) if !pattern.is_empty() => {
                glob::Pattern::new(pattern).map_err(|e| format!("'{pattern}' is not a file or glob: {e}"))?;
                Ok(Source { pattern: pattern.to_owned() })
            }
            Some(("junit", _)) => Err("which file? for example --parse junit=report.xml".to_owned()),
            Some((format, _)) => Err(format!("'{format}' is not a format that can be read; known: junit")),
            None => Err(format!("'{text}' is not FORMAT=FILE; for example junit={text}")),
        }
    }
}

/// Reads and records all files of a source. What is missing or cut off makes the report incomplete, and says so.
///
/// # Errors
/// The store's own trouble.
pub async fn read(
    recorder: &mut Recorder,
    source: &Source,
    began: SystemTime,
    nodes: &mut u64,
) -> Result<(), CommandError> {
    let mut found: Vec<PathBuf> = match glob::glob(&source.pattern) {
        Ok(paths) => paths.filter_map(Result::ok).filter(|p| !p.is_dir()).take(FILES + 1).collect(),
        Err(_) => Vec::new(),
    };
    let cut = |reason: String| SourceCut { id: SectionRef::own(super::job::TEST), reason };
    if found.is_empty() {
        recorder.push(cut(format!("no file {} was there when the command had ended", source.pattern)));
        return Ok(());
    }
    if found.len() > FILES {
        recorder
            .push(cut(format!("{} names more than {FILES} files; the rest was not read", source.pattern)));
        found.truncate(FILES);
    }
    for path in found {
        let name = path.display().to_string();
        if is_older(&path, began) {
            recorder.push(cut(format!("{name} is older than this run: it was not read")));
            continue;
        }
        match File::open(&path) {
            Ok(file) => one(recorder, BufReader::with_capacity(1 << 16, file), &name, nodes).await?,
            Err(e) => recorder.push(cut(format!("{name} cannot be read: {e}"))),
        }
    }
    Ok(())
}

fn is_older(path: &Path, began: SystemTime) -> bool {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified());
    changed.is_ok_and(|changed| changed + SLACK < began)
}

async fn one(
    recorder: &mut Recorder,
    file: BufReader<File>,
    name: &str,
    nodes: &mut u64,
) -> Result<(), CommandError> {
    let mut tests = Tests::new(SectionRef::own(super::job::RUN), *nodes, SystemClock.now());
    let mut reader = Reader::new(file);
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
        recorder.push(SourceCut { id: SectionRef::own(super::job::TEST), reason: format!("{name}: {e}") });
    }
    Ok(())
}
