//! Bodies of requests: bounded in size, and they must come at some pace.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::problem::Problem;

/// A body has this time, and one second more for each [`PACE`] bytes that have come: what trickles in is given up.
const PATIENCE: Duration = Duration::from_secs(10);
const PACE: u64 = 64 << 10;

/// A body that may be longer than this waits for one of [`LARGE_AT_ONCE`] places.
const LARGE: u64 = 1 << 20;
const LARGE_AT_ONCE: usize = 4;
/// How long for.
const LARGE_WAIT: Duration = Duration::from_secs(30);

/// Why a body could not be read.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    #[error("the body is too long: more than {0} bytes")]
    TooLong(usize),
    #[error("the body came too slowly: less than {PACE} bytes a second after the first {} seconds", PATIENCE.as_secs())]
    TooSlow,
    #[error("too many large requests at once: try again later")]
    Busy,
    #[error("the body broke off: {0}")]
    Broken(String),
}

impl From<BodyError> for Problem {
    fn from(e: BodyError) -> Self {
        let (status, word) = match &e {
            BodyError::TooLong(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
            BodyError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "request"),
        };
        Problem::new(status, word, e.to_string())
    }
}

/// The right to hold a large body, as long as it is held.
#[derive(Debug, Default)]
pub(super) struct Place(
    #[expect(dead_code, reason = "what counts is when it is dropped")] Option<OwnedSemaphorePermit>,
);

/// Waits for room for a body, if it may be large.
pub(super) fn place(body: &Body) -> impl Future<Output = Result<Place, BodyError>> + Send + use<> {
    static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LARGE_AT_ONCE)));
    let longest = body.size_hint().upper().unwrap_or(u64::MAX);
    async move {
        if longest <= LARGE {
            return Ok(Place::default());
        }
        match tokio::time::timeout(LARGE_WAIT, PLACES.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place(Some(permit))),
            _ => Err(BodyError::Busy),
        }
    }
}

/// Reads a body, piece by piece.
pub(super) async fn each<E: From<BodyError>>(
    body: Body,
    mut take: impl FnMut(Bytes) -> Result<(), E>,
) -> Result<(), E> {
    let mut body = Paced::new(body);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            take(data)?;
        }
    }
    Ok(())
}

/// The whole of a body of at most so many bytes.
pub(super) async fn whole(body: Body, most: usize) -> Result<Vec<u8>, BodyError> {
    if body.size_hint().lower() > most as u64 {
        return Err(BodyError::TooLong(most));
    }
    let mut out = Vec::with_capacity(usize::try_from(body.size_hint().lower()).unwrap_or(0));
    each(body, |data| {
        if out.len() + data.len() > most {
            return Err(BodyError::TooLong(most));
        }
        out.extend_from_slice(&data);
        Ok(())
    })
    .await?;
    Ok(out)
}

/// A body that fails when it comes too slowly.
pub(super) struct Paced {
    body: Body,
    began: Instant,
    received: u64,
    timer: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(body: Body) -> Self {
        let began = Instant::now();
        Paced { body, began, received: 0, timer: Box::pin(tokio::time::sleep_until(began + PATIENCE)) }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                let end = self.began + PATIENCE + Duration::from_secs(self.received / PACE);
                self.timer.as_mut().reset(end);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(BodyError::Broken(e.to_string())))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::TooSlow))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Trickle(u64, Pin<Box<Sleep>>);

    impl HttpBody for Trickle {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.1.as_mut().poll(cx).map(|()| {
                let size = self.0;
                self.1.as_mut().reset(Instant::now() + Duration::from_secs(1));
                Some(Ok(Frame::data(vec![b'x'; usize::try_from(size).unwrap()].into())))
            })
        }
    }

    async fn came(bytes_a_second: u64) -> (u64, BodyError) {
        let trickle = Trickle(bytes_a_second, Box::pin(tokio::time::sleep(Duration::from_secs(1))));
        let began = Instant::now();
        let error = whole(Body::new(trickle), 10 << 20).await.unwrap_err();
        (began.elapsed().as_secs(), error)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_and_one_that_flows_is_read() {
        let (seconds, error) = came(1).await;
        assert!(matches!(error, BodyError::TooSlow) && (10..13).contains(&seconds), "{seconds} {error}");
        let (seconds, error) = came(PACE).await;
        assert!(matches!(error, BodyError::TooLong(_)) && seconds > 100, "{seconds} {error}");
    }
}
