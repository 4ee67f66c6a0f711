//! Artifacts as events: a run becomes a section, its steps sections of it, what was measured measurements.
//!
//! * A step fails when a diagnosis in it says FAIL, and is errored when it ends so; a run ends as it says.
//! * Validators that are a range become the measurement's range; all of them stand in a detail beside it, with the hardware
//!   and whatever else is said, because a range cannot hold "not equal" or a pattern.
//! * The elements of a series may come in any order: each has its place and its own time; a series whose end does not come,
//!   or counts others than came, is cut off.
//! * A file is named in a detail with its address: it lies where the diagnostic ran, and nothing goes there by itself.

use std::collections::HashMap;

use oyez_model::event::{
    EventBody, LogText, Measurement, SectionStarted, SectionStopped, SourceCut, Stream, TestStarted,
    TestStopped,
};
use oyez_model::{Outcome, SectionRef, Time, Value};

use super::artifact::{
    Artifact, Diagnosis, RunEnd, RunStart, SeriesElement, Status, StepWhat, TestResult, Verdict, What,
};
use super::reader::Item;
use super::series::{OpenSeries, cut_series};
use super::write::{clipped, detail, named, range, write_case_of_run, write_fault, write_log};

/// Where the events go.
pub type Sink<'a> = &'a mut dyn FnMut(EventBody);

/// So many steps, and so many series, are open at once; what belongs to further ones is said of the run.
const MOST_OPEN: usize = 10_000;
/// So many gaps are said one by one.
const MOST_GAPS: u32 = 100;

/// What a diagnostic's run becomes.
#[derive(Clone, Copy, Debug)]
enum Home {
    /// A section below this one.
    Section(SectionRef),
    /// A test of this run, and its steps are the cases. What is said outside of any run is said of `beside`.
    Tests { run: SectionRef, beside: SectionRef, index: u32 },
}

/// Turns the output of one diagnostic into events.
#[derive(Debug)]
pub struct Run {
    home: Home,
    /// The section or test of the run that is open, and the run's name.
    run: Option<(u64, String)>,
    has_begun: bool,
    /// A step of the open run says what is wrong.
    is_explained: bool,
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

impl Run {
    /// What comes hangs below `section`.
    #[must_use]
    pub fn new(section: SectionRef) -> Self {
        Run::at(Home::Section(section))
    }

    /// Each run that comes is a test of `run`, the first with `index`, and its steps are the test's cases. What stands
    /// outside of any run hangs below `beside`.
    #[must_use]
    pub fn of_tests(run: SectionRef, beside: SectionRef, index: u32) -> Self {
        Run::at(Home::Tests { run, beside, index })
    }

