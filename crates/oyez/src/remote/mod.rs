//! A server elsewhere: `--server URL`, else `OYEZ_SERVER`.
//!
//! | module | does |
//! |---|---|
//! | this | which server; one request and its answer |
//! | [`job`] | a job of the API as the rest of the command knows jobs |
//! | [`follow`] | a job's events until it has come to rest |

pub mod follow;
pub mod job;

use std::sync::Arc;
use std::time::Duration;

use oyez_server::http::api::logs::LogLines;
use oyez_server::http::api::tags::{Tag, TaggedJob, TaggedJobs, Tags};
use oyez_server::http::api::targets::{Hand, Note, Notes, Target, Targets};
use oyez_server::http::api::types::{Asked, Job, Jobs, Taken, Tests};
use oyez_server::http::problem::{DescriptorError, Problem};
use rustls::crypto::ring;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thiserror::Error;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::error::CommandError;
use crate::exit;
use crate::place::Place;

/// Until a server is said to be out of reach, or to be stuck. It sends a sign of life every 15 s.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// An answer is read up to so many bytes.
const LONGEST: u64 = 64 << 20;

/// The option that every command has that can speak to a server.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Where {
    /// The server to ask, as `http://127.0.0.1:8080` [default: $OYEZ_SERVER, else the local store]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl Where {
    /// The server that is meant; none when it is the local store. A store that is named on the command line comes before
    /// a server that is named in the environment.
    ///
    /// # Errors
    /// What is named is no address of a server.
    pub fn server(&self, place: &Place) -> Result<Option<Server>, CommandError> {
        let named =
            || std::env::var("OYEZ_SERVER").ok().filter(|url| !url.is_empty() && place.data.is_none());
        self.server.clone().or_else(named).map(|url| Server::at(&url)).transpose()
    }
}

/// Why a server did not do it.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// Nobody answers.
    #[error("cannot reach {url}: {why}; is `oyez serve` running there?")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// It says that it cannot.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// What answers is something else.
    #[error("{url} answered what no Oyez server answers ({what}): check the address")]
    Strange {
        /// What was asked for.
        url: String,
        /// What came.
        what: String,
    },
}

impl RemoteError {
    /// The exit code that goes with it.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            // What was asked makes no sense: the same again would fail again.
            RemoteError::Problem(problem) if (400..500).contains(&problem.status) => exit::USAGE,
            _ => exit::INCOMPLETE,
        }
    }
}

/// What a descriptor would run.
#[derive(Debug, serde::Deserialize)]
pub struct Planned {
    /// The plan.
    pub plan: Box<RawValue>,
    /// Its parameters.
    pub expanded: Box<RawValue>,
    /// What is probably not as it was meant.
    pub warnings: Vec<DescriptorError>,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    agent: Agent,
    base: String,
}

