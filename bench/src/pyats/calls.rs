//! Calls a second, each answered when it is kept; and what a start costs as its parent grows.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::load::{Peer, Start, stop};
use super::server::Server;
use crate::table::Table;

/// How long each load is put on.
const TIME: Duration = Duration::from_secs(4);
/// Steps below one case: pyATS's own server gets slower with each sibling, which is measured by itself.
const STEPS: u64 = 100;
/// Process ids as the load says them: far from real ones, which are nobody's business here.
const MAIN: u64 = 10_000_000;

/// Pairs of start_section and stop_section, from one connection and from eight.
pub fn run(table: &mut Table, real: Option<&Path>) {
    for (connections, want) in [(1, 20_000.0), (8, 40_000.0)] {
        let plural = if connections == 1 { "connection" } else { "connections" };
        let (rate, cpu) = load(&Server::ours(), connections);
        table.at_least(&format!("pyATS calls, {connections} {plural}, durable"), rate, want, "calls/s");
        table.note("the server's processor time for a call", cpu * 1e6, "us");
        if let Some(python) = real {
            let (rate, cpu) = load(&Server::real(python), connections);
            table.note(&format!("the same, pyATS's own server, {connections} {plural}"), rate, "calls/s");
            table.note("its processor time for a call", cpu * 1e6, "us");
        }
    }
}

/// Calls a second, and the server's processor time for one, in seconds.
fn load(server: &Server, connections: u64) -> (f64, f64) {
    let socket = server.socket();
    let mut main = Peer::new(&socket, MAIN, 1);
    main.begin();
    let ready = Barrier::new(connections as usize);
    let calls = |n: u64| {
        let mut peer = Peer::new(&socket, MAIN + n, MAIN);
        ready.wait();
        pairs(&mut peer, n)
    };
    let cpu = server.cpu_seconds();
    let loads: Vec<(f64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=connections).map(|n| scope.spawn(move || calls(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let calls: u64 = loads.iter().map(|(_, calls)| calls).sum();
    let rate = loads.iter().map(|(rate, _)| rate).sum();
    (rate, (server.cpu_seconds() - cpu) / calls.max(1) as f64)
}

/// Calls for a while; how many a second, and how many.
fn pairs(peer: &mut Peer, connection: u64) -> (f64, u64) {
    let mut case = Start::new(&format!("case-{connection}-"), "Testcase");
    let mut step = Start::new("step-", "Step");
    let stop = stop();
    let begin = Instant::now();
    let (mut calls, mut cases) = (0, 0);
    while begin.elapsed() < TIME {
        peer.call(case.numbered(cases));
        for n in 0..STEPS {
            peer.call(step.numbered(n));
            peer.call(&stop);
        }
        peer.call(&stop);
        calls += 2 * (STEPS + 1);
        cases += 1;
    }
    (calls as f64 / begin.elapsed().as_secs_f64(), calls)
}

/// Many children of one parent: the last thousand starts against the first.
pub fn siblings(table: &mut Table, real: Option<&Path>) {
    let (first, last) = starts(&Server::ours(), 50_000);
    table.note("a start, the first 1,000 children of a parent", first * 1e6, "us");
    table.note("a start, the last 1,000 of 50,000", last * 1e6, "us");
    table.at_most("the last 1,000 starts of 50,000 siblings against the first", last / first, 1.25, "times");
    if let Some(python) = real {
        let (first, last) = starts(&Server::real(python), 4_000);
        table.note("the same, pyATS's own server, of 4,000 siblings", last / first, "times");
    }
}

fn starts(server: &Server, siblings: u64) -> (f64, f64) {
    let mut peer = Peer::new(&server.socket(), MAIN, 1);
    peer.begin();
    let (mut step, stop) = (Start::new("step-", "Step"), stop());
    let mut times = Vec::with_capacity(siblings as usize);
    for n in 0..siblings {
        let message = step.numbered(n);
        let begin = Instant::now();
        peer.call(message);
        times.push(begin.elapsed().as_secs_f64());
        peer.call(&stop);
    }
    let last = times.split_off(times.len() - 1_000);
    times.truncate(1_000);
    (undisturbed(times), undisturbed(last))
}

/// A tenth is faster than this: what it takes when nothing else wants the processor, which is the same at both ends.
fn undisturbed(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 10).copied().unwrap_or(0.0)
}
