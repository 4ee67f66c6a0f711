//! pyATS's report as a tree, folded from a job's events.
//!
//! The tree is what `get_section` answers from and what the result files are written from: while a job runs in the
//! report server, and again from the journal whenever somebody asks. It is changed by events alone ([`Tree::apply`]),
//! so that a server that was killed, an import and a report all see the same. A job of another kind (an engine's, a
//! JUnit import) gives a tree as well: its tests are tasks.
//!
//! Rules of results, counters and logs: specs/pyats.md 4.3.

mod apply;
mod fields;
mod logs;
mod node;
mod rollup;

use hashbrown::HashTable;
use jiff::tz::TimeZone;
use oyez_model::value::Opaque;
use oyez_model::{SectionId, Value};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

pub(crate) use apply::{ALONE, ASKED, FOLDER, ONE, PLACEHOLDER, UPDATE, ZONE};
pub use fields::Field;
pub use logs::Piece;
pub use node::{Counter, Ix, Kind, Logs, Node, Totals, Verdict};

/// The version of pyATS's results format that this follows.
pub const RESULTS_VERSION: &str = "3.4";

/// A job as pyATS's report shows it.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    by_id: FxHashMap<SectionId, Ix>,
    by_name: HashTable<Ix>,
    suite: Option<Ix>,
    zone: TimeZone,
    files: FxHashMap<Arc<str>, ()>,
    /// By log file, the nodes that have had it: a forked child's logs move without a look at all others.
    logged: FxHashMap<Arc<str>, Vec<Ix>>,
    folder: String,
    /// Name and time of a job of another kind, until its suite is needed.
    submitted: Option<(String, i64)>,
    made: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            nodes: Vec::new(),
            by_id: FxHashMap::default(),
            by_name: HashTable::new(),
            suite: None,
            zone: TimeZone::UTC,
            files: FxHashMap::default(),
            logged: FxHashMap::default(),
            folder: String::new(),
            submitted: None,
            made: 0,
        }
    }
}

impl Tree {
    /// A tree of which nothing has been heard.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The test suite, once it has been created.
    #[must_use]
    pub fn suite(&self) -> Option<Ix> {
        self.suite
    }

    /// The node at an index that this tree gave.
    #[must_use]
    pub fn node(&self, ix: Ix) -> &Node {
        &self.nodes[ix as usize]
    }

    fn node_mut(&mut self, ix: Ix) -> &mut Node {
        &mut self.nodes[ix as usize]
    }

