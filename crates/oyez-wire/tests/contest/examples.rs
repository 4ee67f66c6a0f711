//! Requests and short answers.

use oyez_model::JobId;
use oyez_wire::contest::API_VERSION;
use oyez_wire::contest::form::Form;
use oyez_wire::contest::reply::{Data, answer, refusal, text};
use oyez_wire::contest::request::{ONLY_POST, Request, read, verb};

use super::examples;

/// What a server answers that has job 1 and nothing else. The texts of descriptors' errors are the engine's matter.
fn answered(request: Request, recorded: &str) -> Option<Vec<u8>> {
    let error = || {
        let reply: serde_json::Value = serde_json::from_str(recorded).unwrap();
        reply["Error"].as_str().map(str::to_owned)
    };
    let (data, error) = match request {
        Request::Start { .. } => (Data::Start(JobId(0)), error()),
        Request::Stop { job, .. } => (Data::Stop, Some(text::unknown_job("stop", job))),
        Request::Status { job: 1, .. } => return None,
        Request::Status { job, .. } => (Data::NoStatus, Some(text::no_request(job))),
        Request::Retry { job, .. } => (Data::Retry(JobId(job), JobId(0)), error()),
        Request::List { tags, .. } => match oyez_model::tags::check_tags(&tags, true) {
            Ok(()) => (Data::List(Some(vec![JobId(1)])), None),
            Err(e) => (Data::List(None), Some(format!("failed to list jobs: {e}"))),
        },
        Request::Version => (Data::Version(API_VERSION), None),
    };
    Some(answer("labsrv", &data, error.as_deref()))
}

#[test]
fn recorded_requests_get_the_recorded_answers() {
    let mut compared = 0;
    for example in examples() {
        let (status, body) = if example.is_post {
            match read(verb(&example.path), Form::url_encoded(example.form.as_bytes())) {
                Ok(request) => match answered(request, &example.body) {
                    Some(body) => (200, body),
                    None => continue,
                },
                Err(refused) => (400, refusal(&refused.0)),
            }
        } else {
            (400, ONLY_POST.as_bytes().to_vec())
        };
        assert_eq!(String::from_utf8(body).unwrap(), example.body, "{}", example.name);
        assert_eq!(status, example.status, "{}", example.name);
        compared += 1;
    }
    assert!(compared == 0 || compared >= 22, "only {compared}");
}
