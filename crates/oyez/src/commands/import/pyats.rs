//! `oyez import pyats`: archives and results files of pyATS.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oyez_model::event::{JobStateChanged, JobSubmitted, ProducerLeft};
use oyez_model::{EventBody, EventNumber, JobId, JobSource, JobState, JobUid, ProducerId, Time};
use oyez_server::pyats::Texts;
use oyez_store::{Batch, NewEvent, NewJob, SqliteStore, Store};
use oyez_wire::pyats::import::{self, Format};
use oyez_wire::pyats::tree::Tree;
use tokio::sync::mpsc;

use super::archive;
use crate::error::{CommandError, Outcome};
use crate::{exit, place};

/// Archives, run folders and results files of pyATS, with their logs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An archive (.zip), a run's folder, results.json or results.yaml; several become a job each
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Events are appended so many at a time.
const BATCH: usize = 2_000;
/// The first node's number: the suite is the job itself.
const FIRST_NODE: u64 = 2;

/// Imports them all; what cannot be imported is said, and the others are.
pub fn run(place: &place::Place, args: &Args) -> Outcome {
    place::runtime()?.block_on(async {
        let store = place.open()?;
        let mut trouble = Vec::new();
        for path in &args.paths {
            match one(&store, path).await {
                Ok(()) => {}
                Err(e) => {
                    tell!("{} {}: {e}", crate::show::error_mark(), path.display());
                    trouble.push(e.code());
                }
            }
        }
        store.close().await?;
        Ok(trouble.first().copied().unwrap_or(exit::SUCCESS))
    })
}

async fn one(store: &Arc<SqliteStore>, path: &Path) -> Result<(), CommandError> {
    let reading = |source| CommandError::File { what: "cannot read", path: path.to_owned(), source };
    let unpacked;
    let (file, logs) = if path.is_dir() {
        (results_in(path)?, path.to_owned())
    } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
        unpacked = archive::unpack(path).map_err(reading)?;
        (results_in(unpacked.path())?, unpacked.path().to_owned())
    } else {
        (path.to_owned(), path.parent().map_or_else(PathBuf::new, Path::to_owned))
    };
    let text = std::fs::read(&file).map_err(reading)?;
    let format = match file.extension().and_then(|e| e.to_str()) {
        Some("yaml" | "yml") => Format::Yaml,
        _ => Format::Json,
    };
    let imported = Import::new(store, path, &text).all(text, format, logs).await?;
    let row = store.job(imported.job).await?.row;
    let again = if imported.again { ", imported before" } else { "" };
    writeln!(
        std::io::stdout(),
        "job {}  {}  {}  {} objects{again}",
        imported.job,
        crate::show::moment(row.submitted),
        row.name,
        imported.objects
    )?;
    Ok(())
}

fn results_in(folder: &Path) -> Result<PathBuf, CommandError> {
    let found = ["results.json", "results.yaml"]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        CommandError::Usage(
            "there is no results.json or results.yaml in it: the run was cut off before its report, or it is something \
             else"
                .to_owned(),
        )
    })
}

/// What became of one.
struct Imported {
    job: JobId,
    objects: u64,
    again: bool,
}

/// One report on its way in.
struct Import<'a> {
    store: &'a Arc<SqliteStore>,
    name: String,
    /// From the report's text: the same report is the same job, however often it is imported.
    bits: [u8; 10],
    next: u64,
}

