//! How fast the engine runs jobs: many targets through steps that take no time, and through processes, each held
//! against the least that the same could cost.

use std::ffi::CString;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use oyez_engine::{Control, Engine, EngineOptions, JobRequest, ParseOptions, SearchPath, prepare};
use oyez_model::{EventNumber, EventSeq, JobId, JobState, ProducerId};
use oyez_store::{Batch, NewEvent, SqliteOptions, SqliteStore, Store};

use crate::corpus;
use crate::measure::{done, folder, median, runtime};
use crate::table::Table;

const ECHO_TARGETS: usize = 20_000;
const CMD_TARGETS: usize = 5_000;
const STEPS: usize = 3;
/// What takes less than a second is measured so often.
const ROUNDS: usize = 5;
/// The rest.
const LONG_ROUNDS: usize = 3;
/// As a flusher that never waits would send them.
const BATCH: usize = 1_024;

/// All of it.
pub fn run(table: &mut Table) {
    let runtime = runtime();
    // First, while nothing else has been in this process's memory.
    processes(table, &runtime);
    runtime.block_on(echo(table));
}

async fn echo(table: &mut Table) {
    let step = r#""name": "echo", "parameters": {"text": ["hello {{ .ID }}"]}"#;
    let text = descriptor(ECHO_TARGETS, step);
    let (mut jobs, mut bares, mut ratios, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let dir = folder();
        let store = open(dir.path());
        let engine = Engine::new(store.clone(), EngineOptions::default());
        let (seconds, job) = run_job(&engine, &text).await;
        let events = journal(&*store, job).await;
        done(store.close().await);
        count = events.len();
        let bare = ingest(events).await;
        jobs.push(seconds);
        bares.push(bare);
        ratios.push(seconds / bare);
    }
    table.at_most(&format!("{ECHO_TARGETS} targets x {STEPS} echo, durable"), median(jobs), 1.5, "s");
    table.note(&format!("bare ingest of its {count} events"), median(bares), "s");
    table.at_most("the job's time over bare ingest of its events", median(ratios), 2.0, "x");
}

fn processes(table: &mut Table, runtime: &tokio::runtime::Runtime) {
    let step = r#""name": "cmd", "parameters": {"executable": ["/bin/true"]}"#;
    let text = descriptor(CMD_TARGETS, step);
    let threads = EngineOptions::default().max_processes;
    let (mut jobs, mut bares, mut ratios, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..LONG_ROUNDS {
        let dir = folder();
        let store = open(dir.path());
        let engine = Engine::new(store.clone(), EngineOptions::default());
        // From here on the peak is counted anew (proc(5)).
        let _not_allowed = std::fs::write("/proc/self/clear_refs", "5");
        let (seconds, _) = runtime.block_on(run_job(&engine, &text));
        memory = memory.max(resident_peak());
        done(runtime.block_on(store.close()));
        let bare = spawn_loop(threads, CMD_TARGETS * STEPS);
        jobs.push(seconds);
        bares.push(bare);
        ratios.push(seconds / bare);
    }
    table.note(&format!("{CMD_TARGETS} targets x {STEPS} cmd /bin/true"), median(jobs), "s");
    table.note(&format!("bare posix_spawn loop, {threads} threads"), median(bares), "s");
    table.at_most("the job's time over the bare loop", median(ratios), 1.3, "x");
    table.at_most("peak resident memory", memory, 100.0, "MB");
}

/// A job of one test with this step three times.
fn descriptor(targets: usize, step: &str) -> String {
    let targets: Vec<String> = (0..targets)
        .map(|i| format!(r#"{{"ID": "rack{:02}-node{i:05}", "FQDN": "node{i:05}.lab.example.org"}}"#, i % 40))
        .collect();
    let steps: Vec<String> = (0..STEPS).map(|i| format!(r#"{{{step}, "label": "step{i}"}}"#)).collect();
    format!(
        r#"{{"JobName": "bench", "Version": "1.0", "Runs": 1, "TestDescriptors": [{{
            "TargetManagerName": "TargetList", "TargetManagerAcquireParameters": {{"Targets": [{}]}},
            "TargetManagerReleaseParameters": {{}}, "TestFetcherName": "Literal",
            "TestFetcherFetchParameters": {{"TestName": "bench", "Steps": [{}]}}}}],
            "Reporting": {{"RunReporters": [{{"Name": "TargetSuccess", "Parameters": {{"SuccessExpression": "=100%"}}}}]}}}}"#,
        targets.join(","),
        steps.join(",")
    )
}

