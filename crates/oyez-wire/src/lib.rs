//! The words of other systems, read into neutral items.
//!
//! Nothing here knows the event model, the store or a runtime: a reader takes bytes and gives back what they say, in the
//! order in which they say it. Whoever asked turns that into events. So a reader can be fuzzed, tested and reused alone,
//! and a new dialect never touches the road that events travel.
//!
//! What every reader in this crate keeps to:
//!
//! * **Streaming.** It holds what is open, not what it has read. A report of a gigabyte costs what its deepest place costs.
//! * **Bounded.** Depth, lengths and counts have limits (each a documented number). What is cut is counted and told, never
//!   dropped in silence.
//! * **Honest about the end.** Input that stops in the middle is an error of its own, after all that was complete.
//! * **Data only.** No entity is expanded beyond the five that XML itself defines, no reference is followed, nothing is run.
//!
//! | module | reads |
//! |---|---|
//! | [`contest`] | the HTTP interface of ConTest: verbs, forms, answers |
//! | [`formats::junit`] | JUnit XML in all its dialects |
//! | [`formats::ocp`] | the output of OCP Test & Validation diagnostics |
//! | [`pyats`] | the report server of pyATS: its socket, its calls, its tree of results |

pub mod contest;
pub mod formats;
pub mod pyats;
