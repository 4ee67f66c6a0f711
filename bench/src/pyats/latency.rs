//! From a call to its event at a subscriber, by one clock: just before the call is sent until the event has been read.
//!
//! Calls are sent at their rate whether or not earlier ones have been answered, so that a server that pauses is charged
//! for all that had to wait. Each call makes one event, in order: the n-th event that arrives belongs to the n-th call.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oyez_wire::pyats::frame::Frames;
use rustix::event::{PollFd, PollFlags, poll};

use super::load::{NONE, Peer, Start, message, stop};
use super::server::Server;
use crate::measure::done;
use crate::table::Table;

/// When nothing arrives for so long, what is missing will not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls of one case, its start and stop included: pyATS's own server gets slower with each sibling.
const CASE: u64 = 100;

/// One subscriber at a walking pace; ten at full speed.
pub fn run(table: &mut Table, real: Option<&Path>) {
    let slow = Load { subscribers: 1, rate: 200, calls: 2_000, burst: 1 };
    let fast = Load { subscribers: 10, rate: 20_000, calls: 100_000, burst: 10 };
    let measured = slow.measure(&Server::ours());
    table.at_most("event to 1 subscriber at 200 events/s, p50", measured.at(50) * 1e3, 0.3, "ms");
    table.at_most("event to 1 subscriber at 200 events/s, p99", measured.at(99) * 1e3, 2.0, "ms");
    if let Some(python) = real {
        let measured = slow.measure(&Server::real(python));
        table.note("the same, pyATS's own server, p50", measured.at(50) * 1e3, "ms");
        table.note("the same, pyATS's own server, p99", measured.at(99) * 1e3, "ms");
    }
    let measured = fast.measure(&Server::ours());
    table.note("events/s that were reached", measured.rate, "events/s");
    table.note("event to 10 subscribers at 20,000 events/s, p50", measured.at(50) * 1e3, "ms");
    table.at_most("event to 10 subscribers at 20,000 events/s, p99", measured.at(99) * 1e3, 10.0, "ms");
}

struct Load {
    subscribers: usize,
    /// Calls a second.
    rate: u64,
    calls: u64,
    /// Calls that are sent together: no thread wakes up every 50 us on time.
    burst: u64,
}

/// Sorted, in seconds, and the calls a second that were sent.
struct Measured {
    latencies: Vec<f64>,
    rate: f64,
}

impl Measured {
    fn at(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((self.latencies.len() * percent / 100).min(last)).copied().unwrap_or(f64::NAN)
    }
}

impl Load {
    fn measure(&self, server: &Server) -> Measured {
        let mut main = Peer::new(&server.socket(), 10_000_000, 1);
        main.begin();
        let subscribers: Vec<Subscriber> =
            (0..self.subscribers).map(|_| Subscriber::new(&server.socket())).collect();
        let sent: Vec<AtomicU64> = (0..self.calls).map(|_| AtomicU64::new(0)).collect();
        let begin = Instant::now();
        let (rate, mut latencies) = std::thread::scope(|scope| {
            let replies = done(main.stream.try_clone());
            scope.spawn(move || swallow(replies, self.calls));
            let received = scope.spawn(|| receive(subscribers, &sent, begin));
            let rate = self.send(&mut main.stream, &sent, begin);
            (rate, received.join().unwrap_or_default())
        });
        let missing = self.calls as usize * self.subscribers - latencies.len();
        if missing > 0 {
            eprintln!("{missing} events did not arrive");
        }
        latencies.sort_by(f64::total_cmp);
        Measured { latencies, rate }
    }

    fn send(&self, stream: &mut UnixStream, sent: &[AtomicU64], begin: Instant) -> f64 {
        let (mut case, mut step, stop) =
            (Start::new("case-", "Testcase"), Start::new("step-", "Step"), stop());
        let mut buffer = Vec::new();
        let since = begin.elapsed();
        for first in (0..self.calls).step_by(self.burst as usize) {
            let due = since + Duration::from_nanos(first * 1_000_000_000 / self.rate);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            buffer.clear();
            for n in first..self.calls.min(first + self.burst) {
                // A case, 49 steps in it, one after another, and the case's end.
                buffer.extend_from_slice(match n % CASE {
                    0 => case.numbered(n),
                    i if i % 2 == 1 && i < CASE - 1 => step.numbered(n),
                    _ => &stop,
                });
                sent[n as usize].store(nanos(begin), Ordering::Release);
            }
            done(stream.write_all(&buffer));
        }
        self.calls as f64 / (begin.elapsed() - since).as_secs_f64()
    }
}

fn nanos(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Reads the answers, so that the server can go on.
fn swallow(mut stream: UnixStream, answers: u64) {
    let mut left = answers as usize * NONE.len();
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        match done(stream.read(&mut buffer)) {
            0 => done(Err("the server closed the connection")),
            n => left = left.saturating_sub(n),
        }
    }
}

/// A connection that gets all events.
struct Subscriber {
    stream: UnixStream,
    frames: Frames,
    /// How many have arrived.
    got: usize,
}

impl Subscriber {
    fn new(socket: &Path) -> Subscriber {
        let mut stream = done(UnixStream::connect(socket));
        done(stream.write_all(&message("subscribe_client", Vec::new())));
        let mut reply = [0; NONE.len()];
        done(stream.read_exact(&mut reply));
        Subscriber { stream, frames: Frames::default(), got: 0 }
    }
}

/// Reads all events of all subscribers, and gives how long each took, in seconds. One thread: ten would measure how this
/// machine switches between them.
fn receive(mut subscribers: Vec<Subscriber>, sent: &[AtomicU64], begin: Instant) -> Vec<f64> {
    let mut latencies = Vec::with_capacity(sent.len() * subscribers.len());
    let mut buffer = vec![0; 64 << 10];
    let patience = rustix::event::Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    while subscribers.iter().any(|s| s.got < sent.len()) {
        let ready: Vec<bool> = {
            let mut fds: Vec<PollFd<'_>> =
                subscribers.iter().map(|s| PollFd::new(&s.stream, PollFlags::IN)).collect();
            match poll(&mut fds, Some(&patience)) {
                Ok(0) => return latencies,
                Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return done(Err(e)),
            }
        };
        for (subscriber, _) in subscribers.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            let n = done(subscriber.stream.read(&mut buffer));
            if n == 0 {
                return latencies;
            }
            let now = nanos(begin);
            let mut arrived = &buffer[..n];
            while let Some(_event) = done(subscriber.frames.next(&mut arrived)) {
                if let Some(sent) = sent.get(subscriber.got) {
                    let took = now.saturating_sub(sent.load(Ordering::Acquire));
                    latencies.push(took as f64 / 1e9);
                }
                subscriber.got += 1;
            }
        }
    }
    latencies
}
