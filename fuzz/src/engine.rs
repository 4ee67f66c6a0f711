//! What a user writes into a job descriptor.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oyez_engine::template::{StepVariables, VariableError};
use oyez_engine::{
    Environment, Expression, FetchLimits, Functions, GoDuration, ParseOptions, Subject, Target, Template,
    Uri, parse_descriptor, prepare,
};

/// A machine where every other program is there.
struct Machine;

impl Environment for Machine {
    fn find_executable(&self, name: &str) -> Result<PathBuf, String> {
        if name.len().is_multiple_of(2) {
            Ok(Path::new("/bin").join(name))
        } else {
            Err("is not there".to_owned())
        }
    }

    fn check_executable(&self, path: &Path) -> Result<(), String> {
        if path.as_os_str().len().is_multiple_of(2) { Ok(()) } else { Err("is not there".to_owned()) }
    }

    fn fetch(&self, uri: &Uri, limits: FetchLimits) -> Result<Vec<u8>, String> {
        // A document as foreign as the descriptor itself.
        let text = uri.to_string();
        if text.len() as u64 > limits.bytes { Err("is too long".to_owned()) } else { Ok(text.into_bytes()) }
    }
}

/// A job descriptor, JSON or YAML.
pub fn descriptor(bytes: &[u8]) {
    let options = ParseOptions::default();
    let parsed = parse_descriptor(bytes, &options);
    let prepared = prepare(bytes, &options, &Machine);
    for diagnostic in parsed.diagnostics.iter().chain(&prepared.diagnostics) {
        let _ = diagnostic.to_string();
    }
    let refused = prepared.diagnostics.iter().any(oyez_engine::Diagnostic::is_error);
    assert_eq!(refused, prepared.plan.is_none(), "a plan and its errors must agree");
    if let (Some(plan), Some(descriptor)) = (&prepared.plan, &prepared.descriptor) {
        let _ = serde_json::to_string(plan);
        // What is kept of a job must be a descriptor again, and of the same job.
        let kept = serde_json::to_string(&plan.extended(descriptor)).expect("a descriptor is JSON");
        let again = prepare(kept.as_bytes(), &options, &Machine);
        let name = again.descriptor.as_ref().map(|d| d.job_name.as_str());
        assert_eq!(name, Some(descriptor.job_name.as_str()), "{kept}");
    }
}

/// One variable that is there, the others are not.
struct Variables;

impl StepVariables for Variables {
    fn get(&self, target: &str, label: &str, name: &str) -> Result<String, VariableError> {
        match (label, name) {
            ("v", "number") => Ok("42".to_owned()),
            ("v", "text") => Ok("\"hello\"".to_owned()),
            ("v", _) => {
                let (label, name, target) = (label.to_owned(), name.to_owned(), target.to_owned());
                Err(VariableError::NotYet { label, name, target })
            }
            _ => Err(VariableError::NoneYet { label: label.to_owned() }),
        }
    }
}

/// A parameter as a Go template.
pub fn template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let functions = Functions::default();
    let _ = oyez_engine::template::inspect(text, &functions);
    let template = match Template::parse(text, &functions) {
        Ok(template) => template,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let target = Target { id: "T1".to_owned(), fqdn: "t1.example.org".to_owned(), ..Target::default() };
    let subject = Subject::new(&target, Some(Arc::new(Variables)));
    match (template.expand(&subject), template.expand(&subject)) {
        (Ok(first), Ok(second)) => assert_eq!(first, second, "the same template gives the same text"),
        (Err(error), Err(_)) => drop(error.to_string()),
        (first, second) => panic!("{first:?}, then {second:?}"),
    }
}

/// A success expression.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(expression) = text.parse::<Expression>() {
        // Compared as texts: `=NaN` is an expression, and a NaN equals nothing.
        let printed = expression.to_string();
        let again = printed.parse::<Expression>().map(|again| again.to_string());
        assert_eq!(again.as_ref(), Ok(&printed));
        for (succeeded, total) in [(0, 0), (0, 1), (1, 1), (3, 7), (u64::MAX, u64::MAX)] {
            let _ = expression.evaluate(succeeded, total);
        }
    }
}

/// A line of an external plugin.
pub fn plugin(bytes: &[u8]) {
    match oyez_engine::plugin::protocol::Heard::read(bytes) {
        Ok(message) => drop(message.kind().to_owned()),
        Err(why) => drop(why),
    }
}

/// A duration in Go's form.
pub fn duration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<GoDuration>() {
        Ok(duration) => assert_eq!(duration.to_string().parse(), Ok(duration)),
        Err(error) => drop(error.to_string()),
    }
}
