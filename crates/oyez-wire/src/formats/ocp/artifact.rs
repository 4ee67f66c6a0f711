//! Artifacts: what one JSON value of a diagnostic says.

use oyez_model::Value;
use oyez_model::value::BigInt;
use serde_json::{Map, Value as Json};

/// One artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Its place in the output; the first has 0 (ConTest's samples: 1).
    pub sequence: Option<u64>,
    /// When it was said, as it was said.
    pub timestamp: Option<String>,
    /// What.
    pub what: What,
}

/// What an artifact says.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Which version of the specification follows.
    Schema {
        /// Major version.
        major: Option<u64>,
        /// Minor version.
        minor: Option<u64>,
    },
    /// A run begins.
    RunStart(RunStart),
    /// A run ends.
    RunEnd(RunEnd),
    /// A line of the run's log.
    RunLog(Log),
    /// Something went wrong that has nothing to do with what is tested.
    RunError(Fault),
    /// Something of a step.
    Step {
        /// Which step.
        id: String,
        /// What.
        what: StepWhat,
    },
    /// Something that this does not know, kept as it came.
    Other(Value),
}

/// What is said of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepWhat {
    /// It begins.
    Start {
        /// Its name.
        name: String,
        /// Whatever else stands there.
        rest: Vec<(Value, Value)>,
    },
    /// It ends.
    End {
        /// How.
        status: Status,
        /// Its name, in the older shape.
        name: Option<String>,
    },
    /// Something was measured.
    Measurement(Measured),
    /// A series of measurements begins.
    SeriesStart(Series),
    /// One of a series.
    SeriesElement(SeriesElement),
    /// A series ends.
    SeriesEnd(SeriesEnd),
    /// What is thought of the hardware.
    Diagnosis(Diagnosis),
    /// Something went wrong that has nothing to do with what is tested.
    Error(Fault),
    /// A line of its log.
    Log(Log),
    /// A file that it leaves.
    File(File),
    /// Something of the diagnostic's own.
    Extension {
        /// Its name.
        name: String,
        /// What it holds.
        content: Value,
    },
    /// Something that this does not know, kept as it came.
    Other(Value),
}

/// `testRunStart`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStart {
    /// The diagnostic's name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// How it was called.
    pub command_line: Option<String>,
    /// Its parameters: a map.
    pub parameters: Option<Value>,
    /// What is under test, and whatever else stands there: a map.
    pub rest: Vec<(Value, Value)>,
}

/// `testRunEnd`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// The diagnostic's name, in the older shape.
    pub name: Option<String>,
    /// Whether it came to its end.
    pub status: Status,
    /// What it found.
    pub result: TestResult,
}

/// Whether something came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It did.
    Complete,
    /// It could not.
    Error,
    /// It was left out.
    Skip,
    /// Another word, or none.
    Unknown(String),
}

/// What a run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestResult {
    /// All is well.
    Pass,
    /// It is not.
    Fail,
    /// Nothing can be said.
    NotApplicable,
    /// Another word, or none.
    Unknown(String),
}

/// `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `INFO`, `DEBUG`, `WARNING`, `ERROR`, `FATAL`, or another word.
    pub severity: Option<String>,
    /// The text.
    pub message: String,
    /// Where in the diagnostic's source it was said: file and line.
    pub source: Option<(String, Option<u64>)>,
}

/// `error`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// A word for it.
    pub symptom: String,
    /// What happened.
    pub message: Option<String>,
    /// All of it, as it came: a map.
    pub all: Vec<(Value, Value)>,
}

/// `measurement`.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub name: String,
    /// How much: text, a truth value or a number.
    pub value: Value,
    /// Of what.
    pub unit: Option<String>,
    /// What it should be.
    pub bounds: Vec<Bound>,
    /// Validators, hardware, subcomponent, metadata, and whatever else stands there.
    pub rest: Vec<(Value, Value)>,
}

/// A validator that a range can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At least, or more than.
    Low(f64),
    /// At most, or less than.
    High(f64),
}

/// `measurementSeriesStart`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// By what its elements name it.
    pub id: String,
    /// What is measured.
    pub name: String,
    /// Of what.
    pub unit: Option<String>,
    /// What each should be.
    pub bounds: Vec<Bound>,
    /// Validators, hardware, subcomponent, metadata, and whatever else stands there.
    pub rest: Vec<(Value, Value)>,
}

/// `measurementSeriesElement`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesElement {
    /// Of which series.
    pub series: String,
    /// Its place, from 0.
    pub index: Option<u64>,
    /// How much.
    pub value: Value,
    /// When it was measured, as it was said.
    pub at: Option<String>,
    /// Metadata, and whatever else stands there.
    pub rest: Vec<(Value, Value)>,
}

