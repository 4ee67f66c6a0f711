//! `ResultsDetails.xml`: the sections of the report in the words of pyATS's forerunner. What an element is called follows
//! from where its section stands; types count for common sections only, ids for `setup` and `cleanup`.

use std::io::{self, Write};

use oyez_model::Value;
use oyez_wire::pyats::repr;
use oyez_wire::pyats::tree::{Ix, Tree};

use super::clock::Clock;
use super::markup::{Markup, attribute, counts, name, push_attribute, push_text, text_attribute, text_of};
use super::python::push_float;

/// What a section is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Script,
    /// A common section: its element and what is below it.
    Common(&'static str),
    SubSection,
    Testcase,
    /// Of a test case.
    Section(&'static str),
    Step,
}

impl Role {
    const fn tag(self) -> &'static str {
        match self {
            Role::Script => "testscript",
            Role::Common(tag) | Role::Section(tag) => tag,
            Role::SubSection => "subSection",
            Role::Testcase => "testcase",
            Role::Step => "step",
        }
    }

    /// What a section below it is.
    fn below(self, tree: &Tree, ix: Ix) -> Role {
        let node = tree.node(ix);
        match self {
            Role::Script => match node.shown_type() {
                "CommonSetup" => Role::Common("commonSetup"),
                "CommonCleanup" => Role::Common("commonCleanup"),
                _ => Role::Testcase,
            },
            Role::Common(_) => Role::SubSection,
            Role::Testcase => Role::Section(match node.id.as_str() {
                "setup" => "setup",
                "cleanup" => "cleanup",
                _ => "section",
            }),
            Role::SubSection | Role::Section(_) | Role::Step => Role::Step,
        }
    }
}

struct Report<'t, 'w> {
    tree: &'t Tree,
    clock: Clock,
    xml: Markup<'w>,
    open: Vec<Open>,
}

/// A section that is begun.
struct Open {
    ix: Ix,
    role: Role,
    /// Its next child.
    next: usize,
    /// How often its children have been gone through: a script's common setup comes first and its common cleanup last,
    /// wherever they stood.
    turn: usize,
}

impl Open {
    fn next_child(&mut self, tree: &Tree) -> Option<(Ix, Role)> {
        let children = &tree.node(self.ix).children;
        let turns = if self.role == Role::Script { 3 } else { 1 };
        while self.turn < turns {
            while let Some(&child) = children.get(self.next) {
                self.next += 1;
                let role = self.role.below(tree, child);
                let turn = match role {
                    Role::Common("commonSetup") => 0,
                    Role::Common(_) => 2,
                    Role::Testcase => 1,
                    _ => 0,
                };
                if turn == self.turn {
                    return Some((child, role));
                }
            }
            (self.turn, self.next) = (self.turn + 1, 0);
        }
        None
    }
}

pub(super) fn write(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    let mut report = Report { tree, clock: Clock::new(tree.zone()), xml: Markup::new(to), open: Vec::new() };
    report.xml.open(concat!(
        "aereport xmlns=\"http://wwwin-ats.cisco.com/xml/schema/aereport\" ",
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" ",
        "xmlns:schemaLocation=\"http://wwwin-ats.cisco.com/xml/schema/aereport.xsd\"",
    ));
    if let Some(suite) = tree.suite() {
        report.suite(suite)?;
    }
    report.xml.close("aereport");
    report.xml.finish()
}

