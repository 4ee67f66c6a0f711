//! The chores, driven with a cargo that does nothing.
#![expect(clippy::unwrap_used, reason = "a test may: its panic is the report")]

use std::process::{Command, Output};

/// Runs the built command with a stand-in for cargo.
fn xtask(cargo: &str, arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.env("CARGO", cargo).args(arguments).output().unwrap();
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output, String::from_utf8(text).unwrap())
}

#[test]
fn a_step_that_passes_is_told_with_its_time() {
    let (output, text) = xtask("true", &["test", "--only", "format", "--only", "doctests"]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("== format: cargo fmt --all --check -- fuzz/src/lib.rs"), "{text}");
    assert!(text.contains("-- doctests passed in 0."), "{text}");
    assert!(!text.contains("== lints"), "{text}");
}

#[test]
fn a_step_that_fails_is_told_with_its_command_and_what_to_do() {
    let (output, text) = xtask("false", &["test", "--only", "doctests"]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the command: cargo test --doc --workspace"), "{text}");
    assert!(text.contains("what to do:  mend the example"), "{text}");
    assert!(text.contains("xtask: failed: doctests"), "{text}");
}

#[test]
fn a_step_that_is_not_there_is_refused_with_those_that_are() {
    let (output, text) = xtask("true", &["test", "--only", "formatting"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("there is no step \"formatting\"; the steps are format, lints, deny"), "{text}");
}

#[test]
fn a_build_that_fails_ends_every_chore_that_needs_it() {
    for chore in [&["demo"][..], &["bench", "ingest"]] {
        let (output, text) = xtask("false", chore);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("== build: cargo build --release --package"), "{text}");
        assert!(text.contains("what it said stands above"), "{text}");
    }
}

#[test]
fn a_fuzzer_or_a_part_of_the_soak_that_is_not_there_is_refused_with_those_that_are() {
    let (output, text) = xtask("false", &["fuzz", "junti"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("there is no step \"junti\"; the steps are junit, pickle"), "{text}");
    let (output, text) = xtask("false", &["soak", "--only", "stores"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("the steps are store, properties, fuzz"), "{text}");
}
