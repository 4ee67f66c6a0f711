//! The process table, as `/proc` shows it (proc(5)).

use std::fs::File;
use std::io::Read as _;

use rustix::process::Pid;

use super::Cookie;

/// The longest environment that is searched for a cookie.
const LONGEST_ENVIRONMENT: u64 = 1 << 20;

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub pid: Pid,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Clock ticks since boot: with the pid, what tells a process from a later one of the same pid.
    pub started: u64,
    pub zombie: bool,
}

/// Every process that there is. One that ends while the table is read may be missing.
pub(crate) fn entries() -> Vec<Entry> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pid = |name: std::ffi::OsString| name.to_str().and_then(|name| name.parse().ok());
    folder.flatten().filter_map(|item| pid(item.file_name())).filter_map(entry).collect()
}

/// One process; `None` when there is none of this pid.
pub(crate) fn entry(pid: i32) -> Option<Entry> {
    let pid = Pid::from_raw(pid.max(0))?;
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    parse(pid, &stat)
}

/// Fields are counted from behind the name, which may hold anything but ends with the last `)`.
fn parse(pid: Pid, stat: &[u8]) -> Option<Entry> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let text = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // `starttime` is field 22 of the file; the session was field 6.
    let started = fields.nth(15)?.parse().ok()?;
    Some(Entry { pid, parent, group, session, started, zombie: matches!(state, "Z" | "X" | "x") })
}

/// Whether a process was started with this variable, `NAME=VALUE`, in its environment.
pub(crate) fn belongs(pid: Pid, variable: &[u8]) -> bool {
    environment(pid).is_some_and(|all| all.split(|b| *b == 0).any(|one| one == variable))
}

/// One that cannot be looked into has none.
fn environment(pid: Pid) -> Option<Vec<u8>> {
    let mut environment = Vec::new();
    let file = File::open(format!("/proc/{}/environ", pid.as_raw_pid())).ok()?;
    file.take(LONGEST_ENVIRONMENT).read_to_end(&mut environment).ok()?;
    Some(environment)
}

/// Whether a process was started with this cookie in its environment. One that cannot be looked into was not.
pub(crate) fn carries(pid: Pid, cookie: &Cookie) -> bool {
    let Some(environment) = environment(pid) else { return false };
    let mut wanted = cookie.pairs().map(|(name, value)| Some((name.as_bytes(), value.as_bytes())));
    for variable in environment.split(|b| *b == 0) {
        for place in &mut wanted {
            place.take_if(|(name, value)| {
                variable.strip_prefix(*name).and_then(|rest| rest.strip_prefix(b"=")) == Some(*value)
            });
        }
        if wanted.iter().all(Option::is_none) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_anything_in_it_does_not_disturb_the_fields() {
        let pid = Pid::from_raw(7).unwrap();
        let stat = b"7 (a) Z (\xff b) S 3 7 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 12345 1 2";
        let expected = Entry { pid, parent: 3, group: 7, session: 5, started: 99, zombie: false };
        assert_eq!(parse(pid, stat), Some(expected));
        assert_eq!(parse(pid, b"7 (a"), None);
        assert_eq!(parse(pid, b"7 (a) S 3"), None);
    }

    #[test]
    fn this_process_is_in_the_table() {
        let me = rustix::process::getpid();
        let found = entries().into_iter().find(|entry| entry.pid == me).unwrap();
        assert_eq!(Some(found.pid), entry(me.as_raw_pid()).map(|entry| entry.pid));
        assert!(!found.zombie);
    }
}
