//! One pass, several documents.

use std::io::Write;

use oyez_store::JobReader;

use crate::ctrf::Ctrf;
use crate::error::ReportError;
use crate::facts::Facts;
use crate::format::Format;
use crate::html::Html;
use crate::json::JsonReport;
use crate::junit::Junit;
use crate::markdown::Markdown;
use crate::options::Options;
use crate::pyats;
use crate::tap::Tap;
use crate::walk::{Visitor, walk};

/// Writes several documents about one job in one pass over it, and one over its journal when files of pyATS are among
/// them. It blocks: call it from a thread that may.
///
/// The writers get pieces of 64 KiB and more and are flushed at the end; a buffer before them is of no use.
///
/// # Errors
/// [`ReportError::Store`] when the job cannot be read, [`ReportError::Write`] when a document cannot be written. What
/// was written by then is no whole document: write to a temporary file and rename it.
pub fn write_reports(
    reader: &dyn JobReader,
    outputs: &mut [(Format, &mut dyn Write)],
    options: &Options<'_>,
) -> Result<(), ReportError> {
    if outputs.iter().any(|(format, _)| format.is_pyats()) {
        let tree = pyats::tree_of(reader)?;
        for (format, to) in outputs.iter_mut().filter(|(format, _)| format.is_pyats()) {
            pyats::write(&tree, *format, *to)?;
        }
    }
    if outputs.iter().all(|(format, _)| format.is_pyats()) {
        return Ok(());
    }
    let facts = Facts::load(reader, options)?;
    let mut visitors: Vec<(Format, Box<dyn Visitor + '_>)> = Vec::with_capacity(outputs.len());
    for (format, to) in outputs.iter_mut().filter(|(format, _)| !format.is_pyats()) {
        let visitor: Box<dyn Visitor + '_> = match format {
            Format::Junit => Box::new(Junit::new(*to, options)),
            Format::Markdown => Box::new(Markdown::new(*to, options)),
            Format::Html => Box::new(Html::new(*to, reader, &facts, options)?),
            Format::Ctrf => Box::new(Ctrf::new(*to, options)),
            Format::Tap => Box::new(Tap::new(*to, options)),
            // Those of pyATS have been written.
            Format::Json
            | Format::PyatsJson
            | Format::PyatsYaml
            | Format::PyatsXml
            | Format::PyatsSummary => Box::new(JsonReport::new(*to)),
        };
        visitors.push((*format, visitor));
    }
    walk(reader, &facts, options, &mut visitors)
}

/// Writes one document.
///
/// # Errors
/// As [`write_reports`].
pub fn write_report(
    reader: &dyn JobReader,
    format: Format,
    to: &mut dyn Write,
    options: &Options<'_>,
) -> Result<(), ReportError> {
    write_reports(reader, &mut [(format, to)], options)
}
