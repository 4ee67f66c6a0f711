//! `results.yaml`, as PyYAML's `SafeDumper` writes it with pyATS's few changes: lists are indented below their key, the
//! keys of objects keep their order and those of dictionaries are sorted, texts of several lines stand as they are,
//! floats have two digits.
//!
//! PyYAML's output is a function of a few rules (`scalar` has those of texts, `emit` those of lines and indents) which
//! are followed here, so that the file is the same byte for byte. All of it is ASCII.

mod emit;
mod scalar;
mod value;

use std::io::{self, Write};

use oyez_wire::pyats::tree::{Field, Ix, Kind, RESULTS_VERSION, Tree};

use self::emit::Emitter;
use super::clock::Clock;
use super::python::is_left_out;
use crate::out::Out;
use crate::pyats;

/// An object that is begun: where its keys and its children stand.
struct Open {
    ix: Ix,
    key: usize,
    child: usize,
    full: usize,
    /// Spaces before its keys.
    indent: usize,
}

struct Report<'t, 'w> {
    tree: &'t Tree,
    clock: Clock,
    out: Out<'w>,
    emit: Emitter,
    /// The ids of what is open, from the task down, joined by dots.
    full: String,
    open: Vec<Open>,
}

pub(super) fn write(tree: &Tree, to: &mut dyn Write) -> io::Result<()> {
    let mut report = Report {
        tree,
        clock: Clock::new(tree.zone()),
        out: Out::new(to),
        emit: Emitter::default(),
        full: String::new(),
        open: Vec::new(),
    };
    let buf = &mut report.out.buf;
    report.emit.key(buf, 0, "report");
    match tree.suite() {
        Some(suite) => report.all(suite)?,
        None => report.emit.indicator(buf, "{}"),
    }
    let buf = &mut report.out.buf;
    report.emit.key(buf, 0, "version");
    report.emit.text(buf, 0, RESULTS_VERSION);
    report.emit.end(buf);
    report.out.finish()
}

impl Report<'_, '_> {
    // No recursion: a tree may be deeper than a stack.
    fn all(&mut self, suite: Ix) -> io::Result<()> {
        self.begin(suite, 2);
        while let Some(open) = self.open.last_mut() {
            if open.child > 0 {
                let indent = open.indent;
                if let Some(&child) = self.tree.node(open.ix).children.get(open.child - 1) {
                    open.child += 1;
                    self.emit.item(&mut self.out.buf, indent + 2);
                    self.begin(child, indent + 4);
                    continue;
                }
                open.child = 0;
            }
            self.keys();
            self.out.settle()?;
        }
        Ok(())
    }

    fn begin(&mut self, ix: Ix, indent: usize) {
        // The suite's own id is no part of the ids of what is in it.
        if self.open.len() == 1 {
            self.full.clear();
        }
        let full = self.full.len();
        if self.open.len() > 1 {
            self.full.push('.');
        }
        self.full.push_str(&self.tree.node(ix).id);
        self.open.push(Open { ix, key: 0, child: 0, full, indent });
    }

    /// Writes keys up to the children, or to the end.
    fn keys(&mut self) {
        let Some(top) = self.open.len().checked_sub(1) else { return };
        let (ix, indent, full) = (self.open[top].ix, self.open[top].indent, self.open[top].full);
        let order = self.tree.node(ix).kind.order();
        let details = pyats::details(self.tree, ix, top + 1);
        let (buf, emit) = (&mut self.out.buf, &mut self.emit);
        while let Some(&key) = order.get(self.open[top].key) {
            self.open[top].key += 1;
            if key == "fullid" {
                emit.key(buf, indent, key);
                emit.text(buf, indent, &self.full);
                continue;
            }
            if key == "idlist" {
                emit.key(buf, indent, key);
                // The suite is no part of the ids of what is in it.
                for at in &self.open[top.min(1)..] {
                    emit.item(buf, indent + 2);
                    emit.text(buf, indent + 2, &self.tree.node(at.ix).id);
                }
                continue;
            }
            let field = match self.tree.field(ix, key) {
                None => continue,
                Some(Field::Children(_)) if top + 1 >= pyats::DEEPEST => continue,
                Some(Field::List(_)) if key == "details" => Field::List(&details),
                Some(field) => field,
            };
            if is_left_out(&field) {
                continue;
            }
            emit.key(buf, indent, key);
            if matches!(field, Field::Children(_)) {
                self.open[top].child = 1;
                return;
            }
            emit.field(buf, indent, &field, &self.clock);
        }
        if !self.tree.node(ix).rolled_up && self.tree.node(ix).kind == Kind::Section {
            emit.key(buf, indent, "ignore");
            emit.indicator(buf, "true");
        }
        self.full.truncate(full);
        self.open.pop();
    }
}