/// `measurementSeriesEnd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesEnd {
    /// Of which series.
    pub series: String,
    /// How many elements it had.
    pub total: Option<u64>,
}

/// `diagnosis`.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// A word for it.
    pub verdict: String,
    /// What it comes to.
    pub r#type: Verdict,
    /// What is said about it.
    pub message: Option<String>,
    /// All of it, as it came: a map.
    pub all: Vec<(Value, Value)>,
}

/// What a diagnosis comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good.
    Pass,
    /// Not good.
    Fail,
    /// Nobody knows.
    Unknown,
}

/// `file`.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// What it is called.
    pub name: String,
    /// Where it is, for whoever can go there.
    pub uri: String,
    /// All of it, as it came: a map.
    pub all: Vec<(Value, Value)>,
}

impl Artifact {
    /// What a JSON value says; `None` when it is no artifact at all.
    #[must_use]
    pub fn read(json: Json) -> Option<Artifact> {
        let Json::Object(mut root) = json else { return None };
        let what = if let Some(schema) = object(&mut root, "schemaVersion") {
            What::Schema { major: number(schema.get("major")), minor: number(schema.get("minor")) }
        } else if let Some(run) = object(&mut root, "testRunArtifact") {
            run_artifact(run)
        } else if let Some(step) = object(&mut root, "testStepArtifact") {
            step_artifact(step)
        } else if root.contains_key("sequenceNumber") && root.contains_key("timestamp") {
            What::Other(value(Json::Object(root.clone())))
        } else {
            return None;
        };
        let sequence = number(root.get("sequenceNumber"));
        Some(Artifact { sequence, timestamp: text(&mut root, "timestamp"), what })
    }
}

fn run_artifact(mut run: Map<String, Json>) -> What {
    if let Some(mut start) = object(&mut run, "testRunStart") {
        return What::RunStart(RunStart {
            name: text(&mut start, "name").unwrap_or_default(),
            version: text(&mut start, "version"),
            command_line: text(&mut start, "commandLine"),
            parameters: object(&mut start, "parameters").map(|map| Value::Map(pairs(map))),
            rest: pairs(start),
        });
    }
    if let Some(mut end) = object(&mut run, "testRunEnd") {
        let result = match text(&mut end, "result").unwrap_or_default().as_str() {
            "PASS" => TestResult::Pass,
            "FAIL" => TestResult::Fail,
            "NOT_APPLICABLE" => TestResult::NotApplicable,
            other => TestResult::Unknown(other.to_owned()),
        };
        return What::RunEnd(RunEnd { name: text(&mut end, "name"), status: status(&mut end), result });
    }
    if let Some(log) = object(&mut run, "log") {
        return What::RunLog(read_log(log));
    }
    match object(&mut run, "error") {
        Some(error) => What::RunError(fault(error)),
        None => What::Other(Value::Map(pairs(run))),
    }
}

fn step_artifact(mut step: Map<String, Json>) -> What {
    let id = text(&mut step, "testStepId").unwrap_or_default();
    let mut take = |name: &str| object(&mut step, name);
    let what = if let Some(mut start) = take("testStepStart") {
        let name = text(&mut start, "name").unwrap_or_default();
        StepWhat::Start { name, rest: pairs(start) }
    } else if let Some(mut end) = take("testStepEnd") {
        StepWhat::End { status: status(&mut end), name: text(&mut end, "name") }
    } else if let Some(measurement) = take("measurement") {
        StepWhat::Measurement(measured(measurement))
    } else if let Some(mut series) = take("measurementSeriesStart") {
        StepWhat::SeriesStart(Series {
            id: text(&mut series, "measurementSeriesId").unwrap_or_default(),
            name: text(&mut series, "name").unwrap_or_default(),
            unit: text(&mut series, "unit").filter(|unit| !unit.is_empty()),
            bounds: bounds(&series),
            rest: pairs(series),
        })
    } else if let Some(mut element) = take("measurementSeriesElement") {
        StepWhat::SeriesElement(SeriesElement {
            series: text(&mut element, "measurementSeriesId").unwrap_or_default(),
            index: element.remove("index").as_ref().and_then(|index| number(Some(index))),
            value: value(element.remove("value").unwrap_or(Json::Null)),
            at: text(&mut element, "timestamp"),
            rest: pairs(element),
        })
    } else if let Some(mut end) = take("measurementSeriesEnd") {
        StepWhat::SeriesEnd(SeriesEnd {
            series: text(&mut end, "measurementSeriesId").unwrap_or_default(),
            total: number(end.get("totalCount")),
        })
    } else if let Some(diagnosis) = take("diagnosis") {
        StepWhat::Diagnosis(read_diagnosis(diagnosis))
    } else if let Some(error) = take("error") {
        StepWhat::Error(fault(error))
    } else if let Some(log) = take("log") {
        StepWhat::Log(read_log(log))
    } else if let Some(file) = take("file") {
        let said = |name: &str| file.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        StepWhat::File(File { name: said("displayName"), uri: said("uri"), all: pairs(file) })
    } else if let Some(mut extension) = take("extension") {
        StepWhat::Extension {
            name: text(&mut extension, "name").unwrap_or_default(),
            content: value(extension.remove("content").unwrap_or(Json::Null)),
        }
    } else {
        StepWhat::Other(Value::Map(pairs(step)))
    };
    What::Step { id, what }
}

