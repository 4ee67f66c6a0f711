//! `report.json`: everything, in our own schema (`docs/schemas/oyez-report-1.schema.json`).
//!
//! The tree is nested to [`MAX_NESTED`] levels; what stands deeper is listed flat in `deeper` of the section at the
//! last nested level, with `parent` and `level`, since most readers of JSON stop at some depth. Version rule: a new
//! optional field keeps the version; a field that changes its meaning or goes away makes a new one.

mod content;

use std::io::{self, Write};

use oyez_model::event::Stream;
use oyez_model::row::Flags;
use oyez_model::{Counts, NodeKind, NodeRow, Outcome};

use crate::content::Content;
use crate::facts::{Facts, Report};
use crate::out::Json;
use crate::walk::{Node, Visitor};

/// The schema's identity; it is a name, nothing is fetched from there.
pub(crate) const SCHEMA: &str = "https://example.org/oyez/schemas/oyez-report-1.schema.json";
pub(crate) const VERSION: u64 = 1;
/// Two levels of JSON each; with a payload's own below, this stays under the 128 that common readers take.
pub(crate) const MAX_NESTED: u32 = 40;

pub(crate) struct JsonReport<'w> {
    json: Json<'w>,
}

impl<'w> JsonReport<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        JsonReport { json: Json::new(to) }
    }

    fn text(&mut self, key: &str, text: &str) {
        self.json.key(key);
        self.json.string(text);
    }

    fn text_if(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn time_if(&mut self, key: &str, time: Option<oyez_model::Time>) {
        if let Some(time) = time {
            self.json.key(key);
            self.json.time(time);
        }
    }

    fn any(&mut self, key: &str, value: &impl serde::Serialize) {
        self.json.key(key);
        self.json.any(value);
    }

    fn job(&mut self, facts: &Facts) {
        let job = &facts.job;
        self.json.key("job");
        self.json.open(b'{');
        self.any("id", &facts.id);
        self.any("uid", &job.uid);
        self.text("name", &job.name);
        self.text("requestor", &job.requestor);
        self.any("source", &job.source);
        self.text_if("project", job.project.as_deref());
        self.any("tags", &job.tags);
        self.any("guids", &job.guids);
        if let Some(submitted) = &facts.submitted {
            self.text_if("host", submitted.host.as_deref());
            self.text_if("server", submitted.server_id.as_deref());
            if !submitted.variant.is_empty() {
                self.any("variant", &submitted.variant);
            }
        }
        if let Some(command) = &job.command {
            self.any("command", command);
        }
        self.text_if("oyez", job.version.as_deref());
        self.text("state", job.state.as_str());
        self.text_if("error", job.error.as_deref());
        self.time_if("submitted", Some(job.submitted));
        self.time_if("started", job.started);
        self.time_if("ended", job.ended);
        self.json.key("duration");
        self.json.seconds(facts.duration());
        self.any("events", &job.events);
        self.any("runs", &job.runs);
        self.content(&facts.content);
        self.json.close(b'}');
    }

    fn reports(&mut self, facts: &Facts) {
        self.json.key("reports");
        self.json.open(b'{');
        for (key, reports) in [("runs", &facts.run_reports), ("final", &facts.final_reports)] {
            self.json.key(key);
            self.json.open(b'[');
            reports.iter().for_each(|report| self.report(report));
            self.json.close(b']');
        }
        if facts.reports_left_out > 0 {
            self.any("left_out", &facts.reports_left_out);
        }
        self.json.close(b'}');
    }

    fn report(&mut self, report: &Report) {
        self.json.open_line(b'{');
        if let Some(run) = report.run {
            self.any("run", &run);
        }
        self.text("reporter", &report.reporter);
        self.any("success", &report.success);
        if report.neutral {
            self.any("neutral", &true);
        }
        self.time_if("time", Some(report.time));
        self.json.key("data");
        self.json.raw(&report.data.0);
        self.text_if("error", report.error.as_deref());
        self.json.close(b'}');
    }

    fn facts_of(&mut self, node: &Node<'_>, content: &Content) {
        let row = node.row;
        self.json.open_line(b'{');
        let kind = match row.kind {
            NodeKind::Job => "job",
            NodeKind::Run => "run",
            NodeKind::Test => "test",
            NodeKind::Section => "section",
        };
        self.text("kind", kind);
        self.json.key("id");
        self.json.any(&format_args!("{}", row.id));
        if !row.r#type.is_empty() {
            self.text("type", &row.r#type);
        }
        self.text("name", &row.name);
        match row.kind {
            NodeKind::Run => self.any("run", &row.index),
            NodeKind::Test => {
                self.any("index", &row.index);
                self.any("attempt", &row.attempt);
            }
            _ => {}
        }
        match row.outcome {
            Some(outcome) => self.text("outcome", outcome.as_str()),
            None => self.any("outcome", &()),
        }
        if row.kind == NodeKind::Run {
            self.any("verdict", &node.verdict);
        }
        if !row.reason.is_empty() {
            self.text("reason", node.reason(content));
        }
        self.flags(node);
        self.time_if("started", row.started);
        self.time_if("stopped", row.stopped);
        if let Some(nanos) = row.duration() {
            self.json.key("duration");
            self.json.seconds(nanos);
        }
        self.counts(&row.counts);
        if row.key != 0 && row.kind != NodeKind::Run {
            self.json.key("key");
            self.json.any(&format_args!("{:016x}", row.key));
        }
        self.content(content);
    }

    /// Only what is there: most sections have few outcomes below them, or none.
    fn counts(&mut self, counts: &Counts) {
        if counts.total() == 0 {
            return;
        }
        self.json.key("counts");
        self.json.open(b'{');
        for outcome in Outcome::ALL.into_iter().filter(|o| counts.of(*o) > 0) {
            self.any(outcome.as_str(), &counts.of(outcome));
        }
        if counts.without() > 0 {
            self.any("none", &counts.without());
        }
        self.any("total", &counts.total());
        self.json.close(b'}');
    }

    fn flags(&mut self, node: &Node<'_>) {
        let flags = flag_words(node.row);
        if !flags.is_empty() {
            self.any("flags", &flags);
        }
        if let Some(planned) = node.row.planned {
            self.any("planned", &planned);
            self.any("seen", &node.row.seen);
        }
    }
}

