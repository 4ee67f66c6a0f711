//! Tests and steps in an extended descriptor: what `status` is built along, also where nothing has happened yet.

use serde::Deserialize;

use super::step;

/// A test that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestShape {
    /// Its place in the descriptor, from 0.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its steps, in order; those of its clean-up are not among them.
    pub steps: Vec<StepShape>,
}

/// A step of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepShape {
    /// The plugin's own name.
    pub name: String,
    /// Its label.
    pub label: String,
}

// Only what is needed is kept: the targets of a test may be a million.
#[derive(Deserialize)]
struct Extended {
    #[serde(rename = "TestDescriptors", default)]
    tests: Option<Vec<Option<Test>>>,
    #[serde(rename = "TestStepsDescriptors", default)]
    fetched: Option<Vec<Fetched>>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(rename = "Disabled", default)]
    disabled: Option<bool>,
}

#[derive(Deserialize)]
struct Fetched {
    #[serde(rename = "TestName", default)]
    name: String,
    #[serde(rename = "TestSteps", default)]
    steps: Option<Vec<Step>>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "Name", alias = "name", default)]
    name: String,
    #[serde(rename = "Label", alias = "label", default)]
    label: String,
}

/// The tests of an extended descriptor that are not disabled.
///
/// # Errors
/// It is no extended descriptor.
pub fn tests(extended: &str) -> Result<Vec<TestShape>, serde_json::Error> {
    let Extended { tests, fetched } = serde_json::from_str(extended)?;
    let disabled: Vec<bool> = tests
        .unwrap_or_default()
        .into_iter()
        .map(|test| test.and_then(|test| test.disabled).unwrap_or(false))
        .collect();
    let shape = |(index, test): (u32, Fetched)| TestShape {
        index,
        name: test.name,
        steps: (test.steps.unwrap_or_default().into_iter())
            .map(|s| StepShape { name: step::own_name(&s.name).to_owned(), label: s.label })
            .collect(),
    };
    let is_enabled = |test: &TestShape| !disabled.get(test.index as usize).copied().unwrap_or(false);
    Ok((0..).zip(fetched.unwrap_or_default()).map(shape).filter(is_enabled).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disabled_tests_are_left_out_and_the_others_keep_their_places() {
        let extended = r#"{"JobName":"j","TestDescriptors":[{"Disabled":true,"Targets":[{"ID":"T1"}]},{},null],
            "TestStepsDescriptors":[{"TestName":"a","TestSteps":[]},
            {"TestName":"b","TestSteps":[{"Name":"cmd","Label":"s1","Parameters":{"x":[1]}}],"CleanupSteps":[{"Name":"echo","Label":"c"}]},
            {"TestName":"b","TestSteps":null}]}"#;
        let tests = tests(extended).unwrap();
        let shown: Vec<_> = tests.iter().map(|t| (t.index, t.name.as_str(), t.steps.len())).collect();
        assert_eq!(shown, [(1, "b", 1), (2, "b", 0)]);
        assert_eq!(tests[0].steps[0], StepShape { name: "Cmd".to_owned(), label: "s1".to_owned() });
    }

    #[test]
    fn what_is_no_extended_descriptor_is_an_error() {
        assert!(super::tests("7").is_err());
        assert!(super::tests("{}").unwrap().is_empty());
    }
}
