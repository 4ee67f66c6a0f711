//! Pickles: what each opcode says, what any value becomes, and what Python makes of both.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

mod cycles_back;
mod generate;
mod opcodes;
mod properties;
mod python;
mod refusals;
#[path = "../../../../tests/skipped.rs"]
mod skipped;
