//! `oyez run`: a job descriptor, to its end, in this process.

use std::io::Read;
use std::path::{Path, PathBuf};

use oyez_engine::descriptor::input::LONGEST;
use oyez_engine::{Control, JobRequest, ParseOptions, Plan, SearchPath};
use oyez_model::Guid;
use oyez_server::http::problem::DescriptorError;
use oyez_store::Store;

use crate::error::{CommandError, Outcome};
use crate::foreground::{Foreground, Format};
use crate::programs::Programs;
use crate::{ending, place, reap};

/// Run a job descriptor to its end, and write its reports.
///
/// The first Ctrl-C cancels the job, which still writes its reports; the second one kills it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez run job.yaml
  oyez run job.json --out results --guid build-1234
  generate-job | oyez run - --format jsonl")]
pub struct Args {
    /// The job descriptor, JSON or YAML as ConTest takes it; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    place: place::Place,
    #[command(flatten)]
    programs: Programs,
    #[command(flatten)]
    foreground: Foreground,
    /// A correlation text of yours: finds this job again, together with what else has it; may be repeated
    #[arg(long)]
    guid: Vec<String>,
    /// Who asks for it
    #[arg(long, value_name = "NAME", env = "USER", default_value = "oyez", hide_env_values = true)]
    requestor: String,
    /// What is shown: people's lines and bars, each event as a JSON line, or nothing
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A descriptor that may run.
pub struct Readable {
    /// Its text.
    pub text: String,
    /// Its fields.
    pub descriptor: oyez_engine::Descriptor,
    /// What it would run.
    pub plan: Plan,
}

/// Reads a descriptor and says all that is wrong with it.
///
/// # Errors
/// It cannot be read, or is wrong.
pub fn read_descriptor(file: &Path, programs: &SearchPath) -> Result<Readable, CommandError> {
    let (name, bytes) = read_file(file)?;
    let options = ParseOptions { format: oyez_engine::Format::of_file(file), require_version: false };
    let prepared = oyez_engine::prepare(&bytes, &options, programs);
    let wrong: Vec<_> = prepared.diagnostics.iter().map(DescriptorError::from).collect();
    let errors = ending::wrong(&name, &wrong);
    match (prepared.descriptor, prepared.plan) {
        (Some(descriptor), Some(plan)) => {
            // A descriptor is JSON or YAML: it was read as text already.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(Readable { text, descriptor, plan })
        }
        _ => Err(CommandError::Descriptor { path: name, errors: errors.max(1) }),
    }
}

/// The bytes of a descriptor, and what it is called.
///
/// # Errors
/// It cannot be read.
pub fn read_file(file: &Path) -> Result<(String, Vec<u8>), CommandError> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let trouble = |source| CommandError::File { what: "cannot read", path: file.to_owned(), source };
    let usage = |e: CommandError| CommandError::Usage(format!("{e}; nothing was started"));
    let mut bytes = Vec::new();
    let most = LONGEST as u64 + 1;
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(trouble).map_err(usage)?;
    } else {
        std::fs::File::open(file)
            .and_then(|f| f.take(most).read_to_end(&mut bytes))
            .map_err(trouble)
            .map_err(usage)?;
    }
    Ok((name, bytes))
}

/// Runs it.
pub fn run(args: Args) -> Outcome {
    let guids: Vec<Guid> = args
        .guid
        .iter()
        .map(|text| Guid::new(text.as_str()).map_err(|e| CommandError::Usage(format!("--guid: {e}"))))
        .collect::<Result<_, _>>()?;
    let programs = args.programs.find(&args.place);
    let read = read_descriptor(&args.file, &programs)?;
    args.foreground.prepare()?;
    place::runtime()?.block_on(run_job(args, read, guids))
}

async fn run_job(args: Args, read: Readable, guids: Vec<Guid>) -> Outcome {
    let store = args.place.open()?;
    reap::reap(&*store).await?;
    let engine = args.foreground.engine(&store, args.programs.find(&args.place));
    let request = JobRequest {
        descriptor_text: read.text,
        descriptor: read.descriptor,
        plan: read.plan,
        requestor: args.requestor.chars().take(32).collect(),
        guids,
        host: None,
        server_id: None,
        priority: 0,
        repeats: None,
    };
    let (id, _, handle) = engine.submit(request).await?;
    let code = args.foreground.run(&engine, &store, (id, handle), Control::default(), args.format).await?;
    store.close().await?;
    Ok(code)
}
