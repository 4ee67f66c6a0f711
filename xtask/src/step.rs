//! Steps: calls of other programs with a name, a time and a word on what to do when they fail.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// One thing that has to pass.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// One word, for `--only` and the summary.
    pub name: &'static str,
    /// The line: a program and its arguments. `cargo` is the cargo that runs us.
    pub line: &'static [&'static str],
    /// What whoever sees it fail does next.
    pub advice: &'static str,
}

/// Runs steps one after another, all of them even if one fails, so that one run tells everything.
#[derive(Debug, Default)]
pub struct Steps {
    done: Vec<(&'static str, Duration, bool)>,
    /// Variables that the programs get beside ours.
    variables: Vec<(&'static str, OsString)>,
}

impl Steps {
    /// Runs one step in the workspace's root, its output going where ours goes. `Err` only if it cannot be started.
    pub fn run(&mut self, step: &Step) -> Result<(), Error> {
        println!("\n== {}: {}", step.name, step.line.join(" "));
        let start = Instant::now();
        let passed = command(step.line)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .status()
            .map_err(|source| Error::Start { command: step.line.join(" "), source })?
            .success();
        let took = start.elapsed();
        if passed {
            println!("-- {} passed in {}", step.name, seconds(took));
        } else {
            println!("-- {} FAILED after {}", step.name, seconds(took));
            println!("   the command: {}", step.line.join(" "));
            println!("   what to do:  {}", step.advice);
        }
        self.done.push((step.name, took, passed));
        Ok(())
    }

    /// Gives every program that is run from now on a variable.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// Notes the time of something that was done without a program of its own.
    pub fn note(&mut self, name: &'static str, took: Duration) {
        self.done.push((name, took, true));
    }

    /// Prints a line a step; an error if one failed.
    pub fn finish(self) -> Result<(), Error> {
        println!("\n== summary");
        for (name, took, passed) in &self.done {
            println!("{:<8} {:>9}  {}", name, seconds(*took), if *passed { "passed" } else { "FAILED" });
        }
        println!("{:<8} {:>9}", "total", seconds(self.done.iter().map(|(_, took, _)| took).sum()));
        let failed: Vec<_> =
            self.done.iter().filter(|(_, _, passed)| !passed).map(|(name, _, _)| *name).collect();
        if failed.is_empty() { Ok(()) } else { Err(Error::Steps(failed)) }
    }
}

/// A command for a line, in the workspace's root.
pub fn command(line: &[&str]) -> Command {
    let (program, arguments) = line.split_first().unwrap_or((&"true", &[]));
    // The cargo that started us belongs to the toolchain that the user chose; PATH may have another.
    let program = match *program {
        "cargo" => std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")),
        other => OsString::from(other),
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The workspace's root: the folder around this crate.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A duration as people read it.
fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole >= 60 {
        format!("{} m {:02} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
