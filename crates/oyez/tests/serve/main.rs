//! The built command as a server, and as what speaks to one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

mod boundaries;
mod commands;
mod ending;
mod full;
mod http;
mod journal;
#[path = "../command/lab.rs"]
mod lab;
mod refused;
mod replay;
mod restart;
mod scenarios;
mod search;
mod serve;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
mod starting;
mod targets;
