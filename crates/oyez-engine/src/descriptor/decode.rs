//! JSON text to a [`Descriptor`]: types only, nothing of what the values mean.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::fields::{Level, Reader};
use super::raw::{Kind, kind};
use super::{
    Descriptor, JobExtensions, ReporterDescriptor, Reporting, RetryParameters, TestDescriptor, TestExtensions,
};
use crate::diagnostic::{Path, Sink};

static JOB: Level = Level {
    go: "Descriptor",
    fields: &[
        "JobName",
        "Version",
        "Tags",
        "Runs",
        "RunInterval",
        "TestDescriptors",
        "Reporting",
        "TargetManagerAcquireTimeout",
        "TargetManagerReleaseTimeout",
        "X-Oyez",
    ],
};

static TEST: Level = Level {
    go: "TestDescriptor",
    fields: &[
        "Disabled",
        "RetryParameters",
        "TargetManagerName",
        "TargetManagerAcquireParameters",
        "TargetManagerReleaseParameters",
        "TestFetcherName",
        "TestFetcherFetchParameters",
        "CleanupFetcherName",
        "CleanupFetcherFetchParameters",
        "X-Oyez",
    ],
};

static RETRY: Level = Level { go: "RetryParameters", fields: &["NumRetries", "RetryInterval"] };
static REPORTING: Level = Level { go: "Reporting", fields: &["RunReporters", "FinalReporters"] };
static REPORTER: Level = Level { go: "ReporterConfig", fields: &["Name", "Parameters"] };
static JOB_EXTENSIONS: Level = Level { go: "X-Oyez", fields: &["project", "variant", "timeout"] };
static TEST_EXTENSIONS: Level = Level { go: "X-Oyez", fields: &["timeout"] };

/// Reads a descriptor; `None` when the text is no object at all.
pub(crate) fn decode(text: &str, sink: &mut Sink) -> Option<Descriptor> {
    let root = Path::Root;
    let raw: &RawValue = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(e) => {
            sink.error(&root, e.to_string());
            return None;
        }
    };
    let mut reader = Reader { sink };
    let job = reader.object(Some(raw), &JOB, &root);
    if !matches!(kind(raw), Kind::Object | Kind::Null) {
        return None;
    }
    let tests_path = root.field("TestDescriptors");
    let tests = reader.items(job.get("TestDescriptors"), &JOB, "[]*test.TestDescriptor", &tests_path);
    Some(Descriptor {
        job_name: reader.string(job.get("JobName"), &JOB, &root.field("JobName")),
        version: job.get("Version").map(|raw| reader.string(Some(raw), &JOB, &root.field("Version"))),
        tags: decode_tags(job.get("Tags"), &mut reader),
        runs: reader.unsigned(job.get("Runs"), ("uint", u64::MAX), &JOB, &root.field("Runs")),
        run_interval: reader.duration(job.get("RunInterval"), &root.field("RunInterval")).unwrap_or_default(),
        tests: tests
            .iter()
            .enumerate()
            .map(|(i, raw)| decode_test(raw, &tests_path.item(i), &mut reader))
            .collect(),
        reporting: decode_reporting(job.get("Reporting"), &mut reader),
        acquire_timeout: reader
            .duration(job.get("TargetManagerAcquireTimeout"), &root.field("TargetManagerAcquireTimeout")),
        release_timeout: reader
            .duration(job.get("TargetManagerReleaseTimeout"), &root.field("TargetManagerReleaseTimeout")),
        extensions: decode_job_extensions(job.get("X-Oyez"), &mut reader),
    })
}

fn decode_tags(raw: Option<&RawValue>, reader: &mut Reader<'_>) -> Vec<String> {
    let path = Path::Root.field("Tags");
    let items = reader.items(raw, &JOB, "[]string", &path);
    items.iter().enumerate().map(|(i, raw)| reader.string(Some(raw), &JOB, &path.item(i))).collect()
}