impl Server {
    fn at(url: &str) -> Result<Server, CommandError> {
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = whole.trim_end_matches('/').to_owned();
        let is_known = ["http://", "https://"].iter().any(|scheme| base.starts_with(scheme));
        if !is_known {
            return Err(CommandError::Usage(format!("'{url}' is no address of a server: http://HOST:PORT")));
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .max_redirects(0)
            .user_agent(concat!("oyez/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Ok(Server { agent: Agent::new_with_config(config), base })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    fn get(&self, path: &str, accept: &str) -> Result<Response<Body>, RemoteError> {
        let url = format!("{}{path}", self.base);
        let answer = self.agent.get(&url).header("Accept", accept).call();
        self.answered(&url, answer)
    }

    fn post(&self, path: &str, kind: Option<&str>, body: &[u8]) -> Result<Response<Body>, RemoteError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.post(&url);
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        let answer = request.send(body);
        self.answered(&url, answer)
    }

    /// An answer that says that it was done.
    fn answered(
        &self,
        url: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, RemoteError> {
        let mut answer = answer.map_err(|e| self.unreachable(e))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.body_mut().with_config().limit(LONGEST).read_to_string().unwrap_or_default();
        Err(match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => RemoteError::Problem(Box::new(problem)),
            Err(_) => strange(url, status),
        })
    }

    fn unreachable(&self, e: impl std::fmt::Display) -> RemoteError {
        RemoteError::Unreachable { url: self.base.clone(), why: e.to_string() }
    }

    fn read<T: DeserializeOwned>(&self, mut answer: Response<Body>) -> Result<T, RemoteError> {
        let text = answer.body_mut().with_config().limit(LONGEST).read_to_vec();
        let text = text.map_err(|e| self.unreachable(e))?;
        serde_json::from_slice(&text)
            .map_err(|e| RemoteError::Strange { url: self.base.clone(), what: e.to_string() })
    }

    /// Submits a descriptor.
    ///
    /// # Errors
    /// It is wrong, or the server cannot take it.
    pub fn submit(&self, job: &Submission<'_>) -> Result<Taken, RemoteError> {
        let mut path = format!("/api/v1/jobs?requestor={}&priority={}", escaped(job.requestor), job.priority);
        for guid in job.guids {
            path += &format!("&guid={}", escaped(guid));
        }
        let answer = self.post(&path, job.kind, job.descriptor)?;
        self.read(answer)
    }

    /// What a descriptor would run there: the plan, what its parameters come to, and warnings, as JSON.
    ///
    /// # Errors
    /// It is wrong, or no test runs on that target.
    pub fn plan(
        &self,
        descriptor: &[u8],
        kind: Option<&str>,
        target: Option<&str>,
    ) -> Result<Planned, RemoteError> {
        let query = target.map(|target| format!("?target={}", escaped(target))).unwrap_or_default();
        let answer = self.post(&format!("/api/v1/plan{query}"), kind, descriptor)?;
        self.read(answer)
    }

    /// Jobs, newest first, at most `limit` (0: all) of those that `query` names.
    ///
    /// # Errors
    /// The server cannot tell.
    pub fn list(&self, query: &[(&str, String)], limit: usize) -> Result<Vec<Job>, RemoteError> {
        const PAGE: usize = 1000;
        let (mut out, mut before) = (Vec::new(), None);
        loop {
            let left = if limit == 0 { PAGE } else { (limit - out.len()).min(PAGE) };
            let mut path = format!("/api/v1/jobs?limit={left}");
            for (name, value) in query {
                path += &format!("&{name}={}", escaped(value));
            }
            if let Some(before) = before {
                path += &format!("&before={before}");
            }
            let page: Jobs = self.read(self.get(&path, "application/json")?)?;
            out.extend(page.jobs);
            before = page.next;
            if before.is_none() || limit > 0 && out.len() >= limit {
                return Ok(out);
            }
        }
    }

    /// One job, by its number, uid, guid, or `latest`.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn job(&self, id: &str) -> Result<Job, RemoteError> {
        self.read(self.get(&format!("/api/v1/jobs/{}", escaped(id)), "application/json")?)
    }

    /// Runs and tests of a job, the first of them.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn tests(&self, id: &str) -> Result<Tests, RemoteError> {
        self.read(self.get(&format!("/api/v1/jobs/{}/tests", escaped(id)), "application/json")?)
    }

