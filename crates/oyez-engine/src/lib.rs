//! The job engine: from what a user asks for to what is done.
//!
//! ```text
//!  bytes ──► descriptor ──► plan ──► runner ──► events
//!   JSON,     what was       what      (does it)
//!   YAML      asked for      will be
//!                            done
//! ```
//!
//! The front half is pure: [`prepare`] reads a descriptor, checks it and plans it, and says everything that is wrong
//! with it at once, each with its place ([`Diagnostic`]). It starts nothing; what it must ask of the machine goes
//! through [`Environment`].
//!
//! | module | holds |
//! |---|---|
//! | [`descriptor`] | ConTest's job descriptors, with fields of our own under `X-Oyez` |
//! | [`plan`] | what a job will do: tests, targets, steps, reporters, all with typed parameters |
//! | [`template`] | parameters as Go templates over a target |
//! | [`expression`] | success expressions (`>=80%`) |
//! | [`reporters`] | verdicts on runs and jobs |
//! | [`duration`] | Go's durations |
//! | [`target`] | what is under test |
//! | [`environment`] | where programs and `parameters.json` are |
//! | [`diagnostic`] | what is wrong, where, and what to do about it |
//!
//! ConTest is followed to the letter where its users can see it (fields, defaults, order of checks, texts), and
//! improved where it fails them; each place where we differ says so.

pub mod descriptor;
pub mod diagnostic;
pub mod duration;
pub mod environment;
pub mod expression;
mod nearest;
pub mod plan;
pub mod reporters;
pub mod target;
pub mod template;

pub use descriptor::{Descriptor, Format, ParseOptions, Parsed, parse_descriptor};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use duration::GoDuration;
pub use environment::{Environment, ParameterFile, SearchPath};
pub use expression::Expression;
pub use plan::{Plan, Prepared, prepare};
pub use reporters::{Report, Reporter, RunStatus, TestStatus};
pub use target::Target;
pub use template::{Functions, Subject, Template};
