//! Documents of a job.

use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use oyez_report::{Format, Options, ReportError};

use super::query::Query;
use crate::contest::spool::Spool;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::service::Service;

/// A document of a job
///
/// Also of one that still runs, as it stands.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/report", operation_id = "getReport", tag = "jobs",
    params(
        ("id" = String, Path, description = "Number, uid, guid, or `latest`"),
        ("format" = Option<String>, Query, description = "`json` when it is not said; `junit`, `markdown`, `html`, `ctrf`, `tap`, `pyats-json`, `pyats-yaml`, `pyats-xml`, `pyats-summary`"),
    ),
    responses(
        (status = 200, description = "The document, in its own media type", content_type = "application/json", body = serde_json::Value),
        (status = 400, description = "The request makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn make(
    State(service): State<Service>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["format"])?;
    let format: Format = query.text("format").unwrap_or("json").parse().map_err(Problem::request)?;
    let id = super::find(&service, &id).await?;
    let made = service.render(id, move |reader| {
        let mut out = Spool::default();
        oyez_report::write_report(reader, format, &mut out, &Options::default())?;
        Ok::<_, ReportError>(out)
    });
    let document = made.await.map_err(|e| match e {
        ReportError::Store(e) => e.into(),
        e => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", e.to_string()),
    })?;
    Ok(([(header::CONTENT_TYPE, format.media_type())], reply::spooled(document)).into_response())
}
