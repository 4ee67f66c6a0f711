//! What is searched for in the logs of all jobs, and what is found. It is what `oyez logs` prints, as far as it lies in the
//! journal: [`oyez_model::event::LogText`], line by line. The rest of an output that was too long for the journal is a blob,
//! and not searched; a line that was too long for one event is several lines here.
//!
//! ```text
//!  pattern ──► the grams that a line must have ──► index: pages of log that have them all ──► their lines, matched exactly
//! ```
//!
//! Hits come newest job first, the lines of a job in their order. One answer looks at a bounded amount of text
//! ([`LogQuery::effort`]) and holds at most [`MAX_HITS`]; its cursor says where to go on.
//!
//! | module | holds |
//! |---|---|
//! | [`pattern`] | a text or a regular expression, and what a line must have to match it |
//! | [`grams`] | three letters at a time: what the index is made of |
//! | [`level`] | the level of a line |
//! | [`lines`] | the lines of an event, held against a query |

pub mod grams;
pub mod level;
pub(crate) mod lines;
pub mod pattern;

use std::fmt;
use std::str::FromStr;

use oyez_model::event::Stream;
use oyez_model::{EventSeq, JobId, JobUid, SectionId, Time};

pub use level::{Level, Levels};
pub use pattern::{Pattern, PatternError};

/// Most hits in one answer.
pub const MAX_HITS: usize = 1000;
/// So many bytes of log are looked at for one answer, unless the query says less.
pub const EFFORT: u64 = 64 << 20;
/// Of a longer line so many bytes are given, around what was found.
pub const LONGEST_LINE: usize = 4096;

/// What is searched for; all that is set must hold.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// What the line must have; without it, every line is found.
    pub pattern: Option<Pattern>,
    /// Of this job alone.
    pub job: Option<JobId>,
    /// Of jobs with all of these tags.
    pub tags: Vec<String>,
    /// Of one of these levels; empty: any.
    pub levels: Levels,
    /// Not before this.
    pub since: Option<Time>,
    /// Not after this.
    pub until: Option<Time>,
    /// Where to go on: [`LogPage::next`] of the answer before.
    pub from: Option<LogCursor>,
    /// So many hits at most; 1 to [`MAX_HITS`].
    pub limit: usize,
    /// So many bytes of log are looked at; the answer ends then, whatever it has.
    pub effort: u64,
}

impl Default for LogQuery {
    fn default() -> Self {
        LogQuery {
            pattern: None,
            job: None,
            tags: Vec::new(),
            levels: Levels::default(),
            since: None,
            until: None,
            from: None,
            limit: 50,
            effort: EFFORT,
        }
    }
}

impl LogQuery {
    /// How many hits are wanted.
    pub(crate) fn wanted(&self) -> usize {
        self.limit.clamp(1, MAX_HITS)
    }

    /// Whether an event of this time can have a hit.
    pub(crate) fn is_in_time(&self, time: Time) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until)
    }
}

/// A line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHit {
    /// Its job.
    pub job: JobId,
    /// That job's identity.
    pub uid: JobUid,
    /// That job's name.
    pub name: String,
    /// Its event.
    pub seq: EventSeq,
    /// Which line of that event, from 0.
    pub line: u32,
    /// When it was written.
    pub time: Time,
    /// The section it belongs to.
    pub section: SectionId,
    /// The names from the test down to that section, with `/` between; empty for the job itself.
    pub path: String,
    /// The target it is about.
    pub target: Option<String>,
    /// Which output it came from.
    pub stream: Stream,
    /// Its level, when it has one ([`level`]).
    pub level: Option<Level>,
    /// It, without its end; what is not UTF-8 is U+FFFD. Of a line longer than [`LONGEST_LINE`], that much of it.
    pub text: String,
    /// The line is longer.
    pub is_cut: bool,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// What was found.
    pub hits: Vec<LogHit>,
    /// There may be more: where to go on.
    pub next: Option<LogCursor>,
    /// What could not be searched, in sentences; at most [`MAX_NOTES`].
    pub notes: Vec<String>,
}

/// Most sentences about what could not be searched.
pub const MAX_NOTES: usize = 10;

/// A place in the logs of all jobs: the next line to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursor {
    /// The job.
    pub job: JobId,
    /// The event.
    pub seq: EventSeq,
    /// The line in it, from 0.
    pub line: u32,
}

impl LogCursor {
    /// The beginning of a job.
    #[must_use]
    pub const fn of(job: JobId) -> Self {
        LogCursor { job, seq: EventSeq(0), line: 0 }
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.job, self.seq, self.line)
    }
}

impl FromStr for LogCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split('.');
            let (job, seq, line) = (parts.next()?, parts.next()?, parts.next()?);
            let cursor = LogCursor {
                job: JobId(job.parse().ok()?),
                seq: EventSeq(seq.parse().ok()?),
                line: line.parse().ok()?,
            };
            parts.next().is_none().then_some(cursor)
        };
        read().ok_or_else(|| format!("{text:?} is no place to go on: take it from the answer before"))
    }
}

/// A tag, and how many jobs have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCount {
    /// The tag.
    pub name: String,
    /// How many jobs.
    pub jobs: u64,
}

/// Which tags to count.
#[derive(Clone, Debug, Default)]
pub struct TagFilter {
    /// Those that match it.
    pub pattern: Option<Pattern>,
    /// Those after this one, in the order of their bytes: the next page.
    pub after: Option<String>,
    /// At most so many; 0: no limit.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_from_its_text_and_nothing_else_does() {
        let cursor = LogCursor { job: JobId(7), seq: EventSeq(900), line: 3 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "7", "7.900", "7.900.3.1", "7.900.-1", "a.b.c", "7.900.99999999999"] {
            assert!(wrong.parse::<LogCursor>().is_err(), "{wrong}");
        }
    }
}
