//! One depth-first pass over a job's tree, in bounded memory and without recursion, shown to any number of visitors.
//!
//! What is held at a time: for each level the row that is open, the ids of one segment of its children, and a page of
//! their rows (few rows on deep levels, so that a tree of thousands of levels stays small).

use std::io;
use std::vec;

use oyez_model::row::{Flags, SegmentKind};
use oyez_model::{NodeKind, NodeRow, SectionId, Segment, Verdict};
use oyez_store::{JobReader, StoreError, tree};

use crate::content::Content;
use crate::error::ReportError;
use crate::facts::{Facts, Window};
use crate::format::Format;
use crate::options::{Options, Progress};

/// Rows of a page, on the first levels and below them.
const PAGE: usize = 128;
const DEEP_PAGE: usize = 8;
const DEEP: usize = 24;
/// Names of what stands above are cut to this many bytes.
const PATH_NAME: usize = 200;
const PROGRESS_EVERY: u64 = 1000;

/// What a node is to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A run.
    Run,
    /// An attempt of a test.
    Test,
    /// A section directly below a test.
    Case,
    /// A section directly below a run or the job.
    Loose,
    /// Anything deeper.
    Inner,
}

/// A node as visitors see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub row: &'a NodeRow,
    /// 1 directly below the job.
    pub depth: u32,
    pub place: Place,
    /// It or something above it does not count: a retried attempt, a clean-up.
    pub excluded: bool,
    /// When the run was that it is in, else the job.
    pub window: Window,
    /// Of a run: what its reporters say, else what its outcome says.
    pub verdict: Option<Verdict>,
    /// The names of what stands above it, the job left out, outermost first.
    pub path: &'a [String],
}

impl Node<'_> {
    /// A case, a test without cases or a section without a test, that counts.
    pub(crate) fn is_result(&self) -> bool {
        !self.excluded
            && match self.place {
                Place::Case | Place::Loose => true,
                Place::Test => self.row.child_count() == 0,
                Place::Run | Place::Inner => false,
            }
    }

    /// Failed, with nothing below it that failed: where a person must look.
    pub(crate) fn is_leaf_failure(&self) -> bool {
        !self.excluded
            && self.row.outcome.is_some_and(|o| !o.is_good())
            && self.row.counts.bad() == 0
            && !matches!(self.place, Place::Run)
    }

    /// Why it ended as it did, in full where the journal has more than the row.
    pub(crate) fn reason<'r>(&'r self, content: &'r Content) -> &'r str {
        content.whole_reason().filter(|whole| whole.len() > self.row.reason.len()).unwrap_or(&self.row.reason)
    }
}

