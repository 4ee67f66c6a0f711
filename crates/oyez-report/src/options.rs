//! What a caller may choose.

use std::fmt;

/// How far a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs, tests and sections visited.
    pub sections: u64,
    /// The journal's number at which the current one began: together with `of` roughly how far it is.
    pub at: u64,
    /// The number of the journal's last event.
    pub of: u64,
}

/// What a caller may choose; `Options::default()` is what `oyez run` uses.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The title of the page and of the summary, instead of the job's name.
    pub title: Option<&'a str>,
    /// How many bytes of a section's log stand in JSON and HTML: half from its beginning, half from its end.
    pub max_log_bytes: usize,
    /// How many bytes of log stand with one case in JUnit, CTRF and TAP, from the end.
    pub max_case_log_bytes: usize,
    /// How many failures the page and the summary show first.
    pub max_failures: usize,
    /// Told about every thousand sections, and at the end.
    pub progress: Option<&'a dyn Fn(Progress)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            title: None,
            max_log_bytes: 256 << 10,
            max_case_log_bytes: 16 << 10,
            max_failures: 200,
            progress: None,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("title", &self.title)
            .field("max_log_bytes", &self.max_log_bytes)
            .field("max_case_log_bytes", &self.max_case_log_bytes)
            .field("max_failures", &self.max_failures)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}