    fn at(home: Home) -> Self {
        Run {
            home,
            run: None,
            has_begun: false,
            is_explained: false,
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

    /// Why this is not the whole output of a diagnostic; `None` when all that began has ended.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        match &self.run {
            Some((_, name)) => Some(format!("the output ends within the run {name}")),
            None if self.has_begun => None,
            None => Some("no run of a diagnostic is in it".to_owned()),
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
        match (&self.run, self.home) {
            (Some((id, _)), _) => SectionRef::own(*id),
            (None, Home::Section(section)) => section,
            (None, Home::Tests { beside, .. }) => beside,
        }
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
            What::RunEnd(end) => self.run_end(end, at, node, out),
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
        (self.has_begun, self.is_explained) = (true, false);
        let RunStart { name, version, command_line, parameters, rest } = start;
        let mut extra = Vec::new();
        for (key, text) in [("version", version), ("commandLine", command_line)] {
            extra.extend(text.map(|text| (Value::text(key), Value::Text(text))));
        }
        let name = named(name, "(run without a name)");
        self.run = Some((id, name.clone()));
        match &mut self.home {
            Home::Section(section) => {
                extra.extend(rest);
                out(SectionStarted {
                    id,
                    parent: *section,
                    r#type: "TestRun".to_owned(),
                    name,
                    began: at,
                    parameters,
                    extra: (!extra.is_empty()).then_some(Value::Map(extra)),
                    ..Default::default()
                }
                .into());
            }
            Home::Tests { run, index, .. } => {
                let (parent, place) = (*run, *index);
                *index = index.saturating_add(1);
                out(TestStarted { id, parent, name, index: place, began: at, ..Default::default() }.into());
                // A test has no place of its own for what stands here.
                extra.extend(parameters.map(|parameters| (Value::text("parameters"), parameters)));
                extra.extend(rest);
                if !extra.is_empty() {
                    detail(SectionRef::own(id), "testRunStart", Value::Map(extra), out);
                }
            }
        }
    }

    fn run_end(&mut self, end: RunEnd, at: Option<i64>, node: &mut dyn FnMut() -> u64, out: Sink<'_>) {
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
        let Some((id, _)) = self.run.take() else { return };
        let open = std::mem::take(&mut self.series);
        cut_series(SectionRef::own(id), open.into_values(), out);
        let reason = match outcome {
            None => Some("its end says neither how it went nor what it found".to_owned()),
            Some(Outcome::Errored) => Some("it ended with status ERROR".to_owned()),
            _ => None,
        };
        let id = SectionRef::own(id);
        let bad = outcome.filter(|outcome| matches!(outcome, Outcome::Failed | Outcome::Errored));
        if matches!(self.home, Home::Tests { .. }) && bad.is_some() && !self.is_explained {
            write_case_of_run(id, node(), (bad, reason.clone()), at, out);
        }
        out(match self.home {
            Home::Section(_) => {
                SectionStopped { id, outcome, reason, ended: at, ..Default::default() }.into()
            }
            Home::Tests { .. } => TestStopped { id, outcome, reason, ended: at, ..Default::default() }.into(),
        });
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
        if let StepWhat::Start { name, rest } = what {
            return self.step_start(id, (name, rest), at, node, out);
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
                let (value, at, index) = (m.value, None, None);
                out(Measurement { id: here, name, value, unit, low, high, at, index }.into());
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
                    let open = OpenSeries { name, unit, low, high, elements: 0, places: 0 };
                    self.series.insert((id, clipped(series.id)), open);
                }
            }
            StepWhat::SeriesElement(element) => self.series_element(id, here, element, out),
            StepWhat::SeriesEnd(end) => {
                let Some(series) = self.series.remove(&(id, clipped(end.series))) else { return };
                if let Some(reason) = series.missing(end.total) {
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

    fn series_element(&mut self, step: String, here: SectionRef, element: SeriesElement, out: Sink<'_>) {
        let SeriesElement { series, index, value, at, rest } = element;
        let key = (step, clipped(series));
        let at = at.and_then(|text| text.parse::<Time>().ok()).map(|time| time.0);
        let (name, unit, low, high) = match self.series.get_mut(&key) {
            Some(series) => {
                series.places += u128::from(index.unwrap_or(series.elements));
                series.elements += 1;
                (series.name.clone(), series.unit.clone(), series.low, series.high)
            }
            // Its start was lost, so that only its id is left for a name.
            None => (named(key.1, "(without a name)"), None, None, None),
        };
        if !rest.is_empty() {
            let mut said = vec![(Value::text("name"), Value::Text(name.clone()))];
            said.extend(
                index.and_then(|i| i64::try_from(i).ok()).map(|i| (Value::text("index"), Value::Int(i))),
            );
            said.extend(rest);
            detail(here, "measurementSeriesElement", Value::Map(said), out);
        }
        out(Measurement { id: here, name, value, unit, low, high, at, index }.into());
    }

    fn step_start(
        &mut self,
        id: String,
        (name, rest): (String, Vec<(Value, Value)>),
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
            extra: (!rest.is_empty()).then_some(Value::Map(rest)),
            peer_id: Some(id.clone()),
            ..Default::default()
        }
        .into());
        self.steps.insert(id, Step { id: section, failed: None });
    }

    fn step_end(&mut self, id: &str, status: &Status, at: Option<i64>, out: Sink<'_>) {
        let Some(step) = self.steps.remove(id) else { return };
        let open = self.series.extract_if(|(of, _), _| of == id).map(|(_, series)| series);
        cut_series(SectionRef::own(step.id), open, out);
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
        self.is_explained |= matches!(outcome, Some(Outcome::Failed | Outcome::Errored));
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