impl Report<'_, '_> {
    fn suite(&mut self, ix: Ix) -> io::Result<()> {
        let tree = self.tree;
        self.xml.open("testsuite");
        self.time("starttime", tree.node(ix).started);
        self.suite_facts(ix);
        self.xml.open("jobexecution");
        self.time("starttime", tree.node(ix).started);
        self.xml.empty(&["runinfo"]);
        for &child in &tree.node(ix).children {
            self.all(child)?;
        }
        self.xml.empty(&["result mode=\"auto\""]);
        self.time("stoptime", tree.node(ix).stopped);
        self.runtime(ix);
        self.xml.close("jobexecution");
        self.xml.open("tims bgPost=\"False\"");
        self.xml.empty(&["dnsname"]);
        self.xml.open("post");
        self.xml.empty(&["status", "cmd"]);
        self.xml.close("post");
        self.xml.close("tims");
        self.details(ix);
        self.xml.leaf("archivefile", &text_attribute(tree, ix, "archivefile"));
        self.time("stoptime", tree.node(ix).stopped);
        self.runtime(ix);
        self.summary(ix);
        self.xml.close("testsuite");
        Ok(())
    }

    fn suite_facts(&mut self, ix: Ix) {
        let (tree, xml) = (self.tree, &mut self.xml);
        xml.open("initinfo");
        xml.leaf("name", &name(tree, ix));
        xml.open("params");
        xml.leaf("cli", &text_attribute(tree, ix, "cli"));
        xml.empty(&["mailto"]);
        xml.open("report");
        xml.empty(&["type"]);
        for (tag, n) in
            [("sort", 0), ("outofrange", 0), ("uniquesuites", 0), ("count_common_result_summary", 1)]
        {
            xml.display(tag, n);
        }
        xml.empty(&["sem"]);
        xml.close("report");
        xml.display("rerun", 0);
        xml.leaf("cleantype", "easyclean");
        xml.display("uniquetid", 0);
        xml.open("max");
        xml.display("errors", 10);
        xml.display("jobs", -1);
        xml.close("max");
        xml.empty(&["reason", "tidRange"]);
        xml.close("params");
        xml.leaf("jobid", &tree.node(ix).id);
        xml.open("ats");
        xml.leaf("path", &text_attribute(tree, ix, "pyatspath"));
        xml.leaf("version", &text_attribute(tree, ix, "pyatsversion"));
        xml.close("ats");
        xml.empty(&["CONFIG"]);
        let host = text_attribute(tree, ix, "host");
        if !host.is_empty() {
            xml.leaf("host", &host);
        }
        xml.empty(&["owner"]);
        for tag in ["submitter", "user"] {
            xml.leaf(tag, &attribute(tree, ix, tag));
        }
        xml.empty(&[
            "topology",
            "logfile begin=\"0\" size=\"-1\"",
            "tbautoselect",
            "release",
            "image",
            "testbed",
        ]);
        xml.close("initinfo");
    }

    // No recursion: a tree may be deeper than a stack.
    fn all(&mut self, script: Ix) -> io::Result<()> {
        self.begin(script, Role::Script);
        loop {
            let deep = self.open.len() + 1 >= super::DEEPEST;
            let Some(open) = self.open.last_mut() else { return Ok(()) };
            let (ix, role) = (open.ix, open.role);
            let next = if deep { None } else { open.next_child(self.tree) };
            match next {
                Some((child, role)) => self.begin(child, role),
                None => {
                    self.end(ix, role);
                    self.open.pop();
                }
            }
            self.xml.out.settle()?;
        }
    }

    /// What stands before a section's children.
    fn begin(&mut self, ix: Ix, role: Role) {
        self.open.push(Open { ix, role, next: 0, turn: 0 });
        let tree = self.tree;
        let node = tree.node(ix);
        self.xml.open(role.tag());
        if role != Role::Step {
            self.time("starttime", node.started);
        }
        match role {
            Role::Script => self.script_facts(ix),
            Role::Testcase => {
                self.xml.open("initinfo");
                self.id(ix);
                self.xml.leaf("name", &name(tree, ix));
                self.xref(ix);
                self.description(ix);
                for tag in ["swversion", "hwversion", "fwversion", "tstversion"] {
                    self.xml.leaf(tag, "None");
                }
                self.log(ix);
                self.xml.close("initinfo");
            }
            Role::Common(tag) => {
                self.xml.leaf("name", tag);
                self.place(ix);
            }
            Role::Section(_) => {
                self.xml.leaf("name", &node.id);
                self.place(ix);
            }
            Role::SubSection => {
                self.xref(ix);
                self.id(ix);
                self.xml.leaf("name", &name(tree, ix));
                self.description(ix);
                self.log(ix);
            }
            Role::Step => {
                self.xml.leaf("name", &name(tree, ix));
                self.xml.leaf("id", &node.id);
                self.step_extra(ix, "index");
                self.description(ix);
                self.step_extra(ix, "continue_");
                self.time("starttime", node.started);
                self.xref(ix);
                self.log(ix);
            }
        }
        self.details(ix);
        if !matches!(role, Role::Script | Role::Testcase) {
            self.end_of_run(ix, role);
        }
        if role == Role::Step {
            self.extra(ix, true);
        }
    }

