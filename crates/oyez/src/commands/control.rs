//! `oyez stop`, `pause`, `resume` and `retry`: by a server, or through the journal of the local store, which every process
//! that runs a job reads.

use std::io::Write;

use oyez_model::event::{Control, JobControl, ProducerLeft};
use oyez_model::{EventNumber, JobId, JobState, ProducerId};
use oyez_server::http::api::types::{Asked, Job};
use oyez_store::{Batch, Clock, JobInfo, NewEvent, Store, SystemClock};

use crate::error::{CommandError, Outcome};
use crate::remote::Where;
use crate::{exit, place, reap, show, which};

/// What can be asked of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// End it, with reports.
    Stop,
    /// Halt it.
    Pause,
    /// Let it go on.
    Resume,
    /// Run it again.
    Retry,
}

impl Verb {
    /// As the API and the command line call it.
    const fn name(self) -> &'static str {
        match self {
            Verb::Stop => "stop",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Retry => "retry",
        }
    }
}

/// Which job, and who asks why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job: its number, uid, guid, or `latest`
    id: String,
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: place::Place,
    /// Who asks; kept with the job
    #[arg(long, value_name = "NAME", env = "USER", default_value = "oyez", hide_env_values = true)]
    by: String,
    /// Why; kept with the job
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// How to print the job
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

/// Stop a job: it starts nothing new, ends what runs, cleans up, releases its targets and reports.
///
/// With --server it is asked for there; else in the local store, where the process that runs the job reads it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez stop 17 --why 'wrong firmware'
  oyez stop latest --kill --server http://127.0.0.1:8080")]
pub struct StopArgs {
    #[command(flatten)]
    args: Args,
    /// At once: without clean-up
    #[arg(long)]
    kill: bool,
}

/// Pause a job so that it can go on: where its steps can be interrupted at once, else after the step that runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez pause 17 --why 'the lab is needed' --server http://127.0.0.1:8080")]
pub struct PauseArgs {
    #[command(flatten)]
    args: Args,
}

/// Let a job go on that was paused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez resume 17 --server http://127.0.0.1:8080")]
pub struct ResumeArgs {
    #[command(flatten)]
    args: Args,
}

/// Run a job again: a new job from the same request, linked to the first. Needs a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez retry 17 --server http://127.0.0.1:8080")]
pub struct RetryArgs {
    #[command(flatten)]
    args: Args,
}

/// Stops it.
pub fn stop(args: StopArgs) -> Outcome {
    run(args.args, Verb::Stop, args.kill)
}

/// Pauses it.
pub fn pause(args: PauseArgs) -> Outcome {
    run(args.args, Verb::Pause, false)
}

/// Lets it go on.
pub fn resume(args: ResumeArgs) -> Outcome {
    run(args.args, Verb::Resume, false)
}

/// Runs it again.
pub fn retry(args: RetryArgs) -> Outcome {
    run(args.args, Verb::Retry, false)
}

fn run(args: Args, verb: Verb, kill: bool) -> Outcome {
    let Some(server) = args.remote.server(&args.place)? else {
        return place::runtime()?.block_on(local(&args, verb, kill));
    };
    let asked = Asked { by: Some(args.by.clone()), why: args.why.clone(), kill };
    let (job, what) = match verb {
        Verb::Retry => {
            let job = server.retry(&args.id, &asked)?.job;
            let what = format!("repeats job {}", args.id);
            (job, what)
        }
        verb => (server.control(&args.id, verb.name(), &asked)?, format!("asked to {}", verb.name())),
    };
    say(&args, &job, &what)
}

fn say(args: &Args, job: &Job, what: &str) -> Outcome {
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => {
            writeln!(out, "job {}  {}  {what}; it is {}", job.id, show::safe(&job.name), job.state)?;
        }
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(job).unwrap_or_default())?,
        Format::Jsonl => writeln!(out, "{}", serde_json::to_string(job).unwrap_or_default())?,
    }
    Ok(exit::SUCCESS)
}

/// Writes into the job's journal what is asked of it.
async fn local(args: &Args, verb: Verb, kill: bool) -> Outcome {
    let (asked, needs_server) = match verb {
        Verb::Stop if kill => (Control::Kill, false),
        Verb::Stop => (Control::Cancel, false),
        Verb::Pause => (Control::Pause, false),
        Verb::Resume => (Control::Resume, false),
        Verb::Retry => (Control::Resume, true),
    };
    if needs_server {
        return Err(CommandError::Usage(
            "retry needs a server: start one with `oyez serve`, and name it with --server URL or OYEZ_SERVER"
                .to_owned(),
        ));
    }
    let store = args.place.look()?;
    reap::reap(&*store).await?;
    let id = which::one(&*store, &args.id).await?;
    let info = store.job(id).await?;
    may(&info, verb)?;
    let control = JobControl { verb: asked, by: args.by.clone(), why: args.why.clone() };
    let now = SystemClock.now();
    let batch = Batch {
        producer: ProducerId::from_random(SystemClock.random()),
        first: EventNumber(1),
        // What said this says no more: the report lacks nothing of it.
        events: vec![NewEvent::new(now, control), NewEvent::new(now, ProducerLeft {})],
        epoch: None,
    };
    store.append(id, batch).await?;
    let owner = info.owner.as_ref().map_or_else(String::new, |(owner, _)| owner.to_string());
    let what = format!("asked to {} in its journal, which {owner} reads", verb.name());
    let job = Job::from(&store.job(id).await?);
    store.close().await?;
    say(args, &job, &what)
}

/// Whether somebody is there to do it.
fn may(info: &JobInfo, verb: Verb) -> Result<(), CommandError> {
    let (JobId(id), state) = (info.id, info.row.state);
    let wrong = |why: String| Err(CommandError::Usage(why));
    if state.is_final() {
        return wrong(format!("job {id} has come to its end: it is {state}"));
    }
    let is_run = info
        .owner
        .as_ref()
        .is_some_and(|(owner, _)| owner.host != oyez_store::owner::host() || owner.is_alive());
    if !is_run {
        return wrong(format!(
            "job {id} is {state} and nobody runs it now: start `oyez serve` on this store, and ask it with --server URL"
        ));
    }
    match (verb, state) {
        (Verb::Pause, JobState::Cancelling) | (Verb::Resume, JobState::Started | JobState::Cancelling) => {
            wrong(format!("job {id} is {state}: it cannot {} now", verb.name()))
        }
        _ => Ok(()),
    }
}
