//! What can go wrong, under the names of pyATS's exceptions.

use std::path::PathBuf;
use std::time::Duration;

use oyez_model::Value;
use oyez_model::value::Opaque;

/// Why a call, a connection or a subscription failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `ServerNotStartedError`: nobody listens at the socket, and nobody came in time.
    #[error(
        "no report server at {} within {waited:?}: {source}; start one with `oyez pyats serve`, or wait longer",
        path.display()
    )]
    ServerNotStarted {
        /// The socket.
        path: PathBuf,
        /// How long it was tried.
        waited: Duration,
        /// What the system said last.
        source: std::io::Error,
    },
    /// `ConnectionBrokenError`: there is no connection any more; the call was not made. [`super::ReportClient::reconnect`]
    /// tries again.
    #[error("{call}: the connection to the report server is broken; reconnect, or report to another server")]
    ConnectionBroken {
        /// The call.
        call: String,
    },
    /// `ConnectionClosedError`: the server closed the connection before it answered; the call may have been made.
    #[error("{call}: the report server closed the connection before it answered")]
    ConnectionClosed {
        /// The call.
        call: String,
    },
    /// `MessageReceiveError`: the server did not understand the message, or we not its answer.
    #[error("{call}: a message was not understood: {why}")]
    MessageReceive {
        /// The call.
        call: String,
        /// What was wrong with it.
        why: String,
    },
    /// `DuplicateIDError`: a task of this id started before; under strict rules also a sibling section.
    #[error(transparent)]
    DuplicateId(Box<Raised>),
    /// `ExistingClientError`: the connection has registered before.
    #[error(transparent)]
    ExistingClient(Box<Raised>),
    /// `InvalidRequestError`: the call makes no sense now.
    #[error(transparent)]
    InvalidRequest(Box<Raised>),
    /// `UnregisteredClientError`: the connection has not registered.
    #[error(transparent)]
    UnregisteredClient(Box<Raised>),
    /// `SignalError`: a signal ended the server while it did what was asked.
    #[error(transparent)]
    Signal(Box<Raised>),
    /// `UnhandledContextError`: the call is not for what is open now.
    #[error(transparent)]
    UnhandledContext(Box<Raised>),
    /// Any other exception: `KeyError`, `AttributeError`, `TypeError`, ...
    #[error(transparent)]
    Raised(Box<Raised>),
    /// The server did not answer in time; it may still do what was asked.
    #[error("{call}: no answer within {waited:?}; see whether the report server is busy, or wait longer")]
    NoAnswer {
        /// The call.
        call: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// What the call says is too much for one message.
    #[error("{call}: a message of {bytes} bytes; send less in one call, at most {limit}")]
    TooLarge {
        /// The call.
        call: String,
        /// How long its message is.
        bytes: usize,
        /// The most that is sent.
        limit: usize,
    },
    /// The system gives no random bytes for the client's token.
    #[error("no random bytes for the client's token: {0}")]
    Random(getrandom::Error),
}

/// An exception that a call was answered with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{call}: {name}: {}", self.text())]
pub struct Raised {
    /// The call.
    pub call: String,
    /// The exception's module: `builtins`, `pyats.reporter.exceptions`.
    pub module: String,
    /// The exception's class.
    pub name: String,
    /// Its arguments: mostly one text.
    pub args: Vec<Value>,
    /// What Python says of where it happened, when the call itself raised it.
    pub traceback: Option<String>,
}

impl Raised {
    /// What the exception says.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.args[..] {
            [one] => oyez_wire::pyats::objects::text_of_id(one),
            many => oyez_wire::pyats::repr::repr(&Value::Tuple(many.to_vec())),
        }
    }
}

impl Error {
    /// What a reply raises; the reply itself when it raises nothing.
    pub(super) fn or_value(call: &str, reply: Value) -> Result<Value, Error> {
        match reply.get("exception") {
            None => Ok(reply),
            Some(Value::Opaque(exception)) => {
                let traceback = reply.get("traceback").and_then(Value::as_str);
                Err(Error::of(call, exception, traceback))
            }
            Some(other) => Err(Error::MessageReceive {
                call: call.to_owned(),
                why: format!("exception: {}", oyez_wire::pyats::repr::repr(other)),
            }),
        }
    }

    fn of(call: &str, exception: &Opaque, traceback: Option<&str>) -> Error {
        let raised = Box::new(Raised {
            call: call.to_owned(),
            module: exception.module.clone(),
            name: exception.name.clone(),
            args: exception.args.clone(),
            traceback: traceback.map(str::to_owned),
        });
        if raised.module != "pyats.reporter.exceptions" {
            return Error::Raised(raised);
        }
        match raised.name.as_str() {
            "DuplicateIDError" => Error::DuplicateId(raised),
            "ExistingClientError" => Error::ExistingClient(raised),
            "InvalidRequestError" => Error::InvalidRequest(raised),
            "UnregisteredClientError" => Error::UnregisteredClient(raised),
            "SignalError" => Error::Signal(raised),
            "UnhandledContextError" => Error::UnhandledContext(raised),
            "MessageReceiveError" => Error::MessageReceive { call: call.to_owned(), why: raised.text() },
            "ConnectionClosedError" => Error::ConnectionClosed { call: call.to_owned() },
            "ConnectionBrokenError" => Error::ConnectionBroken { call: call.to_owned() },
            _ => Error::Raised(raised),
        }
    }

    /// The exception, when the server raised one.
    #[must_use]
    pub fn raised(&self) -> Option<&Raised> {
        match self {
            Error::DuplicateId(raised)
            | Error::ExistingClient(raised)
            | Error::InvalidRequest(raised)
            | Error::UnregisteredClient(raised)
            | Error::Signal(raised)
            | Error::UnhandledContext(raised)
            | Error::Raised(raised) => Some(raised),
            _ => None,
        }
    }
}
