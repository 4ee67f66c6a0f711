//! Job descriptors: what a user asks for, in ConTest's JSON (or the same as YAML), with fields of our own under
//! `X-Oyez`, which ConTest ignores.
//!
//! Reading goes in stages, each of which reports all that it finds:
//!
//! | module | does |
//! |---|---|
//! | [`input`] | bytes to JSON text: size, encoding, format, syntax |
//! | `yaml` | YAML to JSON text, bounded |
//! | `raw` | JSON text taken apart, one level at a time |
//! | `fields` | objects and scalars with Go's rules: names in any case, `null` is nothing, the last one counts |
//! | `decode` | the JSON text to a [`Descriptor`] |
//! | `check` | what ConTest checks of a descriptor before it looks at any plugin |
//! | `place`, `spans` | paths to lines and columns |
//! | `steps`, `targets` | what stands in a plugin's parameters |
//!
//! What a plugin reads of its parameters is kept as the raw JSON text: ConTest does so too, and it shows
//! (`1.50` is passed on as `1.50`).

mod check;
mod csv;
mod decode;
mod fetchers;
mod fields;
pub mod input;
pub(crate) mod place;
pub(crate) mod raw;
mod spans;
mod steps;
mod targets;
mod yaml;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::diagnostic::{Diagnostic, Sink};
use crate::duration::GoDuration;

pub(crate) use check::too_long;
pub(crate) use csv::{CsvParameters, decode_csv};
pub(crate) use fetchers::{decode_document, decode_uri};
pub(crate) use fields::{Level, Reader, warn_unknown};
pub use input::Format;
use place::Written;
pub(crate) use steps::{LiteralParameters, StoredSteps, decode_literal};
pub use steps::{Parameter, StepDescriptor, StepExtensions};
pub(crate) use targets::decode_target_list;

/// The version of descriptors that this speaks (ConTest's `CurrentDescriptorVersion`).
pub const VERSION: &str = "1.0";

/// How to read a descriptor.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParseOptions {
    /// JSON or YAML, where the caller knows (from the name of the file); else it is seen from the content.
    pub format: Option<Format>,
    /// Refuse a descriptor without `Version`, as ConTest's server does. A file need not say it: ConTest's own
    /// command line adds it.
    pub require_version: bool,
}

/// What was read. Without a descriptor there is at least one error.
#[derive(Debug)]
pub struct Parsed {
    /// The descriptor, also when it has errors, so that the rest can be looked at.
    pub descriptor: Option<Descriptor>,
    /// All that is wrong, in ConTest's order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a descriptor and checks all that can be checked without knowing any plugin.
#[must_use]
pub fn parse_descriptor(bytes: &[u8], options: &ParseOptions) -> Parsed {
    let mut sink = Sink::new();
    let (descriptor, written) = parse_into(bytes, options, &mut sink);
    Parsed { descriptor, diagnostics: finish(sink, written) }
}

/// Reads what was kept of a job that was checked and planned before: its descriptor, and the steps of its tests as they
/// were fetched; `None` when it is not that.
pub(crate) fn parse_stored(text: &str, sink: &mut Sink) -> Option<(Descriptor, Vec<StoredSteps>)> {
    let descriptor = decode::decode(text, sink)?;
    Some((descriptor, steps::decode_stored(text, sink)?))
}

/// Also gives the text as the user wrote it.
pub(crate) fn parse_into<'b>(
    bytes: &'b [u8],
    options: &ParseOptions,
    sink: &mut Sink,
) -> (Option<Descriptor>, Option<Written<'b>>) {
    let Some(text) = input::to_json(bytes, options.format, sink) else { return (None, None) };
    let descriptor = decode::decode(&text, sink);
    if let Some(descriptor) = &descriptor {
        check::check(descriptor, options.require_version, sink);
    }
    let written = match text {
        Cow::Borrowed(text) => Some(Written::Json(text)),
        Cow::Owned(_) => input::to_text(bytes).ok().map(Written::Yaml),
    };
    (descriptor, written)
}

/// The diagnostics, with their places where the text is known.
pub(crate) fn finish(sink: Sink, written: Option<Written<'_>>) -> Vec<Diagnostic> {
    let mut diagnostics = sink.finish();
    if let Some(written) = written {
        place::add(&mut diagnostics, written);
    }
    diagnostics
}

