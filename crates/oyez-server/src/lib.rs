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

// A reader that went away is no reason to end: `print!` and its kin panic then.
#![warn(clippy::print_stdout, clippy::print_stderr)]

/// Says something to a person on standard error, if anybody still listens there.
macro_rules! tell {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _nobody_listens = writeln!(std::io::stderr(), $($said)*);
    }};
}

pub mod contest;
mod finals;
pub mod http;
pub mod pyats;
pub mod service;
