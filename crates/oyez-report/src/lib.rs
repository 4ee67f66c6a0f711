//! Documents from the rows of a job.
//!
//! One depth-first pass over a job's tree (`walk`) feeds as many writers as are asked for, so that three
//! documents cost one reading. Nothing here holds a whole job: children come a page at a time, what hangs on a section
//! is read when the section is visited and cut at [`Options::max_log_bytes`], and every writer streams.
//!
//! ```text
//!  JobReader ──► Facts (the job, its reports, a survey of its tests)
//!            └─► walk: enter, leave, enter, ... ──► json, junit, markdown, html, ctrf, tap ──► Write
//! ```
//!
//! The same journal gives the same bytes: no clock is read, nothing is drawn at random, and no order depends on a hash.
//! A document never hides that something is missing: whether the report is complete stands in each of them, apart from
//! pass and fail, and whatever is left out for its size is said with its size and with the command that shows it.
//!
//! What counts: a *case* is a section directly below a test. A *result* is a case, a test without cases, or a section
//! that hangs below a run or the job itself (it lost its parent); attempts that were retried, clean-ups and sections
//! that were taken back are no results. JUnit, CTRF and the HTML page count results; `counts` in JSON has cases and
//! tests apart.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@format`] | [`Format`]: which documents there are, their names and file names |
//! | [`options`] | [`Options`] and [`Progress`] |
//! | [`error`] | [`ReportError`] |
//! | `write` | [`write_reports`]: one pass, several documents |
//! | `walk` | the pass itself and what it shows its visitors |
//! | `facts` | what is known of a job before the pass |
//! | `content` | log, details, artifacts, ... of one section, bounded |
//! | `case` | what a case and all below it come to, for documents that know no deeper sections |
//! | `attempts` | what retried attempts leave for the one that counts |
//! | `text`, `moment` | text and times as documents need them |
//! | `out`, `xml` | the buffer before a writer; JSON and XML in pieces |
//! | `json`, `junit`, `markdown`, `ctrf`, `tap`, `html` | one document each |
//! | [`pyats`] | the files of pyATS's report server, from a tree of their own |

mod attempts;
mod case;
mod content;
mod ctrf;
pub mod error;
mod facts;
pub mod format;
mod html;
mod json;
mod junit;
mod markdown;
mod moment;
pub mod options;
mod out;
pub mod pyats;
mod tap;
mod text;
mod walk;
mod write;
mod xml;

pub use error::ReportError;
pub use format::Format;
pub use options::{Options, Progress};
pub use write::{write_report, write_reports};