    /// What stands after a section's children.
    fn end(&mut self, ix: Ix, role: Role) {
        let node = self.tree.node(ix);
        match role {
            Role::Script => {
                self.time("stoptime", node.stopped);
                if node.started.is_some() && node.stopped.is_some() {
                    self.runtime(ix);
                }
                self.summary(ix);
            }
            Role::Testcase => self.end_of_run(ix, role),
            Role::SubSection => self.extra(ix, false),
            Role::Common(_) | Role::Section(_) | Role::Step => {}
        }
        self.xml.close(role.tag());
    }

    fn end_of_run(&mut self, ix: Ix, role: Role) {
        let node = self.tree.node(ix);
        let word = self.tree.node(ix).verdict().map_or("", |verdict| verdict.outcome.as_str());
        self.xml.leaf("result mode=\"auto\"", word);
        self.time("stoptime", node.stopped);
        if role == Role::SubSection || node.started.is_some() && node.stopped.is_some() {
            self.runtime(ix);
        }
    }

    fn script_facts(&mut self, ix: Ix) {
        let (tree, xml) = (self.tree, &mut self.xml);
        xml.open("initinfo");
        let script = text_attribute(tree, ix, "testscript");
        let (path, file) = match script.rsplit_once('/') {
            // As Python splits paths: the root stays.
            Some((path, file)) if path.trim_end_matches('/').is_empty() => (&script[..=path.len()], file),
            Some((path, file)) => (path.trim_end_matches('/'), file),
            None => ("", script.as_str()),
        };
        xml.open("script");
        xml.leaf("name", file);
        xml.leaf("path", path);
        xml.close("script");
        let parameters = tree.node(ix).attribute("parameters").filter(|p| super::python::is_true(p));
        xml.leaf_with("pargs", |out| {
            if let Some(parameters) = parameters {
                push_text(out, &repr::plain(&parameters));
            }
        });
        xml.leaf("taskid", &tree.node(ix).id);
        xml.leaf("description", &text_attribute(tree, ix, "description"));
        let log = text_attribute(tree, ix, "logfile");
        xml.leaf("logfile begin=\"0\" size=\"-1\"", log.rsplit('/').next().unwrap_or_default());
        xml.close("initinfo");
    }

    /// Description, place in the source, place in the log.
    fn place(&mut self, ix: Ix) {
        self.description(ix);
        self.xref(ix);
        self.log(ix);
    }

    fn description(&mut self, ix: Ix) {
        let text = text_attribute(self.tree, ix, "description");
        self.xml.leaf("description", &text);
    }

    fn id(&mut self, ix: Ix) {
        let id = &self.tree.node(ix).id;
        let mut tag = b"id name=\"".to_vec();
        push_attribute(&mut tag, id);
        tag.extend_from_slice(b"\" md5=\"\"");
        self.xml.open(&String::from_utf8_lossy(&tag));
        self.xml.leaf("tc", id);
        self.xml.close("id");
    }

