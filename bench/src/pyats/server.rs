//! The two servers: ours, and pyATS's own.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::{self, done};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(30);

/// Starts pyATS's own server as pyATS does, says its process id, and ends it when standard input ends.
const REAL: &str = "\
import sys
from pyats.reporter import ReportServer
server = ReportServer(sys.argv[1])
server.start_server()
print(server._server_proc.pid, flush=True)
sys.stdin.read()
server.stop_server()
";

/// A report server in a process of its own, with a folder of its own; both go in the end.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Open as long as pyATS's own server is wanted.
    stdin: Option<ChildStdin>,
    /// The process that serves: a child of `process` for pyATS's own.
    pid: u32,
    folder: tempfile::TempDir,
}

impl Server {
    /// Ours, with a store of its own on disk.
    #[must_use]
    pub fn ours() -> Server {
        let folder = measure::folder();
        let process = Command::new(measure::oyez())
            .args(["pyats", "serve"])
            .arg(folder.path())
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let process = done(process);
        let server = Server { pid: process.id(), process, stdin: None, folder };
        server.wait();
        server
    }

    /// pyATS's own.
    #[must_use]
    pub fn real(python: &Path) -> Server {
        let folder = measure::folder();
        let mut process = done(
            Command::new(python)
                .args(["-c", REAL])
                .arg(folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn(),
        );
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            done(BufReader::new(stdout).read_line(&mut line));
        }
        let stdin = process.stdin.take();
        let server = Server { pid: done(line.trim().parse()), process, stdin, folder };
        server.wait();
        server
    }

    fn wait(&self) {
        let until = Instant::now() + START;
        while let Err(e) = UnixStream::connect(self.socket()) {
            if Instant::now() > until {
                eprintln!("the benchmark cannot go on: no server at {}: {e}", self.socket().display());
                std::process::exit(1);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("reporter.sock")
    }

    /// A file that it wrote.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Processor time that it has used, in seconds: unlike a rate it says the same on a machine that is busy.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // Behind the name of the program, which may hold anything: user and system time are the fields 14 and 15.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        ticks.sum::<f64>() / rustix::param::clock_ticks_per_second() as f64
    }

    /// The most memory that it has had, in MiB.
    #[must_use]
    pub fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stdin.take().is_none() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Whether a Python has pyATS.
#[must_use]
pub fn has_pyats(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import pyats.reporter"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
