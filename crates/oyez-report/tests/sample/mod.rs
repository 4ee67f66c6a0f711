//! Jobs to write reports about: a builder of events with a clock that only it moves, kept in a store in memory.

use std::collections::BTreeMap;

use oyez_model::event::{
    Artifact, JobStateChanged, JobSubmitted, LogText, Measurement, Named, RawJson, Report, RunStarted,
    RunStopped, SectionDetail, SectionStarted, SectionStopped, Stream, TargetAcquired, TargetErr, TargetIn,
    TargetOut, TestStarted, TestStopped,
};
use oyez_model::{
    BlobHash, EventBody, EventNumber, Guid, JobSource, JobState, JobUid, Outcome, ProducerId, RunNumber,
    SectionRef, Time, Value,
};
use oyez_store::{Batch, JobReader, MemoryStore, NewEvent, NewJob, Store};

pub const START: Time = Time(1_795_193_601_000_000_000);
const MS: i64 = 1_000_000;

/// A job that is being put together.
pub struct Job {
    submitted: JobSubmitted,
    events: Vec<NewEvent>,
    now: Time,
    next: u64,
}

impl Job {
    pub fn new(name: &str) -> Job {
        let submitted = JobSubmitted {
            uid: JobUid::new(1_795_193_601_000, [7; 10]),
            name: name.to_owned(),
            requestor: "ada".to_owned(),
            source: JobSource::Engine,
            tags: vec!["nightly".to_owned(), "lab-2".to_owned()],
            guids: vec![Guid::new("build-4711").unwrap()],
            project: Some("firmware".to_owned()),
            variant: BTreeMap::from([("board".to_owned(), "r3".to_owned())]),
            host: Some("lab-2.example".to_owned()),
            server_id: None,
            priority: None,
            request: None,
            extended: None,
            command: None,
            version: Some("0.1.0".to_owned()),
        };
        let mut job = Job { submitted, events: Vec::new(), now: START, next: 0 };
        job.say(JobStateChanged { state: JobState::Started, error: None });
        job
    }

    pub fn submitted(&mut self) -> &mut JobSubmitted {
        &mut self.submitted
    }

    /// Time passes.
    pub fn wait_ms(&mut self, ms: i64) -> &mut Self {
        self.now = self.now.plus(ms * MS);
        self
    }

