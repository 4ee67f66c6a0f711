//! What a job would do, worked out before anything is started: which tests on which targets, with which steps,
//! and who reports. Planning is the same pass that checks a descriptor against the plugins, so a plan that exists
//! has nothing wrong with it.
//!
//! | module | does |
//! |---|---|
//! | `build` | a [`Descriptor`] to a [`Plan`], in ConTest's order |
//! | [`expand`] | what the parameters come to for one target |
//! | `external` | plugins that are executables |
//! | `fetchers` | where the steps come from |
//! | `kinds` | the kinds of steps |
//! | `managers` | where the targets come from |
//! | `steps` | the parameters of each kind of step |
//! | `reporters` | those of the reporters |
//! | `registry` | which plugins there are |

mod build;
pub mod expand;
mod external;
mod fetchers;
mod kinds;
mod managers;
mod registry;
mod reporters;
mod steps;

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::descriptor::{
    Descriptor, JobExtensions, ParseOptions, RetryParameters, StepDescriptor, StepExtensions, TestExtensions,
    finish, parse_into, parse_stored,
};
use crate::diagnostic::{Diagnostic, Path, Sink};
use crate::duration::GoDuration;
use crate::environment::Environment;
use crate::reporters::Reporter;
use crate::target::Target;

pub use external::{ExternalManager, ExternalPlugin, ExternalReporter, ExternalStep};
pub use kinds::{
    CmdParameters, ExecParameters, GatherCmdParameters, Protocol, QemuParameters, S3FileUploadParameters,
    SleepDuration, SshCmdParameters, StepKind, TerminalExpectParameters, WaitPortParameters,
};

/// How long acquiring and releasing targets may take where the descriptor does not say.
pub const DEFAULT_TARGET_MANAGER_TIMEOUT: GoDuration = GoDuration::from_secs(300);

/// A descriptor that was read, and what came of it.
#[derive(Debug)]
pub struct Prepared {
    /// The descriptor, if there was one to read.
    pub descriptor: Option<Descriptor>,
    /// The plan, if there was no error at all.
    pub plan: Option<Plan>,
    /// All that is wrong, in ConTest's order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a descriptor, checks it and plans it: all that happens before a job starts.
#[must_use]
pub fn prepare(bytes: &[u8], options: &ParseOptions, environment: &dyn Environment) -> Prepared {
    let mut sink = Sink::new();
    let (descriptor, written) = parse_into(bytes, options, &mut sink);
    let plan = descriptor.as_ref().and_then(|descriptor| build::build(descriptor, environment, &mut sink));
    Prepared { descriptor, plan, diagnostics: finish(sink, written) }
}

/// Plans a job again that was kept with its extended descriptor ([`Plan::extended`]): nothing is fetched, and nothing is
/// checked that was checked then.
#[must_use]
pub fn prepare_stored(extended: &str, environment: &dyn Environment) -> Prepared {
    let mut sink = Sink::new();
    let Some((descriptor, stored)) = parse_stored(extended, &mut sink) else {
        sink.error(&Path::Root, "this is not an extended descriptor");
        return Prepared { descriptor: None, plan: None, diagnostics: sink.finish() };
    };
    let plan = build::build_stored(&descriptor, stored, environment, &mut sink);
    Prepared { descriptor: Some(descriptor), plan, diagnostics: sink.finish() }
}

/// Plans a descriptor that was read and checked before.
///
/// # Errors
/// All that is wrong; warnings come with the plan.
pub fn plan(
    descriptor: &Descriptor,
    environment: &dyn Environment,
) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut sink = Sink::new();
    match build::build(descriptor, environment, &mut sink) {
        Some(plan) => Ok((plan, sink.finish())),
        None => Err(sink.finish()),
    }
}

/// What a job would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// How many runs; `None` is without end.
    pub runs: Option<u32>,
    /// The pause between runs.
    pub run_interval: GoDuration,
    /// The longest that acquiring a test's targets may take.
    pub acquire_timeout: GoDuration,
    /// The longest that releasing them may take.
    pub release_timeout: GoDuration,
    /// The tests that run, in order.
    pub tests: Vec<PlannedTest>,
    /// The tests that do not.
    pub disabled: Vec<DisabledTest>,
    /// Who reports after each run.
    pub run_reporters: Vec<PlannedReporter>,
    /// Who reports at the end.
    pub final_reporters: Vec<PlannedReporter>,
    /// `X-Oyez` of the job.
    #[serde(skip_serializing_if = "JobExtensions::is_empty")]
    pub extensions: JobExtensions,
    /// The steps as they were fetched, of all tests, also of those that are disabled.
    #[serde(skip)]
    pub fetched: Vec<FetchedSteps>,
}

