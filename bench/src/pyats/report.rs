//! The results file of many sections: its time, and the memory of the server that has held them all.

use std::path::Path;
use std::time::Instant;

use super::load::{Peer, Start, message, stop};
use super::server::Server;
use crate::table::Table;

const SECTIONS: u64 = 100_000;
/// Fewer, where it would take minutes to bring them in.
const FEWER: u64 = 10_000;
/// Steps of each case.
const STEPS: u64 = 9;

/// Ours and, `full` or smaller, pyATS's own.
pub fn run(table: &mut Table, real: Option<&Path>, full: bool) {
    let (seconds, peak) = measure(&Server::ours(), SECTIONS);
    table.at_most("results.json of 100,000 sections", seconds, 1.0, "s");
    table.at_most("most memory of the server that had them", peak, 100.0, "MiB");
    if let Some(python) = real {
        let sections = if full { SECTIONS } else { FEWER };
        let (seconds, peak) = measure(&Server::real(python), sections);
        table.note(&format!("results.json of {sections} sections, pyATS's own server"), seconds, "s");
        table.note("most memory of that server", peak, "MiB");
    }
}

fn measure(server: &Server, sections: u64) -> (f64, f64) {
    let mut peer = Peer::new(&server.socket(), 10_000_000, 1);
    peer.begin();
    let (mut case, mut step, stop) = (Start::new("case-", "Testcase"), Start::new("step-", "Step"), stop());
    for n in 0..sections / (1 + STEPS) {
        peer.call(case.numbered(n));
        for i in 0..STEPS {
            peer.call(step.numbered(i));
            peer.call(&stop);
        }
        peer.call(&stop);
    }
    peer.end();
    let begin = Instant::now();
    peer.call(&message("generate_report", Vec::new()));
    let seconds = begin.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(server.file("results.json")).unwrap_or_default();
    let written = text.matches("\"type\": \"Step\"").count() + text.matches("\"type\": \"Testcase\"").count();
    if written as u64 != sections {
        eprintln!("results.json has {written} sections, not {sections}");
    }
    (seconds, server.peak_mib())
}
