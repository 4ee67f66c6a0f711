//! A running service, and requests to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oyez_engine::{Manager, ManagerOptions, SearchPath};
use oyez_server::http::{Hosts, Limits, Listener, router};
use oyez_server::service::{Service, ServiceOptions};
use oyez_store::{MemoryStore, Store};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What must come comes long before this; only a defect lets a test wait so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A service.
pub struct Lab {
    pub address: SocketAddr,
    pub store: Arc<dyn Store>,
    pub service: Service,
    pub ending: watch::Sender<bool>,
    pub runtime: Runtime,
}

/// How a service differs from the usual.
#[derive(Default)]
pub struct Setup {
    pub limits: Limits,
    pub options: ServiceOptions,
    pub max_jobs: Option<usize>,
}

impl Lab {
    pub fn new() -> Self {
        Lab::of(Setup::default())
    }

    pub fn of(setup: Setup) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut options = ManagerOptions::new("labsrv");
        options.max_jobs = setup.max_jobs.unwrap_or(options.max_jobs);
        let manager = Manager::new(store.clone(), options);
        let service = Service::new(manager, SearchPath::from_env(), setup.options);
        service.ready();
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = runtime.block_on(Listener::bind(address, setup.limits)).unwrap();
        let address = listener.address();
        let ending = watch::Sender::new(false);
        runtime.spawn(listener.serve(router(service.clone(), Hosts::default()), ending.subscribe()));
        Lab { address, store, service, ending, runtime }
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, address: self.address }
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.connect().ask(method, path, headers, body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// One of ConTest's verbs.
    pub fn verb(&self, verb: &str, form: &[(&str, &str)]) -> Answer {
        self.connect().verb(verb, form)
    }

    /// Submits a descriptor; the job's number.
    pub fn submit(&self, descriptor: &str) -> u64 {
        let answer = self.ask("POST", "/api/v1/jobs", &[], descriptor.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["job"]["id"].as_u64().unwrap()
    }

    /// Waits until a job has come to rest.
    pub fn rest(&self, job: u64) -> Value {
        poll("the job does not come to rest", || {
            let job = self.get(&format!("/api/v1/jobs/{job}")).json();
            let state = job["state"].as_str().unwrap().to_owned();
            let rests = !["Queued", "Started", "Cancelling"].contains(&state.as_str());
            rests.then_some(job)
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

/// A connection.
pub struct Client {
    pub stream: TcpStream,
    address: SocketAddr,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    /// The head as it came, the empty line included.
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !headers.iter().any(|(name, _)| *name == "Content-Length" || *name == "Transfer-Encoding") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        // A server that refuses by the head need not read the body.
        let _ = self.stream.write_all(head.as_bytes()).and_then(|()| self.stream.write_all(body));
        self.answer()
    }

    pub fn verb(&mut self, verb: &str, form: &[(&str, &str)]) -> Answer {
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        self.ask("POST", &format!("/{verb}"), &form, body.join("&").as_bytes())
    }

    /// Reads one answer.
    pub fn answer(&mut self) -> Answer {
        let head = self.until(b"\r\n\r\n");
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {head:?}")).parse().unwrap();
        let field = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            Some(line[name.len()..].trim().to_owned())
        };
        let body = if let Some(length) = field("content-length:") {
            let mut body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut body).unwrap();
            body
        } else if field("transfer-encoding:").is_some() {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
            body
        } else {
            Vec::new()
        };
        Answer { status, head, body }
    }

    /// One chunk of a body; `None` after the last.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.until(b"\r\n")).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Reads up to and with these bytes, or to the end.
    pub fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let (mut out, mut byte) = (Vec::new(), [0]);
        while !out.ends_with(end) && self.stream.read(&mut byte).unwrap_or(0) == 1 {
            out.push(byte[0]);
        }
        out
    }

    /// Whether the server closes the connection before long.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        // A reset is an end as well.
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.head, self.text()))
    }

    /// The word of a problem.
    pub fn problem(&self) -> String {
        assert!(self.head.contains("application/problem+json"), "{} {}", self.head, self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{problem}");
        problem["type"].as_str().unwrap().trim_start_matches("urn:oyez:problem:").to_owned()
    }
}

pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A job of one test with these targets and steps (JSON, each step an object).
pub fn descriptor(targets: &[&str], steps: &[&str]) -> String {
    let targets: Vec<String> = targets.iter().map(|id| format!("{{\"ID\":\"{id}\"}}")).collect();
    format!(
        "{{\"JobName\":\"A job\",\"Version\":\"1.0\",\"Runs\":1,\"Tags\":[\"csv\",\"test\"],\"TestDescriptors\":[{{\
         \"TargetManagerName\":\"TargetList\",\"TargetManagerAcquireParameters\":{{\"Targets\":[{}]}},\
         \"TargetManagerReleaseParameters\":{{}},\"TestFetcherName\":\"literal\",\"TestFetcherFetchParameters\":\
         {{\"TestName\":\"A test\",\"Steps\":[{}]}}}}],\"Reporting\":{{\"RunReporters\":[{{\"Name\":\"TargetSuccess\",\
         \"Parameters\":{{\"SuccessExpression\":\"=100%\"}}}}],\"FinalReporters\":[{{\"Name\":\"noop\"}}]}}}}",
        targets.join(","),
        steps.join(",")
    )
}

/// A step that says something.
pub const ECHO: &str = "{\"name\":\"echo\",\"label\":\"say\",\"parameters\":{\"text\":[\"hello\"]}}";
/// A step that takes its time.
pub const SLEEP: &str = "{\"name\":\"sleep\",\"label\":\"wait\",\"parameters\":{\"duration\":[\"10m\"]}}";
