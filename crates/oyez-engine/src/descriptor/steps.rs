//! Steps, as a test fetcher brings them, and the parameters of the fetcher `Literal`, which has them in place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use super::fields::{Level, Reader};
use super::raw::{Kind, kind, text};
use crate::diagnostic::{Path, Sink};
use crate::duration::GoDuration;

static LITERAL: Level = Level { go: "FetchParameters", fields: &["TestName", "Steps"] };
static STEP: Level = Level {
    go: "TestStepDescriptor",
    fields: &["name", "label", "parameters", "VariablesMapping", "X-Oyez"],
};
static STEP_EXTENSIONS: Level = Level { go: "X-Oyez", fields: &["timeout", "repeatable"] };

/// One value of a step's parameter: any JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Parameter(pub Box<RawValue>);

impl Parameter {
    /// As a step reads it: the text of a string, nothing of `null`, else the JSON as it was written.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match kind(&self.0) {
            Kind::Null => Cow::Borrowed(""),
            Kind::String => text(&self.0).unwrap_or(Cow::Borrowed(self.0.get())),
            _ => Cow::Borrowed(self.0.get()),
        }
    }

    /// The JSON as it was written.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

/// A step as it was asked for.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StepDescriptor {
    /// `name`: which plugin, in any case.
    pub name: String,
    /// `label`: the step's name in its test.
    pub label: String,
    /// `parameters`: a list of values each.
    pub parameters: BTreeMap<String, Vec<Parameter>>,
    /// `VariablesMapping`: read by nobody, not even by ConTest.
    #[serde(rename = "VariablesMapping", skip_serializing_if = "BTreeMap::is_empty")]
    pub variables_mapping: BTreeMap<String, String>,
    /// `X-Oyez`.
    #[serde(rename = "X-Oyez", skip_serializing_if = "StepExtensions::is_empty")]
    pub extensions: StepExtensions,
}

/// Fields of our own for a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StepExtensions {
    /// The longest that a target may be in the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// Whether the step may be done again for a target when nobody knows how far it came.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
}

impl StepExtensions {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &StepExtensions::default()
    }
}

impl StepDescriptor {
    /// The values of a parameter; none when it is not given.
    #[must_use]
    pub fn values(&self, name: &str) -> &[Parameter] {
        self.parameters.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first value of a parameter as text; empty when there is none.
    #[must_use]
    pub fn one(&self, name: &str) -> Cow<'_, str> {
        self.values(name).first().map_or(Cow::Borrowed(""), Parameter::text)
    }
}

/// As Go's `%+v` prints the type, which ConTest's answers quote.
impl fmt::Display for StepDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{Name:{} Label:{} Parameters:map[", self.name, self.label)?;
        for (i, (name, values)) in self.parameters.iter().enumerate() {
            let values: Vec<_> = values.iter().map(Parameter::text).collect();
            write!(f, "{}{name}:[{}]", if i > 0 { " " } else { "" }, values.join(" "))?;
        }
        f.write_str("] VariablesMapping:map[")?;
        for (i, (name, value)) in self.variables_mapping.iter().enumerate() {
            write!(f, "{}{name}:{value}", if i > 0 { " " } else { "" })?;
        }
        f.write_str("]}")
    }
}

/// The parameters of the fetcher `Literal`.
#[derive(Debug, Default)]
pub(crate) struct LiteralParameters {
    pub(crate) test_name: String,
    /// `None` where the descriptor says `null`.
    pub(crate) steps: Vec<Option<StepDescriptor>>,
}

/// Reads them. `own` is the place of the parameters; the steps themselves are called `list` of the test at `test`.
pub(crate) fn decode_literal(
    raw: &RawValue,
    own: &Path<'_>,
    test: &Path<'_>,
    list: &str,
    sink: &mut Sink,
) -> LiteralParameters {
    let mut reader = Reader { sink };
    let own = own.anew();
    let object = reader.object(Some(raw), &LITERAL, &own);
    let test_name = reader.string(object.get("TestName"), &LITERAL, &own.field("TestName"));
    let test = test.anew();
    let steps = decode_steps(object.get("Steps"), &LITERAL, &test.field(list), &mut reader);
    LiteralParameters { test_name, steps }
}

/// The steps of a test as they were kept with its job.
#[derive(Debug)]
pub(crate) struct StoredSteps {
    pub(crate) test_name: String,
    pub(crate) steps: Vec<Option<StepDescriptor>>,
    pub(crate) cleanup: Vec<Option<StepDescriptor>>,
}

