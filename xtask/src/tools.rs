//! The programs that a chore needs beside cargo itself, brought in when they are missing.
//!
//! Cargo's own tools are built from crates.io with their lock files, at one version each, so that two machines check the
//! same things. They go where `cargo install` puts programs; the build of one that was interrupted goes on from
//! `target/tools`. On a machine of two cores cargo-deny takes about two minutes to build and cargo-nextest six.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::Error;
use crate::step;

/// A cargo subcommand from crates.io.
#[derive(Debug, Clone, Copy)]
pub struct CargoTool {
    /// Crate and program: `cargo-NAME`.
    pub name: &'static str,
    /// An older one is replaced.
    pub at_least: (u32, u32, u32),
    /// What is installed if there is none, or one that is too old.
    pub install: &'static str,
}

/// Checks licences, sources and versions of dependencies. 0.14 does not know the licence `Unicode-3.0`; 0.20 is what deny.toml is
/// written for.
pub const DENY: CargoTool = CargoTool { name: "cargo-deny", at_least: (0, 20, 0), install: "0.20.2" };

/// Runs each test in a process of its own.
pub const NEXTEST: CargoTool = CargoTool { name: "cargo-nextest", at_least: (0, 9, 0), install: "0.9.143" };

/// A program that Debian has.
#[derive(Debug, Clone, Copy)]
pub struct SystemTool {
    /// The program.
    pub program: &'static str,
    /// The package that it is in.
    pub package: &'static str,
    /// What goes without it.
    pub lost: &'static str,
}

/// What tests use if it is there. Each of those tests says so, and passes, where it is not.
pub const SYSTEM: &[SystemTool] = &[
    SystemTool {
        program: "xmllint",
        package: "libxml2-utils",
        lost: "the JUnit reports that we write are not checked against their schema",
    },
    SystemTool {
        program: "sshd",
        package: "openssh-server",
        lost: "sshcmd and exec over ssh are not tried against a real server",
    },
    SystemTool {
        program: "ssh-agent",
        package: "openssh-client",
        lost: "sshcmd is not tried with keys and an agent",
    },
    SystemTool {
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        lost: "the step qemu is tried with a stand-in only",
    },
];

/// Installs the system's packages that are missing, as root on Debian and its children; else says what is lost.
///
/// None of them is worth a failure: a machine without them still tests nearly everything.
pub fn want_system_tools(tools: &[SystemTool]) {
    let missing: Vec<_> = tools.iter().filter(|tool| !in_path(tool.program)).collect();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    install_packages(&packages);
    for tool in missing.iter().filter(|tool| !in_path(tool.program)) {
        println!(
            "{} is missing: {}; `apt-get install {}` as root brings it",
            tool.program, tool.lost, tool.package
        );
    }
}

/// Installs packages as root on Debian and its children; does nothing elsewhere. Whoever calls it looks whether it helped.
pub fn install_packages(packages: &[&str]) {
    if !is_root() || !in_path("apt-get") {
        return;
    }
    println!("installing {}", packages.join(" "));
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    // A fresh image has no lists of packages; one that has need not fetch them again.
    if !apt_get(&install) && apt_get(&["update"]) {
        apt_get(&install);
    }
}

/// Runs apt-get, asking nothing; whether it succeeded.
fn apt_get(arguments: &[&str]) -> bool {
    let mut command = step::command(&[&["apt-get", "-q"], arguments].concat());
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a program of that name is in PATH, or where the administrator's programs are.
pub fn in_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    all.into_iter().any(|folder| folder.join(program).is_file())
}

/// PATH with one more folder, looked into last: what the system has goes before what it brings.
pub fn path_with(folder: &Path) -> OsString {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&folders).chain([folder.to_owned()]);
    // A folder whose name cannot stand in PATH is not looked into, as by anybody else.
    std::env::join_paths(all).unwrap_or(folders)
}

/// Whether we run as root, as far as `id` knows.
fn is_root() -> bool {
    let output = step::command(&["id", "-u"]).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs a component of the toolchain unless its subcommand is there: rustup's minimal profile has neither of ours.
pub fn need_component(component: &'static str, subcommand: &str) -> Result<(), Error> {
    let version = step::command(&["cargo", subcommand, "--version"]).stdin(Stdio::null()).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let line = ["rustup", "component", "add", component];
    let missing = |why: String| Error::Missing { program: component, why, by_hand: line.join(" ") };
    match step::command(&line).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(missing(format!("rustup ended with {status}"))),
        Err(error) => Err(missing(format!("rustup could not be started: {error}"))),
    }
}

/// Installs a cargo subcommand unless one that will do is there.
pub fn need_cargo_tool(tool: &CargoTool) -> Result<(), Error> {
    match installed_version(tool) {
        Some(version) if version >= tool.at_least => return Ok(()),
        Some((major, minor, patch)) => {
            println!("{} {major}.{minor}.{patch} is too old, installing {}", tool.name, tool.install);
        }
        None => println!("{} is missing, installing {} (some minutes, once)", tool.name, tool.install),
    }
    let line = [
        "cargo",
        "install",
        "--locked",
        "--force",
        "--target-dir",
        "target/tools",
        "--version",
        tool.install,
        tool.name,
    ];
    let by_hand = format!("cargo install --locked --version {} {}", tool.install, tool.name);
    let missing = |why: String| Error::Missing { program: tool.name, why, by_hand };
    match step::command(&line).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(missing(format!("`{}` ended with {status}", line.join(" ")))),
        Err(error) => Err(missing(error.to_string())),
    }
}

/// The version that `cargo NAME --version` tells; None if there is no such program, or it tells none.
fn installed_version(tool: &CargoTool) -> Option<(u32, u32, u32)> {
    let subcommand = tool.name.strip_prefix("cargo-")?;
    let output = step::command(&["cargo", subcommand, "--version"]).stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    version_in(&String::from_utf8_lossy(&output.stdout))
}

/// The first word of a text that is a version: `cargo-nextest 0.9.100 (...)`.
fn version_in(text: &str) -> Option<(u32, u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.split('.').map(|number| number.split(['-', '+']).next()?.parse().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_a_tool_prints() {
        assert_eq!(version_in("cargo-deny 0.20.2\n"), Some((0, 20, 2)));
        assert_eq!(version_in("cargo-nextest 0.9.100 (abc 2026-01-01)\nrelease: 0.9.99"), Some((0, 9, 100)));
        assert_eq!(version_in("tool 1.2.3-rc.1"), Some((1, 2, 3)));
        assert_eq!(version_in("no version here. at all."), None);
    }
}
