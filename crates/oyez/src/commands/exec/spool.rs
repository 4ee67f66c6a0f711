//! What was printed and is not kept yet: some of it in memory, the rest in a file without a name.
//!
//! The command prints as fast as it likes and never waits for the store; what waits is bounded all the same. Pieces come
//! out in the order in which they went in: once one has gone into the file all others follow it there, until the file
//! is empty again.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oyez_model::Time;
use oyez_model::event::Stream;
use tokio::sync::Notify;

/// Bytes that wait in memory.
const MEMORY: usize = 16 << 20;
/// Bytes that wait in the file: as much as is kept of a command's output.
const FILE: u64 = 4 << 30;
/// Before each piece in the file: its time, its length, and 1 for standard error.
const HEAD: usize = 13;

/// A piece of output.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// When it came.
    pub time: Time,
    /// Where from.
    pub stream: Stream,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where pieces wait for one reader.
#[derive(Debug)]
pub struct Spool {
    state: Mutex<State>,
    news: Notify,
    most: (usize, u64),
}

#[derive(Debug, Default)]
struct State {
    memory: VecDeque<Piece>,
    in_memory: usize,
    file: Option<File>,
    written: u64,
    read: u64,
    dropped: u64,
    /// Nothing more will come.
    is_closed: bool,
    /// Nobody reads any more.
    is_abandoned: bool,
}

impl Default for Spool {
    fn default() -> Self {
        Spool::holding(MEMORY, FILE)
    }
}

impl Spool {
    /// One that holds so many bytes in memory, and so many in its file.
    fn holding(memory: usize, file: u64) -> Self {
        Spool { state: Mutex::default(), news: Notify::new(), most: (memory, file) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more piece. What finds no room is counted.
    pub fn push(&self, piece: Piece) {
        let mut state = self.lock();
        if state.is_abandoned {
            return;
        }
        let size = piece.bytes.len();
        if state.read == state.written && state.in_memory + size <= self.most.0 {
            state.in_memory += size;
            state.memory.push_back(piece);
        } else if state.write(&piece, self.most.1).is_err() {
            state.dropped = state.dropped.saturating_add(size as u64);
        }
        drop(state);
        self.news.notify_one();
    }

    /// The next piece, when there is one; none when all have been given and no more will come.
    pub async fn next(&self) -> Option<Piece> {
        loop {
            {
                let mut state = self.lock();
                if let Some(piece) = state.take() {
                    return Some(piece);
                }
                if state.is_closed || state.is_abandoned {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
    }

    /// Nobody reads any more: what waits is thrown away, and what comes.
    pub fn abandon(&self) {
        let mut state = self.lock();
        *state = State { is_abandoned: true, ..State::default() };
    }

    /// Bytes that found no room.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }
}

impl State {
    fn write(&mut self, piece: &Piece, most: u64) -> io::Result<()> {
        let size = piece.bytes.len();
        let length = u32::try_from(size).map_err(io::Error::other)?;
        if self.written + (HEAD + size) as u64 > most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&piece.time.0.to_le_bytes());
        head[8..12].copy_from_slice(&length.to_le_bytes());
        head[12] = u8::from(piece.stream == Stream::Stderr);
        file.write_all_at(&head, self.written)?;
        file.write_all_at(&piece.bytes, self.written + HEAD as u64)?;
        self.written += (HEAD + size) as u64;
        Ok(())
    }

    /// What is in memory is older than what is in the file.
    fn take(&mut self) -> Option<Piece> {
        if let Some(piece) = self.memory.pop_front() {
            self.in_memory -= piece.bytes.len();
            return Some(piece);
        }
        if self.read == self.written {
            return None;
        }
        match self.read_piece() {
            Ok(piece) => Some(piece),
            Err(_) => {
                // The disk fails: what it holds is lost.
                self.dropped = self.dropped.saturating_add(self.written - self.read);
                self.empty();
                None
            }
        }
    }

    fn read_piece(&mut self) -> io::Result<Piece> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, self.read)?;
        let mut nanos = [0; 8];
        nanos.copy_from_slice(&head[..8]);
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, self.read + HEAD as u64)?;
        self.read += HEAD as u64 + u64::from(length);
        if self.read == self.written {
            self.empty();
        }
        let stream = if head[12] == 1 { Stream::Stderr } else { Stream::Stdout };
        Ok(Piece { time: Time(i64::from_le_bytes(nanos)), stream, bytes })
    }

    /// The file's room is given back.
    fn empty(&mut self) {
        (self.read, self.written) = (0, 0);
        if let Some(file) = &self.file
            && file.set_len(0).is_err()
        {
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(n: u8) -> Piece {
        let stream = if n.is_multiple_of(3) { Stream::Stderr } else { Stream::Stdout };
        Piece { time: Time(n.into()), stream, bytes: vec![n; n.into()] }
    }

    #[tokio::test]
    async fn pieces_come_out_in_their_order_wherever_they_waited() {
        let spool = Spool::holding(100, 1 << 20);
        let mut out = 0;
        for n in 0..200 {
            spool.push(piece(n));
            // Read now and then, so that the file is emptied and filled again.
            while n % 50 > 40 && out < n {
                assert_eq!(spool.next().await.unwrap(), piece(out));
                out += 1;
            }
        }
        spool.close();
        while let Some(next) = spool.next().await {
            assert_eq!(next, piece(out));
            out += 1;
        }
        assert_eq!((out, spool.dropped()), (200, 0));
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_to_the_byte() {
        let spool = Spool::holding(100, 100);
        let mut all = 0;
        for n in 1..40 {
            spool.push(piece(n));
            all += u64::from(n);
        }
        spool.close();
        let mut kept = 0;
        while let Some(piece) = spool.next().await {
            kept += piece.bytes.len() as u64;
        }
        assert!(kept > 100, "{kept}");
        assert_eq!(kept + spool.dropped(), all);
    }

    #[tokio::test]
    async fn an_abandoned_one_holds_nothing() {
        let spool = Spool::holding(10, 1000);
        (0..20).for_each(|n| spool.push(piece(n)));
        spool.abandon();
        spool.push(piece(1));
        assert_eq!(spool.next().await, None);
    }
}
