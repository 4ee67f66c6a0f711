//! `oyez plugin`: for those who write plugins.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use oyez_engine::GoDuration;
use oyez_engine::plugin::kit::{self, Case, Verdict};
use oyez_engine::plugin::protocol::Role;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::commands::list::Format;
use crate::error::{CommandError, Outcome};
use crate::{exit, place, show};

/// For those who write plugins: executables that are steps, target managers or reporters.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(CheckArgs),
}

/// Try an executable against the plugin protocol, a line for each case.
///
/// Each case starts it anew. Ends with 0 when no case failed, with 1 when one did, and with 2 when there is no such
/// executable.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez plugin check ./stopwatch
  oyez plugin check ./stopwatch --parameters '{\"seconds\": [0.2]}' --bad-parameters '{\"seconds\": [\"soon\"]}'
  oyez plugin check ./shelf --role target-manager --patience 30s")]
struct CheckArgs {
    /// The executable
    executable: PathBuf,
    /// Only as this [default: all that it says it can be]
    #[arg(long, value_enum)]
    role: Option<As>,
    /// Parameters that it takes [default: the `example` of its `hello`, else {}]
    #[arg(long, value_name = "JSON", value_parser = json)]
    parameters: Option<Box<RawValue>>,
    /// Parameters that it does not take [default: the `bad_example` of its `hello`]
    #[arg(long, value_name = "JSON", value_parser = json)]
    bad_parameters: Option<Box<RawValue>>,
    /// How long each answer, and its end, is waited for
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = patience)]
    patience: Duration,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a plugin can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum As {
    Step,
    TargetManager,
    Reporter,
}

fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))
}

fn patience(text: &str) -> Result<Duration, String> {
    let time: GoDuration = text.parse().map_err(|e| format!("{e}; a time is like 10s or 1m"))?;
    match time.to_std() {
        time if time.is_zero() => Err("nothing answers in no time".to_owned()),
        time => Ok(time),
    }
}

/// Runs it.
pub fn run(args: Args) -> Outcome {
    let Command::Check(args) = args.command;
    check(&args)
}

fn check(args: &CheckArgs) -> Outcome {
    let is_file = std::fs::metadata(&args.executable).is_ok_and(|meta| meta.is_file());
    if !is_file {
        return Err(CommandError::Usage(format!("{}: there is no such file", args.executable.display())));
    }
    let options = kit::Options {
        role: args.role.map(|role| match role {
            As::Step => Role::Step,
            As::TargetManager => Role::TargetManager,
            As::Reporter => Role::Reporter,
        }),
        parameters: args.parameters.clone(),
        bad_parameters: args.bad_parameters.clone(),
        patience: args.patience,
    };
    let mut cases = Vec::new();
    let mut failed_to_print = None;
    let mut tell = |case: &Case| {
        let printed = match args.format {
            Format::Human => human(case),
            Format::Jsonl => line(case),
            Format::Json => Ok(()),
        };
        failed_to_print = failed_to_print.take().or(printed.err());
        cases.push(case.clone());
    };
    let passed = place::runtime()?.block_on(kit::check(&args.executable, &options, &mut tell));
    if let Some(e) = failed_to_print {
        return Err(e.into());
    }
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Json => {
            let shown: Vec<_> = cases.iter().map(Shown::from).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&shown).unwrap_or_default())?;
        }
        Format::Jsonl => {}
        Format::Human => {
            let count = |is: fn(&Verdict) -> bool| cases.iter().filter(|case| is(&case.verdict)).count();
            let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
            let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
            let name = show::safe(&kit::name(&args.executable));
            let cases = show::many(cases.len() as u64, "case");
            writeln!(out, "{name}: {cases}, {failed} failed, {skipped} left out")?;
        }
    }
    Ok(if passed { exit::SUCCESS } else { exit::FAILURE })
}

#[derive(Serialize)]
struct Shown<'c> {
    role: Option<Role>,
    case: &'c str,
    asks: &'c str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'c str>,
}

impl<'c> From<&'c Case> for Shown<'c> {
    fn from(case: &'c Case) -> Self {
        let (verdict, why) = match &case.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(why) => ("failed", Some(why.as_str())),
            Verdict::Skipped(why) => ("skipped", Some(why.as_str())),
        };
        Shown { role: case.role, case: case.name, asks: case.asks, verdict, why }
    }
}

fn line(case: &Case) -> std::io::Result<()> {
    let text = serde_json::to_string(&Shown::from(case)).unwrap_or_default();
    writeln!(std::io::stdout().lock(), "{text}")
}

fn human(case: &Case) -> std::io::Result<()> {
    let role = case.role.map_or("plugin", Role::name);
    let out = &mut std::io::stdout().lock();
    match &case.verdict {
        Verdict::Passed => writeln!(out, "passed  {role}: {}", case.name),
        Verdict::Skipped(why) => writeln!(out, "skipped {role}: {}: {}", case.name, show::safe(why)),
        Verdict::Failed(why) => {
            writeln!(out, "FAILED  {role}: {}: {}", case.name, show::safe(why))?;
            writeln!(out, "        asked for: {}", case.asks)
        }
    }
}
