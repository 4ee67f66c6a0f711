//! The envelope of an answer: `{"ServerID":...,"Type":...,"Data":...,"Error":...}` and a newline. What goes wrong within
//! the application is an answer 200 with a text in `Error` and zero values in `Data`.

use oyez_model::JobId;

use super::go;

/// The data of an answer; that of `status` is streamed ([`super::status`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// To `start`: the job's number.
    Start(JobId),
    /// To `stop`.
    Stop,
    /// To `status` when there is none.
    NoStatus,
    /// To `retry`: the job's number and that of the new one.
    Retry(JobId, JobId),
    /// To `list`: numbers, lowest first; none at all when it could not be asked.
    List(Option<Vec<JobId>>),
    /// To `version`.
    Version(u32),
}

impl Data {
    fn kind(&self) -> &'static str {
        match self {
            Data::Start(_) => "Start",
            Data::Stop => "Stop",
            Data::NoStatus => "Status",
            Data::Retry(..) => "Retry",
            Data::List(_) => "List",
            Data::Version(_) => "Version",
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let text = match self {
            Data::Start(job) => format!("{{\"JobID\":{job}}}"),
            Data::Stop => "{}".to_owned(),
            Data::NoStatus => "{\"Status\":null}".to_owned(),
            Data::Retry(job, new) => format!("{{\"JobID\":{job},\"NewJobID\":{new}}}"),
            Data::List(None) => "{\"JobIDs\":null}".to_owned(),
            Data::List(Some(jobs)) => {
                let jobs: Vec<String> = jobs.iter().map(ToString::to_string).collect();
                format!("{{\"JobIDs\":[{}]}}", jobs.join(","))
            }
            Data::Version(version) => format!("{{\"Version\":{version}}}"),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// An answer 200.
#[must_use]
pub fn answer(server: &str, data: &Data, error: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    begin(&mut out, server, data.kind());
    data.write(&mut out);
    end(&mut out, error);
    out
}

/// What stands before the data.
pub(super) fn begin(out: &mut Vec<u8>, server: &str, kind: &str) {
    out.extend_from_slice(b"{\"ServerID\":");
    go::string(out, server);
    out.extend_from_slice(b",\"Type\":\"ResponseType");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"Data\":");
}

/// What stands after it.
pub(super) fn end(out: &mut Vec<u8>, error: Option<&str>) {
    out.extend_from_slice(b",\"Error\":");
    match error {
        Some(error) => go::string(out, error),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}\n");
}

/// An answer 400: no newline, and HTML is escaped.
#[must_use]
pub fn refusal(text: &str) -> Vec<u8> {
    let mut out = b"{\"Msg\":".to_vec();
    go::html_string(&mut out, text);
    out.push(b'}');
    out
}

/// The text of an error of `start`, `list` and so on that names a job which is not there.
pub mod text {
    /// `stop` of a job that does not run here.
    #[must_use]
    pub fn unknown_job(what: &str, job: u64) -> String {
        format!("could not {what} job: unknown job ID: {job}")
    }

    /// `status` of a job that is not there.
    #[must_use]
    pub fn no_request(job: u64) -> String {
        format!("failed to fetch request for job ID {job}: could not find job request with id {job}")
    }

    /// A job of another instance of the server (`--instance-tag`).
    #[must_use]
    pub fn other_instance(job: u64, tag: &str) -> String {
        format!(
            "job {job} belongs to a different instance, this is {}",
            crate::contest::go::quote(tag.as_bytes())
        )
    }
}
