//! `cargo xtask demo`: Oyez on real input, from nothing.
//!
//! Part one wraps the own suite of a real project ([`suite`]), part two runs the jobs of `examples/` ([`jobs`]). Both keep
//! what they hear in one store, `target/demo/store`, that each run of the demo makes anew; the reports are in
//! `target/demo/out`. If the one part cannot be set up (no network), the other one is still shown.

mod jobs;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::built;
use crate::error::Error;
use crate::step;

/// Arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this part: suite, jobs
    #[arg(long, value_name = "PART", value_parser = ["suite", "jobs"])]
    only: Option<String>,
}

/// What the parts share.
#[derive(Debug)]
struct Stage {
    /// The command that was built.
    oyez: PathBuf,
    /// `target/demo`.
    folder: PathBuf,
    /// What is worth a look at the end: a file, and what to look for in it.
    looks: Vec<(PathBuf, &'static str)>,
}

/// Builds the command and shows it.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let begin = Instant::now();
    let binaries = built::release(&["oyez"])?;
    let oyez = binaries.into_iter().next().unwrap_or_default();
    println!("-- built in {} s", begin.elapsed().as_secs());
    let folder = built::target_folder().join("demo");
    for old in ["store", "out"] {
        remove(&folder.join(old))?;
    }
    make(&folder.join("out"))?;
    let mut stage = Stage { oyez, folder, looks: Vec::new() };
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    let mut failed = Vec::new();
    if wanted("suite")
        && let Err(error) = suite::show(&mut stage)
    {
        eprintln!("\nthe suite could not be shown: {error}");
        failed.push("suite");
    }
    if wanted("jobs") {
        jobs::show(&mut stage)?;
    }
    if stage.folder.join("store").is_dir() {
        stage.close()?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Steps(failed)) }
}

impl Stage {
    /// A call of the command with the demo's store.
    fn oyez(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.oyez);
        command.args(arguments).current_dir(step::root()).env("OYEZ_DATA", self.folder.join("store"));
        command.stdin(Stdio::null());
        command
    }

    /// Shows a call as it would be typed, and makes it. An error unless it ends with one of these codes.
    fn call(&self, arguments: &[&str], codes: &[i32], why: &str) -> Result<(), Error> {
        println!("\n$ oyez {}", arguments.join(" "));
        let mut command = self.oyez(arguments);
        self.expect(&mut command, &format!("oyez {}", arguments.join(" ")), codes, why)
    }

    /// Runs a call that has been shown; says its time and its code.
    fn expect(&self, command: &mut Command, line: &str, codes: &[i32], why: &str) -> Result<(), Error> {
        let begin = Instant::now();
        let status = command.status().map_err(|source| Error::Start { command: line.to_owned(), source })?;
        match status.code() {
            Some(code) if codes.contains(&code) => {
                println!("-- exit code {code} ({why}), {:.1} s", begin.elapsed().as_secs_f64());
                Ok(())
            }
            _ => Err(Error::Failed { command: line.to_owned(), status }),
        }
    }

    /// The latest job of the store, as `oyez status --format json` prints it.
    fn latest(&self) -> Result<serde_json::Value, Error> {
        let line = "oyez status latest --format json";
        let failed = |source| Error::Start { command: line.to_owned(), source };
        let output = self.oyez(&["status", "latest", "--format", "json"]).output().map_err(failed)?;
        serde_json::from_slice(&output.stdout)
            .map_err(|e| Error::Wrong(format!("`{line}` printed no JSON: {e}")))
    }

    /// The store as a whole, and where the reports are.
    fn close(&self) -> Result<(), Error> {
        self.call(&["list"], &[0], "every job of this demo")?;
        self.call(&["fsck"], &[0], "every row held against the journal")?;
        println!("\n== the reports");
        for (path, what) in &self.looks {
            if !path.is_file() {
                return Err(Error::Wrong(format!("{} was not written", path.display())));
            }
            println!("{}\n    {what}", path.display());
        }
        println!("\nThe store stays: OYEZ_DATA={} oyez list", built::shown(&self.folder.join("store")));
        Ok(())
    }
}

/// Makes a folder, with those above it.
fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::File {
        what: "cannot make",
        path: folder.to_owned(),
        source,
    })
}

/// Takes away what an earlier demo left.
fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { what: "cannot remove", path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}
