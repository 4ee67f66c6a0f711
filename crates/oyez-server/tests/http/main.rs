//! A service on a port of its own, and clients that speak to it over raw sockets: good ones, ConTest's, and bad ones.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may: its panic is the report")]

#[path = "../../../../tests/skipped.rs"]
mod skipped;

mod api;
mod events;
mod golden;
mod hostile;
mod lab;
mod search;
mod status;
mod tree;
mod verbs;
