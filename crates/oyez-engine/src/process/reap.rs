//! Orphans. Whoever starts processes for others becomes their reaper (`PR_SET_CHILD_SUBREAPER`): what they leave
//! behind becomes a child of this process instead of init's, so that it can still be found by its parent, and has to
//! be waited for here once it has ended.
//!
//! Nobody tells which children were adopted, and a child that somebody else in this process waits for must not be
//! taken from them. So a zombie is only waited for here when it is none of the attended processes and was a zombie
//! already at the look before, at least [`APART`] ago.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, WaitId, WaitIdOptions, WaitOptions, getpid, set_child_subreaper, waitid, waitpgid, waitpid,
};

use super::table;

/// Two looks at the same zombie are this far apart before it is taken for an orphan.
const APART: Duration = Duration::from_secs(2);

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

#[derive(Default)]
struct Known {
    /// Processes that a thread attends, and will wait for.
    attended: HashSet<Pid>,
    /// Groups whose leader has ended while others of them live on as children of ours.
    groups: HashSet<Pid>,
    /// Zombies of which nobody knows, with their start, and when each was first seen.
    zombies: HashMap<(Pid, u64), Instant>,
}

fn known() -> MutexGuard<'static, Option<Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on orphans of what this process starts become its children; [`reap`] waits for them.
pub fn become_reaper() {
    static ONCE: Once = Once::new();
    // A kernel that does not know of it (before 3.4) hands orphans to init, as ever.
    ONCE.call_once(|| {
        let _too_old = set_child_subreaper(Some(getpid()));
    });
}

pub(super) fn attended(pid: Pid) {
    known().get_or_insert_default().attended.insert(pid);
}

/// The leader of a group was waited for. What is left of its group and is a child of ours is looked after.
pub(super) fn ended(leader: Pid) {
    let others = reap_group(leader);
    let mut known = known();
    let known = known.get_or_insert_default();
    known.attended.remove(&leader);
    if others {
        known.groups.insert(leader);
    }
}

/// Whether a group, whose leader has ended and was not waited for, has others that live. They are children of ours: their
/// own parent has ended, or is one of them.
pub(super) fn has_left(leader: Pid) -> bool {
    // Nobody is asked for who has ended: then a leader that has does not count, and none left is an error (ECHILD).
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pgid(Some(leader)), options).is_ok()
}

/// Waits for what has ended of a group; says whether there are others.
fn reap_group(group: Pid) -> bool {
    loop {
        match waitpgid(group, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Waits for orphans that have ended. To be called now and then.
pub fn reap() {
    let mut known = known();
    let Some(known) = known.as_mut() else { return };
    known.groups.retain(|group| reap_group(*group));
    let me = getpid().as_raw_pid();
    let now = Instant::now();
    let mut zombies = HashMap::new();
    for entry in table::entries() {
        if entry.parent != me || !entry.zombie || known.attended.contains(&entry.pid) {
            continue;
        }
        let id = (entry.pid, entry.started);
        let since = known.zombies.get(&id).copied().unwrap_or(now);
        if now.duration_since(since) >= APART {
            let _gone = waitpid(Some(entry.pid), WaitOptions::NOHANG);
        } else {
            zombies.insert(id, since);
        }
    }
    known.zombies = zombies;
}
