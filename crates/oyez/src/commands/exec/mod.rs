//! `oyez exec`: any command as a job.
//!
//! The command must not notice: it starts at once, its output goes on byte for byte, its exit code is passed on, and when
//! nothing can be recorded there is one warning and the command runs all the same. The store is opened beside it. What
//! the command prints waits in a bounded spool that never makes it wait; what does not fit is counted, and the report
//! says that it is missing. After its end the store gets a few seconds, and no more.

mod child;
mod job;
mod output;
mod record;
pub mod relay;
mod results;
mod signals;
mod spool;
mod terminal;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oyez_model::Guid;

use crate::error::{CommandError, Outcome as Ended};
use crate::{place, show};
use job::Beginning;
use record::Patience;
pub use results::Source;
use spool::Spool;

/// How long a store that does nothing at all is waited for once the command has ended.
const STALLED: Duration = Duration::from_secs(5);

/// Run any command as a job: its output and exit code are passed on, its test results are read and kept.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez exec -- make test
  oyez exec --parse junit=report.xml -- pytest --junitxml=report.xml
  oyez exec --parse 'junit=target/**/TEST-*.xml' --name nightly --guid $BUILD_ID -- mvn verify
  oyez exec --parse ocp=fans.jsonl -- sh -c 'fans --all > fans.jsonl'

The exit code is the command's own: 127 when it was not found, 126 when it cannot be executed, 128+n after signal n.
`oyez report latest --format html --out report.html` shows what was kept.")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// Read test results when the command has ended: FORMAT=FILE, where FILE may be a glob; may be repeated.
    /// Formats: junit, ocp
    #[arg(long, value_name = "FORMAT=FILE")]
    parse: Vec<Source>,
    /// The job's name [default: the command]
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// A correlation text of yours; may be repeated
    #[arg(long)]
    guid: Vec<String>,
    /// Tags, to find the job by
    #[arg(long, value_delimiter = ',')]
    tag: Vec<String>,
    /// The project whose history it is part of
    #[arg(long)]
    project: Option<String>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs it.
pub fn run(args: Args) -> Ended {
    let guids: Vec<Guid> = args
        .guid
        .iter()
        .map(|text| Guid::new(text.as_str()).map_err(|e| CommandError::Usage(format!("--guid: {e}"))))
        .collect::<Result<_, _>>()?;
    oyez_model::tags::check_tags(&args.tag, false).map_err(|e| CommandError::Usage(format!("--tag: {e}")))?;
    let runtime = place::runtime()?;
    let beginning = Beginning::new(&args, guids);
    let spool = Arc::new(Spool::default());
    let mut end = child::start(&args.command, spool.clone(), runtime.handle());
    let progress = Arc::new(AtomicU64::new(0));
    let patience = Patience::new(end.clone(), progress.clone());
    let place = args.place.clone();
    let sources = args.parse;
    // On a thread of its own: the store may make whoever asks it wait.
    let handle = runtime.handle().clone();
    let (done, mut keeping) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let kept = handle.block_on(job::keep(place, beginning, patience, &spool, &sources));
        if let Err(e) = kept {
            spool.abandon();
            warn(&e.to_string());
        }
        // Nobody waits any more when it has taken too long.
        let _ = done.send(());
    });
    let code = runtime.block_on(async {
        let code = end.wait().await.how.exit_code();
        loop {
            let before = progress.load(Ordering::Relaxed);
            match tokio::time::timeout(STALLED, &mut keeping).await {
                Ok(Ok(())) => break,
                Ok(Err(e)) => break warn(&e.to_string()),
                Err(_) if progress.load(Ordering::Relaxed) != before => {}
                Err(_) => {
                    let waited = STALLED.as_secs();
                    break warn(&format!(
                        "the store was busy or its disk stood still for {waited} s after the command's end: see who \
                         has it with `oyez doctor`"
                    ));
                }
            }
        }
        code
    });
    // A thread that the store holds up does not hold us up.
    runtime.shutdown_background();
    Ok(code)
}

/// The one warning.
fn warn(why: &str) {
    let mark = show::warning_mark();
    output::line(&format!("{mark} this run is not recorded, or not wholly: {why}"));
}
