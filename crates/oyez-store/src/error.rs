//! What can go wrong in a store: what, where, and what to do next.

use std::path::PathBuf;

use oyez_model::{BlobHash, EventNumber, JobId, ProducerId};
use thiserror::Error;

/// Why the store could not do it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// No such job.
    #[error("there is no job {0} in this store; `oyez list` shows which there are")]
    NoJob(JobId),
    /// A producer left numbers out: send again from the expected one.
    #[error(
        "producer {producer:?} of job {job} sent event {got} where {expected} is next: send again from {expected}"
    )]
    Gap {
        /// The job.
        job: JobId,
        /// The producer.
        producer: ProducerId,
        /// The number that is next.
        expected: EventNumber,
        /// The number that came.
        got: EventNumber,
    },
    /// The lease under which this was written has a new owner.
    #[error(
        "job {job} belongs to another process now (epoch {current}, this one wrote with {held}): nothing was written"
    )]
    Fenced {
        /// The job.
        job: JobId,
        /// The epoch that was presented.
        held: u64,
        /// The epoch in force.
        current: u64,
    },
    /// Somebody else holds the lease.
    #[error("{name} is held by {owner}{}", until.as_ref().map(|u| format!(" until {u}")).unwrap_or_default())]
    Held {
        /// What is held.
        name: String,
        /// By whom.
        owner: String,
        /// Until when, RFC 3339.
        until: Option<String>,
        /// For which job.
        job: Option<JobId>,
    },
    /// A batch or an event beyond the limits.
    #[error("{what} of {size} is more than the limit of {limit}: {hint}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
        /// What to do.
        hint: &'static str,
    },
    /// No room left on the device.
    #[error("no space left for the store in {}: make room, then try again; nothing that was acknowledged is lost", path.display())]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// The store may not be written.
    #[error("the store in {} cannot be written ({reason}): check the folder's owner and mode, or name another with --data", path.display())]
    ReadOnly {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Made by a newer Oyez.
    #[error("the store in {} has version {found}, this Oyez knows up to {known}: use a newer Oyez, or another folder with --data", path.display())]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The highest version known here.
        known: u32,
    },
    /// Another process holds the store's write lock for too long.
    #[error("another process has kept the store in {} busy for {seconds} s: see who with `oyez doctor`, then try again", path.display())]
    Busy {
        /// Where.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// What is stored does not match its checksum, or makes no sense.
    #[error(
        "{what} is damaged ({detail}): `oyez fsck` tells what else is, and `oyez fsck --rebuild` makes rows again from the journal"
    )]
    Damaged {
        /// What.
        what: String,
        /// How it is known.
        detail: String,
    },
    /// No such blob.
    #[error("blob {0} is not in this store")]
    NoBlob(BlobHash),
    /// The device failed.
    #[error("the store in {} failed: {reason}; check the disk, then run `oyez fsck`", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A sync of the store's file failed: the device may have dropped what was written, and says so only once.
    #[error(
        "the disk did not keep what was written to the store in {}: nothing that was acknowledged is lost, it stands in the log beside it; check the disk, end every Oyez that has the store open, and it is mended by the next that opens it",
        path.display()
    )]
    Unkept {
        /// Where.
        path: PathBuf,
    },
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether trying again later can help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            StoreError::Full { .. }
                | StoreError::Busy { .. }
                | StoreError::Io { .. }
                | StoreError::Held { .. }
        )
    }
}
