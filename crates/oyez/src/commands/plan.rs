//! `oyez plan`: what a descriptor would run.

use std::io::Write;
use std::path::PathBuf;

use oyez_engine::plan::expand::{ExpandedStep, ExpandedTest, expand};
use oyez_engine::plan::{CsvFile, PlannedStep, TargetManager};
use oyez_engine::{Functions, ParameterFile, Plan};

use crate::commands::list::Format;
use crate::commands::run::read_descriptor;
use crate::error::{CommandError, Outcome};
use crate::place::Place;
use crate::programs::Programs;
use crate::{exit, show};

/// Show what a job descriptor would run, without running it; all that is wrong with it is said at once.
///
/// Every parameter is shown as one target gets it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez plan job.yaml
  oyez plan job.yaml --target node-042
  oyez plan job.json --format json
  generate-job | oyez plan -")]
pub struct Args {
    /// The job descriptor, JSON or YAML; `-` reads standard input
    file: PathBuf,
    /// The target that parameters are shown for [default: the first of each test]
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    programs: Programs,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Targets that are listed by name.
const TARGETS: usize = 5;
/// Characters of one value that are shown to people.
const CHARACTERS: usize = 4_000;

/// A plan with its parameters as they will be.
#[derive(serde::Serialize)]
struct Shown<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    expanded: &'p [ExpandedTest],
}

/// Shows it.
pub fn run(args: &Args) -> Outcome {
    let read = read_descriptor(&args.file, &args.programs.find(&args.place))?;
    let functions = Functions::new(ParameterFile("parameters.json".into()));
    let expanded = expand(&read.plan, &functions, args.target.as_deref())
        .map_err(|e| CommandError::Usage(format!("--target: {e}")))?;
    let shown = Shown { plan: &read.plan, expanded: &expanded };
    let out = &mut std::io::stdout().lock();
    match args.format {
        Format::Human => human(out, &read.plan, &expanded)?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&shown).unwrap_or_default())?,
        Format::Jsonl => writeln!(out, "{}", serde_json::to_string(&shown).unwrap_or_default())?,
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

fn human(out: &mut dyn Write, plan: &Plan, expanded: &[ExpandedTest]) -> Result<(), CommandError> {
    let runs = match plan.runs {
        None => "runs until it is stopped".to_owned(),
        Some(1) => "1 run".to_owned(),
        Some(n) => format!("{n} runs, {} between them", plan.run_interval),
    };
    writeln!(out, "{}: {runs}", console::style(show::safe(&plan.name)).bold())?;
    for (test, expanded) in plan.tests.iter().zip(expanded) {
        let retries = match test.retry.retries {
            0 => String::new(),
            n => format!(", up to {} attempts", n + 1),
        };
        writeln!(out, "  test {}{retries}", show::safe(&test.name))?;
        writeln!(out, "    {}", targets(&test.target_manager))?;
        if let Some(target) = &expanded.target {
            writeln!(out, "    parameters as {} gets them:", show::safe(&target.id))?;
        }
        if let Some(note) = &expanded.note {
            writeln!(out, "    {} {}", console::style("note:").yellow(), show::line(note))?;
        }
        steps(out, "step", &test.steps, &expanded.steps)?;
        steps(out, "clean-up", &test.cleanup_steps, &expanded.cleanup_steps)?;
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

/// Steps with their parameters, those that are known.
fn steps(
    out: &mut dyn Write,
    word: &str,
    planned: &[PlannedStep],
    expanded: &[ExpandedStep],
) -> Result<(), CommandError> {
    for (i, step) in planned.iter().enumerate() {
        writeln!(out, "    {word} {}: {}", step.label, step.kind.plugin())?;
        if let Some(expanded) = expanded.get(i) {
            parameters(out, expanded)?;
        }
    }
    Ok(())
}

fn parameters(out: &mut dyn Write, step: &ExpandedStep) -> Result<(), CommandError> {
    for (name, values) in &step.parameters {
        let name = show::line(name);
        let texts: Vec<String> = values.iter().map(|value| readable(value.get())).collect();
        let is_short = |text: &String| !text.contains('\n');
        match texts.as_slice() {
            [text] if is_short(text) => writeln!(out, "      {name}: {text}")?,
            [] => writeln!(out, "      {name}:")?,
            texts => {
                writeln!(out, "      {name}:")?;
                for text in texts {
                    writeln!(out, "        - {}", text.replace('\n', "\n          "))?;
                }
            }
        }
        let is_here =
            |parameter: &str| parameter.strip_prefix(&name).is_some_and(|rest| rest.starts_with('['));
        for wrong in step.errors.iter().filter(|wrong| is_here(&wrong.parameter)) {
            let (place, error) = (show::line(&wrong.parameter), show::line(&wrong.error));
            let mark = console::style("warning:").yellow().bold();
            writeln!(out, "        {mark} {place}: it would fail: {error}")?;
        }
    }
    Ok(())
}

/// A value as people read it: a text without quotes, all else as JSON.
fn readable(json: &str) -> String {
    let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
    let shown: String = text.trim_end_matches('\n').chars().take(CHARACTERS).collect();
    let left_out = text.chars().count().saturating_sub(CHARACTERS);
    let rest = match left_out {
        0 => String::new(),
        n => format!("... ({n} more characters: --format json shows them)"),
    };
    let lines: Vec<String> = shown.lines().map(show::safe).collect();
    lines.join("\n") + &rest
}
