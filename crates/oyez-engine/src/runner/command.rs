//! A process of `cmd`, between the thread that attends it and the pipeline: what it prints goes straight into the
//! journal, its end to the pipeline.

use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::Bytes;
use oyez_model::event::{Artifact, LogText, OutputDropped, SourceCut, Stream};
use oyez_model::{EventBody, ProducerId, SectionRef};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::job::Job;
use crate::process::{Cause, Cookie, Exit, Launch, OutputSink, ProcessEnd, Slot, Task};
use crate::recorder::Recorder;
use crate::steps::Command;
use crate::stop::Scope;

/// ConTest's `CmdStdout` and `CmdStderr` hold whole outputs; here at most so many bytes of each.
const LONGEST_MESSAGE: usize = 1 << 20;

/// The end of a process, for the pipeline.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whose it was.
    pub(super) seat: usize,
    pub(crate) end: ProcessEnd,
    /// What it printed, if that is wanted as an event.
    pub(crate) stdout: Option<Vec<u8>>,
    pub(crate) stderr: Option<Vec<u8>>,
}

/// Who hears what a process prints on its standard output, as it comes; what it has to say is recorded.
pub(crate) trait Ear: Send {
    /// More bytes; gives back what is to be kept as the process's output.
    fn hear<'b>(&mut self, bytes: &'b [u8], say: &mut dyn FnMut(EventBody)) -> Cow<'b, [u8]>;

    /// The output has ended; likewise.
    fn end(&mut self, say: &mut dyn FnMut(EventBody)) -> Vec<u8>;
}

/// How a process runs.
#[derive(Default)]
pub(crate) struct Running {
    /// Of which stream (standard output, standard error) the begin is given back.
    pub(crate) wanted: [bool; 2],
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// What it reads.
    pub(crate) stdin: Option<OwnedFd>,
    /// Who hears its standard output.
    pub(crate) ear: Option<Box<dyn Ear>>,
    /// It is killed when this says so.
    pub(crate) until: Option<oneshot::Receiver<()>>,
}

/// A process of one target.
pub(super) struct CommandTask {
    recorder: Recorder,
    handle: Handle,
    section: SectionRef,
    /// What it printed, of each stream that is wanted, and how much more that was.
    heads: [Option<Vec<u8>>; 2],
    cut: [u64; 2],
    parts: [u32; 2],
    seat: usize,
    ear: Option<Box<dyn Ear>>,
    /// Gone once the end was told.
    ended: Option<UnboundedSender<Ended>>,
}

impl CommandTask {
    pub(super) fn new(
        job: &Job,
        seat: usize,
        section: SectionRef,
        wanted: [bool; 2],
        ended: UnboundedSender<Ended>,
    ) -> Self {
        CommandTask {
            recorder: job.recorder.clone(),
            handle: job.handle.clone(),
            section,
            heads: wanted.map(|wanted| wanted.then(Vec::new)),
            cut: [0; 2],
            parts: [0; 2],
            seat,
            ear: None,
            ended: Some(ended),
        }
    }

    /// Somebody hears its standard output.
    pub(super) fn heard_by(mut self, ear: Option<Box<dyn Ear>>) -> Self {
        self.ear = ear;
        self
    }

    fn log(&self, stream: Stream, bytes: Vec<u8>) {
        self.recorder.wait_for_room();
        self.recorder.record(LogText { id: self.section, stream, text: bytes.into(), level: None });
    }

    fn take_head(&mut self, stream: Stream, bytes: &[u8]) {
        let Some(at) = place(stream) else { return };
        if let Some(head) = &mut self.heads[at] {
            let (keep, over) = bytes.split_at(bytes.len().min(LONGEST_MESSAGE - head.len()));
            head.extend_from_slice(keep);
            self.cut[at] += over.len() as u64;
        }
    }

