//! The variables that a step finds, as far as they are known before a job runs.

use std::collections::BTreeMap;

use crate::plan::{PlannedStep, StepKind};
use crate::template::{StepVariables, VariableError};

/// What the steps before have set.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(BTreeMap<String, Sets>);

#[derive(Debug, Clone)]
enum Sets {
    /// These, by name, as JSON.
    These(BTreeMap<String, String>),
    /// What, an executable decides when it runs.
    Anything,
}

impl Known {
    /// The targets have passed this step.
    pub(super) fn add(&mut self, step: &PlannedStep) {
        let sets = match &step.kind {
            StepKind::External(_) => Sets::Anything,
            StepKind::Variables(variables) => Sets::These(
                variables.iter().map(|(name, json)| (name.clone(), json.get().to_owned())).collect(),
            ),
            _ => return,
        };
        self.0.insert(step.label.clone(), sets);
    }
}

impl StepVariables for Known {
    fn get(&self, target: &str, label: &str, name: &str) -> Result<String, VariableError> {
        let none_yet = || VariableError::NoneYet { label: label.to_owned() };
        match self.0.get(label) {
            Some(Sets::These(variables)) if !variables.is_empty() => {
                variables.get(name).cloned().ok_or_else(|| VariableError::NotYet {
                    label: label.to_owned(),
                    name: name.to_owned(),
                    target: target.to_owned(),
                })
            }
            _ => Err(none_yet()),
        }
    }

    fn placeholder(&self, label: &str, name: &str) -> Option<String> {
        match self.0.get(label) {
            Some(Sets::Anything) => Some(format!("<{label}.{name}>")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::target::Target;
    use crate::template::{Functions, Subject, Template};

    #[test]
    fn what_a_plugin_will_set_stands_as_its_name_also_where_a_number_is_wanted() {
        let known = Known(BTreeMap::from([("p".to_owned(), Sets::Anything)]));
        let target = Target { id: "T1".to_owned(), ..Target::default() };
        let subject = Subject::new(&target, Some(Arc::new(known)));
        let expanded = |source: &str| {
            let template = Template::parse(source, &Functions::default()).unwrap();
            template.expand(&subject).map(std::borrow::Cow::into_owned).map_err(|e| e.to_string())
        };
        assert_eq!(expanded("a {{ StringVar \"p.x\" }} {{ IntVar \"p.n\" }}").unwrap(), "a <p.x> <p.n>");
        assert!(expanded("{{ printf \"%d\" (IntVar \"p.n\") }}").unwrap().contains("<p.n>"));
        assert!(
            expanded("{{ StringVar \"other.x\" }}").unwrap_err().contains("didn't emit any variables yet")
        );
    }
}