/// A test that runs.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedTest {
    /// Its place in the descriptor, from 0.
    pub index: usize,
    /// Its name: 1 to 32 bytes; not always unique.
    pub name: String,
    /// Where its targets come from.
    pub target_manager: TargetManager,
    /// Its steps, in order; at least one.
    pub steps: Vec<PlannedStep>,
    /// What is done at the end with all targets, whatever came of them.
    pub cleanup_steps: Vec<PlannedStep>,
    /// How often it is tried again.
    pub retry: RetryParameters,
    /// `X-Oyez` of the test.
    #[serde(skip_serializing_if = "TestExtensions::is_empty")]
    pub extensions: TestExtensions,
}

/// A test that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisabledTest {
    /// Its place in the descriptor, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
}

/// A target manager with its parameters.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "name")]
pub enum TargetManager {
    /// Hands out the targets that stand in the descriptor, all of them or none.
    TargetList {
        /// They; none is a test that cannot succeed. An identity may stand there twice.
        targets: Vec<Target>,
    },
    /// Hands out as many as are free of those that stand in a file, which is read when they are acquired.
    #[serde(rename = "CSVFileTargetManager")]
    CsvFile(CsvFile),
    /// An external plugin, which says its own name.
    #[serde(untagged)]
    External(Box<ExternalManager>),
}

/// The parameters of `CSVFileTargetManager`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CsvFile {
    /// The file: lines of id, name, IPv4 and IPv6 address.
    pub file: PathBuf,
    /// The fewest targets that do.
    pub least: u32,
    /// The most that are taken; with 0 none are, as in ConTest.
    pub most: u32,
    /// Only targets whose name's first label starts with one of these; all if there are none.
    pub prefixes: Vec<String>,
    /// Whether they are taken in any order instead of the file's.
    pub shuffle: bool,
}

impl TargetManager {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            TargetManager::TargetList { .. } => "TargetList",
            TargetManager::CsvFile(_) => "CSVFileTargetManager",
            TargetManager::External(manager) => &manager.plugin.name,
        }
    }
}

/// A step of a test.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedStep {
    /// Its name in the test, unique there among steps and cleanup steps.
    pub label: String,
    /// Which plugin, with its parameters.
    #[serde(flatten)]
    pub kind: StepKind,
    /// `X-Oyez` of the step.
    #[serde(skip_serializing_if = "StepExtensions::is_empty")]
    pub extensions: StepExtensions,
}

/// A reporter of the plan.
#[derive(Debug, Clone)]
pub struct PlannedReporter {
    /// It, with its parameters.
    pub reporter: Reporter,
}

impl Serialize for PlannedReporter {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = s.serialize_struct("PlannedReporter", 2)?;
        out.serialize_field("name", self.reporter.name())?;
        match &self.reporter {
            Reporter::Noop(_) | Reporter::External(_) => out.skip_field("expression")?,
            Reporter::TargetSuccess(reporter) => {
                out.serialize_field("expression", &reporter.expression().to_string())?;
            }
        }
        out.end()
    }
}

/// The steps of a test as its fetchers brought them: one of ConTest's `TestStepsDescriptors`.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FetchedSteps {
    /// The test's name.
    pub test_name: String,
    /// Its steps.
    pub test_steps: Vec<StepDescriptor>,
    /// Its cleanup steps.
    pub cleanup_steps: Vec<StepDescriptor>,
}

/// A descriptor with the steps that were fetched for it: what ConTest keeps with a job, so that nothing has to be
/// fetched again. Serialised it is the descriptor's fields and `TestStepsDescriptors`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ExtendedDescriptor<'a> {
    #[serde(flatten)]
    descriptor: &'a Descriptor,
    #[serde(rename = "TestStepsDescriptors")]
    steps: &'a [FetchedSteps],
}

impl Plan {
    /// The extended descriptor; `descriptor` must be the one that was planned.
    #[must_use]
    pub fn extended<'a>(&'a self, descriptor: &'a Descriptor) -> ExtendedDescriptor<'a> {
        ExtendedDescriptor { descriptor, steps: &self.fetched }
    }
}
