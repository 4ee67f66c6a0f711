//! `oyez submit`: a job for a server, or for whichever takes up what waits in the local store.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oyez_engine::descriptor::input::LONGEST;
use oyez_engine::{Engine, EngineOptions, Format as Written, JobRequest};
use oyez_model::event::Report;
use oyez_model::{EventBody, Guid};
use oyez_report::Format as Document;
use oyez_server::http::api::types::Job;
use oyez_store::Store;
use oyez_wire::contest::request::LONGEST_REQUESTOR;

use crate::commands::run::{read_descriptor, read_file};
use crate::error::{CommandError, Outcome};
use crate::programs::Programs;
use crate::progress::{Display, Style};
use crate::remote::follow::{Rest, follow};
use crate::remote::{RemoteError, Server, Submission, Where, job};
use crate::{ending, exit, place, reports, show};

/// Submit a job descriptor to a server, which queues and runs it.
///
/// The job is kept when this returns, whatever becomes of this command or of the server. With --wait its progress is shown
/// until it has ended, and the exit code is the job's own; Ctrl-C leaves the job as it is. Without --server it waits in the
/// local store for a server that runs on that, or is started on it later.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez submit job.yaml --server http://127.0.0.1:8080
  OYEZ_SERVER=http://127.0.0.1:8080 oyez submit job.json --wait --out results
  oyez submit job.yaml --format json | jq .id")]
pub struct Args {
    /// The job descriptor, JSON or YAML as ConTest takes it; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: place::Place,
    #[command(flatten)]
    programs: Programs,
    /// Follow the job until it has ended, and end with its code
    #[arg(long, short)]
    wait: bool,
    /// With --wait: the folder for report.json, junit.xml, summary.md and report.html
    #[arg(long, value_name = "DIR", requires = "wait")]
    out: Option<PathBuf>,
    /// A correlation text of yours: finds this job again, together with what else has it; may be repeated
    #[arg(long)]
    guid: Vec<String>,
    /// Who asks for it
    #[arg(long, value_name = "NAME", env = "USER", default_value = "oyez", hide_env_values = true)]
    requestor: String,
    /// Its place in the queue: the higher is first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// What is shown: people's lines, the job as JSON, or nothing
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What `oyez submit` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// The job as one JSON object
    Json,
    /// With --wait each event as a JSON line first; then the job, on a line
    Jsonl,
    /// Errors only
    Quiet,
}

/// Submits it.
pub fn run(args: Args) -> Outcome {
    let Some(server) = args.remote.server(&args.place)? else { return leave_in_line(&args) };
    let (name, descriptor) = read_file(&args.file)?;
    if descriptor.len() > LONGEST {
        return Err(CommandError::Usage(format!(
            "{name} is longer than a descriptor may be: {LONGEST} bytes; nothing was started"
        )));
    }
    if let Some(out) = &args.out {
        reports::make_folder(out).map_err(|e| CommandError::Usage(format!("{e}; nothing was started")))?;
    }
    let kind = media_type(&args.file);
    let mut requestor = args.requestor.as_str();
    while requestor.len() > LONGEST_REQUESTOR {
        requestor = &requestor[..requestor.char_indices().next_back().map_or(0, |(at, _)| at)];
    }
    let (guids, priority) = (&args.guid[..], args.priority);
    let taken = server.submit(&Submission { descriptor: &descriptor, kind, requestor, guids, priority });
    let taken = match taken {
        Err(RemoteError::Problem(problem)) if !problem.errors.is_empty() => {
            let errors = ending::wrong(&name, &problem.errors);
            return Err(CommandError::Descriptor { path: name, errors: errors.max(1) });
        }
        other => other?,
    };
    ending::wrong(&name, &taken.warnings);
    if args.wait { wait(&args, &server, &taken.job) } else { said(&args, &server, &taken.job) }
}

