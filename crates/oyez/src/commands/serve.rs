//! `oyez serve`: the service.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use oyez_engine::manager::{RecoverError, Recovered, Teller};
use oyez_engine::{EngineOptions, GoDuration, Manager, ManagerOptions, OnRestart, Shutdown};
use oyez_server::http::{Hosts, Limits, Listener, router};
use oyez_server::service::{Service, ServiceOptions};
use oyez_store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{CommandError, Outcome};
use crate::programs::Programs;
use crate::{exit, place, reap, show};

/// Serve: take jobs over HTTP, by ConTest's verbs and by the API, and run them.
///
/// ConTest's clients find it at the address (or under /contest/), the API is at /api/v1. One line on standard output says
/// where, when it is ready. SIGUSR1 takes no more jobs and ends when those that there are have ended. Ctrl-C or SIGTERM
/// cancels what runs, or with --pause-timeout halts it so that the next server goes on with it; a second one cancels, a
/// third kills. What is queued waits for the next server.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  oyez serve
  oyez serve --listen 127.0.0.1:0 --data lab --server-id lab
  oyez submit job.yaml --server http://127.0.0.1:8080 --wait
  contestcli --addr http://127.0.0.1:8080 start job.json")]
pub struct Args {
    #[command(flatten)]
    place: place::Place,
    #[command(flatten)]
    programs: Programs,
    /// Where it listens; a loopback address, port 0 is any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// The server's name, with each job and in ConTest's answers [default: the name of this host]
    #[arg(long, value_name = "NAME", env = "OYEZ_SERVER_ID", value_parser = server_id)]
    server_id: Option<String>,
    /// The tag of this instance, `_` first: each of its jobs gets it, and ConTest's verbs see no others
    #[arg(long, value_name = "_TAG", value_parser = instance_tag)]
    instance_tag: Option<String>,
    /// Jobs that run at once; others wait [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_jobs: Option<u32>,
    /// Processes at once, over all jobs [default: 4 for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_processes: Option<u32>,
    /// What becomes of jobs whose server died: they go on where they were, or they fail as in ConTest
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    on_restart: Restart,
    /// At the first Ctrl-C or SIGTERM: halt jobs, and cancel those that have not halted after this time (`30s`, `5m`;
    /// `-1` waits for ever); 0 cancels at once
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = pause_timeout, allow_hyphen_values = true)]
    pause_timeout: PauseTimeout,
    /// Another name that requests may call this server by, beside 127.0.0.1 and localhost; may be repeated
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
}

/// What becomes of jobs whose server died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Restart {
    /// They go on
    #[default]
    Resume,
    /// They fail
    Fail,
}

/// What the first signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PauseTimeout {
    Cancel,
    Pause(Option<Duration>),
}

fn address(text: &str) -> Result<SocketAddr, String> {
    // Go's way to say all addresses.
    let text = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let mut found = text.to_socket_addrs().map_err(|e| format!("{e}; an address is like 127.0.0.1:8080"))?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

fn server_id(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("it is empty".to_owned()),
        // As in ConTest (specs/contest.md 1.14).
        n if n > 64 => Err(format!("Server ID is too long: {n} > 64")),
        _ => Ok(text.to_owned()),
    }
}

fn instance_tag(text: &str) -> Result<String, String> {
    oyez_model::tags::is_valid_tag(text, true).map_err(|e| e.to_string())?;
    if !oyez_model::tags::is_internal_tag(text) {
        return Err(format!("the tag of an instance begins with `_`: _{text}"));
    }
    Ok(text.to_owned())
}

fn pause_timeout(text: &str) -> Result<PauseTimeout, String> {
    if text == "-1" || text == "never" {
        return Ok(PauseTimeout::Pause(None));
    }
    let time: GoDuration = text.parse().map_err(|e| format!("{e}; a time is like 30s or 5m"))?;
    Ok(match time {
        time if time.is_negative() => PauseTimeout::Pause(None),
        time if time.to_std().is_zero() => PauseTimeout::Cancel,
        time => PauseTimeout::Pause(Some(time.to_std())),
    })
}

/// Serves until it is told to end.
pub fn run(args: Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CommandError::Runtime)?.block_on(serve(args))
}

async fn serve(args: Args) -> Outcome {
    let usage = |e: &dyn std::fmt::Display| CommandError::Usage(format!("{e}; nothing was started"));
    // Heard from the first moment on.
    let mut signals = Signals::listen()?;
    let folder = args.place.folder()?;
    let listener = Listener::bind(args.listen, limits()).await.map_err(|e| usage(&e))?;
    let address = listener.address();
    let store = args.place.open_in(&folder)?;
    reap::reap(&*store).await?;
    store.index_in_background(|text| tell!("oyez: {text}"))?;
    let programs = args.programs.find(&args.place);
    let manager = Manager::new(store.clone() as Arc<dyn Store>, manager_options(&args));
    let options = ServiceOptions { instance_tag: args.instance_tag };
    let service = Service::new(manager.clone(), programs, options);
    let recovered = manager.recover().await.map_err(|e| match e {
        RecoverError::Store(e) => e.into(),
        taken @ RecoverError::Taken { .. } => usage(&taken),
    })?;
    service.ready();
    let ending = watch::Sender::new(false);
    let served = listener.serve(router(service.clone(), Hosts::new(args.host_name)), ending.subscribe());
    let served = tokio::spawn(served);
    say_ready(&address, manager.server_id(), &folder, recovered);
    signals.obey(&service, args.pause_timeout).await;
    // Whoever follows a job is told of its end first.
    service.end();
    ending.send_replace(true);
    // A panic in there has been said.
    let _ = served.await;
    store.close().await?;
    Ok(exit::SUCCESS)
}

