//! Walks over a job's tree through any [`JobReader`], in bounded memory: children come a segment at a time.

use oyez_model::row::{Hang, SEGMENT_LEN, SegmentKind};
use oyez_model::{NodeRow, SectionId, Segment};

use crate::api::JobReader;
use crate::error::StoreError;

/// The job's own node.
///
/// # Errors
/// [`StoreError::Damaged`] when it is missing, or the store's own trouble.
pub fn root(reader: &dyn JobReader) -> Result<NodeRow, StoreError> {
    node(reader, SectionId::ROOT)
}

/// One node.
///
/// # Errors
/// [`StoreError::Damaged`] when it is missing, or the store's own trouble.
pub fn node(reader: &dyn JobReader, id: SectionId) -> Result<NodeRow, StoreError> {
    reader.nodes(&[id])?.pop().ok_or_else(|| StoreError::Damaged {
        what: format!("section {id} of job {}", reader.id()),
        detail: "its row is missing".to_owned(),
    })
}

/// The children of a node in the order in which they came, read a few hundred at a time.
#[must_use]
pub fn children<'r>(reader: &'r dyn JobReader, of: &NodeRow) -> Children<'r> {
    Children { reader, node: of.id, segments: of.child_segments, next: 0, tail: Some(of.children.clone()) }
}

/// Pages of children; see [`children`].
#[expect(missing_debug_implementations, reason = "a reader is a trait object without Debug")]
pub struct Children<'r> {
    reader: &'r dyn JobReader,
    node: SectionId,
    segments: u32,
    next: u32,
    tail: Option<Vec<SectionId>>,
}

impl Iterator for Children<'_> {
    type Item = Result<Vec<NodeRow>, StoreError>;

    /// The next page, at most [`SEGMENT_LEN`] rows.
    fn next(&mut self) -> Option<Self::Item> {
        let ids = if self.next < self.segments {
            self.next += 1;
            match segment(self.reader, self.node, SegmentKind::Children, self.next - 1, Segment::children) {
                Ok(ids) => ids,
                Err(e) => {
                    self.next = self.segments;
                    self.tail = None;
                    return Some(Err(e));
                }
            }
        } else {
            self.tail.take().filter(|ids| !ids.is_empty())?
        };
        Some(self.reader.nodes(&ids))
    }
}

/// The events that hang on a node, in order, a page at a time.
///
/// # Errors
/// [`StoreError::Damaged`], or the store's own trouble.
pub fn hangs(reader: &dyn JobReader, of: &NodeRow, page: u32) -> Result<Option<Vec<Hang>>, StoreError> {
    if page < of.hang_segments {
        return segment(reader, of.id, SegmentKind::Hangs, page, |_, data| Segment::hangs(data)).map(Some);
    }
    Ok((page == of.hang_segments && !of.hangs.is_empty()).then(|| of.hangs.clone()))
}

/// How many events hang on a node.
#[must_use]
pub fn hang_count(of: &NodeRow) -> u64 {
    u64::from(of.hang_segments) * SEGMENT_LEN as u64 + of.hangs.len() as u64
}

fn segment<T>(
    reader: &dyn JobReader,
    node: SectionId,
    kind: SegmentKind,
    number: u32,
    read: impl Fn(SectionId, &[u8]) -> Option<T>,
) -> Result<T, StoreError> {
    let data = reader.segment(node, kind, number)?;
    read(node, &data).ok_or_else(|| StoreError::Damaged {
        what: format!("segment {number} of section {node} of job {}", reader.id()),
        detail: "its bytes make no sense".to_owned(),
    })
}
