//! The project's own chores: `cargo xtask COMMAND`.
//!
//! Each command is one file with a `run(&Arguments)` and its arguments beside it; `step` runs other programs and says how
//! that went, `tools` brings in the programs that are missing. All of it is plain calls of other programs, so that whoever
//! does not trust it can type the same lines: they are printed.

mod error;
mod step;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Installs what is missing and runs everything that has to pass: format, lints, dependencies, tests.
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Test(arguments) => test::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}
