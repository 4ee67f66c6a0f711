//! Whether the service lives, and whether it takes jobs.

use axum::extract::State;
use axum::http::StatusCode;
use oyez_store::JobFilter;

use crate::service::Service;

/// It answers, so it lives.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// It takes jobs, and its store can be read and written.
pub(super) async fn ready(State(service): State<Service>) -> (StatusCode, String) {
    if let Some(why) = service.not_ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    }
    if let Some(e) = service.trouble() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{e}; jobs wait\n"));
    }
    match service.store().job_ids(JobFilter { limit: 1, ..JobFilter::default() }).await {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")),
    }
}
