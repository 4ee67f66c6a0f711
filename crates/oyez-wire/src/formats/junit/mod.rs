//! JUnit XML, in all its dialects.
//!
//! There is no standard, only a family of writers that took Ant's element names and added their own. What they share is read
//! by the same rules, whoever wrote the file:
//!
//! * The root is `<testsuites>` or a bare `<testsuite>`; suites nest; cases stand in either. Documents written one after
//!   another into one file (as parallel workers do) are read one after another.
//! * A case has failed by what stands in it: `<error>` beats `<failure>`, which beats `<skipped>`; none of them means passed,
//!   unless an attribute says otherwise (GoogleTest's `status="notrun"` and `result="skipped"`, CTest's `status="fail"`).
//! * Attempts that a runner repeated (`<rerunFailure>`, `<flakyFailure>` and the two for errors: Surefire, nextest) are kept
//!   as [`Attempt`]s and do not change the outcome: a flaky case passed in the end.
//! * Attributes that nobody agreed on (`value_param`, `group`, `class`, ...) are kept by name.
//! * Seconds may have thousands separators (`1,234.5`: Surefire writes them in some locales).
//!
//! # The pieces
//!
//! ```text
//! bytes ─► decode (any encoding to UTF-8) ─► clip (bounds a token, counts lines) ─► quick-xml ─► reader (the open elements) ─► Item
//! ```
//!
//! The two stages before the XML parser are there because it takes a whole token into memory and refuses input that is not
//! UTF-8: one log of ten gigabytes in a `<system-out>`, or one stray byte of Latin-1 in a message, would otherwise cost the
//! whole report.
//!
//! # What is lenient and what is not
//!
//! A report is evidence, often written by a tool that escaped badly: an unknown entity stays as it is written, a lone `&` is
//! text, bytes that are not of the encoding become U+FFFD, unknown elements are passed through. [`Notes`] counts each of
//! these. Elements that do not close in order, or a root of another format, are errors: there the structure, and with it the
//! answer to "which test failed", would be a guess. A DOCTYPE is skipped unread; nothing that it defines is ever expanded.
//!
//! ```
//! use oyez_wire::formats::junit::{Item, Reader, Status};
//!
//! let xml = br#"<testsuite name="s" tests="2"><testcase name="a" time="0.5"/>
//!     <testcase name="b"><failure message="1 != 2"/></testcase></testsuite>"#;
//! let mut failed = Vec::new();
//! for item in Reader::new(&xml[..]) {
//!     if let Item::Case(case) = item? && case.status == Status::Failed {
//!         failed.push(case.name);
//!     }
//! }
//! assert_eq!(failed, ["b"]);
//! # Ok::<(), oyez_wire::formats::junit::JunitError>(())
//! ```

mod attributes;
mod clip;
mod close;
mod decode;
mod error;
mod events;
mod item;
mod limits;
mod open;
mod reader;
mod tree;

pub use error::{JunitError, Position};
pub use events::{Sink, Tests};
pub use item::{
    Announced, Attempt, AttemptKind, Case, Item, Message, MessageKind, Status, Suite, SuiteEnd, Tally, Text,
};
pub use limits::{Limits, Notes};
pub use reader::Reader;
