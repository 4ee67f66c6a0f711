//! What waits to be sent on one connection. Memory is bounded: what a slow reader has not taken goes to a file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use super::socket::Socket;

/// Most bytes that wait in memory for one connection.
const MEMORY: usize = 4 << 20;
const PIECE: usize = 256 << 10;

/// The queue of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Rc<[u8]>>,
    bytes: usize,
    /// How much of the first has been sent.
    sent: usize,
    spill: Option<Spill>,
}

#[derive(Debug)]
struct Spill {
    file: File,
    read: u64,
    written: u64,
}

impl Outbox {
    /// Whether everything has been sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.spill.is_none()
    }

    /// Adds a message.
    ///
    /// # Errors
    /// There is too much for memory, and no file can be written.
    pub fn push(&mut self, message: Rc<[u8]>) -> io::Result<()> {
        if self.spill.is_none() && self.bytes < MEMORY {
            self.bytes += message.len();
            self.queue.push_back(message);
            return Ok(());
        }
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill { file: tempfile::tempfile()?, read: 0, written: 0 }),
        };
        spill.file.seek(SeekFrom::Start(spill.written))?;
        spill.file.write_all(&message)?;
        spill.written += message.len() as u64;
        Ok(())
    }

    /// Sends what the reader takes now; true when it took something.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, to: &Socket) -> io::Result<bool> {
        let mut progress = false;
        loop {
            if self.queue.is_empty() && !self.refill()? {
                return Ok(progress);
            }
            let slices: Vec<io::IoSlice<'_>> = self
                .queue
                .iter()
                .take(64)
                .enumerate()
                .map(|(i, m)| io::IoSlice::new(if i == 0 { &m[self.sent..] } else { m }))
                .collect();
            match to.try_write(&slices) {
                Ok(n) => {
                    progress = true;
                    self.took(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(progress),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn took(&mut self, mut n: usize) {
        while let Some(first) = self.queue.front() {
            let left = first.len() - self.sent;
            if n < left {
                self.sent += n;
                return;
            }
            n -= left;
            self.bytes -= first.len();
            self.sent = 0;
            self.queue.pop_front();
        }
    }

    fn refill(&mut self) -> io::Result<bool> {
        let Some(spill) = &mut self.spill else { return Ok(false) };
        if spill.read == spill.written {
            self.spill = None;
            return Ok(false);
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(spill.written - spill.read).unwrap_or(PIECE))];
        spill.file.seek(SeekFrom::Start(spill.read))?;
        spill.file.read_exact(&mut piece)?;
        spill.read += piece.len() as u64;
        self.bytes += piece.len();
        self.queue.push_back(piece.into());
        Ok(true)
    }
}
