//! `oyez tags`: tags, and the jobs that have one.

use std::io::Write;

use oyez_server::http::api::tags::{Tag, TaggedJob, tagged};
use oyez_store::{JobFilter, Pattern, SqliteStore, Store, TagFilter};

use crate::commands::list::Format;
use crate::error::{CommandError, Outcome};
use crate::remote::Where;
use crate::{exit, place, reap, show};

/// List tags with how many jobs have each, or the jobs with one of them and what was reported of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez tags
  oyez tags '^nightly'
  oyez tags --jobs nightly --limit 5
  oyez tags --jobs nightly --format json --server http://127.0.0.1:8080")]
pub struct Args {
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: place::Place,
    /// Only tags that match this regular expression, in either case
    #[arg(conflicts_with = "jobs")]
    text: Option<String>,
    /// The jobs with this tag, newest first
    #[arg(long, value_name = "TAG")]
    jobs: Option<String>,
    /// At most so many jobs; 0 for all
    #[arg(long, default_value_t = 20, requires = "jobs")]
    limit: usize,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Lists them.
pub fn run(args: &Args) -> Outcome {
    let server = args.remote.server(&args.place)?;
    let pattern = args.text.as_deref().map(Pattern::regex).transpose();
    let pattern = pattern.map_err(|e| CommandError::Usage(e.to_string()))?;
    if let Some(tag) = &args.jobs {
        let jobs = match server {
            Some(server) => server.tag_jobs(tag, args.limit)?,
            None => place::runtime()?.block_on(local_jobs(args, tag))?,
        };
        return print(&jobs, args.format, "no job has it", human_job);
    }
    let tags = match server {
        Some(server) => server.tags(args.text.as_deref())?,
        None => place::runtime()?.block_on(local_tags(args, pattern))?,
    };
    print(&tags, args.format, "no tags", |tag| format!("{:>7}  {}", tag.jobs, show::safe(&tag.name)))
}

/// The local store; nothing there yet is an empty one.
async fn look(args: &Args) -> Result<Option<std::sync::Arc<SqliteStore>>, CommandError> {
    match args.place.look() {
        Err(CommandError::Usage(_)) if !args.place.folder()?.join(oyez_store::sqlite::FILE).exists() => {
            Ok(None)
        }
        Ok(store) => {
            // A store that can only be read is shown as it is.
            let _ = reap::reap(&*store).await;
            Ok(Some(store))
        }
        Err(e) => Err(e),
    }
}

async fn local_tags(args: &Args, pattern: Option<Pattern>) -> Result<Vec<Tag>, CommandError> {
    let Some(store) = look(args).await? else { return Ok(Vec::new()) };
    let tags = store.tags(TagFilter { pattern, ..TagFilter::default() }).await?;
    store.close().await?;
    Ok(tags.into_iter().map(Tag::from).collect())
}

async fn local_jobs(args: &Args, tag: &str) -> Result<Vec<TaggedJob>, CommandError> {
    let Some(store) = look(args).await? else { return Ok(Vec::new()) };
    let filter = JobFilter { tags: vec![tag.to_owned()], limit: args.limit, ..JobFilter::default() };
    let mut jobs = Vec::new();
    for info in &store.jobs(filter).await? {
        jobs.push(tagged(&*store, info).await?);
    }
    store.close().await?;
    Ok(jobs)
}

fn human_job(tagged: &TaggedJob) -> String {
    let job = &tagged.job;
    let said: Vec<String> = tagged
        .reports
        .iter()
        .map(|r| format!("{} {}", show::safe(&r.reporter), if r.success { "success" } else { "failure" }))
        .collect();
    let verdict = job.verdict.as_deref().or(job.outcome.as_deref()).unwrap_or("-");
    let said = if said.is_empty() { "no final report".to_owned() } else { said.join(", ") };
    format!("{:>6}  {:<12}  {verdict:<9}  {}  ({said})", job.id, job.state, show::fit(&job.name, 60))
}

fn print<T: serde::Serialize>(all: &[T], format: Format, none: &str, line: impl Fn(&T) -> String) -> Outcome {
    let out = &mut std::io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(all).unwrap_or_default())?,
        Format::Jsonl => {
            for one in all {
                writeln!(out, "{}", serde_json::to_string(one).unwrap_or_default())?;
            }
        }
        Format::Human if all.is_empty() => writeln!(out, "{none}")?,
        Format::Human => {
            for one in all {
                writeln!(out, "{}", line(one))?;
            }
        }
    }
    Ok(exit::SUCCESS)
}
