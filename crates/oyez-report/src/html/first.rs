//! What is painted first: head, verdict, completeness, counts, reporters, the first runs and tests; and the page's end.

use oyez_model::{Completeness, Counts, JobState, Outcome, Verdict};

use super::markup::{escape, tagged, thousands};
use super::row;
use crate::facts::{Facts, Report, Window};
use crate::moment;
use crate::text::{clip, one_line};
use crate::walk::{Node, Place};

const MAX_TITLE: usize = 300;
/// How many reports are shown at once; the rest opens.
const OPEN_REPORTS: usize = 6;
const MAX_REPORTS: usize = 200;
const MAX_SAID: usize = 4 << 10;

const HELP: &str = include_str!("help.html");

pub(super) fn head(out: &mut Vec<u8>, facts: &Facts, policy: &str, style: &str) {
    let title = one_line(&facts.title, MAX_TITLE);
    out.extend_from_slice(b"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.extend_from_slice(b"<meta http-equiv=\"Content-Security-Policy\" content=\"");
    out.extend_from_slice(policy.as_bytes());
    out.extend_from_slice(b"\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.extend_from_slice(
        b"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"oyez\">\n",
    );
    out.extend_from_slice(b"<link rel=\"icon\" href=\"data:,\">\n<title>");
    escape(out, &format!("{}: {title}", facts.verdict_word()));
    out.extend_from_slice(b"</title>\n<style>");
    out.extend_from_slice(style.as_bytes());
    out.extend_from_slice(b"</style>\n</head>\n<body>\n");
}

pub(super) fn summary(out: &mut Vec<u8>, facts: &Facts) {
    out.extend_from_slice(
        b"<header><div class=\"brand\"><span>Test report</span><span class=\"grow\"></span>",
    );
    out.extend_from_slice(
        b"<button id=\"theme\" type=\"button\" title=\"Light or dark (t)\" hidden>Theme</button>",
    );
    out.extend_from_slice(
        b"<button id=\"help-open\" type=\"button\" title=\"Keys (?)\" hidden>Keys</button></div>\n",
    );
    tagged(out, "h1", "title", &one_line(&facts.title, MAX_TITLE));
    meta(out, facts);
    out.extend_from_slice(b"</header>\n<main>\n");
    verdict(out, facts);
    completeness(out, facts);
}

/// What stands between the failures and the tree.
pub(super) fn said(out: &mut Vec<u8>, facts: &Facts) {
    reporters(out, facts);
    about(out, facts);
}

fn meta(out: &mut Vec<u8>, facts: &Facts) {
    let job = &facts.job;
    let mut words = vec![format!("Job {}", facts.id)];
    if !job.requestor.is_empty() {
        words.push(format!("by {}", one_line(&job.requestor, 100)));
    }
    words.push(moment::for_people(job.started.unwrap_or(job.submitted)));
    let so_far = if facts.is_running() { " so far" } else { "" };
    words.push(format!("{}{so_far}", moment::human(facts.duration())));
    if job.runs > 1 {
        words.push(format!("{} runs", thousands(u64::from(job.runs))));
    }
    out.extend_from_slice(b"<p class=\"meta\">");
    escape(out, &words.join(" · "));
    for tag in job.tags.iter().take(20) {
        tagged(out, "span", "tag", &one_line(tag, 60));
    }
    out.extend_from_slice(b"</p>\n");
}

fn verdict(out: &mut Vec<u8>, facts: &Facts) {
    let class = match facts.job.verdict {
        _ if facts.is_cancelled() => "unknown",
        Some(Verdict::Success) => "good",
        Some(Verdict::Failure) => "bad",
        None if facts.is_running() => "none",
        None => "unknown",
    };
    out.extend_from_slice(
        format!("<section id=\"hero\" class=\"{class}\"><div id=\"verdict\"><b></b><div>").as_bytes(),
    );
    tagged(out, "p", "big", facts.verdict_word());
    tagged(out, "p", "", &sentence(facts));
    if let Some(error) = &facts.job.error {
        tagged(out, "pre", "why", clip(error, MAX_SAID));
    }
    out.extend_from_slice(b"</div></div>\n");
    counts(out, facts);
    out.extend_from_slice(b"</section>\n");
}

