//! Targets: who has which, and what people do to them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use oyez_engine::targets::{self, ByHand, TargetError};
use oyez_store::{SystemClock, TargetNote};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query::Query;
use crate::http::body;
use crate::http::problem::Problem;
use crate::service::Service;

/// A few words.
const LONGEST_BODY: usize = 64 << 10;
/// Targets, and notes, in one answer: usual, and at most.
const PAGE: (usize, usize) = (1000, 200_000);

/// A target that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// Its id.
    pub target: String,
    /// Who holds it: `process N on HOST`, or a person's name.
    pub held_by: String,
    /// For which job; none when a person holds it.
    pub job: Option<u64>,
    /// Until when, RFC 3339; a running job renews it before.
    pub until: String,
    /// What a person said of the hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// What somebody did to a target by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// The target's id.
    pub target: String,
    /// When, RFC 3339.
    pub at: String,
    /// What: `hold`, `release`, `force-unlock`, `note`.
    pub what: String,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Targets that are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Targets {
    /// They, by their ids.
    pub targets: Vec<Target>,
    /// To be given as `after` for the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Notes, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notes {
    /// They.
    pub notes: Vec<Note>,
}

/// Who does it, why, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hand {
    /// Who.
    pub by: String,
    /// Why; for a note, what is to be known.
    pub why: String,
    /// To `hold`: seconds; until it is released when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl From<&targets::Held> for Target {
    fn from(held: &targets::Held) -> Self {
        Target {
            target: held.held.target.clone(),
            held_by: held.held.owner.to_string(),
            job: held.held.job.map(|job| job.0),
            until: held.held.expires.to_string(),
            note: held.note.as_ref().map(Note::from),
        }
    }
}

impl From<&TargetNote> for Note {
    fn from(note: &TargetNote) -> Self {
        let TargetNote { target, at, what, by, why } = note.clone();
        Note { target, at: at.to_string(), what, by, why }
    }
}

impl From<TargetError> for Problem {
    fn from(e: TargetError) -> Self {
        match e {
            TargetError::Store(e) => e.into(),
            TargetError::Wrong(_) => Problem::new(StatusCode::BAD_REQUEST, "request", e.to_string()),
            TargetError::Busy { .. } => Problem::new(StatusCode::CONFLICT, "target-busy", e.to_string()),
            TargetError::Free(_) => Problem::new(StatusCode::CONFLICT, "target-free", e.to_string()),
        }
    }
}

/// How many are wanted at most.
fn limit(query: &Query) -> Result<usize, Problem> {
    Ok(query.value("limit", "a number")?.unwrap_or(PAGE.0).clamp(1, PAGE.1))
}

/// Targets that are held
#[utoipa::path(get, path = "/api/v1/targets", operation_id = "listTargets", tag = "targets",
    params(
        ("after" = Option<String>, Query, description = "Only ids after this one: the next page"),
        ("limit" = Option<usize>, Query, description = "At most so many; 1000, and no more than 200000"),
    ),
    responses((status = 200, description = "They, by their ids", body = Targets)))]
pub(super) async fn list(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
) -> Result<Json<Targets>, Problem> {
    let query = Query::read(query.as_deref(), &["after", "limit"])?;
    let limit = limit(&query)?;
    let held = targets::list(&**service.store(), query.text("after"), limit).await?;
    let next = (held.len() == limit).then(|| held.last().map(|last| last.held.target.clone())).flatten();
    Ok(Json(Targets { targets: held.iter().map(Target::from).collect(), next }))
}

/// What people did to a target
#[utoipa::path(get, path = "/api/v1/targets/{id}/notes", operation_id = "targetNotes", tag = "targets",
    params(
        ("id" = String, Path, description = "The target's id"),
        ("limit" = Option<usize>, Query, description = "At most so many; 1000"),
    ),
    responses((status = 200, description = "Newest first", body = Notes)))]
pub(super) async fn notes(
    State(service): State<Service>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Notes>, Problem> {
    let limit = limit(&Query::read(query.as_deref(), &["limit"])?)?;
    let notes = service.store().target_notes(Some(&id), limit).await?;
    Ok(Json(Notes { notes: notes.iter().map(Note::from).collect() }))
}

/// Do something to a target by hand
///
/// `hold` keeps it from all jobs, `release` gives it free again, `force-unlock` takes it from whoever has it (a job that
/// had it fails), `note` writes something down about it.
#[utoipa::path(post, path = "/api/v1/targets/{id}/{verb}", operation_id = "targetByHand", tag = "targets", request_body = Hand,
    params(
        ("id" = String, Path, description = "The target's id"),
        ("verb" = String, Path, description = "`hold`, `release`, `force-unlock` or `note`"),
    ),
    responses(
        (status = 200, description = "It is done, and kept", body = Note),
        (status = 400, description = "Who or why is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such verb", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Somebody else has it, or nobody", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn by_hand(
    State(service): State<Service>,
    Path((id, verb)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Note>, Problem> {
    let bytes = body::whole(request.into_body(), LONGEST_BODY).await?;
    let hand: Hand = serde_json::from_slice(&bytes)
        .map_err(|e| Problem::request(format!("the body must be {{\"by\": ..., \"why\": ...}}: {e}")))?;
    let by_hand = ByHand { target: id.clone(), by: hand.by, why: hand.why };
    let (store, clock) = (&**service.store(), &SystemClock);
    match verb.as_str() {
        "hold" => {
            targets::hold(store, clock, &by_hand, hand.seconds.map(Duration::from_secs)).await?;
        }
        "release" => targets::release(store, clock, &by_hand).await?,
        "force-unlock" => {
            targets::force_unlock(store, clock, &by_hand).await?;
        }
        "note" => targets::write_note(store, clock, &by_hand).await?,
        other => {
            let detail = format!("'{other}' is none of hold, release, force-unlock, note");
            return Err(Problem::new(StatusCode::NOT_FOUND, "no-such-path", detail));
        }
    }
    let note = service.store().target_notes(Some(&id), 1).await?.pop();
    let note = note.ok_or_else(|| Problem::request("the note is not there any more"))?;
    Ok(Json(Note::from(&note)))
}
