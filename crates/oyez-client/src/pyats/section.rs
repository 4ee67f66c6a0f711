//! What `get_section` and `get_testsuite` say.

use oyez_model::{Time, Value};

use super::TestResult;
use super::field::{Fields, LogPlace};

/// The test suite, a task, a plugin or a section, as it stands now (specs/pyats.md section 2).
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// `TestSuite`, `Task`, or what its reporter called it: `Testcase`, `Step`, ...
    pub kind: String,
    /// Its number among all objects of the report, from 1.
    pub seq_num: u64,
    /// Its id among its siblings.
    pub id: String,
    /// The ids from its task down, joined by dots.
    pub full_id: String,
    /// The ids from its task down: what the call takes to find it again.
    pub path: Vec<String>,
    /// Its name.
    pub name: String,
    /// When it started; `None`: not yet.
    pub started: Option<Time>,
    /// When it stopped; `None`: not yet.
    pub stopped: Option<Time>,
    /// How long it took, in seconds.
    pub runtime: Option<f64>,
    /// How it ended, or what its children have rolled up so far.
    pub result: Option<TestResult>,
    /// The ids of its children, in order.
    pub children: Vec<String>,
    /// Remarks.
    pub details: Vec<Value>,
    /// Its place in a log.
    pub log: Option<LogPlace>,
    /// All that was said, as it was said.
    pub raw: Value,
}

impl Section {
    /// `None` if it is no map of a section.
    pub(super) fn from_value(raw: Value) -> Option<Section> {
        let fields = Fields(&raw);
        let mut children = fields.texts("tasks");
        children.append(&mut fields.texts("sections"));
        Some(Section {
            kind: fields.text("type")?,
            seq_num: fields.number("seq_num")?,
            id: fields.text("id")?,
            full_id: fields.text("fullid").unwrap_or_default(),
            path: fields.texts("idlist"),
            name: fields.text("name").unwrap_or_default(),
            started: fields.time("starttime"),
            stopped: fields.time("stoptime"),
            runtime: fields.seconds("runtime"),
            result: fields.get("result").and_then(TestResult::from_value),
            children,
            details: fields.items("details").to_vec(),
            log: fields.log(),
            raw,
        })
    }
}
