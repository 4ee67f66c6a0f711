//! Rules about content by its hash.

use bytes::Bytes;
use oyez_model::BlobHash;

use super::events::started;
use super::{Form, clock};
use crate::error::StoreError;

/// Bytes that do not compress, the same for the same seed.
#[must_use]
pub fn noise(seed: u64, len: usize) -> Bytes {
    let mut reader =
        blake3::Hasher::new_derive_key("noise for tests").update(&seed.to_le_bytes()).finalize_xof();
    let mut out = vec![0; len];
    reader.fill(&mut out);
    Bytes::from(out)
}

/// Empty, small, around the size at which blobs leave the file, large; that compress and that do not.
pub async fn a_blob_comes_back_whatever_its_size(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let mut kept = Vec::new();
    for len in [0, 1, 1000, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20] {
        for bytes in [noise(7, len), Bytes::from(vec![b'a'; len])] {
            let hash = store.put_blob(bytes.clone()).await.unwrap();
            assert_eq!(hash, BlobHash(*blake3::hash(&bytes).as_bytes()));
            // Again, while the first is there.
            assert_eq!(store.put_blob(bytes.clone()).await.unwrap(), hash);
            kept.push((hash, bytes));
        }
    }
    for (hash, bytes) in &kept {
        assert!(store.get_blob(*hash).await.unwrap() == *bytes, "{} bytes", bytes.len());
    }
    let reader = store.reader(job).await.unwrap();
    let read = move || {
        for (hash, bytes) in &kept {
            assert!(reader.blob(*hash).unwrap() == *bytes, "{} bytes", bytes.len());
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap();
}

/// Not an empty blob, not damage.
pub async fn a_blob_that_is_not_there_is_a_typed_error(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    store.put_blob(noise(1, 10)).await.unwrap();
    let other = BlobHash(*blake3::hash(b"other").as_bytes());
    assert_eq!(store.get_blob(other).await.unwrap_err(), StoreError::NoBlob(other));
    let reader = store.reader(job).await.unwrap();
    let read = move || reader.blob(other).unwrap_err();
    assert_eq!(tokio::task::spawn_blocking(read).await.unwrap(), StoreError::NoBlob(other));
}

/// Small and large; a store that keeps nothing is left out.
pub async fn a_blob_is_there_after_opening_again(form: &dyn Form) {
    if !form.is_lasting() {
        return;
    }
    let store = form.open(clock());
    let (small, large) = (noise(1, 100), noise(2, 200_000));
    let hashes = (store.put_blob(small.clone()).await.unwrap(), store.put_blob(large.clone()).await.unwrap());
    store.close().await.unwrap();
    drop(store);
    let store = form.open(clock());
    assert_eq!(store.get_blob(hashes.0).await.unwrap(), small);
    assert!(store.get_blob(hashes.1).await.unwrap() == large);
}
