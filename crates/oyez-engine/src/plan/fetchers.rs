//! The fetchers: they bring the steps of a test, those that stand in the descriptor and those that stand elsewhere.
//!
//! What was fetched goes into the plan as if it had stood in the descriptor ([`FetchedSteps`]), so that it is never
//! fetched again: not by a resumed job, nor for its status.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::FetchedSteps;
use super::registry::{Kind, find};
use crate::descriptor::{
    LiteralParameters, StepDescriptor, StoredSteps, TestDescriptor, decode_document, decode_literal,
    decode_uri,
};
use crate::diagnostic::{Path, Sink};
use crate::environment::Environment;
use crate::fetch::FetchLimits;
use crate::uri::Uri;

/// Go's text for parameters that are not there at all.
pub(super) const NO_JSON: &str = "unexpected end of JSON input";

/// All documents of one descriptor together may take so long,
const ALL_TIME: Duration = Duration::from_secs(120);
/// and have so many bytes.
const ALL_BYTES: u64 = 64 << 20;

/// What the fetchers brought for a test; `None` where they did not.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) name: String,
    pub(super) steps: Option<Vec<Option<StepDescriptor>>>,
    pub(super) cleanup: Option<Vec<Option<StepDescriptor>>>,
}

impl Fetched {
    pub(super) fn into_steps(self) -> FetchedSteps {
        let given = |steps: Option<Vec<_>>| steps.unwrap_or_default().into_iter().flatten().collect();
        FetchedSteps {
            test_name: self.name,
            test_steps: given(self.steps),
            cleanup_steps: given(self.cleanup),
        }
    }
}

impl From<StoredSteps> for Fetched {
    fn from(stored: StoredSteps) -> Self {
        Fetched { name: stored.test_name, steps: Some(stored.steps), cleanup: Some(stored.cleanup) }
    }
}

/// Fetches for one descriptor, within limits for all of it; the same document is fetched once.
pub(super) struct Fetching<'e> {
    environment: &'e dyn Environment,
    documents: HashMap<String, Vec<u8>>,
    time: Duration,
    bytes: u64,
    /// One could not be had: who waits for a refusal need not wait for the others.
    has_failed: bool,
}

impl<'e> Fetching<'e> {
    pub(super) fn new(environment: &'e dyn Environment) -> Self {
        let (time, bytes) = (ALL_TIME, ALL_BYTES);
        Fetching { environment, documents: HashMap::new(), time, bytes, has_failed: false }
    }

    /// Fetches the steps and the clean-up steps of a test.
    pub(super) fn test(
        &mut self,
        test: Option<&TestDescriptor>,
        path: &Path<'_>,
        sink: &mut Sink,
    ) -> Fetched {
        let Some(test) = test else {
            sink.error(path, "test description is null");
            return Fetched::default();
        };
        let mut fetched = Fetched::default();
        let fetcher = Fetcher {
            name: (&test.fetcher_name, "TestFetcherName"),
            parameters: (test.fetch_parameters.as_deref(), "TestFetcherFetchParameters"),
            list: "Steps",
            prefix: "could not validate TestFetcher fetch parameters: ",
            needs_name: true,
        };
        if let Some(found) = self.fetch(&fetcher, path, sink) {
            fetched.name = found.test_name;
            fetched.steps = Some(found.steps);
        }
        if !test.cleanup_fetcher_name.is_empty() {
            let fetcher = Fetcher {
                name: (&test.cleanup_fetcher_name, "CleanupFetcherName"),
                parameters: (test.cleanup_fetch_parameters.as_deref(), "CleanupFetcherFetchParameters"),
                list: "CleanupSteps",
                prefix: "could not validate CleanupFetcher fetch parameters: ",
                needs_name: false,
            };
            fetched.cleanup = self.fetch(&fetcher, path, sink).map(|found| found.steps);
        } else if test.cleanup_fetch_parameters.is_some() {
            sink.warning(
                &path.field("CleanupFetcherFetchParameters"),
                "there is no CleanupFetcherName, so it is ignored",
            )
            .hint("write \"CleanupFetcherName\": \"Literal\"");
        }
        fetched
    }