/// The result in one sentence.
fn sentence(facts: &Facts) -> String {
    let (total, bad) = (facts.results.total(), facts.results.bad());
    let s = if total == 1 { "" } else { "s" };
    let first = match (total, bad) {
        (0, _) if facts.is_running() => "No results yet".to_owned(),
        (0, _) => "No results".to_owned(),
        (_, 0) if facts.results.of(Outcome::Passed) == total => {
            if total == 1 {
                "The one result passed".to_owned()
            } else {
                format!("All {} results passed", thousands(total))
            }
        }
        (_, 0) if facts.results.without() > 0 => {
            format!(
                "{} of {} result{s} without an outcome",
                thousands(facts.results.without()),
                thousands(total)
            )
        }
        (_, 0) => format!("None of {} result{s} failed", thousands(total)),
        _ => format!("{} of {} result{s} failed", thousands(bad), thousands(total)),
    };
    let state = match facts.job.state {
        JobState::Completed => String::new(),
        JobState::Started => "; the job is still running".to_owned(),
        state => format!("; the job is in state {state}"),
    };
    format!("{first}{state}.")
}

fn completeness(out: &mut Vec<u8>, facts: &Facts) {
    let class = facts.job.complete.as_str();
    out.extend_from_slice(format!("<section id=\"complete\" class=\"{class}\"><b></b><div>").as_bytes());
    match &facts.job.complete {
        Completeness::No(gaps) => {
            out.extend_from_slice(b"<p><strong>This report is incomplete.</strong> What is here may not be all that happened:</p><ul>");
            for gap in gaps {
                out.extend_from_slice(b"<li>");
                escape(out, clip(&gap.text, MAX_SAID));
                out.extend_from_slice(b"</li>");
            }
            out.extend_from_slice(b"</ul>");
        }
        _ => tagged(out, "p", "", &facts.completeness()),
    }
    out.extend_from_slice(b"</div></section>\n");
}

/// Letter, word and place in the counts, in the order in which they are shown.
const SHOWN: [(char, &str, usize); 8] = [
    ('f', "failed", 2),
    ('e', "errored", 3),
    ('a', "aborted", 4),
    ('b', "blocked", 5),
    ('n', "without outcome", 7),
    ('s', "skipped", 6),
    ('x', "passx", 1),
    ('p', "passed", 0),
];

fn counts(out: &mut Vec<u8>, facts: &Facts) {
    let Counts(counts) = facts.results;
    let total = facts.results.total();
    if total == 0 {
        return;
    }
    out.extend_from_slice(b"<div id=\"counts\"><div class=\"prop\" aria-hidden=\"true\">");
    for (letter, _, at) in SHOWN {
        if counts[at] > 0 {
            let share = row::percent(counts[at], total);
            out.extend_from_slice(
                format!("<i class=\"o-{letter}\" style=\"width:{share}%\"></i>").as_bytes(),
            );
        }
    }
    out.extend_from_slice(b"</div><div class=\"chips\" role=\"group\" aria-label=\"Filter by outcome\">");
    for (letter, word, at) in SHOWN {
        if counts[at] > 0 {
            let n = thousands(counts[at]);
            let chip = format!(
                "<button type=\"button\" class=\"chip o-{letter}\" data-o=\"{letter}\" aria-pressed=\"false\"><b></b><strong>{n}</strong> {word}</button>"
            );
            out.extend_from_slice(chip.as_bytes());
        }
    }
    let tests = facts.tests.total();
    if tests > 0 {
        let s = if tests == 1 { "" } else { "s" };
        let failed = match facts.tests.bad() {
            0 => String::new(),
            bad => format!(", {} failed", thousands(bad)),
        };
        tagged(out, "span", "of", &format!("in {} test{s}{failed}", thousands(tests)));
    }
    out.extend_from_slice(b"</div></div>\n");
}

fn reporters(out: &mut Vec<u8>, facts: &Facts) {
    let all: Vec<&Report> = facts.final_reports.iter().chain(&facts.run_reports).collect();
    if all.is_empty() {
        return;
    }
    out.extend_from_slice(b"<section id=\"reporters\"><h2>Reporters</h2>\n");
    for (at, report) in all.iter().take(MAX_REPORTS).enumerate() {
        if at == OPEN_REPORTS {
            let rest = thousands((all.len() - OPEN_REPORTS) as u64 + facts.reports_left_out);
            out.extend_from_slice(
                format!("<details class=\"rest\"><summary>{rest} more</summary>\n").as_bytes(),
            );
        }
        let class = match (report.neutral, report.success) {
            (true, _) => "neutral",
            (false, true) => "good",
            (false, false) => "bad",
        };
        out.extend_from_slice(format!("<article class=\"said {class}\"><b></b><h3>").as_bytes());
        escape(out, &one_line(&report.reporter, 100));
        tagged(out, "span", "n", &report.of_what());
        out.extend_from_slice(b"</h3>");
        let text = report.text();
        if !text.is_empty() {
            tagged(out, "p", "text", clip(&text, MAX_SAID));
        }
        out.extend_from_slice(b"</article>\n");
    }
    let not_shown = all.len().saturating_sub(MAX_REPORTS) as u64 + facts.reports_left_out;
    if not_shown > 0 {
        let text = format!("{} more reports: oyez report {} --format json", thousands(not_shown), facts.id);
        tagged(out, "p", "cut", &text);
    }
    if all.len() > OPEN_REPORTS {
        out.extend_from_slice(b"</details>\n");
    }
    out.extend_from_slice(b"</section>\n");
}

