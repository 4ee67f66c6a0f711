//! `oyez search`: lines of log, of one job or of all.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use oyez_engine::GoDuration;
use oyez_model::Time;
use oyez_server::http::api::logs::{LogLine, LogLines};
use oyez_store::{Clock, Levels, LogQuery, Pattern, SqliteStore, Store, SystemClock, search};

use crate::commands::list::Format;
use crate::error::{CommandError, Outcome};
use crate::remote::{Server, Where};
use crate::{exit, place, show, which};

/// Search the logs of one job, or of all: by text, level, time and tag.
///
/// It finds what `oyez logs` prints, newest job first. Upper and lower case are the same. The first search after much was
/// written takes longer: it brings the index up to date; a server does so by itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez search 'connection refused'
  oyez search --regex 'time(d )?out after [0-9]+ s' --tag nightly --since 24h
  oyez search --level error,critical --job latest
  oyez search panic --format jsonl --limit 0 | jq -r .path | sort | uniq -c
  oyez search 'no route' --server http://127.0.0.1:8080")]
pub struct Args {
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: place::Place,
    /// What a line must have; without it, every line is found
    text: Option<String>,
    /// TEXT is a regular expression (no look-around, no back-references)
    #[arg(long, short = 'e', requires = "text")]
    regex: bool,
    /// Only this job: its number, uid, guid, or `latest`
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Only lines of these levels: debug, info, warning, error, critical, none
    #[arg(long, value_name = "LEVEL,...")]
    level: Option<Levels>,
    /// Not before this: 2026-11-20T16:53:20Z, 2026-11-20 16:53 (local), or 90m for so long ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Not after this
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
    /// Only jobs with all of these tags
    #[arg(long, value_delimiter = ',')]
    tag: Vec<String>,
    /// At most so many lines; 0 for all
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Indexing that takes longer is shown.
const QUIETLY: Duration = Duration::from_secs(1);

/// A point in time: RFC 3339, a local one, or how long ago.
fn time(text: &str) -> Result<Time, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if let Ok(ago) = text.parse::<GoDuration>() {
        let nanos = i64::try_from(ago.to_std().as_nanos()).unwrap_or(i64::MAX);
        return Ok(SystemClock.now().plus(-nanos));
    }
    let local = text.parse::<jiff::civil::DateTime>().or_else(|e| {
        let day = text.parse::<jiff::civil::Date>().map_err(|_| e)?;
        Ok::<_, jiff::Error>(day.to_datetime(jiff::civil::Time::midnight()))
    });
    let zoned = local.and_then(|local| local.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map(|zoned| zoned.timestamp().into()).map_err(|_| {
        "a time is like 2026-11-20T16:53:20Z, 2026-11-20 16:53 (local), 2026-11-20, or 90m for so long ago".to_owned()
    })
}

impl Args {
    fn pattern(&self) -> Result<Option<Pattern>, CommandError> {
        let read = |text: &String| match self.regex {
            true => Pattern::regex(text),
            false => Pattern::literal(text),
        };
        self.text.as_ref().map(read).transpose().map_err(|e| CommandError::Usage(e.to_string()))
    }

    /// How many more lines are wanted, in steps of at most `page`.
    fn left(&self, have: usize, page: usize) -> usize {
        if self.limit == 0 { page } else { (self.limit - have).min(page) }
    }

