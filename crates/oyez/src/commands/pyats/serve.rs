//! `oyez pyats serve`: a report server in the foreground.

use std::path::PathBuf;

use oyez_model::JobUid;
use oyez_server::pyats::{Home, Options, Results, ServeError, serve};
use oyez_store::Store;

use super::supervise;
use crate::error::{CommandError, Outcome};
use crate::{exit, place};

/// Be the report server of a run's folder: a stand-in for pyATS's own
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez pyats serve /tmp/run17
  oyez pyats serve /tmp/run17 --data /srv/oyez --strict

It listens at RUNTIMEDIR/reporter.sock, in the foreground, and ends on SIGTERM, SIGINT or the call stop_server. Started
again in the same folder after it was killed, it goes on with the same job. RUNTIMEDIR/oyez.json says which job it is.")]
pub struct Args {
    /// The run's folder: where the socket is, and where the result files are written
    #[arg(value_name = "RUNTIMEDIR")]
    folder: PathBuf,
    /// What generate_report writes
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
    /// Write no ResultsDetails.xml and ResultsSummary.xml
    #[arg(long)]
    no_xml: bool,
    /// Report to this job: its uid
    #[arg(long, value_name = "UID")]
    job: Option<String>,
    /// The process whose job it is: when it has ended, so does the server [default: none]
    #[arg(long, value_name = "PID")]
    owner: Option<u32>,
    /// Start the server again when it is killed
    #[arg(long)]
    supervise: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// results.json
    #[default]
    Json,
    /// results.yaml
    Yaml,
}

impl Args {
    /// The command that starts such a server, with nothing left to the environment.
    fn again(&self, data: &std::path::Path, strict: bool, owner: u32) -> Vec<String> {
        let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("oyez"));
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let mut out = vec![text(&own), "pyats".to_owned(), "serve".to_owned(), text(&folder)];
        out.extend(["--data".to_owned(), text(&data), "--owner".to_owned(), owner.to_string()]);
        if let Some(job) = &self.job {
            out.extend(["--job".to_owned(), job.clone()]);
        }
        if self.format == Format::Yaml {
            out.extend(["--format".to_owned(), "yaml".to_owned()]);
        }
        out.extend(self.no_xml.then(|| "--no-xml".to_owned()));
        out.extend(strict.then(|| "--strict".to_owned()));
        out
    }
}

/// Serves until it is stopped.
pub fn run(place: &place::Place, strict: bool, args: Args) -> Outcome {
    let data = place.folder()?;
    // `oyez pyats run` outlives the pyATS that it started, and holds the job. Without an owner the server is its own:
    // it goes on until it is stopped.
    let above = std::env::var("OYEZ_PYATS_OWNER").ok().and_then(|pid| pid.parse().ok());
    let owner = above.or(args.owner).unwrap_or_else(std::process::id);
    let command = args.again(&data, strict, owner);
    if args.supervise {
        return supervise::run(&command);
    }
    let job: Option<JobUid> = args
        .job
        .as_deref()
        .map(|text| {
            text.parse().map_err(|_| CommandError::Usage(format!("--job: '{text}' is not a job's uid")))
        })
        .transpose()?;
    let Some(home) = Home::take(&args.folder).map_err(told)? else {
        tell!("oyez: {} is served already", args.folder.display());
        return Ok(exit::SUCCESS);
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
    runtime.block_on(async {
        let store = place.open_in(&data)?;
        let results = match args.format {
            Format::Json => Results::Json,
            Format::Yaml => Results::Yaml,
        };
        let mut again = command;
        again.push("--supervise".to_owned());
        let options = Options {
            strict,
            results,
            xml: !args.no_xml,
            job,
            owner: oyez_store::Owner::process(owner),
            command: again,
            data: std::path::absolute(&data).unwrap_or(data),
        };
        let folder = args.folder.display().to_string();
        let ended = serve(home, store.clone(), options, |job| {
            tell!("oyez: job {job}, serving {folder}/{}", oyez_server::pyats::SOCKET);
        })
        .await;
        ended.map_err(told)?;
        store.close().await?;
        Ok(exit::SUCCESS)
    })
}

fn told(e: ServeError) -> CommandError {
    match e {
        ServeError::Store(e) => CommandError::Store(e),
        other => CommandError::Server(other),
    }
}