    /// Asks something of a job; as it stands then.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn control(&self, id: &str, verb: &str, asked: &Asked) -> Result<Job, RemoteError> {
        self.read(self.ask(id, verb, asked)?)
    }

    /// Runs a job again.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn retry(&self, id: &str, asked: &Asked) -> Result<Taken, RemoteError> {
        self.read(self.ask(id, "retry", asked)?)
    }

    fn ask(&self, id: &str, verb: &str, asked: &Asked) -> Result<Response<Body>, RemoteError> {
        // A few texts can always be said in JSON.
        let body = serde_json::to_vec(asked).unwrap_or_default();
        self.post(&format!("/api/v1/jobs/{}/{verb}", escaped(id)), Some("application/json"), &body)
    }

    /// A page of lines of log that fit `query`.
    ///
    /// # Errors
    /// The query is wrong, or the server cannot tell.
    pub fn search(&self, query: &[(&str, String)]) -> Result<LogLines, RemoteError> {
        self.read(self.get(&with("/api/v1/logs", query), "application/json")?)
    }

    /// All tags that match a regular expression.
    ///
    /// # Errors
    /// The expression is wrong, or the server cannot tell.
    pub fn tags(&self, text: Option<&str>) -> Result<Vec<Tag>, RemoteError> {
        let mut query = vec![("limit", "1000".to_owned())];
        query.extend(text.map(|text| ("text", text.to_owned())));
        let mut out = Vec::new();
        loop {
            let page: Tags = self.read(self.get(&with("/api/v1/tags", &query), "application/json")?)?;
            out.extend(page.tags);
            let Some(next) = page.next else { return Ok(out) };
            query.retain(|(name, _)| *name != "after");
            query.push(("after", next));
        }
    }

    /// Jobs with a tag, newest first, at most `limit` (0: all).
    ///
    /// # Errors
    /// The server cannot tell.
    pub fn tag_jobs(&self, tag: &str, limit: usize) -> Result<Vec<TaggedJob>, RemoteError> {
        const PAGE: usize = 1000;
        let (mut out, mut before) = (Vec::new(), None);
        let path = format!("/api/v1/tags/{}/jobs", escaped(tag));
        loop {
            let left = if limit == 0 { PAGE } else { (limit - out.len()).min(PAGE) };
            let mut query = vec![("limit", left.to_string())];
            query.extend(before.map(|before: u64| ("before", before.to_string())));
            let page: TaggedJobs = self.read(self.get(&with(&path, &query), "application/json")?)?;
            out.extend(page.jobs);
            before = page.next;
            if before.is_none() || limit > 0 && out.len() >= limit {
                return Ok(out);
            }
        }
    }

    /// Targets that are held.
    ///
    /// # Errors
    /// The server cannot tell.
    pub fn targets(&self) -> Result<Vec<Target>, RemoteError> {
        let (mut out, mut path) = (Vec::new(), "/api/v1/targets".to_owned());
        loop {
            let page: Targets = self.read(self.get(&path, "application/json")?)?;
            out.extend(page.targets);
            match page.next {
                Some(next) => path = format!("/api/v1/targets?after={}", escaped(&next)),
                None => return Ok(out),
            }
        }
    }

    /// What people did to a target.
    ///
    /// # Errors
    /// The server cannot tell.
    pub fn target_notes(&self, target: &str) -> Result<Vec<Note>, RemoteError> {
        let path = format!("/api/v1/targets/{}/notes", escaped(target));
        Ok(self.read::<Notes>(self.get(&path, "application/json")?)?.notes)
    }

    /// Does something to a target by hand.
    ///
    /// # Errors
    /// It cannot be done.
    pub fn target_by_hand(&self, target: &str, verb: &str, hand: &Hand) -> Result<Note, RemoteError> {
        let body = serde_json::to_vec(hand).unwrap_or_default();
        let path = format!("/api/v1/targets/{}/{verb}", escaped(target));
        self.read(self.post(&path, Some("application/json"), &body)?)
    }

    /// A document of a job.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn report(&self, id: &str, format: oyez_report::Format) -> Result<impl std::io::Read, RemoteError> {
        let path = format!("/api/v1/jobs/{}/report?format={format}", escaped(id));
        Ok(self.get(&path, format.media_type())?.into_body().into_reader())
    }
}

/// A job to be submitted.
#[derive(Debug)]
pub struct Submission<'a> {
    /// The descriptor.
    pub descriptor: &'a [u8],
    /// Its media type, when it is known.
    pub kind: Option<&'a str>,
    /// Who asks.
    pub requestor: &'a str,
    /// Correlation texts.
    pub guids: &'a [String],
    /// Its place in the queue.
    pub priority: i32,
}

fn strange(url: &str, status: StatusCode) -> RemoteError {
    RemoteError::Strange { url: url.to_owned(), what: status.to_string() }
}

/// A path with what stands behind its `?`.
fn with(path: &str, query: &[(&str, String)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// A text as part of a path or a query.
fn escaped(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let one = |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_lack_its_scheme_and_must_be_of_a_web_server() {
        assert_eq!(Server::at("127.0.0.1:8080/").unwrap().url(), "http://127.0.0.1:8080");
        assert_eq!(Server::at("https://lab.example.org/oyez").unwrap().url(), "https://lab.example.org/oyez");
        for wrong in ["ftp://x", "http://", ""] {
            assert!(Server::at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn texts_stand_in_paths_as_themselves() {
        assert_eq!(escaped("a b/c?ä"), "a%20b%2Fc%3F%C3%A4");
    }
}
