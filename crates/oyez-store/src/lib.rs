//! The journal, and everything that is kept beside it.
//!
//! [`Store`] is what the rest of Oyez knows: jobs, appends that are acked when they are kept, leases, blobs. Two forms
//! pass the same conformance suite (`conformance`): [`MemoryStore`] and [`SqliteStore`]. Nothing above this crate may
//! assume one process or one machine.
//!
//! ```text
//!  append(job, batch) ──► queue, fair by job ──► one transaction: fence, numbering, fold ──► ack
//!                                                 chunk + changed rows + checkpoint
//!  reader(job) ──► rows, segments, events by number, live state: one moment, consistent
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`api`] | the traits [`Store`] and [`JobReader`], and what goes in and out of them |
//! | [`error`] | [`StoreError`]: what, where, what to do next |
//! | [`admit`] | which events of a batch are new, repeated, or leave a gap |
//! | [`tree`] | walks over a job's tree, through any reader |
//! | [`search`] | what is searched for in logs, and what is found |
//! | [`memory`] | all in memory: for tests and as the reference |
//! | [`sqlite`] | the embedded default; the layout of its file is described there |
//! | [`blobs`] | content by its hash: small ones packed, large ones in an object store |
//! | [`owner`] | processes of this host as owners of leases |
//! | [`clock`] | time and randomness, behind a trait |
//! | `sim` | files behind a trait, with faults and power cuts; with the feature `testing`, like the suite |

pub mod admit;
pub mod api;
pub mod blobs;
pub mod clock;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod error;
pub mod memory;
pub mod owner;
pub mod search;
#[cfg(feature = "testing")]
pub mod sim;
pub mod sqlite;
pub mod tree;

pub use api::{
    Ack, Batch, Durability, HeldTarget, Holder, JobFilter, JobInfo, JobReader, Lease, LeaseName, NewEvent,
    NewJob, Owner, Store, TargetNote,
};
pub use clock::{Clock, SystemClock};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use search::{
    Level, Levels, LogCursor, LogHit, LogPage, LogQuery, Pattern, PatternError, TagCount, TagFilter,
};
pub use sqlite::{SqliteOptions, SqliteStore};
