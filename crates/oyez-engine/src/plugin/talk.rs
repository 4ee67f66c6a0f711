//! The exchanges that every plugin knows: who it is, and whether parameters are right.

use std::path::Path;
use std::time::Duration;

use serde_json::value::RawValue;

use super::protocol::{Heard, Hello, LONGEST_LINE, ParameterError, Role, Say, VERSION, Which};
use super::session::{Next, Session, end_text};
use crate::duration::GoDuration;

/// The things that may be wrong with the parameters of one plugin, as far as they are listed.
const MOST_ERRORS: usize = 50;

/// A time in Go's words.
pub(super) fn said(time: Duration) -> GoDuration {
    GoDuration(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// The next message that is for us; `what` is being waited for. Logs and what is not known are passed over.
///
/// # Errors
/// There is none; says why, with what it said on standard error.
pub(super) async fn answer(
    session: &mut Session,
    program: &Path,
    what: &str,
    patience: Duration,
) -> Result<Heard, String> {
    let wait = async {
        loop {
            match session.next().await {
                Next::Line(line) => match Heard::read(&line) {
                    Ok(Heard::Unknown(_) | Heard::Log { .. }) => {}
                    Ok(message) => return Ok(message),
                    Err(why) => return Err(format!("it wrote {why}, where `{what}` was expected")),
                },
                Next::TooLong => return Err(too_long()),
                Next::Ended(end) => {
                    return Err(format!("{}, where `{what}` was expected", end_text(program, &end)));
                }
            }
        }
    };
    let result = tokio::time::timeout(patience, wait).await;
    let result = result.unwrap_or_else(|_| Err(format!("it gave no `{what}` within {}", said(patience))));
    match result {
        Ok(message) => Ok(message),
        Err(why) => Err(session.wrong(&why).await),
    }
}

/// Said of a line beyond the limit.
pub(super) fn too_long() -> String {
    format!("it wrote a line of more than {LONGEST_LINE} bytes")
}

/// Asks who it is.
///
/// # Errors
/// It does not say, or cannot be what it is wanted for.
pub(super) async fn hello(
    session: &mut Session,
    program: &Path,
    role: Role,
    patience: Duration,
) -> Result<Hello, String> {
    session.input.say(&Say::Hello { protocol: VERSION, oyez: env!("CARGO_PKG_VERSION"), role });
    let hello = match answer(session, program, "hello", patience).await? {
        Heard::Hello(hello) => hello,
        other => return Err(session.wrong(&unexpected(&other, "hello")).await),
    };
    if hello.protocol != VERSION {
        return Err(format!(
            "it speaks version {} of the plugin protocol, this Oyez version {VERSION}",
            hello.protocol
        ));
    }
    if !hello.roles.contains(&role) {
        let roles: Vec<_> = hello.roles.iter().map(|role| role.name()).collect();
        return Err(format!("it is no {}, but: {}", role.name(), roles.join(", ")));
    }
    Ok(hello)
}

/// Asks whether parameters are right; gives what is wrong with them.
///
/// # Errors
/// It does not say.
pub(super) async fn validate(
    session: &mut Session,
    program: &Path,
    which: Which,
    parameters: &RawValue,
    patience: Duration,
) -> Result<Vec<ParameterError>, String> {
    session.input.send(&Say::Validate { which, parameters }).await?;
    match answer(session, program, "validated", patience).await? {
        Heard::Validated { mut errors } => {
            errors.truncate(MOST_ERRORS);
            Ok(errors)
        }
        other => Err(session.wrong(&unexpected(&other, "validated")).await),
    }
}

/// Said of a message that has no place there.
pub(super) fn unexpected(message: &Heard, wanted: &str) -> String {
    format!("it wrote a message `{}`, where `{wanted}` was expected", message.kind())
}
