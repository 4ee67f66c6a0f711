//! The job manager as its clients see it: over HTTP, against the binary that is shipped.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command;
use crate::measure::{self, done};
use crate::table::Table;

/// Small jobs that are stored before lists are measured.
const STORED: usize = 100_000;
/// Of the many jobs at once: how many, and how many targets each locks.
const AT_ONCE: (usize, usize) = (1000, 100);
const BIG: usize = 20_000;

/// All of it.
pub fn run(table: &mut Table) {
    let folder = measure::folder();
    big(table, folder.path());
    small(table, folder.path());
    many(table, folder.path());
}

/// A job of 20,000 targets: from its submission to its end, its summary, and ConTest's status of it.
fn big(table: &mut Table, folder: &Path) {
    let server = Server::start(&folder.join("big"), &[]);
    let mut client = server.client();
    let descriptor = command::descriptor(BIG);
    let alone = measure::median((0..5).map(|n| time_small(&mut client, &format!("alone{n}"))).collect());
    let mut took = Vec::new();
    let mut job = 0;
    for _ in 0..3 {
        let begin = Instant::now();
        job = client.submit(&descriptor);
        client.until(job, "Completed");
        took.push(begin.elapsed().as_secs_f64());
    }
    table.at_most("service: 20,000 targets x 3 echo, submit to Completed", measure::median(took), 1.5, "s");
    let summary = (0..200).map(|_| {
        let begin = Instant::now();
        client.get(&format!("/api/v1/jobs/{job}"));
        begin.elapsed().as_secs_f64() * 1e3
    });
    table.at_most("service: status summary of it", measure::median(summary.collect()), 2.0, "ms");
    let before = server.resident_mib();
    let begin = Instant::now();
    let status = client.post("/status", &format!("requestor=bench&jobID={job}"), FORM);
    table.at_most("service: ConTest's full status of it", begin.elapsed().as_secs_f64(), 1.0, "s");
    let more = (server.peak_mib() - before).max(0.0);
    table.note("service: bytes of that status", status.len() as f64, "");
    table.at_most("service: memory that it takes at most", more, 100.0, "MiB");
    // Another job beside a big one.
    let big = client.submit(&descriptor);
    let mut beside = Vec::new();
    while client.state(big) != "Completed" {
        beside.push(time_small(&mut client, &format!("beside{}", beside.len())));
    }
    table.note("service: a job of one target alone", alone * 1e3, "ms");
    table.at_most(
        "service: the same beside a job of 20,000, times",
        measure::median(beside) / alone,
        2.0,
        "x",
    );
}

/// From its submission to its end.
fn time_small(client: &mut Client, target: &str) -> f64 {
    let begin = Instant::now();
    let job = client.submit(&one(target, "bench"));
    client.until(job, "Completed");
    begin.elapsed().as_secs_f64()
}

