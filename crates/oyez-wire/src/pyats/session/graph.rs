//! `get_section_ctx`: an object with all that it is connected to, as pyATS's own server pickles it.

use std::borrow::Cow;

use oyez_model::Value;
use rustc_hash::FxHashMap;

use super::query::value;
use crate::pyats::pickle::Writer;
use crate::pyats::tree::{Ix, Kind, Tree};

enum Step {
    /// An object, or a reference to it when it is being written or has been.
    Object(Ix),
    /// The value of a key, then its place in the object's state.
    Key(&'static str, Value),
    /// The key of a list of objects.
    Open(&'static str),
    /// The end of such a list.
    Close,
    /// The key of one object.
    Named(&'static str),
    /// The end of an object.
    End,
}

/// Appends the pickle of an object: its parents and children are objects too, and refer to each other.
pub fn write_object(tree: &Tree, ix: Ix, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    let mut known: FxHashMap<Ix, u32> = FxHashMap::default();
    // A stack of what is still to be written, so that deep trees cost no stack of ours.
    let mut todo = vec![Step::Object(ix)];
    while let Some(step) = todo.pop() {
        match step {
            Step::Object(ix) => match known.get(&ix) {
                Some(number) => writer.get(*number),
                None => {
                    writer.global("pyats.reporter.testsuite", tree.node(ix).kind.class());
                    writer.empty_tuple();
                    writer.new_object();
                    known.insert(ix, writer.memoize());
                    writer.dict();
                    writer.mark();
                    todo.push(Step::End);
                    todo.extend(state(tree, ix).into_iter().rev());
                }
            },
            Step::Key(key, value) => {
                writer.text(key);
                writer.value(&value);
            }
            Step::Open(key) => {
                writer.text(key);
                writer.list();
                writer.mark();
            }
            Step::Close => writer.append_items(),
            Step::Named(key) => writer.text(key),
            Step::End => {
                writer.set_items();
                writer.build();
            }
        }
    }
    writer.finish();
}

/// What stands in the object, in pyATS's order.
fn state(tree: &Tree, ix: Ix) -> Vec<Step> {
    let node = tree.node(ix);
    let mut steps = Vec::with_capacity(32);
    let field = |key: &'static str| {
        Step::Key(key, tree.field(ix, key).map_or(Value::Null, |field| value(tree, ix, &field)))
    };
    steps.extend([field("type"), field("id")]);
    steps.push(Step::Key("seq_num", Value::Int(node.seq.cast_signed())));
    match node.parent {
        Some(parent) => steps.extend([Step::Named("_parent"), Step::Object(parent)]),
        None => steps.push(Step::Key("_parent", Value::Null)),
    }
    steps.extend(["name", "starttime", "stoptime", "runtime"].map(field));
    let rolled_up = if node.stopped.is_some() { Value::Bool(node.rolled_up) } else { Value::Null };
    steps.push(Step::Key("result_rollup", rolled_up));
    steps.extend(["details", "extra"].map(field));
    let more: &[&'static str] = match node.kind {
        Kind::Suite => &["summary", "pluginsummary", "totaltasks"],
        Kind::Task => &["logfile", "summary", "pluginsummary"],
        Kind::Section => &["result", "logs"],
        Kind::Plugin => &["result", "summary", "logs"],
    };
    steps.extend(more.iter().copied().map(field));
    steps.extend(["health_result", "health_summary"].map(field));
    if node.kind == Kind::Section {
        steps.push(Step::Key("logfile", node.attribute("logfile").map_or(Value::Null, Cow::into_owned)));
    }
    if let Some(said) = node.totals.as_ref().and_then(|totals| totals.said.as_ref()) {
        steps.push(Step::Key("_result", crate::pyats::objects::result(said)));
    }
    let set =
        ["type", "id", "name", "summary", "pluginsummary", "logs", "totaltasks", "health_summary", "logfile"];
    for (key, value) in &node.attributes {
        if !set.contains(key) {
            steps.push(Step::Key(key, value.clone()));
        }
    }
    if let Some(xref) = node.attribute("xref").filter(|_| node.xref.is_some()) {
        steps.push(Step::Key("xref", xref.into_owned()));
    }
    if node.kind == Kind::Plugin
        && let Some(path) = node.attribute("logfile")
    {
        steps.push(Step::Key("logfile", path.into_owned()));
    }
    steps.push(Step::Open(if node.kind == Kind::Suite { "tasks" } else { "sections" }));
    steps.extend(node.children.iter().copied().map(Step::Object));
    steps.push(Step::Close);
    steps
}
