//! A job's events as they come, each follower at its own pace.
//!
//! A follower reads from the journal: what it has not taken yet costs nothing, and where it stands is a number that it can
//! come back with. A few pieces of text are made ahead for it, no more.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oyez_model::{Event, EventSeq, JobId, JobState};
use oyez_store::StoreError;
use tokio::sync::{mpsc, watch};

use super::query::{Query, parsed};
use super::{frames, types};
use crate::http::problem::Problem;
use crate::http::reply;
use crate::service::Service;

/// Events that are read at once, and bytes of text after which the reading pauses until they are taken.
const READ_AT_ONCE: usize = 256;
const PIECE: usize = 1 << 20;

/// How often somebody who follows a silent job hears that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One JSON object on each line.
    Lines,
    /// Server-sent events.
    Sse,
    /// See [`frames`].
    Frames,
}

impl Form {
    fn wanted(headers: &HeaderMap) -> Form {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let known = kinds.find_map(|kind| match kind {
            "text/event-stream" => Some(Form::Sse),
            frames::MEDIA_TYPE => Some(Form::Frames),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Form::Lines),
            _ => None,
        });
        known.unwrap_or(Form::Lines)
    }

    fn media_type(self) -> &'static str {
        match self {
            Form::Lines => "application/x-ndjson",
            Form::Sse => "text/event-stream",
            Form::Frames => frames::MEDIA_TYPE,
        }
    }

    fn write(self, out: &mut Vec<u8>, events: &[(EventSeq, Event)]) {
        if self == Form::Frames {
            return frames::write(out, events);
        }
        for (seq, event) in events {
            if self == Form::Sse {
                out.extend_from_slice(format!("id: {seq}\ndata: ").as_bytes());
            }
            // JSON has no line breaks of its own.
            out.extend_from_slice(event.to_json(*seq).to_string().as_bytes());
            out.extend_from_slice(if self == Form::Sse { b"\n\n" } else { b"\n" });
        }
    }

    /// What says that the sender is there, where that can be said.
    fn heartbeat(self) -> Option<Vec<u8>> {
        match self {
            Form::Lines => None,
            Form::Sse => Some(b": still here\n\n".to_vec()),
            Form::Frames => {
                let mut out = Vec::new();
                frames::write(&mut out, &[]);
                Some(out)
            }
        }
    }

    /// What says that no more will come, so that a browser does not come back for it.
    fn end(self, state: JobState) -> Option<Vec<u8>> {
        (self == Form::Sse).then(|| format!("event: end\ndata: {{\"state\":\"{state}\"}}\n\n").into_bytes())
    }
}

/// The events of a job, followed until it has ended
///
/// By `Accept`: `application/x-ndjson` (when nothing else is said), one object on each line; `text/event-stream`, where
/// `Last-Event-ID` goes on after that event and an event `end` says that the job has ended.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", operation_id = "followEvents", tag = "jobs",
    params(
        ("id" = String, Path, description = "Number, uid, guid, or `latest`"),
        ("after" = Option<u64>, Query, description = "Only events after this number; 0 when it is not said"),
        ("follow" = Option<bool>, Query, description = "`false`: end with the last event that there is now"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The same as `after`, which a browser sends when it comes back"),
    ),
    responses(
        (status = 200, description = "The answer", content((types::EventLine = "application/x-ndjson"), (String = "text/event-stream"))),
        (status = 400, description = "The request makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn follow(
    State(service): State<Service>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    const NUMBER: &str = "the number of an event";
    let query = Query::read(query.as_deref(), &["after", "follow"])?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.map(|text| parsed("Last-Event-ID", text, NUMBER)).transpose()?;
    let after: u64 = last.or(query.value("after", NUMBER)?).unwrap_or(0);
    let is_followed = query.value("follow", "true or false")?.unwrap_or(true);
    let id = super::find(&service, &id).await?;
    // Trouble that shows at once is an answer of its own.
    service.store().job(id).await?;
    let form = Form::wanted(&headers);
    let (send, body) = reply::channel();
    let ending = service.ending();
    let follower = Follower { service, id, form, after: EventSeq(after), send };
    tokio::spawn(follower.run(is_followed, ending));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Follower {
    service: Service,
    id: JobId,
    form: Form,
    after: EventSeq,
    send: mpsc::Sender<Bytes>,
}

/// Events, as text.
struct Page {
    text: Vec<u8>,
    /// The number of the last event in it, or of the one before it.
    last: EventSeq,
    state: JobState,
    /// There were no more events when it was read.
    is_all: bool,
}

/// Why following ends before the job does.
enum Cut {
    /// Whoever followed has gone.
    Gone,
    /// The store's trouble ends the stream in the middle: whoever follows comes back with the last number.
    Store(#[expect(dead_code, reason = "shown by a debugger")] StoreError),
}

impl From<StoreError> for Cut {
    fn from(e: StoreError) -> Self {
        Cut::Store(e)
    }
}

impl Follower {
    async fn run(mut self, is_followed: bool, mut ending: watch::Receiver<bool>) {
        let gone = self.send.clone();
        tokio::select! {
            _ = self.follow(is_followed) => {}
            () = gone.closed() => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
    }

    async fn follow(&mut self, is_followed: bool) -> Result<(), Cut> {
        loop {
            let Page { text, last, state, is_all } = self.page().await?;
            self.after = last;
            if !text.is_empty() {
                self.say(text).await?;
            }
            if is_all && (!is_followed || state.is_final()) {
                return match self.form.end(state).filter(|_| state.is_final()) {
                    Some(end) => self.say(end).await,
                    None => Ok(()),
                };
            }
            if is_all {
                self.wait().await?;
            }
        }
    }

    async fn say(&self, text: Vec<u8>) -> Result<(), Cut> {
        self.send.send(text.into()).await.map_err(|_| Cut::Gone)
    }

    /// Waits for more events.
    async fn wait(&self) -> Result<(), Cut> {
        while self.service.store().wait(self.id, self.after, HEARTBEAT).await? <= self.after {
            if let Some(heartbeat) = self.form.heartbeat() {
                self.say(heartbeat).await?;
            }
        }
        Ok(())
    }

    /// The next events.
    async fn page(&self) -> Result<Page, StoreError> {
        let (form, after) = (self.form, self.after);
        let read = self.service.read(self.id, move |reader| {
            let (mut text, mut last, mut is_all) = (Vec::new(), after, true);
            loop {
                let events = reader.events_after(last, READ_AT_ONCE)?;
                let Some((seq, _)) = events.last() else { break };
                last = *seq;
                form.write(&mut text, &events);
                if text.len() >= PIECE {
                    is_all = false;
                    break;
                }
            }
            Ok::<_, StoreError>(Page { text, last, state: reader.live().state(), is_all })
        });
        read.await
    }
}
