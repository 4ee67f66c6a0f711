//! `oyez import`: results that other systems left behind, as jobs.

mod archive;
mod pyats;

use crate::error::Outcome;
use crate::place;

/// Bring results of other systems in, as jobs with their own dates.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez import pyats ~/.pyats/archive/26-11/my_job.2026Nov20_21_51_59_488192.zip
  oyez import pyats runinfo/my_job.2026Nov20_21_51_59_488192
  oyez import pyats results.json")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Pyats(pyats::Args),
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    match &args.from {
        From::Pyats(from) => pyats::run(&args.place, from),
    }
}
