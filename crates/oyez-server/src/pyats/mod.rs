//! pyATS's report server on its unix socket, a stand-in for pyATS's own.
//!
//! One thread does it all: it takes what has arrived on all connections, asks the session
//! ([`oyez_wire::pyats::session`]) what to do, keeps the events of that round in one commit, and then answers. A call is
//! answered when it is kept. A process that is killed loses nothing that was answered: the next one finds the job in
//! the folder's note, makes the session again from the journal, and the clients come back with their tokens.
//!
//! | module | holds |
//! |---|---|
//! | `home` | the run's folder: socket, lock, note |
//! | `journal` | keeping events |
//! | `connection` | bytes to messages, and what waits to be sent |
//! | `socket` | one socket: what arrives, what is taken |
//! | `outbox` | a connection's queue, spilled to a file for slow readers |
//! | `lines` | line counts of logs, on a thread of their own |
//! | `round` | what is done with what has arrived |
//! | `files` | the result files |
//! | `texts` | what stands in the logs |

mod connection;
#[cfg(feature = "failpoints")]
mod crash;
mod files;
mod home;
mod journal;
mod lines;
mod outbox;
mod round;
mod socket;
mod texts;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{JobStateChanged, JobSubmitted, ProducerJoined};
use oyez_model::{JobId, JobSource, JobState, JobUid, ProducerId, Time};
use oyez_store::{Clock, Lease, LeaseName, NewEvent, NewJob, Owner, Store, StoreError, SystemClock};
use oyez_wire::pyats::session::{Rules, Session};

pub use files::Results;
pub use home::{Home, NOTE, Note, SOCKET};
use journal::Journal;
use lines::Counter;
use round::Server;
pub use texts::Texts;

/// How a report server is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Answers to the letter as pyATS gives them where they differ on purpose.
    pub strict: bool,
    /// What `generate_report` writes.
    pub results: Results,
    /// Whether `generate_xml` writes anything.
    pub xml: bool,
    /// The job to report to, if it has been made; else one is made.
    pub job: Option<JobUid>,
    /// The process whose job it is: the server ends when it has ended.
    pub owner: Owner,
    /// Its command, for whoever has to start another.
    pub command: Vec<String>,
    /// The store's folder, for the note.
    pub data: PathBuf,
}

/// Why a report server ends without having been asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The run's folder cannot be used.
    #[error("{what} {}: {source}", path.display())]
    Folder {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store cannot do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no thread, or no signal.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// How long a lease of the job is, and how often it is renewed.
const LEASE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3));

/// Serves a run's folder until `stop_server`, a signal, or the end of the job's own process. `ready` is told the job's
/// number once calls are taken.
///
/// # Errors
/// The folder or the store cannot be used.
pub async fn serve(
    home: Home,
    store: Arc<dyn Store>,
    options: Options,
    ready: impl FnOnce(JobId),
) -> Result<(), ServeError> {
    let before = home.note().filter(|note| !note.ended);
    let (job, resumed) = find_job(&*store, &home, &options, before.as_ref()).await?;
    let owner = options.owner.clone();
    let lease = take(&*store, job, &owner).await?;
    let epoch = lease.first().map(|lease| lease.epoch);
    let info = store.job(job).await?;
    let last = {
        let reader = store.reader(job).await?;
        reader.live().producer(ProducerId::FIRST).map_or(0, |p| p.last)
    };
    let folder = home.folder().to_string_lossy().into_owned();
    let zone = zone_name();
    let rules = Rules { folder, zone, strict: options.strict, parent: options.owner.pid.to_string() };
    let mut session = Session::new(rules, ProducerId::FIRST, Box::new(files::OnDisk));
    let mut journal = Journal::new(Arc::clone(&store), job, epoch, last);
    if resumed {
        journal.replay(|event| session.replay(event)).await?;
    } else if info.row.state == JobState::Unknown {
        journal.add(journal::now(), JobStateChanged { state: JobState::Started, error: None }.into());
        journal.commit().await?;
    }
    // Whoever finds the socket finds the note.
    home.leave(&Note {
        job: info.row.uid.to_string(),
        number: job.0,
        data: options.data.clone(),
        pid: std::process::id(),
        serve: options.command.clone(),
        ended: false,
    })?;
    let listener = home.listen()?;
    ready(job);
    let server = Server::new(home, session, journal, Counter::start()?, options, resumed);
    server.run(listener).await
}

/// Takes the job's lease: at once when the one who has it is known dead on this host, else when it runs out.
async fn take(store: &dyn Store, job: JobId, owner: &Owner) -> Result<Vec<Lease>, ServeError> {
    let names = [LeaseName::Job(job)];
    let until = tokio::time::Instant::now() + 2 * LEASE.0;
    loop {
        let held = match store.acquire(&names, owner, Some(job), LEASE.0).await {
            Err(held @ StoreError::Held { .. }) => held,
            other => return Ok(other?),
        };
        match store.job(job).await?.owner {
            Some((former, _)) if former.host == owner.host && !former.is_alive() => {
                store.release(&names, &former).await?;
            }
            _ if tokio::time::Instant::now() > until => return Err(held.into()),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn find_job(
    store: &dyn Store,
    home: &Home,
    options: &Options,
    before: Option<&Note>,
) -> Result<(JobId, bool), ServeError> {
    // A server before this one was killed: its job goes on, unless somebody has said that it ended.
    if let Some(note) = before
        && let Some(job) = store.find(&note.job).await?.first().copied()
        && !store.job(job).await?.row.state.is_final()
    {
        return Ok((job, true));
    }
    if let Some(uid) = options.job
        && let Some(job) = store.find(&uid.to_string()).await?.first().copied()
    {
        return Ok((job, false));
    }
    let name = home
        .folder()
        .file_name()
        .map_or_else(|| "pyATS".to_owned(), |name| name.to_string_lossy().into_owned());
    let uid = options.job.unwrap_or_else(|| SystemClock.job_uid());
    Ok((store.create_job(new_job(uid, name, &options.owner, None)).await?, false))
}

/// A job whose reports come from pyATS.
#[must_use]
pub fn new_job(uid: JobUid, name: String, owner: &Owner, command: Option<Vec<String>>) -> NewJob {
    let now = SystemClock.now();
    NewJob {
        time: now,
        submitted: JobSubmitted {
            uid,
            name,
            requestor: std::env::var("USER").unwrap_or_else(|_| "pyats".to_owned()),
            source: JobSource::Pyats,
            tags: Vec::new(),
            guids: Vec::new(),
            project: None,
            variant: Default::default(),
            host: Some(owner.host.clone()),
            server_id: None,
            priority: None,
            request: None,
            extended: None,
            command,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        },
        owner: Some(owner.clone()),
        then: vec![
            joined(now, owner),
            NewEvent::new(now, JobStateChanged { state: JobState::Started, error: None }),
        ],
    }
}

fn joined(now: Time, owner: &Owner) -> NewEvent {
    let body = ProducerJoined {
        pid: Some(u64::from(owner.pid)),
        ppid: None,
        host: Some(owner.host.clone()),
        program: Some("oyez pyats".to_owned()),
        forked_from: None,
    };
    NewEvent::new(now, body)
}

/// The name of this system's time zone; its offset in seconds when it has none.
fn zone_name() -> String {
    let zone = jiff::tz::TimeZone::system();
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => zone.to_offset(jiff::Timestamp::now()).seconds().to_string(),
    }
}

/// Whether `folder` is served now.
#[must_use]
pub fn is_served(folder: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(folder.join(SOCKET)).is_ok()
}
