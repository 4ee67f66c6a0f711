//! Chromium, driven over its DevTools protocol: JSON messages, each ended by a NUL, through two named pipes. No
//! network is involved.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest that anything may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    process: Child,
    to: File,
    from: Receiver<Value>,
    next: u64,
    /// Complaints: exceptions, console output, violations of the page's policy.
    complaints: Vec<String>,
    _folder: TempDir,
}

/// A page that is open.
pub struct Page<'b> {
    browser: &'b mut Browser,
    session: String,
}

impl Browser {
    /// `None` when no Chromium is installed.
    pub fn start() -> Option<Browser> {
        let quiet = |c: &mut Command| {
            c.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
        };
        let program = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|name| quiet(Command::new(name).arg("--version")))?;
        let folder = tempfile::tempdir().unwrap();
        let (requests, answers) = (folder.path().join("requests"), folder.path().join("answers"));
        assert!(quiet(Command::new("mkfifo").arg(&requests).arg(&answers)));
        let script = format!(
            "exec {program} --headless --no-sandbox --disable-gpu --disable-background-networking --disable-dev-shm-usage \
             --remote-debugging-pipe --user-data-dir=\"$1/profile\" 3<\"$1/requests\" 4>\"$1/answers\""
        );
        let process = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(&requests).unwrap();
        let answers = BufReader::new(File::open(&answers).unwrap());
        let (send, from) = channel();
        thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                if send.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        Some(Browser { process, to, from, next: 0, complaints: Vec::new(), _folder: folder })
    }

    fn receive(&mut self) -> Value {
        let message = self.from.recv_timeout(PATIENCE).expect("an answer of the browser");
        if let Some("Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled") =
            message["method"].as_str()
        {
            self.complaints.push(message["params"].to_string());
        }
        message
    }

    fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut answer = self.receive();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// Opens a file, with what follows `#`; ready when its script says so.
    pub fn open(&mut self, file: &Path, fragment: &str) -> Page<'_> {
        let target = self.ask(None, "Target.createTarget", json!({"url": "about:blank"}))["targetId"].take();
        let attached = self.ask(None, "Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.ask(Some(&session), domain, json!({}));
        }
        let size = json!({"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.ask(Some(&session), "Emulation.setDeviceMetricsOverride", size);
        let url = format!("file://{}#{fragment}", file.display());
        self.ask(Some(&session), "Page.navigate", json!({"url": url}));
        loop {
            let event = self.receive();
            if event["method"] == "Page.loadEventFired" && event["sessionId"] == session.as_str() {
                break;
            }
        }
        let mut page = Page { browser: self, session };
        page.wait_for("document.body.dataset.ready === 'true'");
        page
    }

    /// What the browser complained of so far.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Page<'_> {
    /// The value of an expression; a promise is awaited.
    pub fn get(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.browser.ask(Some(&self.session), "Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    pub fn text(&mut self, expression: &str) -> String {
        self.get(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits, in the page, until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        let seconds = PATIENCE.as_secs();
        let done = self.get(&format!(
            "new Promise((resolve) => {{
               const end = performance.now() + {seconds}000;
               const look = () => ({expression}) ? resolve(true) : performance.now() > end ? resolve(false) : setTimeout(look, 5);
               look();
             }})"
        ));
        assert_eq!(done, true, "waited for {expression}");
    }

    /// A key goes down and up.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({"type": kind, "key": key});
            if key.len() == 1 && kind == "keyDown" {
                params["text"] = key.into();
            }
            self.browser.ask(Some(&self.session), "Input.dispatchKeyEvent", params);
        }
    }

    pub fn type_text(&mut self, text: &str) {
        self.browser.ask(Some(&self.session), "Input.insertText", json!({"text": text}));
    }
}
