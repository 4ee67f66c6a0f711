//! `summary.md`: what a person wants to know first, as GitHub flavoured Markdown for pull requests and CI pages.
//!
//! GitHub refuses more than 65,535 bytes, so the document is composed at the end of the walk from bounded lists, and
//! every list says how many more there are. Names and texts of foreign origin stand in code spans and fences that are
//! longer than any run of backticks in them: no markup, no mention and no link can come out of them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use oyez_model::{Counts, Outcome, Verdict};

use crate::case::{Case, outcome_word};
use crate::content::Content;
use crate::facts::{Facts, Report};
use crate::moment;
use crate::options::Options;
use crate::out::Out;
use crate::text::{self, clip, last_lines, one_line};
use crate::walk::{Node, Visitor};

/// GitHub's limit for a check's summary.
pub(crate) const LIMIT: usize = 65_535;
/// What is kept free for the lines that say how many more there are, and for the slowest.
const SLOWEST_ROOM: usize = 4_000;
const SAID_ROOM: usize = 10_000;
const MAX_NAME: usize = 300;
const MAX_REASON: usize = 1_500;
const MAX_LOG_LINES: usize = 12;
const MAX_LOG: usize = 1_500;
const SLOWEST: usize = 10;

struct Failure {
    place: String,
    outcome: Option<Outcome>,
    duration: Option<u64>,
    reason: String,
    log: String,
}

pub(crate) struct Markdown<'w> {
    out: Out<'w>,
    max_failures: usize,
    failures: Vec<Failure>,
    failed: u64,
    /// The longest results: nanoseconds, order of coming (so that equals keep it), where.
    slowest: BTreeSet<(u64, std::cmp::Reverse<u64>, String)>,
    results: u64,
    head: String,
}

impl<'w> Markdown<'w> {
    pub(crate) fn new(to: &'w mut dyn Write, options: &Options<'_>) -> Self {
        Markdown {
            out: Out::new(to),
            max_failures: options.max_failures,
            failures: Vec::new(),
            failed: 0,
            slowest: BTreeSet::new(),
            results: 0,
            head: String::new(),
        }
    }

    fn failed(&mut self, node: &Node<'_>, content: &Content) {
        self.failed += 1;
        if self.failures.len() >= self.max_failures {
            return;
        }
        let mut case = Case::new(node, content, 4 * MAX_LOG);
        let trace = case.trace().to_owned();
        let mut said = case.log().unwrap_or_default();
        if said.is_empty() {
            said = trace;
        }
        let log = text::clip_start(last_lines(&said, MAX_LOG_LINES), MAX_LOG).to_owned();
        self.failures.push(Failure {
            place: place(node),
            outcome: node.row.outcome,
            duration: node.row.duration(),
            reason: clip(&text::plain_str(node.reason(content)), MAX_REASON).to_owned(),
            log,
        });
    }

    fn timed(&mut self, node: &Node<'_>) {
        self.results += 1;
        let Some(nanos) = node.row.duration().filter(|nanos| *nanos > 0) else { return };
        if self.slowest.len() == SLOWEST && self.slowest.first().is_some_and(|(least, _, _)| nanos <= *least)
        {
            return;
        }
        self.slowest.insert((nanos, std::cmp::Reverse(self.results), place(node)));
        if self.slowest.len() > SLOWEST {
            self.slowest.pop_first();
        }
    }

    fn slowest(&self) -> String {
        let mut out = String::new();
        if self.results > 1 && !self.slowest.is_empty() {
            out.push_str("\n## Slowest\n\n| time | where |\n| ---: | :--- |\n");
            for (nanos, _, place) in self.slowest.iter().rev() {
                let row = format!("| {} | {} |\n", moment::human(*nanos), span(place).replace('|', "\\|"));
                if out.len() + row.len() <= SLOWEST_ROOM {
                    out.push_str(&row);
                }
            }
        }
        out
    }
}

