//! `oyez stop`, `pause`, `resume` and `retry`: by a server, or in the local store. There, what is asked of a job goes into
//! its journal, which the process that runs it reads; a job that nobody runs is run by this process.

use std::io::Write;

use oyez_engine::control::{Asked as ByWhom, Control as Controls};
use oyez_engine::{ControlError, ReopenError};
use oyez_model::event::{Control, JobControl, ProducerLeft};
use oyez_model::{EventNumber, JobId, JobState, ProducerId};
use oyez_server::http::api::types::{Asked, Job};
use oyez_store::{Batch, Clock, JobInfo, LeaseName, NewEvent, SqliteStore, Store, StoreError, SystemClock};

use crate::error::{CommandError, Outcome};
use crate::foreground::{self, Foreground};
use crate::programs::Programs;
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
    #[command(flatten)]
    programs: Programs,
    #[command(flatten)]
    foreground: Foreground,
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
/// With --server it is asked for there; else in the local store, where the process that runs the job reads it. One that is
/// paused there ends in this process.
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
///
/// With --server there; else in this process, to its end, as `oyez run` does, and with the same exit codes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez resume 17 --server http://127.0.0.1:8080
  oyez resume latest --out results")]
pub struct ResumeArgs {
    #[command(flatten)]
    args: Args,
}

/// Run a job again: a new job from the same request, with the steps that were fetched then, linked to the first.
///
/// With --server there; else in this process, to its end, as `oyez run` does, and with the same exit codes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez retry 17 --server http://127.0.0.1:8080
  oyez retry latest --out results")]
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
            let what = format!(
                "repeats {}",
                if args.id == "latest" { "the latest job".to_owned() } else { format!("job {}", args.id) }
            );
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

/// Writes into the job's journal what is asked of it, or does it here when nobody runs it.
async fn local(args: &Args, verb: Verb, kill: bool) -> Outcome {
    let asked = match verb {
        Verb::Stop if kill => Control::Kill,
        Verb::Stop => Control::Cancel,
        Verb::Pause => Control::Pause,
        Verb::Resume => Control::Resume,
        Verb::Retry => return here(args, verb, kill).await,
    };
    let store = args.place.look()?;
    reap::reap(&*store).await?;
    let id = which::one(&*store, &args.id).await?;
    let info = store.job(id).await?;
    if may(&store, &info, verb).await? == Who::ThisProcess {
        store.close().await?;
        return here(args, verb, kill).await;
    }
    ask(&store, args, id, asked).await?;
    let owner = info.owner.as_ref().map_or_else(String::new, |(owner, _)| owner.to_string());
    let what = format!("asked to {} in its journal, which {owner} reads", verb.name());
    let job = Job::from(&store.job(id).await?);
    store.close().await?;
    say(args, &job, &what)
}

async fn ask(store: &SqliteStore, args: &Args, id: JobId, verb: Control) -> Result<(), StoreError> {
    let control = JobControl { verb, by: args.by.clone(), why: args.why.clone() };
    let now = SystemClock.now();
    let batch = Batch {
        producer: ProducerId::from_random(SystemClock.random()),
        first: EventNumber(1),
        // What said this says no more: the report lacks nothing of it.
        events: vec![NewEvent::new(now, control), NewEvent::new(now, ProducerLeft {})],
        epoch: None,
    };
    store.append(id, batch).await.map(|_| ())
}

/// Who does what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The process that runs the job.
    ItsOwner,
    /// This one: nobody runs it.
    ThisProcess,
}

/// Who is there to do it.
async fn may(store: &SqliteStore, info: &JobInfo, verb: Verb) -> Result<Who, CommandError> {
    let (JobId(id), state) = (info.id, info.row.state);
    let wrong = |why: String| Err(CommandError::Usage(why));
    let not_now = || wrong(format!("job {id} is {state}: it cannot {} now", verb.name()));
    if state.is_final() {
        return wrong(format!("job {id} has come to its end: it is {state}"));
    }
    let is_alive = |owner: &oyez_store::Owner| owner.host != oyez_store::owner::host() || owner.is_alive();
    if !info.owner.as_ref().is_some_and(|(owner, _)| is_alive(owner)) {
        // The server of a job may hold it, and does not look into its journal while it is paused.
        if let Some(server) = &info.row.server_id
            && let Some(holder) = store.holder(&LeaseName::Server(server.clone())).await?
            && is_alive(&holder.owner)
        {
            return wrong(format!(
                "job {id} is {state} at server \"{server}\": ask that one, with --server URL"
            ));
        }
        return match (verb, state) {
            (Verb::Resume | Verb::Stop, JobState::Paused) | (Verb::Stop, JobState::Queued) => {
                Ok(Who::ThisProcess)
            }
            _ if info.row.server_id.is_some() => wrong(format!(
                "job {id} is {state} and its server is gone: `oyez serve` on this store goes on with it"
            )),
            _ => not_now(),
        };
    }
    match (verb, state) {
        (Verb::Pause, JobState::Cancelling) | (Verb::Resume, JobState::Started | JobState::Cancelling) => {
            not_now()
        }
        _ => Ok(Who::ItsOwner),
    }
}

/// Runs the job in this process.
async fn here(args: &Args, verb: Verb, kill: bool) -> Outcome {
    args.foreground.prepare()?;
    let store = args.place.open()?;
    reap::reap(&*store).await?;
    let mut id = which::one(&*store, &args.id).await?;
    let engine = args.foreground.engine(&store, args.programs.find(&args.place));
    let control = Controls::new();
    let handle = if verb == Verb::Retry {
        let request =
            engine.repeat(id, &args.by.chars().take(32).collect::<String>()).await.map_err(|e| match e {
                ControlError::Store(e) => CommandError::Store(e),
                e => CommandError::Usage(e.to_string()),
            })?;
        let (new, _, handle) = engine.submit(request).await?;
        id = new;
        handle
    } else {
        let by = ByWhom { by: Some(args.by.clone()), why: args.why.clone(), is_recorded: false };
        match verb {
            Verb::Stop if kill => control.kill_by(by),
            Verb::Stop => control.cancel_by(by),
            _ => ask(&store, args, id, Control::Resume).await?,
        }
        engine.reopen(id).await.map_err(|e| match e {
            ReopenError::Store(e) => CommandError::Store(e),
            e => CommandError::Usage(e.to_string()),
        })?
    };
    let format = match args.format {
        Format::Human => foreground::Format::Human,
        Format::Json | Format::Jsonl => foreground::Format::Quiet,
    };
    let code = args.foreground.run(&engine, &store, (id, handle), control, format).await?;
    let job = Job::from(&store.job(id).await?);
    store.close().await?;
    if args.format != Format::Human {
        say(args, &job, verb.name())?;
    }
    Ok(code)
}
