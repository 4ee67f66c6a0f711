//! The live tree: a line of totals, a bar for each running test, and what is under way below it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::TICK;
use super::board::{Board, Look, Running};
use super::plain::ended_line;
use crate::show;

/// Bars for tests at once; more are counted in one line.
const TESTS: usize = 6;
/// Lines of what is under way.
const BUSY: usize = 6;

pub(super) fn draw(board: &Board, stop: &AtomicBool) {
    let all = MultiProgress::new();
    let head = all.add(ProgressBar::new_spinner());
    head.set_style(style("{spinner:.cyan} {msg}"));
    let tests: Vec<ProgressBar> = (0..TESTS).map(|_| all.add(ProgressBar::new(0))).collect();
    let busy: Vec<ProgressBar> = (0..BUSY).map(|_| all.add(ProgressBar::new(0))).collect();
    loop {
        let last = stop.load(Ordering::SeqCst);
        let (ended, left_out) = board.take_ended();
        let mut lines: Vec<String> = ended.iter().filter_map(ended_line).chain(board.take_notes()).collect();
        if left_out > 0 {
            lines.push(format!("  ... and {left_out} more"));
        }
        if last {
            // The tree goes first: what is printed now stays.
            for bar in busy.iter().chain(&tests).chain([&head]) {
                bar.finish_and_clear();
            }
            let _ = all.clear();
            lines.iter().for_each(|line| tell!("{line}"));
            return;
        }
        if !lines.is_empty() {
            all.suspend(|| lines.iter().for_each(|line| tell!("{line}")));
        }
        let look = board.look();
        head.set_message(totals(&look));
        head.tick();
        for (bar, test) in tests.iter().zip(look.running.iter().map(Some).chain(std::iter::repeat(None))) {
            show_test(bar, test);
        }
        for (bar, name) in busy.iter().zip(look.busy.iter().map(Some).chain(std::iter::repeat(None))) {
            bar.set_style(style("{msg:.dim}"));
            bar.set_message(name.map_or_else(String::new, |name| format!("      {}", show::fit(name, 100))));
        }
        std::thread::park_timeout(TICK);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn totals(look: &Look) -> String {
    let run = if look.run > 1 { format!("run {}  ", look.run) } else { String::new() };
    let time = show::span(Duration::from_secs_f64(look.seconds).as_nanos() as u64);
    let rate = if look.rate > 0.0 { format!("  {:.0}/s", look.rate) } else { String::new() };
    let left = look.left.map_or_else(String::new, |s| {
        format!("  {} left", show::span(Duration::from_secs_f64(s.min(1e6)).as_nanos() as u64))
    });
    format!("{run}{time}  {}{rate}{left}", show::counts(&look.counts, true))
}

fn show_test(bar: &ProgressBar, test: Option<&Running>) {
    let Some(test) = test else {
        bar.set_style(style("{msg}"));
        bar.set_message("");
        return;
    };
    let name = show::fit(&test.name, 40);
    match test.planned {
        Some(planned) if planned > 0 => {
            bar.set_style(style("    {msg:40} [{bar:30.green/dim}] {pos}/{len}").progress_chars("━━─"));
            bar.set_length(planned);
            bar.set_position(test.counts.total());
        }
        _ => bar.set_style(style("    {msg:40}")),
    }
    bar.set_message(name);
}
