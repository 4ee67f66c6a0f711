//! A job's events from a server, until the job has come to rest. A connection that breaks is made again, and goes on with
//! the event after the last.

use std::time::{Duration, Instant};

use oyez_model::{Event, EventBody, EventSeq, JobState};
use oyez_server::http::api::frames;

use super::{RemoteError, Server, escaped};

/// A server that does not come back within this time is given up,
const GONE: Duration = Duration::from_secs(60);
/// after it was tried so often.
const AGAIN: Duration = Duration::from_millis(200);
/// A job that is still paused after this time was not halted for the next server to go on with it.
const PAUSED: Duration = Duration::from_secs(3);

/// Why no more events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The job has ended.
    Ended,
    /// Somebody halted it.
    Paused,
}

/// Shows each event, once and in order, until the job has come to rest; `note` hears of connections that broke.
///
/// # Errors
/// The job is gone, or the server is, for too long.
pub fn follow(
    server: &Server,
    id: &str,
    mut see: impl FnMut(EventSeq, &Event),
    note: impl Fn(&str),
) -> Result<Rest, RemoteError> {
    let (mut after, mut state) = (EventSeq(0), JobState::Unknown);
    let mut paused: Option<Instant> = None;
    let mut gone: Option<Instant> = None;
    loop {
        let is_followed = state != JobState::Paused;
        let came = once(server, id, after, is_followed, &mut |seq, event| {
            if gone.take().is_some() {
                note("the server is back");
            }
            after = seq;
            if let EventBody::JobStateChanged(change) = &event.body
                && state.may_become(change.state)
            {
                state = change.state;
            }
            see(seq, event);
            state
        });
        match came {
            Err(e @ (RemoteError::Problem(_) | RemoteError::Strange { .. })) => return Err(e),
            _ if state.is_final() => return Ok(Rest::Ended),
            Ok(()) if state == JobState::Paused => {
                if paused.get_or_insert_with(Instant::now).elapsed() > PAUSED {
                    return Ok(Rest::Paused);
                }
            }
            // The server let go of everybody: it ends.
            Ok(()) => {}
            Err(e) => {
                let since = *gone.get_or_insert_with(|| {
                    note(&format!("{e}; the job does not depend on this, which waits for the server"));
                    Instant::now()
                });
                match (since.elapsed() > GONE, state) {
                    (true, JobState::Paused) => return Ok(Rest::Paused),
                    (true, _) => return Err(e),
                    (false, _) => {}
                }
            }
        }
        if state != JobState::Paused {
            paused = None;
        }
        std::thread::sleep(AGAIN);
    }
}

/// As long as a connection lasts and the job is not paused; only what there is now, unless `is_followed`.
fn once(
    server: &Server,
    id: &str,
    after: EventSeq,
    is_followed: bool,
    see: &mut dyn FnMut(EventSeq, &Event) -> JobState,
) -> Result<(), RemoteError> {
    let path = format!("/api/v1/jobs/{}/events?after={after}&follow={is_followed}", escaped(id));
    let mut from = server.get(&path, frames::MEDIA_TYPE)?.into_body().into_reader();
    while let Some(events) = frames::read(&mut from).map_err(|e| server.unreachable(e))? {
        let last = events.iter().map(|(seq, event)| see(*seq, event)).last();
        if last == Some(JobState::Paused) {
            break;
        }
    }
    Ok(())
}
