//! Which part of a log file belongs to which section: to the innermost one that was open when it was written.

use std::collections::BTreeMap;

use super::{Ix, Kind, Tree};

/// A piece of a log file and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The section or task.
    pub ix: Ix,
    /// First byte.
    pub begin: u64,
    /// The byte behind the last; [`u64::MAX`]: to the file's end.
    pub end: u64,
}

impl Tree {
    /// The log files that the report names, relative to the run's folder, each cut into pieces in order: no byte is in
    /// two of them.
    #[must_use]
    pub fn log_pieces(&self) -> BTreeMap<String, Vec<Piece>> {
        let mut files: BTreeMap<String, Vec<Piece>> = BTreeMap::new();
        let mut todo: Vec<Ix> = self.suite().into_iter().collect();
        while let Some(ix) = todo.pop() {
            let node = self.node(ix);
            if let Some(logs) = &node.logs
                && let Some(size) = logs.size
            {
                let piece = Piece { ix, begin: logs.begin, end: logs.begin.saturating_add(size) };
                files.entry(logs.file.to_string()).or_default().push(piece);
            }
            if node.kind == Kind::Task
                && let Some(path) = node.text("logfile")
            {
                let file = self.relative(path).to_owned();
                files.entry(file).or_default().push(Piece { ix, begin: 0, end: u64::MAX });
            }
            todo.extend(&node.children);
        }
        files.values_mut().for_each(|pieces| *pieces = self.cut(std::mem::take(pieces)));
        files
    }

    fn cut(&self, mut spans: Vec<Piece>) -> Vec<Piece> {
        // Outer ones first where two begin at the same byte.
        spans.sort_by_key(|p| (p.begin, std::cmp::Reverse(p.end), self.node(p.ix).seq));
        let mut out: Vec<Piece> = Vec::with_capacity(2 * spans.len());
        let mut open: Vec<Piece> = Vec::new();
        let mut at = 0;
        let mut give = |at: &mut u64, to: u64, ix: Ix| {
            if to > *at {
                out.push(Piece { ix, begin: *at, end: to });
                *at = to;
            }
        };
        for span in spans {
            while let Some(top) = open.last().copied()
                && top.end <= span.begin
            {
                give(&mut at, top.end, top.ix);
                open.pop();
            }
            if let Some(top) = open.last() {
                give(&mut at, span.begin, top.ix);
            }
            at = at.max(span.begin);
            open.push(span);
        }
        while let Some(top) = open.pop() {
            give(&mut at, top.end, top.ix);
        }
        out
    }
}
