//! What is said about a job at its end, and about a descriptor that is no job: the same from `run` and from `submit`.

use std::io::Write;
use std::path::Path;

use oyez_model::event::{EventBody, Report};
use oyez_server::http::problem::DescriptorError;
use oyez_store::{JobInfo, JobReader, StoreError, tree};

use crate::error::CommandError;
use crate::show;

/// Lines of reporters that are shown.
const LINES: usize = 20;

/// Says all that is wrong with a descriptor, each on a line; how many errors there are.
pub fn wrong(name: &str, errors: &[DescriptorError]) -> usize {
    for e in errors {
        let mark = if e.severity == "error" { show::error_mark() } else { show::warning_mark() };
        let place = match (e.line, e.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            _ => String::new(),
        };
        let path = if e.path.is_empty() { String::new() } else { format!(" {}:", show::safe(&e.path)) };
        tell!("{mark} {name}{place}:{path} {}", show::safe(&e.message));
        if let Some(hint) = &e.hint {
            tell!("       hint: {}", show::line(hint));
        }
    }
    errors.iter().filter(|e| e.severity == "error").count()
}

/// The last reports of a job.
///
/// # Errors
/// The store cannot be read.
pub fn reports(reader: &dyn JobReader) -> Result<Vec<Report>, StoreError> {
    let root = tree::root(reader)?;
    // An endless job has many reports: the last ones are what a person wants to see here.
    let Some(hangs) = tree::hangs(reader, &root, root.hang_segments)? else { return Ok(Vec::new()) };
    let seqs: Vec<_> = hangs.iter().map(|hang| hang.seq).collect();
    let of_event = |body| match body {
        EventBody::Report(report) => Some(report),
        _ => None,
    };
    Ok(reader.events_at(&seqs)?.into_iter().filter_map(|(_, event)| of_event(event.body)).collect())
}

/// What each reporter said, as lines; the last of them.
fn lines(reports: &[Report]) -> Vec<String> {
    let mut out = Vec::new();
    for report in reports {
        let whose = report.run.map_or_else(|| "job".to_owned(), |run| format!("run {run}"));
        let mark = if report.success { console::style("✓").green() } else { console::style("✗").red() };
        let texts = match (serde_json::from_str(&report.data.0), &report.error) {
            (_, Some(error)) => vec![error.clone()],
            (Ok(serde_json::Value::Array(items)), None) => items.iter().map(plain).collect(),
            (Ok(serde_json::Value::Null), None) => vec!["nothing to report on".to_owned()],
            (Ok(other), None) => vec![plain(&other)],
            (Err(_), None) => vec![report.data.0.clone()],
        };
        let head = format!("{mark} {whose}, {}", show::safe(&report.reporter));
        if let [text] = &texts[..] {
            out.push(format!("{head}: {}", show::fit(text, 200)));
        } else {
            out.push(head);
            out.extend(texts.iter().map(|text| format!("    {}", show::fit(text, 200))));
        }
    }
    let first = out.len().saturating_sub(LINES);
    out.split_off(first)
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The last lines of a job; `out` is where its documents are.
///
/// # Errors
/// Nobody reads them any more.
pub fn say(
    to: &mut dyn Write,
    info: &JobInfo,
    reports: &[Report],
    out: Option<&Path>,
) -> Result<(), CommandError> {
    for line in lines(reports) {
        writeln!(to, "{line}")?;
    }
    let row = &info.row;
    let took = match (row.started, row.ended) {
        (Some(from), Some(end)) => format!(" after {}", show::span(end.since(from))),
        _ => String::new(),
    };
    writeln!(to, "{}{took}: {}", show::verdict(row, false), show::cases(row))?;
    if let Some(error) = &row.error {
        writeln!(to, "  {}", show::safe(error))?;
    }
    if !row.complete.gaps().is_empty() {
        writeln!(to, "the report is not complete:")?;
        for gap in row.complete.gaps() {
            writeln!(to, "  {}", show::safe(&gap.text))?;
        }
    }
    if let Some(out) = out {
        writeln!(to, "report: {}", out.join(oyez_report::Format::Html.file_name()).display())?;
    }
    Ok(())
}