/// Runs it to its end, submission included; says how many seconds that took.
async fn run_job(engine: &Engine, text: &str) -> (f64, JobId) {
    let prepared = prepare(text.as_bytes(), &ParseOptions::default(), &SearchPath::from_env());
    let (Some(descriptor), Some(plan)) = (prepared.descriptor, prepared.plan) else {
        eprintln!("{:?}", prepared.diagnostics);
        std::process::exit(1)
    };
    let begin = Instant::now();
    let request = JobRequest {
        descriptor_text: text.to_owned(),
        descriptor,
        plan,
        requestor: "bench".to_owned(),
        guids: Vec::new(),
        host: None,
        server_id: None,
        priority: 0,
        repeats: None,
    };
    let (job, _, handle) = done(engine.submit(request).await);
    let end = done(engine.run(handle, Control::new(), None).await);
    let seconds = begin.elapsed().as_secs_f64();
    if end.state != JobState::Completed {
        eprintln!("the job ended as {}: {:?}", end.state, end.error);
        std::process::exit(1)
    }
    (seconds, job)
}

async fn journal(store: &dyn Store, job: JobId) -> Vec<NewEvent> {
    let reader = done(store.reader(job).await);
    let mut events = Vec::new();
    loop {
        let some = done(reader.events_after(EventSeq(events.len() as u64), 10_000));
        if some.is_empty() {
            return events;
        }
        events.extend(some.into_iter().map(|(_, event)| NewEvent { time: event.time, body: event.body }));
    }
}

/// The same events as one producer that has them all at hand.
async fn ingest(events: Vec<NewEvent>) -> f64 {
    let dir = folder();
    let store = open(dir.path());
    let begin = Instant::now();
    let job = done(store.create_job(corpus::new_job("bare")).await);
    let mut number = 2;
    let mut events = events.into_iter().skip(1).peekable();
    while events.peek().is_some() {
        let events: Vec<_> = events.by_ref().take(BATCH).collect();
        let length = events.len() as u64;
        let batch = Batch { producer: ProducerId::FIRST, first: EventNumber(number), events, epoch: None };
        done(store.append(job, batch).await);
        number += length;
    }
    let seconds = begin.elapsed().as_secs_f64();
    done(store.close().await);
    seconds
}

/// The least that a process costs whose two outputs are captured: `posix_spawn`, poll, wait.
fn spawn_loop(threads: usize, processes: usize) -> f64 {
    let left = AtomicUsize::new(processes);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let take = |n: usize| n.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                    if let Err(e) = spawn_one() {
                        eprintln!("posix_spawn: {e}");
                        std::process::exit(1)
                    }
                }
            });
        }
    });
    begin.elapsed().as_secs_f64()
}

fn spawn_one() -> std::io::Result<()> {
    let (out, out_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (err, err_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let pid = posix_spawn(c"/bin/true", &out_end, &err_end)?;
    drop((out_end, err_end));
    let mut open = [Some(std::fs::File::from(out)), Some(std::fs::File::from(err))];
    let mut buffer = [0; 4096];
    while open.iter().any(Option::is_some) {
        use rustix::event::{PollFd, PollFlags, poll};
        let ready: Vec<bool> = {
            let mut fds: Vec<_> = open
                .iter()
                .flatten()
                .map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN))
                .collect();
            poll(&mut fds, None)?;
            fds.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        for (file, ready) in open.iter_mut().filter(|file| file.is_some()).zip(ready) {
            if ready && file.as_mut().is_some_and(|file| matches!(file.read(&mut buffer), Ok(0))) {
                *file = None;
            }
        }
    }
    rustix::process::waitpid(rustix::process::Pid::from_raw(pid), rustix::process::WaitOptions::empty())?;
    Ok(())
}

#[expect(unsafe_code, reason = "the baseline is the bare call of the C library")]
fn posix_spawn(program: &std::ffi::CStr, out: &OwnedFd, err: &OwnedFd) -> std::io::Result<i32> {
    use std::os::fd::AsRawFd as _;
    let variables: Vec<CString> =
        std::env::vars().filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok()).collect();
    let mut environment: Vec<*mut libc::c_char> = variables.iter().map(|v| v.as_ptr().cast_mut()).collect();
    environment.push(std::ptr::null_mut());
    let arguments = [program.as_ptr().cast_mut(), std::ptr::null_mut()];
    // SAFETY: all pointers are to live, NUL-terminated data; the actions are made, used and destroyed here.
    let (result, pid) = unsafe {
        let mut actions = std::mem::zeroed();
        libc::posix_spawn_file_actions_init(&raw mut actions);
        libc::posix_spawn_file_actions_addopen(&raw mut actions, 0, c"/dev/null".as_ptr(), libc::O_RDONLY, 0);
        libc::posix_spawn_file_actions_adddup2(&raw mut actions, out.as_raw_fd(), 1);
        libc::posix_spawn_file_actions_adddup2(&raw mut actions, err.as_raw_fd(), 2);
        let mut pid = 0;
        let result = libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions,
            std::ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        );
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        (result, pid)
    };
    if result == 0 { Ok(pid) } else { Err(std::io::Error::from_raw_os_error(result)) }
}

/// The most memory that this process has had so far, in MB.
fn resident_peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn open(folder: &Path) -> Arc<SqliteStore> {
    Arc::new(done(SqliteStore::open(folder, SqliteOptions::default())))
}
