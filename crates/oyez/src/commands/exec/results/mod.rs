//! Test results that the command left in files: found, read, and recorded as tests of its run.

mod junit;
mod ocp;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use oyez_model::SectionRef;
use oyez_model::event::SourceCut;

use super::record::Recorder;
use crate::error::CommandError;

/// Files that one glob may name.
const FILES: usize = 100_000;
/// A file's time may be a little older than the run: some file systems keep whole seconds only.
const SLACK: Duration = Duration::from_secs(2);

/// What a file's bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Junit,
    Ocp,
}

/// The formats by their names, each with a file's name as an example.
const FORMATS: [(&str, Format, &str); 2] =
    [("junit", Format::Junit, "report.xml"), ("ocp", Format::Ocp, "report.jsonl")];

/// A format and the files that are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    format: Format,
    pattern: String,
}

impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, pattern)) = text.split_once('=') else {
            return Err(format!("'{text}' is not FORMAT=FILE; for example junit={text}"));
        };
        let Some((_, format, example)) = FORMATS.iter().find(|(known, ..)| *known == name) else {
            let known = FORMATS.map(|(known, ..)| known).join(", ");
            return Err(format!("'{name}' is not a format that can be read; known: {known}"));
        };
        if pattern.is_empty() {
            return Err(format!("which file? for example --parse {name}={example}"));
        }
        glob::Pattern::new(pattern).map_err(|e| format!("'{pattern}' is not a file or glob: {e}"))?;
        Ok(Source { format: *format, pattern: pattern.to_owned() })
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
            Ok(file) => match source.format {
                Format::Junit => junit::read(recorder, file, &name, nodes).await?,
                Format::Ocp => ocp::read(recorder, file, &name, nodes).await?,
            },
            Err(e) => recorder.push(cut(format!("{name} cannot be read: {e}"))),
        }
    }
    Ok(())
}

fn is_older(path: &Path, began: SystemTime) -> bool {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified());
    changed.is_ok_and(|changed| changed + SLACK < began)
}
