//! A descriptor to a plan, in the order in which ConTest goes: reporters; then the steps of all tests are fetched;
//! then each test is put together (specs/contest.md 1.1).

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::registry::{Kind, find};
use super::steps::Planner;
use super::{
    DEFAULT_TARGET_MANAGER_TIMEOUT, DisabledTest, FetchedSteps, Plan, PlannedTest, TargetManager, reporters,
};
use crate::descriptor::{
    Descriptor, Level, LiteralParameters, Reader, StepDescriptor, TestDescriptor, decode_literal,
    decode_target_list, too_long,
};
use crate::diagnostic::{Path, Sink};
use crate::environment::Environment;
use crate::template::Functions;

static RELEASE: Level = Level { go: "ReleaseParameters", fields: &[] };

/// The bytes that the name of a test may have.
const LONGEST_TEST_NAME: usize = 32;

/// Go's text for parameters that are not there at all.
const NO_JSON: &str = "unexpected end of JSON input";

/// What the fetchers brought for a test; `None` where they did not.
#[derive(Default)]
struct Fetched {
    name: String,
    steps: Option<Vec<Option<StepDescriptor>>>,
    cleanup: Option<Vec<Option<StepDescriptor>>>,
}

/// Plans; `None` if the sink has any error, also an earlier one.
pub(super) fn build(descriptor: &Descriptor, environment: &dyn Environment, sink: &mut Sink) -> Option<Plan> {
    let (run_reporters, final_reporters) = reporters::plan(&descriptor.reporting, sink);
    let tests_path = Path::Root.field("TestDescriptors");
    let tests = || descriptor.tests.iter().enumerate();
    let fetched: Vec<Fetched> = sink.within("could not get steps descriptors: ", |sink| {
        tests().map(|(i, test)| fetch(test.as_ref(), &tests_path.item(i), sink)).collect()
    });
    let functions = Functions::default();
    let planned: Vec<Option<PlannedTest>> = sink.within("could not build test steps: ", |sink| {
        let one = |((i, test), fetched): ((usize, &Option<TestDescriptor>), &Fetched)| {
            let planner = Planner::new(environment, &functions);
            build_test(test.as_ref()?, i, fetched, planner, &tests_path.item(i), sink)
        };
        tests().zip(&fetched).map(one).collect()
    });
    let runs = u32::try_from(descriptor.runs).unwrap_or_else(|_| {
        sink.error(&Path::Root.field("Runs"), format!("too many runs: {} > {}", descriptor.runs, u32::MAX))
            .hint("0 is without end");
        0
    });
    if sink.errors() > 0 {
        return None;
    }
    let is_disabled =
        |index: usize| descriptor.tests.get(index).is_some_and(|t| t.as_ref().is_some_and(|t| t.disabled));
    let (disabled, enabled): (Vec<_>, Vec<_>) =
        planned.into_iter().flatten().partition(|t| is_disabled(t.index));
    Some(Plan {
        name: descriptor.job_name.clone(),
        tags: descriptor.tags.clone(),
        runs: Some(runs).filter(|runs| *runs > 0),
        run_interval: descriptor.run_interval,
        acquire_timeout: descriptor.acquire_timeout.unwrap_or(DEFAULT_TARGET_MANAGER_TIMEOUT),
        release_timeout: descriptor.release_timeout.unwrap_or(DEFAULT_TARGET_MANAGER_TIMEOUT),
        tests: enabled,
        disabled: disabled.into_iter().map(|t| DisabledTest { index: t.index, name: t.name }).collect(),
        run_reporters,
        final_reporters,
        extensions: descriptor.extensions.clone(),
        fetched: fetched.into_iter().map(Fetched::into_steps).collect(),
    })
}

impl Fetched {
    fn into_steps(self) -> FetchedSteps {
        let given = |steps: Option<Vec<_>>| steps.unwrap_or_default().into_iter().flatten().collect();
        FetchedSteps {
            test_name: self.name,
            test_steps: given(self.steps),
            cleanup_steps: given(self.cleanup),
        }
    }
}

fn fetch(test: Option<&TestDescriptor>, path: &Path<'_>, sink: &mut Sink) -> Fetched {
    let Some(test) = test else {
        sink.error(path, "test description is null");
        return Fetched::default();
    };
    let mut fetched = Fetched::default();
    let errors = sink.errors();
    let fetcher = Fetcher {
        name: (&test.fetcher_name, "TestFetcherName"),
        parameters: (test.fetch_parameters.as_deref(), "TestFetcherFetchParameters"),
        list: "Steps",
        prefix: "could not validate TestFetcher fetch parameters: ",
    };
    if let Some(literal) = fetcher.fetch(path, sink) {
        let parameters_path = path.field("TestFetcherFetchParameters");
        let name_path = parameters_path.field("TestName");
        // What is wrong with the parameters as a whole leaves no name either.
        if literal.test_name.is_empty() && sink.errors() == errors {
            sink.within(fetcher.prefix, |sink| {
                sink.error(&name_path, "test name cannot be empty for fetch parameters");
            });
        }
        fetched.name = literal.test_name;
        fetched.steps = Some(literal.steps);
    }
    if !test.cleanup_fetcher_name.is_empty() {
        let fetcher = Fetcher {
            name: (&test.cleanup_fetcher_name, "CleanupFetcherName"),
            parameters: (test.cleanup_fetch_parameters.as_deref(), "CleanupFetcherFetchParameters"),
            list: "CleanupSteps",
            prefix: "could not validate CleanupFetcher fetch parameters: ",
        };
        fetched.cleanup = fetcher.fetch(path, sink).map(|literal| literal.steps);
    } else if test.cleanup_fetch_parameters.is_some() {
        sink.warning(
            &path.field("CleanupFetcherFetchParameters"),
            "there is no CleanupFetcherName, so it is ignored",
        )
        .hint("write \"CleanupFetcherName\": \"Literal\"");
    }
    fetched
}

