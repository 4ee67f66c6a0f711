//! What is known of a job before its tree is walked: the job itself, what its reporters say, and a survey of its tests.
//!
//! The survey reads runs and tests, never sections: documents that begin with totals need them before the walk, and a
//! job has few tests beside its sections.

use std::collections::BTreeMap;

use oyez_model::event::{JobSubmitted, RawJson};
use oyez_model::row::Flags;
use oyez_model::{
    Completeness, Counts, EventBody, EventSeq, JobId, JobRow, NodeKind, NodeRow, Outcome, RunNumber, Time,
    Verdict,
};
use oyez_store::{JobReader, tree};

use crate::content::{Content, Loading};
use crate::error::ReportError;
use crate::options::Options;

/// How many reports of reporters stand in a document; final ones are kept apart, so that many runs do not hide them.
const MAX_REPORTS: usize = 2000;
/// How many bytes their data may have together.
const MAX_REPORT_BYTES: usize = 4 << 20;
/// How many runs and tests the page shows before anything is unpacked.
const MAX_TOP: usize = 60;

/// What a reporter said.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub time: Time,
    pub run: Option<RunNumber>,
    pub reporter: String,
    pub success: bool,
    /// It has no opinion: the verdict does not ask it.
    pub neutral: bool,
    pub data: RawJson,
    pub error: Option<String>,
}

/// The time that bars are drawn against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub start: Time,
    pub end: Time,
}

/// What is known of a job before its tree is walked.
#[derive(Debug)]
pub(crate) struct Facts {
    pub id: JobId,
    pub job: JobRow,
    /// How it was submitted, without the request.
    pub submitted: Option<JobSubmitted>,
    pub title: String,
    /// What hangs on the job itself, without the reports.
    pub content: Content,
    pub run_reports: Vec<Report>,
    pub final_reports: Vec<Report>,
    pub reports_left_out: u64,
    run_verdicts: BTreeMap<RunNumber, bool>,
    /// From its first event to its end, or to its last event while it goes on.
    pub window: Window,
    /// Outcomes of the tests that count.
    pub tests: Counts,
    /// Outcomes of the results: cases, tests without cases, sections without a test.
    pub results: Counts,
    /// The first runs, and the first tests of the only run: depth and row.
    pub top: Vec<(u32, NodeRow)>,
    /// How many children the job has, and its only run.
    pub top_total: (u64, u64),
}

impl Facts {
    pub(crate) fn load(reader: &dyn JobReader, options: &Options<'_>) -> Result<Facts, ReportError> {
        let live = reader.live();
        let job = live.job_row();
        let mut first_and_last = vec![EventSeq(1), live.last_seq()];
        first_and_last.dedup();
        let mut window = Window { start: job.submitted, end: job.submitted };
        let mut submitted = None;
        for (_, event) in reader.events_at(&first_and_last)? {
            window.end = window.end.max(event.time);
            if let EventBody::JobSubmitted(mut body) = event.body {
                // Descriptors are large, and may hold what is not everybody's business.
                (body.request, body.extended) = (None, None);
                submitted = Some(body);
            }
        }
        window.end = job.ended.unwrap_or(window.end);
        let root = tree::root(reader)?;
        let mut facts = Facts {
            id: reader.id(),
            title: options.title.unwrap_or(&job.name).to_owned(),
            results: job.counts,
            job,
            submitted,
            content: Content::default(),
            run_reports: Vec::new(),
            final_reports: Vec::new(),
            reports_left_out: 0,
            run_verdicts: BTreeMap::new(),
            window,
            tests: Counts::default(),
            top: Vec::new(),
            top_total: (root.child_count(), 0),
        };
        facts.reports(reader, &root, options)?;
        facts.survey(reader, &root)?;
        Ok(facts)
    }

    /// Takes the reports out of what hangs on the job, and keeps the rest as its content.
    fn reports(
        &mut self,
        reader: &dyn JobReader,
        root: &NodeRow,
        options: &Options<'_>,
    ) -> Result<(), ReportError> {
        let mut bytes = 0;
        let mut others = Loading::new(options.max_log_bytes);
        for page in 0.. {
            let Some(hangs) = tree::hangs(reader, root, page)? else { break };
            for part in hangs.chunks(64) {
                let mut seqs: Vec<EventSeq> = part.iter().map(|hang| hang.seq).collect();
                seqs.sort_unstable();
                for (_, event) in reader.events_at(&seqs)? {
                    let EventBody::Report(b) = event.body else {
                        others.take(event);
                        continue;
                    };
                    let neutral = b.neutral == Some(true);
                    if let Some(run) = b.run.filter(|_| !neutral) {
                        *self.run_verdicts.entry(run).or_insert(true) &= b.success;
                    }
                    bytes += b.data.0.len();
                    let list = if b.run.is_some() { &mut self.run_reports } else { &mut self.final_reports };
                    if list.len() >= MAX_REPORTS || bytes > MAX_REPORT_BYTES {
                        self.reports_left_out += 1;
                        continue;
                    }
                    let (time, run, reporter, success) = (event.time, b.run, b.reporter, b.success);
                    list.push(Report { time, run, reporter, success, neutral, data: b.data, error: b.error });
                }
            }
        }
        self.content = others.done();
        Ok(())
    }

