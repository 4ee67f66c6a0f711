//! `cargo xtask fuzz [TARGET...]`: the fuzzers of `fuzz/`, each for some seconds.
//!
//! They are built by the stable compiler: its LLVM puts in the counters of coverage, and the crate `libfuzzer-sys` brings
//! the engine. What a fuzzer finds to be new is kept in `target/fuzz/corpus`, so that the next run goes on from there.
//! An input that fails is kept as well; once it is understood it moves to `fuzz/regressions/TARGET/`, where every run
//! tries it first.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::built;
use crate::error::Error;
use crate::step;
use crate::tools::{self, SystemTool};

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these targets; all if none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each of them runs; to libFuzzer 0 would be for ever
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// The fuzzers: what each feeds stands in `fuzz/src`.
const TARGETS: [&str; 15] = [
    "junit",
    "pickle",
    "pickle_again",
    "frame",
    "descriptor",
    "template",
    "expression",
    "duration",
    "records",
    "rows",
    "value",
    "checkpoint",
    "contest",
    "ocp",
    "plugin",
];

/// The engine is written in C++.
const COMPILER: SystemTool =
    SystemTool { program: "c++", package: "g++", lost: "the fuzzers cannot be built" };

/// Counters at each edge, with their addresses, and the operands of comparisons: what libFuzzer steers by.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// So much memory is a finding.
const MIB: u32 = 1024;

/// Builds them and runs them, as many at once as there are cores.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let chosen = chosen(&arguments.targets)?;
    tools::want_system_tools(&[COMPILER]);
    if !tools::in_path(COMPILER.program) {
        println!("the fuzzers are left out");
        return Ok(());
    }
    let folder = built::target_folder().join("fuzz");
    let programs = build(&folder)?;
    let limit = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut waiting: VecDeque<_> = chosen.into();
    let mut running: Vec<Fuzzer> = Vec::new();
    let mut failed = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < limit
            && let Some(target) = waiting.pop_front()
        {
            running.push(Fuzzer::start(target, &programs, &folder, arguments.seconds)?);
        }
        // Oldest first: they were started one after the other, and run for the same time.
        let fuzzer = running.remove(0);
        let target = fuzzer.target;
        if !fuzzer.wait()? {
            failed.push(target);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Steps(failed)) }
}

fn chosen(names: &[String]) -> Result<Vec<&'static str>, Error> {
    if let Some(name) = names.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        return Err(Error::NoSuchStep { name: name.clone(), known: TARGETS.to_vec() });
    }
    Ok(TARGETS
        .into_iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target))
        .collect())
}

/// Builds all targets; the folder that they are in.
fn build(folder: &Path) -> Result<PathBuf, Error> {
    let host = host()?;
    let target_folder = folder.display().to_string();
    let line = [
        "cargo",
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "fuzz/Cargo.toml",
        // With a target of their own the flags do not reach build scripts and macros.
        "--target",
        &host,
        "--target-dir",
        &target_folder,
    ];
    println!("== build: RUSTFLAGS=\"{COVERAGE}\" {}", line.join(" "));
    built::run(step::command(&line).env("RUSTFLAGS", COVERAGE).stdin(Stdio::null()), &line.join(" "))?;
    Ok(folder.join(host).join("release"))
}

/// The triple of this machine.
fn host() -> Result<String, Error> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let failed = |source| Error::Start { command: format!("{rustc} -vV"), source };
    let output = step::command(&[&rustc, "-vV"]).output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::Wrong(format!("`{rustc} -vV` names no host: {text}")))
}

/// A fuzzer that runs.
#[derive(Debug)]
struct Fuzzer {
    target: &'static str,
    child: Child,
    log: PathBuf,
    since: Instant,
}

impl Fuzzer {
    fn start(target: &'static str, programs: &Path, folder: &Path, seconds: u64) -> Result<Self, Error> {
        let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
        let failures = folder.join("failures").join(target);
        for folder in [&corpus, &seeds, &failures] {
            fs::create_dir_all(folder).map_err(|source| Error::File {
                what: "cannot make",
                path: folder.clone(),
                source,
            })?;
        }
        let log = folder.join(format!("{target}.log"));
        let file = File::create(&log).map_err(|source| Error::File {
            what: "cannot write",
            path: log.clone(),
            source,
        })?;
        let mut command = Command::new(programs.join(target));
        command
            .arg(format!("-max_total_time={seconds}"))
            .args(["-max_len=8192", "-timeout=10", "-print_final_stats=1"])
            .arg(format!("-rss_limit_mb={MIB}"))
            .arg(format!("-artifact_prefix={}/", failures.display()))
            // The first folder is where it writes; the others are read.
            .args([&corpus, &seeds])
            .args(kept("corpus", target))
            .args(kept("regressions", target))
            .env("OYEZ_FUZZ_SEEDS", &seeds)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let line = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|source| Error::Start { command: line, source })?;
        Ok(Fuzzer { target, child, log, since: Instant::now() })
    }

    /// Waits for its end and says how it went; false if it found something.
    fn wait(mut self) -> Result<bool, Error> {
        let failed = |source| Error::Start { command: self.target.to_owned(), source };
        let status = self.child.wait().map_err(failed)?;
        let text =
            fs::read(&self.log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
        let took = self.since.elapsed();
        if status.success() {
            println!("{:<11} {:>4} s  {}", self.target, took.as_secs(), figures(&text));
            return Ok(true);
        }
        println!("{:<11} FOUND SOMETHING ({status}) after {} s:", self.target, took.as_secs());
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(40)..] {
            println!("    {line}");
        }
        println!("    all of it:  {}", built::shown(&self.log));
        println!(
            "    next:       mend it, and move the input that it wrote to fuzz/regressions/{}/",
            self.target
        );
        Ok(false)
    }
}

/// A folder of ours for a target, if there is one.
fn kept(folder: &str, target: &str) -> Option<PathBuf> {
    let folder = step::root().join("fuzz").join(folder).join(target);
    folder.is_dir().then_some(folder)
}

/// What libFuzzer says at the end, in few words.
fn figures(log: &str) -> String {
    let word = |name: &str| {
        let line = log.lines().rev().find(|line| line.contains("DONE"))?;
        line.split_once(name)?.1.split_whitespace().next().map(str::to_owned)
    };
    let stat = |name: &str| {
        let line = log.lines().find(|line| line.starts_with(&format!("stat::{name}:")))?;
        line.split_whitespace().last().map(str::to_owned)
    };
    format!(
        "{} runs, {} edges seen, {} inputs kept",
        stat("number_of_executed_units").unwrap_or_default(),
        word(" cov: ").unwrap_or_default(),
        word(" corp: ").and_then(|text| text.split('/').next().map(str::to_owned)).unwrap_or_default(),
    )
}

/// All targets for so long each, as the soak wants it.
pub fn all(each: Duration) -> Result<(), Error> {
    run(&Arguments { targets: Vec::new(), seconds: each.as_secs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_run_are_found_in_its_log() {
        let log = "INFO: seed\n#60719\tDONE   cov: 3881 ft: 11087 corp: 1474/380Kb lim: 431 exec/s: 6746 rss: 35Mb\n\
                   stat::number_of_executed_units: 60719\n";
        assert_eq!(figures(log), "60719 runs, 3881 edges seen, 1474 inputs kept");
    }

    #[test]
    fn every_target_has_a_program_and_every_program_is_run() {
        let folder = step::root().join("fuzz/targets");
        let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        let found: Vec<_> = found.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        let mut known = TARGETS.to_vec();
        known.sort_unstable();
        assert_eq!(found, known);
    }
}
