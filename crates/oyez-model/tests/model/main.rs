//! The rules of the model as properties: any events, any order, any bytes.
//!
//! `generate` makes what the properties run over; each other module holds one rule.

#![expect(clippy::expect_used, reason = "what makes the inputs of tests may stop them")]

mod fold_checkpoint;
mod fold_complete;
mod fold_counts;
mod fold_interleaving;
mod fold_job;
mod fold_open;
mod fold_prefix;
mod generate;
mod newer_events;
mod records;
mod rollup;
mod rows;
mod values;
