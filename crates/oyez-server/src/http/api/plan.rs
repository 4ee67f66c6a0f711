//! What a descriptor would run here, without running it.

use axum::extract::{RawQuery, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use oyez_engine::Plan;
use oyez_engine::descriptor::input::LONGEST;
use oyez_engine::plan::expand::ExpandedTest;
use serde::Serialize;
use utoipa::ToSchema;

use super::jobs::format;
use super::query::Query;
use crate::http::body;
use crate::http::problem::{DescriptorError, Problem};
use crate::service::{Planned, Service};

/// What would run.
#[derive(Serialize, ToSchema)]
pub(super) struct PlannedJob {
    /// The plan: the job's name, tags, runs, tests with their targets and steps, reporters.
    #[schema(value_type = Object)]
    plan: Plan,
    /// Each test's parameters as one target gets them, and what would fail.
    #[schema(value_type = Vec<Object>)]
    expanded: Vec<ExpandedTest>,
    /// What is probably not as it was meant.
    warnings: Vec<DescriptorError>,
}

/// Show what a descriptor would run
///
/// Nothing is run or kept. Programs, plugins and files are looked for where jobs of this server find them.
#[utoipa::path(post, path = "/api/v1/plan", operation_id = "planJob", tag = "jobs",
    params(
        ("target" = Option<String>, Query, description = "The target that parameters are shown for; the first of each test when it is not said"),
    ),
    request_body(content((serde_json::Value = "application/json"), (String = "application/yaml")),
        description = "The job descriptor"),
    responses(
        (status = 200, description = "What would run", body = PlannedJob),
        (status = 400, description = "No test runs on that target", body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The descriptor is too long"),
        (status = 415, description = "The media type is not known", body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "All that is wrong with the descriptor, each with its place"),
    ))]
pub(super) async fn plan(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["target"])?;
    let target = query.text("target").map(str::to_owned);
    let format = format(request.headers())?;
    let body = request.into_body();
    // Held until the answer is made: it is as large as what was asked.
    let _place = body::place(&body).await?;
    let descriptor = body::whole(body, LONGEST).await?;
    let Planned { plan, expanded, warnings } = service.plan(descriptor, format, target).await?;
    let warnings = warnings.iter().map(DescriptorError::from).collect();
    let planned = PlannedJob { plan, expanded, warnings };
    let text = tokio::task::spawn_blocking(move || serde_json::to_vec(&planned)).await;
    let fault = |e: String| Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "fault", e);
    let mut text = text.map_err(|e| fault(e.to_string()))?.map_err(|e| fault(e.to_string()))?;
    text.push(b'\n');
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}
