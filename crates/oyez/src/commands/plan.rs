//! `oyez plan`: what a descriptor would run.

use std::io::Write;
use std::path::PathBuf;

use oyez_engine::Plan;
use oyez_engine::plan::{CsvFile, TargetManager};

use crate::commands::list::Format;
use crate::commands::run::read_descriptor;
use crate::error::{CommandError, Outcome};
use crate::place::Place;
use crate::programs::Programs;
use crate::{exit, show};

/// Show what a job descriptor would run, without running it; all that is wrong with it is said at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez plan job.yaml
  oyez plan job.json --format json
  generate-job | oyez plan -")]
pub struct Args {
    /// The job descriptor, JSON or YAML; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    programs: Programs,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Targets that are listed by name.
const TARGETS: usize = 5;

/// Shows it.
pub fn run(args: &Args) -> Outcome {
    let read = read_descriptor(&args.file, &args.programs.find(&Place::default()))?;
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => human(out, &read.plan)?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&read.plan).unwrap_or_default())?,
        Format::Jsonl => writeln!(out, "{}", serde_json::to_string(&read.plan).unwrap_or_default())?,
    }
    Ok(exit::SUCCESS)
}

/// On which targets a test runs.
fn targets(manager: &TargetManager) -> String {
    match manager {
        TargetManager::TargetList { targets } => {
            let mut names: Vec<String> = targets.iter().take(TARGETS).map(|t| show::safe(&t.id)).collect();
            if targets.len() > TARGETS {
                names.push("...".to_owned());
            }
            format!("{}: {}", show::many(targets.len() as u64, "target"), names.join(", "))
        }
        TargetManager::External(manager) => {
            format!("targets of the plugin {}", show::safe(&manager.plugin.name))
        }
        TargetManager::CsvFile(CsvFile { file, least, most, prefixes, shuffle }) => {
            let which = match prefixes.as_slice() {
                [] => String::new(),
                prefixes => format!(" whose names start with {}", show::safe(&prefixes.join(" or "))),
            };
            let order = if *shuffle { ", in any order" } else { "" };
            let file = show::safe(&file.display().to_string());
            format!("{least} to {most} targets{which} that are free of those in {file}{order}")
        }
    }
}

fn human(out: &mut dyn Write, plan: &Plan) -> Result<(), CommandError> {
    let runs = match plan.runs {
        None => "runs until it is stopped".to_owned(),
        Some(1) => "1 run".to_owned(),
        Some(n) => format!("{n} runs, {} between them", plan.run_interval),
    };
    writeln!(out, "{}: {runs}", console::style(show::safe(&plan.name)).bold())?;
    for test in &plan.tests {
        let retries = match test.retry.retries {
            0 => String::new(),
            n => format!(", up to {} attempts", n + 1),
        };
        writeln!(out, "  test {}{retries}", show::safe(&test.name))?;
        writeln!(out, "    {}", targets(&test.target_manager))?;
        for (word, steps) in [("step", &test.steps), ("clean-up", &test.cleanup_steps)] {
            for step in steps {
                writeln!(out, "    {word} {}: {}", step.label, step.kind.plugin())?;
            }
        }
    }
    for test in &plan.disabled {
        writeln!(out, "  test {} is disabled", show::safe(&test.name))?;
    }
    let names = |list: &[oyez_engine::plan::PlannedReporter]| {
        list.iter().map(|r| r.reporter.name().to_owned()).collect::<Vec<_>>().join(", ")
    };
    for (word, list) in [("each run", &plan.run_reporters), ("the job", &plan.final_reporters)] {
        if !list.is_empty() {
            writeln!(out, "  reporters of {word}: {}", names(list))?;
        }
    }
    Ok(())
}