    fn fetch(
        &mut self,
        fetcher: &Fetcher<'_>,
        path: &Path<'_>,
        sink: &mut Sink,
    ) -> Option<LiteralParameters> {
        let plugin = fetcher.plugin(path, sink)?;
        let (parameters, field) = fetcher.parameters;
        let own = path.field(field);
        let Some(raw) = parameters else {
            sink.within(fetcher.prefix, |sink| {
                let name = if fetcher.needs_name { "\"TestName\": \"...\", " } else { "" };
                let what = if plugin == "URI" { "\"URI\": \"...\"" } else { "\"Steps\": [...]" };
                sink.error(&own, NO_JSON).hint(format!("write {{{name}{what}}}"));
            });
            return None;
        };
        match plugin {
            "URI" => self.elsewhere(fetcher, raw, path, sink),
            _ => Some(fetcher.in_place(raw, path, sink)),
        }
    }

    fn elsewhere(
        &mut self,
        fetcher: &Fetcher<'_>,
        raw: &RawValue,
        path: &Path<'_>,
        sink: &mut Sink,
    ) -> Option<LiteralParameters> {
        let own = path.field(fetcher.parameters.1);
        let errors = sink.errors();
        let parameters = sink.within(fetcher.prefix, |sink| decode_uri(raw, &own, fetcher.needs_name, sink));
        let test_name = parameters.test_name;
        let uri = parameters.uri.filter(|_| sink.errors() == errors)?;
        let uri_path = own.field("URI");
        let document = match self.document(&uri) {
            Some(Ok(document)) => document,
            Some(Err(why)) => {
                sink.error(&uri_path, why);
                return None;
            }
            None => return None,
        };
        let steps = decode_document(document, &uri_path, path, fetcher.list, sink);
        // Without steps the name still has to be right.
        Some(LiteralParameters { test_name, steps: steps? })
    }

    /// A document; `None` when it is not fetched because another one could not be had.
    fn document(&mut self, uri: &Uri) -> Option<Result<&[u8], String>> {
        let key = uri.to_string();
        if !self.documents.contains_key(&key) {
            if self.has_failed {
                return None;
            }
            match self.fetch_document(uri) {
                Ok(document) => drop(self.documents.insert(key.clone(), document)),
                Err(why) => {
                    self.has_failed = true;
                    return Some(Err(why));
                }
            }
        }
        self.documents.get(&key).map(|document| Ok(document.as_slice()))
    }

    fn fetch_document(&mut self, uri: &Uri) -> Result<Vec<u8>, String> {
        let each = FetchLimits::default();
        if self.time.is_zero() {
            let limit = ALL_TIME.as_secs();
            return Err(format!(
                "{uri}: all documents of a job together take longer than the limit of {limit} s"
            ));
        }
        if self.bytes == 0 {
            return Err(format!(
                "{uri}: all documents of a job together are longer than the limit of {ALL_BYTES} bytes"
            ));
        }
        let limits = FetchLimits { time: each.time.min(self.time), bytes: each.bytes.min(self.bytes) };
        let begin = Instant::now();
        let document = self.environment.fetch(uri, limits)?;
        self.time = self.time.saturating_sub(begin.elapsed());
        self.bytes = self.bytes.saturating_sub(document.len() as u64);
        Ok(document)
    }
}

/// A fetcher as a test names it; each value with the name of its field.
struct Fetcher<'t> {
    name: (&'t str, &'static str),
    parameters: (Option<&'t RawValue>, &'static str),
    list: &'static str,
    prefix: &'static str,
    needs_name: bool,
}

impl Fetcher<'_> {
    fn plugin(&self, path: &Path<'_>, sink: &mut Sink) -> Option<&'static str> {
        let (name, name_field) = self.name;
        let name_path = path.field(name_field);
        if sink.has_error_at(&name_path) || sink.has_error_at(path) {
            return None;
        }
        find(Kind::Fetcher, name)
            .map_err(|e| {
                sink.within(&format!("could not get the desired TestFetcher ({name}): "), |sink| {
                    let message = if name.is_empty() {
                        "test fetcher name cannot be empty"
                    } else {
                        e.message.as_str()
                    };
                    sink.error_as(&name_path, message, &e.message).hint(e.hint);
                });
            })
            .ok()
    }

    fn in_place(&self, raw: &RawValue, path: &Path<'_>, sink: &mut Sink) -> LiteralParameters {
        let own = path.field(self.parameters.1);
        let errors = sink.errors();
        sink.within(self.prefix, |sink| {
            let literal = decode_literal(raw, &own, path, self.list, sink);
            // What is wrong with the parameters as a whole leaves no name either.
            if self.needs_name && literal.test_name.is_empty() && sink.errors() == errors {
                sink.error(&own.field("TestName"), "test name cannot be empty for fetch parameters");
            }
            literal
        })
    }
}
