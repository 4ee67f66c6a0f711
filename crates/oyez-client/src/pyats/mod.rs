//! pyATS's report protocol, from the side of who reports and who listens.
//!
//! [`ReportClient`] makes calls, each answered before the next is sent, as pyATS does it. [`subscribe`] opens a
//! connection of its own and gives a stream of [`PushedEvent`]s.
//!
//! Nothing waits for ever: connecting ends after [`Options::patience`], a call after [`Options::reply_within`]. Messages
//! are at most 256 MiB. What comes back is parsed as data; an object of a foreign class stays a
//! [`Value::Opaque`](oyez_model::Value::Opaque).
//!
//! # When the connection breaks
//!
//! Each client registers with a token of its own and numbers its calls. A server of Oyez keeps both: a client that shows
//! its token again has its open contexts back, and a call whose number has been answered gets the same answer and does
//! nothing a second time. So a call during which the connection breaks is repeated, on a new connection, and its caller
//! notices a pause at most. Oyez's server leaves a note, `oyez.json`, beside its socket; where there is none, or it says
//! that the job has ended, nobody would remember, and the call fails at once with [`Error::ConnectionClosed`], later ones
//! with [`Error::ConnectionBroken`].
//!
//! | module | holds |
//! |---|---|
//! | `client` | connecting, registering, one call and its repetition |
//! | `calls` | each call as a method |
//! | `arguments` | what a call says, by name |
//! | `connection` | bytes to answers, on one socket |
//! | `subscription` | the stream of events |
//! | `event`, `section`, `result`, `field` | what comes back, with types |
//! | `error` | what can go wrong, under the names of pyATS's exceptions |

mod arguments;
mod calls;
mod client;
mod connection;
mod error;
mod event;
#[cfg(test)]
mod fake;
mod field;
mod result;
mod section;
mod subscription;

pub use arguments::{Argument, Arguments};
pub use calls::PluginStage;
pub use client::{Options, ReportClient};
pub use error::{Error, Raised};
pub use event::{EventName, PushedEvent};
pub use field::LogPlace;
pub use result::TestResult;
pub use section::Section;
pub use subscription::{Events, subscribe};