    fn tell(&mut self, end: ProcessEnd) {
        let [stdout, stderr] = std::mem::take(&mut self.heads);
        if let Some(ended) = self.ended.take() {
            // A pipeline that is gone has killed its processes and wants to know nothing.
            let _gone = ended.send(Ended { seat: self.seat, end, stdout, stderr });
        }
    }
}

/// Records an event when there is room for it; on a thread that may wait.
fn say(recorder: &Recorder) -> impl FnMut(EventBody) {
    |body| {
        recorder.wait_for_room();
        recorder.record(body);
    }
}

fn place(stream: Stream) -> Option<usize> {
    match stream {
        Stream::Stdout => Some(0),
        Stream::Stderr => Some(1),
        Stream::Log => None,
    }
}

impl OutputSink for CommandTask {
    fn heard<'b>(&mut self, stream: Stream, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match &mut self.ear {
            Some(ear) if stream == Stream::Stdout => ear.hear(bytes, &mut say(&self.recorder)),
            _ => Cow::Borrowed(bytes),
        }
    }

    fn text(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.take_head(stream, &bytes);
        self.log(stream, bytes);
    }

    fn part(&mut self, stream: Stream, bytes: Vec<u8>) -> Result<(), String> {
        self.take_head(stream, &bytes);
        let Some(at) = place(stream) else { return Ok(()) };
        let size = bytes.len() as u64;
        let blob =
            self.handle.block_on(self.recorder.put_blob(Bytes::from(bytes))).map_err(|e| e.to_string())?;
        self.parts[at] += 1;
        let name = format!("{}.{}", ["stdout", "stderr"][at], self.parts[at]);
        let mime = "text/plain".to_owned();
        self.recorder.wait_for_room();
        self.recorder.record(Artifact { id: self.section, name, mime, blob, size, rest_of: Some(stream) });
        Ok(())
    }

    fn dropped(&mut self, bytes: u64, why: &str) {
        self.recorder.record(OutputDropped { id: self.section, bytes, why: why.to_owned() });
    }

    fn cut(&mut self, why: &str) {
        self.recorder.record(SourceCut { id: self.section, reason: why.to_owned() });
    }
}

impl Task for CommandTask {
    fn ended(mut self: Box<Self>, end: ProcessEnd) {
        if let Some(mut ear) = self.ear.take() {
            let rest = ear.end(&mut say(&self.recorder));
            if !rest.is_empty() {
                self.log(Stream::Stdout, rest);
            }
        }
        for (event, cut) in ["CmdStdout", "CmdStderr"].into_iter().zip(self.cut) {
            if cut > 0 {
                let text = format!("{event} leaves out the last {cut} bytes; the output itself has them\n");
                self.log(Stream::Log, text.into_bytes());
            }
        }
        self.tell(end);
    }
}

impl Drop for CommandTask {
    /// Its thread went down: whoever waits must hear of it all the same.
    fn drop(&mut self) {
        let exit =
            Exit::NotStarted("its thread broke down; this is a fault of Oyez, please report it".to_owned());
        self.tell(ProcessEnd { exit, cause: Cause::Itself });
    }
}

impl Job {
    pub(super) fn start_process(
        &self,
        slot: Slot,
        command: Command,
        section: SectionRef,
        scope: Scope,
        (timeout, stdin): (Option<Duration>, Option<OwnedFd>),
        task: CommandTask,
    ) {
        let Command { program, args, dir } = command;
        let cookie = Cookie::new(self.uid, section.resolve(ProducerId::FIRST), self.epoch);
        let (grace, limits) = (self.grace, self.limits);
        let launch = Launch { program, args, dir, stdin, cookie, scope, grace, timeout, limits };
        let pool = self.pool.clone();
        let task = Box::new(task);
        // Not before the journal says so: whoever reads it after a crash knows what had begun.
        self.recorder.after_commit(move |is_kept| {
            if is_kept {
                pool.start(slot, launch, task);
            } else {
                let exit = Exit::NotStarted("its start could not be recorded".to_owned());
                task.ended(ProcessEnd { exit, cause: Cause::Stopped });
            }
        });
    }
}
