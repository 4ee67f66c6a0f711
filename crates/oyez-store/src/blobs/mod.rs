//! Large blobs: content by its BLAKE3 hash, in a local folder or any other object store.
//!
//! The key is made of the hash alone (`ab/cdef...`), never of a name from outside. A blob is kept before the event that
//! names it is appended, so that a crash leaves at worst a blob that nobody names.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use oyez_model::BlobHash;

use crate::error::StoreError;

/// Blobs in an object store.
#[derive(Clone, Debug)]
pub struct Blobs {
    objects: Arc<dyn ObjectStore>,
    place: std::path::PathBuf,
}

/// Whether these bytes have this hash.
///
/// # Errors
/// [`StoreError::Damaged`] when they do not.
pub fn check(hash: BlobHash, bytes: &[u8]) -> Result<(), StoreError> {
    if hash_of(bytes) == hash {
        return Ok(());
    }
    Err(StoreError::Damaged {
        what: format!("blob {hash}"),
        detail: "its content does not match its hash".to_owned(),
    })
}

impl Blobs {
    /// Blobs in a local folder, made if it is to be written and is not there. `sync`: each is synced to the device.
    ///
    /// # Errors
    /// The folder cannot be made or used.
    pub fn local(folder: &Path, sync: bool, make: bool) -> Result<Self, StoreError> {
        let trouble =
            |e: object_store::Error| StoreError::Io { path: folder.to_owned(), reason: e.to_string() };
        if make {
            std::fs::create_dir_all(folder).map_err(|e| crate::sqlite::io_trouble(folder, &e))?;
        } else if !folder.is_dir() {
            // Nothing is there, and nothing will be.
            return Ok(Blobs::new(Arc::new(object_store::memory::InMemory::new()), folder));
        }
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(trouble)?.with_fsync(sync);
        Ok(Blobs { objects: Arc::new(objects), place: folder.to_owned() })
    }

    /// Blobs in any object store; `place` is how errors call it.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, place: &Path) -> Self {
        Blobs { objects, place: place.to_owned() }
    }

    fn key(hash: BlobHash) -> Key {
        let hex = hash.to_string();
        Key::from(format!("{}/{}", &hex[..2], &hex[2..]))
    }

    fn trouble(&self, e: &object_store::Error) -> StoreError {
        // The object store wraps the system's error: what it was is found in the chain of sources.
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(e);
        while let Some(at) = source {
            if let Some(io) = at.downcast_ref::<std::io::Error>() {
                return crate::sqlite::io_trouble(&self.place, io);
            }
            source = at.source();
        }
        StoreError::Io { path: self.place.clone(), reason: e.to_string() }
    }

    /// Keeps bytes under their hash.
    ///
    /// # Errors
    /// The object store's trouble.
    pub async fn put(&self, hash: BlobHash, bytes: Bytes) -> Result<(), StoreError> {
        let key = Self::key(hash);
        // The same content again costs no write, unless what is there is damaged.
        if let Ok(meta) = self.objects.head(&key).await
            && meta.size == bytes.len() as u64
            && self.get(hash).await.is_ok()
        {
            return Ok(());
        }
        self.objects.put(&key, PutPayload::from_bytes(bytes)).await.map_err(|e| self.trouble(&e))?;
        fail::fail_point!("store::blob");
        Ok(())
    }

    /// The hashes of all blobs that are here.
    ///
    /// # Errors
    /// The object store's trouble.
    pub async fn all(&self) -> Result<Vec<BlobHash>, StoreError> {
        let mut out = Vec::new();
        let folders = self.objects.list_with_delimiter(None).await.map_err(|e| self.trouble(&e))?;
        for folder in folders.common_prefixes {
            let within =
                self.objects.list_with_delimiter(Some(&folder)).await.map_err(|e| self.trouble(&e))?;
            // Anything that is not named like a blob is not ours.
            out.extend(
                within
                    .objects
                    .iter()
                    .filter_map(|o| o.location.as_ref().replace('/', "").parse::<BlobHash>().ok()),
            );
        }
        Ok(out)
    }

    /// The bytes with this hash, checked against it.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`], [`StoreError::Damaged`], or the object store's trouble.
    pub async fn get(&self, hash: BlobHash) -> Result<Bytes, StoreError> {
        let found = match self.objects.get(&Self::key(hash)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(StoreError::NoBlob(hash)),
            Err(e) => return Err(self.trouble(&e)),
        };
        let bytes = found.bytes().await.map_err(|e| self.trouble(&e))?;
        check(hash, &bytes)?;
        Ok(bytes)
    }
}

/// The hash that names these bytes.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(bytes).as_bytes())
}
