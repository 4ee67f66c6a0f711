//! `qemu`: runs a virtual machine, and expects and sends what its steps say (specs/contest.md 4).
//!
//! ConTest throws away all that has come when an expectation is met; here only what stands before its end, so that what
//! comes in one piece with it can still be expected.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use oyez_model::EventBody;
use regex::bytes::Regex;
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::timed::{Resumption, TimedStep, Visited};
use super::{Command, Text, optional};
use crate::descriptor::{Level, Parameter, Reader};
use crate::diagnostic::{Path, Sink};
use crate::duration::GoDuration;
use crate::environment::{Environment as _, SearchPath};
use crate::plan::QemuParameters;
use crate::process::{Cause, Exit};
use crate::runner::{Ear, Running, Visit};
use crate::template::{Functions, Subject};

const NPROC: &str = "3";
const MEM: &str = "5000";
const TIMEOUT: GoDuration = GoDuration::from_secs(600);

/// So much of what the machine printed, and nobody has expected yet, is looked at.
const LOOKED_AT: usize = 4 << 20;

static STEP: Level = Level { go: "expector", fields: &["Expect", "Send", "Timeout"] };

/// The step.
#[derive(Debug)]
pub(super) struct Qemu {
    executable: Text,
    firmware: Text,
    nproc: Option<Text>,
    mem: Option<Text>,
    image: Option<Text>,
    logfile: Option<Text>,
    timeout: Option<Text>,
    /// Each as it was written, and as a template.
    steps: Vec<(String, Text)>,
}

/// What it does for one target.
struct Task {
    executable: String,
    args: Vec<String>,
    logfile: Option<String>,
    script: Vec<Interaction>,
}

/// One step of the talk.
struct Interaction {
    expect: Option<(String, Regex, GoDuration)>,
    send: Option<String>,
}

impl Qemu {
    pub(super) fn new(parameters: &QemuParameters, functions: &Functions) -> Self {
        let text = |parameter: &Parameter| Text::new(parameter, functions);
        let some = |parameter: &Option<Parameter>| parameter.as_ref().map(text);
        Qemu {
            executable: text(&parameters.executable),
            firmware: text(&parameters.firmware),
            nproc: some(&parameters.nproc),
            mem: some(&parameters.mem),
            image: some(&parameters.image),
            logfile: some(&parameters.logfile),
            timeout: some(&parameters.timeout),
            steps: parameters.steps.iter().map(|step| (step.text().into_owned(), text(step))).collect(),
        }
    }

    fn task(&self, subject: &Subject<'_>) -> Result<Task, String> {
        let expand = |text: &Option<Text>| optional(text, |text| text.expand(subject));
        let timeout = match expand(&self.timeout)? {
            None => TIMEOUT,
            Some(text) => text.parse().map_err(|e| format!("Could not Parse {text} as Timeout: {e}"))?,
        };
        let logfile = expand(&self.logfile)?.filter(|file| !file.is_empty());
        let image = expand(&self.image)?.filter(|image| !image.is_empty());
        let executable = self.executable.expand(subject)?;
        let firmware = self.firmware.expand(subject)?;
        let mem = expand(&self.mem)?.unwrap_or_else(|| MEM.to_owned());
        let nproc = expand(&self.nproc)?.unwrap_or_else(|| NPROC.to_owned());
        let fixed = ["-nographic", "-nic", "none", "-bios"].map(str::to_owned);
        let given = [firmware, "-m".to_owned(), mem, "-smp".to_owned(), nproc];
        let args: Vec<String> = fixed.into_iter().chain(given).chain(image).collect();
        if args.iter().any(|arg| arg.contains('\0')) {
            return Err("an argument holds a NUL character, which no program can be given".to_owned());
        }
        let script =
            self.steps.iter().map(|(source, step)| interaction(source, &step.expand(subject)?, timeout));
        Ok(Task { executable, args, logfile, script: script.collect::<Result<_, _>>()? })
    }

    async fn work(&self, visit: &Visit, task: Task) -> Result<Visited, String> {
        let program = find(task.executable).await?;
        let log = match task.logfile {
            Some(file) => Some(create(file).await?),
            None => None,
        };
        let failed = |e: std::io::Error| format!("Could not start qemu: {e}");
        let (mut to, stdin) = pipe::pipe().map_err(failed)?;
        let stdin = Some(stdin.into_blocking_fd().map_err(failed)?);
        let Some(slot) = visit.slot().await else { return Ok(Visited::Stopped) };
        let console = Arc::new(Console::default());
        let ear: Box<dyn Ear> = Box::new(Listener { console: console.clone(), log });
        let (enough, until) = oneshot::channel();
        let command = Command { program, args: task.args, dir: None };
        let how = Running { stdin, ear: Some(ear), until: Some(until), ..Running::default() };
        let talk = async {
            let result = tokio::select! {
                biased;
                _ = visit.stopped() => Ok(Visited::Stopped),
                result = talk(&task.script, &console, &mut to) => result.map(|()| Visited::Passed),
            };
            // The machine has done its part.
            let _has_ended = enough.send(());
            result
        };
        let (ended, result) = tokio::join!(
            async {
                let ended = visit.process(slot, command, how).await;
                console.end();
                ended
            },
            talk
        );
        let ended = ended.map_err(failed)?;
        // One with nothing to say may be over before it began.
        if let Exit::NotStarted(why) = ended.end.exit
            && ended.end.cause == Cause::Itself
        {
            return Err(format!("Could not start qemu: {why}"));
        }
        result
    }
}

