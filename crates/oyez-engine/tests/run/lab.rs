//! What the tests work with: a store, an engine, and what came of a job.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oyez_engine::{
    Control, Engine, EngineOptions, JobEnd, JobHandle, JobRequest, Observer, ParseOptions, SearchPath,
    prepare,
};
use oyez_model::{Event, EventBody, EventSeq, JobId, JobRow};
use oyez_store::{MemoryStore, NewEvent, SqliteOptions, SqliteStore, Store};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A store, and an engine on it.
pub struct Lab {
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    /// For fifos and whatever else a test's processes need.
    pub folder: tempfile::TempDir,
}

/// A job that has ended.
pub struct Ran {
    pub end: JobEnd,
    pub events: Vec<Event>,
    pub row: JobRow,
    pub notices: Vec<String>,
}

/// Hears of a job's events, so that a test can wait for one.
#[derive(Default)]
pub struct Watcher {
    pub events: Mutex<Vec<EventBody>>,
    pub notices: Mutex<Vec<String>>,
    changed: Notify,
}

impl Observer for Watcher {
    fn event(&self, seq_hint: u64, event: &NewEvent) {
        let mut events = self.events.lock().unwrap();
        assert_eq!(seq_hint, events.len() as u64 + 1);
        events.push(event.body.clone());
        self.changed.notify_waiters();
    }

    fn notice(&self, text: &str) {
        self.notices.lock().unwrap().push(text.to_owned());
        self.changed.notify_waiters();
    }
}

impl Watcher {
    /// Waits for so many events of this kind.
    pub async fn until(&self, kind: &str, count: usize) {
        self.wait(|this| this.events.lock().unwrap().iter().filter(|e| e.name() == kind).count() >= count)
            .await;
    }

    /// Waits for a notice with this in it.
    pub async fn until_notice(&self, part: &str) {
        self.wait(|this| this.notices.lock().unwrap().iter().any(|notice| notice.contains(part))).await;
    }

    async fn wait(&self, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
    }
}

impl Lab {
    /// On a store in memory.
    pub fn new() -> Lab {
        Lab::on(Arc::new(MemoryStore::new()), EngineOptions::default())
    }

    pub fn on(store: Arc<dyn Store>, options: EngineOptions) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        Lab { engine: Engine::new(store.clone(), options), store, folder }
    }

    pub fn with(options: EngineOptions) -> Lab {
        Lab::on(Arc::new(MemoryStore::new()), options)
    }

    /// On a store on disk, in the lab's folder.
    pub fn on_disk() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store"), SqliteOptions::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        Lab { engine: Engine::new(store.clone(), EngineOptions::default()), store, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn submit(&self, descriptor: &Value) -> JobHandle {
        self.engine.submit(request(descriptor)).await.unwrap().2
    }

    /// Runs a job to its end.
    pub async fn run(&self, descriptor: &Value) -> Ran {
        self.run_with(descriptor, Control::new()).await
    }

    pub async fn run_with(&self, descriptor: &Value, control: Control) -> Ran {
        let watcher = Arc::new(Watcher::default());
        self.run_watched(descriptor, control, watcher).await
    }

    pub async fn run_watched(&self, descriptor: &Value, control: Control, watcher: Arc<Watcher>) -> Ran {
        self.run_within(descriptor, control, watcher, Duration::from_secs(120)).await
    }

    /// Runs a job that takes long, on a clock that a test can turn.
    pub async fn run_long(&self, descriptor: &Value) -> Ran {
        self.run_within(descriptor, Control::new(), Arc::default(), Duration::from_secs(1_000_000)).await
    }

    async fn run_within(
        &self,
        descriptor: &Value,
        control: Control,
        watcher: Arc<Watcher>,
        limit: Duration,
    ) -> Ran {
        let handle = self.submit(descriptor).await;
        let end = self.engine.run(handle, control, Some(watcher.clone()));
        let end = tokio::time::timeout(limit, end).await.unwrap().unwrap();
        let events = self.events(end.job).await;
        let seen = watcher.events.lock().unwrap().clone();
        assert!(events.iter().map(|e| &e.body).eq(seen.iter()), "the observer saw what is in the journal");
        let notices = watcher.notices.lock().unwrap().clone();
        let row = self.store.job(end.job).await.unwrap().row;
        assert_eq!((row.state, row.verdict), (end.state, end.verdict));
        Ran { events, row, notices, end }
    }

    /// What the journal holds of a job.
    pub async fn events(&self, job: JobId) -> Vec<Event> {
        let reader = self.store.reader(job).await.unwrap();
        tokio::task::spawn_blocking(move || {
            let all = reader.events_after(EventSeq(0), usize::MAX >> 1).unwrap();
            all.into_iter().map(|(_, event)| event).collect()
        })
        .await
        .unwrap()
    }
}

