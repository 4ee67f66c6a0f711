//! Processes of a job that outlived the server that started them.

use rustix::process::{Signal, kill_process};

use super::JOB_VARIABLE;
use super::table::{belongs, entries, entry};

/// Kills every process of this host that carries the job's uid in its environment; says how many that were. Only for a
/// job that nobody runs.
pub(crate) fn end_leftovers(job: &str) -> usize {
    let variable = format!("{JOB_VARIABLE}={job}");
    let mut ended = 0;
    // What they start while they are looked for is found by the next look.
    for _ in 0..10 {
        let found: Vec<_> =
            entries().into_iter().filter(|e| !e.zombie && belongs(e.pid, variable.as_bytes())).collect();
        if found.is_empty() {
            break;
        }
        for process in found {
            // Not another one by the same number.
            let is_same = entry(process.pid.as_raw_pid()).is_some_and(|now| now.started == process.started);
            if is_same && kill_process(process.pid, Signal::KILL).is_ok() {
                ended += 1;
            }
        }
    }
    ended
}
