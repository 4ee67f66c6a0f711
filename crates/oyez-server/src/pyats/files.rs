//! The result files in the run's folder.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use oyez_wire::pyats::session::Files;
use oyez_wire::pyats::tree::Tree;

/// What `generate_report` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Results {
    /// `results.json`.
    #[default]
    Json,
    /// `results.yaml`.
    Yaml,
}

/// Files as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnDisk;

impl Files for OnDisk {
    fn size(&self, path: &str) -> io::Result<u64> {
        std::fs::metadata(path).map(|about| about.len())
    }
}

pub(super) fn write_results(tree: &Tree, folder: &Path, results: Results) -> io::Result<()> {
    match results {
        Results::Json => whole(folder, "results.json", |to| oyez_report::pyats::json(tree, to)),
        Results::Yaml => whole(folder, "results.yaml", |to| oyez_report::pyats::yaml(tree, to)),
    }
}

pub(super) fn write_xml(tree: &Tree, folder: &Path) -> io::Result<()> {
    whole(folder, "ResultsDetails.xml", |to| oyez_report::pyats::details_xml(tree, to))?;
    whole(folder, "ResultsSummary.xml", |to| oyez_report::pyats::summary_xml(tree, to))
}

/// Writes a file that appears whole or not at all.
fn whole(folder: &Path, name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let part = folder.join(format!(".{name}.part"));
    let mut to = BufWriter::with_capacity(1 << 16, File::create(&part)?);
    let written = write(&mut to).and_then(|()| to.flush());
    match written {
        Ok(()) => std::fs::rename(&part, folder.join(name)),
        Err(e) => {
            let _ = std::fs::remove_file(&part);
            Err(e)
        }
    }
}

/// Whether a process of this number runs.
pub(super) fn is_running(pid: &str) -> bool {
    pid.parse::<u32>().is_ok_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}
