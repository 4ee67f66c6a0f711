//! `oyez status`: where one job stands.

use std::io::Write;

use oyez_model::{JobState, Outcome as Ended, Time};
use oyez_server::http::api::tests;
use oyez_server::http::api::types::{Test, Tests};
use oyez_store::{Clock, JobInfo, Store, SystemClock};

use crate::commands::list;
use crate::error::{CommandError, Outcome};
use crate::remote::{Where, job};
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
    remote: Where,
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

/// Shows it.
pub fn run(args: &Args) -> Outcome {
    let (info, tests) = match args.remote.server(&args.place)? {
        Some(server) => {
            let job = server.job(&args.id)?;
            let tests = server.tests(&job.id.to_string())?;
            (job::info(&job), tests)
        }
        None => place::runtime()?.block_on(local(args))?,
    };
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => human(out, &info, &tests)?,
        _ => {
            let mut job = list::json(&info);
            let attempts = tests.tests.iter().filter(|test| test.kind == "test");
            job["tests"] = attempts.map(|test| serde_json::to_value(test).unwrap_or_default()).collect();
            match args.format {
                Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&job).unwrap_or_default())?,
                _ => writeln!(out, "{job}")?,
            }
        }
    }
    Ok(if info.row.state.is_final() { exit::of_job(&info.row) } else { exit::SUCCESS })
}

async fn local(args: &Args) -> Result<(JobInfo, Tests), CommandError> {
    let store = args.place.look()?;
    let _ = reap::reap(&*store).await;
    let id = which::one(&*store, &args.id).await?;
    let tests = reports::with_reader(&*store, id, |reader| Ok(tests::of(reader, tests::USUAL)?)).await?;
    Ok((store.job(id).await?, tests))
}

fn human(out: &mut dyn Write, info: &JobInfo, tests: &Tests) -> Result<(), CommandError> {
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
    if let Some(server) = &row.server_id {
        fact("server", &show::safe(server))?;
    }
    if !row.state.is_final() {
        match (&info.owner, &row.server_id) {
            (Some((owner, _)), _) => fact("run by", &owner.to_string())?,
            (None, _) if row.state == JobState::Paused => {
                fact("run by", &format!("nobody now: `oyez resume {}` lets it go on", info.id))?;
            }
            (None, Some(_)) if row.state == JobState::Queued => {
                fact("run by", "nobody yet: it waits for its turn")?
            }
            (None, Some(_)) => fact("run by", "nobody now: a server on this store takes it up")?,
            (None, None) => {}
        }
    }
    fact("submitted", &format!("{} by {}", show::moment(row.submitted), show::safe(&row.requestor)))?;
    let to = row.ended.unwrap_or_else(|| SystemClock.now());
    fact("took", &row.started.map_or_else(|| "not started".to_owned(), |from| show::span(to.since(from))))?;
    for (i, line) in show::completeness(&row.complete).iter().enumerate() {
        fact(if i == 0 { "complete" } else { "" }, line)?;
    }
    fact("cases", &show::cases(row))?;
    for test in &tests.tests {
        match test.kind.as_str() {
            "run" => writeln!(out, "\n  {}", console::style(show::safe(&test.name)).bold())?,
            _ => line(out, test)?,
        }
    }
    if tests.more {
        let id = info.id;
        writeln!(out, "    ... and more: `oyez report {id} --format html --out report.html` has them all")?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, test: &Test) -> Result<(), CommandError> {
    let outcome = test.outcome.as_ref().and_then(|word| word.parse::<Ended>().ok());
    let word = outcome.map_or(if test.open { "running" } else { "no outcome" }, |o| o.as_str());
    let mut name = show::fit(&test.name, 60);
    if test.attempt > 0 || test.retried {
        name += &format!(" (attempt {})", test.attempt + 1);
    }
    let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Time>().ok());
    let took = match (time(&test.started), time(&test.stopped)) {
        (Some(from), Some(to)) => show::span(to.since(from)),
        _ => String::new(),
    };
    let shown = show::colour(outcome).apply_to(format!("{word:<10}"));
    let counts = job::counts(&test.counts);
    let cases = match counts.total() {
        0 => String::new(),
        _ => show::counts(&counts, false),
    };
    writeln!(out, "    {shown} {took:>8}  {name}  {cases}")?;
    if !test.reason.is_empty() && outcome.is_some_and(|o| !o.is_good()) {
        writeln!(out, "               {}", show::fit(test.reason.lines().next().unwrap_or_default(), 100))?;
    }
    Ok(())
}
