//! The built command as a report server, Python, and what stands beside the repository.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The built command.
pub fn oyez() -> &'static str {
    env!("CARGO_BIN_EXE_oyez")
}

/// The folder beside the repository; without it a test says so and passes.
pub fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if path.join("golden/pyats").is_dir() {
        return path.canonicalize().ok();
    }
    crate::skipped::skipped("../shared is not there");
    None
}

/// The environment in which pyATS is installed.
pub fn pyats() -> Option<PathBuf> {
    let named = std::env::var_os("OYEZ_TEST_PYATS").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/pyats");
    let found = named.into_iter().chain([built]).find(|venv| venv.join("bin/pyats").exists());
    if found.is_none() {
        crate::skipped::skipped("pyATS is not installed (`cargo xtask test` installs it)");
    }
    found
}

/// Runs a command to its end, at most `most`. Its output goes to files, so that what it leaves running does not matter.
pub fn run(command: &mut Command, most: Duration) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
    let status = wait(&mut child, most);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let output = |status| Output { status, stdout: read("out"), stderr: read("err") };
    match status {
        Some(status) => output(status),
        None => {
            let _ = child.kill();
            panic!("{command:?} took more than {most:?}: {:?}", output(child.wait().unwrap()));
        }
    }
}

fn wait(child: &mut Child, most: Duration) -> Option<std::process::ExitStatus> {
    let until = Instant::now() + most;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Text of an output.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A report server in a folder of its own; ended with the test.
pub struct Server {
    folder: tempfile::TempDir,
    name: String,
    child: Child,
}

impl Server {
    /// Starts one, with these options.
    pub fn start(options: &[&str]) -> Server {
        Self::start_in("run", options)
    }

    /// The same, with the run's folder named so.
    pub fn start_in(name: &str, options: &[&str]) -> Server {
        let folder = tempfile::Builder::new().prefix("oy").tempdir().unwrap();
        let child = Self::spawn(folder.path(), name, options);
        let server = Server { folder, name: name.to_owned(), child };
        server.wait_ready();
        server
    }

    fn spawn(folder: &Path, name: &str, options: &[&str]) -> Child {
        Command::new(oyez())
            .args(["pyats", "serve"])
            .arg(folder.join(name))
            .arg("--data")
            .arg(folder.join("data"))
            .args(options)
            .stdin(Stdio::null())
            .stderr(std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap())
            .spawn()
            .unwrap()
    }

    fn wait_ready(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(self.reached()).is_err() {
            assert!(Instant::now() < until, "the server did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it with SIGKILL and starts another one in the same folder.
    pub fn kill_and_restart(&mut self, options: &[&str]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(self.folder.path(), &self.name, options);
        self.wait_ready();
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder().join("reporter.sock")
    }

    /// The socket by a path that every system takes.
    fn reached(&self) -> PathBuf {
        std::fs::read_link(self.socket()).unwrap_or_else(|_| self.socket())
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        wait(&mut self.child, Duration::from_secs(20)).expect("the server ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
