//! The job around the command: how it begins, what is kept, how it ends.

use std::sync::Arc;
use std::time::SystemTime;

use oyez_model::event::{JobStateChanged, JobSubmitted};
use oyez_model::event::{ProducerJoined, ProducerLeft, RunStarted, RunStopped, TestStarted, TestStopped};
use oyez_model::{Guid, Outcome, RunNumber, SectionRef};
use oyez_model::{JobSource, JobState};
use oyez_store::{Clock, NewEvent, NewJob, Owner, SqliteStore, Store, StoreError, SystemClock};

use super::child::Finished;
use super::record::{Patience, Recorder};
use super::results::{self, Source};
use super::spool::Spool;
use super::{Args, output};
use crate::error::CommandError;
use crate::{place, reports, show};

/// Node numbers of the job's first producer.
pub const RUN: u64 = 1;
/// The test that is the command.
pub const TEST: u64 = 2;

/// All that is known before the command starts.
#[derive(Debug)]
pub struct Beginning {
    job: NewJob,
    owner: Owner,
    at: SystemTime,
}

impl Beginning {
    /// The job of a command that starts now.
    pub fn new(args: &Args, guids: Vec<Guid>) -> Self {
        let now = SystemClock.now();
        let command: Vec<String> =
            args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let name = args.name.clone().unwrap_or_else(|| command.join(" "));
        let name: String = name.chars().take(200).collect();
        let owner = oyez_store::Owner::this_process();
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
            priority: None,
            request: None,
            extended: None,
            command: Some(command),
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
        let job = NewJob { time: now, submitted, owner: Some(owner.clone()), then };
        Beginning { job, owner, at: SystemTime::now() }
    }
}

/// Everything about the command, from its first word to its results.
///
/// # Errors
/// The store's own trouble.
pub async fn keep(
    place: place::Place,
    beginning: Beginning,
    mut patience: Patience,
    spool: &Spool,
    sources: &[Source],
) -> Result<(), CommandError> {
    let Beginning { job: new, owner, at } = beginning;
    let folder = place.folder()?;
    let open = async || {
        let (place, folder) = (place.clone(), folder.clone());
        let open = tokio::task::spawn_blocking(move || place.open_in(&folder));
        open.await.map_err(|_| StoreError::Closed)?
    };
    let store = patience.insist(open).await?;
    let next = new.then.len() as u64 + 2;
    // The job begins: all of it in one commit.
    let job = patience.insist(async || store.create_job(new.clone()).await).await?;
    let mut recorder = Recorder::new(store, job, owner, next, patience);
    let ending = recorder.follow(spool).await?;
    end(recorder, &ending.how, sources, at).await
}

/// Results are read, the job ends, and where a CI run shows summaries its own is appended.
async fn end(
    mut recorder: Recorder,
    finished: &Finished,
    sources: &[Source],
    began: SystemTime,
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
    if std::env::var_os("GITHUB_STEP_SUMMARY").is_some()
        && let Err(e) =
            reports::with_reader(&*store, job, |reader| reports::append_step_summary(reader)).await
    {
        // The run is recorded all the same.
        output::line(&format!("{} {e}", show::warning_mark()));
    }
    store.close().await?;
    Ok(())
}
