//! `oyez status`: where one job stands.

use std::io::Write;

use oyez_model::row::Flags;
use oyez_model::{NodeKind, NodeRow};
use oyez_store::{Clock, JobInfo, JobReader, Store, SystemClock, tree};

use crate::commands::list;
use crate::error::{CommandError, Outcome};
use crate::{exit, place, reap, reports, show, which};

/// Show where a job stands: state, verdict, whether its report is complete, its runs and tests.
///
/// Exits with the job's own code once it has ended, and with 0 while it runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez status latest
  oyez status 17 --format json")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// The job: its number, uid, guid, or `latest`
    #[arg(default_value = "latest")]
    id: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How to print a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// One JSON object
    Json,
    /// The same on one line
    Jsonl,
}

/// At most so many tests are listed; the report has them all.
const TESTS: usize = 200;

/// Shows it.
pub fn run(args: &Args) -> Outcome {
    let (info, nodes) = place::runtime()?.block_on(async {
        let store = args.place.look()?;
        let _ = reap::reap(&*store).await;
        let id = which::one(&*store, &args.id).await?;
        let nodes = reports::with_reader(&*store, id, |reader| runs_and_tests(reader)).await?;
        Ok::<_, CommandError>((store.job(id).await?, nodes))
    })?;
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => human(out, &info, &nodes)?,
        _ => {
            let mut job = list::json(&info);
            job["tests"] = nodes.iter().filter(|n| n.kind == NodeKind::Test).map(test_json).collect();
            match args.format {
                Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&job).unwrap_or_default())?,
                _ => writeln!(out, "{job}")?,
            }
        }
    }
    Ok(if info.row.state.is_final() { exit::of_job(&info.row) } else { exit::SUCCESS })
}

fn test_json(test: &NodeRow) -> serde_json::Value {
    serde_json::json!({
        "name": test.name,
        "attempt": test.attempt,
        "outcome": test.outcome,
        "open": test.is_open(),
        "planned": test.planned,
        "counts": test.counts,
        "started": test.started,
        "stopped": test.stopped,
    })
}

fn runs_and_tests(reader: &dyn JobReader) -> Result<Vec<NodeRow>, CommandError> {
    let mut out = Vec::new();
    for runs in tree::children(reader, &tree::root(reader)?) {
        for run in runs? {
            if run.kind == NodeKind::Run {
                out.push(run.clone());
                for tests in tree::children(reader, &run) {
                    out.extend(tests?);
                    if out.len() > TESTS {
                        return Ok(out);
                    }
                }
            }
        }
    }
    Ok(out)
}

fn human(out: &mut dyn Write, info: &JobInfo, nodes: &[NodeRow]) -> Result<(), CommandError> {
    let row = &info.row;
    writeln!(
        out,
        "job {}  {}  {}",
        info.id,
        console::style(show::safe(&row.name)).bold(),
        show::verdict(row, false)
    )?;
    let mut fact = |name: &str, value: &str| writeln!(out, "  {name:<10} {value}");
    fact("uid", &row.uid.to_string())?;
    for guid in &row.guids {
        fact("guid", guid.as_str())?;
    }
    fact("state", row.state.as_str())?;
    if let Some(error) = &row.error {
        fact("error", &show::safe(error))?;
    }
    if let (Some((owner, _)), false) = (&info.owner, row.state.is_final()) {
        fact("run by", &owner.to_string())?;
    }
    fact("submitted", &format!("{} by {}", show::moment(row.submitted), show::safe(&row.requestor)))?;
    let to = row.ended.unwrap_or_else(|| SystemClock.now());
    fact("took", &row.started.map_or_else(|| "not started".to_owned(), |from| show::span(to.since(from))))?;
    for (i, line) in show::completeness(&row.complete).iter().enumerate() {
        fact(if i == 0 { "complete" } else { "" }, line)?;
    }
    fact("cases", &show::cases(row))?;
    for node in nodes {
        match node.kind {
            NodeKind::Run => writeln!(out, "\n  {}", console::style(show::safe(&node.name)).bold())?,
            _ => test(out, node)?,
        }
    }
    if nodes.len() > TESTS {
        writeln!(
            out,
            "    ... and more: `oyez report {} --format html --out report.html` has them all",
            info.id
        )?;
    }
    Ok(())
}

fn test(out: &mut dyn Write, node: &NodeRow) -> Result<(), CommandError> {
    let word = node.outcome.map_or(if node.is_open() { "running" } else { "no outcome" }, |o| o.as_str());
    let mut name = show::fit(&node.name, 60);
    if node.attempt > 0 || node.flags.has(Flags::RETRIED) {
        name += &format!(" (attempt {})", node.attempt + 1);
    }
    let took = node.duration().map(show::span).unwrap_or_default();
    let shown = show::colour(node.outcome).apply_to(format!("{word:<10}"));
    let cases = match node.counts.total() {
        0 => String::new(),
        _ => show::counts(&node.counts, false),
    };
    writeln!(out, "    {shown} {took:>8}  {name}  {cases}")?;
    if !node.reason.is_empty() && node.outcome.is_some_and(|o| !o.is_good()) {
        writeln!(out, "               {}", show::fit(node.reason.lines().next().unwrap_or_default(), 100))?;
    }
    Ok(())
}