pub(crate) fn stream_word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Log => "log",
    }
}

/// What is special about a node, in words.
pub(crate) fn flag_words(row: &NodeRow) -> Vec<&'static str> {
    const WORDS: [(Flags, &str); 8] = [
        (Flags::ANNOUNCED, "announced"),
        (Flags::NEVER_ENDED, "never_ended"),
        (Flags::ORPHAN, "orphan"),
        (Flags::REMOVED, "removed"),
        (Flags::RETRIED, "retried"),
        (Flags::CLEANUP, "cleanup"),
        (Flags::NO_ROLLUP, "no_rollup"),
        (Flags::ASIDE, "aside"),
    ];
    let mut words: Vec<&str> =
        WORDS.iter().filter(|(flag, _)| row.flags.has(*flag)).map(|(_, word)| *word).collect();
    if row.is_open() {
        words.push("open");
    }
    words
}

impl Visitor for JsonReport<'_> {
    fn begin(&mut self, facts: &Facts) -> io::Result<()> {
        self.json.open(b'{');
        self.text("schema", SCHEMA);
        self.any("version", &VERSION);
        self.json.key("generator");
        self.json.open(b'{');
        self.text("name", "oyez");
        self.text("version", env!("CARGO_PKG_VERSION"));
        self.json.close(b'}');
        self.job(facts);
        match facts.job.outcome {
            Some(outcome) => self.text("outcome", outcome.as_str()),
            None => self.any("outcome", &()),
        }
        self.any("verdict", &facts.job.verdict);
        self.text("complete", facts.job.complete.as_str());
        self.any("gaps", &facts.job.complete.gaps());
        self.json.key("counts");
        self.json.open(b'{');
        self.any("cases", &facts.job.counts);
        self.any("tests", &facts.tests);
        self.json.close(b'}');
        self.reports(facts);
        self.json.key("children");
        self.json.open(b'[');
        self.json.out.settle()
    }

    fn enter(&mut self, node: &Node<'_>, content: &Content) -> io::Result<()> {
        self.facts_of(node, content);
        if node.depth > MAX_NESTED {
            self.json.key("parent");
            self.json.any(&format_args!("{}", node.row.parent));
            self.any("level", &node.depth);
            self.json.close(b'}');
        } else if node.row.child_count() > 0 {
            self.json.key(if node.depth == MAX_NESTED { "deeper" } else { "children" });
            self.json.open(b'[');
        }
        self.json.out.settle()
    }

    fn leave(&mut self, node: &Node<'_>) -> io::Result<()> {
        if node.depth <= MAX_NESTED {
            if node.row.child_count() > 0 {
                self.json.close(b']');
            }
            self.json.close(b'}');
        }
        Ok(())
    }

    fn end(&mut self, _: &Facts) -> io::Result<()> {
        self.json.close(b']');
        self.json.close(b'}');
        self.json.out.text("\n");
        self.json.out.finish()
    }
}