pub fn request(descriptor: &Value) -> JobRequest {
    let text = descriptor.to_string();
    let prepared = prepare(text.as_bytes(), &ParseOptions::default(), &SearchPath::from_env());
    assert!(prepared.plan.is_some(), "{:#?}", prepared.diagnostics);
    let plan = prepared.plan.unwrap();
    JobRequest {
        descriptor_text: text,
        descriptor: prepared.descriptor.unwrap(),
        plan,
        requestor: "tester".to_owned(),
        guids: Vec::new(),
        host: Some("lab".to_owned()),
        server_id: None,
        priority: 0,
        repeats: None,
    }
}

impl Ran {
    pub fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|event| event.body.name() == name).count()
    }

    /// The errors of targets, in order.
    pub fn errors(&self) -> Vec<String> {
        let error = |event: &Event| match &event.body {
            EventBody::TargetErr(e) => Some(e.error.clone()),
            EventBody::TargetAcquireErr(e) => Some(e.error.clone()),
            _ => None,
        };
        self.events.iter().filter_map(error).collect()
    }

    /// Reports on runs: run, reporter, success, data.
    pub fn run_reports(&self) -> Vec<(u32, String, bool, Value)> {
        let report = |event: &Event| match &event.body {
            EventBody::Report(r) => {
                let data = serde_json::from_str(&r.data.0).unwrap();
                Some((r.run?.0, r.reporter.clone(), r.success, data))
            }
            _ => None,
        };
        self.events.iter().filter_map(report).collect()
    }

    /// Reports on the job: reporter, success, data.
    pub fn final_reports(&self) -> Vec<(String, bool, Value)> {
        let report = |event: &Event| match &event.body {
            EventBody::Report(r) if r.run.is_none() => {
                Some((r.reporter.clone(), r.success, serde_json::from_str(&r.data.0).unwrap()))
            }
            _ => None,
        };
        self.events.iter().filter_map(report).collect()
    }

    /// The text of a stream, all of it that is in place.
    pub fn text(&self, wanted: oyez_model::event::Stream) -> Vec<u8> {
        let text = |event: &Event| match &event.body {
            EventBody::LogText(t) if t.stream == wanted => Some(t.text.0.to_vec()),
            _ => None,
        };
        self.events.iter().filter_map(text).flatten().collect()
    }
}

/// A target.
pub fn target(id: &str) -> Value {
    json!({"ID": id})
}

/// A step; every parameter is a list already.
pub fn step(name: &str, label: &str, parameters: Value) -> Value {
    json!({"name": name, "label": label, "parameters": parameters})
}

/// A step that runs a shell script.
pub fn shell(label: &str, script: &str) -> Value {
    step("cmd", label, json!({"executable": ["sh"], "args": ["-c", script]}))
}

pub fn echo(label: &str, text: &str) -> Value {
    step("echo", label, json!({"text": [text]}))
}

pub fn test(name: &str, targets: &[&str], steps: Vec<Value>) -> Value {
    let targets: Vec<_> = targets.iter().map(|id| target(id)).collect();
    json!({
        "TargetManagerName": "TargetList",
        "TargetManagerAcquireParameters": {"Targets": targets},
        "TargetManagerReleaseParameters": {},
        "TestFetcherName": "Literal",
        "TestFetcherFetchParameters": {"TestName": name, "Steps": steps}
    })
}

/// A job with one run, all of whose targets must succeed.
pub fn job(tests: Vec<Value>) -> Value {
    json!({
        "JobName": "job",
        "Version": "1.0",
        "Runs": 1,
        "TestDescriptors": tests,
        "Reporting": {
            "RunReporters": [{"Name": "TargetSuccess", "Parameters": {"SuccessExpression": "=100%"}}],
            "FinalReporters": [{"Name": "noop"}]
        }
    })
}

/// Makes a fifo: what reads it waits until somebody writes, and the other way round.
pub fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Reads a fifo (or file) to its end, on a thread that may block.
pub async fn read(path: PathBuf) -> String {
    tokio::task::spawn_blocking(move || std::fs::read_to_string(path).unwrap()).await.unwrap()
}

/// Writes into a fifo, on a thread that may block.
pub async fn write(path: PathBuf, text: &'static str) {
    tokio::task::spawn_blocking(move || std::fs::write(path, text).unwrap()).await.unwrap();
}

/// Whether a process lives (a zombie does not).
pub fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim().chars().next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
