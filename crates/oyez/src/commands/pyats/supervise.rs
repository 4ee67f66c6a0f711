//! A process that starts the server again when it is killed.

use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{CommandError, Outcome};
use crate::exit;

/// Servers that die sooner than this after their start are not started again at once.
const TOO_SOON: Duration = Duration::from_millis(200);
/// After so many such deaths in a row something is wrong that another start does not mend.
const MOST: u32 = 50;

/// Runs the server, again and again until it ends by itself.
pub fn run(command: &[String]) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Runtime)?;
        let mut deaths = 0;
        loop {
            let began = Instant::now();
            let mut child = start(command).map_err(CommandError::Runtime)?;
            let pid = Pid::from_child(&child);
            let mut ended = tokio::task::spawn_blocking(move || child.wait());
            let status: ExitStatus = loop {
                tokio::select! {
                    status = &mut ended => {
                        break status
                            .unwrap_or_else(|e| Err(std::io::Error::other(e)))
                            .map_err(CommandError::Runtime)?;
                    }
                    _ = terminate.recv() => drop(kill_process(pid, Signal::TERM)),
                    _ = interrupt.recv() => drop(kill_process(pid, Signal::TERM)),
                }
            };
            if let Some(code) = status.code() {
                return Ok(u8::try_from(code).unwrap_or(exit::INCOMPLETE));
            }
            tell!("oyez: the report server was killed ({status}); it is started again");
            deaths = if began.elapsed() < TOO_SOON { deaths + 1 } else { 0 };
            if deaths > MOST {
                tell!("oyez: it was killed {deaths} times in a row; given up");
                return Ok(exit::INCOMPLETE);
            }
            tokio::time::sleep(Duration::from_millis(20) * deaths).await;
        }
    })
}

fn start(command: &[String]) -> std::io::Result<std::process::Child> {
    let [program, arguments @ ..] = command else {
        return Err(std::io::Error::other("there is no command to start"));
    };
    // The one that supervises is replaced by nobody: what it starts does not supervise.
    Command::new(program).args(arguments).env_remove("OYEZ_PYATS_OWNER").stdin(Stdio::null()).spawn()
}
