//! Processes of this host as owners of leases.

use crate::api::Owner;
use crate::clock::{Clock, SystemClock};

impl Owner {
    /// This process.
    #[must_use]
    pub fn this_process() -> Owner {
        Owner { token: SystemClock.random(), ..Owner::process(std::process::id()) }
    }

    /// A process of this host; the same one whoever asks, so that a server that was started again for it has its rights.
    #[must_use]
    pub fn process(pid: u32) -> Owner {
        let started = started(pid).unwrap_or(0);
        Owner { host: host(), pid, started, token: started.rotate_left(32) ^ u64::from(pid) }
    }

    /// A person, who holds a target by hand; the same one whoever asks.
    #[must_use]
    pub fn person(name: &str) -> Owner {
        let bits = blake3::hash(name.as_bytes());
        let token = bits.as_bytes()[..8].iter().fold(0, |token, byte| token << 8 | u64::from(*byte));
        Owner { host: name.to_owned(), pid: 0, started: 0, token }
    }

    /// Whether it is a person, not a process.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.pid == 0
    }

    /// Whether it still runs, and is not another process by this number. Only for one of this host.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| self.started == 0 || started == self.started)
    }
}

/// The name of this host.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// When a process was started, in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)). None when it has ended,
/// also while nobody has taken it away yet (state Z): under an init that never does, it would seem to run for ever.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_not_alive_even_before_it_is_taken_away() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner::process(child.id());
        assert!(owner.is_alive());
        assert!(!Owner { started: owner.started + 1, ..owner.clone() }.is_alive(), "another by this number");
        child.kill().unwrap();
        // Ended when this can be said of it; it is taken away after that.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while owner.is_alive() {
            assert!(std::time::Instant::now() < until);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!owner.is_alive());
    }
}
