//! What ConTest's verbs do here, and the long reply to `status`.
//!
//! What the verbs say is `oyez_wire::contest`'s matter, how they come is [`crate::http`]'s.

pub mod spool;
pub mod status;

use oyez_engine::{ControlError, Format};
use oyez_model::event::Control;
use oyez_model::{JobId, tags};
use oyez_store::{JobFilter, JobInfo, StoreError};
use oyez_wire::contest::reply::{Data, answer, text};
use oyez_wire::contest::{API_VERSION, request::Request};

use crate::service::{Service, Submission};
use spool::Spool;

/// Does what was asked; the body of the answer, which is always 200.
pub async fn done(service: &Service, request: Request) -> Spool {
    let server = service.server_id();
    let short = |data: Data, error: Option<String>| Spool::from(answer(server, &data, error.as_deref()));
    match request {
        Request::Start { requestor, descriptor } => match start(service, requestor, descriptor).await {
            Ok(job) => short(Data::Start(job), None),
            Err(error) => short(Data::Start(JobId(0)), Some(error)),
        },
        Request::Stop { requestor, job } => {
            let stopped = service.jobs().control(JobId(job), Control::Cancel, &requestor, None).await;
            short(Data::Stop, stopped.err().map(|e| not_controlled("stop", job, e)))
        }
        Request::Status { job, .. } => match status(service, job).await {
            Ok(reply) => reply,
            Err(error) => short(Data::NoStatus, Some(error)),
        },
        Request::Retry { requestor, job } => match service.jobs().retry(JobId(job), &requestor).await {
            Ok((new, _)) => short(Data::Retry(JobId(job), new), None),
            Err(e) => short(Data::Retry(JobId(job), JobId(0)), Some(not_controlled("retry", job, e))),
        },
        Request::List { states, tags, .. } => match list(service, states, tags).await {
            Ok(jobs) => short(Data::List(Some(jobs)), None),
            Err(error) => short(Data::List(None), Some(error)),
        },
        Request::Version => short(Data::Version(API_VERSION), None),
    }
}

async fn start(service: &Service, requestor: String, descriptor: Vec<u8>) -> Result<JobId, String> {
    let submission = Submission {
        descriptor,
        format: Some(Format::Json),
        require_version: true,
        requestor,
        guids: Vec::new(),
        priority: 0,
    };
    service.submit(submission).await.map(|submitted| submitted.id).map_err(|e| e.to_string())
}

/// ConTest knows the jobs that run in its process, and no others.
fn not_controlled(what: &str, job: u64, e: ControlError) -> String {
    match e {
        ControlError::NoJob(_) | ControlError::Ended { .. } => text::unknown_job(what, job),
        e => format!("could not {what} job: {e}"),
    }
}

async fn status(service: &Service, job: u64) -> Result<Spool, String> {
    let info = match service.store().job(JobId(job)).await {
        Err(StoreError::NoJob(_)) => return Err(text::no_request(job)),
        other => other.map_err(|e| format!("failed to fetch request for job ID {job}: {e}"))?,
    };
    if let Some(tag) = other_instance(service, &info) {
        return Err(text::other_instance(job, tag));
    }
    let server = service.server_id().to_owned();
    let reply = service.render(JobId(job), move |reader| {
        let mut out = Spool::default();
        status::write(&server, reader, &mut out)?;
        Ok::<_, status::StatusError>(out)
    });
    reply.await.map_err(|e| format!("failed to fetch the status of job ID {job}: {e}"))
}

/// The tag of this instance, when the job does not have it.
fn other_instance<'s>(service: &'s Service, info: &JobInfo) -> Option<&'s str> {
    let tag = service.options().instance_tag.as_deref()?;
    info.row.tags.iter().all(|have| have != tag).then_some(tag)
}

async fn list(
    service: &Service,
    states: Vec<oyez_model::JobState>,
    mut with: Vec<String>,
) -> Result<Vec<JobId>, String> {
    tags::check_tags(&with, true).map_err(|e| format!("failed to list jobs: {e}"))?;
    if let Some(tag) = &service.options().instance_tag {
        tags::add_tags(&mut with, &[tag]);
    }
    let filter = JobFilter { states, tags: with, ..JobFilter::default() };
    let mut jobs = service.store().job_ids(filter).await.map_err(|e| format!("failed to list jobs: {e}"))?;
    jobs.reverse();
    Ok(jobs)
}
