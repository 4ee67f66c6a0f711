//! One socket: messages out, values in.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use oyez_model::Value;
use oyez_wire::pyats::frame::{self, FrameError, Frames};
use oyez_wire::pyats::pickle::{self, Limits, PickleError};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;

const BUFFER: usize = 64 << 10;

/// Why nothing comes of an exchange.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The connection is gone.
    #[error("{0}")]
    Broken(#[from] io::Error),
    /// The server closed it; `mid_message`: with something half said.
    #[error("the connection was closed")]
    Closed { mid_message: bool },
    /// What arrived was no pickle; what follows can still be read.
    #[error("{0}")]
    Unreadable(#[from] PickleError),
    /// What arrives is too large to be read; what follows cannot be found.
    #[error("{0}")]
    TooLarge(#[from] FrameError),
}

/// A connection. Everything that is under way is kept in it, so that whoever stops waiting loses no place in the stream.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    frames: Frames,
    /// What has been read, and how much of it is there and not yet used.
    buffer: Vec<u8>,
    used: usize,
    filled: usize,
    /// What is to be sent, and how much of it has been.
    out: Vec<u8>,
    sent: usize,
    /// Answers that are still to come.
    owed: u32,
}

impl Connection {
    pub async fn open(path: &Path) -> io::Result<Connection> {
        Ok(Connection {
            stream: UnixStream::connect(path).await?,
            frames: Frames::default(),
            buffer: vec![0; BUFFER],
            used: 0,
            filled: 0,
            out: Vec::new(),
            sent: 0,
            owed: 0,
        })
    }

    /// Sends a pickle, and gives the answer to it. Answers that nobody waited for come first, and are dropped.
    pub async fn exchange(&mut self, message: &[u8]) -> Result<Value, Trouble> {
        self.settle().await?;
        self.put(message);
        self.owed = 1;
        self.flush().await?;
        let answer = self.receive().await;
        self.owed = 0;
        answer
    }

    async fn settle(&mut self) -> Result<(), Trouble> {
        self.flush().await?;
        while self.owed > 0 {
            match self.receive().await {
                Ok(_) | Err(Trouble::Unreadable(_)) => self.owed -= 1,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sends a pickle whose answer is among what [`Connection::poll_value`] gives.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Trouble> {
        self.flush().await?;
        self.put(message);
        self.flush().await
    }

    fn put(&mut self, message: &[u8]) {
        self.out.clear();
        self.sent = 0;
        frame::encode(message, &mut self.out);
    }

    async fn flush(&mut self) -> Result<(), Trouble> {
        while self.sent < self.out.len() {
            self.stream.writable().await?;
            match self.stream.try_write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if again(&e) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Value, Trouble> {
        std::future::poll_fn(|context| self.poll_value(context)).await
    }

    /// The next value that arrives.
    pub fn poll_value(&mut self, context: &mut Context<'_>) -> Poll<Result<Value, Trouble>> {
        loop {
            if let Some(value) = self.arrived()? {
                return Poll::Ready(value.map_err(Trouble::from));
            }
            let mut room = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
            (self.used, self.filled) = (0, room.filled().len());
            if self.filled == 0 {
                return Poll::Ready(Err(Trouble::Closed { mid_message: self.frames.is_mid_message() }));
            }
        }
    }

    /// The next value in what has been read.
    fn arrived(&mut self) -> Result<Option<Result<Value, PickleError>>, FrameError> {
        let mut rest = &self.buffer[self.used..self.filled];
        let value = self.frames.next(&mut rest)?.map(|message| pickle::read(message, &Limits::default()));
        self.used = self.filled - rest.len();
        Ok(value)
    }
}

fn again(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
