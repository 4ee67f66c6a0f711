//! `oyez pyats run job ...`: the real pyATS, with its reports coming here.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use oyez_model::event::JobStateChanged;
use oyez_model::{EventNumber, JobState, JobUid, ProducerId};
use oyez_store::{Batch, Clock, NewEvent, SqliteStore, Store, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::package;
use crate::error::{CommandError, Outcome};
use crate::{place, show};

/// Start the real pyATS with its reports coming here; nothing has to be installed beside pyATS
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  oyez pyats run job my_job.py
  oyez pyats run job my_job.py --testbed-file testbed.yaml --xunit

Everything after `run` is pyATS's own. Its output and exit code are passed on; the job's number is said at its start, on
standard error. When nothing can be kept here, pyATS reports to its own server, with one warning."
)]
pub struct Args {
    /// What `pyats run` takes: `job FILE ...`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Runs it.
pub fn run(place: &place::Place, strict: bool, args: &Args) -> Outcome {
    let asks_for_help =
        matches!(&args.arguments[..], [] | [_]) && args.arguments.iter().all(|a| a == "-h" || a == "--help");
    if asks_for_help {
        use clap::CommandFactory;
        let mut whole = crate::Cli::command();
        whole.build();
        let help = whole.find_subcommand_mut("pyats").and_then(|c| c.find_subcommand_mut("run"));
        if let Some(help) = help {
            help.print_help()?;
        }
        return Ok(if args.arguments.is_empty() { crate::exit::USAGE } else { crate::exit::SUCCESS });
    }
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("pyats").is_file()));
    if !on_path {
        return Err(no_pyats());
    }
    let runtime = place::runtime()?;
    runtime.block_on(async {
        let prepared = prepare(place, args).await;
        let mut command = Command::new("pyats");
        command.arg("run").args(&args.arguments);
        let kept = match &prepared {
            Ok(prepared) => {
                tell!("oyez: job {} ({})", prepared.number, prepared.uid);
                prepared.set(&mut command, strict);
                true
            }
            Err(e) => {
                tell!(
                    "{} this run is not kept here, pyATS reports to its own server: {e}",
                    show::warning_mark()
                );
                command.env("OYEZ_PYATS", "off");
                false
            }
        };
        let status = wait(command).await?;
        if kept && let Ok(prepared) = prepared {
            prepared.end().await;
        }
        Ok(code_of(status))
    })
}

/// What was made for the run.
struct Prepared {
    store: std::sync::Arc<SqliteStore>,
    data: PathBuf,
    uid: JobUid,
    number: oyez_model::JobId,
    /// Goes when the run has ended.
    package: tempfile::TempDir,
}

async fn prepare(place: &place::Place, args: &Args) -> Result<Prepared, CommandError> {
    let data = place.folder()?;
    let store = place.open_in(&data)?;
    let uid = SystemClock.job_uid();
    let file = args.arguments.iter().skip(1).find(|a| !a.to_string_lossy().starts_with('-'));
    let name = file
        .and_then(|file| Path::new(file).file_stem())
        .map_or_else(|| "pyATS".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let words: Vec<String> = ["pyats".to_owned(), "run".to_owned()]
        .into_iter()
        .chain(args.arguments.iter().map(|a| a.to_string_lossy().into_owned()))
        .collect();
    let owner = oyez_store::Owner::process(std::process::id());
    let number = store.create_job(oyez_server::pyats::new_job(uid, name, &owner, Some(words))).await?;
    let package = unpack().map_err(|source| CommandError::File {
        what: "cannot write the Python package into",
        path: std::env::temp_dir(),
        source,
    })?;
    Ok(Prepared { store, data, uid, number, package })
}

/// Writes the Python package into a folder of its own.
fn unpack() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("oyez-python-").tempdir()?;
    for (name, text) in package::FILES {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

impl Prepared {
    fn set(&self, command: &mut Command, strict: bool) {
        let mut paths = vec![self.package.path().to_owned()];
        if let Some(before) = std::env::var_os("PYTHONPATH") {
            paths.extend(std::env::split_paths(&before));
        }
        if let Ok(paths) = std::env::join_paths(paths) {
            command.env("PYTHONPATH", paths);
        }
        let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("oyez"));
        let data = std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone());
        command
            .env("OYEZ_BIN", own)
            .env("OYEZ_DATA", data)
            .env("OYEZ_PYATS_JOB", self.uid.to_string())
            .env("OYEZ_PYATS_OWNER", std::process::id().to_string())
            .env_remove("OYEZ_PYATS");
        if strict {
            command.env("OYEZ_PYATS_STRICT", "1");
        }
    }

    /// A job that nobody reported to has not come to its end by itself.
    async fn end(&self) {
        let Ok(info) = self.store.job(self.number).await else { return };
        if info.row.state.is_final() {
            return;
        }
        let error = Some("pyATS ended and did not report here, or not to its end".to_owned());
        let events =
            vec![NewEvent::new(SystemClock.now(), JobStateChanged { state: JobState::Failed, error })];
        let batch = Batch {
            producer: ProducerId::from_random(SystemClock.random()),
            first: EventNumber(1),
            events,
            epoch: None,
        };
        if let Err(e) = self.store.append(self.number, batch).await {
            tell!("{} job {} could not be ended: {e}", show::warning_mark(), self.number);
        }
        let _ = self.store.close().await;
    }
}

fn no_pyats() -> CommandError {
    let text =
        "there is no `pyats` on PATH: install it with `pip install pyats genie`, or activate its environment";
    CommandError::Usage(text.to_owned())
}

/// Runs pyATS to its end; signals reach it.
async fn wait(mut command: Command) -> Result<ExitStatus, CommandError> {
    let mut child = command.spawn().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => no_pyats(),
        _ => CommandError::Runtime(e),
    })?;
    let pid = Pid::from_child(&child);
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
    // The terminal sends Ctrl-C to pyATS as well: it is only not to end this process before it.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Runtime)?;
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    loop {
        tokio::select! {
            status = &mut ended => {
                return status.unwrap_or_else(|e| Err(std::io::Error::other(e))).map_err(CommandError::Runtime);
            }
            _ = terminate.recv() => drop(kill_process(pid, Signal::TERM)),
            _ = interrupt.recv() => {}
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}
