//! `oyez run`: a job descriptor, to its end, in this process.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oyez_engine::descriptor::input::LONGEST;
use oyez_engine::{Control, Engine, EngineOptions, JobRequest, ParseOptions, Plan, SearchPath};
use oyez_model::{Guid, JobId};
use oyez_report::{Format as Document, Options};
use oyez_server::http::problem::DescriptorError;
use oyez_store::{NewEvent, Store};

use crate::commands::list;
use crate::error::{CommandError, Outcome};
use crate::programs::Programs;
use crate::progress::{Display, Style};
use crate::{ending, exit, place, reap, reports, show};

/// Run a job descriptor to its end, and write its reports.
///
/// The first Ctrl-C cancels the job, which still writes its reports; the second one kills it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez run job.yaml
  oyez run job.json --out results --guid build-1234
  generate-job | oyez run - --format jsonl")]
pub struct Args {
    /// The job descriptor, JSON or YAML as ConTest takes it; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    place: place::Place,
    #[command(flatten)]
    programs: Programs,
    /// The folder for report.json, junit.xml, summary.md and report.html
    #[arg(long, value_name = "DIR", default_value = "oyez-out")]
    out: PathBuf,
    /// A correlation text of yours: finds this job again, together with what else has it; may be repeated
    #[arg(long)]
    guid: Vec<String>,
    /// Who asks for it
    #[arg(long, value_name = "NAME", env = "USER", default_value = "oyez", hide_env_values = true)]
    requestor: String,
    /// Processes at once [default: 4 for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_processes: Option<u32>,
    /// What is shown: people's lines and bars, each event as a JSON line, or nothing
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What `oyez run` prints.
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

/// A descriptor that may run.
pub struct Readable {
    /// Its text.
    pub text: String,
    /// Its fields.
    pub descriptor: oyez_engine::Descriptor,
    /// What it would run.
    pub plan: Plan,
}

/// Reads a descriptor and says all that is wrong with it.
///
/// # Errors
/// It cannot be read, or is wrong.
pub fn read_descriptor(file: &Path, programs: &SearchPath) -> Result<Readable, CommandError> {
    let (name, bytes) = read_file(file)?;
    let options = ParseOptions { format: oyez_engine::Format::of_file(file), require_version: false };
    let prepared = oyez_engine::prepare(&bytes, &options, programs);
    let wrong: Vec<_> = prepared.diagnostics.iter().map(DescriptorError::from).collect();
    let errors = ending::wrong(&name, &wrong);
    match (prepared.descriptor, prepared.plan) {
        (Some(descriptor), Some(plan)) => {
            // A descriptor is JSON or YAML: it was read as text already.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(Readable { text, descriptor, plan })
        }
        _ => Err(CommandError::Descriptor { path: name, errors: errors.max(1) }),
    }
}

/// The bytes of a descriptor, and what it is called.
///
/// # Errors
/// It cannot be read.
pub fn read_file(file: &Path) -> Result<(String, Vec<u8>), CommandError> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let trouble = |source| CommandError::File { what: "cannot read", path: file.to_owned(), source };
    let usage = |e: CommandError| CommandError::Usage(format!("{e}; nothing was started"));
    let mut bytes = Vec::new();
    let most = LONGEST as u64 + 1;
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(trouble).map_err(usage)?;
    } else {
        std::fs::File::open(file)
            .and_then(|f| f.take(most).read_to_end(&mut bytes))
            .map_err(trouble)
            .map_err(usage)?;
    }
    Ok((name, bytes))
}

/// Runs it.
pub fn run(args: Args) -> Outcome {
    let guids: Vec<Guid> = args
        .guid
        .iter()
        .map(|text| Guid::new(text.as_str()).map_err(|e| CommandError::Usage(format!("--guid: {e}"))))
        .collect::<Result<_, _>>()?;
    let programs = args.programs.find(&args.place);
    let read = read_descriptor(&args.file, &programs)?;
    let usage = |e: CommandError| CommandError::Usage(format!("{e}; nothing was started"));
    reports::make_folder(&args.out).map_err(usage)?;
    place::runtime()?.block_on(run_job(args, read, guids))
}

async fn run_job(args: Args, read: Readable, guids: Vec<Guid>) -> Outcome {
    let store = args.place.open()?;
    reap::reap(&*store).await?;
    let programs = args.programs.find(&args.place);
    let mut options = EngineOptions { programs, ..EngineOptions::default() };
    if let Some(n) = args.max_processes {
        options.max_processes = n as usize;
    }
    let engine = Engine::new(store.clone() as Arc<dyn Store>, options);
    let request = JobRequest {
        descriptor_text: read.text,
        descriptor: read.descriptor,
        plan: read.plan,
        requestor: args.requestor.chars().take(32).collect(),
        guids,
        host: None,
        server_id: None,
        priority: 0,
        repeats: None,
    };
    let (id, uid, handle) = engine.submit(request).await?;
    let style = match args.format {
        Format::Human => Style::fitting(),
        _ => Style::Silent,
    };
    if args.format == Format::Human {
        eprintln!("job {id}  {uid}  (`oyez status {id}` from another terminal)");
    }
    let display = Display::start(style);
    let control = Control::default();
    let signals = tokio::spawn(listen(control.clone(), display.teller()));
    let observer: Arc<dyn oyez_engine::Observer> = match args.format {
        Format::Jsonl => Arc::new(Lines { display: display.observer() }),
        _ => display.observer(),
    };
    let end = engine.run(handle, control, Some(observer)).await;
    signals.abort();
    display.finish();
    // Whatever became of the job, what is known of it is written down.
    let code = leave(&store, id, &args).await?;
    end?;
    store.close().await?;
    Ok(code)
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
async fn leave(store: &Arc<oyez_store::SqliteStore>, id: JobId, args: &Args) -> Outcome {
    let out = args.out.clone();
    reports::with_reader(&**store, id, move |reader| {
        reports::write_all(reader, &Document::USUAL, &out, &Options::default())?;
        // The verdict stands, also when the CI system does not get its copy of it.
        if let Err(e) = reports::append_step_summary(reader) {
            eprintln!("{} {e}", show::warning_mark());
        }
        Ok(())
    })
    .await?;
    let info = store.job(id).await?;
    let to = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => {
            let said = reports::with_reader(&**store, id, |reader| Ok(ending::reports(reader)?)).await?;
            ending::say(to, &info, &said, Some(&args.out))?;
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
