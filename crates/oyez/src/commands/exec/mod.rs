//! `oyez exec`: any command as a job.
//!
//! The command must not notice: its output goes on byte for byte, its exit code is passed on, and when nothing can be
//! recorded there is one warning and the command runs all the same. What it prints is handed to the recorder through a
//! bounded channel that never makes it wait; what does not fit is counted, and the report says that it is missing.

mod child;
mod record;
mod results;
mod terminal;

use std::sync::Arc;

use oyez_model::event::{JobStateChanged, JobSubmitted};
use oyez_model::event::{ProducerJoined, ProducerLeft, RunStarted, RunStopped, TestStarted, TestStopped};
use oyez_model::{Guid, Outcome, RunNumber, SectionRef};
use oyez_model::{JobSource, JobState};
use oyez_store::{Clock, NewEvent, NewJob, SqliteStore, Store, SystemClock};

use crate::error::{CommandError, Outcome as Ended};
use crate::{place, reap, reports, show};
use child::{End, Finished, Log};
use record::Recorder;
pub use results::Source;

/// Run any command as a job: its output and exit code are passed on, its test results are read and kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez exec -- make test
  oyez exec --parse junit=report.xml -- pytest --junitxml=report.xml
  oyez exec --parse 'junit=target/**/TEST-*.xml' --name nightly --guid $BUILD_ID -- mvn verify

The exit code is the command's own: 127 when it was not found, 126 when it cannot be executed, 128+n after signal n.
`oyez report latest --format html --out report.html` shows what was kept.")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// Read test results when the command has ended: FORMAT=FILE, where FILE may be a glob; may be repeated.
    /// Formats: junit
    #[arg(long, value_name = "FORMAT=FILE")]
    parse: Vec<Source>,
    /// The job's name [default: the command]
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// A correlation text of yours; may be repeated
    #[arg(long)]
    guid: Vec<String>,
    /// Tags, to find the job by
    #[arg(long, value_delimiter = ',')]
    tag: Vec<String>,
    /// The project whose history it is part of
    #[arg(long)]
    project: Option<String>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Node numbers of the job's first producer.
const RUN: u64 = 1;
const TEST: u64 = 2;

/// Runs it.
pub fn run(args: Args) -> Ended {
    let guids: Vec<Guid> = args
        .guid
        .iter()
        .map(|text| Guid::new(text.as_str()).map_err(|e| CommandError::Usage(format!("--guid: {e}"))))
        .collect::<Result<_, _>>()?;
    oyez_model::tags::check_tags(&args.tag, false).map_err(|e| CommandError::Usage(format!("--tag: {e}")))?;
    let runtime = place::runtime()?;
    let began = std::time::SystemTime::now();
    let recorder = runtime.block_on(begin(&args, guids)).map_err(|e| warn(&e)).ok();
    let (mut finished, log) = child::run(&args.command, recorder.is_some(), runtime.handle());
    runtime.block_on(async {
        if let Some(recorder) = recorder
            && let Err(e) = keep(recorder, log, &mut finished, &args.parse, began).await
        {
            warn(&e);
        }
        Ok(finished.wait().await.exit_code())
    })
}

/// Everything about the command, from its first word to its results.
async fn keep(
    mut recorder: Recorder,
    log: Log,
    finished: &mut End,
    sources: &[Source],
    began: std::time::SystemTime,
) -> Result<(), CommandError> {
    let log = recorder.follow(log, finished).await;
    let finished = finished.wait().await;
    log?;
    end(recorder, &finished, sources, began).await
}

/// The one warning.
fn warn(e: &CommandError) {
    eprintln!("{} this run is not recorded, or not wholly: {e}", show::warning_mark());
}

/// The job begins: all of it in one commit.
async fn begin(args: &Args, guids: Vec<Guid>) -> Result<Recorder, CommandError> {
    let store = args.place.open()?;
    let now = SystemClock.now();
    let name = args.name.clone().unwrap_or_else(|| args.command.join(" "));
    let name: String = name.chars().take(200).collect();
    let owner = reap::this_process();
    let submitted = JobSubmitted {
        uid: SystemClock.job_uid(),
        name: name.clone(),
        requestor: std::env::var("USER").unwrap_or_else(|_| "oyez".to_owned()),
        source: JobSource::Exec,
        tags: args.tag.clone(),
        guids,
        project: args.project.clone(),
        variant: Default::default(),
        host: Some(owner.host.clone()),
        server_id: None,
        request: None,
        extended: None,
        command: Some(args.command.clone()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let joined = ProducerJoined {
        pid: Some(u64::from(owner.pid)),
        ppid: None,
        host: Some(owner.host.clone()),
        program: Some("oyez exec".to_owned()),
        forked_from: None,
    };
    let test = TestStarted {
        id: TEST,
        parent: SectionRef::own(RUN),
        name,
        index: 0,
        attempt: 0,
        planned: None,
        cleanup: None,
        suite: None,
        variant: None,
        began: None,
        ..Default::default()
    };
    let then = vec![
        NewEvent::new(now, joined),
        NewEvent::new(now, JobStateChanged { state: JobState::Started, error: None }),
        NewEvent::new(now, RunStarted { id: RUN, run: RunNumber(1), planned: None }),
        NewEvent::new(now, test),
    ];
    let next = then.len() as u64 + 2;
    let job = store.create_job(NewJob { time: now, submitted, owner: Some(owner.clone()), then }).await?;
    Ok(Recorder::new(store, job, owner, next))
}

/// Results are read, the job ends, and where a CI run shows summaries its own is appended.
async fn end(
    mut recorder: Recorder,
    finished: &Finished,
    sources: &[Source],
    began: std::time::SystemTime,
) -> Result<(), CommandError> {
    let (outcome, reason) = match finished {
        Finished::Exited(0) => (Outcome::Passed, None),
        Finished::Exited(n) => (Outcome::Failed, Some(format!("exit status {n}"))),
        Finished::Signalled(n) => (Outcome::Errored, Some(format!("ended by signal {n}"))),
        Finished::NotStarted { why, .. } => (Outcome::Errored, Some(why.clone())),
    };
    let mut nodes = TEST;
    for source in sources {
        results::read(&mut recorder, source, began, &mut nodes).await?;
    }
    let id = SectionRef::own(TEST);
    recorder.push(TestStopped {
        id,
        outcome: Some(outcome),
        reason,
        retried: None,
        ended: None,
        ..Default::default()
    });
    recorder.push(RunStopped { id: SectionRef::own(RUN), outcome: None });
    recorder.push(ProducerLeft {});
    recorder.push(JobStateChanged { state: JobState::Completed, error: None });
    let (store, job): (Arc<SqliteStore>, _) = recorder.finish().await?;
    if std::env::var_os("GITHUB_STEP_SUMMARY").is_some() {
        reports::with_reader(&*store, job, |reader| reports::append_step_summary(reader)).await?;
    }
    store.close().await?;
    Ok(())
}
