//! A bare connection to the report server: requests as values, replies as values.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use oyez_model::Value;
use oyez_wire::pyats::frame::{self, Frames};
use oyez_wire::pyats::objects;
use oyez_wire::pyats::pickle::{self, Limits};
use oyez_wire::pyats::tree::Verdict;

/// A connection.
pub struct Wire {
    pub stream: UnixStream,
    frames: Frames,
    arrived: Vec<u8>,
}

/// Named arguments.
pub type Pairs<'a> = &'a [(&'a str, Value)];

impl Wire {
    pub fn connect(socket: &Path) -> Wire {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Wire { stream, frames: Frames::default(), arrived: Vec::new() }
    }

    /// Connects and registers.
    pub fn client(socket: &Path, pid: &str, ppid: &str) -> Wire {
        let mut wire = Wire::connect(socket);
        let reply = wire.call("register_client", &[("pid", pid.into()), ("ppid", ppid.into())]);
        assert_eq!(reply, Value::Null);
        wire
    }

    pub fn send(&mut self, message: &Value) {
        let mut bytes = Vec::new();
        frame::encode(&pickle::write(message), &mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next message; none at the end of the stream.
    pub fn receive(&mut self) -> Option<Value> {
        loop {
            let mut rest = &self.arrived[..];
            let found =
                self.frames.next(&mut rest).unwrap().map(|m| pickle::read(m, &Limits::default()).unwrap());
            let left = rest.len();
            self.arrived.drain(..self.arrived.len() - left);
            if found.is_some() {
                return found;
            }
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.arrived.extend_from_slice(&buffer[..n]),
            }
        }
    }

    pub fn request(&mut self, request: &Value) -> Value {
        self.send(request);
        self.receive().expect("a reply")
    }

    pub fn call(&mut self, name: &str, arguments: Pairs<'_>) -> Value {
        self.request(&request(name, arguments, None))
    }

    /// A call that is answered with `None`.
    pub fn does(&mut self, name: &str, arguments: Pairs<'_>) {
        let reply = self.call(name, arguments);
        assert_eq!(reply, Value::Null, "{name}");
    }

    /// A call that is refused: class and message.
    pub fn refused(&mut self, name: &str, arguments: Pairs<'_>) -> (String, String) {
        refusal(&self.call(name, arguments))
    }
}

/// Class and message of an error reply.
pub fn refusal(reply: &Value) -> (String, String) {
    match reply.get("exception") {
        Some(Value::Opaque(o)) => {
            (o.name.clone(), o.args.last().and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        _ => panic!("no error: {reply:?}"),
    }
}

pub fn request(name: &str, arguments: Pairs<'_>, number: Option<i64>) -> Value {
    let data = arguments.iter().map(|(k, v)| (Value::text(*k), v.clone())).collect();
    let mut pairs = vec![(Value::text("name"), Value::text(name)), (Value::text("data"), Value::Map(data))];
    if let Some(number) = number {
        pairs.push((Value::text("number"), Value::Int(number)));
    }
    Value::Map(pairs)
}

/// A TestResult.
pub fn result(outcome: oyez_model::Outcome) -> Value {
    objects::result(&Verdict::of(outcome))
}

/// A suite with one task, opened.
pub fn begin(wire: &mut Wire) {
    wire.does("start_testsuite", &[("id", "J".into()), ("name", "job".into())]);
    wire.does("start_task", &[("id", "T".into()), ("name", "task".into())]);
}

/// Ends both and asks for the results.
pub fn end(wire: &mut Wire) {
    wire.does("stop_task", &[]);
    wire.does("stop_testsuite", &[]);
    wire.does("generate_report", &[]);
    wire.does("generate_xml", &[]);
}
