//! Single events, and what goes into them.

use oyez_model::event::{LogText, SectionDetail, SectionStarted, SectionStopped, Stream};
use oyez_model::{Outcome, SectionRef, Value};

use super::artifact::{Bound, Fault, Log};
use super::events::Sink;

/// Names, units and ids have at most so many characters.
const LONGEST_NAME: usize = 1_000;
/// A run that fails though none of its steps does: a case of its own, so that it counts where only cases do.
pub(super) fn write_case_of_run(
    test: SectionRef,
    id: u64,
    (outcome, reason): (Option<Outcome>, Option<String>),
    at: Option<i64>,
    out: Sink<'_>,
) {
    let (r#type, name) = ("TestRun".to_owned(), "(the run itself)".to_owned());
    out(SectionStarted { id, parent: test, r#type, name, began: at, ..Default::default() }.into());
    let id = SectionRef::own(id);
    out(SectionStopped { id, outcome, reason, ended: at, ..Default::default() }.into());
}

pub(super) fn range(bounds: &[Bound]) -> (Option<f64>, Option<f64>) {
    let (mut low, mut high) = (None, None);
    for bound in bounds {
        // Of several the narrowest.
        match bound {
            Bound::Low(value) => low = Some(low.map_or(*value, |low: f64| low.max(*value))),
            Bound::High(value) => high = Some(high.map_or(*value, |high: f64| high.min(*value))),
        }
    }
    (low, high)
}

pub(super) fn write_log(id: SectionRef, log: Log, out: Sink<'_>) {
    let place = match log.source {
        Some((file, Some(line))) => format!(" ({file}:{line})"),
        Some((file, None)) => format!(" ({file})"),
        None => String::new(),
    };
    let text = format!("{}{place}\n", log.message).into_bytes().into();
    out(LogText { id, stream: Stream::Log, text, level: log.severity.map(clipped) }.into());
}

pub(super) fn write_fault(id: SectionRef, fault: Fault, out: Sink<'_>) {
    let said = fault.message.map_or_else(String::new, |message| format!(": {message}"));
    let text = format!("{}{said}\n", fault.symptom).into_bytes().into();
    out(LogText { id, stream: Stream::Log, text, level: Some("ERROR".to_owned()) }.into());
    detail(id, "error", Value::Map(fault.all), out);
}

pub(super) fn detail(id: SectionRef, name: &str, value: Value, out: Sink<'_>) {
    out(SectionDetail { id, detail: Value::Map(vec![(Value::text(name), value)]) }.into());
}

pub(super) fn named(name: String, without: &str) -> String {
    if name.is_empty() { without.to_owned() } else { clipped(name) }
}

pub(super) fn clipped(text: String) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    }
}
