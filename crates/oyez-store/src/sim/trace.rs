//! What was done to the disk last: the evidence of a run that cannot be had again, because threads took turns by chance.

use std::collections::VecDeque;
use std::path::Path;

/// Older lines are forgotten.
const LINES: usize = 2000;

/// The last changes and syncs.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: VecDeque<String>,
}

impl Trace {
    pub(super) fn note(
        &mut self,
        change: u64,
        handle: u64,
        path: Option<&Path>,
        what: impl FnOnce() -> String,
    ) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let thread = std::thread::current();
        let (thread, path) =
            (thread.name().unwrap_or("a thread"), path.unwrap_or(Path::new("a file without a name")));
        self.lines.push_back(format!("{change} {thread} handle {handle} {}: {}", path.display(), what()));
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
