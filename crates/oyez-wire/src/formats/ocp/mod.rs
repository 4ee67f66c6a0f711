//! The output of OCP Test & Validation diagnostics: a line of JSON for each artifact (specification 2.0, and the older
//! shape that ConTest's plugin `exec` reads, specs/contest.md 4).
//!
//! ```text
//! bytes ─► reader (lines, joined or split until each is one JSON value) ─► Item ─► events (sections, measurements, ...)
//! ```
//!
//! A diagnostic prints what it likes between its artifacts: such lines are passed on as text. A value may go over several
//! lines, and a line may hold several values, as a decoder of a JSON stream sees it. Unknown fields and artifacts are
//! kept, wrong types are as good as missing: the rest of a long run is worth more than its grammar.
//!
//! Artifacts are numbered. A number that is missing is a [`SourceCut`](oyez_model::event::SourceCut) of the run's section,
//! so that a report is never called complete when a part of it was lost on the way.
//!
//! ```
//! use oyez_wire::formats::ocp::{Item, Reader, What};
//!
//! let mut reader = Reader::new();
//! let mut seen = Vec::new();
//! let line = br#"{"sequenceNumber":1,"timestamp":"t","testRunArtifact":{"testRunStart":{"name":"fans"}}}"#;
//! reader.push(line, &mut |item| seen.push(item));
//! reader.end(&mut |item| seen.push(item));
//! let Some(Item::Artifact(artifact)) = seen.first() else { panic!() };
//! assert!(matches!(&artifact.what, What::RunStart(run) if run.name == "fans"));
//! ```

mod artifact;
mod events;
mod reader;
mod series;
mod write;

pub use artifact::{
    Artifact, Bound, Diagnosis, Fault, File, Log, Measured, RunEnd, RunStart, Series, SeriesElement,
    SeriesEnd, Status, StepWhat, TestResult, Verdict, What,
};
pub use events::{Run, Sink};
pub use reader::{Item, LONGEST_VALUE, Reader};
