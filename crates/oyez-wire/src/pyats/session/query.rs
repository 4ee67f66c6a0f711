//! `get_section` and its like, and what subscribers are told.

use oyez_model::Value;

use super::argument::{Arguments, class_of, is_true};
use super::dispatch::Answer;
use super::{CallError, Session};
use crate::pyats::objects::{self, text_of_id};
use crate::pyats::repr;
use crate::pyats::tree::{Field, Ix, Logs, Tree};

impl Session {
    pub(super) fn get_section(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        Ok(self.asked_for(client, arguments)?.map_or(Value::Null, |ix| described(&self.tree, ix)))
    }

    pub(super) fn get_section_ctx(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        self.turn.object = self.asked_for(client, arguments)?;
        Ok(Value::Null)
    }

    pub(super) fn get_testsuite(&mut self) -> Answer {
        Ok(self.tree.suite().map_or(Value::Null, |suite| described(&self.tree, suite)))
    }

    fn asked_for(&self, client: u64, arguments: Arguments<'_>) -> Result<Option<Ix>, CallError> {
        match arguments.get("id_list").filter(|list| is_true(list)) {
            Some(list) => self.find(list).map(Some),
            None => Ok(self.context(client)),
        }
    }

    /// The node at the end of a list of ids, task first.
    pub(super) fn find(&self, list: &Value) -> Result<Ix, CallError> {
        let Some(path) = ids(list) else {
            return Err(CallError::type_error(format!("'{}' object is not subscriptable", class_of(list))));
        };
        let mut at = self.tree.suite();
        for (i, id) in path.iter().enumerate() {
            let next = at.and_then(|ix| self.tree.child(ix, id));
            if next.is_none() {
                let suite = || at.map(|suite| Value::text(self.tree.node(suite).id.clone()));
                let far = match (i, list) {
                    (0, _) => Value::List(suite().into_iter().collect()),
                    (_, Value::List(items)) => Value::List(items[..i].to_vec()),
                    (_, Value::Tuple(items)) => Value::Tuple(items[..i].to_vec()),
                    _ => Value::Text(path[..i].concat()),
                };
                let last = match list {
                    Value::List(items) | Value::Tuple(items) => items.last().cloned(),
                    _ => path.last().map(|id| Value::text(id.clone())),
                };
                return Err(CallError::key(format!(
                    "Section {} not found in TestSuite. Tried to find {}, got as far as {}",
                    repr::repr(&last.unwrap_or(Value::Null)),
                    repr::repr(list),
                    repr::repr(&far),
                )));
            }
            at = next;
        }
        at.ok_or_else(|| CallError::invalid("There is no TestSuite"))
    }
}

/// The ids of an `id_list`; none when it is not a list.
pub(super) fn ids(list: &Value) -> Option<Vec<String>> {
    match list {
        Value::List(items) | Value::Tuple(items) => Some(items.iter().map(text_of_id).collect()),
        // Python takes a text for a list of its characters.
        Value::Text(text) => Some(text.chars().map(String::from).collect()),
        _ => None,
    }
}

/// What `get_section` says of an object.
#[must_use]
pub fn described(tree: &Tree, ix: Ix) -> Value {
    let mut pairs = Vec::with_capacity(32);
    tree.fields(ix, |key, field| pairs.push((Value::text(key), value(tree, ix, &field))));
    Value::Map(pairs)
}

pub(super) fn value(tree: &Tree, ix: Ix, field: &Field<'_>) -> Value {
    let ids = |path: &[Ix]| Value::List(path.iter().map(|at| id_of(tree, *at)).collect());
    match field {
        Field::Nothing => Value::Null,
        Field::Text(text) => Value::text(*text),
        Field::Value(value) => value.clone().into_owned(),
        Field::FullId => Value::Text(tree.full_id(ix)),
        Field::Ids(path) => ids(path),
        Field::Time(nanos) => objects::datetime(*nanos, tree.zone()),
        Field::Seconds(seconds) => Value::Float(*seconds),
        Field::Result(result) => objects::result(result),
        Field::Counter(counter) => objects::counter_object(counter),
        Field::List(items) => Value::List(items.to_vec()),
        Field::Map(pairs) => Value::Map(pairs.to_vec()),
        Field::Logs(logs) => Value::Map(logs.map_or_else(Vec::new, |logs| places(logs, true))),
        Field::Children(children) => ids(children),
        Field::Int(n) => Value::Int(n.cast_signed()),
    }
}

fn id_of(tree: &Tree, ix: Ix) -> Value {
    let node = tree.node(ix);
    node.said("id").cloned().unwrap_or_else(|| Value::text(node.id.clone()))
}

fn places(logs: &Logs, lines: bool) -> Vec<(Value, Value)> {
    let mut pairs = vec![
        (Value::text("file"), Value::text(&*logs.file)),
        (Value::text("begin"), Value::Int(logs.begin.cast_signed())),
    ];
    let mut more = |key: &str, n: Option<u64>| {
        if let Some(n) = n {
            pairs.push((Value::text(key), Value::Int(n.cast_signed())));
        }
    };
    if lines {
        more("begin_lines", logs.begin_lines);
    }
    more("size", logs.size);
    if lines {
        more("size_lines", logs.size_lines);
    }
    pairs
}

/// What a subscriber is told: the keys that exist, in pyATS's order (specs/pyats.md section 3).
#[must_use]
pub fn pushed(tree: &Tree, event: &'static str, ix: Ix) -> Value {
    let node = tree.node(ix);
    let mut pairs = Vec::with_capacity(16);
    let mut put = |key: &str, v: Value| {
        if v != Value::Null {
            pairs.push((Value::text(key), v));
        }
    };
    for key in
        ["type", "seq_num", "id", "fullid", "idlist", "name", "starttime", "stoptime", "runtime", "result"]
    {
        if key == "seq_num" {
            put(key, Value::Int(node.seq.cast_signed()));
        } else if let Some(field) = tree.field(ix, key) {
            put(key, value(tree, ix, &field));
        }
    }
    if let Some(path) = node.attribute("logfile") {
        put("logfile", path.into_owned());
    }
    if let Some(xref) = node.attribute("xref") {
        put("xref", xref.into_owned());
    }
    put("event", Value::text(event));
    if let Some(parent) = node.parent {
        put("parent_seq_num", Value::Int(tree.node(parent).seq.cast_signed()));
    }
    if let Some(logs) = &node.logs {
        put("logs", Value::Map(places(logs, false)));
    }
    Value::Map(pairs)
}
