//! The project's own chores: `cargo xtask COMMAND`.
//!
//! Each command is one file with a `run(&Arguments)` and its arguments beside it; `step` runs other programs and says how
//! that went, `tools` brings in the programs that are missing. All of it is plain calls of other programs, so that whoever
//! does not trust it can type the same lines: they are printed.

mod bench;
mod built;
mod demo;
mod error;
mod fuzz;
mod python;
mod soak;
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
    /// Builds Oyez, runs a real project's own suite and a job on 100 targets with it, and names the reports.
    Demo(demo::Arguments),
    /// Installs what is missing and runs everything that has to pass: format, lints, dependencies, tests, fuzzers.
    Test(test::Arguments),
    /// Measures the numbers that Oyez promises.
    Bench(bench::Arguments),
    /// Runs the long loops: killed processes, faults, power cuts, properties, fuzzers.
    Soak(soak::Arguments),
    /// Runs the fuzzers, each for some seconds.
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}