/// Reads ConTest's `TestStepsDescriptors` of an extended descriptor; `None` when there are none.
pub(super) fn decode_stored(text: &str, sink: &mut Sink) -> Option<Vec<StoredSteps>> {
    #[derive(serde::Deserialize)]
    struct Stored<'j> {
        #[serde(borrow, rename = "TestStepsDescriptors")]
        tests: Vec<Test<'j>>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Test<'j> {
        test_name: String,
        #[serde(borrow)]
        test_steps: Option<&'j RawValue>,
        #[serde(borrow)]
        cleanup_steps: Option<&'j RawValue>,
    }
    let stored: Stored<'_> = serde_json::from_str(text).ok()?;
    let mut reader = Reader { sink };
    let root = Path::Root.field("TestStepsDescriptors");
    let mut one = |(at, test): (usize, Test<'_>)| {
        let path = root.item(at);
        StoredSteps {
            test_name: test.test_name,
            steps: decode_steps(test.test_steps, &LITERAL, &path.field("TestSteps"), &mut reader),
            cleanup: decode_steps(test.cleanup_steps, &LITERAL, &path.field("CleanupSteps"), &mut reader),
        }
    };
    Some(stored.tests.into_iter().enumerate().map(&mut one).collect())
}

/// Reads a list of steps; `None` where it says `null`.
pub(super) fn decode_steps(
    raw: Option<&RawValue>,
    owner: &Level,
    path: &Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Option<StepDescriptor>> {
    let items = reader.items(raw, owner, "[]*test.TestStepDescriptor", path);
    items.iter().enumerate().map(|(i, raw)| decode_step(raw, &path.item(i), reader)).collect()
}

fn decode_step(raw: &RawValue, path: &Path<'_>, reader: &mut Reader<'_>) -> Option<StepDescriptor> {
    if kind(raw) == Kind::Null {
        return None;
    }
    let step = reader.object(Some(raw), &STEP, path);
    let mapping_path = path.field("VariablesMapping");
    let mut variables_mapping = BTreeMap::new();
    for (name, raw) in reader.map(step.get("VariablesMapping"), &STEP, "map[string]string", &mapping_path) {
        let value = reader.string(Some(raw), &STEP, &mapping_path.field(&name));
        variables_mapping.insert(name, value);
    }
    Some(StepDescriptor {
        name: reader.string(step.get("name"), &STEP, &path.field("name")),
        label: reader.string(step.get("label"), &STEP, &path.field("label")),
        parameters: decode_parameters(step.get("parameters"), &path.field("parameters"), reader),
        variables_mapping,
        extensions: {
            let path = path.field("X-Oyez");
            let own = reader.object(step.get("X-Oyez"), &STEP_EXTENSIONS, &path);
            StepExtensions {
                timeout: reader.timeout(own.get("timeout"), &path.field("timeout")),
                repeatable: reader.bool(own.get("repeatable"), &STEP_EXTENSIONS, &path.field("repeatable")),
            }
        },
    })
}

fn decode_parameters(
    raw: Option<&RawValue>,
    path: &Path<'_>,
    reader: &mut Reader<'_>,
) -> BTreeMap<String, Vec<Parameter>> {
    let mut parameters = BTreeMap::new();
    for (name, raw) in reader.map(raw, &STEP, "test.TestStepParameters", path) {
        let values = reader.items(Some(raw), &STEP, "[]test.Param", &path.field(&name));
        parameters.insert(name, values.into_iter().map(|raw| Parameter(raw.to_owned())).collect());
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_its_text_or_its_json_as_written() {
        let text = |json: &str| Parameter(serde_json::from_str(json).unwrap()).text().into_owned();
        assert_eq!(text(r#""a\"b""#), "a\"b");
        assert_eq!(text("1.50"), "1.50");
        assert_eq!(text(r#"{"a": 1}"#), r#"{"a": 1}"#);
        assert_eq!(text("null"), "");
        assert_eq!(text("true"), "true");
    }

    #[test]
    fn a_step_prints_as_go_prints_it() {
        let json = r#"{"Steps":[{"name":"echo","parameters":{"text":["a"],"b":[1,"c"]},"VariablesMapping":{"x":"y"}}]}"#;
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let literal = decode_literal(raw, &Path::Root, &Path::Root, "Steps", &mut Sink::new());
        assert_eq!(
            literal.steps[0].as_ref().unwrap().to_string(),
            "{Name:echo Label: Parameters:map[b:[1 c] text:[a]] VariablesMapping:map[x:y]}"
        );
    }
}
