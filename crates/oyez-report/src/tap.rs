//! TAP 14: subtests for runs, tests, cases and the first levels below, YAML diagnostics for what failed.
//!
//! A subtest comes before the test point that sums it up, its plan at its end. What does not count (a retried attempt,
//! a clean-up) is `TODO`, which TAP's readers never count as a failure.

use std::io::{self, Write};

use oyez_model::{NodeRow, Outcome};

use crate::case::{name_of, outcome_word};
use crate::content::Content;
use crate::facts::Facts;
use crate::options::Options;
use crate::out::Out;
use crate::text::{self, Tail};
use crate::walk::{Node, Place, Visitor};

/// Each level is indented by four more blanks; below this one, sections are only counted.
const MAX_LEVELS: u32 = 8;

/// A subtest that is open.
#[derive(Default)]
struct Level {
    points: u64,
    /// Sections below the last level.
    deeper: u64,
    reason: String,
    log: Tail,
}

pub(crate) struct Tap<'w> {
    out: Out<'w>,
    max_log: usize,
    levels: Vec<Level>,
}

impl<'w> Tap<'w> {
    pub(crate) fn new(to: &'w mut dyn Write, options: &Options<'_>) -> Self {
        Tap { out: Out::new(to), max_log: options.max_case_log_bytes, levels: vec![Level::default()] }
    }

    fn indent(&mut self, depth: u32, more: usize) {
        let blanks = 4 * (depth as usize - 1) + more;
        self.out.buf.resize(self.out.buf.len() + blanks, b' ');
    }

    fn line(&mut self, depth: u32, more: usize, text: &str) {
        self.indent(depth, more);
        self.out.text(text);
        self.out.text("\n");
    }

    fn point(&mut self, node: &Node<'_>, level: Level) {
        let depth = node.depth;
        let Some(above) = self.levels.last_mut() else { return };
        above.points += 1;
        let n = above.points;
        let row = node.row;
        let good = row.outcome.is_some_and(Outcome::is_good);
        self.indent(depth, 0);
        self.out.text(if good { "ok " } else { "not ok " });
        self.out.text(&n.to_string());
        self.out.text(" - ");
        self.out.text(&described(&name_of(node, 1000)));
        match (node.excluded, row.outcome) {
            (true, _) => self.out.text(" # TODO does not count: retried or part of a clean-up"),
            (_, None) if row.is_open() => self.out.text(" # TODO still running"),
            (_, Some(Outcome::Skipped)) => {
                self.out.text(" # SKIP ");
                self.out.text(&described(&text::one_line(&level.reason, 500)));
            }
            _ => {}
        }
        self.out.text("\n");
        self.diagnostics(depth, row, level, good);
    }

    fn diagnostics(&mut self, depth: u32, row: &NodeRow, level: Level, good: bool) {
        self.line(depth, 2, "---");
        if !good {
            self.line(depth, 2, &format!("id: {}", quoted(&row.id.to_string())));
            self.line(depth, 2, &format!("outcome: {}", quoted(outcome_word(row.outcome))));
        }
        if let Some(nanos) = row.duration() {
            let millis = nanos / 1000;
            self.line(depth, 2, &format!("duration_ms: {}.{:03}", millis / 1000, millis % 1000));
        }
        if level.deeper > 0 {
            self.line(depth, 2, &format!("deeper_sections_left_out: {}", level.deeper));
        }
        if !good {
            if !level.reason.is_empty() {
                self.line(depth, 2, &format!("message: {}", quoted(&level.reason)));
            }
            let (log, left_out) = level.log.take();
            if left_out > 0 {
                self.line(depth, 2, &format!("log_bytes_left_out: {left_out}"));
            }
            if !log.is_empty() {
                self.line(depth, 2, "log:");
                for line in log.lines() {
                    self.line(depth, 4, &format!("- {}", quoted(line)));
                }
            }
        }
        self.line(depth, 2, "...");
    }
}

/// The description of a test point: `\` and `#` escaped, on one line.
fn described(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}

/// A double-quoted YAML scalar: JSON's form, with every character that YAML does not print escaped too.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text::plain_str(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Visitor for Tap<'_> {
    fn begin(&mut self, facts: &Facts) -> io::Result<()> {
        self.out.text("TAP version 14\n");
        let title = text::one_line(&facts.title, 1000).into_owned();
        self.line(1, 0, &format!("# job {} {} {title}", facts.id, facts.job.uid));
        self.line(1, 0, &format!("# {}", text::one_line(&facts.completeness(), 4000)));
        Ok(())
    }

    fn enter(&mut self, node: &Node<'_>, content: &Content) -> io::Result<()> {
        if node.depth > MAX_LEVELS {
            if let Some(level) = self.levels.last_mut() {
                level.deeper += 1;
            }
            return Ok(());
        }
        if node.row.child_count() > 0 && node.depth < MAX_LEVELS {
            let name = described(&name_of(node, 1000));
            // A comment before a subtest stands at the level of its test point.
            self.line(node.depth, 0, &format!("# Subtest: {name}"));
        }
        let mut log = Tail::new(self.max_log);
        if node.place != Place::Run {
            content.each_plain(|text| log.push(text));
        }
        let reason = node.reason(content).to_owned();
        self.levels.push(Level { points: 0, deeper: 0, reason, log });
        self.out.settle()
    }

    fn leave(&mut self, node: &Node<'_>) -> io::Result<()> {
        if node.depth > MAX_LEVELS {
            return Ok(());
        }
        let Some(level) = self.levels.pop() else { return Ok(()) };
        if node.row.child_count() > 0 && node.depth < MAX_LEVELS {
            let plan = format!("1..{}", level.points);
            self.line(node.depth + 1, 0, &plan);
        }
        self.point(node, level);
        self.out.settle()
    }

    fn end(&mut self, _: &Facts) -> io::Result<()> {
        let plan = self.levels.first().map_or(0, |level| level.points);
        self.line(1, 0, &format!("1..{plan}"));
        self.out.finish()
    }
}