fn about(out: &mut Vec<u8>, facts: &Facts) {
    let job = &facts.job;
    let mut rows = vec![("identity", job.uid.to_string()), ("state", job.state.to_string())];
    rows.push((
        "source",
        serde_json::to_value(job.source).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
    ));
    rows.extend(job.guids.iter().take(20).map(|guid| ("guid", guid.as_str().to_owned())));
    rows.extend(job.project.iter().map(|project| ("project", project.clone())));
    if let Some(submitted) = &facts.submitted {
        rows.extend(submitted.host.iter().map(|host| ("host", host.clone())));
        let variant = submitted.variant.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
        if !variant.is_empty() {
            rows.push(("variant", variant));
        }
    }
    if let Some(command) = &job.command {
        rows.push(("command", command.join(" ")));
    }
    rows.push(("submitted", moment::for_people(job.submitted)));
    rows.extend(job.ended.map(|ended| ("ended", moment::for_people(ended))));
    rows.push(("events", thousands(job.events)));
    out.extend_from_slice(b"<details id=\"about\"><summary>About this job</summary><dl>");
    for (key, said) in rows {
        out.extend_from_slice(format!("<dt>{key}</dt>").as_bytes());
        tagged(out, "dd", "", clip(&said, MAX_SAID));
    }
    out.extend_from_slice(b"</dl></details>\n");
}

/// The tree as it stands before anything is unpacked: the first runs and tests.
pub(super) fn tree(out: &mut Vec<u8>, facts: &Facts) {
    out.extend_from_slice(b"<section id=\"all\"><div id=\"toolbar\"><h2>Runs, tests and sections</h2>");
    out.extend_from_slice(b"<input id=\"q\" type=\"search\" placeholder=\"Search all names  ( / )\" aria-label=\"Search all names\" autocomplete=\"off\" spellcheck=\"false\" hidden>");
    out.extend_from_slice(b"<button id=\"next\" type=\"button\" title=\"Go to the next failure (n)\" hidden>Next failure</button>");
    out.extend_from_slice(
        b"<button id=\"fold\" type=\"button\" title=\"Close all that is open\" hidden>Fold</button></div>\n",
    );
    out.extend_from_slice(b"<p id=\"found\" role=\"status\" hidden></p><div id=\"hits\" hidden></div>\n");
    out.extend_from_slice(b"<div id=\"tree\" role=\"tree\" aria-label=\"Runs, tests and sections\">");
    let mut window = facts.window;
    for (depth, row) in &facts.top {
        if *depth == 1 {
            window = facts.window;
        }
        let node = Node {
            row,
            depth: *depth,
            place: Place::Inner,
            excluded: row.is_excluded(),
            window,
            verdict: None,
            path: &[],
        };
        row::render(out, &node, None);
        if *depth == 1
            && let Some(start) = row.started
        {
            window = Window { start, end: row.stopped.unwrap_or(facts.window.end) };
        }
    }
    let shown = facts.top.len() as u64;
    let all = facts.top_total.0 + facts.top_total.1;
    if all > shown {
        tagged(out, "p", "more", &format!("and {} more", thousands(all - shown)));
    }
    if all == 0 {
        tagged(out, "p", "more", "Nothing has been started.");
    }
    out.extend_from_slice(b"</div></section>\n");
    out.extend_from_slice(HELP.as_bytes());
}

pub(super) fn foot(out: &mut Vec<u8>, facts: &Facts) {
    out.extend_from_slice(b"</main>\n<footer><p>");
    escape(
        out,
        &format!(
            "Written by Oyez {} from {} events of job {}. This file needs no network.",
            env!("CARGO_PKG_VERSION"),
            thousands(facts.job.events),
            facts.job.uid
        ),
    );
    out.extend_from_slice(b"</p></footer>\n");
}