    pub fn say(&mut self, body: impl Into<EventBody>) {
        self.events.push(NewEvent::new(self.now, body));
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn run(&mut self, run: u32, planned: Option<u64>) -> u64 {
        let id = self.id();
        self.say(RunStarted { id, run: RunNumber(run), planned });
        id
    }

    pub fn end_run(&mut self, id: u64) {
        self.say(RunStopped { id: SectionRef::own(id), outcome: None });
    }

    pub fn test(&mut self, parent: u64, name: &str, index: u32, attempt: u32) -> u64 {
        let id = self.id();
        self.say(TestStarted {
            id,
            parent: SectionRef::own(parent),
            name: name.to_owned(),
            index,
            attempt,
            planned: None,
            cleanup: None,
            suite: Some(vec!["boards".to_owned()]),
            variant: None,
            began: None,
            ..Default::default()
        });
        id
    }

    pub fn cleanup(&mut self, parent: u64, name: &str, index: u32) -> u64 {
        let id = self.test(parent, name, index, 0);
        if let Some(NewEvent { body: EventBody::TestStarted(b), .. }) = self.events.last_mut() {
            b.cleanup = Some(true);
        }
        id
    }

    pub fn end_test(&mut self, id: u64, retried: bool) {
        let retried = retried.then_some(true);
        self.say(TestStopped {
            id: SectionRef::own(id),
            outcome: None,
            reason: None,
            retried,
            ended: None,
            ..Default::default()
        });
    }

    pub fn end_test_as(&mut self, id: u64, outcome: Outcome, reason: &str) {
        let (outcome, reason) = (Some(outcome), Some(reason.to_owned()));
        self.say(TestStopped {
            id: SectionRef::own(id),
            outcome,
            reason,
            retried: None,
            ended: None,
            ..Default::default()
        });
    }

    pub fn section(&mut self, parent: u64, kind: &str, name: &str) -> u64 {
        let id = self.id();
        self.say(SectionStarted {
            id,
            parent: SectionRef::own(parent),
            r#type: kind.to_owned(),
            name: name.to_owned(),
            began: None,
            description: None,
            source: None,
            parameters: None,
            extra: None,
            peer_id: None,
            ..Default::default()
        });
        id
    }

    pub fn end(&mut self, id: u64, outcome: Outcome, reason: &str) {
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        let id = SectionRef::own(id);
        self.say(SectionStopped {
            id,
            outcome: Some(outcome),
            reason,
            data: None,
            rollup: None,
            ended: None,
            ..Default::default()
        });
    }

    pub fn target(&mut self, test: u64, name: &str) -> u64 {
        let id = self.id();
        let target = oyez_model::event::Target { id: name.to_owned(), ..Default::default() };
        self.say(TargetAcquired { id, test: SectionRef::own(test), target });
        id
    }

    pub fn visit(&mut self, target: u64, step: &str, label: &str) -> u64 {
        let id = self.id();
        self.say(TargetIn {
            id,
            target: SectionRef::own(target),
            label: label.to_owned(),
            step: step.to_owned(),
        });
        id
    }

    pub fn out(&mut self, visit: u64) {
        self.say(TargetOut { id: SectionRef::own(visit) });
    }

    pub fn err(&mut self, visit: u64, error: &str) {
        self.say(TargetErr { id: SectionRef::own(visit), error: error.to_owned(), outcome: None });
    }

    pub fn log(&mut self, id: u64, stream: Stream, text: impl AsRef<[u8]>) {
        let text = text.as_ref().to_vec().into();
        self.say(LogText { id: SectionRef::own(id), stream, text, level: None });
    }

    pub fn detail(&mut self, id: u64, detail: impl Into<Value>) {
        self.say(SectionDetail { id: SectionRef::own(id), detail: detail.into() });
    }

    pub fn measure(&mut self, id: u64, name: &str, value: f64, unit: &str, high: f64) {
        self.say(Measurement {
            id: SectionRef::own(id),
            name: name.to_owned(),
            value: value.into(),
            unit: Some(unit.to_owned()),
            low: None,
            high: Some(high),
            at: None,
            index: None,
        });
    }

    pub fn artifact(&mut self, id: u64, name: &str, rest_of: Option<Stream>) {
        let (name, mime) = (name.to_owned(), "text/plain".to_owned());
        let id = SectionRef::own(id);
        self.say(Artifact { id, name, mime, blob: BlobHash([0xab; 32]), size: 123_456, rest_of });
    }

    pub fn named(&mut self, id: u64, name: &str, payload: &str) {
        let payload = Some(RawJson(payload.to_owned()));
        self.say(Named { id: SectionRef::own(id), name: name.to_owned(), target: None, payload });
    }

    pub fn report(&mut self, run: Option<u32>, reporter: &str, success: bool, data: &str) {
        let (reporter, data) = (reporter.to_owned(), RawJson(data.to_owned()));
        let neutral = (reporter == "noop").then_some(true);
        self.say(Report { run: run.map(RunNumber), reporter, success, data, error: None, neutral });
    }

    /// The last event, to change what the methods above do not say.
    pub fn last(&mut self) -> &mut EventBody {
        &mut self.events.last_mut().unwrap().body
    }

    /// The job comes to its end.
    pub fn end_job(&mut self, state: JobState, error: Option<&str>) -> &mut Self {
        self.say(JobStateChanged { state, error: error.map(str::to_owned) });
        self
    }

    /// As it stands now.
    pub fn reader(&self) -> Box<dyn JobReader> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = MemoryStore::new();
            let new =
                NewJob { time: START, submitted: self.submitted.clone(), owner: None, then: Vec::new() };
            let id = store.create_job(new).await.unwrap();
            let mut first = 2;
            for events in self.events.chunks(10_000) {
                let batch = Batch {
                    producer: ProducerId::FIRST,
                    first: EventNumber(first),
                    events: events.to_vec(),
                    epoch: None,
                };
                first += events.len() as u64;
                store.append(id, batch).await.unwrap();
            }
            store.reader(id).await.unwrap()
        })
    }
}

