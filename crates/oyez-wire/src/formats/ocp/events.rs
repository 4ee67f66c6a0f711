//! Artifacts as events: a run becomes a section, its steps sections of it, what was measured measurements.
//!
//! * A step fails when a diagnosis in it says FAIL, and is errored when it ends so; a run ends as it says.
//! * Validators that are a range become the measurement's range; all of them stand in a detail beside it, with the hardware
//!   and whatever else is said, because a range cannot hold "not equal" or a pattern.
//! * A file is named in a detail with its address: it lies where the diagnostic ran, and nothing goes there by itself.

use std::collections::HashMap;

use oyez_model::event::{
    EventBody, LogText, Measurement, SectionDetail, SectionStarted, SectionStopped, SourceCut, Stream,
};
use oyez_model::{Outcome, SectionRef, Time, Value};

use super::artifact::{
    Artifact, Bound, Diagnosis, Fault, Log, RunEnd, RunStart, Status, StepWhat, TestResult, Verdict, What,
};
use super::reader::Item;

/// Where the events go.
pub type Sink<'a> = &'a mut dyn FnMut(EventBody);

/// So many steps, and so many series, are open at once; what belongs to further ones is said of the run.
const MOST_OPEN: usize = 10_000;
/// Names, units and ids have at most so many characters.
const LONGEST_NAME: usize = 1_000;
/// So many gaps are said one by one.
const MOST_GAPS: u32 = 100;

/// Turns the output of one diagnostic into events below a section.
#[derive(Debug)]
pub struct Run {
    section: SectionRef,
    /// The section of the run that is open.
    run: Option<u64>,
    steps: HashMap<String, Step>,
    series: HashMap<(String, String), OpenSeries>,
    /// The last number that was seen.
    sequence: Option<u64>,
    gaps: u32,
    /// How the last run that came to its end ended.
    result: Option<TestResult>,
}

#[derive(Debug)]
struct Step {
    id: u64,
    /// What a diagnosis found wrong, the first of it.
    failed: Option<String>,
}

#[derive(Debug)]
struct OpenSeries {
    name: String,
    unit: Option<String>,
    low: Option<f64>,
    high: Option<f64>,
    elements: u64,
    next: u64,
    has_gap: bool,
}

impl Run {
    /// What comes hangs below `section`.
    #[must_use]
    pub fn new(section: SectionRef) -> Self {
        Run {
            section,
            run: None,
            steps: HashMap::new(),
            series: HashMap::new(),
            sequence: None,
            gaps: 0,
            result: None,
        }
    }

    /// How the last run ended that came to its end; `None` when none did.
    #[must_use]
    pub fn result(&self) -> Option<&TestResult> {
        self.result.as_ref()
    }

    /// The events of one item; `node` gives the number of a new section.
    pub fn item(&mut self, item: Item, node: &mut dyn FnMut() -> u64, out: Sink<'_>) {
        match item {
            Item::Text(text) => self.text(self.here(), text, out),
            Item::BrokenOff(text) => {
                self.text(self.here(), text, out);
                self.cut("the output breaks off within an artifact".to_owned(), out);
            }
            Item::Artifact(artifact) => self.artifact(*artifact, node, out),
        }
    }

    /// The output has ended: what is open stays open, for nobody knows how it would have ended.
    pub fn end(&mut self) {
        self.run = None;
        self.steps.clear();
        self.series.clear();
    }

    /// The section of the run, or what it would hang below.
    fn here(&self) -> SectionRef {
        self.run.map_or(self.section, SectionRef::own)
    }

    fn artifact(&mut self, artifact: Artifact, node: &mut dyn FnMut() -> u64, out: Sink<'_>) {
        let Artifact { sequence, timestamp, what } = artifact;
        let is_start = matches!(what, What::RunStart(_) | What::Schema { .. });
        self.count(sequence, is_start, out);
        let at = timestamp.and_then(|text| text.parse::<Time>().ok()).map(|time| time.0);
        match what {
            What::Schema { major, .. } => {
                if major.is_some_and(|major| major != 2) {
                    let line = format!(
                        "the output says that it follows version {} of the specification, not 2\n",
                        major.unwrap_or(0)
                    );
                    self.text(self.here(), line.into_bytes(), out);
                }
            }
            What::RunStart(start) => self.run_start(start, at, node, out),
            What::RunEnd(end) => self.run_end(end, at, out),
            What::RunLog(log) => write_log(self.here(), log, out),
            What::RunError(error) => write_fault(self.here(), error, out),
            What::Step { id, what } => self.step(id, what, at, node, out),
            What::Other(other) => detail(self.here(), "artifact", other, out),
        }
    }