    fn is_done(&self, have: usize) -> bool {
        self.limit > 0 && have >= self.limit
    }
}

/// Searches.
pub fn run(args: &Args) -> Outcome {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since > until
    {
        return Err(CommandError::Usage("--since is after --until: nothing can be between them".to_owned()));
    }
    let pattern = args.pattern()?;
    let mut printer =
        Printer { format: args.format, pattern: pattern.clone(), lines: 0, job: None, notes: Vec::new() };
    printer.begin()?;
    let more = match args.remote.server(&args.place)? {
        Some(server) => remote(args, &server, &mut printer)?,
        None => place::runtime()?.block_on(local(args, pattern, &mut printer))?,
    };
    printer.end()?;
    if args.format == Format::Human && printer.lines == 0 && printer.notes.is_empty() {
        tell!("nothing found");
    }
    if more {
        tell!("there may be more: --limit 0 finds all");
    }
    printer.notes.iter().for_each(|note| tell!("{} {}", show::warning_mark(), show::safe(note)));
    Ok(if printer.notes.is_empty() { exit::SUCCESS } else { exit::INCOMPLETE })
}

/// From the local store; says whether there may be more.
async fn local(args: &Args, pattern: Option<Pattern>, printer: &mut Printer) -> Result<bool, CommandError> {
    let store = args.place.look()?;
    let job = match &args.job {
        Some(id) => Some(which::one(&*store, id).await?),
        None => None,
    };
    index(&store).await;
    let mut query = LogQuery {
        pattern,
        job,
        tags: args.tag.clone(),
        levels: args.level.unwrap_or_default(),
        since: args.since,
        until: args.until,
        ..LogQuery::default()
    };
    loop {
        query.limit = args.left(printer.lines, search::MAX_HITS);
        let page = store.search_logs(query.clone()).await?;
        printer.print(LogLines::from(&page))?;
        query.from = page.next;
        if query.from.is_none() || args.is_done(printer.lines) {
            store.close().await?;
            return Ok(query.from.is_some());
        }
    }
}

/// Brings the index up to date. Where that cannot be, the search takes longer and finds the same.
async fn index(store: &SqliteStore) {
    let (begun, mut bytes, mut shown) = (Instant::now(), 0, false);
    let can_draw = std::io::stderr().is_terminal();
    loop {
        match store.index_logs().await {
            Ok(done) => {
                bytes += done.bytes;
                if let Some(why) = done.made_again {
                    tell!("oyez: the index of logs is made again: {why}");
                }
                if !done.more {
                    break;
                }
            }
            Err(e) => {
                tell!("{} logs cannot be indexed: {e}; the search takes longer", show::warning_mark());
                break;
            }
        }
        if begun.elapsed() > QUIETLY && (can_draw || !shown) {
            let mib = bytes >> 20;
            // Nobody may listen any more.
            let _ = write!(
                std::io::stderr(),
                "{}logs are indexed: {mib} MiB{}",
                if can_draw { "\r" } else { "" },
                if can_draw { "" } else { " so far\n" }
            );
            shown = true;
        }
    }
    if shown && can_draw {
        tell!();
    }
}

/// From a server; says whether there may be more.
fn remote(args: &Args, server: &Server, printer: &mut Printer) -> Result<bool, CommandError> {
    // What the API gives at most.
    const PAGE: usize = 100;
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(args.text.iter().map(|text| (if args.regex { "regex" } else { "text" }, text.clone())));
    query.extend(args.job.iter().map(|job| ("job", job.clone())));
    query.extend(args.tag.iter().map(|tag| ("tag", tag.clone())));
    query.extend(args.level.iter().map(|levels| ("level", levels.to_string())));
    query.extend(args.since.iter().map(|time| ("since", time.to_string())));
    query.extend(args.until.iter().map(|time| ("until", time.to_string())));
    let mut after = None;
    loop {
        let mut asked = query.clone();
        asked.push(("limit", args.left(printer.lines, PAGE).to_string()));
        asked.extend(after.take().map(|after| ("after", after)));
        let mut page = server.search(&asked)?;
        after = page.next.take();
        printer.print(page)?;
        if after.is_none() || args.is_done(printer.lines) {
            return Ok(after.is_some());
        }
    }
}

struct Printer {
    format: Format,
    pattern: Option<Pattern>,
    lines: usize,
    /// Whose lines are being printed.
    job: Option<u64>,
    notes: Vec<String>,
}

impl Printer {
    fn begin(&self) -> Result<(), CommandError> {
        if self.format == Format::Json {
            write!(std::io::stdout().lock(), "[")?;
        }
        Ok(())
    }

    fn print(&mut self, page: LogLines) -> Result<(), CommandError> {
        let out = &mut std::io::BufWriter::new(std::io::stdout().lock());
        for line in &page.lines {
            let json = || serde_json::to_string(line).unwrap_or_default();
            match self.format {
                Format::Json => write!(out, "{}\n  {}", if self.lines == 0 { "" } else { "," }, json())?,
                Format::Jsonl => writeln!(out, "{}", json())?,
                Format::Human => self.human(out, line)?,
            }
            self.lines += 1;
        }
        for note in page.notes {
            if !self.notes.contains(&note) && self.notes.len() < search::MAX_NOTES {
                self.notes.push(note);
            }
        }
        Ok(out.flush()?)
    }

    fn end(&self) -> Result<(), CommandError> {
        if self.format == Format::Json {
            writeln!(std::io::stdout().lock(), "{}]", if self.lines == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }

    fn human(&mut self, out: &mut dyn Write, line: &LogLine) -> Result<(), CommandError> {
        if self.job != Some(line.job) {
            let head = format!("job {}  {}", line.job, show::safe(&line.name));
            writeln!(out, "{}", console::style(head).bold())?;
            self.job = Some(line.job);
        }
        let time = line.time.parse().map(show::moment).unwrap_or_default();
        let mark = if line.stream == "stderr" { "!" } else { "|" };
        let path = console::style(show::safe(&line.path)).cyan();
        let text = self.marked(&show::safe(&line.text));
        writeln!(
            out,
            "  {} {path} {mark} {text}{}",
            console::style(time).dim(),
            if line.cut { " …" } else { "" }
        )?;
        Ok(())
    }

    /// The text with what was found set off.
    fn marked(&self, text: &str) -> String {
        match self.pattern.as_ref().and_then(|pattern| pattern.find(text)) {
            Some(found) if !found.is_empty() => {
                let (before, after) = (&text[..found.start], &text[found.end..]);
                format!("{before}{}{after}", console::style(&text[found]).red().bold())
            }
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_local_or_so_long_ago() {
        assert_eq!(time("2026-11-20T16:53:20Z").unwrap(), Time(1_795_193_600_000_000_000));
        let local = jiff::civil::date(2026, 11, 20).at(16, 53, 0, 0);
        let expected: Time = local.to_zoned(jiff::tz::TimeZone::system()).unwrap().timestamp().into();
        assert_eq!(time("2026-11-20 16:53").unwrap(), expected);
        assert!(time("2026-11-20").unwrap() < expected);
        let ago = SystemClock.now().since(time("90m").unwrap());
        assert!((5399..5460).contains(&(ago / 1_000_000_000)), "{ago}");
        for wrong in ["", "yesterday", "2026-13-01", "16:53"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
