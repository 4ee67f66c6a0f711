//! Servers: what listens, and keeps what it hears.
//!
//! A server moves bytes. What a peer's words mean stands in `oyez-wire` as pure rules; what is kept, and how, in
//! `oyez-store`; what is run, in `oyez-engine`.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | what the service does, whichever way it is asked |
//! | [`http`] | its doors: ConTest's verbs, the API, and what keeps bad clients from harming good ones |
//! | [`contest`] | what ConTest's verbs do, and the long reply to `status` |
//! | [`pyats`] | the report server of pyATS on its unix socket |

pub mod contest;
mod finals;
pub mod http;
pub mod pyats;
pub mod service;