/// Where a node stands, for people: `Run 1 › boot › T1 › flash`.
fn place(node: &Node<'_>) -> String {
    let mut out = String::new();
    let skipped = node.path.len().saturating_sub(6);
    for part in node.path.iter().take(2).chain(node.path.iter().skip(2.max(skipped + 2))) {
        out.push_str(clip(part, 80));
        out.push_str(" › ");
    }
    out.push_str(&text::one_line_or(&node.row.name, MAX_NAME, "(without a name)"));
    out
}

/// A code span: nothing in it is markup.
fn span(text: &str) -> String {
    let text = one_line(text, 1000);
    let ticks = "`".repeat(longest_run(&text) + 1);
    if text.is_empty() {
        return "` `".to_owned();
    }
    // Where a backtick or a blank would touch the fence, a blank keeps them apart; readers strip it again.
    let touches = |c: Option<char>| matches!(c, Some('`' | ' '));
    let pad = if touches(text.chars().next()) || touches(text.chars().next_back()) { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A fenced block: nothing in it is markup.
fn fence(text: &str) -> String {
    let text = text::plain_str(text);
    let ticks = "`".repeat((longest_run(&text) + 1).max(3));
    format!("{ticks}text\n{}\n{ticks}\n", text.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

fn head(facts: &Facts) -> String {
    let job = &facts.job;
    let mark = match job.verdict {
        _ if facts.is_cancelled() => "⏹️",
        Some(Verdict::Success) => "✅",
        Some(Verdict::Failure) => "❌",
        None => "⏳",
    };
    let mut out = format!("# {mark} {}: {}\n\n", facts.verdict_word(), span(clip(&facts.title, MAX_NAME)));
    let mut line = vec![format!("Job {}", facts.id)];
    if let Some(guid) = job.guids.first() {
        line.push(span(guid.as_str()));
    }
    if !job.requestor.is_empty() {
        line.push(format!("by {}", span(clip(&job.requestor, MAX_NAME))));
    }
    line.push(moment::for_people(job.started.unwrap_or(job.submitted)));
    line.push(format!("took {}", moment::human(facts.duration())));
    line.push(format!("state {}", job.state));
    out.push_str(&line.join(" · "));
    out.push_str("\n\n");
    if let Some(error) = &job.error {
        out.push_str(&format!("**Error:** {}\n\n", span(clip(error, MAX_REASON))));
    }
    if facts.is_running() {
        out.push_str(&format!("> [!NOTE]\n> {}\n\n", facts.completeness()));
    } else if job.complete.gaps().is_empty() {
        out.push_str(&format!("{}\n\n", facts.completeness()));
    } else {
        out.push_str("> [!WARNING]\n> **Incomplete:** what is here may not be all that happened.\n");
        for gap in job.complete.gaps() {
            out.push_str(&format!("> * {}\n", span(clip(&gap.text, 500))));
        }
        out.push('\n');
    }
    out.push_str(&counts_table(facts));
    out
}

fn counts_table(facts: &Facts) -> String {
    let rows = [("cases", &facts.job.counts), ("tests", &facts.tests)];
    let used: Vec<(&str, usize)> = Outcome::ALL
        .iter()
        .map(|o| (o.as_str(), o.index()))
        .chain([("no outcome", 7)])
        .filter(|(_, at)| *at == 0 || *at == 2 || rows.iter().any(|(_, counts)| counts.0[*at] > 0))
        .collect();
    let mut out = String::from("| |");
    used.iter().for_each(|(word, _)| out.push_str(&format!(" {word} |")));
    out.push_str(" total |\n| :--- |");
    used.iter().for_each(|_| out.push_str(" ---: |"));
    out.push_str(" ---: |\n");
    let mut row = |name: &str, counts: &Counts| {
        out.push_str(&format!("| {name} |"));
        used.iter().for_each(|(_, at)| out.push_str(&format!(" {} |", counts.0[*at])));
        out.push_str(&format!(" **{}** |\n", counts.total()));
    };
    rows.iter().for_each(|(name, counts)| row(name, counts));
    out
}

fn said(facts: &Facts) -> String {
    let all = facts.final_reports.len()
        + facts.run_reports.len()
        + usize::try_from(facts.reports_left_out).unwrap_or(0);
    if all == 0 {
        return String::new();
    }
    let mut out = String::from("\n## Reporters\n\n");
    let mut shown = 0;
    for report in facts.final_reports.iter().chain(&facts.run_reports) {
        let one = report_text(report);
        if out.len() + one.len() > SAID_ROOM {
            continue;
        }
        out.push_str(&one);
        shown += 1;
    }
    if shown < all {
        out.push_str(&format!("\nand {} more\n", all - shown));
    }
    out
}

fn report_text(report: &Report) -> String {
    let mark = match (report.neutral, report.success) {
        (true, _) => "➖",
        (false, true) => "✅",
        (false, false) => "❌",
    };
    let head = format!("* {mark} {} ({})", span(clip(&report.reporter, 100)), report.of_what());
    let text = report.text();
    if text.is_empty() {
        format!("{head}\n")
    } else if text.len() <= 200 && !text.contains('\n') {
        format!("{head}: {}\n", span(&text))
    } else {
        let block = fence(clip(&text, 2000));
        let indented: String = block.lines().map(|line| format!("  {line}\n")).collect();
        format!("{head}:\n\n{indented}\n")
    }
}

fn failure_text(failure: &Failure) -> String {
    let took = failure.duration.map(|nanos| format!(" after {}", moment::human(nanos))).unwrap_or_default();
    let mut out = format!("### ❌ {}\n\n{}{took}", span(&failure.place), outcome_word(failure.outcome));
    match failure.reason.as_str() {
        "" => out.push_str("\n\n"),
        reason if !reason.contains('\n') && reason.len() <= 300 => {
            out.push_str(&format!(": {}\n\n", span(reason)))
        }
        reason => out.push_str(&format!("\n\n{}\n", fence(reason))),
    }
    if !failure.log.is_empty() {
        out.push_str(&fence(&failure.log));
        out.push('\n');
    }
    out
}

impl Visitor for Markdown<'_> {
    fn begin(&mut self, facts: &Facts) -> io::Result<()> {
        self.head = head(facts);
        Ok(())
    }

    fn enter(&mut self, node: &Node<'_>, content: &Content) -> io::Result<()> {
        if node.is_leaf_failure() {
            self.failed(node, content);
        }
        if node.is_result() {
            self.timed(node);
        }
        Ok(())
    }

    fn leave(&mut self, _: &Node<'_>) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, facts: &Facts) -> io::Result<()> {
        let mut doc = std::mem::take(&mut self.head);
        let (said, slowest) = (said(facts), self.slowest());
        let room = LIMIT.saturating_sub(doc.len() + said.len() + slowest.len() + 200);
        if self.failed > 0 {
            let mut list = format!("\n## Failures ({})\n\n", self.failed);
            let mut shown = 0;
            for failure in &self.failures {
                let mut one = failure_text(failure);
                if list.len() + one.len() > room {
                    // Too long with its log: its first lines still say what and where.
                    one = failure_text(&Failure {
                        log: String::new(),
                        place: failure.place.clone(),
                        reason: clip(&failure.reason, 200).to_owned(),
                        ..*failure
                    });
                }
                if list.len() + one.len() > room {
                    break;
                }
                list.push_str(&one);
                shown += 1;
            }
            if shown < self.failed {
                list.push_str(&format!(
                    "and {} more: `oyez report {} --format html` has them all.\n",
                    self.failed - shown,
                    facts.id
                ));
            }
            doc.push_str(&list);
        }
        doc.push_str(&said);
        doc.push_str(&slowest);
        // Every part is bounded, so this cuts nothing; it is here so that the limit holds whatever the parts become.
        self.out.text(clip(&doc, LIMIT));
        self.out.finish()
    }
}
