//! Jobs from their descriptor to their end, on both stores.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

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
mod passwords;
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
mod upload;
mod waiting;
