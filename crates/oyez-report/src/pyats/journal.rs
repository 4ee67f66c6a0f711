//! The files of any job, from its journal.

use std::io::Write;

use oyez_model::EventSeq;
use oyez_store::JobReader;
use oyez_wire::pyats::tree::Tree;

use crate::error::ReportError;
use crate::format::Format;

/// Events that are read at once.
const PAGE: usize = 4096;

/// The report's tree, folded from the job's events.
///
/// It is held as a whole: pyATS's files have children in the middle of their parents, and results above what they come
/// from.
pub(crate) fn tree_of(reader: &dyn JobReader) -> Result<Tree, ReportError> {
    let mut tree = Tree::new();
    let mut after = EventSeq(0);
    loop {
        let page = reader.events_after(after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(tree) };
        after = *last;
        page.iter().for_each(|(_, event)| tree.apply(event));
    }
}

/// Writes one of pyATS's files.
pub(crate) fn write(tree: &Tree, format: Format, to: &mut dyn Write) -> Result<(), ReportError> {
    let done = match format {
        Format::PyatsYaml => super::yaml(tree, to),
        Format::PyatsXml => super::details_xml(tree, to),
        Format::PyatsSummary => super::summary_xml(tree, to),
        _ => super::json(tree, to),
    };
    done.map_err(|source| ReportError::Write { format, source })
}