/// A job with a bit of everything, as a lab would have it.
pub fn lab() -> Job {
    let mut job = Job::new("Nightly firmware check");
    for run in 1..=2 {
        let run_id = job.wait_ms(20).run(run, Some(3));
        smoke(&mut job, run_id, run);
        flaky(&mut job, run_id);
        let unit = job.test(run_id, "unit", 2, 0);
        for n in 0..40 {
            let case = job.wait_ms(1).section(unit, "Testcase", &format!("parses frame {n}"));
            job.wait_ms(3 + n % 7);
            match n {
                13 => job.end(case, Outcome::Skipped, "needs the radio"),
                21 => job.end(case, Outcome::Passx, "known deviation FW-12"),
                _ => job.end(case, Outcome::Passed, ""),
            }
        }
        job.end_test(unit, false);
        let clean = job.cleanup(run_id, "power off", 3);
        let target = job.target(clean, "board-01");
        let visit = job.visit(target, "Cmd", "off");
        job.wait_ms(40).err(visit, "relay does not answer");
        job.end(target, Outcome::Failed, "relay does not answer");
        job.end_test(clean, false);
        job.end_run(run_id);
        job.report(Some(run), "TargetSuccess", false, r#"["Test smoke does not pass success criteria: 66.67% is not = 100.00%", "Test flaky passes success criteria: 100.00% = 100.00%"]"#);
    }
    job.report(None, "TargetSuccess", false, r#"["Test smoke: mean over 2 runs 66.67% is not >= 90%"]"#);
    job.report(None, "noop", true, r#""I did nothing at the end, all good""#);
    job.end_job(JobState::Completed, None);
    job
}

fn smoke(job: &mut Job, run_id: u64, run: u32) {
    let test = job.wait_ms(5).test(run_id, "smoke", 0, 0);
    let targets: Vec<u64> = (1..=3).map(|n| job.target(test, &format!("board-0{n}"))).collect();
    for (n, target) in targets.iter().enumerate() {
        let flash = job.wait_ms(8).visit(*target, "Cmd", "flash");
        job.named(flash, "CmdStart", r#"{"Path":"/usr/bin/flash","Args":["--board","r3"]}"#);
        job.log(flash, Stream::Stdout, format!("flashing image 2026.11.{run}\n"));
        job.wait_ms([420, 480, 540][n]).log(
            flash,
            Stream::Stdout,
            "\x1b[32mverified\x1b[0m 1,048,576 bytes\n",
        );
        job.out(flash);
        let boot = job.visit(*target, "Cmd", "boot");
        job.log(boot, Stream::Stdout, "U-Boot 2026.01 (Nov 20 2026)\nDRAM:  512 MiB\n");
        job.wait_ms(310).measure(boot, "boot time", [1.31, 1.42, 1.38][n], "s", 1.5);
        if n == 1 {
            for n in 0..8 {
                job.wait_ms(12).log(boot, Stream::Stdout, format!("[    {n}.4{n}] eth0: waiting for link\n"));
            }
            job.log(boot, Stream::Stderr, "\x1b[1;31merror:\x1b[0m no link on eth0 after 8 tries\n");
            job.artifact(boot, "console.log", None);
            job.err(boot, "exit code 4: no link on eth0");
            job.end(*target, Outcome::Failed, "");
            continue;
        }
        job.out(boot);
        let check = job.visit(*target, "Echo", "check");
        job.log(check, Stream::Stdout, "alive & <well>\n");
        job.wait_ms(2).out(check);
        job.end(*target, Outcome::Passed, "");
    }
    job.end_test(test, false);
}

fn flaky(job: &mut Job, run_id: u64) {
    for attempt in 0..2 {
        let test = job.wait_ms(5).test(run_id, "flaky", 1, attempt);
        let target = job.target(test, "board-01");
        let ping = job.visit(target, "Cmd", "ping");
        job.wait_ms(90).log(ping, Stream::Stdout, "PING 192.0.2.7\n");
        if attempt == 0 {
            job.err(ping, "exit code 1: 100% packet loss");
            job.end(target, Outcome::Failed, "exit code 1: 100% packet loss");
        } else {
            job.out(ping);
            job.end(target, Outcome::Passed, "");
        }
        job.end_test(test, attempt == 0);
    }
}
