//! An object of the report key by key, in pyATS's order.

use std::borrow::Cow;

use oyez_model::Value;

use super::{Counter, Ix, Kind, Logs, Node, Tree, Verdict};

/// The value of a key.
#[derive(Clone, Debug)]
pub enum Field<'a> {
    /// There, and empty.
    Nothing,
    /// A text.
    Text(&'a str),
    /// Whatever a client said.
    Value(Cow<'a, Value>),
    /// [`Tree::full_id`].
    FullId,
    /// Ids from the task down.
    Ids(Vec<Ix>),
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    /// Seconds.
    Seconds(f64),
    /// A result.
    Result(Verdict),
    /// Counts.
    Counter(Counter),
    /// Remarks.
    List(&'a [Value]),
    /// Extras.
    Map(&'a [(Value, Value)]),
    /// A log's place; without one, an empty map.
    Logs(Option<&'a Logs>),
    /// Its children.
    Children(&'a [Ix]),
    /// A number.
    Int(u64),
}

impl Tree {
    /// Gives `to` each key that an object has, in pyATS's order, with `seq_num` and a section's `logfile` at the end.
    pub fn fields<'a>(&'a self, ix: Ix, mut to: impl FnMut(&'static str, Field<'a>)) {
        let node = self.node(ix);
        for &key in node.kind.order() {
            if let Some(field) = self.field(ix, key) {
                to(key, field);
            }
        }
        to("seq_num", Field::Int(node.seq));
        if node.kind == Kind::Section {
            to("logfile", said(node, "logfile").unwrap_or(Field::Nothing));
        }
    }

    /// One key of an object; none when it does not have it.
    #[must_use]
    pub fn field(&self, ix: Ix, key: &str) -> Option<Field<'_>> {
        let node = self.node(ix);
        let totals = node.totals.as_deref();
        let or_nothing = |field: Option<Field<'static>>| Some(field.unwrap_or(Field::Nothing));
        match key {
            "type" => Some(said(node, key).unwrap_or(Field::Text(node.kind.class()))),
            "id" => Some(said(node, key).unwrap_or(Field::Text(&node.id))),
            "name" => Some(said(node, key).or_else(|| said(node, "id")).unwrap_or(Field::Text(&node.id))),
            "fullid" => Some(Field::FullId),
            "idlist" => Some(Field::Ids(self.path(ix))),
            "starttime" => or_nothing(node.started.map(Field::Time)),
            "stoptime" => or_nothing(node.stopped.map(Field::Time)),
            "runtime" => or_nothing(node.runtime.map(Field::Seconds)),
            "summary" => match (said(node, key), totals) {
                (Some(said), _) => Some(said),
                (None, Some(totals)) => or_nothing(totals.summary.map(Field::Counter)),
                (None, None) => None,
            },
            "pluginsummary" => match said(node, key) {
                Some(said) => Some(said),
                None => totals.map(|totals| Field::Counter(totals.pluginsummary)),
            },
            "result" => or_nothing(node.verdict().map(Field::Result)),
            "details" => Some(Field::List(&node.details)),
            "extra" => Some(Field::Map(&node.extra)),
            "logs" => match said(node, key) {
                Some(said) => Some(said),
                None => Some(Field::Logs(node.logs.as_deref())),
            },
            "totaltasks" => Some(said(node, key).unwrap_or(Field::Int(0))),
            "tasks" | "sections" => Some(Field::Children(&node.children)),
            "health_result" => or_nothing(node.health.clone().map(Field::Result)),
            "health_summary" => match said(node, key) {
                Some(said) => Some(said),
                None => Some(Field::Counter(node.health_counts())),
            },
            "logfile" if node.kind == Kind::Task => Some(said(node, key).unwrap_or(Field::Nothing)),
            _ => said(node, key),
        }
    }
}

/// What a client set.
fn said<'a>(node: &'a Node, key: &str) -> Option<Field<'a>> {
    match node.text(key) {
        Some(text) => Some(Field::Text(text)),
        None => node.attribute(key).map(Field::Value),
    }
}
