//! `s3fileupload`: puts a file into an S3 bucket, as it is or as a compressed archive (specs/contest.md 4).
//!
//! The file is sent in parts as it is read, so that its size costs no memory. What ConTest says of an object is said here
//! as well: who may read it (a header that the library knows nothing of, `acl`), that it is encrypted, what it is.

mod acl;
mod content;
mod credentials;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions,
    RetryConfig,
};
use oyez_model::event::RawJson;
use rustls::crypto::ring;

use super::Text;
use super::timed::{Resumption, TimedStep, Visited};
use crate::plan::S3FileUploadParameters;
use crate::runner::Visit;
use crate::template::{Functions, Subject};
use acl::WithAcl;
use content::Content;
use credentials::Credentials;

/// A server that is in trouble is tried again for so long.
const RETRY: Duration = Duration::from_secs(60);
/// So long an upload that was broken off is tried to be taken back.
const ABORT: Duration = Duration::from_secs(10);

/// The step.
#[derive(Debug)]
pub(super) struct S3FileUpload {
    path: (String, Text),
    filename: (String, Text),
    parameters: S3FileUploadParameters,
}

impl S3FileUpload {
    pub(super) fn new(parameters: &S3FileUploadParameters, functions: &Functions) -> Self {
        let text = |parameter: &crate::descriptor::Parameter| {
            (parameter.text().into_owned(), Text::new(parameter, functions))
        };
        S3FileUpload {
            path: text(&parameters.path),
            filename: text(&parameters.filename),
            parameters: parameters.clone(),
        }
    }

    /// The file, and what it is called there.
    fn expand(&self, subject: &Subject<'_>) -> Result<(String, String), String> {
        let (source, path) = &self.path;
        let path = path.expand(subject).map_err(|e| format!("failed to expand argument '{source}': {e}"))?;
        let (source, name) = &self.filename;
        let name =
            name.expand(subject).map_err(|e| format!("failed to expand argument dir '{source}': {e}"))?;
        let end = if self.parameters.compress { ".tar.gz" } else { "" };
        Ok((path, format!("{name}{end}")))
    }

    /// The object's address; `None` when the visit was stopped.
    async fn upload(&self, visit: &Visit, file: String, name: &str) -> Result<Option<String>, String> {
        let content = Content::open(file, self.parameters.compress).await?;
        let failed = |why: String| format!("could not upload the file: {why}");
        let store = self.store().await.map_err(failed)?;
        // As ConTest writes it, `20060102_150405`, in UTC.
        let time: String =
            visit.now().to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let key =
            format!("{}/{}_{name}", self.parameters.folder.trim_end_matches('/'), time.replace('T', "_"));
        let path = Path::parse(&key).map_err(|e| failed(e.to_string()))?;
        if !put(visit, &store, &path, content).await? {
            return Ok(None);
        }
        let S3FileUploadParameters { bucket, endpoint, .. } = &self.parameters;
        Ok(Some(match endpoint.as_str() {
            "" => format!("https://{bucket}.s3.amazonaws.com/{path}"),
            endpoint => format!("{}/{bucket}/{path}", endpoint.trim_end_matches('/')),
        }))
    }

    async fn store(&self) -> Result<AmazonS3, String> {
        let S3FileUploadParameters { region, bucket, endpoint, acl, .. } = &self.parameters;
        let (file, profile) = (self.parameters.credentials_file.clone(), self.parameters.profile.clone());
        let reading = tokio::task::spawn_blocking(move || Credentials::read(&file, &profile));
        let credentials = reading.await.map_err(|e| e.to_string())??;
        // Whoever was first has said the same.
        let _installed = ring::default_provider().install_default();
        let options = ClientOptions::new().with_allow_http(endpoint.starts_with("http://"));
        let retry = RetryConfig { retry_timeout: RETRY, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_region(region)
            .with_bucket_name(bucket)
            .with_access_key_id(&credentials.key_id)
            .with_secret_access_key(&credentials.secret)
            .with_client_options(options)
            .with_retry(retry)
            .with_virtual_hosted_style_request(endpoint.is_empty());
        if let Ok(encryption) = "aws_server_side_encryption".parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(encryption, "AES256");
        }
        if let Some(token) = &credentials.token {
            builder = builder.with_token(token);
        }
        if !endpoint.is_empty() {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        if !acl.is_empty() {
            builder = builder.with_http_connector(WithAcl::new(acl, region, &credentials));
        }
        builder.build().map_err(|e| told(&e))
    }
}

/// Sends it, in one piece or in parts; false when the visit was stopped before it was there.
async fn put(visit: &Visit, store: &AmazonS3, path: &Path, mut content: Content) -> Result<bool, String> {
    let failed = |e: object_store::Error| format!("could not upload the file: {}", told(&e));
    let first = content.next().await?.unwrap_or_default();
    let attributes = Attributes::from_iter([
        (Attribute::ContentDisposition, "attachment"),
        (Attribute::ContentType, content::kind(&first)),
    ]);
    let Some(second) = content.next().await? else {
        let options = PutOptions { attributes, ..PutOptions::default() };
        return tokio::select! {
            biased;
            _ = visit.stopped() => Ok(false),
            sent = store.put_opts(path, first.into(), options) => sent.map(|_| true).map_err(failed),
        };
    };
    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let mut upload = store.put_multipart_opts(path, options).await.map_err(failed)?;
    let sent = tokio::select! {
        biased;
        _ = visit.stopped() => Ok(false),
        sent = send(upload.as_mut(), first, second, content) => sent.map(|()| true),
    };
    if !matches!(sent, Ok(true)) {
        // Parts that are left cost their owner money.
        let _gone = tokio::time::timeout(ABORT, upload.abort()).await;
    }
    sent
}

async fn send(
    upload: &mut dyn MultipartUpload,
    first: Bytes,
    second: Bytes,
    mut content: Content,
) -> Result<(), String> {
    let failed = |e: object_store::Error| format!("could not upload the file: {}", told(&e));
    upload.put_part(first.into()).await.map_err(failed)?;
    upload.put_part(second.into()).await.map_err(failed)?;
    while let Some(part) = content.next().await? {
        upload.put_part(part.into()).await.map_err(failed)?;
    }
    upload.complete().await.map(drop).map_err(failed)
}

/// An error with what is behind it.
fn told(e: &object_store::Error) -> String {
    let mut said = e.to_string();
    let mut source = std::error::Error::source(e);
    while let Some(e) = source {
        let more = e.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        source = e.source();
    }
    said
}

#[async_trait]
impl TimedStep for S3FileUpload {
    /// A second object under another time does no harm.
    fn resumption(&self) -> Resumption {
        Resumption::Repeated
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let expanded = self.expand(&visit.subject());
        let (file, name) = match expanded {
            Ok(expanded) => expanded,
            Err(e) => return Visited::Failed(e),
        };
        match self.upload(visit, file, &name).await {
            Ok(None) => Visited::Stopped,
            Ok(Some(url)) => {
                let payload = RawJson(format!("{{\"Msg\":{}}}", super::payload::text(&url)));
                visit.event("URL", Some(payload)).await;
                Visited::Passed
            }
            Err(e) => Visited::Failed(e),
        }
    }
}
