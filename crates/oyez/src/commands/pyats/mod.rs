//! `oyez pyats`: pyATS's reports come here.

mod package;
mod run;
mod serve;
mod supervise;

use crate::error::Outcome;
use crate::place;

/// Run pyATS jobs with their reports kept here, or serve a run's folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez pyats run job my_job.py --testbed-file testbed.yaml
  oyez pyats --strict run job my_job.py
  oyez pyats serve /tmp/runinfo

`pip install` of Oyez's Python package has the same effect for every `pyats run job`, without this command.")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// Answers to the letter as pyATS's own server gives them: a step id that comes twice is an error in the test
    #[arg(long, global = true, env = "OYEZ_PYATS_STRICT", value_parser = clap::builder::FalseyValueParser::new())]
    strict: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Run(run::Args),
}

/// Runs it.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::Serve(serve) => serve::run(&args.place, args.strict, serve),
        Command::Run(run) => run::run(&args.place, args.strict, &run),
    }
}
