//! Lists that are filled side by side and written one after the other: one pass over the targets of a test fills the
//! lists of all its steps.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::contest::spool::Spool;

/// So many bytes are held in memory, over all lists.
const HELD: usize = 8 << 20;

/// Lists of JSON values.
pub(super) struct Parts {
    parts: Vec<Part>,
    /// The longest that a list is held before it goes to the file.
    most: usize,
    file: Option<File>,
    filed: u64,
}

#[derive(Default)]
struct Part {
    /// Where in the file its beginning stands.
    extents: Vec<(u64, usize)>,
    held: Vec<u8>,
    is_begun: bool,
}

impl Parts {
    pub(super) fn new(count: usize) -> Self {
        let most = (HELD / count.max(1)).max(4 << 10);
        Parts { parts: (0..count).map(|_| Part::default()).collect(), most, file: None, filed: 0 }
    }

    /// An item of a list begins.
    pub(super) fn next(&mut self, list: usize) {
        let part = &mut self.parts[list];
        let before = if std::mem::replace(&mut part.is_begun, true) { b',' } else { b'[' };
        part.held.push(before);
    }

    /// More of that item.
    pub(super) fn add(&mut self, list: usize, bytes: &[u8]) -> io::Result<()> {
        self.parts[list].held.extend_from_slice(bytes);
        if self.parts[list].held.len() >= self.most {
            self.file_away(list)?;
        }
        Ok(())
    }

    fn file_away(&mut self, list: usize) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        let part = &mut self.parts[list];
        file.write_all_at(&part.held, self.filed)?;
        part.extents.push((self.filed, part.held.len()));
        self.filed += part.held.len() as u64;
        part.held.clear();
        Ok(())
    }

    /// The list is complete: it goes out, `null` if there was nothing in it.
    pub(super) fn pour(&mut self, list: usize, out: &mut Spool) -> io::Result<()> {
        let part = std::mem::take(&mut self.parts[list]);
        for (at, length) in part.extents {
            let Some(file) = &self.file else { break };
            let start = out.buffer().len();
            out.buffer().resize(start + length, 0);
            file.read_exact_at(&mut out.buffer()[start..], at)?;
            out.settle()?;
        }
        out.buffer().extend_from_slice(&part.held);
        out.buffer().extend_from_slice(if part.is_begun { b"]" } else { b"null" });
        out.settle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_out_whole_however_long_they_are() {
        let mut parts = Parts::new(3);
        let long = vec![b'7'; 300_000];
        for _ in 0..20 {
            for list in [0, 2] {
                parts.next(list);
                parts.add(list, &long).unwrap();
            }
        }
        let mut out = Spool::default();
        for list in 0..3 {
            parts.pour(list, &mut out).unwrap();
        }
        let mut bytes = vec![0; usize::try_from(out.len()).unwrap()];
        let mut at = 0;
        while at < bytes.len() {
            at += out.read_at(&mut bytes[at..], at as u64).unwrap();
        }
        let list = format!("[{}]", vec![String::from_utf8(long).unwrap(); 20].join(","));
        assert!(bytes == format!("{list}null{list}").as_bytes());
    }
}