#[async_trait]
impl TimedStep for Qemu {
    fn resumption(&self) -> Resumption {
        Resumption::Lost
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let task = self.task(&visit.subject());
        match task {
            Ok(task) => self.work(visit, task).await.unwrap_or_else(Visited::Failed),
            Err(e) => Visited::Failed(e),
        }
    }
}

/// Reads one step of the talk.
fn interaction(source: &str, expanded: &str, timeout: GoDuration) -> Result<Interaction, String> {
    let raw: &RawValue =
        serde_json::from_str(expanded).map_err(|e| format!("Could not Unmarshal steps: {e}"))?;
    let mut sink = Sink::new();
    let mut reader = Reader { sink: &mut sink };
    let object = reader.object(Some(raw), &STEP, &Path::Root);
    let mut text = |name: &str| reader.string(object.get(name), &STEP, &Path::Root.field(name));
    let (expect, send, own) = (text("Expect"), text("Send"), text("Timeout"));
    if let Some(wrong) = sink.finish().into_iter().find(crate::Diagnostic::is_error) {
        return Err(format!("Could not Unmarshal steps: {}", wrong.contest));
    }
    if expect.is_empty() && send.is_empty() {
        return Err(format!("{source} is not a valid step statement"));
    }
    let expect = match expect.as_str() {
        "" => None,
        pattern => {
            let timeout = match own.as_str() {
                "" => timeout,
                text => text
                    .parse()
                    .map_err(|e| format!("Could not parse timeout '{text}' for step: '{pattern}'. {e}"))?,
            };
            let regex = Regex::new(pattern).map_err(|e| format!("Error while expecting '{pattern}': {e}"))?;
            Some((expect, regex, timeout))
        }
    };
    Ok(Interaction { expect, send: Some(send).filter(|send| !send.is_empty()) })
}

async fn find(executable: String) -> Result<PathBuf, String> {
    let looking = tokio::task::spawn_blocking(move || {
        let machine = SearchPath::from_env();
        if executable.starts_with('/') {
            let path = PathBuf::from(executable);
            let checked = machine.check_executable(&path);
            return match checked {
                Ok(()) => Ok(path),
                Err(why) => Err(format!("Could not start qemu: fork/exec {}: {why}", path.display())),
            };
        }
        let found = machine.find_executable(&executable);
        found.map_err(|why| format!("unable to find qemu executable in PATH: {why}"))
    });
    looking.await.map_err(|e| e.to_string())?
}

async fn create(file: String) -> Result<File, String> {
    let creating = tokio::task::spawn_blocking(move || {
        File::create(&file).map_err(|e| format!("Could not create Logfile: open {file}: {e}"))
    });
    creating.await.map_err(|e| e.to_string())?
}

/// Expects and sends, one after another.
async fn talk(script: &[Interaction], console: &Console, to: &mut pipe::Sender) -> Result<(), String> {
    for Interaction { expect, send } in script {
        if let Some((pattern, regex, timeout)) = expect {
            let met = console.expect(regex, Instant::now() + timeout.to_std()).await;
            met.map_err(|missed| {
                let why = match missed {
                    Missed::TimedOut => {
                        format!("timer expired after {} seconds", timeout.to_std().as_secs())
                    }
                    Missed::Ended => "Process not running".to_owned(),
                };
                format!("Error while expecting '{pattern}': expect: {why}")
            })?;
        }
        if let Some(send) = send {
            // A machine that does not listen is not waited for longer than any other thing.
            let line = format!("{send}\n");
            let sent = tokio::time::timeout(TIMEOUT.to_std(), to.write_all(line.as_bytes())).await;
            let sent = sent.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
            sent.map_err(|e| format!("Unable to send '{send}': {e}"))?;
        }
    }
    Ok(())
}

/// What the machine has printed and nobody has expected yet.
#[derive(Default)]
struct Console {
    state: Mutex<(Vec<u8>, bool)>,
    changed: Notify,
}

enum Missed {
    TimedOut,
    Ended,
}

impl Console {
    fn add(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.extend_from_slice(bytes);
        if state.0.len() > 2 * LOOKED_AT {
            let over = state.0.len() - LOOKED_AT;
            state.0.drain(..over);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing more will come.
    fn end(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_one();
    }

    /// Waits until a text has come, and takes all up to its end.
    async fn expect(&self, regex: &Regex, until: Instant) -> Result<(), Missed> {
        /// Between two looks at a machine that prints much.
        const LOOK: Duration = Duration::from_millis(20);
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = regex.find(&state.0).map(|found| found.end()) {
                    state.0.drain(..found);
                    return Ok(());
                }
                if state.1 {
                    return Err(Missed::Ended);
                }
            }
            let more = async {
                self.changed.notified().await;
                tokio::time::sleep(LOOK).await;
            };
            tokio::time::timeout_at(until, more).await.map_err(|_| Missed::TimedOut)?;
        }
    }
}

/// Hears the machine.
struct Listener {
    console: Arc<Console>,
    log: Option<File>,
}

impl Ear for Listener {
    fn hear<'b>(&mut self, bytes: &'b [u8], _say: &mut dyn FnMut(EventBody)) -> Cow<'b, [u8]> {
        self.console.add(bytes);
        // A log that cannot be written on is one that ends early: the journal has all of it.
        if self.log.as_mut().is_some_and(|log| log.write_all(bytes).is_err()) {
            self.log = None;
        }
        Cow::Borrowed(bytes)
    }

    fn end(&mut self, _say: &mut dyn FnMut(EventBody)) -> Vec<u8> {
        Vec::new()
    }
}
