//! What the parameters of each step come to for one target: the templates are expanded as they are when the job runs.
//!
//! What only a run can know is not here. A variable that an external plugin will set stands as `<label.name>`; one that the
//! step `variables` sets is known. A template that will fail is an error at its place, and the text stays as it was written.
//!
//! | module | knows |
//! |---|---|
//! | `targets` | which target a test is shown for |
//! | `rules` | which parameters of a step are templates |
//! | `values` | JSON with templates in it |
//! | `variables` | what steps before have set by then |

mod rules;
mod targets;
mod values;
mod variables;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Plan, PlannedStep, PlannedTest};
use crate::descriptor::StepDescriptor;
use crate::target::Target;
use crate::template::{Functions, StepVariables, Subject};

pub use targets::UnknownTarget;
use values::Expander;
pub(super) use values::hide_secrets;
use variables::Known;

/// A test with its parameters as one target gets them.
#[derive(Debug, Serialize)]
pub struct ExpandedTest {
    /// Its place in the descriptor, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The target; `None` when the test is for other targets only, or for none: then no steps are here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Why it is this target, or none, where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its steps.
    pub steps: Vec<ExpandedStep>,
    /// Its cleanup steps.
    pub cleanup_steps: Vec<ExpandedStep>,
}

/// A step with its parameters as one target gets them.
#[derive(Debug, Serialize)]
pub struct ExpandedStep {
    /// Its label.
    pub label: String,
    /// Its plugin.
    pub plugin: String,
    /// All that the descriptor gives, by name. Passwords are not shown.
    pub parameters: BTreeMap<String, Vec<Box<RawValue>>>,
    /// What would go wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ExpansionError>,
}

/// A template that cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpansionError {
    /// Where: `args[1]`, `bag[0].bin.path`.
    pub parameter: String,
    /// What the target would fail with.
    pub error: String,
}

/// Expands all parameters of all tests that run, for the target `asked`, else for the first of each test. Reads the files
/// of `CSVFileTargetManager`; blocks for that.
///
/// # Errors
/// All targets are known, and `asked` is none of them.
pub fn expand(
    plan: &Plan,
    functions: &Functions,
    asked: Option<&str>,
) -> Result<Vec<ExpandedTest>, UnknownTarget> {
    let chosen = targets::choose(plan, asked)?;
    // All tests together are as much as can be shown.
    let mut expander = Expander::new(functions);
    let tests = plan.tests.iter().zip(chosen);
    Ok(tests.map(|(test, chosen)| expand_test(plan, test, chosen, &mut expander)).collect())
}

fn expand_test(
    plan: &Plan,
    test: &PlannedTest,
    chosen: targets::Chosen,
    expander: &mut Expander<'_>,
) -> ExpandedTest {
    let targets::Chosen { target, note } = chosen;
    let (mut steps, mut cleanup_steps) = (Vec::new(), Vec::new());
    if let (Some(target), Some(fetched)) = (&target, plan.fetched.get(test.index)) {
        let mut known = Known::default();
        let lists = [
            (&test.steps, &fetched.test_steps, &mut steps),
            (&test.cleanup_steps, &fetched.cleanup_steps, &mut cleanup_steps),
        ];
        for (planned, written, out) in lists {
            for (planned, written) in planned.iter().zip(written) {
                out.push(expand_step(planned, written, target, &known, expander));
                known.add(planned);
            }
        }
    }
    ExpandedTest { index: test.index, name: test.name.clone(), target, note, steps, cleanup_steps }
}

fn expand_step(
    planned: &PlannedStep,
    written: &StepDescriptor,
    target: &Target,
    known: &Known,
    expander: &mut Expander<'_>,
) -> ExpandedStep {
    let nobody = Target::default();
    let subject = if rules::knows_its_target(&planned.kind) {
        Subject::new(target, Some(Arc::new(known.clone()) as Arc<dyn StepVariables>))
    } else {
        Subject::new(&nobody, None)
    };
    let mut errors = Vec::new();
    let one = |(name, values): (&String, &Vec<crate::descriptor::Parameter>)| {
        let rule = rules::of(&planned.kind, name);
        let values = values.iter().enumerate();
        let expanded = values.map(|(i, value)| {
            let place = format!("{name}[{i}]");
            expander.value(&value.0, rule, &place, &subject, &mut errors)
        });
        (name.clone(), expanded.collect())
    };
    let parameters = written.parameters.iter().map(one).collect();
    let (label, plugin) = (planned.label.clone(), planned.kind.plugin().to_owned());
    ExpandedStep { label, plugin, parameters, errors }
}

#[cfg(test)]
mod tests;
