//! `oyez doctor`: what is wrong here, and what to do about it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use oyez_model::JobState;
use oyez_store::{JobFilter, SqliteOptions, SqliteStore, Store, StoreError, sqlite};
use serde_json::json;

use crate::commands::list::Format;
use crate::error::{CommandError, Outcome};
use crate::{exit, place, reap, show};

/// Look for what could go wrong here: the store, its disk, the limits of this machine.
///
/// Exits with 0 when nothing stands in the way, with 3 otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez doctor
  oyez doctor --data /var/lib/oyez --format json")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    Warning,
    Bad,
}

struct Finding {
    grade: Grade,
    what: &'static str,
    text: String,
    hint: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, grade: Grade, what: &'static str, text: impl Into<String>, hint: Option<&str>) {
        self.0.push(Finding { grade, what, text: text.into(), hint: hint.map(str::to_owned) });
    }
}

const GIB: u64 = 1 << 30;

/// Looks.
pub fn run(args: &Args) -> Outcome {
    let folder = args.place.folder()?;
    let mut found = Findings::default();
    found.add(Grade::Good, "version", format!("oyez {}", env!("CARGO_PKG_VERSION")), None);
    disk(&folder, &mut found);
    limits(&mut found);
    place::runtime()?.block_on(store(args, &folder, &mut found))?;
    let bad = found.0.iter().any(|f| f.grade == Grade::Bad);
    print(args.format, &found)?;
    Ok(if bad { exit::INCOMPLETE } else { exit::SUCCESS })
}

fn print(format: Format, found: &Findings) -> Result<(), CommandError> {
    let out = &mut std::io::stdout().lock();
    if format != Format::Human {
        let word = |grade| match grade {
            Grade::Good => "good",
            Grade::Warning => "warning",
            Grade::Bad => "bad",
        };
        let all: Vec<_> = found
            .0
            .iter()
            .map(|f| json!({"check": f.what, "grade": word(f.grade), "text": f.text, "hint": f.hint}))
            .collect();
        writeln!(out, "{}", serde_json::Value::from(all))?;
        return Ok(());
    }
    for f in &found.0 {
        let mark = match f.grade {
            Grade::Good => console::style("✓").green(),
            Grade::Warning => console::style("!").yellow().bold(),
            Grade::Bad => console::style("✗").red().bold(),
        };
        writeln!(out, "{mark} {:<14} {}", f.what, show::safe(&f.text))?;
        if let Some(hint) = &f.hint {
            writeln!(out, "  {:<14} {hint}", "")?;
        }
    }
    Ok(())
}

/// The nearest folder above that is there.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn disk(folder: &Path, found: &mut Findings) {
    let at = existing(folder);
    match rustix::fs::statvfs(&at) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!("{:.1} GiB free for {}", free as f64 / GIB as f64, folder.display());
            let (grade, hint) = match free {
                f if f < GIB / 10 => (Grade::Bad, Some("make room: a full disk stops every recording")),
                f if f < GIB => (Grade::Warning, Some("below 1 GiB: long jobs may fill it")),
                _ => (Grade::Good, None),
            };
            found.add(grade, "disk", text, hint);
        }
        Err(e) => found.add(Grade::Warning, "disk", format!("{}: {e}", at.display()), None),
    }
    // SQLite's log needs memory that processes share, which network file systems do not give (magic numbers: statfs(2)).
    let network = [0x6969i64, 0xff53_4d42, 0xfe53_4d42, 0x0102_1994_0000];
    if rustix::fs::statfs(&at).is_ok_and(|stat| network.contains(&stat.f_type)) {
        let hint = "name a folder on a local disk with --data";
        found.add(Grade::Bad, "file system", "a network file system cannot hold the store", Some(hint));
    }
}

fn limits(found: &mut Findings) {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let grade = if files < 256 { Grade::Warning } else { Grade::Good };
    let hint = (grade == Grade::Warning).then_some("raise it: ulimit -n 4096");
    found.add(grade, "open files", format!("up to {files}"), hint);
    let processes =
        getrlimit(Resource::Nproc).current.map_or_else(|| "no limit".to_owned(), |n| format!("up to {n}"));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    found.add(
        Grade::Good,
        "processes",
        format!("{processes}; oyez runs at most {} at once", 4 * cores),
        None,
    );
}

async fn store(args: &Args, folder: &Path, found: &mut Findings) -> Result<(), CommandError> {
    let file = folder.join(sqlite::FILE);
    if !file.exists() {
        found.add(
            Grade::Good,
            "store",
            format!("none in {} yet: the first job makes it", folder.display()),
            None,
        );
        return Ok(());
    }
    let begin = Instant::now();
    let store = match args.place.open_in(folder) {
        Ok(store) => {
            let text =
                format!("{} opened in {:.1} ms", folder.display(), begin.elapsed().as_secs_f64() * 1e3);
            found.add(Grade::Good, "store", text, None);
            store
        }
        Err(e @ StoreError::ReadOnly { .. }) => {
            found.add(Grade::Bad, "store", e.to_string(), None);
            let options = SqliteOptions { read_only: true, ..SqliteOptions::default() };
            std::sync::Arc::new(SqliteStore::open(folder, options)?)
        }
        Err(e) => {
            found.add(Grade::Bad, "store", e.to_string(), None);
            return Ok(());
        }
    };
    sizes(&file, found);
    let _ = reap::reap(&*store).await;
    let jobs = store.jobs(JobFilter { limit: 1000, ..JobFilter::default() }).await?;
    let running: Vec<String> =
        jobs.iter().filter(|j| j.row.state == JobState::Started).map(|j| j.id.to_string()).collect();
    let cut = jobs.iter().filter(|j| j.row.error.as_ref().is_some_and(|e| e.starts_with("cut off"))).count();
    let list =
        if running.is_empty() { "none runs".to_owned() } else { format!("running: {}", running.join(", ")) };
    found.add(Grade::Good, "jobs", format!("the last {}: {list}", jobs.len()), None);
    for damage in jobs.iter().filter_map(|job| job.damage.clone()) {
        found.add(Grade::Bad, "damage", damage, None);
    }
    if cut > 0 {
        let hint = "`oyez list --state Failed` shows them; their reports say what is missing";
        found.add(Grade::Warning, "cut off", format!("{cut} of them lost their process"), Some(hint));
    }
    Ok(())
}

fn sizes(file: &Path, found: &mut Findings) {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let log = size(&file.with_extension("db-wal"));
    let (grade, hint) = match log {
        l if l > 256 << 20 => (Grade::Warning, Some("a reader that never ends keeps it from shrinking")),
        _ => (Grade::Good, None),
    };
    let text = format!("{:.1} MiB, log {:.1} MiB", size(file) as f64 / 1048576.0, log as f64 / 1048576.0);
    found.add(grade, "size", text, hint);
}
