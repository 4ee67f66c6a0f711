//! ConTest's admin server (specs/contest.md 3): `GET /log`, `GET /tag`, `GET /tag/NAME/jobs`, also under `/contest/`.
//!
//! Its parameters, shapes and texts, from our journal: there is no second copy of the logs that somebody must send here.
//! What differs: `success` of a report is there; a wrong regular expression is the caller's error (400) and is named;
//! `count` ends at [`MOST_COUNTED`], or when counting takes too long.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use oyez_model::{JobId, Time};
use oyez_store::search::MAX_HITS;
use oyez_store::{JobFilter, Level, Levels, LogHit, LogQuery, Pattern, StoreError, TagFilter};
use serde_json::{Value, json};

use super::api::tags;
use crate::service::Service;

/// Lines of a page, at most and when it is not said.
const PAGE: usize = 100;
/// Lines are counted up to so many.
const MOST_COUNTED: usize = 10_000;
/// And for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Tags, and jobs of a tag, at most.
const MOST: usize = 1000;

/// Why it is not answered.
enum AdminError {
    Query(String),
    Store(&'static str, StoreError),
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            AdminError::Query(why) => (StatusCode::BAD_REQUEST, format!("bad formatted query {why}")),
            AdminError::Store(what, e) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("error while getting the {what}: {e}"))
            }
        };
        (status, Json(json!({"status": "err", "msg": text}))).into_response()
    }
}

/// The parameters that are known; others are passed over, as there.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn read(query: Option<&str>) -> Asked {
        Asked(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The first value of a name; an empty one is none.
    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<usize>, AdminError> {
        let read = |text: &str| {
            text.parse().map_err(|_| AdminError::Query(format!("{name}: parsing {text:?}: invalid syntax")))
        };
        self.text(name).map(read).transpose()
    }

    fn time(&self, name: &str) -> Result<Option<Time>, AdminError> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                AdminError::Query(format!(
                    "{name}: parsing time {text:?} as \"2006-01-02T15:04:05.000Z07:00\""
                ))
            })
        };
        self.text(name).map(read).transpose()
    }

    fn pattern(&self, name: &str) -> Result<Option<Pattern>, AdminError> {
        let read = |text: &str| Pattern::regex(text).map_err(|e| AdminError::Query(format!("{name}: {e}")));
        self.text(name).map(read).transpose()
    }
}

/// `GET /log`
pub(super) async fn logs(State(service): State<Service>, RawQuery(query): RawQuery) -> Response {
    found(&service, &Asked::read(query.as_deref()))
        .await
        .map_or_else(IntoResponse::into_response, |found| Json(found).into_response())
}

async fn found(service: &Service, asked: &Asked) -> Result<Value, AdminError> {
    let size = asked.number("page_size")?.filter(|size| (1..PAGE).contains(size)).unwrap_or(PAGE);
    let page = asked.number("page")?.unwrap_or(0);
    let mut query = LogQuery {
        pattern: asked.pattern("text")?,
        job: asked.number("job_id")?.map(|job| JobId(job as u64)),
        since: asked.time("start_date")?,
        until: asked.time("end_date")?,
        limit: MAX_HITS,
        ..LogQuery::default()
    };
    let mut is_any = true;
    if let Some(words) = asked.text("log_level") {
        let mut levels = Levels::default();
        words.split(',').filter_map(Level::of_word).for_each(|level| levels.add(Some(level)));
        // What is no level has no lines.
        is_any = !levels.is_empty();
        query.levels = levels;
    }
    let first = page.saturating_mul(size);
    let (mut lines, mut count, begun) = (Vec::new(), 0, Instant::now());
    while is_any && count < MOST_COUNTED && begun.elapsed() < PATIENCE {
        let answer = match service.search_logs(query.clone()).await {
            Ok(answer) => answer,
            // A job that is not there has no lines.
            Err(StoreError::NoJob(_)) => break,
            Err(e) => return Err(AdminError::Store("logs", e)),
        };
        let skipped = first.saturating_sub(count).min(answer.hits.len());
        let wanted = size - lines.len();
        count += answer.hits.len();
        lines.extend(answer.hits[skipped..].iter().take(wanted).map(line));
        let Some(next) = answer.next else { break };
        query.from = Some(next);
    }
    let logs = if lines.is_empty() { Value::Null } else { Value::Array(lines) };
    Ok(json!({"logs": logs, "count": count, "page": page, "page_size": size}))
}

fn line(hit: &LogHit) -> Value {
    let level = hit.level.map_or("", Level::as_str);
    json!({"job_id": hit.job.0, "log_data": hit.text, "date": hit.time.to_string(), "log_level": level})
}

/// `GET /tag`
pub(super) async fn tags(State(service): State<Service>, RawQuery(query): RawQuery) -> Response {
    let asked = Asked::read(query.as_deref());
    let pattern = match asked.pattern("text") {
        Ok(pattern) => pattern,
        Err(e) => return e.into_response(),
    };
    match service.store().tags(TagFilter { pattern, after: None, limit: MOST }).await {
        Ok(tags) => {
            let tag = |tag: oyez_store::TagCount| json!({"name": tag.name, "jobs_count": tag.jobs});
            Json(tags.into_iter().map(tag).collect::<Vec<_>>()).into_response()
        }
        Err(e) => AdminError::Store("tags", e).into_response(),
    }
}

/// `GET /tag/NAME/jobs`
pub(super) async fn tag_jobs(State(service): State<Service>, Path(name): Path<String>) -> Response {
    of_tag(&service, name)
        .await
        .map_or_else(|e| AdminError::Store("jobs", e).into_response(), |jobs| Json(jobs).into_response())
}

/// One entry for each final report of a job, and one for a job without.
async fn of_tag(service: &Service, name: String) -> Result<Vec<Value>, StoreError> {
    let filter = JobFilter { tags: vec![name], limit: MOST, ..JobFilter::default() };
    let mut jobs = Vec::new();
    for id in service.store().job_ids(filter).await? {
        let reports = tags::reports(&**service.store(), id).await?;
        if reports.is_empty() {
            jobs.push(json!({"job_id": id.0, "report": null}));
        }
        for (time, report) in reports {
            let report = json!({
                "reporter_name": report.reporter,
                "success": report.success,
                "time": time.to_string(),
                "data": report.data.0,
            });
            jobs.push(json!({"job_id": id.0, "report": report}));
        }
    }
    Ok(jobs)
}
