//! Runs and tests of a job, from their rows alone.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use oyez_model::NodeKind;
use oyez_store::{JobReader, StoreError, tree};

use super::query::Query;
use super::types::{Test, Tests};
use crate::http::problem::Problem;
use crate::service::Service;

/// How many are shown when it is not said, and at most.
pub const USUAL: usize = 200;
const MOST: usize = 10_000;

/// Runs and tests of a job
///
/// Attempts and clean-ups each for themselves, in the order in which they began.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/tests", operation_id = "listTests", tag = "jobs",
    params(
        ("id" = String, Path, description = "Number, uid, guid, or `latest`"),
        ("limit" = Option<usize>, Query, description = "At most so many, 1 to 10000; 200 when it is not said"),
    ),
    responses(
        (status = 200, description = "The answer", body = Tests),
        (status = 400, description = "The request makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn served(
    State(service): State<Service>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Tests>, Problem> {
    let query = Query::read(query.as_deref(), &["limit"])?;
    let limit: usize = query.value("limit", "a number")?.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::request(format!("limit={limit}: a number from 1 to {MOST} is wanted")));
    }
    let id = super::find(&service, &id).await?;
    Ok(Json(service.read(id, move |reader| of(reader, limit)).await?))
}

/// The first `limit` runs and tests of a reader's job.
///
/// # Errors
/// The store's own trouble.
pub fn of(reader: &dyn JobReader, limit: usize) -> Result<Tests, StoreError> {
    let mut out = Tests::default();
    for runs in tree::children(reader, &tree::root(reader)?) {
        for run in runs?.iter().filter(|row| row.kind == NodeKind::Run) {
            out.tests.push(Test::from(run));
            for tests in tree::children(reader, run) {
                out.tests.extend(tests?.iter().filter(|row| row.kind == NodeKind::Test).map(Test::from));
                if out.tests.len() > limit {
                    break;
                }
            }
            if out.tests.len() > limit {
                out.tests.truncate(limit);
                out.more = true;
                return Ok(out);
            }
        }
    }
    Ok(out)
}
