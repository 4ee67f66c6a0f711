//! A client that costs next to nothing: messages pickled beforehand, replies compared as bytes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use oyez_model::{Outcome, Value};
use oyez_wire::pyats::tree::Verdict;
use oyez_wire::pyats::{frame, objects, pickle};

use crate::measure::done;

/// `None`, as a whole message.
pub const NONE: [u8; 7] = [0, 0, 4, 0x80, 4, b'N', b'.'];

/// Digits of the number in a message.
const DIGITS: usize = 8;

/// The framed pickle of a call.
#[must_use]
pub fn message(name: &str, data: Vec<(&str, Value)>) -> Vec<u8> {
    let data = data.into_iter().map(|(key, value)| (Value::text(key), value)).collect();
    let request =
        Value::Map(vec![(Value::text("name"), Value::text(name)), (Value::text("data"), Value::Map(data))]);
    let mut out = Vec::new();
    frame::encode(&pickle::write(&request), &mut out);
    out
}

/// A call that starts a section, with another number in its id each time.
#[derive(Clone, Debug)]
pub struct Start {
    bytes: Vec<u8>,
    /// Where the number's digits stand.
    at: usize,
}

impl Start {
    /// Ids are the prefix and a number. What else it says is what pyATS's own test harness says, but for the log.
    #[must_use]
    pub fn new(prefix: &str, kind: &str) -> Start {
        let digits = "0".repeat(DIGITS);
        let bytes = message(
            "start_section",
            vec![
                ("id", Value::text(format!("{prefix}{digits}"))),
                ("type", Value::text(kind)),
                ("name", Value::text(format!("a {kind} of the benchmark"))),
                ("description", Value::text("What it is for, in one line.")),
            ],
        );
        let at = bytes.windows(DIGITS).position(|window| window == digits.as_bytes()).unwrap_or(0);
        Start { bytes, at }
    }

    /// The message with this number.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        let mut rest = number;
        for digit in self.bytes[self.at..][..DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.bytes
    }
}

/// A call that stops the caller's section.
#[must_use]
pub fn stop() -> Vec<u8> {
    message("stop_section", vec![("result", objects::result(&Verdict::of(Outcome::Passed)))])
}

/// A registered connection.
#[derive(Debug)]
pub struct Peer {
    /// The connection; what is written and read beside [`Peer::call`] is the caller's matter.
    pub stream: UnixStream,
}

impl Peer {
    /// Connects as the process `pid`, a child of `ppid`.
    #[must_use]
    pub fn new(socket: &Path, pid: u64, ppid: u64) -> Peer {
        let mut peer = Peer { stream: done(UnixStream::connect(socket)) };
        let pids = vec![("pid", Value::Text(pid.to_string())), ("ppid", Value::Text(ppid.to_string()))];
        peer.call(&message("register_client", pids));
        peer
    }

    /// One call, which must be answered with `None`.
    pub fn call(&mut self, message: &[u8]) {
        done(self.stream.write_all(message));
        self.answered();
    }

    /// Reads one answer, which must be `None`.
    pub fn answered(&mut self) {
        let mut reply = [0; NONE.len()];
        done(self.stream.read_exact(&mut reply));
        if reply != NONE {
            let mut rest = [0; 4096];
            let n = self.stream.read(&mut rest).unwrap_or(0);
            let rest = String::from_utf8_lossy(&rest[..n]);
            done(Err(format!("a call was answered with something else than None: {rest}")))
        }
    }

    /// Opens the suite and one task.
    pub fn begin(&mut self) {
        self.call(&message("start_testsuite", vec![("id", Value::text("bench"))]));
        self.call(&message("start_task", vec![("id", Value::text("T1")), ("name", Value::text("bench"))]));
    }

    /// Ends both.
    pub fn end(&mut self) {
        self.call(&message("stop_task", Vec::new()));
        self.call(&message("stop_testsuite", Vec::new()));
    }
}
