//! One object of pyATS's report: the test suite, a task, a plugin or a section.

use std::borrow::Cow;
use std::sync::Arc;

use oyez_model::{Outcome, Value};

/// Index of a node in its tree.
pub type Ix = u32;

/// Which of pyATS's four classes a node is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole job.
    Suite,
    /// One test script.
    Task,
    /// Anything below a task or a plugin.
    Section,
    /// A stage of a plugin, of the job or of a task.
    Plugin,
}

impl Kind {
    /// The keys of such an object in the order in which pyATS gives them (specs/pyats.md section 2, and the order of
    /// its own argument lists).
    #[must_use]
    pub const fn order(self) -> &'static [&'static str] {
        match self {
            Kind::Suite => &[
                "job_type",
                "suite_name",
                "type",
                "id",
                "fullid",
                "idlist",
                "name",
                "starttime",
                "stoptime",
                "runtime",
                "cli",
                "jobfile",
                "jobfile_hash",
                "xref",
                "pyatspath",
                "pyatsversion",
                "host",
                "submitter",
                "user",
                "archivefile",
                "summary",
                "pluginsummary",
                "result",
                "details",
                "extra",
                "totaltasks",
                "tasks",
                "health_result",
                "health_summary",
                "source_id",
            ],
            Kind::Task => &[
                "type",
                "id",
                "fullid",
                "idlist",
                "name",
                "script_type",
                "starttime",
                "stoptime",
                "runtime",
                "description",
                "logfile",
                "testscript",
                "testscript_hash",
                "datafile",
                "datafile_hash",
                "xref",
                "parameters",
                "summary",
                "pluginsummary",
                "result",
                "details",
                "extra",
                "sections",
                "health_result",
                "health_summary",
            ],
            Kind::Section => &[
                "type",
                "id",
                "fullid",
                "idlist",
                "tims_uid",
                "name",
                "testcase_type",
                "testcase_signature",
                "data_hash",
                "starttime",
                "stoptime",
                "runtime",
                "description",
                "xref",
                "logs",
                "parameters",
                "result",
                "details",
                "extra",
                "sections",
                "health_result",
                "health_summary",
            ],
            Kind::Plugin => &[
                "type",
                "id",
                "fullid",
                "idlist",
                "name",
                "starttime",
                "stoptime",
                "runtime",
                "description",
                "logfile",
                "logs",
                "summary",
                "result",
                "details",
                "extra",
                "sections",
                "health_result",
            ],
        }
    }

    /// The name of its class.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Kind::Suite => "TestSuite",
            Kind::Task => "Task",
            Kind::Section => "Section",
            Kind::Plugin => "Plugin",
        }
    }

    /// Whether a call's argument of this name is set on the object; any other goes to its extras.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        let hidden: &[&str] = match self {
            Kind::Suite => &["result_rollup"],
            Kind::Task => &["result_rollup"],
            Kind::Section => &["result_rollup", "logfile"],
            Kind::Plugin => &["result_rollup", "health_summary", "pluginsummary"],
        };
        self.order().contains(&name) || hidden.contains(&name)
    }
}

/// A TestResult: an outcome, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Reason and data, when there are any.
    pub why: Option<Box<(Value, Value)>>,
}

impl Verdict {
    /// An outcome without a word.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Verdict { outcome, why: None }
    }

    /// An outcome with reason and data; null is none.
    #[must_use]
    pub fn new(outcome: Outcome, reason: Value, data: Value) -> Self {
        let nothing = matches!((&reason, &data), (Value::Null, Value::Null));
        Verdict { outcome, why: (!nothing).then(|| Box::new((reason, data))) }
    }

    /// The reason; null when there is none.
    #[must_use]
    pub fn reason(&self) -> &Value {
        self.why.as_ref().map_or(&Value::Null, |why| &why.0)
    }

    /// The data; null when there are none.
    #[must_use]
    pub fn data(&self) -> &Value {
        self.why.as_ref().map_or(&Value::Null, |why| &why.1)
    }
}

/// A ResultCounter, by [`Outcome::index`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counter {
    /// How many of each.
    pub of: [u64; 7],
    /// Sums carry their total and rate along in pyATS's pickles.
    pub summed: bool,
    /// What the success rate is multiplied with: the share of the announced tasks that there are.
    pub scale: f64,
}

impl Default for Counter {
    fn default() -> Self {
        Counter { of: [0; 7], summed: false, scale: 1.0 }
    }
}

impl Counter {
    /// The names, in pyATS's order, which is the one of the outcomes' indexes.
    pub const NAMES: [&'static str; 7] =
        ["passed", "passx", "failed", "errored", "aborted", "blocked", "skipped"];

    /// One of an outcome.
    #[must_use]
    pub fn one(outcome: Outcome) -> Self {
        let mut counter = Counter::default();
        counter.add(outcome);
        counter
    }

    /// One more.
    pub fn add(&mut self, outcome: Outcome) {
        self.of[outcome.index()] += 1;
    }

    /// All of another.
    pub fn merge(&mut self, other: &Counter) {
        for (mine, theirs) in self.of.iter_mut().zip(other.of) {
            *mine = mine.saturating_add(theirs);
        }
        self.summed = true;
    }

    /// How many.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.of.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Percent of passed, passx and skipped, rounded to two places; 0 of nothing.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        let total = self.total();
        if total == 0 {
            return 0.0;
        }
        let good = self.of[0] + self.of[1] + self.of[6];
        (10_000.0 * good as f64 / total as f64 * self.scale).round() / 100.0
    }
}

/// Where a section's log stands in a file of the run's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    /// The file, relative to the run's folder.
    pub file: Arc<str>,
    /// First byte.
    pub begin: u64,
    /// First line, once counted.
    pub begin_lines: Option<u64>,
    /// Bytes, once it has stopped.
    pub size: Option<u64>,
    /// Lines, once counted.
    pub size_lines: Option<u64>,
}

