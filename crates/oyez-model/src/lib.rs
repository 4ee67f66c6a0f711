//! The words of Oyez and the one pure function that everything rests on.
//!
//! A way in translates its peer's words into [`Event`]s. The journal (in `oyez-store`) makes them durable and
//! numbers them. [`fold::Live::apply`] is the fold: live state of a job + event = live state + changed rows.
//! Views, reports, indexes and sinks read the rows, and can all be made again from the events.
//!
//! | module | holds |
//! |---|---|
//! | [`ids`] | `JobUid`, `JobId`, `Guid`, `ProducerId`, `SectionId`, `TestKey`, ... |
//! | [`time`] | points in time, in nanoseconds |
//! | [`outcome`] | `Outcome` and pyATS's rollup, counts by outcome |
//! | [`state`] | `JobState` and its allowed transitions |
//! | [`tags`] | ConTest's tag rules |
//! | [`value`] | `Value`: whatever extras, parameters and data may hold |
//! | [`event`] | every kind of event, and their form in the journal |
//! | [`row`] | what the fold writes: one row for each run, test and section |
//! | [`fold`] | the live state of a job and how events change it; completeness |
//!
//! **Invariant: this crate is pure.** It does no I/O, reads no clock, spawns nothing and knows no async runtime;
//! ids and times are made by the callers.

pub mod event;
pub mod fold;
pub mod ids;
pub mod outcome;
mod pack;
pub mod row;
pub mod state;
pub mod tags;
pub mod time;
pub mod value;

pub use event::{Event, EventBody};
pub use fold::{Changes, Completeness, Live};
pub use ids::{
    BlobHash, EventNumber, EventSeq, Guid, JobId, JobUid, ProducerId, RunNumber, SectionId, SectionRef,
    TestKey,
};
pub use outcome::{Counts, Outcome};
pub use row::{JobRow, NodeKind, NodeRow, ProducerRow, Segment};
pub use state::{JobSource, JobState, Verdict};
pub use time::Time;
pub use value::Value;
