//! A server on a free port, and how it is started.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;

use crate::lab::{Done, Lab, Running};

/// A server that is ready.
pub struct Server {
    pub running: Running,
    pub url: String,
    /// Held, so that what it says later finds a reader.
    _said: BufReader<ChildStdout>,
}

/// Starts a server in a lab's folder, on the lab's store.
pub fn serve(lab: &Lab, arguments: &[&str]) -> Server {
    let free: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let all: Vec<&str> = ["serve"].iter().chain(free).chain(arguments).copied().collect();
    ready(lab.start(&all))
}

/// Waits until a server that was started says where it listens.
pub fn ready(mut running: Running) -> Server {
    let mut said = BufReader::new(running.stdout());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let Some(url) = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()) else {
        drop(said);
        panic!("it did not start: {line:?} {:?}", running.end());
    };
    Server { url: url.to_owned(), running, _said: said }
}

impl Server {
    /// A command that speaks to it.
    pub fn oyez(&self, lab: &Lab, arguments: &[&str]) -> Done {
        self.command(lab, arguments).output().unwrap().into()
    }

    pub fn command(&self, lab: &Lab, arguments: &[&str]) -> std::process::Command {
        let mut command = lab.command(arguments);
        command.env("OYEZ_SERVER", &self.url).env_remove("OYEZ_DATA");
        command
    }

    /// A job, as the server tells of it.
    pub fn job(&self, lab: &Lab, id: &str) -> serde_json::Value {
        let done = self.oyez(lab, &["status", id, "--format", "json"]);
        assert!(!done.out.is_empty(), "{done:?}");
        done.json()
    }
}
