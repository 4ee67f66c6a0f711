//! The built command, driven as its users drive it: exit codes, output, files, and what is left in the store.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

mod care;
mod completeness;
mod contest;
mod crowd;
mod exec;
mod lab;
mod look;
mod ocp;
mod plugins;
mod run;
mod search;
mod signals;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
