//! Plain lines, for logs and pipes: what ended, what went wrong, and a sign of life every ten seconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oyez_model::row::Flags;
use oyez_model::{NodeKind, NodeRow};

use super::TICK;
use super::board::Board;
use crate::show;

const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

pub(super) fn draw(board: &Board, stop: &AtomicBool) {
    let mut said = Instant::now();
    loop {
        let last = stop.load(Ordering::SeqCst);
        let (ended, left_out) = board.take_ended();
        let mut lines: Vec<String> = ended.iter().filter_map(ended_line).chain(board.take_notes()).collect();
        if left_out > 0 {
            lines.push(format!("  ... and {left_out} more"));
        }
        if lines.is_empty() && !last && said.elapsed() >= SIGN_OF_LIFE {
            let look = board.look();
            let time = show::span(Duration::from_secs_f64(look.seconds).as_nanos() as u64);
            let busy =
                look.busy.first().map_or_else(String::new, |name| format!("; now {}", show::safe(name)));
            lines.push(format!("  {time}: {}{busy}", show::counts(&look.counts, true)));
        }
        if !lines.is_empty() {
            said = Instant::now();
        }
        lines.iter().for_each(|line| tell!("{line}"));
        if last {
            return;
        }
        std::thread::park_timeout(TICK);
    }
}

/// The line about something that ended.
pub(super) fn ended_line(row: &NodeRow) -> Option<String> {
    let name = show::fit(&row.name, 80);
    let word = show::colour(row.outcome).for_stderr().apply_to(row.outcome.map_or("ended", |o| o.as_str()));
    let took = row.duration().map(show::span).unwrap_or_default();
    let reason = match row.reason.lines().next() {
        Some(reason) if !reason.is_empty() => format!(": {}", show::fit(reason, 120)),
        _ => String::new(),
    };
    match row.kind {
        NodeKind::Job => None,
        NodeKind::Run => Some(format!("{name} {word} after {took}")),
        NodeKind::Test => {
            let again = if row.flags.has(Flags::RETRIED) { ", tried again" } else { "" };
            let counts = match row.counts.total() {
                0 => String::new(),
                _ => format!(" ({})", show::counts(&row.counts, true)),
            };
            Some(format!("  {name} {word}{again} after {took}{counts}{reason}"))
        }
        NodeKind::Section => Some(format!("    {name} {word}{reason}")),
    }
}
