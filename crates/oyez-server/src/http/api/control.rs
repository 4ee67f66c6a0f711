//! Stop, pause, resume, retry: each with who asks and why, which is kept with the job.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oyez_model::JobId;
use oyez_model::event::Control;

use super::types::{Asked, Job, Taken};
use crate::http::body;
use crate::http::problem::Problem;
use crate::service::{Service, SubmitError, Submitted};

/// A few words.
const LONGEST_BODY: usize = 64 << 10;

/// What is answered: the job as it stands by then.
type Answer = Result<(StatusCode, Json<Job>), Problem>;

/// Stop a job
///
/// It starts nothing new, ends what runs, cleans up, releases its targets and reports. With `kill` it ends at once.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/stop", operation_id = "stopJob", tag = "control", request_body = Option<Asked>,
    params(("id" = String, Path, description = "Number, uid, guid, or `latest`")),
    responses(
        (status = 202, body = Job, description = "It was asked; how far it is, its state tells"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It has ended"),
    ))]
pub(super) async fn stop(State(service): State<Service>, Path(id): Path<String>, request: Request) -> Answer {
    control(&service, &id, request, Control::Cancel).await
}

/// Halt a job so that it can go on
#[utoipa::path(post, path = "/api/v1/jobs/{id}/pause", operation_id = "pauseJob", tag = "control", request_body = Option<Asked>,
    params(("id" = String, Path, description = "Number, uid, guid, or `latest`")),
    responses(
        (status = 202, body = Job, description = "It was asked; how far it is, its state tells"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It does not run"),
    ))]
pub(super) async fn pause(
    State(service): State<Service>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    control(&service, &id, request, Control::Pause).await
}

/// Let a job go on that was paused
#[utoipa::path(post, path = "/api/v1/jobs/{id}/resume", operation_id = "resumeJob", tag = "control", request_body = Option<Asked>,
    params(("id" = String, Path, description = "Number, uid, guid, or `latest`")),
    responses(
        (status = 202, body = Job, description = "It goes on when its turn comes"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is not paused"),
    ))]
pub(super) async fn resume(
    State(service): State<Service>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    control(&service, &id, request, Control::Resume).await
}

/// Run the same job again
///
/// A new job from the same request, linked to this one.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", operation_id = "retryJob", tag = "control", request_body = Option<Asked>,
    params(("id" = String, Path, description = "Number, uid, guid, or `latest`")),
    responses(
        (status = 201, description = "The job, kept", body = Taken, headers(("Location" = String, description = "The path of the new job"))),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It cannot be run again"),
        (status = 503, description = "The server takes no new jobs, or its store cannot be written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn retry(
    State(service): State<Service>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (job, asked) = asked(&service, &id, request).await?;
    if asked.kill {
        return Err(Problem::request("kill belongs to stop"));
    }
    if service.is_draining() {
        return Err(SubmitError::Draining.into());
    }
    let (id, uid) = service.jobs().retry(job, by(&asked)).await?;
    super::jobs::taken(&service, Submitted { id, uid, warnings: Vec::new() }).await
}

async fn control(service: &Service, id: &str, request: Request, verb: Control) -> Answer {
    let (job, asked) = asked(service, id, request).await?;
    let verb = match (verb, asked.kill) {
        (verb, false) => verb,
        (Control::Cancel, true) => Control::Kill,
        _ => return Err(Problem::request("kill belongs to stop")),
    };
    service.jobs().control(job, verb, by(&asked), asked.why.clone()).await?;
    let info = service.store().job(job).await?;
    Ok((StatusCode::ACCEPTED, Json(Job::from(&info))))
}

fn by(asked: &Asked) -> &str {
    asked.by.as_deref().filter(|by| !by.is_empty()).unwrap_or("api")
}

/// Which job, and what stands in the body, if there is one.
async fn asked(service: &Service, id: &str, request: Request) -> Result<(JobId, Asked), Problem> {
    let body = body::whole(request.into_body(), LONGEST_BODY).await?;
    let asked = match body.trim_ascii() {
        [] => Asked::default(),
        body => serde_json::from_slice(body).map_err(|e| {
            Problem::request(format!("the body is {{\"by\": \"who\", \"why\": \"why\"}}, or nothing: {e}"))
        })?,
    };
    Ok((super::find(service, id).await?, asked))
}
