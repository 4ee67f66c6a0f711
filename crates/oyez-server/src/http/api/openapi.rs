//! The description of the API, made from the types and functions that serve it.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

use super::{control, events, jobs, logs, plan, report, tags, targets, tests, types};
use crate::http::problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Oyez",
        description = "Runs test jobs, hears everything that they report, keeps it, shows it, and gives the verdict.\n\nErrors are `application/problem+json` (RFC 9457). ConTest's verbs are taken at `/` and under `/contest/`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        jobs::submit,
        plan::plan,
        jobs::list,
        jobs::one,
        tests::served,
        events::follow,
        report::make,
        control::stop,
        control::pause,
        control::resume,
        control::retry,
        jobs::version,
        logs::find,
        tags::list,
        tags::jobs,
        targets::list,
        targets::notes,
        targets::by_hand,
    ),
    components(schemas(
        logs::LogLine,
        logs::LogLines,
        tags::FinalReport,
        tags::Tag,
        tags::TaggedJob,
        tags::TaggedJobs,
        tags::Tags,
        plan::PlannedJob,
        targets::Hand,
        targets::Note,
        targets::Notes,
        targets::Target,
        targets::Targets,
        types::Asked,
        types::EventLine,
        types::Gap,
        types::Job,
        types::Jobs,
        types::Taken,
        types::Test,
        types::Tests,
        types::Version,
        problem::DescriptorError,
        problem::Problem,
    )),
    tags(
        (name = "jobs", description = "Submit jobs, and look at them"),
        (name = "control", description = "Stop, pause, resume, retry"),
        (name = "logs", description = "Search in logs; tags and their jobs"),
        (name = "server", description = "The server itself"),
    ),
)]
struct Description;

/// The description as JSON.
#[must_use]
pub fn description() -> String {
    // A tree of texts can always be said in JSON.
    let mut text = Description::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Answers with it.
pub(super) async fn served() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description()).into_response()
}

#[cfg(test)]
mod unchanged {
    #[test]
    fn the_description_changes_only_on_purpose() {
        insta::assert_snapshot!("openapi", super::description());
    }
}