fn decode_test(raw: &RawValue, path: &Path<'_>, reader: &mut Reader<'_>) -> Option<TestDescriptor> {
    if kind(raw) == Kind::Null {
        return None;
    }
    let test = reader.object(Some(raw), &TEST, path);
    let owned = |name: &str| test.get(name).map(ToOwned::to_owned);
    let string =
        |name: &str, reader: &mut Reader<'_>| reader.string(test.get(name), &TEST, &path.field(name));
    Some(TestDescriptor {
        disabled: reader.bool(test.get("Disabled"), &TEST, &path.field("Disabled")),
        retry: decode_retry(test.get("RetryParameters"), &path.field("RetryParameters"), reader),
        target_manager_name: string("TargetManagerName", reader),
        acquire_parameters: owned("TargetManagerAcquireParameters"),
        release_parameters: owned("TargetManagerReleaseParameters"),
        fetcher_name: string("TestFetcherName", reader),
        fetch_parameters: owned("TestFetcherFetchParameters"),
        cleanup_fetcher_name: string("CleanupFetcherName", reader),
        cleanup_fetch_parameters: owned("CleanupFetcherFetchParameters"),
        extensions: {
            let path = path.field("X-Oyez");
            let own = reader.object(test.get("X-Oyez"), &TEST_EXTENSIONS, &path);
            TestExtensions { timeout: reader.timeout(own.get("timeout"), &path.field("timeout")) }
        },
    })
}

fn decode_retry(raw: Option<&RawValue>, path: &Path<'_>, reader: &mut Reader<'_>) -> RetryParameters {
    let retry = reader.object(raw, &RETRY, path);
    let limit = ("uint32", u64::from(u32::MAX));
    let retries = reader.unsigned(retry.get("NumRetries"), limit, &RETRY, &path.field("NumRetries"));
    RetryParameters {
        retries: u32::try_from(retries).unwrap_or(u32::MAX),
        interval: reader
            .duration(retry.get("RetryInterval"), &path.field("RetryInterval"))
            .unwrap_or_default(),
    }
}

fn decode_reporting(raw: Option<&RawValue>, reader: &mut Reader<'_>) -> Reporting {
    let path = Path::Root.field("Reporting");
    let reporting = reader.object(raw, &REPORTING, &path);
    let mut reporters = |name: &str| {
        let path = path.field(name);
        let items = reader.items(reporting.get(name), &REPORTING, "[]job.ReporterConfig", &path);
        items.iter().enumerate().map(|(i, raw)| decode_reporter(raw, &path.item(i), reader)).collect()
    };
    Reporting { run_reporters: reporters("RunReporters"), final_reporters: reporters("FinalReporters") }
}

fn decode_reporter(raw: &RawValue, path: &Path<'_>, reader: &mut Reader<'_>) -> ReporterDescriptor {
    let reporter = reader.object(Some(raw), &REPORTER, path);
    ReporterDescriptor {
        name: reader.string(reporter.get("Name"), &REPORTER, &path.field("Name")),
        parameters: reporter.get("Parameters").map(ToOwned::to_owned),
    }
}

fn decode_job_extensions(raw: Option<&RawValue>, reader: &mut Reader<'_>) -> JobExtensions {
    let path = Path::Root.field("X-Oyez");
    let own = reader.object(raw, &JOB_EXTENSIONS, &path);
    let variant_path = path.field("variant");
    let mut variant = BTreeMap::new();
    for (name, raw) in reader.map(own.get("variant"), &JOB_EXTENSIONS, "map[string]string", &variant_path) {
        let value = reader.string(Some(raw), &JOB_EXTENSIONS, &variant_path.field(&name));
        variant.insert(name, value);
    }
    let project = reader.string(own.get("project"), &JOB_EXTENSIONS, &path.field("project"));
    JobExtensions {
        project: Some(project).filter(|project| !project.is_empty()),
        variant,
        timeout: reader.timeout(own.get("timeout"), &path.field("timeout")),
    }
}
