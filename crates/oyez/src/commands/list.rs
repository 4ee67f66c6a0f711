//! `oyez list`: the jobs in the store.

use std::io::Write;

use oyez_model::{JobState, Time};
use oyez_server::http::api::types::Job;
use oyez_store::{JobFilter, JobInfo, Store};

use crate::error::{CommandError, Outcome};
use crate::remote::{Server, Where, job};
use crate::{exit, place, reap, show};

/// List jobs, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez list
  oyez list --state Failed,Cancelled --limit 100
  oyez list --tag nightly --format json | jq '.[] | select(.complete != \"yes\") | .id'")]
pub struct Args {
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: place::Place,
    /// Only jobs in one of these states: Queued, Started, Completed, Failed, Paused, Cancelled, ...
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    state: Vec<JobState>,
    /// Only jobs with all of these tags
    #[arg(long, value_delimiter = ',')]
    tag: Vec<String>,
    /// Only jobs with this guid
    #[arg(long)]
    guid: Option<String>,
    /// Only jobs that this server took
    #[arg(long, value_name = "NAME")]
    of_server: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How to print a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table
    #[default]
    Human,
    /// One JSON array
    Json,
    /// One JSON object on each line
    Jsonl,
}

/// Lists them.
pub fn run(args: Args) -> Outcome {
    let jobs = match args.remote.server(&args.place)? {
        Some(server) => remote(&args, &server)?,
        None => place::runtime()?.block_on(local(&args))?,
    };
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => table(out, &jobs)?,
        Format::Json => {
            let all: Vec<_> = jobs.iter().map(json).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&all).unwrap_or_default())?;
        }
        Format::Jsonl => jobs.iter().try_for_each(|job| writeln!(out, "{}", json(job)))?,
    }
    let damaged: Vec<_> = jobs.iter().filter_map(|job| job.damage.as_deref()).collect();
    damaged.iter().for_each(|damage| tell!("{} {}", show::error_mark(), show::safe(damage)));
    Ok(if damaged.is_empty() { exit::SUCCESS } else { exit::INCOMPLETE })
}

/// Whether there is a store, or what could never be one.
fn has_store_or_is_none(folder: &std::path::Path) -> bool {
    folder.is_file() || folder.join(oyez_store::sqlite::FILE).exists()
}

async fn local(args: &Args) -> Result<Vec<JobInfo>, CommandError> {
    let store = match args.place.look() {
        // Nothing there yet is an empty list, not a mistake.
        Err(CommandError::Usage(_)) if !has_store_or_is_none(&args.place.folder()?) => {
            return Ok(Vec::new());
        }
        other => other?,
    };
    // A store that can only be read is shown as it is.
    let _ = reap::reap(&*store).await;
    let filter = JobFilter {
        states: args.state.clone(),
        tags: args.tag.clone(),
        guid: args.guid.clone(),
        server: args.of_server.clone(),
        limit: args.limit,
        ..JobFilter::default()
    };
    Ok(store.jobs(filter).await?)
}

fn remote(args: &Args, server: &Server) -> Result<Vec<JobInfo>, CommandError> {
    let states = args.state.iter().map(|state| ("state", state.to_string()));
    let tags = args.tag.iter().map(|tag| ("tag", tag.clone()));
    let guid = args.guid.iter().map(|guid| ("guid", guid.clone()));
    let of_server = args.of_server.iter().map(|name| ("server", name.clone()));
    let query: Vec<_> = states.chain(tags).chain(guid).chain(of_server).collect();
    Ok(server.list(&query, args.limit)?.iter().map(job::info).collect())
}

/// A job as an object: the same in every command that prints one, and from the API.
#[must_use]
pub fn json(info: &JobInfo) -> serde_json::Value {
    // A struct of texts and numbers can always be said in JSON.
    serde_json::to_value(Job::from(info)).unwrap_or_default()
}

fn table(out: &mut dyn Write, jobs: &[JobInfo]) -> Result<(), CommandError> {
    if jobs.is_empty() {
        writeln!(out, "no jobs")?;
        return Ok(());
    }
    let head = format!(
        "{:>6}  {:<19}  {:<12}  {:<9}  {:>9}  {:>8}  NAME",
        "ID", "SUBMITTED", "STATE", "COMPLETE", "CASES", "TIME"
    );
    writeln!(out, "{}", console::style(head).bold())?;
    for info in jobs {
        let row = &info.row;
        let took = match (row.started, row.ended) {
            (Some(from), Some(to)) => show::span(to.since(from)),
            (Some(from), None) => show::span(now().since(from)),
            _ => String::new(),
        };
        let cases = match row.counts.bad() {
            0 => row.counts.total().to_string(),
            bad => format!("{bad}/{}", row.counts.total()),
        };
        let verdict = match info.damage {
            Some(_) => console::style("DAMAGED").red().bold().to_string(),
            None => show::verdict(row, false),
        };
        let state = console::pad_str(&verdict, 12, console::Alignment::Left, None).into_owned();
        writeln!(
            out,
            "{:>6}  {:<19}  {state}  {:<9}  {cases:>9}  {took:>8}  {}",
            info.id,
            show::moment(row.submitted),
            row.complete.as_str(),
            show::fit(&row.name, 60)
        )?;
    }
    Ok(())
}

fn now() -> Time {
    use oyez_store::Clock;
    oyez_store::SystemClock.now()
}
