//! A folder with a store of its own, and the command in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What must come comes long before this; only a defect lets a test wait so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a test works.
pub struct Lab {
    folder: tempfile::TempDir,
}

/// How a call ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Done { code: output.status.code(), out: output.stdout, err }
    }
}

impl Done {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Standard output as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Standard output as JSON lines.
    pub fn lines(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.text().lines().map(line).collect()
    }

    /// The same, of a call that must have ended with this code.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.text(), self.err);
        self
    }
}

impl Lab {
    pub fn new() -> Self {
        Lab { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A call in the folder, with its store, in an environment that says nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oyez"));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("OYEZ_DATA", self.path("store")).env("HOME", self.folder.path()).env("TZ", "UTC");
        command
    }

    /// Makes a call and waits for its end.
    pub fn oyez(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a descriptor that stands in a file of that name.
    pub fn run(&self, descriptor: &str) -> Done {
        self.write("job.yaml", descriptor);
        self.oyez(&["run", "job.yaml", "--out", "out"])
    }

    /// Begins a call that a test then does something to.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments))
    }

    /// All jobs, newest first, as `oyez list` tells them.
    pub fn jobs(&self) -> Vec<Value> {
        let done = self.oyez(&["list", "--limit", "0", "--format", "json"]).ended(0);
        done.json().as_array().unwrap().clone()
    }

    /// The only job.
    pub fn job(&self) -> Value {
        let jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "{jobs:#?}");
        jobs[0].clone()
    }

    /// The events of the latest job.
    pub fn events(&self) -> Vec<Value> {
        self.oyez(&["events", "latest", "--format", "jsonl"]).ended(0).lines()
    }

    /// Waits until the only job has an event of this kind, and gives it back.
    pub fn wait_for(&self, kind: &str) -> Value {
        poll(&format!("no event {kind} came"), || {
            let done = self.oyez(&["events", "latest", "--format", "jsonl"]);
            // Without a job there are no events yet.
            let events = if done.code == Some(0) { done.lines() } else { Vec::new() };
            events.into_iter().find(|event| event["kind"] == kind)
        })
    }
}

/// Asks again and again until there is an answer.
pub fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A call that goes on.
#[derive(Debug)]
pub struct Running(Option<Child>);

impl Running {
    /// Begins a call.
    pub fn of(mut command: Command) -> Self {
        Running(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub fn pid(&mut self) -> u32 {
        self.child().id()
    }

    pub fn stdout(&mut self) -> std::process::ChildStdout {
        self.child().stdout.take().unwrap()
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.child());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends it by SIGKILL. It is not waited for: until it is dropped it stays a dead child that nobody has taken away.
    pub fn kill(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        let pid = self.pid();
        poll("a killed process goes on", || (state_of(pid).unwrap_or('Z') == 'Z').then_some(()));
    }

    /// Waits for its end.
    pub fn end(mut self) -> Done {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The state of a process, as `/proc` tells it; none if it is gone.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A job of one test with these targets and steps (YAML, each step a line of flow style).
pub fn descriptor(targets: &[&str], steps: &[&str]) -> String {
    let targets: Vec<_> = targets.iter().map(|id| format!("{{ID: {id}}}")).collect();
    let steps: Vec<_> = steps.iter().map(|step| format!("        - {step}\n")).collect();
    format!(
        "JobName: A job\nRuns: 1\nTestDescriptors:\n  - TargetManagerName: TargetList\n    \
         TargetManagerAcquireParameters: {{Targets: [{}]}}\n    TargetManagerReleaseParameters: {{}}\n    \
         TestFetcherName: Literal\n    TestFetcherFetchParameters:\n      TestName: A test\n      Steps:\n{}\
         Reporting:\n  RunReporters:\n    - {{Name: TargetSuccess, Parameters: {{SuccessExpression: \"=100%\"}}}}\n",
        targets.join(", "),
        steps.concat()
    )
}

/// A step that runs a shell script.
pub fn shell(label: &str, script: &str) -> String {
    let script = serde_json::to_string(script).unwrap();
    format!(
        "{{name: cmd, label: {label}, parameters: {{executable: [sh], args: [-c, {script}, sh, \"{{{{ .ID }}}}\"]}}}}"
    )
}

/// The recordings of a real ConTest, if they are here.
pub fn golden() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/contest");
    if path.is_dir() {
        return Some(path);
    }
    crate::skipped::skipped("../shared is not there");
    None
}