/// A job as it was asked for. Serialised, it is the descriptor that ConTest stores.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Descriptor {
    /// `JobName`: 1 to 64 bytes.
    pub job_name: String,
    /// `Version`; `None` when it was not said at all.
    #[serde(serialize_with = "version_or_ours")]
    pub version: Option<String>,
    /// `Tags`.
    pub tags: Vec<String>,
    /// `Runs`: how many runs; 0 means without end.
    pub runs: u64,
    /// `RunInterval`: the pause between the end of a run and the start of the next.
    pub run_interval: GoDuration,
    /// `TestDescriptors`; `None` where the descriptor says `null`.
    #[serde(rename = "TestDescriptors")]
    pub tests: Vec<Option<TestDescriptor>>,
    /// `Reporting`.
    pub reporting: Reporting,
    /// `TargetManagerAcquireTimeout`, where it is not the default of 5 minutes.
    #[serde(rename = "TargetManagerAcquireTimeout")]
    pub acquire_timeout: Option<GoDuration>,
    /// `TargetManagerReleaseTimeout`, likewise.
    #[serde(rename = "TargetManagerReleaseTimeout")]
    pub release_timeout: Option<GoDuration>,
    /// `X-Oyez`.
    #[serde(rename = "X-Oyez", skip_serializing_if = "JobExtensions::is_empty")]
    pub extensions: JobExtensions,
}

/// A stored descriptor always has a version; ConTest's command line writes it in as well.
fn version_or_ours<S: Serializer>(version: &Option<String>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(version.as_deref().unwrap_or(VERSION))
}

/// One test of a job, as it was asked for.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TestDescriptor {
    /// `Disabled`: it is checked like any other, but does not run.
    pub disabled: bool,
    /// `RetryParameters`.
    #[serde(rename = "RetryParameters")]
    pub retry: RetryParameters,
    /// `TargetManagerName`.
    pub target_manager_name: String,
    /// `TargetManagerAcquireParameters`; `None` when absent, which is not the same as `null`.
    #[serde(rename = "TargetManagerAcquireParameters")]
    pub acquire_parameters: Option<Box<RawValue>>,
    /// `TargetManagerReleaseParameters`.
    #[serde(rename = "TargetManagerReleaseParameters")]
    pub release_parameters: Option<Box<RawValue>>,
    /// `TestFetcherName`.
    #[serde(rename = "TestFetcherName")]
    pub fetcher_name: String,
    /// `TestFetcherFetchParameters`.
    #[serde(rename = "TestFetcherFetchParameters")]
    pub fetch_parameters: Option<Box<RawValue>>,
    /// `CleanupFetcherName`; empty when there is no cleanup.
    pub cleanup_fetcher_name: String,
    /// `CleanupFetcherFetchParameters`.
    #[serde(rename = "CleanupFetcherFetchParameters")]
    pub cleanup_fetch_parameters: Option<Box<RawValue>>,
    /// `X-Oyez`.
    #[serde(rename = "X-Oyez", skip_serializing_if = "TestExtensions::is_empty")]
    pub extensions: TestExtensions,
}

/// How often a test that failed is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryParameters {
    /// `NumRetries`: how often after the first attempt.
    #[serde(rename = "NumRetries")]
    pub retries: u32,
    /// `RetryInterval`: the pause before each of them.
    #[serde(rename = "RetryInterval")]
    pub interval: GoDuration,
}

/// Who reports on the job.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Reporting {
    /// `RunReporters`: after each run.
    pub run_reporters: Vec<ReporterDescriptor>,
    /// `FinalReporters`: at the end.
    pub final_reporters: Vec<ReporterDescriptor>,
}

/// A reporter as it was asked for.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReporterDescriptor {
    /// `Name`.
    pub name: String,
    /// `Parameters`; `None` when absent.
    pub parameters: Option<Box<RawValue>>,
}

/// Fields of our own for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JobExtensions {
    /// The project that the job belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What this job's tests differ in from the same tests elsewhere, such as `{"board": "x1"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<String, String>,
    /// The longest that the whole job may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
}

impl JobExtensions {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &JobExtensions::default()
    }
}

/// Fields of our own for a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TestExtensions {
    /// The longest that one attempt at the test may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
}

impl TestExtensions {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &TestExtensions::default()
    }
}
