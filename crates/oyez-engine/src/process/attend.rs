//! One process, from its start to its end.

use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oyez_model::event::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::capture::Capture;
use super::pool::{Launch, Task};
use super::tree::Tree;
use super::{Cause, Exit, ProcessEnd, reap};

/// How long output is read on after the process has ended, because something that it left behind keeps it open.
const DRAIN: Duration = Duration::from_secs(2);
/// The same after that was killed, or all was stopped.
const LAST_DRAIN: Duration = Duration::from_millis(200);
/// How long a process may outlive KILL: the kernel may have to finish something.
const OUTLIVE: Duration = Duration::from_secs(5);
/// How often a tree is looked through for newcomers while it is being ended, besides when it seems to be over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Starts it and stays with it until it and all that must end with it has ended. `buffer` is for reading.
pub(super) fn attend(launch: &Launch, task: &mut dyn Task, buffer: &mut [u8]) -> ProcessEnd {
    let by_itself = |exit| ProcessEnd { exit, cause: Cause::Itself };
    if launch.scope.is_stopped() {
        let exit = Exit::NotStarted("it was stopped before it could start".to_owned());
        return ProcessEnd { exit, cause: Cause::Stopped };
    }
    let child = match spawn(launch) {
        Ok(child) => child,
        Err(why) => return by_itself(Exit::NotStarted(why)),
    };
    match Attended::new(child, launch) {
        Ok(mut attended) => {
            attended.stay(launch, task, buffer);
            attended.end(task)
        }
        Err(why) => by_itself(Exit::NotStarted(why)),
    }
}

/// Nothing here may run code between fork and exec: then the standard library uses `posix_spawn`, whose cost does not
/// grow with our memory.
fn spawn(launch: &Launch) -> Result<Child, String> {
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).envs(launch.cookie.pairs()).process_group(0);
    let stdin = match &launch.stdin {
        Some(stdin) => stdin.try_clone().map_err(|e| format!("dup: {e}"))?.into(),
        None => Stdio::null(),
    };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(dir) = &launch.dir {
        command.current_dir(dir);
    }
    command.spawn().map_err(|e| {
        let why = match e.kind() {
            ErrorKind::NotFound => "no such file or directory".to_owned(),
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => e.to_string(),
        };
        // Go says which of the two it was; the system does not.
        match launch.dir.as_ref().filter(|dir| !dir.is_dir()) {
            Some(dir) => format!("chdir {}: {why}", dir.display()),
            None => format!("fork/exec {}: {why}", launch.program.display()),
        }
    })
}

/// Where it stands.
enum Phase {
    /// It runs, or has ended while its output is still open.
    Running,
    /// It has ended; what keeps its output open has until then.
    Draining(Instant),
    /// The same, after what could be killed was.
    LastDraining(Instant),
    /// TERM was sent; KILL follows then.
    Terminated(Instant, Tree),
    /// KILL was sent; what lives on then is given up.
    Killed(Instant, Tree),
    /// It outlived KILL.
    GivenUp,
}

struct Attended {
    child: Child,
    pid: Pid,
    fd: OwnedFd,
    outputs: [Option<OwnedFd>; 2],
    has_ended: bool,
    phase: Phase,
    cause: Cause,
    deadline: Option<Instant>,
    look_again: Instant,
    saw_stop: bool,
    saw_kill: bool,
    capture: Capture,
}

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

