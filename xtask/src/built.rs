//! What cargo builds for us, and where it puts it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::Error;
use crate::step;

/// Builds binaries of the workspace in release, and says where each is.
pub fn release(packages: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let mut line = vec!["cargo", "build", "--release"];
    for package in packages {
        line.extend(["--package", package]);
    }
    println!("== build: {}", line.join(" "));
    run(step::command(&line).stdin(Stdio::null()), &line.join(" "))?;
    Ok(packages.iter().map(|package| target_folder().join("release").join(package)).collect())
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else `target` in the root.
pub fn target_folder() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    // Joining an absolute path gives that path.
    step::root().join(named.map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// Runs a program to its end; an error if it cannot be started, or says no.
pub fn run(command: &mut std::process::Command, line: &str) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::Start { command: line.to_owned(), source })?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: line.to_owned(), status }) }
}

/// A path as it is shorter to read: below the root without the root.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(step::root()).unwrap_or(path).display().to_string()
}
