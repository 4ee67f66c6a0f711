//! Variables that steps emit for a target, read by `StringVar` and `IntVar`; the texts are ConTest's
//! (specs/contest.md 1.2).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use thiserror::Error;

/// Why a variable cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VariableError {
    /// The step has emitted none at all, or there is no such step.
    #[error("step '{label}' didn't emit any variables yet")]
    NoneYet {
        /// The label asked for.
        label: String,
    },
    /// The step has emitted others.
    #[error("step '{label}' didn't emit variable '{name}' yet for target '{target}'")]
    NotYet {
        /// The label asked for.
        label: String,
        /// The name asked for.
        name: String,
        /// For which target.
        target: String,
    },
}

/// Where the variables of one target stand.
pub trait StepVariables: Send + Sync {
    /// The JSON text of a variable that the step `label` has emitted.
    ///
    /// # Errors
    /// [`VariableError`] when there is none.
    fn get(&self, target: &str, label: &str, name: &str) -> Result<String, VariableError>;

    /// What stands for a variable whose value is not known yet, where a plan is shown. While a job runs there is none.
    fn placeholder(&self, _label: &str, _name: &str) -> Option<String> {
        None
    }
}

/// The variables of one target, by label and name.
#[derive(Debug, Clone, Default)]
pub struct VariableMap {
    steps: BTreeMap<String, BTreeMap<String, Box<RawValue>>>,
}

impl VariableMap {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        VariableMap::default()
    }

    /// Sets a variable, also one that is set already.
    pub fn set(&mut self, label: &str, name: &str, json: Box<RawValue>) {
        self.steps.entry(label.to_owned()).or_default().insert(name.to_owned(), json);
    }

    /// All of them: label, name, JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &RawValue)> {
        self.steps.iter().flat_map(|(label, variables)| {
            variables.iter().map(move |(name, json)| (label.as_str(), name.as_str(), &**json))
        })
    }
}

impl StepVariables for VariableMap {
    fn get(&self, target: &str, label: &str, name: &str) -> Result<String, VariableError> {
        let variables =
            self.steps.get(label).ok_or_else(|| VariableError::NoneYet { label: label.to_owned() })?;
        let json = variables.get(name).ok_or_else(|| VariableError::NotYet {
            label: label.to_owned(),
            name: name.to_owned(),
            target: target.to_owned(),
        })?;
        Ok(json.get().to_owned())
    }
}

/// A name that is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnIdentifier;

impl fmt::Display for NotAnIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("identifier should be an non-empty string that matches: [a-zA-Z]\\w*")
    }
}

impl std::error::Error for NotAnIdentifier {}

/// Labels of steps and names of variables are `[a-zA-Z]\w*`, in ASCII.
///
/// # Errors
/// [`NotAnIdentifier`], with ConTest's text.
pub fn check_identifier(text: &str) -> Result<(), NotAnIdentifier> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    if first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') { Ok(()) } else { Err(NotAnIdentifier) }
}

/// Takes `label.variable` apart.
pub(super) fn split_reference(reference: &str) -> Result<(&str, &str), String> {
    let (label, name) =
        reference.split_once('.').ok_or_else(|| format!("not 'label.variable' format of '{reference}'"))?;
    check_identifier(label).map_err(|e| format!("invalid step label: '{label}': {e}"))?;
    check_identifier(name).map_err(|e| format!("invalid variable name: '{name}': {e}"))?;
    Ok((label, name))
}
