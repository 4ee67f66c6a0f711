//! Clocks, memory and child processes, as the system itself accounts for them.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Ends the benchmark with a word on what went wrong.
pub fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(e) => {
            eprintln!("the benchmark cannot go on: {e}");
            std::process::exit(1)
        }
    }
}

/// A temporary folder, gone at the end.
#[must_use]
pub fn folder() -> tempfile::TempDir {
    done(tempfile::tempdir())
}

/// A runtime as the command has it.
#[must_use]
pub fn runtime() -> tokio::runtime::Runtime {
    done(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build())
}

/// The command that was built beside the benchmark.
#[must_use]
pub fn oyez() -> PathBuf {
    let here = done(std::env::current_exe());
    here.with_file_name("oyez")
}

/// Anonymous memory of this process, in MiB.
#[must_use]
pub fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// What a child process took.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// From start to end.
    pub seconds: f64,
    /// Its largest resident memory.
    pub peak_mib: f64,
    /// Its exit code; 128 + n after signal n.
    pub code: i32,
}

/// Runs a command to its end.
#[must_use]
#[expect(
    unsafe_code,
    reason = "wait4 is the only way to learn one child's peak memory; its arguments are ours"
)]
pub fn child(command: &mut Command) -> Child {
    let begin = Instant::now();
    #[expect(clippy::zombie_processes, reason = "wait4 below waits for it")]
    let child = done(command.spawn());
    let pid = child.id().cast_signed();
    let mut status = 0;
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let seconds = begin.elapsed().as_secs_f64();
    let status = std::process::ExitStatus::from_raw(status);
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Child { seconds, peak_mib: usage.ru_maxrss as f64 / 1024.0, code }
}

/// The middle one.
#[must_use]
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
