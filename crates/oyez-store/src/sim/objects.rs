//! An object store in memory that fails when told to.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::Fault;

/// How the next calls fail.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    fault: Fault,
    /// Calls that still succeed.
    after: u64,
    for_good: bool,
}

/// Objects in memory; calls that put or get them fail when armed.
#[derive(Debug, Default)]
pub struct FaultyObjects {
    within: InMemory,
    trouble: Mutex<Option<Trouble>>,
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects that fail when told to")
    }
}

impl FaultyObjects {
    /// Nothing in it, and nothing fails.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `nth` call (from 1) that puts or gets an object fails; with `for_good` all after it, too.
    /// [`Fault::ShortWrite`] fails after the object was put: the caller cannot know that it is there.
    pub fn arm(&self, fault: Fault, nth: u64, for_good: bool) {
        *self.lock() = Some(Trouble { fault, after: nth.saturating_sub(1), for_good });
    }

    /// Nothing fails any more.
    pub fn disarm(&self) {
        *self.lock() = None;
    }

    /// Changes one byte of an object, as a failing disk does.
    ///
    /// # Errors
    /// The object is not there.
    pub async fn flip(&self, location: &Path, at: usize) -> Result<()> {
        let mut bytes = self.within.get(location).await?.bytes().await?.to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x10;
        }
        self.within.put(location, PutPayload::from_bytes(Bytes::from(bytes))).await.map(|_| ())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meet(&self) -> Option<Fault> {
        let mut armed = self.lock();
        let trouble = armed.as_mut()?;
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        let fault = trouble.fault;
        if !trouble.for_good {
            *armed = None;
        }
        Some(fault)
    }
}

fn error(fault: Fault) -> object_store::Error {
    object_store::Error::Generic { store: "simulated", source: Box::new(fault.error()) }
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match self.meet() {
            None => self.within.put_opts(location, payload, opts).await,
            Some(fault) => {
                if fault == Fault::ShortWrite {
                    self.within.put_opts(location, payload, opts).await?;
                }
                Err(error(fault))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.within.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.meet() {
            None => self.within.get_opts(location, options).await,
            Some(fault) => Err(error(fault)),
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.within.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.within.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.within.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.within.copy_opts(from, to, options).await
    }
}
