//! A process and all that came of it: its group, its descendants, and those that left both but carry its cookie.
//!
//! A process can leave its group (`setsid`) and lose its parent, so one sign is not enough:
//!
//! * the process group, which a shell's children stay in;
//! * the chain of parents, as long as it holds;
//! * a cookie in the environment, which survives both, unless it is cleaned on purpose.
//!
//! Each process that is found is held by a pidfd: a signal can never hit another one that got the same pid.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process_group, pidfd_open, pidfd_send_signal, waitpid,
};

use super::Cookie;
use super::table::{self, Entry};

/// A process that was started as the leader of a group, and what came of it.
///
/// The leader must not be waited for while the tree is in use: as long as it is at least a zombie, nobody else can
/// have its pid and its group's number.
#[derive(Debug)]
pub struct Tree {
    leader: Pid,
    cookie: Option<Cookie>,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    pid: Pid,
    started: u64,
    fd: OwnedFd,
}

impl Tree {
    /// The tree of a leader; what carries the cookie belongs to it as well.
    #[must_use]
    pub fn new(leader: Pid, cookie: Option<Cookie>) -> Self {
        Tree { leader, cookie, members: Vec::new() }
    }

    /// Sends a signal to all of it, the leader too; says how many processes besides the leader there are.
    pub fn signal(&mut self, signal: Signal) -> usize {
        // At once for what is known, so that it has no time to grow.
        self.signal_known(signal);
        self.signal_new(signal);
        self.members.len()
    }

    /// Sends a signal to the group and the members that are known.
    pub fn signal_known(&self, signal: Signal) {
        let _none_left = kill_process_group(self.leader, signal);
        for member in &self.members {
            let _ended = pidfd_send_signal(&member.fd, signal);
        }
    }

    /// Looks for members that are not known yet; sends them `signal`. Says how many there were.
    pub fn signal_new(&mut self, signal: Signal) -> usize {
        let known = self.members.len();
        self.find();
        for member in &self.members[known..] {
            let _ended = pidfd_send_signal(&member.fd, signal);
        }
        self.members.len() - known
    }

    /// What to poll to learn of the end of the members that live; the leader is not among them.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.members.iter().map(|member| member.fd.as_fd())
    }

    /// Forgets members that have ended. Those that had become children of ours (we are their reaper) are waited for,
    /// so that none stays a zombie.
    pub fn forget_ended(&mut self) {
        self.members.retain(|member| {
            let mut fds = [PollFd::new(&member.fd, PollFlags::IN)];
            let ended = matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..));
            if ended {
                let _not_ours = waitpid(Some(member.pid), WaitOptions::NOHANG);
            }
            !ended
        });
    }

    /// Whether no member is known to live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn find(&mut self) {
        for entry in self.search() {
            let known = self.members.iter().any(|m| m.pid == entry.pid && m.started == entry.started);
            if known {
                continue;
            }
            let Ok(fd) = pidfd_open(entry.pid, PidfdFlags::empty()) else { continue };
            // Between the look and the opening the pid may have gone to another process.
            let same = table::entry(entry.pid.as_raw_pid()).is_some_and(|now| now.started == entry.started);
            if same {
                self.members.push(Member { pid: entry.pid, started: entry.started, fd });
            }
        }
    }

    /// What belongs to the tree now, without the leader.
    fn search(&self) -> Vec<Entry> {
        let leader = self.leader.as_raw_pid();
        let mut rest: Vec<Entry> = table::entries();
        let since = rest.iter().find(|entry| entry.pid == self.leader).map_or(0, |entry| entry.started);
        let me = getpid();
        // Nothing that is older than the leader came of it.
        rest.retain(|entry| {
            entry.pid != self.leader && entry.pid != me && !entry.zombie && entry.started >= since
        });
        let mut found = Vec::new();
        let mut parents: HashSet<i32> = [leader].into();
        let known: HashSet<i32> = self.members.iter().map(|m| m.pid.as_raw_pid()).collect();
        parents.extend(&known);
        let mut asked = false;
        loop {
            let before = found.len();
            rest.retain(|entry| {
                let belongs =
                    entry.group == leader || entry.session == leader || parents.contains(&entry.parent);
                if belongs {
                    parents.insert(entry.pid.as_raw_pid());
                    found.push(*entry);
                }
                !belongs
            });
            if found.len() > before {
                continue;
            }
            // The dear question last, and only of those that nothing else gives away.
            let Some(cookie) = self.cookie.as_ref().filter(|_| !asked) else { return found };
            asked = true;
            rest.retain(|entry| {
                let belongs = table::carries(entry.pid, cookie);
                if belongs {
                    parents.insert(entry.pid.as_raw_pid());
                    found.push(*entry);
                }
                !belongs
            });
        }
    }
}

/// Sends a signal to a process, its group and all that came of it; says how many processes besides it there were.
///
/// `pid` must be a child that leads its own process group and has not been waited for.
pub fn kill_tree(pid: Pid, signal: Signal, cookie: Option<&Cookie>) -> usize {
    Tree::new(pid, cookie.cloned()).signal(signal)
}
