//! Errors of the API: `application/problem+json` (RFC 9457), for programs by `type`, for people by `detail`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use oyez_engine::{ControlError, Diagnostic, EngineError};
use oyez_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::{PlanError, SubmitError};

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which kind: `urn:oyez:problem:` and a word. The words: `descriptor`, `no-job`, `ambiguous`, `state`,
    /// `request`, `too-large`, `too-slow`, `media-type`, `host`, `no-such-path`, `method`, `draining`, `store`, `fault`.
    #[serde(rename = "type")]
    #[schema(example = "urn:oyez:problem:no-job")]
    pub kind: String,
    /// The kind in words.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// The status of the answer.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// All that is wrong with a descriptor, in the order in which it would be come upon; or with a regular expression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<DescriptorError>,
    /// The jobs that are meant by a guid of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<u64>,
}

/// One thing that is wrong with a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DescriptorError {
    /// `error`: the job is refused; `warning`: something is probably not as it was meant.
    #[schema(example = "error")]
    pub severity: String,
    /// Where: empty for the descriptor as a whole.
    #[schema(example = "TestDescriptors[0].Steps[1].label")]
    pub path: String,
    /// What.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line in the text, from 1, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl From<&Diagnostic> for DescriptorError {
    fn from(d: &Diagnostic) -> Self {
        DescriptorError {
            severity: if d.is_error() { "error" } else { "warning" }.to_owned(),
            path: d.path.clone(),
            message: d.message.clone(),
            hint: d.hint.clone(),
            line: d.position.map(|p| p.line),
            column: d.position.map(|p| p.column),
        }
    }
}

/// What each kind is called.
const TITLES: [(&str, &str); 14] = [
    ("descriptor", "The job descriptor is wrong"),
    ("no-job", "There is no such job"),
    ("ambiguous", "Several jobs have this guid"),
    ("state", "The job is in a state in which this cannot be done"),
    ("request", "The request makes no sense"),
    ("too-large", "The request is too large"),
    ("too-slow", "The request came too slowly"),
    ("media-type", "The media type is not known"),
    ("host", "The request was not meant for this server"),
    ("no-such-path", "There is nothing at this path"),
    ("method", "The method is not known here"),
    ("draining", "The server takes no new jobs"),
    ("store", "The store cannot do it"),
    ("fault", "A fault of Oyez"),
];

impl Problem {
    /// A problem of a kind, by its word.
    #[must_use]
    pub fn new(status: StatusCode, word: &str, detail: impl Into<String>) -> Self {
        let title = TITLES.iter().find(|(known, _)| *known == word).map_or("", |(_, title)| title);
        Problem {
            kind: format!("urn:oyez:problem:{word}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// A request that makes no sense.
    pub(crate) fn request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "request", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of texts and numbers can always be said in JSON.
        let mut body = serde_json::to_vec(&self).unwrap_or_default();
        body.push(b'\n');
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        let (status, word) = match &e {
            StoreError::NoJob(_) => (StatusCode::NOT_FOUND, "no-job"),
            StoreError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            StoreError::Damaged { .. } | StoreError::NoBlob(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "store")
            }
            _ => (StatusCode::SERVICE_UNAVAILABLE, "store"),
        };
        Problem::new(status, word, e.to_string())
    }
}

impl From<ControlError> for Problem {
    fn from(e: ControlError) -> Self {
        let (status, word) = match e {
            ControlError::NoJob(_) => (StatusCode::NOT_FOUND, "no-job"),
            ControlError::Store(e) => return e.into(),
            ControlError::Submit(e) => return SubmitError::from(e).into(),
            _ => (StatusCode::CONFLICT, "state"),
        };
        Problem::new(status, word, e.to_string())
    }
}

fn of_descriptor(diagnostics: &[Diagnostic]) -> Problem {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let first = diagnostics.iter().find(|d| d.is_error()).map_or("", |d| d.message.as_str());
    let detail = match errors {
        1 => first.to_owned(),
        n => format!("{n} errors, the first: {first}"),
    };
    let errors = diagnostics.iter().map(DescriptorError::from).collect();
    Problem { errors, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "descriptor", detail) }
}

impl From<PlanError> for Problem {
    fn from(e: PlanError) -> Self {
        match e {
            PlanError::Descriptor(diagnostics) => of_descriptor(&diagnostics),
            PlanError::Target(e) => Problem::request(format!("target: {e}")),
            PlanError::Broken(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", e.to_string()),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(e: SubmitError) -> Self {
        match e {
            SubmitError::Descriptor(diagnostics) => of_descriptor(&diagnostics),
            SubmitError::Draining => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining", e.to_string()),
            SubmitError::Engine(EngineError::Store(e)) => e.into(),
            SubmitError::Engine(_) | SubmitError::Broken(_) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", e.to_string())
            }
        }
    }
}
