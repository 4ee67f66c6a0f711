//! Search in the logs of one job, or of all.

use axum::Json;
use axum::extract::{RawQuery, State};
use oyez_model::Time;
use oyez_store::{LogHit, LogPage, LogQuery, Pattern, PatternError, search};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query::Query;
use crate::http::problem::{DescriptorError, Problem};
use crate::service::Service;

/// Lines of an answer, when it is not said, and at most.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 100;

/// A line of log that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The number of its job.
    pub job: u64,
    /// That job's identity, a UUID.
    pub uid: String,
    /// That job's name.
    pub name: String,
    /// The number of its event in the job's journal.
    pub seq: u64,
    /// Which line of that event, from 0.
    pub line: u32,
    /// When it was written, RFC 3339.
    pub time: String,
    /// The id of the section it belongs to.
    pub section: String,
    /// The names from the test down to that section, with `/` between; empty for the job itself.
    #[schema(example = "A test/T1/power on")]
    pub path: String,
    /// The target it is about.
    pub target: Option<String>,
    /// `stdout`, `stderr` or `log`.
    #[schema(example = "stderr")]
    pub stream: String,
    /// `debug`, `info`, `warning`, `error`, `critical`, or nothing: what its event says, else what stands at its head.
    #[schema(example = "error")]
    pub level: Option<String>,
    /// It. What is not UTF-8 is U+FFFD.
    pub text: String,
    /// It is longer; this is the part with what was found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Lines of log, newest job first, those of a job in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// They.
    pub lines: Vec<LogLine>,
    /// There may be more: `after` of the next page. An answer looks at a bounded amount of log, so that there may be fewer
    /// lines than were asked for, or none, and still a next page.
    pub next: Option<String>,
    /// What could not be searched, because it is damaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl From<&LogHit> for LogLine {
    fn from(hit: &LogHit) -> Self {
        LogLine {
            job: hit.job.0,
            uid: hit.uid.to_string(),
            name: hit.name.clone(),
            seq: hit.seq.0,
            line: hit.line,
            time: hit.time.to_string(),
            section: hit.section.to_string(),
            path: hit.path.clone(),
            target: hit.target.clone(),
            stream: super::types::word(&hit.stream),
            level: hit.level.map(|level| level.to_string()),
            text: hit.text.clone(),
            cut: hit.is_cut,
        }
    }
}

impl From<&LogPage> for LogLines {
    fn from(page: &LogPage) -> Self {
        LogLines {
            lines: page.hits.iter().map(LogLine::from).collect(),
            next: page.next.map(|next| next.to_string()),
            notes: page.notes.clone(),
        }
    }
}

/// A pattern that is refused, with the place in the parameter of this name.
pub(super) fn refused(name: &str, e: &PatternError) -> Problem {
    let column = match e {
        PatternError::Syntax { offset, .. } => Some(offset + 1),
        _ => None,
    };
    let error = DescriptorError {
        severity: "error".to_owned(),
        path: name.to_owned(),
        message: e.to_string(),
        hint: None,
        line: column.map(|_| 1),
        column,
    };
    Problem { errors: vec![error], ..Problem::request(format!("{name}: {e}")) }
}

/// The pattern that `text` or `regex` asks for.
pub(super) fn pattern(query: &Query) -> Result<Option<Pattern>, Problem> {
    match (query.text("text"), query.text("regex")) {
        (Some(_), Some(_)) => Err(Problem::request(
            "text and regex: one of them is wanted, a text as it stands or a regular expression",
        )),
        (Some(text), None) => Pattern::literal(text).map(Some).map_err(|e| refused("text", &e)),
        (None, Some(regex)) => Pattern::regex(regex).map(Some).map_err(|e| refused("regex", &e)),
        (None, None) => Ok(None),
    }
}

/// Search in logs
///
/// What `oyez logs` prints is searched, line by line, from an index; what was acknowledged a moment ago is found as well.
/// Not searched is the rest of an output that was too long for the journal. All that is asked for must hold. Upper and
/// lower case are the same, unless a regular expression says `(?-i)`.
#[utoipa::path(get, path = "/api/v1/logs", operation_id = "searchLogs", tag = "logs",
    params(
        ("text" = Option<String>, Query, description = "Lines with this text"),
        ("regex" = Option<String>, Query, description = "Lines that match this regular expression (no look-around, no back-references), at most 1000 bytes"),
        ("job" = Option<String>, Query, description = "Only of this job: number, uid, guid, or `latest`"),
        ("tag" = Option<Vec<String>>, Query, description = "Only of jobs with all of these tags"),
        ("level" = Option<Vec<String>>, Query, description = "Only of these levels: debug, info, warning, error, critical, and `none` for lines without one"),
        ("since" = Option<String>, Query, description = "Not before this, RFC 3339"),
        ("until" = Option<String>, Query, description = "Not after this, RFC 3339"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<usize>, Query, description = "At most so many lines, 1 to 100; 50 when it is not said"),
    ),
    responses(
        (status = 200, description = "What was found, newest job first", body = LogLines),
        (status = 400, description = "The request makes no sense; what is wrong with a regular expression stands in `errors`, with its place", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn find(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
) -> Result<Json<LogLines>, Problem> {
    const KNOWN: [&str; 9] = ["text", "regex", "job", "tag", "level", "since", "until", "after", "limit"];
    let query = Query::read(query.as_deref(), &KNOWN)?;
    let limit: usize = query.value("limit", "a number")?.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Problem::request(format!("limit={limit}: a number from 1 to {LONGEST_PAGE} is wanted")));
    }
    let time = |name| query.value::<Time>(name, "a time as 2026-11-20T16:53:20Z");
    let levels = query.all("level").collect::<Vec<_>>().join(",");
    let mut asked = LogQuery {
        pattern: pattern(&query)?,
        job: None,
        tags: query.all("tag").map(str::to_owned).collect(),
        levels: levels.parse().map_err(|e| Problem::request(format!("level: {e}")))?,
        since: time("since")?,
        until: time("until")?,
        from: query
            .text("after")
            .map(str::parse)
            .transpose()
            .map_err(|e| Problem::request(format!("after: {e}")))?,
        limit,
        effort: search::EFFORT,
    };
    if let (Some(since), Some(until)) = (asked.since, asked.until)
        && since > until
    {
        return Err(Problem::request("since is after until: nothing can be between them"));
    }
    if let Some(job) = query.text("job") {
        asked.job = Some(super::find(&service, job).await?);
    }
    Ok(Json(LogLines::from(&service.search_logs(asked).await?)))
}
