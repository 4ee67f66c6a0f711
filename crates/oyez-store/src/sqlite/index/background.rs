//! Indexing beside everything else: a thread of the lowest priority, which takes only time that nobody else wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::build::Indexed;
use crate::error::StoreError;

/// It rests this many times as long as it works: also a thread of the lowest priority takes its share of the memory's and the
/// disk's pace, and of a core that is two.
const SHARE: u32 = 2;
/// The same while others write.
const SHARE_BESIDE: u32 = 15;
/// How long it rests when there was nothing to do.
const REST: Duration = Duration::from_secs(1);
/// How long after it could not.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);
/// A rest is taken in steps, so that nobody waits for its end.
const NAP: Duration = Duration::from_millis(50);

/// The thread: steps until it is stopped. What is to be known is told once, not at each try.
pub(in crate::sqlite) fn run(
    stopped: &Arc<AtomicBool>,
    commits: impl Fn() -> u64,
    mut step: impl FnMut() -> Result<Indexed, StoreError>,
    tell: &dyn Fn(&str),
) {
    // Where this is not allowed, it is as urgent as anything else.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    let mut told = None;
    while !stopped.load(Ordering::SeqCst) {
        let mut rest;
        let (begun, before) = (Instant::now(), commits());
        match step() {
            Ok(done) => {
                told = None;
                // One of them may be its own.
                let share = if commits() > before + 1 { SHARE_BESIDE } else { SHARE };
                rest = (begun.elapsed() * share).min(REST);
                if let Some(why) = done.made_again {
                    tell(&format!(
                        "the index of logs is made again ({why}); searches answer meanwhile, more slowly"
                    ));
                }
                if !done.more {
                    rest = REST;
                }
            }
            Err(StoreError::Closed) => return,
            Err(e) => {
                let text = format!("logs cannot be indexed: {e}; searches answer all the same, more slowly");
                if told.as_ref() != Some(&text) {
                    tell(&text);
                }
                told = Some(text);
                rest = AFTER_TROUBLE;
            }
        }
        while !rest.is_zero() && !stopped.load(Ordering::SeqCst) {
            std::thread::sleep(NAP.min(rest));
            rest = rest.saturating_sub(NAP);
        }
    }
}
