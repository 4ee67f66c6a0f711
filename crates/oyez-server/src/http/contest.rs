//! ConTest's verbs over HTTP: at `/`, and under `/contest/` for whoever wants them apart (specs/contest.md 2).
//!
//! The answers are ConTest's to the byte, headers and their order included. One rule is ours: a form of more than 10 MB,
//! which ConTest reads as an empty one, is read; one that holds more than the longest descriptor is refused by that name.

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use oyez_engine::descriptor::input::LONGEST;
use oyez_wire::contest::form::{Form, Kind, TooLong, UrlEncoded};
use oyez_wire::contest::{MEDIA_TYPE, reply as contest, request};

use super::body::{self, BodyError, Paced};
use super::reply;
use crate::contest::done;
use crate::contest::spool::Spool;
use crate::service::Service;

/// The values of a form: a descriptor, and a little more.
const LONGEST_FORM: usize = LONGEST + (64 << 10);

/// Go's server sends what is longer in chunks.
const SENT_WHOLE: u64 = 2048;

/// Answers whatever has no path of its own.
pub(super) async fn answer(State(service): State<Service>, request: Request) -> Response {
    if request.method() != Method::POST {
        return response(StatusCode::BAD_REQUEST, request::ONLY_POST.as_bytes().to_vec().into());
    }
    let path = request::path(request.uri().path()).into_owned();
    let verb = request::verb(&path);
    let verb = verb.strip_prefix("contest/").map_or(verb, request::verb);
    let form = match form(request).await {
        Ok(form) => form,
        Err(e) => return response(e.status(), contest::refusal(&e.to_string()).into()),
    };
    match request::read(verb, form) {
        Ok(request) => response(StatusCode::OK, done(&service, request).await),
        Err(refused) => response(StatusCode::BAD_REQUEST, contest::refusal(&refused.0).into()),
    }
}

/// Why there is no form.
#[derive(Debug, thiserror::Error)]
enum FormError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

impl FormError {
    fn status(&self) -> StatusCode {
        match self {
            FormError::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// The fields of a request's body. What is no form has none.
async fn form(request: Request) -> Result<Form, FormError> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let kind = Kind::of(content_type.and_then(|value| value.to_str().ok()));
    if kind == Kind::Other {
        return Ok(Form::default());
    }
    // Held while the body is read; what comes of it is as large as the descriptor.
    let _place = body::place(request.body()).await?;
    if kind == Kind::Multipart {
        return multipart(request).await;
    }
    let mut reader = UrlEncoded::new(LONGEST_FORM);
    body::each(request.into_body(), |data| Ok::<_, FormError>(reader.push(&data)?)).await?;
    Ok(reader.finish())
}

async fn multipart(request: Request) -> Result<Form, FormError> {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, Body::new(Paced::new(body)));
    let Ok(mut fields) = Multipart::from_request(request, &()).await else { return Ok(Form::default()) };
    let (mut form, mut length) = (Form::default(), 0);
    loop {
        let mut field = match fields.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(form),
            Err(e) => return broken(&e),
        };
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = field.file_name().is_some();
        let is_wanted = !is_file && oyez_wire::contest::form::FIELDS.contains(&name.as_str());
        let mut value = Vec::new();
        loop {
            match field.chunk().await {
                Ok(Some(data)) if is_wanted => {
                    length += data.len();
                    if length > LONGEST_FORM {
                        return Err(TooLong(LONGEST_FORM).into());
                    }
                    value.extend_from_slice(&data);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(e) => return broken(&e),
            }
        }
        if is_wanted {
            form.add(name.as_bytes(), value);
        }
    }
}

/// What is no multipart body has no fields, as in Go; what came too slowly is told apart by what stands behind it.
fn broken(e: &axum::extract::multipart::MultipartError) -> Result<Form, FormError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(e);
    while let Some(e) = cause {
        if let Some(BodyError::TooSlow) = e.downcast_ref::<BodyError>() {
            return Err(BodyError::TooSlow.into());
        }
        cause = e.source();
    }
    Ok(Form::default())
}

/// An answer with Go's headers, in Go's order.
fn response(status: StatusCode, body: Spool) -> Response {
    let mut headers = HeaderMap::with_capacity(3);
    let now = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(now) = HeaderValue::from_str(&now) {
        headers.insert(header::DATE, now);
    }
    let length = body.len();
    if length <= SENT_WHOLE {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let body = if length <= SENT_WHOLE { reply::spooled(body) } else { reply::chunked(body) };
    let mut response = Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}
