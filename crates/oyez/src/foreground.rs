//! A job that this process runs to its end: it is shown, Ctrl-C cancels it, and its reports are written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oyez_engine::{Control, Engine, EngineOptions, JobHandle, SearchPath};
use oyez_model::JobId;
use oyez_report::{Format as Document, Options};
use oyez_store::{NewEvent, SqliteStore, Store};

use crate::commands::list;
use crate::error::{CommandError, Outcome};
use crate::progress::{Display, Style};
use crate::{ending, exit, reports, show};

/// What is printed of the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Progress on standard error, the summary on standard output
    #[default]
    Human,
    /// Each event as a JSON line on standard output, the job itself last
    Jsonl,
    /// Errors only
    Quiet,
}

/// How it is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Foreground {
    /// The folder for report.json, junit.xml, summary.md and report.html
    #[arg(long, value_name = "DIR", default_value = "oyez-out")]
    pub out: PathBuf,
    /// Processes at once [default: 4 for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_processes: Option<u32>,
}

impl Foreground {
    /// Makes the folder for the documents: what hinders that is said before anything is run.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn prepare(&self) -> Result<(), CommandError> {
        reports::make_folder(&self.out).map_err(|e| CommandError::Usage(format!("{e}; nothing was started")))
    }

    /// What runs it.
    pub fn engine(&self, store: &Arc<SqliteStore>, programs: SearchPath) -> Engine {
        let mut options = EngineOptions { programs, ..EngineOptions::default() };
        if let Some(n) = self.max_processes {
            options.max_processes = n as usize;
        }
        Engine::new(store.clone() as Arc<dyn Store>, options)
    }

    /// Runs a job to its end, writes its documents and says what came of it.
    ///
    /// # Errors
    /// The store's trouble, or documents that cannot be written.
    pub async fn run(
        &self,
        engine: &Engine,
        store: &Arc<SqliteStore>,
        (id, handle): (JobId, JobHandle),
        control: Control,
        format: Format,
    ) -> Outcome {
        let style = match format {
            Format::Human => Style::fitting(),
            _ => Style::Silent,
        };
        if format == Format::Human {
            let uid = store.job(id).await?.row.uid;
            tell!("job {id}  {uid}  (`oyez status {id}` from another terminal)");
        }
        let display = Display::start(style);
        let signals = tokio::spawn(listen(control.clone(), display.teller()));
        let observer: Arc<dyn oyez_engine::Observer> = match format {
            Format::Jsonl => Arc::new(Lines { display: display.observer() }),
            _ => display.observer(),
        };
        let end = engine.run(handle, control, Some(observer)).await;
        signals.abort();
        display.finish();
        // Whatever became of the job, what is known of it is written down.
        let code = leave(store, id, &self.out, format).await?;
        end?;
        Ok(code)
    }
}

/// The first signal cancels, the second kills.
async fn listen(control: Control, say: impl Fn(&str) + Send) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let mut asked = 0;
    loop {
        tokio::select! {
            got = int.recv() => if got.is_none() { return },
            got = term.recv() => if got.is_none() { return },
        }
        asked += 1;
        if asked == 1 {
            say("cancelling: reports will be written; once more kills what runs");
            control.cancel("interrupted");
        } else {
            say("killing what runs");
            control.kill();
        }
    }
}

/// Reports, the summary, and the exit code.
async fn leave(store: &Arc<SqliteStore>, id: JobId, out: &Path, format: Format) -> Outcome {
    let folder = out.to_owned();
    reports::with_reader(&**store, id, move |reader| {
        reports::write_all(reader, &Document::USUAL, &folder, &Options::default())?;
        // The verdict stands, also when the CI system does not get its copy of it.
        if let Err(e) = reports::append_step_summary(reader) {
            tell!("{} {e}", show::warning_mark());
        }
        Ok(())
    })
    .await?;
    let info = store.job(id).await?;
    let to = &mut std::io::stdout().lock();
    match format {
        Format::Human => {
            let said = reports::with_reader(&**store, id, |reader| Ok(ending::reports(reader)?)).await?;
            ending::say(to, &info, &said, Some(out))?;
        }
        Format::Jsonl => {
            let mut job = list::json(&info);
            job["kind"] = "job".into();
            writeln!(to, "{job}")?;
        }
        Format::Quiet => {}
    }
    Ok(exit::of_job(&info.row))
}

/// Each event as a JSON line.
struct Lines {
    display: Arc<dyn oyez_engine::Observer>,
}

impl oyez_engine::Observer for Lines {
    fn event(&self, seq: u64, event: &NewEvent) {
        use oyez_model::{Event, EventNumber, EventSeq, ProducerId};
        let whole = Event {
            producer: ProducerId::FIRST,
            number: EventNumber(seq),
            time: event.time,
            body: event.body.clone(),
        };
        // A reader that went away does not end the job.
        let _ = writeln!(std::io::stdout().lock(), "{}", whole.to_json(EventSeq(seq)));
    }

    fn notice(&self, text: &str) {
        self.display.notice(text);
    }
}
