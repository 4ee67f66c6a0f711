//! pyATS's reports come here: the built command against real pyATS, recorded answers, and bare sockets.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod better;
mod client;
mod crash;
mod golden;
mod import;
mod probe;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
mod support;
mod wire;