/// Without a server it waits in the local store for one.
fn leave_in_line(args: &Args) -> Outcome {
    let usage = |text: &str| CommandError::Usage(format!("{text}; nothing was started"));
    if args.wait {
        return Err(usage(
            "--wait needs a server, named with --server URL or OYEZ_SERVER; `oyez run` runs a job here and now",
        ));
    }
    let guids =
        args.guid.iter().map(|text| Guid::new(text.as_str()).map_err(|e| usage(&format!("--guid: {e}"))));
    let guids = guids.collect::<Result<_, _>>()?;
    let programs = args.programs.find(&args.place);
    let read = read_descriptor(&args.file, &programs)?;
    let request = JobRequest {
        descriptor_text: read.text,
        descriptor: read.descriptor,
        plan: read.plan,
        requestor: args.requestor.chars().take(LONGEST_REQUESTOR).collect(),
        guids,
        host: None,
        // No server has this name, so that each one looks after its jobs.
        server_id: Some(String::new()),
        priority: args.priority,
        repeats: None,
    };
    place::runtime()?.block_on(async {
        let store = args.place.open()?;
        let engine =
            Engine::new(store.clone() as Arc<dyn Store>, EngineOptions { programs, ..Default::default() });
        let id = engine.enqueue(request).await?.id();
        let job = Job::from(&store.job(id).await?);
        store.close().await?;
        let out = &mut std::io::stdout().lock();
        match args.format {
            Format::Human => writeln!(
                out,
                "job {id}  {}  waits in {} for the next `oyez serve` on it, or the one that runs",
                job.uid,
                args.place.folder()?.display()
            )?,
            format => print(out, format, &job)?,
        }
        Ok(exit::SUCCESS)
    })
}

/// The media type of a descriptor, if its name tells.
pub fn media_type(file: &Path) -> Option<&'static str> {
    match Written::of_file(file)? {
        Written::Json => Some("application/json"),
        Written::Yaml => Some("application/yaml"),
    }
}

/// The job was taken, and that is all.
fn said(args: &Args, server: &Server, job: &Job) -> Outcome {
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => {
            let (id, url) = (job.id, server.url());
            writeln!(out, "job {id}  {}  (`oyez status {id} --server {url}`)", job.uid)?;
        }
        format => print(out, format, job)?,
    }
    Ok(exit::SUCCESS)
}

/// A job as JSON.
fn print(out: &mut dyn Write, format: Format, job: &Job) -> Result<(), CommandError> {
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(job).unwrap_or_default())?,
        Format::Jsonl => {
            let mut line = serde_json::to_value(job).unwrap_or_default();
            line["kind"] = "job".into();
            writeln!(out, "{line}")?;
        }
        Format::Human | Format::Quiet => {}
    }
    Ok(())
}

/// Shows progress until the job has come to rest.
fn wait(args: &Args, server: &Server, job: &Job) -> Outcome {
    let id = job.id.to_string();
    if args.format == Format::Human {
        tell!("job {id}  {} on {}  (Ctrl-C leaves it running)", job.uid, server.url());
    }
    let display = Display::start(if args.format == Format::Human { Style::fitting() } else { Style::Silent });
    let mut reports: Vec<Report> = Vec::new();
    let see = |seq, event: &oyez_model::Event| {
        display.heard(seq, event);
        if let EventBody::Report(report) = &event.body {
            // The last are shown in the end.
            if reports.len() >= 64 {
                reports.drain(..32);
            }
            reports.push(report.clone());
        }
        if args.format == Format::Jsonl {
            // A reader that went away does not end the waiting.
            let _ = writeln!(std::io::stdout().lock(), "{}", event.to_json(seq));
        }
    };
    let rest = follow(server, &id, see, display.teller());
    display.finish();
    let rest = rest?;
    let job = match (server.job(&id), rest) {
        // It was halted so that the next server goes on with it, and there is none.
        (Err(RemoteError::Unreachable { .. }), Rest::Paused) => {
            tell!("{} job {id} is paused, and its server is gone", show::warning_mark());
            return Ok(exit::PAUSED);
        }
        (job, _) => job?,
    };
    if let Some(out) = &args.out {
        for document in Document::USUAL {
            reports::copy(server.report(&id, document)?, &out.join(document.file_name()))?;
        }
    }
    let info = job::info(&job);
    let to = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => ending::say(to, &info, &reports, args.out.as_deref())?,
        format => print(to, format, &job)?,
    }
    Ok(exit::of_job(&info.row))
}
