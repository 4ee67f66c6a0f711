//! How things look on a terminal: words, numbers, colours. `NO_COLOR` is honoured, and so is a pipe.

use console::{Style, Term, style};
use oyez_model::{Completeness, Counts, JobRow, JobState, Outcome, Time, Verdict};

/// What stands before an error.
#[must_use]
pub fn error_mark() -> String {
    style("error:").for_stderr().red().bold().to_string()
}

/// What stands before a warning.
#[must_use]
pub fn warning_mark() -> String {
    style("warning:").for_stderr().yellow().bold().to_string()
}

/// Whether standard error is a terminal that can be drawn on.
#[must_use]
pub fn can_draw() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
    Term::stderr().is_term() && !dumb && std::env::var_os("CI").is_none()
}

/// A point in time in the local zone, to the second.
#[must_use]
pub fn moment(time: Time) -> String {
    time.timestamp().to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same of a time as documents write it; as it stands when it is none.
#[must_use]
pub fn moment_of(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => safe(text),
    }
}

/// The time of day in the local zone, to the millisecond.
#[must_use]
pub fn time_of_day(time: Time) -> String {
    time.timestamp().to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

/// A length of time as people say it: `1h05m`, `3m07s`, `12.4s`, `85ms`.
#[must_use]
pub fn span(nanos: u64) -> String {
    let (secs, millis) = (nanos / 1_000_000_000, nanos / 1_000_000);
    match secs {
        3600.. => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        60.. => format!("{}m{:02}s", secs / 60, secs % 60),
        1.. => format!("{}.{}s", secs, millis % 1000 / 100),
        0 => format!("{millis}ms"),
    }
}

/// The colour of an outcome.
#[must_use]
pub fn colour(outcome: Option<Outcome>) -> Style {
    match outcome {
        Some(Outcome::Passed | Outcome::Passx) => Style::new().green(),
        Some(Outcome::Failed | Outcome::Errored) => Style::new().red(),
        Some(Outcome::Aborted | Outcome::Blocked) => Style::new().magenta(),
        Some(Outcome::Skipped) => Style::new().yellow(),
        None => Style::new().dim(),
    }
}

/// `97 passed, 3 failed`, in colour for standard output or standard error.
#[must_use]
pub fn counts(counts: &Counts, for_stderr: bool) -> String {
    let mut parts = Vec::new();
    for outcome in Outcome::ALL {
        let n = counts.of(outcome);
        if n > 0 {
            parts.push(on(colour(Some(outcome)), for_stderr).apply_to(format!("{n} {outcome}")).to_string());
        }
    }
    if counts.without() > 0 {
        parts.push(format!("{} without an outcome", counts.without()));
    }
    if parts.is_empty() { "nothing yet".to_owned() } else { parts.join(", ") }
}

/// The outcomes of a job's cases.
#[must_use]
pub fn cases(row: &JobRow) -> String {
    if row.counts.total() == 0 && row.state.is_final() {
        return "none".to_owned();
    }
    counts(&row.counts, false)
}

/// `1 job`, `2 jobs`.
#[must_use]
pub fn many(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn on(style: Style, for_stderr: bool) -> Style {
    if for_stderr { style.for_stderr() } else { style.for_stdout() }
}

/// The verdict as one word in colour; while there is none, the state.
#[must_use]
pub fn verdict(row: &JobRow, for_stderr: bool) -> String {
    let good = Style::new().green().bold();
    let bad = Style::new().red().bold();
    let (style, word) = match (row.state, row.verdict) {
        (JobState::Completed, Some(Verdict::Success)) => (good, "SUCCESS".to_owned()),
        (JobState::Completed, Some(Verdict::Failure)) => (bad, "FAILURE".to_owned()),
        (JobState::Completed, None) => (Style::new().bold(), "COMPLETED".to_owned()),
        (state, _) if state.is_final() => (Style::new().magenta().bold(), state.to_string().to_uppercase()),
        (state, _) => (Style::new().cyan().bold(), state.to_string().to_uppercase()),
    };
    on(style, for_stderr).apply_to(word).to_string()
}

/// Whether a report is complete, and what is missing, as lines.
#[must_use]
pub fn completeness(complete: &Completeness) -> Vec<String> {
    match complete {
        Completeness::Unknown => vec!["unknown: the job has not come to its end".to_owned()],
        Completeness::Yes => vec!["yes".to_owned()],
        Completeness::No(gaps) => {
            let mut out = vec!["no".to_owned()];
            out.extend(gaps.iter().map(|gap| format!("  {}", gap.text)));
            out
        }
    }
}

/// Text from a job, safe on a terminal: control characters shown, not obeyed.
#[must_use]
pub fn safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// A text on one line, safe on a terminal.
#[must_use]
pub fn line(text: &str) -> String {
    safe(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// At most `width` columns of a text, with an ellipsis when it is longer.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    console::truncate_str(&safe(text), width, "…").into_owned()
}
