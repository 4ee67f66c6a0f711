//! Who may read an object: a header of the request that begins it. The library has no word for it, so it is put in on the
//! request's way, which has to be signed again then: a signature holds every header of Amazon's.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use super::credentials::Credentials;

/// Puts the header in.
#[derive(Debug)]
pub(super) struct WithAcl {
    acl: String,
    region: String,
    key_id: String,
    secret: Secret,
}

/// What nobody gets to see.
struct Secret(String, Option<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl WithAcl {
    pub(super) fn new(acl: &str, region: &str, credentials: &Credentials) -> Self {
        WithAcl {
            acl: acl.to_owned(),
            region: region.to_owned(),
            key_id: credentials.key_id.clone(),
            secret: Secret(credentials.secret.clone(), credentials.token.clone()),
        }
    }
}

impl HttpConnector for WithAcl {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let credential = AwsCredential {
            key_id: self.key_id.clone(),
            secret_key: self.secret.0.clone(),
            token: self.secret.1.clone(),
        };
        let (acl, region) = (self.acl.clone(), self.region.clone());
        Ok(HttpClient::new(Service { inner, acl, region, credential }))
    }
}

#[derive(Debug)]
struct Service {
    inner: HttpClient,
    acl: String,
    region: String,
    credential: AwsCredential,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if begins_object(&request) {
            let acl = self.acl.parse().map_err(|e| HttpError::new(HttpErrorKind::Unknown, BadAcl(e)))?;
            request.headers_mut().insert("x-amz-acl", acl);
            let digest =
                request.headers().get("x-amz-content-sha256").and_then(|hash| bytes(hash.as_bytes()));
            AwsAuthorizer::new(&self.credential, "s3", &self.region)
                .with_sign_payload(digest.is_some())
                .try_authorize(&mut request, digest.as_deref())
                .map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        }
        self.inner.execute(request).await
    }
}

/// The text that no header can hold.
#[derive(Debug, thiserror::Error)]
#[error("s3acl is no name that S3 knows: {0}")]
struct BadAcl<E>(E);

/// Whether a request is the first of an object: all of it, or the begin of an upload in parts.
fn begins_object(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    match request.method().as_str() {
        "PUT" => !query.contains("partNumber="),
        "POST" => query.split('&').any(|word| matches!(word, "uploads" | "uploads=")),
        _ => false,
    }
}

/// A digest from its hexadecimal text; `None` for `UNSIGNED-PAYLOAD`.
fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 64)?;
    (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}
