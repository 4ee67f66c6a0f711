//! `cargo xtask bench [NAME...]`: the promised numbers, each measured by the code that is shipped.

use std::process::Command;

use crate::error::Error;
use crate::{built, python};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these parts: ingest, sections, engine, command, pyats; with --full also the other sides at full size
    #[arg(value_name = "NAME", trailing_var_arg = true, allow_hyphen_values = true)]
    names: Vec<String>,
}

/// Builds the benchmark and the command that it measures, and runs it.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let binaries = built::release(&["oyez-bench", "oyez"])?;
    let Some(bench) = binaries.first() else { return Ok(()) };
    println!("\n== bench: {} {}", built::shown(bench), arguments.names.join(" "));
    let mut command = Command::new(bench);
    command.args(&arguments.names);
    // The numbers of pyATS's own server stand beside ours, where it can be had.
    let named: Vec<_> = arguments.names.iter().filter(|name| !name.starts_with("--")).collect();
    if (named.is_empty() || named.iter().any(|name| *name == "pyats"))
        && let Some(pyats) = python::want_pyats()
    {
        command.env("OYEZ_PYATS_PYTHON", pyats.join("bin/python"));
    }
    built::run(&mut command, &built::shown(bench))
}
