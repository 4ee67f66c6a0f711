//! Bytes that are made now and sent later: in memory while they are few, else in a file without a name.
//!
//! A long answer is made whole before its first byte is sent. So it is of one moment, an error on the way is answered as
//! one, and no client that reads slowly holds a view of the store open.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;

/// So many bytes are held in memory.
const HELD: usize = 1 << 20;

/// Bytes in the order in which they were written.
#[derive(Debug, Default)]
pub struct Spool {
    file: Option<File>,
    /// How many stand in the file.
    filed: u64,
    held: Vec<u8>,
}

impl Spool {
    /// Where the next bytes go; [`Spool::settle`] is called now and then.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.filed + self.held.len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves what is held to the file when it is much.
    ///
    /// # Errors
    /// There is no room for temporary files.
    pub fn settle(&mut self) -> io::Result<()> {
        if self.held.len() < HELD { Ok(()) } else { self.file_away() }
    }

    fn file_away(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.write_all_at(&self.held, self.filed)?;
        self.filed += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }

    /// Appends once more what stands from `from` to `to`.
    ///
    /// # Errors
    /// The temporary file fails.
    pub fn repeat(&mut self, from: u64, to: u64) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let mut piece = vec![0; usize::try_from(to - at).unwrap_or(HELD).min(HELD)];
            let n = self.read_at(&mut piece, at)?;
            self.held.extend_from_slice(&piece[..n]);
            self.settle()?;
            at += n as u64;
        }
        Ok(())
    }

    /// Reads from `at` on; 0 at the end.
    ///
    /// # Errors
    /// The temporary file fails.
    pub fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        if at < self.filed {
            let most = usize::try_from(self.filed - at).unwrap_or(into.len()).min(into.len());
            let Some(file) = &self.file else { return Ok(0) };
            let n = file.read_at(&mut into[..most], at)?;
            return if n == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(n) };
        }
        let start = usize::try_from(at - self.filed).unwrap_or(usize::MAX).min(self.held.len());
        let n = into.len().min(self.held.len() - start);
        into[..n].copy_from_slice(&self.held[start..start + n]);
        Ok(n)
    }

    /// All of it, if it is held in memory.
    ///
    /// # Errors
    /// Itself, when some of it stands in a file.
    pub fn into_held(self) -> Result<Vec<u8>, Spool> {
        if self.file.is_some() { Err(self) } else { Ok(self.held) }
    }
}

impl From<Vec<u8>> for Spool {
    fn from(held: Vec<u8>) -> Self {
        Spool { held, ..Spool::default() }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        self.settle()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(spool: &Spool) -> Vec<u8> {
        let (mut out, mut at, mut piece) = (Vec::new(), 0, vec![0; 700_001]);
        loop {
            let n = spool.read_at(&mut piece, at).unwrap();
            if n == 0 {
                return out;
            }
            out.extend_from_slice(&piece[..n]);
            at += n as u64;
        }
    }

    #[test]
    fn bytes_come_back_in_order_from_memory_and_from_the_file() {
        for size in [0usize, 10, HELD - 1, HELD, 3 * HELD + 5] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut spool = Spool::default();
            for piece in bytes.chunks(99_991) {
                spool.write_all(piece).unwrap();
            }
            assert_eq!(spool.len(), size as u64);
            assert!(all(&spool) == bytes, "{size}");
            assert_eq!(spool.into_held().is_ok(), size < HELD);
        }
    }

    #[test]
    fn a_part_is_repeated_wherever_it_stands() {
        let bytes: Vec<u8> = (0..2 * HELD + 100).map(|i| (i % 241) as u8).collect();
        let mut spool = Spool::default();
        spool.write_all(&bytes).unwrap();
        let (from, to) = (HELD as u64 / 2, 2 * HELD as u64 + 50);
        spool.repeat(from, to).unwrap();
        let mut expected = bytes.clone();
        expected.extend_from_slice(&bytes[from as usize..to as usize]);
        assert!(all(&spool) == expected);
    }
}