fn measured(mut map: Map<String, Json>) -> Measured {
    Measured {
        name: text(&mut map, "name").unwrap_or_default(),
        value: value(map.remove("value").unwrap_or(Json::Null)),
        unit: text(&mut map, "unit").filter(|unit| !unit.is_empty()),
        bounds: bounds(&map),
        rest: pairs(map),
    }
}

/// The validators that are a range, or one number; all of them stay where they are.
fn bounds(map: &Map<String, Json>) -> Vec<Bound> {
    let validators = map.get("validators").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut bounds = Vec::new();
    for validator in validators {
        let Some(value) = validator.get("value").and_then(Json::as_f64) else { continue };
        match validator.get("type").and_then(Json::as_str) {
            Some("GREATER_THAN" | "GREATER_THAN_OR_EQUAL") => bounds.push(Bound::Low(value)),
            Some("LESS_THAN" | "LESS_THAN_OR_EQUAL") => bounds.push(Bound::High(value)),
            Some("EQUAL") => bounds.extend([Bound::Low(value), Bound::High(value)]),
            _ => {}
        }
    }
    bounds
}

fn read_diagnosis(map: Map<String, Json>) -> Diagnosis {
    let said = |name: &str| map.get(name).and_then(Json::as_str).map(str::to_owned);
    let r#type = match said("type").as_deref() {
        Some("PASS") => Verdict::Pass,
        Some("FAIL") => Verdict::Fail,
        _ => Verdict::Unknown,
    };
    Diagnosis {
        verdict: said("verdict").unwrap_or_default(),
        r#type,
        message: said("message"),
        all: pairs(map),
    }
}

fn fault(map: Map<String, Json>) -> Fault {
    let said = |name: &str| map.get(name).and_then(Json::as_str).map(str::to_owned);
    Fault { symptom: said("symptom").unwrap_or_default(), message: said("message"), all: pairs(map) }
}

/// ConTest's shape says `text` where the specification says `message`.
fn read_log(mut map: Map<String, Json>) -> Log {
    let source = object(&mut map, "sourceLocation")
        .and_then(|mut at| Some((text(&mut at, "file")?, number(at.get("line")))));
    Log {
        severity: text(&mut map, "severity").filter(|severity| !severity.is_empty()),
        message: text(&mut map, "message").or_else(|| text(&mut map, "text")).unwrap_or_default(),
        source,
    }
}

fn status(map: &mut Map<String, Json>) -> Status {
    match text(map, "status").unwrap_or_default().as_str() {
        "COMPLETE" => Status::Complete,
        "ERROR" => Status::Error,
        "SKIP" | "SKIPPED" => Status::Skip,
        other => Status::Unknown(other.to_owned()),
    }
}

fn object(map: &mut Map<String, Json>, name: &str) -> Option<Map<String, Json>> {
    match map.remove(name) {
        Some(Json::Object(inner)) => Some(inner),
        Some(other) => {
            map.insert(name.to_owned(), other);
            None
        }
        None => None,
    }
}

fn text(map: &mut Map<String, Json>, name: &str) -> Option<String> {
    match map.remove(name) {
        Some(Json::String(text)) => Some(text),
        Some(other) => {
            map.insert(name.to_owned(), other);
            None
        }
        None => None,
    }
}

/// A whole number, also in quotes, as some writers of 64 bits do it.
fn number(json: Option<&Json>) -> Option<u64> {
    match json? {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn pairs(map: Map<String, Json>) -> Vec<(Value, Value)> {
    map.into_iter().map(|(name, json)| (Value::Text(name), value(json))).collect()
}

/// A JSON value as a value of the model.
pub(super) fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => {
                Value::Big(BigInt { negative: false, magnitude: number.to_be_bytes().to_vec() })
            }
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(map) => Value::Map(pairs(map)),
    }
}
