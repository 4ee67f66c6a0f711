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
//! | [`environment`] | where programs, documents and `parameters.json` are |
//! | [`fetch`], [`uri`] | documents from files and web servers |
//! | [`diagnostic`] | what is wrong, where, and what to do about it |
//!
//! The back half does it. [`Engine::submit`] puts a job into a store, [`Engine::run`] brings it to its end; a
//! [`Control`] cancels it on the way, an [`Observer`] hears of every event. What happened is in the journal, nowhere
//! else.
//!
//! | module | holds |
//! |---|---|
//! | [`runner`] | jobs, runs, attempts, targets through steps |
//! | `steps` | what each kind of step does |
//! | [`process`] | processes: groups, output, limits, ending whole trees |
//! | `hosts` | files of targets |
//! | `locks` | the right to use targets, as leases in the store |
//! | `line` | who may ask for busy targets next |
//! | `recorder` | events on their way into the journal |
//! | [`manager`] | many jobs: a queue, a cap, jobs of servers that are gone |
//! | [`control`] | pause, cancel and kill |
//! | [`stop`] | what ends work before its time, and how that reaches who does it |
//! | [`plugin`] | executables that are steps, target managers or reporters |
//! | [`observer`] | who watches |
//! | [`targets`] | targets by hand: hold, release, take away |
//! | [`error`] | why a job could not be run |
//!
//! ConTest is followed to the letter where its users can see it (fields, defaults, order of checks, texts), and
//! improved where it fails them; each place where we differ says so.

pub mod control;
pub mod descriptor;
pub mod diagnostic;
pub mod duration;
pub mod environment;
pub mod error;
pub mod expression;
pub mod fetch;
mod hosts;
mod line;
mod locks;
pub mod manager;
mod nearest;
pub mod observer;
pub mod plan;
pub mod plugin;
pub mod process;
mod recorder;
pub mod reporters;
pub mod runner;
mod steps;
pub mod stop;
pub mod target;
pub mod targets;
pub mod template;
pub mod uri;

pub use control::Control;
pub use descriptor::{Descriptor, Format, ParseOptions, Parsed, parse_descriptor};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use duration::GoDuration;
pub use environment::{Environment, ParameterFile, SearchPath};
pub use error::EngineError;
pub use expression::Expression;
pub use fetch::FetchLimits;
pub use manager::{ControlError, Manager, ManagerOptions, OnRestart, Shutdown, SubmitError};
pub use observer::Observer;
pub use plan::{Plan, Prepared, prepare, prepare_stored};
pub use reporters::{JobStatus, Report, Reporter, RunStatus, TestStatus};
pub use runner::{Engine, EngineOptions, JobEnd, JobHandle, JobRequest, Queued, ReopenError};
pub use target::Target;
pub use template::{Functions, Subject, Template};
pub use uri::Uri;
