//! A real OpenSSH server on loopback, for one test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The server, with a key that it lets in.
pub struct Sshd {
    child: Child,
    pub port: u16,
    pub user: String,
    pub folder: tempfile::TempDir,
}

/// Where a program is, also those of the system's administrator.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        crate::skipped::skipped(&format!("{name} is not installed"));
    }
    found
}

pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn keygen(file: &Path) {
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()]);
}

impl Sshd {
    /// Starts it; `None` where there is none, which is said.
    pub fn start() -> Option<Sshd> {
        let sshd = program("sshd")?;
        program("ssh-keygen")?;
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        keygen(&place("host"));
        keygen(&place("key"));
        std::fs::copy(place("key.pub"), place("authorized")).unwrap();
        // Wanted by a server that root starts, and made by an init script that nobody ran.
        let _not_root = std::fs::create_dir("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nLogLevel INFO\n",
            folder.path().display()
        );
        std::fs::write(place("config"), config).unwrap();
        let mut child = Command::new(sshd)
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(place("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line = lines.next().map_or_else(String::new, Result::unwrap);
            assert!(!line.is_empty(), "sshd did not start: {said}");
            if line.contains("Server listening") {
                break;
            }
            said.push_str(&line);
        }
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let user = run("id", &["-un"]).trim().to_owned();
        let sshd = Sshd { child, port, user, folder };
        let key = std::fs::read_to_string(sshd.path("host.pub")).unwrap();
        sshd.write("known_hosts", &format!("[127.0.0.1]:{port} {key}"));
        Some(sshd)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Parameters of `sshcmd` that lead here.
    pub fn parameters(&self, executable: &str, args: &[&str]) -> Value {
        json!({
            "host": ["127.0.0.1"], "port": [self.port], "user": [self.user],
            "private_key_file": [self.path("key")], "known_hosts": [self.path("known_hosts")],
            "executable": [executable], "args": args
        })
    }

    /// Options of `exec`'s transport that lead here.
    pub fn options(&self) -> Value {
        json!({
            "host": "127.0.0.1", "port": self.port, "user": self.user, "identity_file": self.path("key"),
            "known_hosts": self.path("known_hosts")
        })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}