    fn survey(&mut self, reader: &dyn JobReader, root: &NodeRow) -> Result<(), ReportError> {
        let only_child = root.child_count() == 1;
        for page in tree::children(reader, root) {
            for row in page? {
                self.surveyed(1, &row);
                if row.kind != NodeKind::Run || row.flags.has(Flags::REMOVED) {
                    continue;
                }
                if only_child {
                    self.top_total.1 = row.child_count();
                }
                for page in tree::children(reader, &row) {
                    for row in page? {
                        self.surveyed(if only_child { 2 } else { u32::MAX }, &row);
                    }
                }
            }
        }
        Ok(())
    }

    fn surveyed(&mut self, depth: u32, row: &NodeRow) {
        if row.flags.has(Flags::REMOVED) {
            return;
        }
        if self.top.len() < MAX_TOP && depth != u32::MAX {
            let mut row = row.clone();
            row.hangs = Vec::new();
            self.top.push((depth, row));
        }
        if row.is_excluded() {
            return;
        }
        match row.kind {
            NodeKind::Test => {
                self.tests.add(row.outcome);
                if row.child_count() == 0 {
                    self.results.add(row.outcome);
                }
            }
            NodeKind::Section => self.results.add(row.outcome),
            NodeKind::Run | NodeKind::Job => {}
        }
    }

    /// What the reporters of a run say, else what its outcome says.
    pub(crate) fn run_verdict(&self, run: &NodeRow) -> Option<Verdict> {
        let said = self.run_verdicts.get(&RunNumber(run.index)).copied();
        said.or_else(|| run.outcome.filter(|_| !run.is_open()).map(Outcome::is_good)).map(Verdict::of)
    }

    /// Nanoseconds from its first event to its end, or to its last event.
    pub(crate) fn duration(&self) -> u64 {
        self.window.end.since(self.job.started.unwrap_or(self.window.start))
    }

    /// Whether the job may still say more.
    pub(crate) fn is_running(&self) -> bool {
        !self.job.state.is_final()
    }

    /// One sentence on completeness.
    pub(crate) fn completeness(&self) -> String {
        match &self.job.complete {
            Completeness::Yes => "Complete: everything that was announced is here.".to_owned(),
            Completeness::Unknown => {
                format!(
                    "The job is {}: whether this report is complete cannot be said yet.",
                    self.state_words()
                )
            }
            Completeness::No(gaps) => {
                let texts: Vec<&str> = gaps.iter().map(|gap| gap.text.as_str()).collect();
                format!("Incomplete: {}.", texts.join("; "))
            }
        }
    }

    fn state_words(&self) -> &'static str {
        use oyez_model::JobState;
        match self.job.state {
            JobState::Queued | JobState::Unknown => "not started yet",
            JobState::Paused => "paused",
            JobState::Cancelling => "being cancelled",
            _ => "still running",
        }
    }

    /// Whether somebody stopped it: what its reporters say is about a part of it then.
    pub(crate) fn is_cancelled(&self) -> bool {
        use oyez_model::JobState::{CancellationFailed, Cancelled, Cancelling};
        matches!(self.job.state, Cancelled | Cancelling | CancellationFailed)
    }

    /// The verdict as one word for people.
    pub(crate) fn verdict_word(&self) -> &'static str {
        match self.job.verdict {
            _ if self.is_cancelled() => "Cancelled",
            Some(Verdict::Success) => "Success",
            Some(Verdict::Failure) => "Failure",
            None if self.is_running() => "No verdict yet",
            None => "No verdict",
        }
    }
}

impl Report {
    /// What it says, as lines for people: texts as they are, anything else as JSON.
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<String> = self.error.iter().map(|error| format!("error: {error}")).collect();
        match serde_json::from_str::<serde_json::Value>(&self.data.0) {
            Ok(serde_json::Value::Null) => {}
            Ok(serde_json::Value::String(text)) => lines.push(text),
            Ok(serde_json::Value::Array(items)) if items.iter().all(serde_json::Value::is_string) => {
                lines.extend(items.iter().filter_map(|item| item.as_str().map(str::to_owned)));
            }
            Ok(other) => lines.push(serde_json::to_string_pretty(&other).unwrap_or_default()),
            Err(_) => lines.push(self.data.0.clone()),
        }
        lines.join("\n")
    }

    /// `run 3` or `final`.
    pub(crate) fn of_what(&self) -> String {
        self.run.map_or_else(|| "final".to_owned(), |run| format!("run {run}"))
    }
}
