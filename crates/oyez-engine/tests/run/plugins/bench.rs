//! Folders of plugins for the tests, and jobs with them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oyez_engine::{Control, Diagnostic, EngineOptions, JobRequest, ParseOptions, SearchPath, prepare};
use oyez_model::EventBody;
use serde_json::{Value, json};

use crate::lab::{Lab, Ran, Watcher};

/// A lab with a folder of plugins.
pub struct Bench {
    pub lab: Lab,
    pub folder: PathBuf,
}

/// The begin of a plugin in Python that does what a test wants.
pub const HEAD: &str = r#"#!/usr/bin/env python3
import json, os, subprocess, sys, time
def say(kind, **fields):
    print(json.dumps({"type": kind, **fields}), flush=True)
def hello(role="step", resume="lost"):
    say("hello", protocol=1, name="bad", version="1", roles=[role], resume=resume)
"#;

/// A step that says hello, takes all parameters and does `body` with each `target`.
pub fn step_doing(body: &str) -> String {
    format!(
        r#"{HEAD}
targets = []
for line in sys.stdin:
    message = json.loads(line)
    kind = message["type"]
    if kind == "hello":
        hello()
    elif kind == "validate":
        say("validated", errors=[])
    elif kind == "target_in":
        target = message["target"]["ID"]
        targets.append(target)
        print("about to do", target, file=sys.stderr, flush=True)
{}
    elif kind == "no_more_targets":
        break
"#,
        body.trim_matches('\n').lines().map(|line| format!("        {line}\n")).collect::<String>()
    )
}

/// The examples that stand in the repository.
pub fn examples() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins")).unwrap()
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(EngineOptions::default())
    }

    /// Plugins that do not do what they are told are given up soon.
    pub fn with(options: EngineOptions) -> Bench {
        let lab = Lab::with(EngineOptions { grace: Duration::from_millis(500), ..options });
        let folder = lab.path("plugins");
        std::fs::create_dir(&folder).unwrap();
        Bench { lab, folder }
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// One of the examples is in the folder.
    pub fn example(&self, name: &str) {
        std::os::unix::fs::symlink(examples().join(name), self.folder.join(name)).unwrap();
    }

    pub fn programs(&self) -> SearchPath {
        SearchPath::from_env().with_plugins(&self.folder)
    }

    /// What is wrong with a descriptor.
    pub fn wrong(&self, descriptor: &Value) -> Vec<Diagnostic> {
        prepare(descriptor.to_string().as_bytes(), &ParseOptions::default(), &self.programs()).diagnostics
    }

    pub fn request(&self, descriptor: &Value) -> JobRequest {
        let text = descriptor.to_string();
        let prepared = prepare(text.as_bytes(), &ParseOptions::default(), &self.programs());
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

    pub async fn run(&self, descriptor: &Value) -> Ran {
        self.run_with(descriptor, Control::new(), Arc::default()).await
    }

    pub async fn run_with(&self, descriptor: &Value, control: Control, watcher: Arc<Watcher>) -> Ran {
        let (_, _, handle) = self.lab.engine.submit(self.request(descriptor)).await.unwrap();
        let end = self.lab.engine.run(handle, control, Some(watcher.clone()));
        let end = tokio::time::timeout(Duration::from_secs(60), end).await.unwrap().unwrap();
        let events = self.lab.events(end.job).await;
        let notices = watcher.notices.lock().unwrap().clone();
        let row = self.lab.store.job(end.job).await.unwrap().row;
        self.nothing_is_left(&row.uid.to_string());
        Ran { events, row, notices, end }
    }

    /// No process carries the job's cookie.
    fn nothing_is_left(&self, uid: &str) {
        let cookie = format!("OYEZ_JOB={uid}");
        let left = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let path = entry.ok()?.path();
            let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
            let environment = std::fs::read(path.join("environ")).ok()?;
            let carries = environment.split(|b| *b == 0).any(|variable| variable == cookie.as_bytes());
            (carries && crate::lab::lives(pid)).then_some(pid)
        });
        assert_eq!(left.collect::<Vec<_>>(), Vec::<i32>::new(), "processes of the job are left");
    }
}

/// The texts of `TestError` events.
pub fn test_errors(ran: &Ran) -> Vec<String> {
    named(ran, "TestError").into_iter().map(|(_, payload)| payload.as_str().unwrap().to_owned()).collect()
}

/// Events of a name: target and payload.
pub fn named(ran: &Ran, name: &str) -> Vec<(String, Value)> {
    let one = |body: &EventBody| match body {
        EventBody::Named(named) if named.name == name => {
            let payload = named.payload.as_ref().map_or(json!(null), |p| serde_json::from_str(&p.0).unwrap());
            Some((named.target.clone().unwrap_or_default(), payload))
        }
        _ => None,
    };
    ran.events.iter().filter_map(|event| one(&event.body)).collect()
}
