//! The index: one line for each section in the order of the walk, which search, filter and links read.
//!
//! `DEPTH LETTER ID TAB NAME`: depth in decimal; the outcome's letter, large when the section is a result; the id as it
//! differs from the one before: nothing for the next number of the same producer, `+n` or `-n` for another number, the
//! whole id for another producer and on the first line of a chunk.

use oyez_model::SectionId;

use super::pack::Packer;
use super::row::letter;
use crate::moment::push_number;
use crate::text::one_line;
use crate::walk::Node;

/// Names are cut: what is searched is their beginning.
const MAX_NAME: usize = 300;

#[derive(Default)]
pub(super) struct Index {
    lines: Vec<u8>,
    before: SectionId,
    total: u64,
}

impl Index {
    pub(super) fn add(&mut self, node: &Node<'_>, packer: &mut Packer) {
        let out = &mut self.lines;
        let first_of_chunk = out.is_empty();
        push_number(out, u64::from(node.depth));
        let letter = letter(node.row);
        out.push(if node.is_result() { letter.to_ascii_uppercase() } else { letter });
        let id = node.row.id;
        if first_of_chunk || id.producer != self.before.producer {
            out.extend_from_slice(id.to_string().as_bytes());
        } else if id.number != self.before.number.wrapping_add(1) {
            let up = id.number > self.before.number;
            out.push(if up { b'+' } else { b'-' });
            push_number(out, id.number.abs_diff(self.before.number));
        }
        self.before = id;
        out.push(b'\t');
        out.extend_from_slice(one_line(&node.row.name, MAX_NAME).as_bytes());
        out.push(b'\n');
        self.total += 1;
        packer.index(out, false);
    }

    pub(super) fn finish(&mut self, packer: &mut Packer) {
        packer.index(&mut self.lines, true);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}
