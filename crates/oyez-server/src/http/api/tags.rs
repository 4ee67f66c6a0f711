//! Tags, and the jobs that have them.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use oyez_model::event::Report;
use oyez_model::{JobId, Time};
use oyez_store::{JobFilter, JobInfo, Pattern, Store, StoreError, TagCount, TagFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::logs::refused;
use super::query::Query;
use super::types::Job;
use crate::finals;
use crate::http::problem::Problem;
use crate::service::Service;

/// Tags, and jobs, of a page: usual, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tag {
    /// It; a server's own begins with `_`.
    pub name: String,
    /// How many jobs have it.
    pub jobs: u64,
}

/// Tags, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tags {
    /// They.
    pub tags: Vec<Tag>,
    /// There may be more: `after` of the next page.
    pub next: Option<String>,
}

/// A job with a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaggedJob {
    /// The job.
    pub job: Job,
    /// What its final reporters said, in order.
    pub reports: Vec<FinalReport>,
}

/// What a final reporter said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinalReport {
    /// The reporter's name.
    #[schema(example = "TargetSuccess")]
    pub reporter: String,
    /// Whether it is content.
    pub success: bool,
    /// When it said so, RFC 3339.
    pub time: String,
    /// What it says.
    #[schema(value_type = serde_json::Value)]
    pub data: serde_json::Value,
    /// Why it could not say anything.
    pub error: Option<String>,
}

/// Jobs with a tag, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaggedJobs {
    /// They.
    pub jobs: Vec<TaggedJob>,
    /// There may be more: `before` of the next page.
    pub next: Option<u64>,
}

impl From<TagCount> for Tag {
    fn from(tag: TagCount) -> Self {
        Tag { name: tag.name, jobs: tag.jobs }
    }
}

impl FinalReport {
    /// From the event and its time.
    #[must_use]
    pub fn new(time: Time, report: &Report) -> Self {
        let data = &report.data.0;
        FinalReport {
            reporter: report.reporter.clone(),
            success: report.success,
            time: time.to_string(),
            // What is no JSON stands there as a text.
            data: serde_json::from_str(data).unwrap_or_else(|_| serde_json::Value::String(data.clone())),
            error: report.error.clone(),
        }
    }
}

fn limit(query: &Query) -> Result<usize, Problem> {
    let limit: usize = query.value("limit", "a number")?.unwrap_or(PAGE.0);
    if !(1..=PAGE.1).contains(&limit) {
        return Err(Problem::request(format!("limit={limit}: a number from 1 to {} is wanted", PAGE.1)));
    }
    Ok(limit)
}

/// List tags
#[utoipa::path(get, path = "/api/v1/tags", operation_id = "listTags", tag = "logs",
    params(
        ("text" = Option<String>, Query, description = "Only tags that match this regular expression, in either case"),
        ("after" = Option<String>, Query, description = "Only tags after this one: `next` of the page before"),
        ("limit" = Option<usize>, Query, description = "At most so many, 1 to 1000; 100 when it is not said"),
    ),
    responses(
        (status = 200, description = "They, with how many jobs have each", body = Tags),
        (status = 400, description = "The request makes no sense", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
) -> Result<Json<Tags>, Problem> {
    let query = Query::read(query.as_deref(), &["text", "after", "limit"])?;
    let limit = limit(&query)?;
    let pattern = query.text("text").map(Pattern::regex).transpose().map_err(|e| refused("text", &e))?;
    let after = query.text("after").map(str::to_owned);
    let found = service.store().tags(TagFilter { pattern, after, limit }).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.name.clone());
    Ok(Json(Tags { tags: found.into_iter().map(Tag::from).collect(), next }))
}

/// List the jobs with a tag, newest first
#[utoipa::path(get, path = "/api/v1/tags/{name}/jobs", operation_id = "listTagJobs", tag = "logs",
    params(
        ("name" = String, Path, description = "The tag"),
        ("before" = Option<u64>, Query, description = "Only jobs with lower numbers: `next` of the page before"),
        ("limit" = Option<usize>, Query, description = "At most so many, 1 to 1000; 100 when it is not said"),
    ),
    responses(
        (status = 200, description = "They, with their final reports; none when nobody has the tag", body = TaggedJobs),
        (status = 400, description = "The request makes no sense", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn jobs(
    State(service): State<Service>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<TaggedJobs>, Problem> {
    let query = Query::read(query.as_deref(), &["before", "limit"])?;
    let limit = limit(&query)?;
    let before = query.value("before", "the number of a job")?.map(JobId);
    let filter = JobFilter { tags: vec![name], before, limit, ..JobFilter::default() };
    let found = service.store().jobs(filter).await?;
    let mut jobs = Vec::with_capacity(found.len());
    for info in &found {
        jobs.push(tagged(&**service.store(), info).await?);
    }
    let next = jobs.last().filter(|_| jobs.len() == limit).map(|last| last.job.id);
    Ok(Json(TaggedJobs { jobs, next }))
}

/// A job with what its final reporters said.
///
/// # Errors
/// The store's own trouble.
pub async fn tagged(store: &dyn Store, info: &JobInfo) -> Result<TaggedJob, StoreError> {
    let reports = match info.damage {
        None => reports(store, info.id).await?,
        Some(_) => Vec::new(),
    };
    let reports = reports.iter().map(|(time, report)| FinalReport::new(*time, report)).collect();
    Ok(TaggedJob { job: Job::from(info), reports })
}

/// The final reports of a job; of one whose journal is damaged, none.
pub(in crate::http) async fn reports(
    store: &dyn Store,
    job: JobId,
) -> Result<Vec<(Time, Report)>, StoreError> {
    let read = async {
        let reader = store.reader(job).await?;
        // It panicked, or the runtime ends.
        let done = tokio::task::spawn_blocking(move || finals::of(&*reader)).await;
        done.map_err(|_| StoreError::Closed)?
    };
    match read.await {
        Err(StoreError::Damaged { .. } | StoreError::NoJob(_)) => Ok(Vec::new()),
        other => other,
    }
}
