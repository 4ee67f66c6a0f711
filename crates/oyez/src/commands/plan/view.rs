//! A plan for people, from its JSON: the same whether it was made here or by a server.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::CommandError;
use crate::show;

/// Targets that are listed by name.
const TARGETS: usize = 5;
/// Characters of one value that are shown to people.
const CHARACTERS: usize = 4_000;

/// What is shown of a plan.
#[derive(Debug, Deserialize)]
pub struct View {
    name: String,
    runs: Option<u32>,
    run_interval: String,
    tests: Vec<Test>,
    disabled: Vec<Named>,
    run_reporters: Vec<Named>,
    final_reporters: Vec<Named>,
    expanded: Vec<ExpandedTest>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Test {
    name: String,
    target_manager: TargetManager,
    steps: Vec<Step>,
    cleanup_steps: Vec<Step>,
    retry: Retry,
}

#[derive(Debug, Deserialize)]
struct Retry {
    #[serde(rename = "NumRetries")]
    retries: u32,
}

/// Whichever it is: `targets` is of one that lists them, `file` of one that reads them.
#[derive(Debug, Deserialize)]
struct TargetManager {
    name: String,
    targets: Option<Vec<Target>>,
    file: Option<String>,
    #[serde(default)]
    least: u32,
    #[serde(default)]
    most: u32,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    shuffle: bool,
}

#[derive(Debug, Deserialize)]
struct Target {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Debug, Deserialize)]
struct Step {
    label: String,
    plugin: String,
    parameters: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct ExpandedTest {
    target: Option<Target>,
    note: Option<String>,
    steps: Vec<Expanded>,
    cleanup_steps: Vec<Expanded>,
}

#[derive(Debug, Deserialize)]
struct Expanded {
    parameters: BTreeMap<String, Vec<Box<RawValue>>>,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Debug, Deserialize)]
struct Wrong {
    parameter: String,
    error: String,
}

impl Step {
    /// The plugin's own name; that of an external one stands with its parameters.
    fn plugin(&self) -> std::borrow::Cow<'_, str> {
        match self.plugin.as_str() {
            "External" => serde_json::from_str::<Named>(self.parameters.get())
                .map_or("External".into(), |plugin| plugin.name.into()),
            known => known.into(),
        }
    }
}

impl TargetManager {
    /// On which targets a test runs.
    fn shown(&self) -> String {
        if let Some(targets) = &self.targets {
            let mut names: Vec<String> = targets.iter().take(TARGETS).map(|t| show::safe(&t.id)).collect();
            if targets.len() > TARGETS {
                names.push("...".to_owned());
            }
            return format!("{}: {}", show::many(targets.len() as u64, "target"), names.join(", "));
        }
        let Some(file) = &self.file else {
            return format!("targets of the plugin {}", show::safe(&self.name));
        };
        let which = match self.prefixes.as_slice() {
            [] => String::new(),
            prefixes => format!(" whose names start with {}", show::safe(&prefixes.join(" or "))),
        };
        let order = if self.shuffle { ", in any order" } else { "" };
        let (file, least, most) = (show::safe(file), self.least, self.most);
        format!("{least} to {most} targets{which} that are free of those in {file}{order}")
    }
}

impl View {
    /// Writes it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let runs = match self.runs {
            None => "runs until it is stopped".to_owned(),
            Some(1) => "1 run".to_owned(),
            Some(n) => format!("{n} runs, {} between them", show::safe(&self.run_interval)),
        };
        writeln!(out, "{}: {runs}", console::style(show::safe(&self.name)).bold())?;
        for (i, test) in self.tests.iter().enumerate() {
            test.write(out, self.expanded.get(i))?;
        }
        for test in &self.disabled {
            writeln!(out, "  test {} is disabled", show::safe(&test.name))?;
        }
        for (word, list) in [("each run", &self.run_reporters), ("the job", &self.final_reporters)] {
            if !list.is_empty() {
                let names: Vec<String> = list.iter().map(|reporter| show::safe(&reporter.name)).collect();
                writeln!(out, "  reporters of {word}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}

impl Test {
    fn write(&self, out: &mut dyn Write, expanded: Option<&ExpandedTest>) -> Result<(), CommandError> {
        let retries = match self.retry.retries {
            0 => String::new(),
            n => format!(", up to {} attempts", u64::from(n) + 1),
        };
        writeln!(out, "  test {}{retries}", show::safe(&self.name))?;
        writeln!(out, "    {}", self.target_manager.shown())?;
        if let Some(target) = expanded.and_then(|test| test.target.as_ref()) {
            writeln!(out, "    parameters as {} gets them:", show::safe(&target.id))?;
        }
        if let Some(note) = expanded.and_then(|test| test.note.as_ref()) {
            writeln!(out, "    {} {}", console::style("note:").yellow(), show::line(note))?;
        }
        steps(out, "step", &self.steps, expanded.map_or(&[], |test| &test.steps))?;
        steps(out, "clean-up", &self.cleanup_steps, expanded.map_or(&[], |test| &test.cleanup_steps))
    }
}

/// Steps with their parameters, those that are known.
fn steps(
    out: &mut dyn Write,
    word: &str,
    planned: &[Step],
    expanded: &[Expanded],
) -> Result<(), CommandError> {
    for (i, step) in planned.iter().enumerate() {
        writeln!(out, "    {word} {}: {}", show::safe(&step.label), show::safe(&step.plugin()))?;
        if let Some(expanded) = expanded.get(i) {
            parameters(out, expanded)?;
        }
    }
    Ok(())
}

fn parameters(out: &mut dyn Write, step: &Expanded) -> Result<(), CommandError> {
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
