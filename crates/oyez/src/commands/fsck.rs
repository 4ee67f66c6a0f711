//! `oyez fsck`: is the store sound?

use std::io::Write;

use oyez_model::JobId;
use oyez_store::SqliteOptions;
use oyez_store::sqlite::{self, FsckOptions};
use serde_json::json;

use crate::commands::status::Format;
use crate::error::{CommandError, Outcome};
use crate::{exit, place, show};

/// Check the store: every checksum, every row against a fold of the journal from its first event.
///
/// Exits with 0 when the store is sound (or was mended), with 3 when it is not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez fsck
  oyez fsck --rebuild
  oyez fsck --job 17 --format json")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// Make rows again from the journal where they differ
    #[arg(long)]
    rebuild: bool,
    /// Only this job
    #[arg(long, value_name = "N")]
    job: Option<u64>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Checks it.
pub fn run(args: &Args) -> Outcome {
    let folder = args.place.folder()?;
    if !folder.join(sqlite::FILE).exists() {
        return Err(CommandError::Usage(format!("there is no store in {}", folder.display())));
    }
    let options = FsckOptions { job: args.job.map(JobId), rebuild: args.rebuild };
    let bar = indicatif::ProgressBar::new(0);
    if !show::can_draw() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let report = sqlite::fsck(&folder, &options, &SqliteOptions::default(), |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let left = report.findings.iter().filter(|f| !f.mended).count();
    let out = &mut std::io::stdout().lock();
    if args.format == Format::Human {
        for finding in &report.findings {
            let place = finding.job.map_or_else(String::new, |id| format!("job {id}: "));
            let mended = if finding.mended { " (mended)" } else { "" };
            writeln!(out, "{place}{}{mended}", show::safe(&finding.what))?;
        }
        let sound = match (report.findings.len(), left) {
            (0, _) => "sound".to_owned(),
            (n, 0) => format!("{}, all mended", show::many(n as u64, "finding")),
            (n, left) => format!("{}, {left} not mended", show::many(n as u64, "finding")),
        };
        let (jobs, events, rows, blobs) = (report.jobs, report.events, report.rows, report.blobs);
        let [jobs, events, rows, blobs] = [(jobs, "job"), (events, "event"), (rows, "row"), (blobs, "blob")]
            .map(|(n, what)| show::many(n, what));
        writeln!(out, "{jobs}, {events}, {rows}, {blobs} checked: {sound}")?;
        if left > 0 && !args.rebuild {
            writeln!(
                out,
                "`oyez fsck --rebuild` makes rows again from the journal; a damaged journal stays as it is"
            )?;
        }
    } else {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|f| json!({"job": f.job, "what": f.what, "mended": f.mended}))
            .collect();
        let all = json!({
            "jobs": report.jobs, "events": report.events, "rows": report.rows, "blobs": report.blobs,
            "sound": left == 0, "findings": findings,
        });
        writeln!(out, "{all}")?;
    }
    Ok(if left == 0 { exit::SUCCESS } else { exit::INCOMPLETE })
}
