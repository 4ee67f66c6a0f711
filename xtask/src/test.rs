//! `cargo xtask test`: everything that has to pass before a change is taken.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::error::Error;
use crate::python::{self, MOTO_FOLDER, PYATS_FOLDER};
use crate::step::{Step, Steps, root};
use crate::tools::{self, DENY, NEXTEST};

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Runs only this step (may be given more than once): format, lints, deny, tests, doctests, python, fuzz.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
}

/// The steps, cheapest first.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        // The fuzzers are a workspace of their own.
        line: &["cargo", "fmt", "--all", "--check", "--", "fuzz/src/lib.rs"],
        advice: "run `cargo fmt --all -- fuzz/src/lib.rs` and look at what it changed",
    },
    Step {
        name: "lints",
        line: &["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        advice: "mend what clippy points at; where it is wrong, `#[expect(..., reason = \"...\")]` says why",
    },
    Step {
        name: "deny",
        line: &["cargo", "deny", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"],
        advice: "take another crate, or widen deny.toml with the reason beside it",
    },
    Step {
        name: "tests",
        line: &["cargo", "nextest", "run", "--workspace", "--no-fail-fast"],
        advice: "run the one that fails alone: `cargo nextest run NAME`",
    },
    // nextest runs no documentation tests.
    Step {
        name: "doctests",
        line: &["cargo", "test", "--doc", "--workspace"],
        advice: "mend the example in the documentation that the output names",
    },
    Step {
        name: "python",
        line: &[
            "python3",
            "-m",
            "unittest",
            "discover",
            "-s",
            "clients/python/tests",
            "-t",
            "clients/python",
        ],
        advice: "run one alone in clients/python: `python3 -m unittest tests.test_client`",
    },
    Step {
        name: "fuzz",
        line: &["cargo", "xtask", "fuzz", "--seconds", "20"],
        advice: "run the one that found something alone: `cargo xtask fuzz NAME`",
    },
];

/// Installs what the steps need, runs them, and says how long each took.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let chosen = chosen(&arguments.only)?;
    let mut steps = Steps::default();
    let start = Instant::now();
    for step in &chosen {
        match step.name {
            "format" => tools::need_component("rustfmt", "fmt")?,
            "lints" => tools::need_component("clippy", "clippy")?,
            "deny" => tools::need_cargo_tool(&DENY)?,
            "tests" => {
                tools::need_cargo_tool(&NEXTEST)?;
                tools::want_system_tools(tools::SYSTEM);
                if let Some(pyats) = python::want_pyats() {
                    steps.set("PATH", tools::path_with(&pyats.join("bin")));
                    steps.set(PYATS_FOLDER, pyats);
                }
                if let Some(moto) = python::want_moto() {
                    steps.set(MOTO_FOLDER, moto);
                }
            }
            _ => {}
        }
    }
    steps.note("set-up", start.elapsed());
    let skipped = root().join("target/skipped-tests");
    // Those of the last run; there need not be any. Without the folder nothing is counted.
    let _ = (std::fs::create_dir_all(root().join("target")), std::fs::remove_file(&skipped));
    steps.set("OYEZ_TEST_SKIPPED", &skipped);
    for step in chosen {
        steps.run(step)?;
    }
    let ended = steps.finish();
    print_skipped(&skipped);
    ended
}

/// Says how many tests could not run here, and why: they pass, and should not look as if they had run.
fn print_skipped(file: &Path) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let mut reasons = BTreeMap::<&str, usize>::new();
    for why in text.lines() {
        *reasons.entry(why).or_default() += 1;
    }
    let reasons: Vec<_> = reasons.iter().map(|(why, count)| format!("{count} because {why}")).collect();
    println!("\n{} tests were skipped: {}", text.lines().count(), reasons.join("; "));
}

/// The steps with the names given; all if none is given.
fn chosen(only: &[String]) -> Result<Vec<&'static Step>, Error> {
    if let Some(name) = only.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        let known = STEPS.iter().map(|step| step.name).collect();
        return Err(Error::NoSuchStep { name: name.clone(), known });
    }
    Ok(STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)).collect())
}
