//! The native API under `/api/v1`: JSON, errors as `application/problem+json`, described at `/api/v1/openapi.json`.
//!
//! | module | holds |
//! |---|---|
//! | [`types`] | what goes over the wire |
//! | `jobs` | submit, list, look at one |
//! | `plan` | what a descriptor would run |
//! | `control` | stop, pause, resume, retry |
//! | `events` | a job's events, followed |
//! | [`frames`] | their form for programs of ours |
//! | [`tests`] | runs and tests of a job |
//! | `report` | documents of a job |
//! | [`logs`] | search in logs |
//! | [`tags`] | tags and their jobs |
//! | [`targets`] | who has which target, and what people do to them |
//! | `query` | what stands behind the `?` |
//! | [`openapi`] | the description, from these |

mod control;
mod events;
pub mod frames;
mod jobs;
pub mod logs;
pub mod openapi;
mod plan;
mod query;
mod report;
pub mod tags;
pub mod targets;
pub mod tests;
pub mod types;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::{get, post};
use oyez_model::JobId;

use super::problem::Problem;
use crate::service::Service;

/// All paths below `/api`.
pub(super) fn router() -> Router<Service> {
    Router::new()
        .route("/v1/version", get(jobs::version))
        .route("/v1/openapi.json", get(openapi::served))
        .route("/v1/jobs", get(jobs::list).post(jobs::submit))
        .route("/v1/plan", post(plan::plan))
        .route("/v1/jobs/{id}", get(jobs::one))
        .route("/v1/jobs/{id}/tests", get(tests::served))
        .route("/v1/jobs/{id}/events", get(events::follow))
        .route("/v1/jobs/{id}/report", get(report::make))
        .route("/v1/jobs/{id}/stop", post(control::stop))
        .route("/v1/jobs/{id}/pause", post(control::pause))
        .route("/v1/jobs/{id}/resume", post(control::resume))
        .route("/v1/jobs/{id}/retry", post(control::retry))
        .route("/v1/logs", get(logs::find))
        .route("/v1/tags", get(tags::list))
        .route("/v1/tags/{name}/jobs", get(tags::jobs))
        .route("/v1/targets", get(targets::list))
        .route("/v1/targets/{id}/notes", get(targets::notes))
        .route("/v1/targets/{id}/{verb}", post(targets::by_hand))
        .method_not_allowed_fallback(no_method)
        .fallback(no_path)
}

async fn no_path(request: Request) -> Problem {
    let path = request.uri().path();
    let detail = format!("there is nothing at /api{path}; /api/v1/openapi.json says what there is");
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", detail)
}

async fn no_method(request: Request) -> Problem {
    let detail = format!("{} is not taken here; /api/v1/openapi.json says what is", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
}

/// The one job that is meant by a number, a uid, a guid, or `latest`.
async fn find(service: &Service, text: &str) -> Result<JobId, Problem> {
    let found = service.store().find(text).await?;
    match found[..] {
        [id] => Ok(id),
        [] => {
            let detail = format!("there is no job '{text}': an ID is a number, a uid, a guid, or `latest`");
            Err(Problem::new(StatusCode::NOT_FOUND, "no-job", detail))
        }
        _ => {
            let detail = format!("'{text}' is the guid of {} jobs; say which by its number", found.len());
            let jobs = found.iter().map(|id| id.0).collect();
            Err(Problem { jobs, ..Problem::new(StatusCode::CONFLICT, "ambiguous", detail) })
        }
    }
}
