//! The stream of events.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::{not_understood, request};
use super::connection::{Connection, Trouble};
use super::{Arguments, Error, PushedEvent};

/// How long it is tried to subscribe.
const PATIENCE: Duration = Duration::from_secs(25);
const PAUSE: Duration = Duration::from_millis(100);
const CALL: &str = "subscribe_client";

/// Subscribes to everything that is reported to the server at a socket, from now on: nothing of the past comes, so ask
/// [`super::ReportClient::get_testsuite`] afterwards. It is not needed to register.
///
/// # Errors
/// [`Error::ServerNotStarted`] when nobody listens within 25 seconds; what the server raises.
pub async fn subscribe(path: impl AsRef<Path>) -> Result<Events, Error> {
    let path = path.as_ref();
    let began = Instant::now();
    let until = began + PATIENCE;
    loop {
        let source = match timeout_at(until, Events::open(path)).await {
            Ok(Ok(events)) => return events,
            Ok(Err(Trouble::Broken(e))) => e,
            Ok(Err(Trouble::Closed { .. })) => std::io::ErrorKind::ConnectionReset.into(),
            Ok(Err(e)) => return Err(not_understood(CALL, e.to_string())),
            Err(_) => std::io::ErrorKind::TimedOut.into(),
        };
        if Instant::now() + PAUSE > until {
            return Err(Error::ServerNotStarted { path: path.to_owned(), waited: began.elapsed(), source });
        }
        sleep(PAUSE).await;
    }
}

/// Events as they come. It ends when the server does; whoever takes nothing for a minute while more is waiting is cut off
/// by a server of Oyez, by pyATS's own after a second.
#[derive(Debug)]
pub struct Events {
    /// `None`: it has ended.
    connection: Option<Connection>,
    /// One that came before the server answered.
    early: Option<PushedEvent>,
}

impl Events {
    async fn open(path: &Path) -> Result<Result<Events, Error>, Trouble> {
        let mut connection = Connection::open(path).await?;
        let answer = connection.exchange(&request(CALL, Arguments::new(), None)).await?;
        // An event says as well as an answer that it is subscribed; the answer is passed over when it comes.
        let early = PushedEvent::from_value(answer.clone());
        if early.is_none()
            && let Err(e) = Error::or_value(CALL, answer)
        {
            return Ok(Err(e));
        }
        Ok(Ok(Events { connection: Some(connection), early }))
    }

    /// Says that no more events are wanted, and waits until that is heard.
    ///
    /// # Errors
    /// The connection was closed before.
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        let call = "unsubscribe_client";
        let closed = || Error::ConnectionClosed { call: call.to_owned() };
        let mut connection = self.connection.take().ok_or_else(closed)?;
        connection.send(&request(call, Arguments::new(), None)).await.map_err(|_| closed())?;
        let until = Instant::now() + PATIENCE;
        loop {
            let next = std::future::poll_fn(|context| connection.poll_value(context));
            let value = match timeout_at(until, next).await {
                Ok(Ok(value)) => value,
                Ok(Err(Trouble::Unreadable(_))) => continue,
                Ok(Err(_)) => return Err(closed()),
                Err(_) => return Err(Error::NoAnswer { call: call.to_owned(), waited: PATIENCE }),
            };
            if value.get("event").is_none() {
                return Error::or_value(call, value).map(|_| ());
            }
        }
    }
}

impl Stream for Events {
    type Item = Result<PushedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(early) = self.early.take() {
            return Poll::Ready(Some(Ok(early)));
        }
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            match ready!(connection.poll_value(context)) {
                Ok(value) => {
                    if let Some(event) = PushedEvent::from_value(value) {
                        return Poll::Ready(Some(Ok(event)));
                    }
                }
                Err(Trouble::Unreadable(e)) => {
                    return Poll::Ready(Some(Err(not_understood(CALL, e.to_string()))));
                }
                Err(Trouble::TooLarge(e)) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(not_understood(CALL, e.to_string()))));
                }
                Err(Trouble::Closed { mid_message: false }) => {
                    self.connection = None;
                    return Poll::Ready(None);
                }
                Err(Trouble::Closed { mid_message: true } | Trouble::Broken(_)) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(Error::ConnectionClosed { call: CALL.to_owned() })));
                }
            }
        }
    }
}