/// What only few nodes have.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Cases by result; a task plugin has none until one of its sections ends.
    pub summary: Option<Counter>,
    /// The same for plugins.
    pub pluginsummary: Counter,
    /// How many children have which result now, for objects whose result is their children's.
    pub results: [u64; 7],
    /// A result that was said, which goes before that of the children.
    pub said: Option<Verdict>,
}

/// One object of the report.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its class.
    pub kind: Kind,
    /// What it hangs below.
    pub parent: Option<Ix>,
    /// Its number among all objects of the report, from 1.
    pub seq: u64,
    /// The number that events know it by.
    pub number: u64,
    /// Its id, as text.
    pub id: String,
    /// The id as its client said it, when the tree keeps it under another one because a sibling has it.
    pub asked: Option<Box<str>>,
    /// Its name, when that is a text and not its id.
    pub name: Option<Box<str>>,
    /// Its type, when that is a text and not its class.
    pub type_name: Option<Arc<str>>,
    /// The log that it names.
    pub logfile: Option<Arc<str>>,
    /// Where it is written, as CBOR: most sections have this, and as a value it would take three times the room.
    pub xref: Option<Box<[u8]>>,
    /// Everything else that a client set on it, but what stands below.
    pub attributes: Vec<(&'static str, Value)>,
    /// Nanoseconds since the Unix epoch.
    pub started: Option<i64>,
    /// Nanoseconds since the Unix epoch.
    pub stopped: Option<i64>,
    /// Seconds.
    pub runtime: Option<f64>,
    /// Its result; for suite and task see [`Totals`].
    pub result: Option<Verdict>,
    /// Whether what it held counted for its parent.
    pub rolled_up: bool,
    /// Remarks.
    pub details: Vec<Value>,
    /// What else was said of it.
    pub extra: Vec<(Value, Value)>,
    /// Its log.
    pub logs: Option<Box<Logs>>,
    /// Health checks.
    pub health: Option<Verdict>,
    /// Health checks by result.
    pub health_counter: Option<Box<Counter>>,
    /// Children, in order.
    pub children: Vec<Ix>,
    /// How many placeholders for duplicates it has.
    pub duplicates: u32,
    /// The client that opened it.
    pub owner: Option<u64>,
    /// What suites, tasks and plugins have beyond sections.
    pub totals: Option<Box<Totals>>,
    /// Taken back: it is in no report any more.
    pub removed: bool,
}

impl Node {
    /// A node with nothing but its place.
    #[must_use]
    pub fn new(kind: Kind, parent: Option<Ix>, seq: u64, number: u64, id: String) -> Self {
        let totals = (kind != Kind::Section).then(Box::<Totals>::default);
        Node {
            kind,
            parent,
            seq,
            number,
            id,
            asked: None,
            name: None,
            type_name: None,
            logfile: None,
            xref: None,
            attributes: Vec::new(),
            started: None,
            stopped: None,
            runtime: None,
            result: None,
            rolled_up: true,
            details: Vec::new(),
            extra: Vec::new(),
            logs: None,
            health: None,
            health_counter: None,
            children: Vec::new(),
            duplicates: 0,
            owner: None,
            totals,
            removed: false,
        }
    }

    /// What a client set.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, Value>> {
        if let Some(text) = self.text(name) {
            return Some(Cow::Owned(Value::text(text)));
        }
        if name == "xref"
            && let Some(bytes) = &self.xref
        {
            return minicbor::decode(bytes).ok().map(Cow::Owned);
        }
        self.said(name).map(Cow::Borrowed)
    }

    /// What a client set that has no place of its own.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// What a client set, when that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let own = match name {
            "name" => self.name.as_deref(),
            "type" => self.type_name.as_deref(),
            "logfile" => self.logfile.as_deref(),
            _ => None,
        };
        own.or_else(|| self.said(name).and_then(Value::as_str))
    }

    /// Forgets what a client set.
    pub(super) fn unset(&mut self, name: &str) {
        match name {
            "name" => self.name = None,
            "type" => self.type_name = None,
            "logfile" => self.logfile = None,
            "xref" => self.xref = None,
            _ => {}
        }
        self.attributes.retain(|(key, _)| *key != name);
    }

    /// Keeps what a client said in no place of its own.
    pub(super) fn say(&mut self, name: &'static str, value: Value) {
        match self.attributes.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => {
                // Most have one or two for ever: no room is kept for more.
                self.attributes.reserve_exact(1);
                self.attributes.push((name, value));
            }
        }
    }

    /// Its health checks by result.
    #[must_use]
    pub fn health_counts(&self) -> Counter {
        self.health_counter.as_deref().copied().unwrap_or_default()
    }

    /// Its name, as it is shown to people.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.text("name").unwrap_or(&self.id)
    }

    /// Its type: `Testcase`, `Step`, ...
    #[must_use]
    pub fn shown_type(&self) -> &str {
        self.text("type").unwrap_or(self.kind.class())
    }

    /// Its result as it is now.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match (&self.totals, self.kind) {
            (Some(totals), Kind::Suite | Kind::Task) => totals.said.clone().or_else(|| {
                let some = Outcome::ALL.into_iter().filter(|o| totals.results[o.index()] > 0);
                some.reduce(Outcome::rollup).map(Verdict::of)
            }),
            _ => self.result.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    /// 100,000 sections are to be held in less than 100 MB, everything else included.
    #[test]
    fn a_node_is_small() {
        assert!(size_of::<super::Node>() <= 352, "{}", size_of::<super::Node>());
        assert!(size_of::<oyez_model::Value>() <= 32, "{}", size_of::<oyez_model::Value>());
    }
}
