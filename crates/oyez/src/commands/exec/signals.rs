//! Signals that are sent to us alone reach the command, too.

use rustix::process::{Pid, Signal};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal as Coming, SignalKind, signal};
use tokio::task::JoinHandle;

use super::terminal::Resizer;

const PASSED_ON: [Signal; 9] = [
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::CONT,
    Signal::ALARM,
];

/// What is caught, from before the command starts: nothing that comes meanwhile ends us alone.
pub struct Signals(Vec<(Signal, Coming)>);

impl Signals {
    /// Begins to listen. What our caller ignores stays ignored, by us and by the command: `nohup` means it so.
    pub fn listen(runtime: &Handle) -> Self {
        let ignored = ignored();
        let _inside = runtime.enter();
        let heard = |got: &Signal| ignored & (1 << (got.as_raw() - 1)) == 0;
        let listen = |got: Signal| Some((got, signal(SignalKind::from_raw(got.as_raw())).ok()?));
        Signals(PASSED_ON.into_iter().filter(heard).filter_map(listen).collect())
    }

    /// Passes them on until what is given back is dropped.
    pub fn pass_on(self, to: Pid, mut resizer: Option<Resizer>, runtime: &Handle) -> Passing {
        let at_terminal = rustix::termios::isatty(std::io::stdin());
        let pass = |(got, mut coming): (Signal, Coming)| {
            // Keys on a terminal reach the command without us: it is in our group.
            let by_terminal = at_terminal && matches!(got, Signal::INT | Signal::QUIT);
            let resizer = if got == Signal::WINCH { resizer.take() } else { None };
            runtime.spawn(async move {
                while coming.recv().await.is_some() {
                    // First the new size, then the word that there is one.
                    if let Some(resizer) = &resizer {
                        resizer.resize();
                    }
                    if !by_terminal {
                        // It may have ended in this moment.
                        let _ = rustix::process::kill_process(to, got);
                    }
                }
            })
        };
        Passing(self.0.into_iter().map(pass).collect())
    }
}

/// As long as it lives, signals are passed on.
pub struct Passing(Vec<JoinHandle<()>>);

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// The signals that this process ignores, one bit each, from signal 1 on (proc(5), `SigIgn`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
