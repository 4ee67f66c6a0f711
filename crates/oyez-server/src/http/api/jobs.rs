//! Submit, list, look at one.

use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oyez_engine::Format;
use oyez_engine::descriptor::input::LONGEST;
use oyez_model::{Guid, JobId, JobState};
use oyez_store::JobFilter;
use oyez_wire::contest::request::LONGEST_REQUESTOR;
use oyez_wire::contest::{API_VERSION, DESCRIPTOR_VERSION};

use super::query::{Query, parsed};
use super::types::{Job, Jobs, Taken, Version};
use crate::http::body;
use crate::http::problem::{DescriptorError, Problem};
use crate::service::{Service, Submission, Submitted};

/// Jobs of a page, when it is not said, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// What answers here
#[utoipa::path(get, path = "/api/v1/version", operation_id = "version", tag = "server", responses((status = 200, description = "The answer", body = Version)))]
pub(super) async fn version(State(service): State<Service>) -> Json<Version> {
    Json(Version {
        oyez: env!("CARGO_PKG_VERSION").to_owned(),
        descriptor: DESCRIPTOR_VERSION.to_owned(),
        contest: API_VERSION,
        server: service.server_id().to_owned(),
    })
}

/// Submit a job
///
/// The body is the job descriptor as it is, JSON or YAML. The job is kept when this is answered; it runs when its turn
/// comes.
#[utoipa::path(post, path = "/api/v1/jobs", operation_id = "submitJob", tag = "jobs",
    request_body(content((serde_json::Value = "application/json"), (String = "application/yaml")),
        description = "The job descriptor"),
    params(
        ("requestor" = Option<String>, Query, description = "Who asks, at most 32 bytes; `api` when nobody says"),
        ("guid" = Option<Vec<String>>, Query, description = "Correlation texts of the caller; may be repeated"),
        ("priority" = Option<i32>, Query, description = "Its place in the queue: the higher is first, 0 when it is not said"),
    ),
    responses(
        (status = 201, description = "The job, kept", body = Taken, headers(("Location" = String, description = "The path of the job"))),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The descriptor is too long"),
        (status = 415, description = "The media type is not known", body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "All that is wrong with the descriptor, each with its place"),
        (status = 503, description = "The server takes no new jobs, or its store cannot be written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn submit(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["requestor", "guid", "priority"])?;
    let requestor = requestor(query.text("requestor"))?;
    let guid = |text: &str| Guid::new(text).map_err(|e| Problem::request(format!("guid: {e}")));
    let guids = query.each("guid").map(guid).collect::<Result<Vec<_>, _>>()?;
    let priority = query.value("priority", "a whole number")?.unwrap_or(0);
    let format = format(request.headers())?;
    let body = request.into_body();
    let _place = body::place(&body).await?;
    let descriptor = body::whole(body, LONGEST).await?;
    let submission = Submission { descriptor, format, require_version: false, requestor, guids, priority };
    taken(&service, service.submit(submission).await?).await
}

/// A name that may stand as a job's requestor.
fn requestor(name: Option<&str>) -> Result<String, Problem> {
    let name = name.filter(|name| !name.is_empty()).unwrap_or("api");
    if name.len() > LONGEST_REQUESTOR {
        let length = name.len();
        return Err(Problem::request(format!(
            "requestor: the name is too long: {length} bytes > {LONGEST_REQUESTOR}"
        )));
    }
    Ok(name.to_owned())
}

/// How the descriptor is written; found out when the header does not say.
pub(super) fn format(headers: &HeaderMap) -> Result<Option<Format>, Problem> {
    let text = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = text else { return Ok(None) };
    match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Some(Format::Json)),
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Ok(Some(Format::Yaml)),
        "application/octet-stream" | "text/plain" => Ok(None),
        other => {
            let detail = format!("'{other}': a descriptor comes as application/json or application/yaml");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail))
        }
    }
}

/// The answer for a new job.
pub(super) async fn taken(service: &Service, submitted: Submitted) -> Result<Response, Problem> {
    let info = service.store().job(submitted.id).await?;
    let warnings = submitted.warnings.iter().map(DescriptorError::from).collect();
    let location = format!("/api/v1/jobs/{}", submitted.id);
    let body = Json(Taken { job: Job::from(&info), warnings });
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// List jobs, newest first
#[utoipa::path(get, path = "/api/v1/jobs", operation_id = "listJobs", tag = "jobs",
    params(
        ("id" = Option<Vec<u64>>, Query, description = "Only jobs with one of these numbers"),
        ("state" = Option<Vec<String>>, Query, description = "Only jobs in one of these states"),
        ("tag" = Option<Vec<String>>, Query, description = "Only jobs with all of these tags"),
        ("guid" = Option<String>, Query, description = "Only jobs with this guid"),
        ("server" = Option<String>, Query, description = "Only jobs that this server took"),
        ("before" = Option<u64>, Query, description = "Only jobs with lower numbers: `next` of the page before"),
        ("limit" = Option<usize>, Query, description = "At most so many, 1 to 1000; 100 when it is not said"),
    ),
    responses(
        (status = 200, description = "The answer", body = Jobs),
        (status = 400, description = "The request makes no sense", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
) -> Result<Json<Jobs>, Problem> {
    const KNOWN: [&str; 7] = ["id", "state", "tag", "guid", "server", "before", "limit"];
    let query = Query::read(query.as_deref(), &KNOWN)?;
    let limit: usize = query.value("limit", "a number")?.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Problem::request(format!("limit={limit}: a number from 1 to {LONGEST_PAGE} is wanted")));
    }
    let id = |text: &str| parsed("id", text, "the number of a job").map(JobId);
    let state = |text: &str| text.parse::<JobState>().map_err(Problem::request);
    let filter = JobFilter {
        ids: query.all("id").map(id).collect::<Result<_, _>>()?,
        states: query.all("state").map(state).collect::<Result<_, _>>()?,
        tags: query.all("tag").map(str::to_owned).collect(),
        guid: query.text("guid").map(str::to_owned),
        server: query.text("server").map(str::to_owned),
        before: query.value("before", "the number of a job")?.map(JobId),
        limit,
    };
    let jobs: Vec<Job> = service.store().jobs(filter).await?.iter().map(Job::from).collect();
    let next = jobs.last().filter(|_| jobs.len() == limit).map(|job| job.id);
    Ok(Json(Jobs { jobs, next }))
}

/// Look at one job
///
/// `{id}` is its number, its uid, a guid that no other job has, or `latest`.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(("id" = String, Path, description = "Number, uid, guid, or `latest`")),
    responses(
        (status = 200, description = "The answer", body = Job),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Several jobs have this guid"),
    ))]
pub(super) async fn one(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let id = super::find(&service, &id).await?;
    Ok(Json(Job::from(&service.store().job(id).await?)))
}