    /// How many nodes there have been.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing has been created.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The number that the next created node gets, in events and in the report.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.made + 1
    }

    /// The time zone that times are shown in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The run's folder: log files are shown relative to it.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// A path as reports show it: relative to the run's folder when it is inside, else its last part.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.folder.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            Some(inside) if !self.folder.is_empty() => inside,
            _ => path,
        }
    }

    /// The node that events know as `id`.
    #[must_use]
    pub fn by_id(&self, id: SectionId) -> Option<Ix> {
        self.by_id.get(&id).copied()
    }

    /// The child of this id, as text.
    #[must_use]
    pub fn child(&self, parent: Ix, id: &str) -> Option<Ix> {
        let hash = Self::hash(parent, id);
        self.by_name
            .find(hash, |&ix| {
                let node = &self.nodes[ix as usize];
                node.parent == Some(parent) && node.id == id
            })
            .copied()
    }

    /// An id that no child has yet: the asked one, else with a number.
    #[must_use]
    pub fn free_id(&self, parent: Ix, asked: &str) -> String {
        if self.child(parent, asked).is_none() {
            return asked.to_owned();
        }
        let mut n = self.node(parent).duplicates + 2;
        loop {
            let id = format!("{asked} #{n}");
            if self.child(parent, &id).is_none() {
                return id;
            }
            n += 1;
        }
    }

    /// Ids from the task down, or the suite's own, or a job plugin's own.
    #[must_use]
    pub fn path(&self, ix: Ix) -> Vec<Ix> {
        let mut path = vec![ix];
        let mut at = ix;
        while let Some(parent) = self.node(at).parent
            && Some(parent) != self.suite
        {
            path.push(parent);
            at = parent;
        }
        path.reverse();
        path
    }

    /// The ids of [`Tree::path`] joined by dots.
    #[must_use]
    pub fn full_id(&self, ix: Ix) -> String {
        let mut out = String::new();
        for at in self.path(ix) {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&self.node(at).id);
        }
        out
    }

    /// How far below a task or a job plugin: 1 for its own children.
    #[must_use]
    pub fn depth(&self, ix: Ix) -> usize {
        self.path(ix).len() - 1
    }

    fn hash(parent: Ix, id: &str) -> u64 {
        FxBuildHasher.hash_one((parent, id))
    }

    fn insert(&mut self, kind: Kind, parent: Option<Ix>, event_id: SectionId, id: String) -> Ix {
        self.made += 1;
        let ix = self.nodes.len() as Ix;
        self.nodes.push(Node::new(kind, parent, self.made, event_id.number, id));
        self.by_id.insert(event_id, ix);
        if let Some(parent) = parent {
            self.node_mut(parent).children.push(ix);
            self.index(ix);
        }
        ix
    }

    fn index(&mut self, ix: Ix) {
        let nodes = &self.nodes;
        let key = |ix: Ix| {
            let node = &nodes[ix as usize];
            Self::hash(node.parent.unwrap_or(Ix::MAX), &node.id)
        };
        self.by_name.insert_unique(key(ix), ix, |&ix| key(ix));
    }

    fn unindex(&mut self, ix: Ix) {
        let node = &self.nodes[ix as usize];
        let hash = Self::hash(node.parent.unwrap_or(Ix::MAX), &node.id);
        if let Ok(entry) = self.by_name.find_entry(hash, |&at| at == ix) {
            entry.remove();
        }
    }

    fn rename(&mut self, ix: Ix, id: String) {
        self.unindex(ix);
        self.node_mut(ix).id = id;
        if self.node(ix).parent.is_some() {
            self.index(ix);
        }
    }

    /// Sets what a client says of a node, in the place of what it said before.
    fn set(&mut self, ix: Ix, name: &'static str, value: Value) {
        self.node_mut(ix).unset(name);
        match (name, value) {
            ("name", Value::Text(text)) => self.node_mut(ix).name = Some(text.into_boxed_str()),
            ("type", Value::Text(text)) => {
                let text = self.file(&text);
                self.node_mut(ix).type_name = Some(text);
            }
            ("logfile", Value::Text(text)) => {
                let text = self.file(&text);
                self.node_mut(ix).logfile = Some(text);
            }
            ("xref", value @ Value::Map(_)) => {
                // Writing CBOR into memory does not fail; were it to, the value is kept as it is.
                match minicbor::to_vec(&value) {
                    Ok(bytes) => self.node_mut(ix).xref = Some(bytes.into()),
                    Err(_) => self.node_mut(ix).say(name, value),
                }
            }
            (name, value) => self.node_mut(ix).say(name, value),
        }
    }

    /// A node's log stands in this file from now on.
    fn log_in(&mut self, ix: Ix, file: &Arc<str>) {
        let before = self.node(ix).logs.as_ref().map(|logs| &logs.file);
        if before != Some(file) {
            self.logged.entry(Arc::clone(file)).or_default().push(ix);
        }
    }

    /// One copy of a text that many nodes have.
    fn file(&mut self, name: &str) -> Arc<str> {
        if let Some((known, ())) = self.files.get_key_value(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(name);
        self.files.insert(Arc::clone(&name), ());
        name
    }

    /// Merges extras as pyATS does: maps key by key at every depth, anything else takes the old one's place.
    pub fn merge_extra(into: &mut Vec<(Value, Value)>, from: &[(Value, Value)]) {
        for (key, value) in from {
            let Some((_, old)) = into.iter_mut().find(|(known, _)| known == key) else {
                into.push((key.clone(), value.clone()));
                continue;
            };
            match (Self::entries_of(old), Self::entries(value)) {
                (Some(old), Some(new)) => Self::merge_extra(old, new),
                _ => *old = value.clone(),
            }
        }
    }

    /// The entries of a map, or of an object that is filled like one: an `OrderedDict`, say.
    fn entries(value: &Value) -> Option<&[(Value, Value)]> {
        match value {
            Value::Map(pairs) => Some(pairs),
            Value::Opaque(o) if !o.entries.is_empty() => Some(&o.entries),
            // A `collections.Counter` is made from the map that it is.
            Value::Opaque(o) if o.name == "Counter" => match &o.args[..] {
                [Value::Map(pairs)] => Some(pairs),
                _ => None,
            },
            _ => None,
        }
    }

    fn entries_of(value: &mut Value) -> Option<&mut Vec<(Value, Value)>> {
        match value {
            Value::Map(pairs) => Some(pairs),
            Value::Opaque(o) => match &mut **o {
                Opaque { name, args, entries, .. } if name == "Counter" && entries.is_empty() => {
                    match &mut args[..] {
                        [Value::Map(pairs)] => Some(pairs),
                        _ => None,
                    }
                }
                Opaque { entries, .. } if !entries.is_empty() => Some(entries),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Tree {
    /// The nodes whose log stands in this file.
    #[must_use]
    pub fn logged_in(&self, file: &str) -> Vec<Ix> {
        let here = |ix: &Ix| self.node(*ix).logs.as_ref().is_some_and(|logs| &*logs.file == file);
        let mut found: Vec<Ix> = self.logged.get(file).into_iter().flatten().copied().filter(here).collect();
        // One that went away and came back stands there twice.
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The first detail below `ix` that is no text.
    #[must_use]
    pub fn first_odd_detail(&self, ix: Ix) -> Option<&Value> {
        let mut todo = vec![ix];
        while let Some(ix) = todo.pop() {
            let node = self.node(ix);
            let odd = node.details.iter().find(|d| !matches!(d, Value::Text(_) | Value::Surrogates(_)));
            if odd.is_some() {
                return odd;
            }
            todo.extend(node.children.iter().rev());
        }
        None
    }
}
