//! Where a job stands, which steps from there are allowed, and the verdict over it.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::Serialize;

/// Where a job stands (DESIGN "Words"; ConTest's states, specs/contest.md 1.11, and `Queued`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Encode, Decode)]
#[cbor(index_only)]
pub enum JobState {
    /// Nothing is known yet.
    #[default]
    #[n(0)]
    Unknown,
    /// Waits for its turn; ConTest's clients read it as `Unknown`.
    #[n(9)]
    Queued,
    /// It runs.
    #[n(1)]
    Started,
    /// It came to its end; whether its tests passed is the verdict's matter.
    #[n(2)]
    Completed,
    /// It could not come to its end.
    #[n(3)]
    Failed,
    /// It was halted and can go on.
    #[n(4)]
    Paused,
    /// A step neither stopped nor gave its state in time.
    #[n(5)]
    PauseFailed,
    /// Somebody asked to cancel it, and it is on its way.
    #[n(6)]
    Cancelling,
    /// It was cancelled.
    #[n(7)]
    Cancelled,
    /// A process outlived KILL, or a target could not be released.
    #[n(8)]
    CancellationFailed,
}

impl JobState {
    /// Every state, in the order of ConTest's numbers.
    pub const ALL: [JobState; 10] = [
        JobState::Unknown,
        JobState::Started,
        JobState::Completed,
        JobState::Failed,
        JobState::Paused,
        JobState::PauseFailed,
        JobState::Cancelling,
        JobState::Cancelled,
        JobState::CancellationFailed,
        JobState::Queued,
    ];

    /// ConTest's number of it in its `jobs.state` column; ours for `Queued` is 9.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            JobState::Unknown => 0,
            JobState::Started => 1,
            JobState::Completed => 2,
            JobState::Failed => 3,
            JobState::Paused => 4,
            JobState::PauseFailed => 5,
            JobState::Cancelling => 6,
            JobState::Cancelled => 7,
            JobState::CancellationFailed => 8,
            JobState::Queued => 9,
        }
    }

    /// The state with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<JobState> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether a job may go from this state to `next`.
    #[must_use]
    pub const fn may_become(self, next: JobState) -> bool {
        use JobState::{
            CancellationFailed, Cancelled, Cancelling, Completed, Failed, PauseFailed, Paused, Queued,
            Started, Unknown,
        };
        matches!(
            (self, next),
            (Unknown, Queued | Started | Failed | Cancelling | Cancelled)
                | (Queued, Started | Failed | Cancelling | Cancelled)
                | (Started, Completed | Failed | Paused | PauseFailed | Cancelling | Cancelled)
                | (Paused, Started | Failed | Cancelling | Cancelled)
                | (PauseFailed, Failed | Cancelling | Cancelled)
                | (Cancelling, Cancelled | CancellationFailed | Failed)
        )
    }

    /// No event of the job's own course follows any more (pyATS forks and late reporters still may).
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            JobState::Completed
                | JobState::Failed
                | JobState::Cancelled
                | JobState::CancellationFailed
                | JobState::PauseFailed
        )
    }

    /// The word, without ConTest's prefix `JobState`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Unknown => "Unknown",
            JobState::Queued => "Queued",
            JobState::Started => "Started",
            JobState::Completed => "Completed",
            JobState::Failed => "Failed",
            JobState::Paused => "Paused",
            JobState::PauseFailed => "PauseFailed",
            JobState::Cancelling => "Cancelling",
            JobState::Cancelled => "Cancelled",
            JobState::CancellationFailed => "CancellationFailed",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;
    /// Takes the word with or without ConTest's prefix, in any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("JobState").unwrap_or(text);
        JobState::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(bare)).ok_or_else(|| {
            format!(
                "invalid job state \"{text}\"; one of: {}",
                JobState::ALL.map(JobState::as_str).join(", ")
            )
        })
    }
}

/// Where a job came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum JobSource {
    /// Run by Oyez from a descriptor.
    #[default]
    #[n(0)]
    Engine,
    /// A command wrapped by `oyez exec`.
    #[n(1)]
    Exec,
    /// Reported by pyATS.
    #[n(2)]
    Pyats,
    /// Reported through the native interface.
    #[n(3)]
    Api,
    /// Sent to the HEC collector.
    #[n(4)]
    Hec,
    /// Brought in from files.
    #[n(5)]
    Import,
}

/// What the reporters say of a run or a job; without a reporter, what its outcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Verdict {
    /// As it should be.
    #[n(0)]
    Success,
    /// Not as it should be.
    #[n(1)]
    Failure,
}

impl Verdict {
    /// Success if and only if `good`.
    #[must_use]
    pub const fn of(good: bool) -> Verdict {
        if good { Verdict::Success } else { Verdict::Failure }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Success => "success",
            Verdict::Failure => "failure",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::JobState;

    #[test]
    fn a_final_state_allows_no_further_step_but_a_failed_pause() {
        for s in JobState::ALL.into_iter().filter(|s| s.is_final() && *s != JobState::PauseFailed) {
            assert!(JobState::ALL.into_iter().all(|n| !s.may_become(n)), "{s}");
        }
    }

    #[test]
    fn states_read_back_from_code_and_word() {
        for s in JobState::ALL {
            assert_eq!(JobState::from_code(s.code()), Some(s));
            assert_eq!(format!("JobState{s}").parse::<JobState>().unwrap(), s);
        }
        assert!("Foo".parse::<JobState>().unwrap_err().starts_with("invalid job state \"Foo\""));
    }
}