    fn xref(&mut self, ix: Ix) {
        let said = self.tree.node(ix).attribute("xref");
        let xref = said.as_deref();
        let (file, line) = (xref.and_then(|x| x.get("file")), xref.and_then(|x| x.get("line")));
        if let (Some(Value::Null), Some(Value::Null)) = (file, line) {
            return self.xml.empty(&["xref"]);
        }
        self.xml.open("xref");
        if file != Some(&Value::Null) {
            self.xml.leaf("file", &text_of(file));
        }
        match line {
            None => self.xml.display("line", -1),
            Some(Value::Null) => {}
            line => self.xml.leaf("line", &text_of(line)),
        }
        self.xml.close("xref");
    }

    fn log(&mut self, ix: Ix) {
        let node = self.tree.node(ix);
        let said = node.said("logs");
        let number = |key: &str, own: Option<u64>| match (said.and_then(|s| s.get(key)), own) {
            (Some(value), _) => repr::plain(value),
            (None, Some(n)) => n.to_string(),
            (None, None) => "-1".to_owned(),
        };
        let own = node.logs.as_deref();
        let mut tag = b"logfile begin=\"".to_vec();
        push_attribute(&mut tag, &number("begin", own.map(|l| l.begin)));
        tag.extend_from_slice(b"\" size=\"");
        push_attribute(&mut tag, &number("size", own.and_then(|l| l.size)));
        tag.push(b'"');
        let file = match said {
            Some(said) => text_of(said.get("file")),
            None => own.map_or_else(String::new, |l| l.file.as_ref().to_owned()),
        };
        self.xml.leaf(&String::from_utf8_lossy(&tag), file.rsplit('/').next().unwrap_or_default());
    }

    fn details(&mut self, ix: Ix) {
        // The suite is above all that is open here.
        let details = super::details(self.tree, ix, self.open.len() + 1);
        if details.is_empty() {
            return self.xml.empty(&["runinfo"]);
        }
        self.xml.open("runinfo");
        for detail in details.iter() {
            match detail {
                Value::Text(text) => self.xml.leaf("diag", text),
                other => self.xml.leaf("diag", &repr::plain(other)),
            }
        }
        self.xml.close("runinfo");
    }

    /// Of a step's extras these two have elements of their own.
    fn step_extra(&mut self, ix: Ix, key: &str) {
        let said = self.tree.node(ix).extra.iter().find(|(k, _)| k.as_str() == Some(key));
        match said.map(|(_, value)| value) {
            None => self.xml.display(key, 0),
            Some(Value::Null) => {}
            value => self.xml.leaf(key, &text_of(value)),
        }
    }

    fn extra(&mut self, ix: Ix, of_step: bool) {
        let extra = &self.tree.node(ix).extra;
        let own = |key: &Value| of_step && matches!(key.as_str(), Some("index" | "continue_"));
        if extra.iter().all(|(key, _)| own(key)) {
            return self.xml.leaf("extra", "{}");
        }
        let pairs = extra.iter().filter(|(key, _)| !own(key)).cloned().collect();
        self.xml.leaf("extra", &repr::repr(&Value::Map(pairs)));
    }

    fn time(&mut self, tag: &str, time: Option<i64>) {
        if let Some(time) = time {
            self.xml.leaf_with(tag, |out| self.clock.push_short(out, time));
        }
    }

    fn runtime(&mut self, ix: Ix) {
        let node = self.tree.node(ix);
        self.xml.leaf_with("runtime", |out| self.clock.push_runtime(out, node.started, node.stopped));
    }

    fn summary(&mut self, ix: Ix) {
        let counter = counts(self.tree, ix);
        let [passed, passx, failed, errored, aborted, blocked, skipped] = counter.of;
        let numbers = [
            ("abort", aborted),
            ("pass", passed),
            ("passx", passx),
            ("fail", failed),
            ("block", blocked),
            ("skip", skipped),
            ("error", errored),
            ("never_ran", 0),
            ("unknown", 0),
            ("total", counter.total()),
        ];
        self.xml.open("summary");
        numbers.iter().for_each(|(tag, n)| self.xml.display(tag, n));
        self.xml.leaf_with("success_rate", |out| push_float(out, counter.success_rate()));
        self.xml.close("summary");
    }
}
