//! A descriptor to a plan, in the order in which ConTest goes: reporters; then the steps of all tests are fetched;
//! then each test is put together (specs/contest.md 1.1).

use std::collections::HashSet;

use super::fetchers::{Fetched, Fetching};
use super::steps::Planner;
use super::{
    DEFAULT_TARGET_MANAGER_TIMEOUT, DisabledTest, Plan, PlannedReporter, PlannedTest, managers, reporters,
};
use crate::descriptor::{Descriptor, StoredSteps, TestDescriptor, too_long};
use crate::diagnostic::{Path, Sink};
use crate::environment::Environment;
use crate::plugin::Plugins;
use crate::template::Functions;

/// The bytes that the name of a test may have.
const LONGEST_TEST_NAME: usize = 32;

/// Plans; `None` if the sink has any error, also an earlier one.
pub(super) fn build(descriptor: &Descriptor, environment: &dyn Environment, sink: &mut Sink) -> Option<Plan> {
    let plugins = Plugins::new(environment.plugins());
    let reporters = reporters::plan(&descriptor.reporting, &plugins, sink);
    let tests_path = Path::Root.field("TestDescriptors");
    let fetched: Vec<Fetched> = sink.within("could not get steps descriptors: ", |sink| {
        let mut fetching = Fetching::new(environment);
        let tests = descriptor.tests.iter().enumerate();
        tests.map(|(i, test)| fetching.test(test.as_ref(), &tests_path.item(i), sink)).collect()
    });
    put_together(descriptor, reporters, fetched, (environment, &plugins), sink)
}

/// The same from steps that were fetched before.
pub(super) fn build_stored(
    descriptor: &Descriptor,
    stored: Vec<StoredSteps>,
    environment: &dyn Environment,
    sink: &mut Sink,
) -> Option<Plan> {
    if stored.len() != descriptor.tests.len() {
        sink.error(&Path::Root.field("TestStepsDescriptors"), "its tests are not those of the descriptor");
    }
    let plugins = Plugins::new(environment.plugins());
    let reporters = reporters::plan(&descriptor.reporting, &plugins, sink);
    let stored = stored.into_iter().map(Fetched::from).collect();
    put_together(descriptor, reporters, stored, (environment, &plugins), sink)
}

fn put_together(
    descriptor: &Descriptor,
    (run_reporters, final_reporters): (Vec<PlannedReporter>, Vec<PlannedReporter>),
    fetched: Vec<Fetched>,
    (environment, plugins): (&dyn Environment, &Plugins<'_>),
    sink: &mut Sink,
) -> Option<Plan> {
    let tests_path = Path::Root.field("TestDescriptors");
    let tests = || descriptor.tests.iter().enumerate();
    let functions = Functions::default();
    let planned: Vec<Option<PlannedTest>> = sink.within("could not build test steps: ", |sink| {
        let one = |((i, test), fetched): ((usize, &Option<TestDescriptor>), &Fetched)| {
            let planner = Planner::new(environment, &functions, plugins);
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
    let target_manager = managers::plan(test, planner.plugins, path, sink);
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
