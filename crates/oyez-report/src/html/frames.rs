//! The open sections of the page: rows of children are gathered here until they make a page of their own.

use super::pack::Packer;
use super::row;
use crate::walk::Node;

/// Rows and bytes of a page.
const PAGE_ROWS: u32 = 256;
const PAGE_BYTES: usize = 64 << 10;
/// What all open sections may hold together; beyond it pages are closed early.
const MAX_HELD: usize = 8 << 20;
/// More pages than these stand in a part of their own, not in the row.
const MAX_PAGES_IN_ROW: usize = 64;

#[derive(Default)]
struct Frame {
    body: Option<u32>,
    rows: Vec<u8>,
    row_count: u32,
    /// Part and number of rows.
    pages: Vec<(u32, u32)>,
}

/// Where a section's parts are.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// The part that shows what hangs on it.
    pub body: Option<u32>,
    /// Pages of children as `part:rows,part:rows`, or `=part` when that list is a part itself.
    pub pages: String,
}

#[derive(Default)]
pub(super) struct Frames {
    open: Vec<Frame>,
    held: usize,
}

impl Frames {
    pub(super) fn open(&mut self) {
        self.open.push(Frame::default());
    }

    /// What hangs on the innermost section.
    pub(super) fn body(&mut self, packer: &mut Packer, html: Vec<u8>) {
        if let Some(frame) = self.open.last_mut() {
            frame.body = Some(packer.part(&html));
        }
    }

    /// The innermost section is left: it becomes a row of the one above.
    pub(super) fn close(&mut self, packer: &mut Packer, node: &Node<'_>) {
        let Some(frame) = self.open.pop() else { return };
        let parts = self.parts_of(frame, packer);
        let Some(above) = self.open.last_mut() else { return };
        let before = above.rows.len();
        row::render(&mut above.rows, node, Some(&parts));
        above.row_count += 1;
        self.held += above.rows.len() - before;
        if above.row_count >= PAGE_ROWS || above.rows.len() >= PAGE_BYTES {
            self.held -= above.close_page(packer);
        }
        if self.held > MAX_HELD {
            self.held -= self.open.iter_mut().map(|frame| frame.close_page(packer)).sum::<usize>();
        }
    }

    /// The job itself, when all is left.
    pub(super) fn finish(&mut self, packer: &mut Packer) -> Parts {
        self.open.pop().map(|frame| self.parts_of(frame, packer)).unwrap_or_default()
    }

    fn parts_of(&mut self, mut frame: Frame, packer: &mut Packer) -> Parts {
        self.held -= frame.close_page(packer);
        let mut pages = String::new();
        for (part, rows) in &frame.pages {
            if !pages.is_empty() {
                pages.push(',');
            }
            pages.push_str(&format!("{part}:{rows}"));
        }
        if frame.pages.len() > MAX_PAGES_IN_ROW {
            pages = format!("={}", packer.part(pages.as_bytes()));
        }
        Parts { body: frame.body, pages }
    }
}

impl Frame {
    /// Hands on the rows that are there; how many bytes they were.
    fn close_page(&mut self, packer: &mut Packer) -> usize {
        let held = self.rows.len();
        if self.row_count > 0 {
            self.pages.push((packer.part(&self.rows), self.row_count));
            self.row_count = 0;
            self.rows.clear();
        }
        held
    }
}
