//! `oyez plan`: what a descriptor would run, here or on a server.

mod view;

use std::io::Write;
use std::path::PathBuf;

use oyez_engine::plan::expand::{ExpandedTest, expand};
use oyez_engine::{Functions, ParameterFile, Plan};

use crate::commands::list::Format;
use crate::commands::run::{read_descriptor, read_file};
use crate::commands::submit::media_type;
use crate::error::{CommandError, Outcome};
use crate::place::Place;
use crate::programs::Programs;
use crate::remote::{RemoteError, Server, Where};
use crate::{ending, exit};
use view::View;

/// Show what a job descriptor would run, without running it; all that is wrong with it is said at once.
///
/// Every parameter is shown as one target gets it. With a server it is what that server would run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez plan job.yaml
  oyez plan job.yaml --target node-042
  oyez plan job.json --format json
  oyez plan job.yaml --server http://127.0.0.1:8080
  generate-job | oyez plan -")]
pub struct Args {
    /// The job descriptor, JSON or YAML; `-` reads standard input
    file: PathBuf,
    /// The target that parameters are shown for [default: the first of each test]
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    programs: Programs,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A plan with its parameters as they will be.
#[derive(serde::Serialize)]
struct Whole<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    expanded: &'p [ExpandedTest],
}

/// Shows it.
pub fn run(args: &Args) -> Outcome {
    let json = match args.remote.server(&args.place)? {
        Some(server) => remote(args, &server)?,
        None => local(args)?,
    };
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => {
            let view = serde_json::from_str::<View>(&json);
            view.map_err(|e| CommandError::Usage(format!("the plan cannot be shown: {e}")))?.write(out)?;
        }
        Format::Json | Format::Jsonl => writeln!(out, "{json}")?,
    }
    Ok(exit::SUCCESS)
}

/// What would run here, as JSON.
fn local(args: &Args) -> Result<String, CommandError> {
    let read = read_descriptor(&args.file, &args.programs.find(&args.place))?;
    let functions = Functions::new(ParameterFile("parameters.json".into()));
    let expanded = expand(&read.plan, &functions, args.target.as_deref())
        .map_err(|e| CommandError::Usage(format!("--target: {e}")))?;
    let whole = Whole { plan: &read.plan, expanded: &expanded };
    let json = match args.format {
        Format::Json => serde_json::to_string_pretty(&whole),
        Format::Human | Format::Jsonl => serde_json::to_string(&whole),
    };
    json.map_err(|e| CommandError::Usage(format!("the plan cannot be shown: {e}")))
}

/// What would run on a server, in the same form.
fn remote(args: &Args, server: &Server) -> Result<String, CommandError> {
    let (name, descriptor) = read_file(&args.file)?;
    let planned = match server.plan(&descriptor, media_type(&args.file), args.target.as_deref()) {
        Err(RemoteError::Problem(problem)) if !problem.errors.is_empty() => {
            let errors = ending::wrong(&name, &problem.errors);
            return Err(CommandError::Descriptor { path: name, errors: errors.max(1) });
        }
        other => other?,
    };
    ending::wrong(&name, &planned.warnings);
    let plan = planned.plan.get().trim_end().strip_suffix('}').unwrap_or_default();
    Ok(format!("{plan},\"expanded\":{}}}", planned.expanded.get()))
}
