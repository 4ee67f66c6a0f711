//! Jobs from their descriptor to their end, on both stores.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod busy;
mod cancel;
mod console;
mod exec;
mod halt;
mod hosts;
mod lab;
mod manager;
mod order;
mod output;
mod plain;
mod plugins;
mod processes;
mod recorded;
mod remote;
mod runs;
mod scale;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
mod sshd;
mod timeouts;
mod trouble;
mod waiting;
