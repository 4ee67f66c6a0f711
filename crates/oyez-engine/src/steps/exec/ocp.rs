//! Reports of OCP diagnostics: sections and measurements below the visit, and the events that ConTest's plugin makes of
//! them.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use oyez_model::event::{Named, RawJson, SourceCut};
use oyez_model::{EventBody, SectionRef};
use oyez_wire::formats::ocp::{Artifact, Item, Reader, Run, Status, StepWhat, TestResult, What};
use serde::Serialize;

use crate::runner::Visit;

/// What comes after so many bytes is kept as output and read no more.
const MOST_BYTES: u64 = 256 << 20;

/// How a run ended, for whoever waits for the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict(Arc<Mutex<Option<TestResult>>>);

impl Verdict {
    /// Why the test has not passed, in ConTest's words.
    pub(super) fn error(&self) -> Option<&'static str> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(TestResult::Pass) => None,
            Some(_) => Some("test failed"),
            None => Some("did not see a complete run"),
        }
    }
}

/// Hears what a diagnostic prints.
pub(super) struct Ear {
    section: SectionRef,
    target: String,
    nodes: Box<dyn FnMut() -> u64 + Send>,
    reader: Option<Reader>,
    run: Run,
    verdict: Verdict,
    left: u64,
}

impl Ear {
    pub(super) fn new(visit: &Visit, verdict: &Verdict) -> Self {
        Ear {
            section: visit.section(),
            target: visit.target.id.clone(),
            nodes: Box::new(visit.nodes()),
            reader: Some(Reader::new()),
            run: Run::new(visit.section()),
            verdict: verdict.clone(),
            left: MOST_BYTES,
        }
    }

    /// What is between artifacts is the program's own output.
    fn take(&mut self, items: Vec<Item>, say: &mut dyn FnMut(EventBody)) -> Vec<u8> {
        let mut text = Vec::new();
        for item in items {
            match &item {
                Item::Text(bytes) => {
                    text.extend_from_slice(bytes);
                    continue;
                }
                Item::Artifact(artifact) => {
                    if let Some((name, payload)) = contests_event(artifact) {
                        let (id, target) = (self.section, Some(self.target.clone()));
                        let payload = Some(RawJson(payload));
                        say(Named { id, name: name.to_owned(), target, payload }.into());
                    }
                }
                Item::BrokenOff(_) => {}
            }
            self.run.item(item, &mut self.nodes, say);
        }
        text
    }
}

impl crate::runner::Ear for Ear {
    fn hear<'b>(&mut self, bytes: &'b [u8], say: &mut dyn FnMut(EventBody)) -> Cow<'b, [u8]> {
        if self.left < bytes.len() as u64 {
            let rest = crate::runner::Ear::end(self, say);
            if self.left > 0 {
                let reason = format!("only the first {MOST_BYTES} bytes were read for artifacts");
                say(SourceCut { id: self.section, reason }.into());
                self.left = 0;
            }
            return Cow::Owned([rest.as_slice(), bytes].concat());
        }
        self.left -= bytes.len() as u64;
        let Some(reader) = &mut self.reader else { return Cow::Borrowed(bytes) };
        let mut items = Vec::new();
        reader.push(bytes, &mut |item| items.push(item));
        Cow::Owned(self.take(items, say))
    }

    fn end(&mut self, say: &mut dyn FnMut(EventBody)) -> Vec<u8> {
        let Some(reader) = self.reader.take() else { return Vec::new() };
        let mut items = Vec::new();
        reader.end(&mut |item| items.push(item));
        let rest = self.take(items, say);
        let result = self.run.result().cloned();
        *self.verdict.0.lock().unwrap_or_else(PoisonError::into_inner) = result;
        self.run.end();
        rest
    }
}

/// ConTest's payloads: fields in its order, and left out where it leaves them out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    sequence_number: u64,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// The event that ConTest's plugin emits for an artifact, if it knows it.
fn contests_event(artifact: &Artifact) -> Option<(&'static str, String)> {
    let mut payload = Payload {
        sequence_number: artifact.sequence.unwrap_or(0),
        timestamp: artifact.timestamp.as_deref().unwrap_or_default(),
        step_id: None,
        severity: None,
        name: None,
        version: None,
        status: None,
        result: None,
        text: None,
    };
    let given = |text: &'_ str| !text.is_empty();
    let name = match &artifact.what {
        What::RunStart(start) => {
            payload.name = Some(start.name.as_str()).filter(|text| given(text));
            payload.version = start.version.as_deref().filter(|text| given(text));
            "TestStart"
        }
        What::RunEnd(end) => {
            payload.name = end.name.as_deref().filter(|text| given(text));
            payload.status = Some(status(&end.status)).filter(|text| given(text));
            payload.result = Some(result(&end.result)).filter(|text| given(text));
            "TestEnd"
        }
        What::RunLog(log) => {
            payload.severity = log.severity.as_deref();
            payload.text = Some(log.message.as_str()).filter(|text| given(text));
            "TestLog"
        }
        What::Step { id, what } => {
            payload.step_id = Some(id);
            match what {
                StepWhat::Start { name, .. } => {
                    payload.name = Some(name);
                    "StepStart"
                }
                StepWhat::End { status: ended, name } => {
                    payload.name = Some(name.as_deref().unwrap_or_default());
                    payload.status = Some(status(ended));
                    "StepEnd"
                }
                StepWhat::Log(log) => {
                    payload.severity = log.severity.as_deref();
                    payload.text = Some(log.message.as_str()).filter(|text| given(text));
                    "StepLog"
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((name, serde_json::to_string(&payload).ok()?))
}

fn status(status: &Status) -> &str {
    match status {
        Status::Complete => "COMPLETE",
        Status::Error => "ERROR",
        Status::Skip => "SKIP",
        Status::Unknown(word) => word,
    }
}

fn result(result: &TestResult) -> &str {
    match result {
        TestResult::Pass => "PASS",
        TestResult::Fail => "FAIL",
        TestResult::NotApplicable => "NOT_APPLICABLE",
        TestResult::Unknown(word) => word,
    }
}