    /// Each artifact has the number after the last one's; a new run may begin anew.
    fn count(&mut self, sequence: Option<u64>, is_start: bool, out: Sink<'_>) {
        let Some(now) = sequence else { return };
        let expected = match self.sequence {
            Some(last) if is_start && now <= last => now,
            Some(last) => last.saturating_add(1),
            // The specification begins with 0, ConTest's samples with 1.
            None => now.min(1),
        };
        self.sequence = Some(self.sequence.filter(|_| !is_start).map_or(now, |last| last.max(now)));
        let missing = match expected.cmp(&now) {
            std::cmp::Ordering::Equal => return,
            std::cmp::Ordering::Greater => format!("artifact {now} came after artifact {}", expected - 1),
            std::cmp::Ordering::Less if expected + 1 == now => format!("artifact {expected} is missing"),
            std::cmp::Ordering::Less => format!("artifacts {expected} to {} are missing", now - 1),
        };
        self.gaps = self.gaps.saturating_add(1);
        match self.gaps.cmp(&MOST_GAPS) {
            std::cmp::Ordering::Less => self.cut(missing, out),
            std::cmp::Ordering::Equal => self.cut(format!("{missing}, and others after it"), out),
            std::cmp::Ordering::Greater => {}
        }
    }

    fn cut(&self, reason: String, out: Sink<'_>) {
        out(SourceCut { id: self.here(), reason }.into());
    }

    fn text(&self, id: SectionRef, text: Vec<u8>, out: Sink<'_>) {
        out(LogText { id, stream: Stream::Stdout, text: text.into(), level: None }.into());
    }

    fn run_start(&mut self, start: RunStart, at: Option<i64>, node: &mut dyn FnMut() -> u64, out: Sink<'_>) {
        self.end();
        let id = node();
        let RunStart { name, version, command_line, parameters, rest } = start;
        let mut extra = Vec::new();
        for (key, text) in [("version", version), ("commandLine", command_line)] {
            extra.extend(text.map(|text| (Value::text(key), Value::Text(text))));
        }
        extra.extend(rest);
        out(SectionStarted {
            id,
            parent: self.section,
            r#type: "TestRun".to_owned(),
            name: named(name, "(run without a name)"),
            began: at,
            parameters,
            extra: (!extra.is_empty()).then_some(Value::Map(extra)),
            ..Default::default()
        }
        .into());
        self.run = Some(id);
    }

    fn run_end(&mut self, end: RunEnd, at: Option<i64>, out: Sink<'_>) {
        let outcome = match (&end.status, &end.result) {
            (Status::Complete, TestResult::Pass) => Some(Outcome::Passed),
            (Status::Complete, TestResult::Fail) => Some(Outcome::Failed),
            (Status::Complete, TestResult::NotApplicable) | (Status::Skip, _) => Some(Outcome::Skipped),
            (Status::Error, _) => Some(Outcome::Errored),
            // Then it is what its steps rolled up.
            (Status::Complete | Status::Unknown(_), _) => None,
        };
        if end.status == Status::Complete {
            self.result = Some(end.result);
        }
        let Some(id) = self.run else { return };
        let reason = match outcome {
            None => Some("its end says neither how it went nor what it found".to_owned()),
            Some(Outcome::Errored) => Some("it ended with status ERROR".to_owned()),
            _ => None,
        };
        out(SectionStopped { id: SectionRef::own(id), outcome, reason, ended: at, ..Default::default() }
            .into());
        self.end();
    }

    fn step(
        &mut self,
        id: String,
        what: StepWhat,
        at: Option<i64>,
        node: &mut dyn FnMut() -> u64,
        out: Sink<'_>,
    ) {
        let id = clipped(id);
        if let StepWhat::Start { name } = what {
            return self.step_start(id, name, at, node, out);
        }
        let here = self.steps.get(&id).map_or_else(|| self.here(), |step| SectionRef::own(step.id));
        match what {
            // Done above.
            StepWhat::Start { .. } => {}
            StepWhat::End { status, .. } => self.step_end(&id, &status, at, out),
            StepWhat::Measurement(m) => {
                let (low, high) = range(&m.bounds);
                let name = named(m.name, "(without a name)");
                if !m.rest.is_empty() {
                    let mut rest = vec![(Value::text("name"), Value::Text(name.clone()))];
                    rest.extend(m.rest);
                    detail(here, "measurement", Value::Map(rest), out);
                }
                let unit = m.unit.map(clipped);
                out(Measurement { id: here, name, value: m.value, unit, low, high }.into());
            }
            StepWhat::SeriesStart(series) => {
                let (low, high) = range(&series.bounds);
                let name = named(series.name, "(without a name)");
                if !series.rest.is_empty() {
                    let mut rest = vec![(Value::text("name"), Value::Text(name.clone()))];
                    rest.extend(series.rest);
                    detail(here, "measurementSeries", Value::Map(rest), out);
                }
                if self.series.len() < MOST_OPEN {
                    let unit = series.unit.map(clipped);
                    let (elements, next, has_gap) = (0, 0, false);
                    let open = OpenSeries { name, unit, low, high, elements, next, has_gap };
                    self.series.insert((id, clipped(series.id)), open);
                }
            }
            StepWhat::SeriesElement(element) => {
                let key = (id, clipped(element.series));
                let measurement = match self.series.get_mut(&key) {
                    Some(series) => {
                        series.elements += 1;
                        let index = element.index.unwrap_or(series.next);
                        series.has_gap |= index != series.next;
                        series.next = index.saturating_add(1);
                        let (name, unit) = (series.name.clone(), series.unit.clone());
                        let (low, high) = (series.low, series.high);
                        Measurement { id: here, name, value: element.value, unit, low, high }
                    }
                    // Its start was lost, so that only its id is left for a name.
                    None => {
                        let name = named(key.1, "(without a name)");
                        Measurement {
                            id: here,
                            name,
                            value: element.value,
                            unit: None,
                            low: None,
                            high: None,
                        }
                    }
                };
                out(measurement.into());
            }
            StepWhat::SeriesEnd(end) => {
                let Some(series) = self.series.remove(&(id, clipped(end.series))) else { return };
                let total = end.total.unwrap_or(series.elements);
                if series.has_gap || total != series.elements {
                    let (name, count) = (series.name, series.elements);
                    let reason = format!("{count} of {total} measurements of the series {name} came");
                    out(SourceCut { id: here, reason }.into());
                }
            }
            StepWhat::Diagnosis(diagnosis) => self.diagnosis(&id, here, diagnosis, out),
            StepWhat::Error(error) => write_fault(here, error, out),
            StepWhat::Log(log) => write_log(here, log, out),
            StepWhat::File(file) => detail(here, "file", Value::Map(file.all), out),
            StepWhat::Extension { name, content } => {
                detail(here, &named(name, "extension"), content, out);
            }
            StepWhat::Other(other) => detail(here, "artifact", other, out),
        }
    }

