//! `oyez targets`: who has which target; hold one back, give it free, take it away, write something down about it.

use std::io::Write;

use oyez_engine::GoDuration;
use oyez_engine::targets::{self, ByHand, TargetError};
use oyez_server::http::api::targets::{Hand, Note, Target};
use oyez_store::{Store, SystemClock};

use crate::error::{CommandError, Outcome};
use crate::remote::Where;
use crate::{exit, place, show};

/// So many lines of a list are read at once.
const PAGE: usize = 1000;

/// See who has which target, and act on targets by hand; who did what and why is kept
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez targets list
  oyez targets hold rack3-node07 --why 'waits for a new fan' --for 48h
  oyez targets release rack3-node07 --why 'fan replaced'
  oyez targets force-unlock rack3-node07 --why 'its job is stuck' --server http://127.0.0.1:8080
  oyez targets note rack3-node07 --why 'serial cable is loose'")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Targets that are held, by whom and for which job
    List {
        #[command(flatten)]
        place: Placed,
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// What people did to a target, newest first
    Notes {
        /// The target's id
        target: String,
        #[command(flatten)]
        place: Placed,
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Keep a free target from all jobs, until it is released or the time is over
    Hold {
        #[command(flatten)]
        hand: ByHandArgs,
        /// How long, as 30m or 48h; without it, until it is released
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        time: Option<GoDuration>,
    },
    /// Give a target free that somebody held
    Release {
        #[command(flatten)]
        hand: ByHandArgs,
    },
    /// Take a target from whoever has it: a job that had it fails
    ForceUnlock {
        #[command(flatten)]
        hand: ByHandArgs,
    },
    /// Write something down about a target
    Note {
        #[command(flatten)]
        hand: ByHandArgs,
    },
}

#[derive(Debug, clap::Args)]
struct Placed {
    #[command(flatten)]
    remote: Where,
    #[command(flatten)]
    place: place::Place,
}

#[derive(Debug, clap::Args)]
struct ByHandArgs {
    /// The target's id
    target: String,
    /// Why; kept for whoever comes next
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who
    #[arg(long, value_name = "NAME", env = "USER", default_value = "oyez", hide_env_values = true)]
    by: String,
    #[command(flatten)]
    place: Placed,
}

/// How to print targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// One JSON array
    Json,
    /// A JSON object on each line
    Jsonl,
}

fn time(text: &str) -> Result<GoDuration, String> {
    let time: GoDuration = text.parse().map_err(|e| format!("{e}; a time is like 30m or 48h"))?;
    if time.to_std().is_zero() { Err("a hold of no time holds nothing".to_owned()) } else { Ok(time) }
}

impl From<TargetError> for CommandError {
    fn from(e: TargetError) -> Self {
        match e {
            TargetError::Store(e) => e.into(),
            e => CommandError::Usage(e.to_string()),
        }
    }
}

/// Does it.
pub fn run(args: Args) -> Outcome {
    match args.what {
        What::List { place, format } => list(&place, format),
        What::Notes { target, place, format } => notes(&place, &target, format),
        What::Hold { hand, time } => act(hand, "hold", time),
        What::Release { hand } => act(hand, "release", None),
        What::ForceUnlock { hand } => act(hand, "force-unlock", None),
        What::Note { hand } => act(hand, "note", None),
    }
}

fn list(place: &Placed, format: Format) -> Outcome {
    let targets: Vec<Target> = match place.remote.server(&place.place)? {
        Some(server) => server.targets()?,
        None => place::runtime()?.block_on(async {
            let store = place.place.look()?;
            let mut all: Vec<Target> = Vec::new();
            loop {
                let after = all.last().map(|last| last.target.clone());
                let page = targets::list(&*store, after.as_deref(), PAGE).await?;
                all.extend(page.iter().map(Target::from));
                if page.len() < PAGE {
                    store.close().await?;
                    return Ok::<_, CommandError>(all);
                }
            }
        })?,
    };
    print(&targets, format, "no target is held", |target| {
        let job = target.job.map_or_else(|| "-".to_owned(), |job| format!("job {job}"));
        let note =
            target.note.as_ref().map_or_else(String::new, |note| format!("  {}", show::line(&note.why)));
        let until = match target.job {
            // Until it is released is ten years.
            None if !is_far(&target.until) => format!("  until {}", show::moment_of(&target.until)),
            None => String::new(),
            // As long as its job has it.
            Some(_) => String::new(),
        };
        format!("{:<32}  {job:<10}  {}{until}{note}", show::safe(&target.target), show::safe(&target.held_by))
    })
}

/// Whether a time is years away.
fn is_far(text: &str) -> bool {
    let now = jiff::Timestamp::now();
    text.parse::<jiff::Timestamp>().is_ok_and(|time| time.duration_since(now).as_hours() > 5 * 365 * 24)
}

fn notes(place: &Placed, target: &str, format: Format) -> Outcome {
    let notes: Vec<Note> = match place.remote.server(&place.place)? {
        Some(server) => server.target_notes(target)?,
        None => place::runtime()?.block_on(async {
            let store = place.place.look()?;
            let notes = store.target_notes(Some(target), PAGE).await?;
            store.close().await?;
            Ok::<_, CommandError>(notes.iter().map(Note::from).collect())
        })?,
    };
    print(&notes, format, "nobody did anything to it", |note| {
        let Note { at, what, by, why, .. } = note;
        let at = show::moment_of(at);
        format!("{at}  {what:<12}  {}  {}", show::safe(by), show::line(why))
    })
}

fn print<T: serde::Serialize>(all: &[T], format: Format, none: &str, line: impl Fn(&T) -> String) -> Outcome {
    let out = &mut std::io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(all).unwrap_or_default())?,
        Format::Jsonl => {
            for one in all {
                writeln!(out, "{}", serde_json::to_string(one).unwrap_or_default())?;
            }
        }
        Format::Human if all.is_empty() => writeln!(out, "{none}")?,
        Format::Human => {
            for one in all {
                writeln!(out, "{}", line(one))?;
            }
        }
    }
    Ok(exit::SUCCESS)
}

fn act(hand: ByHandArgs, verb: &str, time: Option<GoDuration>) -> Outcome {
    let ByHandArgs { target, why, by, place } = hand;
    if let Some(server) = place.remote.server(&place.place)? {
        let seconds = time.map(|time| time.to_std().as_secs().max(1));
        server.target_by_hand(&target, verb, &Hand { by, why, seconds })?;
    } else {
        let by_hand = ByHand { target: target.clone(), by, why };
        place::runtime()?.block_on(async {
            let store = place.place.open()?;
            match verb {
                "hold" => {
                    let time = time.map(GoDuration::to_std);
                    targets::hold(&*store, &SystemClock, &by_hand, time).await?;
                }
                "release" => targets::release(&*store, &SystemClock, &by_hand).await?,
                "force-unlock" => {
                    targets::force_unlock(&*store, &SystemClock, &by_hand).await?;
                }
                _ => targets::write_note(&*store, &SystemClock, &by_hand).await?,
            }
            store.close().await?;
            Ok::<_, CommandError>(())
        })?;
    }
    let done = match verb {
        "hold" => "is held",
        "release" => "is free",
        "force-unlock" => "was taken from whoever had it, and is free",
        _ => "has a new note",
    };
    writeln!(std::io::stdout().lock(), "{} {done}", show::safe(&target))?;
    Ok(exit::SUCCESS)
}
