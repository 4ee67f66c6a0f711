//! `oyez logs`: the log text of a job.

use std::collections::HashMap;
use std::io::Write;

use oyez_model::event::{EventBody, Stream};
use oyez_model::{EventSeq, SectionId};
use oyez_store::{JobReader, StoreError};

use crate::error::{CommandError, Outcome};
use crate::{exit, place, reap, reports, show, which};

/// Print the log text of a job, in the order in which it came, and follow it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez logs latest
  oyez logs latest --follow
  oyez logs 17 --section T42 --stream stderr
  oyez logs 17 --format jsonl | jq -r 'select(.stream == \"stderr\") | .text'
  oyez logs 17 --raw > everything.log")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// The job: its number, uid, guid, or `latest`
    #[arg(default_value = "latest")]
    id: String,
    /// Only sections whose path (test/section/...) holds this text, or with this id
    #[arg(long, value_name = "TEXT")]
    section: Option<String>,
    /// Only this stream
    #[arg(long, value_enum)]
    stream: Option<StreamName>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The bytes alone: no time, no path
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    /// Go on until the job has ended
    #[arg(long, short)]
    follow: bool,
}

/// How to print log text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Each line with its time and where it came from
    #[default]
    Human,
    /// One JSON object for each line: time, section, path, stream, text
    Jsonl,
}

/// A line of log text, for machines.
#[derive(serde::Serialize)]
struct Line<'a> {
    time: String,
    /// The section's id.
    section: &'a str,
    /// test/section/...
    path: &'a str,
    stream: Stream,
    text: &'a str,
}

/// Where log text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StreamName {
    /// Standard output
    Stdout,
    /// Standard error
    Stderr,
    /// A log of the test or of Oyez itself
    Log,
}

impl StreamName {
    fn is(self, stream: Stream) -> bool {
        matches!(
            (self, stream),
            (StreamName::Stdout, Stream::Stdout)
                | (StreamName::Stderr, Stream::Stderr)
                | (StreamName::Log, Stream::Log)
        )
    }
}

const PAGE: usize = 1000;
/// Paths that are remembered; beyond it they are looked up again.
const PATHS: usize = 50_000;

/// Prints it.
pub fn run(args: &Args) -> Outcome {
    place::runtime()?.block_on(async {
        let store = args.place.look()?;
        let _ = reap::reap(&*store).await;
        let id = which::one(&*store, &args.id).await?;
        let mut printer = Printer {
            section: args.section.clone(),
            stream: args.stream,
            raw: args.raw,
            format: args.format,
            after: EventSeq(0),
            paths: HashMap::new(),
            printed: false,
        };
        loop {
            let ended;
            (printer, ended) = reports::with_reader(&*store, id, move |reader| {
                printer.print(reader)?;
                Ok((printer, reader.live().state().is_final()))
            })
            .await?;
            if !args.follow || ended {
                if !printer.printed && !args.raw && args.format == Format::Human {
                    tell!("no log text{}", if args.section.is_some() { " that fits" } else { "" });
                }
                return Ok(exit::SUCCESS);
            }
            reap::wait(&*store, id, printer.after).await?;
        }
    })
}

struct Printer {
    section: Option<String>,
    stream: Option<StreamName>,
    raw: bool,
    format: Format,
    after: EventSeq,
    paths: HashMap<SectionId, String>,
    printed: bool,
}

impl Printer {
    fn print(&mut self, reader: &dyn JobReader) -> Result<(), CommandError> {
        let out = &mut std::io::BufWriter::new(std::io::stdout().lock());
        loop {
            let page = reader.events_after(self.after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            self.after = *last;
            for (_, event) in &page {
                let (at, stream, bytes) = match &event.body {
                    EventBody::LogText(log) => (log.id, log.stream, Source::Text(&log.text.0)),
                    EventBody::Artifact(a) => match a.rest_of {
                        Some(stream) => (a.id, stream, Source::Blob(a.blob)),
                        None => continue,
                    },
                    _ => continue,
                };
                if self.stream.is_some_and(|wanted| !wanted.is(stream)) {
                    continue;
                }
                let node = at.resolve(event.producer);
                let path = self.path(reader, node)?;
                let id = node.to_string();
                if self
                    .section
                    .as_ref()
                    .is_some_and(|wanted| !path.contains(wanted.as_str()) && *wanted != id)
                {
                    continue;
                }
                let blob;
                let bytes: &[u8] = match bytes {
                    Source::Text(bytes) => bytes,
                    Source::Blob(hash) => {
                        blob = reader.blob(hash)?;
                        &blob
                    }
                };
                self.printed = true;
                if self.raw {
                    out.write_all(bytes)?;
                    continue;
                }
                let mark = if stream == Stream::Stderr { "!" } else { "|" };
                for text in String::from_utf8_lossy(bytes).lines() {
                    if self.format == Format::Jsonl {
                        let time = event.time.to_string();
                        let line = Line { time, section: &id, path: &path, stream, text };
                        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
                        writeln!(out)?;
                        continue;
                    }
                    let time = console::style(show::time_of_day(event.time)).dim();
                    let path = console::style(&path).cyan();
                    writeln!(out, "{time} {path} {mark} {}", show::safe(text))?;
                }
            }
        }
        Ok(out.flush()?)
    }

    /// The names from the test down to the section.
    fn path(&mut self, reader: &dyn JobReader, node: SectionId) -> Result<String, StoreError> {
        if let Some(path) = self.paths.get(&node) {
            return Ok(path.clone());
        }
        let path = match reader.nodes(&[node])?.pop() {
            None => node.to_string(),
            Some(row) if row.kind == oyez_model::NodeKind::Job || row.kind == oyez_model::NodeKind::Run => {
                String::new()
            }
            Some(row) => match self.path(reader, row.parent)? {
                above if above.is_empty() => show::safe(&row.name),
                above => format!("{above}/{}", show::safe(&row.name)),
            },
        };
        if self.paths.len() >= PATHS {
            self.paths.clear();
        }
        self.paths.insert(node, path.clone());
        Ok(path)
    }
}

enum Source<'a> {
    Text(&'a [u8]),
    Blob(oyez_model::BlobHash),
}