/// The usual limits; connections leave half of the file descriptors to jobs and the store.
fn limits() -> Limits {
    let usual = Limits::default();
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = descriptors.map_or(usual.connections, |n| usize::try_from(n / 2).unwrap_or(usize::MAX));
    Limits { connections: usual.connections.min(half).max(1), ..usual }
}

fn manager_options(args: &Args) -> ManagerOptions {
    let server_id = args.server_id.clone().unwrap_or_else(oyez_store::owner::host);
    let usual = ManagerOptions::new(server_id);
    let programs = args.programs.find(&args.place);
    let mut engine = EngineOptions { programs, ..EngineOptions::default() };
    if let Some(n) = args.max_processes {
        engine.max_processes = n as usize;
    }
    ManagerOptions {
        engine,
        max_jobs: args.max_jobs.map_or(usual.max_jobs, |n| n as usize),
        on_restart: match args.on_restart {
            Restart::Resume => OnRestart::Resume,
            Restart::Fail => OnRestart::Fail,
        },
        teller: Some(Teller(Arc::new(|text| tell!("oyez: {text}")))),
        ..usual
    }
}

fn say_ready(address: &SocketAddr, server: &str, folder: &std::path::Path, recovered: Recovered) {
    let Recovered { resumed, failed, paused } = recovered;
    for (n, what) in [(resumed, "taken up"), (failed, "failed: the server died"), (paused, "still paused")] {
        if n > 0 {
            tell!("oyez: {} of before {what}", show::many(n as u64, "job"));
        }
    }
    let mut out = std::io::stdout().lock();
    // Who started it may not read what it says.
    let _ = writeln!(out, "listening on http://{address} (server {server}, store {})", folder.display());
    let _ = out.flush();
}

/// What ends the server.
struct Signals {
    drain: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CommandError> {
        let listen = |kind| signal(kind).map_err(CommandError::Runtime);
        Ok(Signals {
            drain: listen(SignalKind::user_defined1())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Returns when the server was told to end and its jobs have come to rest.
    async fn obey(&mut self, service: &Service, first: PauseTimeout) {
        let mut shutdowns = JoinSet::new();
        let mut asked = 0;
        loop {
            let how = tokio::select! {
                Some(_) = shutdowns.join_next() => return,
                _ = self.drain.recv() => Shutdown::Drain,
                _ = self.interrupt.recv() => self.next(&mut asked, first),
                _ = self.terminate.recv() => self.next(&mut asked, first),
            };
            service.drain();
            let load = service.jobs().load();
            let jobs = show::many(load.running as u64, "job");
            tell!(
                "oyez: {}",
                match how {
                    Shutdown::Drain =>
                        format!("no more jobs are taken; {jobs} to end, {} queued", load.queued),
                    Shutdown::Pause { .. } => format!("{jobs} to be halted; once more cancels"),
                    Shutdown::Cancel => format!("{jobs} to be cancelled; once more kills"),
                    Shutdown::Kill => format!("{jobs} to be killed"),
                }
            );
            let manager = service.jobs().clone();
            shutdowns.spawn(async move { manager.shutdown(how).await });
        }
    }

    fn next(&self, asked: &mut u32, first: PauseTimeout) -> Shutdown {
        *asked += 1;
        match (*asked, first) {
            (1, PauseTimeout::Pause(timeout)) => Shutdown::Pause { timeout },
            (1, PauseTimeout::Cancel) | (2, PauseTimeout::Pause(_)) => Shutdown::Cancel,
            _ => Shutdown::Kill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_pause_are_gos_and_minus_one_is_for_ever() {
        assert_eq!(pause_timeout("0"), Ok(PauseTimeout::Cancel));
        assert_eq!(pause_timeout("-1"), Ok(PauseTimeout::Pause(None)));
        assert_eq!(pause_timeout("1m5s"), Ok(PauseTimeout::Pause(Some(Duration::from_secs(65)))));
        assert!(pause_timeout("soon").is_err());
    }

    #[test]
    fn an_address_may_be_a_name_and_one_without_a_host_is_every_address() {
        assert!(address("localhost:80").unwrap().ip().is_loopback());
        assert_eq!(address(":8080").unwrap().to_string(), "0.0.0.0:8080");
        assert!(address("8080").is_err());
    }

    #[test]
    fn names_have_contests_limits() {
        assert_eq!(server_id(&"x".repeat(65)).unwrap_err(), "Server ID is too long: 65 > 64");
        assert_eq!(instance_tag("a").unwrap_err(), "the tag of an instance begins with `_`: _a");
        assert_eq!(instance_tag("_a"), Ok("_a".to_owned()));
    }
}
