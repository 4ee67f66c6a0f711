//! An object of the report key by key, in pyATS's order.

use oyez_model::Value;

use super::{Counter, Ix, Kind, Logs, Tree, Verdict};

/// The value of a key.
#[derive(Clone, Debug)]
pub enum Field<'a> {
    /// There, and empty.
    Nothing,
    /// A text.
    Text(&'a str),
    /// Whatever a client said.
    Value(&'a Value),
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

const ZERO: Value = Value::Int(0);

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
            to("logfile", node.attribute("logfile").map_or(Field::Nothing, Field::Value));
        }
    }

    /// One key of an object; none when it does not have it.
    #[must_use]
    pub fn field(&self, ix: Ix, key: &str) -> Option<Field<'_>> {
        let node = self.node(ix);
        let totals = node.totals.as_deref();
        let or_nothing = |field: Option<Field<'static>>| Some(field.unwrap_or(Field::Nothing));
        match key {
            "type" => match node.attribute("type") {
                Some(value) => Some(Field::Value(value)),
                None => Some(Field::Text(node.kind.class())),
            },
            "id" => match node.attribute("id") {
                Some(value) => Some(Field::Value(value)),
                None => Some(Field::Text(&node.id)),
            },
            "name" => match node.attribute("name").or_else(|| node.attribute("id")) {
                Some(value) => Some(Field::Value(value)),
                None => Some(Field::Text(&node.id)),
            },
            "fullid" => Some(Field::FullId),
            "idlist" => Some(Field::Ids(self.path(ix))),
            "starttime" => or_nothing(node.started.map(Field::Time)),
            "stoptime" => or_nothing(node.stopped.map(Field::Time)),
            "runtime" => or_nothing(node.runtime.map(Field::Seconds)),
            "summary" => match (node.attribute("summary"), totals) {
                (Some(said), _) => Some(Field::Value(said)),
                (None, Some(totals)) => or_nothing(totals.summary.map(Field::Counter)),
                (None, None) => None,
            },
            "pluginsummary" => match node.attribute("pluginsummary") {
                Some(said) => Some(Field::Value(said)),
                None => totals.map(|totals| Field::Counter(totals.pluginsummary)),
            },
            "result" => or_nothing(node.verdict().map(Field::Result)),
            "details" => Some(Field::List(&node.details)),
            "extra" => Some(Field::Map(&node.extra)),
            "logs" => match node.attribute("logs") {
                Some(said) => Some(Field::Value(said)),
                None => Some(Field::Logs(node.logs.as_deref())),
            },
            "totaltasks" => Some(Field::Value(node.attribute("totaltasks").unwrap_or(&ZERO))),
            "tasks" | "sections" => Some(Field::Children(&node.children)),
            "health_result" => or_nothing(node.health.clone().map(Field::Result)),
            "health_summary" => match node.attribute("health_summary") {
                Some(said) => Some(Field::Value(said)),
                None => Some(Field::Counter(node.health_counts())),
            },
            "logfile" if node.kind == Kind::Task => {
                Some(node.attribute("logfile").map_or(Field::Nothing, Field::Value))
            }
            _ => node.attribute(key).map(Field::Value),
        }
    }
}
