//! Bodies of answers that are longer than what one holds in memory, or that are not known yet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::contest::spool::Spool;

/// Bytes that are read from a file at once.
const PIECE: usize = 256 << 10;

/// What was made before, sent with its length when it is held in memory.
pub(super) fn spooled(spool: Spool) -> Body {
    match spool.into_held() {
        Ok(bytes) => Body::from(bytes),
        Err(spool) => chunked(spool),
    }
}

/// What was made before, sent in chunks.
pub(super) fn chunked(spool: Spool) -> Body {
    Body::new(Spooled { spool: Arc::new(spool), at: 0, reading: None })
}

/// A spool on its way out; its file is read on threads that may block.
struct Spooled {
    spool: Arc<Spool>,
    at: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl HttpBody for Spooled {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let (spool, at) = (self.spool.clone(), self.at);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; PIECE];
                let n = spool.read_at(&mut piece, at)?;
                piece.truncate(n);
                Ok(piece)
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let piece = read.map_err(io::Error::other).flatten()?;
        self.at += piece.len() as u64;
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece.into()))))
    }
}

/// What another task makes, piece by piece, at the pace at which it is taken.
pub(super) fn channel() -> (mpsc::Sender<Bytes>, Body) {
    let (send, receive) = mpsc::channel(2);
    (send, Body::new(Received(receive)))
}

struct Received(mpsc::Receiver<Bytes>);

impl HttpBody for Received {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
