//! A target on its way through the steps.

use std::sync::Arc;

use oyez_model::{Outcome, Time};
use serde_json::value::RawValue;

use crate::target::Target;
use crate::template::{StepVariables, Subject, VariableMap};

/// A target, and where it stands.
pub(in crate::runner) struct Seat<'t> {
    pub(in crate::runner) target: &'t Target,
    pub(super) section: u64,
    /// The sections of the same target listed again.
    pub(super) twins: Vec<u64>,
    /// The step that it is in, or before.
    pub(in crate::runner) step: usize,
    /// Its visit to that step, once it is inside.
    pub(in crate::runner) visit: Option<Visiting>,
    pub(in crate::runner) variables: Option<Arc<VariableMap>>,
    pub(super) place: Place,
    /// It failed in its step before the job was halted; its end is still to be recorded.
    pub(super) failed: Option<(Outcome, String)>,
}

/// A visit of a target to a step.
#[derive(Clone, Debug)]
pub(in crate::runner) struct Visiting {
    /// Its section.
    pub(in crate::runner) id: u64,
    /// When it began.
    pub(in crate::runner) began: Time,
    /// It began before the job was halted, and nobody has gone on with it yet.
    pub(in crate::runner) is_old: bool,
    /// What the step wants back to go on.
    pub(in crate::runner) state: Option<Box<RawValue>>,
}

/// What is known of a target's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On it.
    Open,
    /// Halted on it, to go on later.
    Parked,
    /// At its end; whether without an error.
    Ended { passed: bool },
}

impl<'t> Seat<'t> {
    /// A target before the first step.
    pub(in crate::runner) fn new(target: &'t Target, section: u64) -> Self {
        Seat {
            target,
            section,
            twins: Vec::new(),
            step: 0,
            visit: None,
            variables: None,
            place: Place::Open,
            failed: None,
        }
    }

    /// The same target is listed again.
    pub(in crate::runner) fn add_twin(&mut self, section: u64) {
        self.twins.push(section);
    }

    /// The same target at the start of other steps, with the variables that it has.
    pub(in crate::runner) fn again(self, section: u64) -> Self {
        Seat { variables: self.variables, ..Seat::new(self.target, section) }
    }

    /// A target that came to its end before the job was halted.
    pub(in crate::runner) fn ended(mut self, passed: bool) -> Self {
        self.place = Place::Ended { passed };
        self
    }

    /// A target that failed in its step before the job was halted.
    pub(in crate::runner) fn failed(mut self, failed: (Outcome, String)) -> Self {
        self.failed = Some(failed);
        self
    }

    /// A target that was halted ends after all.
    pub(in crate::runner) fn unpark(&mut self) {
        if self.is_parked() {
            self.place = Place::Open;
        }
    }

    /// Its section.
    pub(in crate::runner) fn section(&self) -> u64 {
        self.section
    }

    /// Whether it came through all steps without an error.
    pub(in crate::runner) fn has_passed(&self) -> bool {
        self.place == Place::Ended { passed: true }
    }

    /// Whether it was halted.
    pub(in crate::runner) fn is_parked(&self) -> bool {
        self.place == Place::Parked
    }

    pub(super) fn subject(&self) -> Subject<'t> {
        let variables = self.variables.clone().map(|variables| variables as Arc<dyn StepVariables>);
        // Without any the texts of ConTest's errors still name what is missing.
        Subject::new(self.target, Some(variables.unwrap_or_else(no_variables)))
    }
}

pub(in crate::runner) fn no_variables() -> Arc<dyn StepVariables> {
    static NONE: std::sync::LazyLock<Arc<VariableMap>> = std::sync::LazyLock::new(Arc::default);
    NONE.clone()
}