    fn step_start(
        &mut self,
        id: String,
        name: String,
        at: Option<i64>,
        node: &mut dyn FnMut() -> u64,
        out: Sink<'_>,
    ) {
        if self.steps.len() >= MOST_OPEN {
            return self.cut(format!("more than {MOST_OPEN} steps are open: {id} has no section"), out);
        }
        let section = node();
        out(SectionStarted {
            id: section,
            parent: self.here(),
            r#type: "Step".to_owned(),
            name: named(name, "(step without a name)"),
            began: at,
            peer_id: Some(id.clone()),
            ..Default::default()
        }
        .into());
        self.steps.insert(id, Step { id: section, failed: None });
    }

    fn step_end(&mut self, id: &str, status: &Status, at: Option<i64>, out: Sink<'_>) {
        let Some(step) = self.steps.remove(id) else { return };
        let (outcome, reason) = match (status, step.failed) {
            (Status::Error, failed) => (
                Some(Outcome::Errored),
                Some(failed.unwrap_or_else(|| "it ended with status ERROR".to_owned())),
            ),
            (_, Some(failed)) => (Some(Outcome::Failed), Some(failed)),
            (Status::Complete, None) => (Some(Outcome::Passed), None),
            (Status::Skip, None) => (Some(Outcome::Skipped), None),
            (Status::Unknown(_), None) => (None, None),
        };
        let id = SectionRef::own(step.id);
        out(SectionStopped { id, outcome, reason, ended: at, ..Default::default() }.into());
    }

    fn diagnosis(&mut self, id: &str, here: SectionRef, diagnosis: Diagnosis, out: Sink<'_>) {
        let Diagnosis { verdict, r#type, message, all } = diagnosis;
        if r#type == Verdict::Fail
            && let Some(step) = self.steps.get_mut(id)
        {
            step.failed.get_or_insert_with(|| match message {
                Some(message) if !message.is_empty() => clipped(format!("{verdict}: {message}")),
                _ => clipped(verdict),
            });
        }
        detail(here, "diagnosis", Value::Map(all), out);
    }
}

fn range(bounds: &[Bound]) -> (Option<f64>, Option<f64>) {
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

fn write_log(id: SectionRef, log: Log, out: Sink<'_>) {
    let place = match log.source {
        Some((file, Some(line))) => format!(" ({file}:{line})"),
        Some((file, None)) => format!(" ({file})"),
        None => String::new(),
    };
    let text = format!("{}{place}\n", log.message).into_bytes().into();
    out(LogText { id, stream: Stream::Log, text, level: log.severity.map(clipped) }.into());
}

fn write_fault(id: SectionRef, fault: Fault, out: Sink<'_>) {
    let said = fault.message.map_or_else(String::new, |message| format!(": {message}"));
    let text = format!("{}{said}\n", fault.symptom).into_bytes().into();
    out(LogText { id, stream: Stream::Log, text, level: Some("ERROR".to_owned()) }.into());
    detail(id, "error", Value::Map(fault.all), out);
}

fn detail(id: SectionRef, name: &str, value: Value, out: Sink<'_>) {
    out(SectionDetail { id, detail: Value::Map(vec![(Value::text(name), value)]) }.into());
}

fn named(name: String, without: &str) -> String {
    if name.is_empty() { without.to_owned() } else { clipped(name) }
}

fn clipped(text: String) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    }
}
