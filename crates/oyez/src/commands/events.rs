//! `oyez events`: the journal of a job.

use std::io::Write;

use oyez_model::{Event, EventSeq};

use crate::error::{CommandError, Outcome};
use crate::{exit, place, reap, reports, show, which};

/// Print a job's events from its journal, and follow them as they come.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez events latest
  oyez events 17 --after 1000 --format jsonl
  oyez events latest --follow --format jsonl | jq -c 'select(.kind == \"target_err\")'")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// The job: its number, uid, guid, or `latest`
    #[arg(default_value = "latest")]
    id: String,
    /// Only events after this number
    #[arg(long, default_value_t = 0, value_name = "N")]
    after: u64,
    /// Go on until the job has ended
    #[arg(long, short)]
    follow: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How to print events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line for each: number, time, kind, what it says
    #[default]
    Human,
    /// One JSON object on each line
    Jsonl,
}

const PAGE: usize = 2000;

/// Prints them.
pub fn run(args: &Args) -> Outcome {
    let format = args.format;
    place::runtime()?.block_on(async {
        let store = args.place.look()?;
        let _ = reap::reap(&*store).await;
        let id = which::one(&*store, &args.id).await?;
        let mut after = EventSeq(args.after);
        loop {
            let (last, ended) = reports::with_reader(&*store, id, move |reader| {
                let mut at = after;
                loop {
                    let page = reader.events_after(at, PAGE)?;
                    let Some((last, _)) = page.last() else { break };
                    at = *last;
                    print(&page, format)?;
                }
                Ok((at, reader.live().state().is_final()))
            })
            .await?;
            after = last;
            if !args.follow || ended {
                return Ok(exit::SUCCESS);
            }
            reap::wait(&*store, id, after).await?;
        }
    })
}

fn print(events: &[(EventSeq, Event)], format: Format) -> Result<(), CommandError> {
    let out = &mut std::io::BufWriter::new(std::io::stdout().lock());
    for (seq, event) in events {
        match format {
            Format::Jsonl => writeln!(out, "{}", event.to_json(*seq))?,
            Format::Human => {
                let body = serde_json::to_string(&event.body).unwrap_or_default();
                let body = show::fit(&body, 160);
                writeln!(
                    out,
                    "{seq:>7}  {}  {:<18} {body}",
                    show::time_of_day(event.time),
                    event.body.name()
                )?;
            }
        }
    }
    Ok(out.flush()?)
}
