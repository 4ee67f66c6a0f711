//! `cargo xtask soak`: the long loops. What `cargo xtask test` does in seconds, for as long as one likes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::tools::{self, NEXTEST};
use crate::{built, fuzz, step};

/// Arguments of `cargo xtask soak`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long the loops of killed processes, faults and power cuts go on, how long the properties do, and how long
    /// each fuzzer runs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Only this part (may be given more than once): store, properties, fuzz
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

/// The parts, in order.
const PARTS: [&str; 3] = ["store", "properties", "fuzz"];

/// Cases of each property in one pass of its loop.
const CASES: &str = "2000";

/// The loops of the store: each test makes more and longer rounds.
const STORE: &[&str] =
    &["cargo", "nextest", "run", "--profile", "soak", "--no-fail-fast", "--package", "oyez-store"];

/// The properties of everything that has some.
const PROPERTIES: &[&str] = &[
    "cargo",
    "nextest",
    "run",
    "--profile",
    "soak",
    "--no-fail-fast",
    "--package",
    "oyez-model",
    "--package",
    "oyez-wire",
    "--package",
    "oyez-engine",
];

/// Runs the parts; each pass that has begun is finished.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    if let Some(name) = arguments.only.iter().find(|name| !PARTS.contains(&name.as_str())) {
        return Err(Error::NoSuchStep { name: name.clone(), known: PARTS.to_vec() });
    }
    tools::need_cargo_tool(&NEXTEST)?;
    let time = Duration::from_secs(arguments.minutes.saturating_mul(60));
    let mut failed = Vec::new();
    for part in PARTS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == part) {
            continue;
        }
        let outcome = match part {
            "store" => repeat(STORE, ("OYEZ_SOAK", "1"), time),
            "properties" => repeat(PROPERTIES, ("PROPTEST_CASES", CASES), time),
            _ => fuzz::all(time),
        };
        if let Err(error) = outcome {
            println!("-- {part} FAILED: {error}");
            failed.push(part);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Steps(failed)) }
}

/// Runs a line again and again until the time is over, at least once; the first failure ends it.
fn repeat(line: &[&str], (name, value): (&str, &str), time: Duration) -> Result<(), Error> {
    let since = Instant::now();
    let text = format!("{name}={value} {}", line.join(" "));
    let mut pass = 0;
    while pass == 0 || since.elapsed() < time {
        pass += 1;
        println!("\n== pass {pass} after {} s: {text}", since.elapsed().as_secs());
        built::run(step::command(line).env(name, value).stdin(Stdio::null()), &text)?;
    }
    println!("-- {pass} passes in {} s", since.elapsed().as_secs());
    Ok(())
}