/// Sees the tree. Calls of `enter` and `leave` are balanced.
pub(crate) trait Visitor {
    fn begin(&mut self, facts: &Facts) -> io::Result<()>;
    fn enter(&mut self, node: &Node<'_>, content: &Content) -> io::Result<()>;
    fn leave(&mut self, node: &Node<'_>) -> io::Result<()>;
    fn end(&mut self, facts: &Facts) -> io::Result<()>;
}

struct Frame {
    row: NodeRow,
    place: Place,
    excluded: bool,
    window: Window,
    /// The window of what is below.
    inner: Window,
    verdict: Option<Verdict>,
    children: Children,
}

impl Frame {
    fn node<'a>(&'a self, depth: usize, path: &'a [String]) -> Node<'a> {
        let depth = u32::try_from(depth).unwrap_or(u32::MAX);
        let Frame { row, place, excluded, window, verdict, .. } = self;
        Node { row, depth, place: *place, excluded: *excluded, window: *window, verdict: *verdict, path }
    }
}

/// Shows the whole tree to all visitors.
pub(crate) fn walk(
    reader: &dyn JobReader,
    facts: &Facts,
    options: &Options<'_>,
    visitors: &mut [(Format, Box<dyn Visitor + '_>)],
) -> Result<(), ReportError> {
    let mut tell = |what: &mut dyn FnMut(&mut dyn Visitor) -> io::Result<()>| {
        visitors.iter_mut().try_for_each(|(format, visitor)| {
            what(visitor.as_mut()).map_err(|source| ReportError::Write { format: *format, source })
        })
    };
    tell(&mut |v| v.begin(facts))?;
    let mut visited = 0;
    let progress = |sections: u64, at: u64| {
        if let Some(told) = options.progress {
            told(Progress { sections, at, of: facts.job.events });
        }
    };
    let mut top = Children::of(&tree::root(reader)?);
    let mut stack: Vec<Frame> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    loop {
        let depth = stack.len();
        let children = stack.last_mut().map_or(&mut top, |frame| &mut frame.children);
        if let Some(row) = children.next(reader, depth)? {
            if row.flags.has(Flags::REMOVED) {
                continue;
            }
            let frame = below(stack.last(), row, facts);
            let content = Content::load(reader, &frame.row, options.max_log_bytes)?;
            let node = frame.node(depth + 1, &path);
            tell(&mut |v| v.enter(&node, &content))?;
            visited += 1;
            if visited % PROGRESS_EVERY == 0 {
                progress(visited, frame.row.start_seq.0);
            }
            path.push(crate::text::one_line_or(&frame.row.name, PATH_NAME, "(without a name)"));
            stack.push(frame);
        } else {
            let Some(frame) = stack.pop() else { break };
            path.pop();
            let node = frame.node(depth, &path);
            tell(&mut |v| v.leave(&node))?;
        }
    }
    progress(visited, facts.job.events);
    tell(&mut |v| v.end(facts))
}

fn below(above: Option<&Frame>, row: NodeRow, facts: &Facts) -> Frame {
    let place = match (row.kind, above.map(|f| f.place)) {
        (NodeKind::Run, None) => Place::Run,
        (NodeKind::Test, None | Some(Place::Run | Place::Test)) => Place::Test,
        (_, Some(Place::Test)) => Place::Case,
        (_, None | Some(Place::Run)) => Place::Loose,
        _ => Place::Inner,
    };
    let window = above.map_or(facts.window, |f| f.inner);
    let inner = match (place, row.started) {
        (Place::Run, Some(start)) => Window { start, end: row.stopped.unwrap_or(facts.window.end) },
        _ => window,
    };
    let excluded = row.is_excluded() || above.is_some_and(|f| f.excluded);
    let verdict = if place == Place::Run { facts.run_verdict(&row) } else { None };
    Frame { children: Children::of(&row), place, excluded, window, inner, verdict, row }
}

/// A node's children, read a page at a time.
struct Children {
    node: SectionId,
    segments: u32,
    next_segment: u32,
    tail: Option<Vec<SectionId>>,
    ids: vec::IntoIter<SectionId>,
    rows: vec::IntoIter<NodeRow>,
}

impl Children {
    fn of(row: &NodeRow) -> Children {
        let tail = (!row.children.is_empty()).then(|| row.children.clone());
        let (ids, rows) = (Vec::new().into_iter(), Vec::new().into_iter());
        Children { node: row.id, segments: row.child_segments, next_segment: 0, tail, ids, rows }
    }

    fn next(&mut self, reader: &dyn JobReader, depth: usize) -> Result<Option<NodeRow>, StoreError> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            if self.ids.as_slice().is_empty() && !self.next_ids(reader)? {
                return Ok(None);
            }
            let page = if depth < DEEP { PAGE } else { DEEP_PAGE };
            let ids = self.ids.as_slice();
            let taken = ids.len().min(page);
            self.rows = reader.nodes(&ids[..taken])?.into_iter();
            self.ids.nth(taken - 1);
        }
    }

    fn next_ids(&mut self, reader: &dyn JobReader) -> Result<bool, StoreError> {
        if self.next_segment < self.segments {
            let number = self.next_segment;
            self.next_segment += 1;
            let data = reader.segment(self.node, SegmentKind::Children, number)?;
            let ids = Segment::children(self.node, &data).ok_or_else(|| StoreError::Damaged {
                what: format!("segment {number} of section {} of job {}", self.node, reader.id()),
                detail: "its bytes make no sense".to_owned(),
            })?;
            self.ids = ids.into_iter();
        } else {
            let Some(tail) = self.tail.take() else { return Ok(false) };
            self.ids = tail.into_iter();
        }
        Ok(true)
    }
}