impl<'a> Import<'a> {
    fn new(store: &'a Arc<SqliteStore>, path: &Path, text: &[u8]) -> Self {
        let hash = oyez_store::blobs::hash_of(text);
        let mut bits = [0; 10];
        bits.copy_from_slice(&hash.0[..10]);
        let name =
            path.file_stem().map_or_else(|| "pyATS".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Import { store, name, bits, next: 1 }
    }

    async fn all(mut self, text: Vec<u8>, format: Format, logs: PathBuf) -> Result<Imported, CommandError> {
        let (to, mut from) = mpsc::channel::<Vec<(i64, EventBody)>>(4);
        let parsing = tokio::task::spawn_blocking(move || {
            let mut batch = Vec::with_capacity(BATCH);
            let read = import::read(&text, format, FIRST_NODE, &mut |time, body| {
                batch.push((time, body));
                if batch.len() >= BATCH {
                    // Nobody takes it any more when the store has failed; that is said there.
                    let _ = to.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
                }
            });
            let _ = to.blocking_send(batch);
            read
        });
        let mut tree = Tree::new();
        let mut job = None;
        let mut last = 0;
        while let Some(batch) = from.recv().await {
            let Some((time, _)) = batch.first() else { continue };
            let id = match job {
                Some(id) => id,
                None => {
                    let (id, again) = self.begin(*time).await?;
                    if again {
                        drop(from);
                        let objects =
                            parsing.await.ok().and_then(Result::ok).map_or(0, |found| found.objects);
                        return Ok(Imported { job: id, objects, again });
                    }
                    *job.insert(id)
                }
            };
            for (time, body) in &batch {
                last = last.max(*time);
                tree.apply_body(ProducerId::FIRST, *time, body);
            }
            self.append(id, batch).await?;
        }
        let read = parsing.await.map_err(|e| CommandError::Runtime(std::io::Error::other(e)))?;
        let Some(id) = job else {
            return Err(read.err().map_or_else(
                || CommandError::Usage("there is nothing in it".to_owned()),
                |e| CommandError::Usage(e.to_string()),
            ));
        };
        let ended = tree.suite().and_then(|suite| tree.node(suite).stopped).unwrap_or(last);
        self.keep_logs(id, &tree, &logs).await?;
        let error = read.as_ref().err().map(ToString::to_string);
        let state = if error.is_some() { JobState::Failed } else { JobState::Completed };
        let bodies = vec![(ended, ProducerLeft {}.into()), (ended, JobStateChanged { state, error }.into())];
        self.append(id, bodies).await?;
        let found = read.map_err(|e| CommandError::Usage(format!("{e}; what came before is job {id}")))?;
        Ok(Imported { job: id, objects: found.objects, again: false })
    }

    /// Makes the job; true when it has been imported before.
    async fn begin(&mut self, time: i64) -> Result<(JobId, bool), CommandError> {
        let millis = u64::try_from(time / 1_000_000).unwrap_or(0);
        let submitted = JobSubmitted {
            uid: JobUid::new(millis, self.bits),
            name: self.name.clone(),
            requestor: std::env::var("USER").unwrap_or_else(|_| "oyez".to_owned()),
            source: JobSource::Import,
            tags: Vec::new(),
            guids: Vec::new(),
            project: None,
            variant: Default::default(),
            host: Some(oyez_store::owner::host()),
            server_id: None,
            priority: None,
            request: None,
            extended: None,
            command: None,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        let started = NewEvent::new(Time(time), JobStateChanged { state: JobState::Started, error: None });
        // Nobody owns it: an import that was cut off is taken up where it was when it is asked for again.
        let job = NewJob {
            time: Time(time),
            submitted,
            owner: Some(oyez_store::Owner::this_process()),
            then: vec![started],
        };
        let id = self.store.create_job(job).await?;
        self.next = 3;
        Ok((id, self.store.job(id).await?.row.state.is_final()))
    }

    async fn append(&mut self, job: JobId, events: Vec<(i64, EventBody)>) -> Result<(), CommandError> {
        let events: Vec<NewEvent> =
            events.into_iter().map(|(time, body)| NewEvent { time: Time(time), body }).collect();
        let count = events.len() as u64;
        if count > 0 {
            let batch =
                Batch { producer: ProducerId::FIRST, first: EventNumber(self.next), events, epoch: None };
            self.store.append(job, batch).await?;
            self.next += count;
        }
        Ok(())
    }

    async fn keep_logs(&mut self, job: JobId, tree: &Tree, folder: &Path) -> Result<(), CommandError> {
        let mut batch = Vec::new();
        for event in Texts::of(tree, folder) {
            batch.push(event);
            if batch.len() >= 64 {
                self.append(job, std::mem::take(&mut batch)).await?;
            }
        }
        self.append(job, batch).await
    }
}