/// A fetcher as a test names it; each value with the name of its field.
struct Fetcher<'t> {
    name: (&'t str, &'static str),
    parameters: (Option<&'t RawValue>, &'static str),
    list: &'static str,
    prefix: &'static str,
}

impl Fetcher<'_> {
    fn fetch(&self, path: &Path<'_>, sink: &mut Sink) -> Option<LiteralParameters> {
        let (name, name_field) = self.name;
        let name_path = path.field(name_field);
        if sink.has_error_at(&name_path) || sink.has_error_at(path) {
            return None;
        }
        if let Err(e) = find(Kind::Fetcher, name) {
            sink.within(&format!("could not get the desired TestFetcher ({name}): "), |sink| {
                let message =
                    if name.is_empty() { "test fetcher name cannot be empty" } else { e.message.as_str() };
                sink.error_as(&name_path, message, &e.message).hint(e.hint);
            });
            return None;
        }
        let (parameters, field) = self.parameters;
        let own = path.field(field);
        sink.within(self.prefix, |sink| match parameters {
            Some(raw) => Some(decode_literal(raw, &own, path, self.list, sink)),
            None => {
                let example = if self.list == "Steps" { "\"TestName\": \"...\", " } else { "" };
                sink.error(&own, NO_JSON).hint(format!("write {{{example}\"Steps\": [...]}}"));
                None
            }
        })
    }
}

fn build_test(
    test: &TestDescriptor,
    index: usize,
    fetched: &Fetched,
    mut planner: Planner<'_>,
    path: &Path<'_>,
    sink: &mut Sink,
) -> Option<PlannedTest> {
    if sink.has_error_at(path) {
        return None;
    }
    let target_manager = target_manager(test, path, sink);
    let steps_path = path.field("Steps");
    let steps = fetched.steps.as_ref().map(|steps| {
        sink.within("could not create test steps bundles: ", |sink| {
            if steps.is_empty() && !sink.has_error_at(&steps_path) {
                let own = path.field("TestFetcherFetchParameters");
                if !sink.has_error_at(&own) {
                    sink.error(&steps_path, "at least one test step is required per test");
                }
            }
            planner.plan(steps, &steps_path, sink)
        })
    });
    if let Some(message) = too_long("Test name", &fetched.name, LONGEST_TEST_NAME) {
        sink.error(&path.field("TestFetcherFetchParameters").field("TestName"), message);
    }
    let cleanup_path = path.field("CleanupSteps");
    let cleanup_steps = fetched.cleanup.as_ref().map_or_else(Vec::new, |steps| {
        sink.within("could not create cleanup test steps bundles: ", |sink| {
            planner.plan(steps, &cleanup_path, sink)
        })
    });
    check_labels(fetched, &steps_path, &cleanup_path, sink);
    Some(PlannedTest {
        index,
        name: fetched.name.clone(),
        target_manager: target_manager?,
        steps: steps?,
        cleanup_steps,
        retry: test.retry,
        extensions: test.extensions,
    })
}

/// Labels are unique among the steps and cleanup steps of a test.
fn check_labels(fetched: &Fetched, steps_path: &Path<'_>, cleanup_path: &Path<'_>, sink: &mut Sink) {
    let mut seen = HashSet::new();
    for (steps, path) in [(&fetched.steps, steps_path), (&fetched.cleanup, cleanup_path)] {
        for (i, step) in steps.iter().flatten().enumerate() {
            let Some(step) = step.as_ref().filter(|step| !step.label.is_empty()) else { continue };
            if !seen.insert(step.label.as_str()) {
                let message = format!("found duplicated labels across test/cleanup steps: {}", step.label);
                sink.error(&path.item(i).field("label"), message);
            }
        }
    }
}

fn target_manager(test: &TestDescriptor, path: &Path<'_>, sink: &mut Sink) -> Option<TargetManager> {
    let name = test.target_manager_name.as_str();
    let name_path = path.field("TargetManagerName");
    if sink.has_error_at(&name_path) {
        return None;
    }
    if name.is_empty() {
        sink.within("could not validate test descriptor: ", |sink| {
            let hint = "write \"TargetManagerName\": \"TargetList\"";
            sink.error(&name_path, "target manager name cannot be empty").hint(hint);
        });
        return None;
    }
    if let Err(e) = find(Kind::TargetManager, name) {
        sink.within(&format!("could not get TargetManager ({name}): "), |sink| {
            sink.error(&name_path, e.message).hint(e.hint);
        });
        return None;
    }
    let errors = sink.errors();
    let acquire_path = path.field("TargetManagerAcquireParameters");
    let targets = sink.within("could not validate TargetManager acquire parameters: ", |sink| {
        match test.acquire_parameters.as_deref() {
            Some(raw) => decode_target_list(raw, &acquire_path, sink),
            None => {
                sink.error(&acquire_path, NO_JSON).hint("write {\"Targets\": [{\"ID\": \"...\"}]}");
                Vec::new()
            }
        }
    });
    let release_path = path.field("TargetManagerReleaseParameters");
    sink.within("could not validate TargetManager release parameters: ", |sink| {
        match test.release_parameters.as_deref() {
            Some(raw) => {
                Reader { sink }.object(Some(raw), &RELEASE, &release_path.anew());
            }
            None => {
                sink.error(&release_path, NO_JSON).hint("write {}");
            }
        }
    });
    (sink.errors() == errors).then_some(TargetManager::TargetList { targets })
}