/// Small jobs as fast as they go, then lists and a start on all of them.
fn small(table: &mut Table, folder: &Path) {
    let data = folder.join("small");
    let server = Server::start(&data, &[]);
    let rate = |connections: usize, each: usize| {
        let begin = Instant::now();
        let workers: Vec<_> = (0..connections)
            .map(|n| {
                let mut client = server.client();
                let body = form(&one(&format!("w{n}"), if n % 2 == 0 { "even" } else { "odd" }));
                std::thread::spawn(move || {
                    for _ in 0..each {
                        client.post("/start", &body, FORM);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| drop(worker.join()));
        server.client().until_idle();
        (connections * each) as f64 / begin.elapsed().as_secs_f64()
    };
    rate(16, 100);
    let one_connection = rate(1, 4000);
    table.at_least("service: small jobs a second, one connection", one_connection, 2000.0, "/s");
    let sixteen = rate(16, 1500);
    table.at_least("service: small jobs a second, 16 connections", sixteen, 5000.0, "/s");
    let stored = server.client().newest();
    rate(16, STORED.saturating_sub(stored).div_ceil(16));
    let mut client = server.client();
    let mut list = |query: &str| {
        let times = (0..9).map(|_| {
            let begin = Instant::now();
            client.post("/list", &format!("requestor=bench&{query}"), FORM);
            begin.elapsed().as_secs_f64() * 1e3
        });
        measure::median(times.collect())
    };
    table.at_most(
        "service: 100,000 jobs listed by a state that all have",
        list("states=JobStateCompleted"),
        20.0,
        "ms",
    );
    table.at_most("service: listed by a state that none has", list("states=JobStateFailed"), 20.0, "ms");
    table.at_most("service: listed by a tag that half of them have", list("tags=even"), 20.0, "ms");
    drop(server);
    let begin = Instant::now();
    let server = Server::start(&data, &[]);
    table.at_most("service: start on 100,000 stored jobs", begin.elapsed().as_secs_f64() * 1e3, 200.0, "ms");
    drop(server);
}

/// A thousand jobs that run at once and hold a hundred targets each.
fn many(table: &mut Table, folder: &Path) {
    let server = Server::start(&folder.join("many"), &["--max-jobs", "2000"]);
    let mut client = server.client();
    for job in 0..AT_ONCE.0 {
        let mut targets = String::new();
        for n in 0..AT_ONCE.1 {
            let comma = if n == 0 { "" } else { "," };
            let _ = write!(targets, r#"{comma}{{"ID":"j{job}-{n}"}}"#);
        }
        let steps = r#"{"name":"sleep","label":"s","parameters":{"duration":["1h"]}}"#;
        client.submit(&descriptor(&targets, steps, "many"));
    }
    let begin = Instant::now();
    while client.held() < AT_ONCE.0 * AT_ONCE.1 && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    table.at_least("service: targets held by 1,000 jobs at once", client.held() as f64, 100_000.0, "");
    table.at_most("service: memory with them", server.peak_mib(), 1024.0, "MiB");
}

/// A job of one target and one echo.
fn one(target: &str, tag: &str) -> String {
    let step = r#"{"name":"echo","label":"s","parameters":{"text":["hello {{ .ID }}"]}}"#;
    descriptor(&format!(r#"{{"ID":"{target}"}}"#), step, tag)
}

fn descriptor(targets: &str, steps: &str, tag: &str) -> String {
    format!(
        r#"{{"JobName":"bench","Version":"1.0","Runs":1,"Tags":["{tag}"],"TestDescriptors":[{{"TargetManagerName":"TargetList","TargetManagerAcquireParameters":{{"Targets":[{targets}]}},"TargetManagerReleaseParameters":{{}},"TestFetcherName":"literal","TestFetcherFetchParameters":{{"TestName":"Test 1","Steps":[{steps}]}}}}],"Reporting":{{"RunReporters":[{{"Name":"TargetSuccess","Parameters":{{"SuccessExpression":"=100%"}}}}],"FinalReporters":[{{"Name":"noop"}}]}}}}"#
    )
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// ConTest's form of a submission.
fn form(descriptor: &str) -> String {
    let mut out = String::from("requestor=bench&jobDesc=");
    for byte in descriptor.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            byte => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// `oyez serve`, ended with this.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data: &Path, more: &[&str]) -> Server {
        let mut command = Command::new(measure::oyez());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(more);
        let mut child = done(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn());
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            done(BufReader::new(out).read_line(&mut line));
        }
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = done(address.ok_or("the server says no address")).to_owned();
        let server = Server { child, address };
        server.client().until_ready();
        server
    }

    fn client(&self) -> Client {
        let stream = done(TcpStream::connect(&self.address));
        done(stream.set_nodelay(true));
        Client { reader: BufReader::with_capacity(1 << 16, stream), host: self.address.clone() }
    }

    fn status(&self, field: &str) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    fn resident_mib(&self) -> f64 {
        // From here on the peak is counted again.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
        self.status("VmRSS:")
    }

    fn peak_mib(&self) -> f64 {
        self.status("VmHWM:")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection, kept open.
struct Client {
    reader: BufReader<TcpStream>,
    host: String,
}

impl Client {
    fn get(&mut self, path: &str) -> Vec<u8> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host))
    }

    fn post(&mut self, path: &str, body: &str, kind: &str) -> Vec<u8> {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        ))
    }

    fn ask(&mut self, request: &str) -> Vec<u8> {
        done(self.reader.get_mut().write_all(request.as_bytes()));
        let (mut length, mut is_chunked, mut line) = (0, false, String::new());
        loop {
            line.clear();
            done(self.reader.read_line(&mut line));
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = done(value.trim().parse());
            }
            is_chunked |= header == "transfer-encoding: chunked";
        }
        let mut body = vec![0; length];
        if !is_chunked {
            done(self.reader.read_exact(&mut body));
            return body;
        }
        loop {
            line.clear();
            done(self.reader.read_line(&mut line));
            let size = done(usize::from_str_radix(line.trim_end(), 16));
            let from = body.len();
            body.resize(from + size + 2, 0);
            done(self.reader.read_exact(&mut body[from..]));
            body.truncate(from + size);
            if size == 0 {
                return body;
            }
        }
    }

    fn submit(&mut self, descriptor: &str) -> u64 {
        let reply = self.post("/api/v1/jobs?requestor=bench", descriptor, JSON);
        number(&String::from_utf8_lossy(&reply), "\"id\":")
    }

    fn state(&mut self, job: u64) -> String {
        let reply = self.get(&format!("/api/v1/jobs/{job}"));
        let text = String::from_utf8_lossy(&reply).into_owned();
        text.split("\"state\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned()
    }

    fn until(&mut self, job: u64, state: &str) {
        while self.state(job) != state {
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn until_idle(&mut self) {
        for state in ["Queued", "Started"] {
            let path = format!("/api/v1/jobs?state={state}&limit=1");
            while String::from_utf8_lossy(&self.get(&path)).contains("\"uid\"") {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    fn until_ready(&mut self) {
        while !String::from_utf8_lossy(&self.get("/readyz")).contains("ready") {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn newest(&mut self) -> usize {
        let reply = self.get("/api/v1/jobs?limit=1");
        usize::try_from(number(&String::from_utf8_lossy(&reply), "\"id\":")).unwrap_or(0)
    }

    /// Targets that are held.
    fn held(&mut self) -> usize {
        let reply = self.get("/api/v1/targets?limit=200000");
        String::from_utf8_lossy(&reply).matches("\"target\"").count()
    }
}

fn number(text: &str, before: &str) -> u64 {
    let digits = text.split(before).nth(1).unwrap_or_default();
    let digits: String = digits.trim_start().chars().take_while(char::is_ascii_digit).collect();
    done(digits.parse())
}
