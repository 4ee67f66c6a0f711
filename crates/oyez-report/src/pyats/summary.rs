//! `ResultsSummary.xml`: the suite's counters and where it ran.

use std::io::{self, Write};

use oyez_wire::pyats::tree::Tree;

use super::clock::Clock;
use super::markup::{Markup, attribute, counts, name, push_attribute, text_attribute};
use super::python::push_float;

pub(super) fn write(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    let mut xml = Markup::new(to);
    let Some(suite) = tree.suite() else {
        xml.empty(&["jobSummary"]);
        return xml.finish();
    };
    let node = tree.node(suite);
    let clock = Clock::new(tree.zone());
    let counter = counts(tree, suite);

    let mut root = b"jobSummary archiveFilename=\"".to_vec();
    push_attribute(&mut root, &text_attribute(tree, suite, "archivefile"));
    root.extend_from_slice(b"\" atsTreePath=\"");
    push_attribute(&mut root, &text_attribute(tree, suite, "pyatspath"));
    root.push(b'"');
    xml.open(&String::from_utf8_lossy(&root));
    xml.leaf("jobName", &name(tree, suite));
    xml.empty(&["image"]);
    let [passed, passx, failed, errored, aborted, blocked, skipped] = counter.of;
    let numbers = [
        ("aborted", aborted),
        ("passed", passed),
        ("passx", passx),
        ("failed", failed),
        ("blocked", blocked),
        ("skipped", skipped),
        ("errored", errored),
        ("unknown", 0),
        ("never_ran", 0),
        ("total", counter.total()),
    ];
    numbers.iter().for_each(|(tag, n)| xml.display(tag, n));
    xml.leaf_with("success_rate", |out| push_float(out, counter.success_rate()));
    for (tag, time) in [("starttime", node.started), ("stoptime", node.stopped)] {
        xml.leaf_with(tag, |out| {
            if let Some(time) = time {
                clock.push_short(out, time);
            }
        });
    }
    xml.leaf_with("runtime", |out| clock.push_runtime(out, node.started, node.stopped));
    xml.empty(&["testbed", "release"]);
    for tag in ["submitter", "user"] {
        xml.leaf(tag, &attribute(tree, suite, tag));
    }
    xml.display("debugProfile", 0);
    xml.leaf("host", &text_attribute(tree, suite, "host"));
    xml.close("jobSummary");
    xml.finish()
}
