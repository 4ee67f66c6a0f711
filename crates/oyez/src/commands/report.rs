//! `oyez report`: documents of a job.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use oyez_report::{Format, Options};
use oyez_store::JobReader;

use crate::error::{CommandError, Outcome};
use crate::{exit, place, reap, reports, which};

/// Write documents of a job; also of one that still runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez report latest --format html --out report.html
  oyez report 17 --format junit > junit.xml
  oyez report latest --format markdown
  oyez report latest --out results
  oyez report latest --format json,html,ctrf --out results")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// The job: its number, uid, guid, or `latest`
    #[arg(default_value = "latest")]
    id: String,
    /// json, junit, markdown, html, ctrf, tap, pyats-json, pyats-yaml, pyats-xml, pyats-summary; several, or none for
    /// the usual four, go into a folder
    #[arg(long, value_delimiter = ',', value_parser = |s: &str| s.parse::<Format>().map_err(|e| e.to_string()))]
    format: Vec<Format>,
    /// The file to write, or the folder for several [default: standard output for one]
    #[arg(long, short, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// Writes them.
pub fn run(args: &Args) -> Outcome {
    let (formats, out) = (args.format.clone(), args.out.clone());
    if formats.len() != 1 && out.is_none() {
        return Err(CommandError::Usage(
            "say which document with --format (html, json, junit, markdown, ctrf, tap, pyats-json, ...), or name a folder \
             with --out"
                .to_owned(),
        ));
    }
    place::runtime()?.block_on(async {
        let store = args.place.look()?;
        let _ = reap::reap(&*store).await;
        let id = which::one(&*store, &args.id).await?;
        reports::with_reader(&*store, id, move |reader| match (&formats[..], out) {
            ([format], None) => {
                let mut to = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
                oyez_report::write_report(reader, *format, &mut to, &Options::default())?;
                Ok(to.flush()?)
            }
            ([format], Some(path)) if !path.is_dir() => one_file(reader, *format, &path),
            ([], Some(folder)) => reports::write_all(reader, &Format::USUAL, &folder, &Options::default()),
            (formats, Some(folder)) => reports::write_all(reader, formats, &folder, &Options::default()),
            (_, None) => Ok(()),
        })
        .await
    })?;
    Ok(exit::SUCCESS)
}

fn one_file(reader: &dyn JobReader, format: Format, path: &Path) -> Result<(), CommandError> {
    let trouble = |source| CommandError::File { what: "cannot write", path: path.to_owned(), source };
    let mut to = BufWriter::with_capacity(1 << 16, File::create(path).map_err(trouble)?);
    oyez_report::write_report(reader, format, &mut to, &Options::default())?;
    to.flush().map_err(trouble)
}