impl Attended {
    fn new(mut child: Child, launch: &Launch) -> Result<Self, String> {
        let now = Instant::now();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let opened = pid.ok_or(Errno::SRCH).and_then(|pid| Ok((pid, pidfd_open(pid, PidfdFlags::empty())?)));
        let (pid, fd) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                // Without the descriptor nobody could tell when it ends.
                let _ended = child.kill().and_then(|()| child.wait());
                return Err(format!("pidfd_open: {e}"));
            }
        };
        reap::attended(pid);
        let outputs = [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
        Ok(Attended {
            child,
            pid,
            fd,
            outputs,
            has_ended: false,
            phase: Phase::Running,
            cause: Cause::Itself,
            deadline: launch.timeout.map(|timeout| now + timeout),
            look_again: now,
            saw_stop: false,
            saw_kill: false,
            capture: Capture::new(launch.limits),
        })
    }

    fn stay(&mut self, launch: &Launch, task: &mut dyn Task, buffer: &mut [u8]) {
        loop {
            let now = Instant::now();
            self.capture.tick(now, task);
            self.go_on(launch, now, task);
            if self.is_over() {
                return;
            }
            let ready = self.wait(launch, now);
            self.capture.next_round();
            for at in 0..STREAMS.len() {
                if ready.outputs[at] {
                    self.read(at, buffer, task);
                }
            }
            self.has_ended |= ready.ended;
            self.saw_stop |= ready.stopped;
            self.saw_kill |= ready.killed;
            if ready.stopped && self.cause == Cause::Itself {
                self.cause = Cause::Stopped;
                self.terminate(launch, Instant::now());
            }
            if ready.killed {
                self.kill(launch, Instant::now());
            }
        }
    }

    /// Nothing is left to wait for.
    fn is_over(&self) -> bool {
        let closed = self.outputs.iter().all(Option::is_none);
        match &self.phase {
            Phase::Running | Phase::Draining(_) | Phase::LastDraining(_) => self.has_ended && closed,
            Phase::Terminated(..) | Phase::Killed(..) => false,
            Phase::GivenUp => true,
        }
    }

    /// What the time, and what has ended by now, make necessary.
    fn go_on(&mut self, launch: &Launch, now: Instant, task: &mut dyn Task) {
        let closed = self.outputs.iter().all(Option::is_none);
        match &mut self.phase {
            Phase::Running | Phase::Draining(_) if self.has_ended && closed && reap::has_left(self.pid) => {
                say(task, "the process has ended, and what it left running in its group is ended, too");
                self.terminate_rest(launch, now);
            }
            Phase::Running if self.has_ended && !closed => self.phase = Phase::Draining(now + DRAIN),
            Phase::Running if self.deadline.is_some_and(|deadline| now >= deadline) && !self.has_ended => {
                self.cause = Cause::TimedOut;
                self.terminate(launch, now);
            }
            Phase::Draining(until) if now >= *until => {
                // The leader is not waited for yet, so the number of its group is its own.
                let _none_left = rustix::process::kill_process_group(self.pid, Signal::KILL);
                say(
                    task,
                    "the process has ended, but something that it started kept its output open for 2s and was killed",
                );
                self.phase = Phase::LastDraining(now + LAST_DRAIN);
            }
            Phase::LastDraining(until) if now >= *until => {
                say(
                    task,
                    "something outside of its process group still keeps its output open; it is read no more",
                );
                task.cut("something outside of its process group kept a program's output open after its end");
                self.outputs = [None, None];
            }
            Phase::Terminated(..) | Phase::Killed(..) => self.end_tree(launch, now, task),
            _ => {}
        }
    }

    fn terminate(&mut self, launch: &Launch, now: Instant) {
        let mut tree = Tree::new(self.pid, Some(launch.cookie.clone()));
        tree.signal(Signal::TERM);
        // What is halted would not hear of it.
        tree.signal_known(Signal::CONT);
        self.look_again = now + LOOK_AGAIN;
        self.phase = Phase::Terminated(now + launch.grace, tree);
    }

    /// The leader ended by itself; what it left in its group gets the same time to end.
    fn terminate_rest(&mut self, launch: &Launch, now: Instant) {
        let mut tree = Tree::new(self.pid, None);
        tree.signal(Signal::TERM);
        tree.signal_known(Signal::CONT);
        self.look_again = now + LOOK_AGAIN;
        self.phase = Phase::Terminated(now + launch.grace, tree);
    }

    fn kill(&mut self, launch: &Launch, now: Instant) {
        let phase = std::mem::replace(&mut self.phase, Phase::GivenUp);
        let mut tree = match phase {
            Phase::Terminated(_, tree) | Phase::Killed(_, tree) => tree,
            _ => Tree::new(self.pid, Some(launch.cookie.clone())),
        };
        if self.cause == Cause::Itself && !self.has_ended {
            self.cause = Cause::Stopped;
        }
        tree.signal(Signal::KILL);
        self.look_again = now + LOOK_AGAIN;
        self.phase = Phase::Killed(now + OUTLIVE, tree);
    }

    /// A tree is being ended: it is over when the leader has ended, no member lives and no new one is found.
    fn end_tree(&mut self, launch: &Launch, now: Instant, task: &mut dyn Task) {
        let (until, tree, signal) = match &mut self.phase {
            Phase::Terminated(until, tree) => (*until, tree, Signal::TERM),
            Phase::Killed(until, tree) => (*until, tree, Signal::KILL),
            _ => return,
        };
        tree.forget_ended();
        let seems_over = self.has_ended && tree.is_empty();
        if seems_over || now >= self.look_again {
            self.look_again = now + LOOK_AGAIN;
            let newcomers = tree.signal_new(signal);
            if seems_over && newcomers == 0 {
                self.phase = Phase::LastDraining(now + LAST_DRAIN);
                return;
            }
        }
        if now >= until {
            match signal {
                Signal::TERM => self.kill(launch, now),
                _ => {
                    say(task, "a process could not be killed: it is left behind");
                    self.phase = Phase::GivenUp;
                }
            }
        }
    }

    /// Waits until something happens or is due.
    fn wait(&self, launch: &Launch, now: Instant) -> Ready {
        let tree = match &self.phase {
            Phase::Terminated(_, tree) | Phase::Killed(_, tree) => Some(tree),
            _ => None,
        };
        let mut polled = Vec::with_capacity(8);
        let mut who = Vec::with_capacity(8);
        let mut watch = |what, fd| {
            who.push(what);
            polled.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        };
        for (at, output) in self.outputs.iter().enumerate() {
            if let Some(output) = output {
                watch(What::Output(at), output.as_fd());
            }
        }
        if !self.has_ended {
            watch(What::End, self.fd.as_fd());
        }
        if !self.saw_stop {
            watch(What::Stop, launch.scope.stop_fd());
        }
        if !self.saw_kill {
            watch(What::Kill, launch.scope.kill_fd());
        }
        for fd in tree.into_iter().flat_map(Tree::fds) {
            watch(What::Member, fd);
        }
        let due = self.due(tree.is_some());
        let patience = due.map(|due| due.saturating_duration_since(now));
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let mut ready = Ready::default();
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // Interrupted by a signal: the caller comes back.
            return ready;
        }
        for (what, polled) in who.into_iter().zip(&polled) {
            if polled.revents().is_empty() {
                continue;
            }
            match what {
                What::Output(at) => ready.outputs[at] = true,
                What::End => ready.ended = true,
                What::Stop => ready.stopped = true,
                What::Kill => ready.killed = true,
                What::Member => {}
            }
        }
        ready
    }

    /// When something has to be done even if nothing happens.
    fn due(&self, ending: bool) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Running => self.deadline.filter(|_| !self.has_ended),
            Phase::Draining(until) | Phase::LastDraining(until) => Some(*until),
            Phase::Terminated(until, _) | Phase::Killed(until, _) => Some(*until),
            Phase::GivenUp => None,
        };
        let look_again = ending.then_some(self.look_again);
        [phase, look_again, self.capture.due()].into_iter().flatten().min()
    }

    fn read(&mut self, at: usize, buffer: &mut [u8], task: &mut dyn Task) {
        let Some(output) = &self.outputs[at] else { return };
        match rustix::io::read(output, &mut *buffer) {
            Ok(0) => self.outputs[at] = None,
            Ok(length) => {
                let bytes = task.heard(STREAMS[at], &buffer[..length]);
                if !bytes.is_empty() {
                    self.capture.push(STREAMS[at], &bytes, Instant::now(), task);
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) => {
                say(task, &format!("its output cannot be read any more: {e}"));
                self.outputs[at] = None;
            }
        }
    }

    /// It is over: what was captured is handed on, and the leader waited for.
    fn end(mut self, task: &mut dyn Task) -> ProcessEnd {
        self.capture.finish(task);
        let outlived = matches!(self.phase, Phase::GivenUp);
        let exit = if self.has_ended {
            self.child.wait().map_or_else(|e| Exit::NotStarted(format!("wait: {e}")), Exit::from)
        } else {
            Exit::Outlived
        };
        reap::ended(self.pid);
        ProcessEnd { exit: if outlived { Exit::Outlived } else { exit }, cause: self.cause }
    }
}

#[derive(Clone, Copy)]
enum What {
    Output(usize),
    End,
    Stop,
    Kill,
    Member,
}

/// What has happened.
#[derive(Default)]
struct Ready {
    outputs: [bool; 2],
    ended: bool,
    stopped: bool,
    killed: bool,
}

fn say(task: &mut dyn Task, text: &str) {
    task.text(Stream::Log, format!("{text}\n").into_bytes());
}
