//! `cargo xtask bench [NAME...]`: the promised numbers, each measured by the code that is shipped.

use std::process::Command;

use crate::built;
use crate::error::Error;

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these parts: ingest, sections, engine, command
    #[arg(value_name = "NAME", trailing_var_arg = true, allow_hyphen_values = true)]
    names: Vec<String>,
}

/// Builds the benchmark and the command that it measures, and runs it.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let binaries = built::release(&["oyez-bench", "oyez"])?;
    let Some(bench) = binaries.first() else { return Ok(()) };
    println!("\n== bench: {} {}", built::shown(bench), arguments.names.join(" "));
    built::run(Command::new(bench).args(&arguments.names), &built::shown(bench))
}
