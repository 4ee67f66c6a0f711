//! The producers, their ledger, and the life of one store after the other in the same folder.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oyez_model::{BlobHash, EventSeq, JobId, JobState, ProducerId};
use oyez_store::conformance::clock;
use oyez_store::conformance::events::producer;
use oyez_store::conformance::ledger::Ledger;
use oyez_store::sqlite::{FsckOptions, fsck};
use oyez_store::{Ack, SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;

use crate::process::{FOLDER, INDEX, PASS, POINT, SKIP_RECOVERY};

/// How a life goes.
pub struct Orders<'a> {
    /// Killed by itself at this failpoint, when it is passed for this time.
    pub kill_at: Option<(&'a str, u64)>,
    /// Killed from outside after so many answers.
    pub replies: Option<u64>,
    /// Closed after so many jobs.
    pub jobs: u64,
    /// Also blobs are put.
    pub blobs: bool,
    /// Logs are indexed whenever a job ends.
    pub index: bool,
    /// The process leaves out what opening brings back.
    pub skip_recovery: bool,
}

impl Default for Orders<'_> {
    fn default() -> Self {
        Orders { kill_at: None, replies: None, jobs: 60, blobs: true, index: false, skip_recovery: false }
    }
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Killed,
    Closed,
}

pub struct Driver {
    folder: PathBuf,
    _keep: Option<TempDir>,
    ledger: Ledger,
    /// The number of the next job to create.
    next_job: u64,
    /// Jobs of which somebody was told, the number of their last section, and whether they have ended.
    jobs: Vec<(JobId, u64, bool)>,
    blobs: Vec<BlobHash>,
    next_blob: u64,
    /// What was said that must not be.
    complaints: Vec<String>,
}

impl Driver {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Driver { _keep: None, ..Driver::in_folder(folder.path()) }.keeping(folder)
    }

    fn keeping(mut self, folder: TempDir) -> Self {
        self._keep = Some(folder);
        self
    }

    pub fn in_folder(folder: &Path) -> Self {
        Driver {
            folder: folder.to_owned(),
            _keep: None,
            ledger: Ledger::new(),
            next_job: 1,
            jobs: Vec::new(),
            blobs: Vec::new(),
            next_blob: 1,
            complaints: Vec::new(),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn acked(&self) -> u64 {
        self.ledger.acked()
    }

    fn start(&self, orders: &Orders<'_>) -> (Child, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        // For a test that hangs, not a measure.
        ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "a_store_in_a_process_of_its_own_serves_its_producers", "--nocapture"])
            .env(FOLDER, &self.folder)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null());
        if let Some((point, pass)) = orders.kill_at {
            command.env(POINT, point).env(PASS, pass.to_string());
        }
        if orders.index {
            command.env(INDEX, "1");
        }
        if orders.skip_recovery {
            command.env(SKIP_RECOVERY, "1");
        }
        (command.spawn().unwrap(), ours)
    }

    /// One life of the store's process.
    pub fn live(&mut self, orders: &Orders<'_>) -> End {
        let (mut child, socket) = self.start(orders);
        let mut talk = Talk {
            out: socket.try_clone().unwrap(),
            answers: BufReader::new(socket).lines(),
            busy: Vec::new(),
        };
        let mut replies = 0;
        let mut queue: VecDeque<String> = VecDeque::new();
        let mut jobs = 0;
        let mut closing = false;
        // What the last life left unanswered is sent again first.
        self.send_open(&mut queue);
        loop {
            if queue.is_empty() && talk.busy.is_empty() && !closing {
                if jobs == orders.jobs {
                    queue.push_back("close".to_owned());
                    closing = true;
                } else {
                    jobs += 1;
                    self.plan_job(&mut queue);
                }
            }
            // A few are on their way at once, so that commits hold several; of each producer one at a time.
            while talk.busy.len() < 4
                && let Some(at) = queue.iter().position(|step| !talk.busy.contains(&subject(step)))
                && let Some(next) = queue.remove(at)
            {
                let line = self.line(&next);
                talk.say(&line, subject(&next));
            }
            if orders.replies == Some(replies) {
                child.kill().unwrap();
            }
            let Some(answer) = talk.hear() else { break };
            replies += 1;
            if answer == "closed" {
                break;
            }
            self.note(&answer, &mut queue, orders.blobs);
        }
        let status = child.wait().unwrap();
        match status.signal() {
            Some(9) => End::Killed,
            _ => {
                assert!(status.success(), "{status}");
                End::Closed
            }
        }
    }

    fn send_open(&mut self, queue: &mut VecDeque<String>) {
        for (job, ..) in self.jobs.iter().filter(|(_, _, ended)| !ended) {
            queue.extend((1..4).map(|p| format!("produce {job} {p} 1")));
        }
    }

    fn plan_job(&mut self, queue: &mut VecDeque<String>) {
        queue.push_back(format!("create {}", self.next_job));
        self.next_job = self.next_job % 250 + 1;
    }

    /// A planned step as it is sent: the numbers of a batch are known only now.
    fn line(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split(' ').collect();
        if words[0] != "produce" {
            return step.to_owned();
        }
        let n = |at: usize| words[at].parse::<u64>().unwrap();
        let (job, who) = (JobId(n(1)), producer(n(2)));
        let batch = self.ledger.next(job, who, n(3));
        format!("append {job} {who} {} {}", batch.first, batch.events.len())
    }

    /// Takes an answer down, and plans what follows from it.
    fn note(&mut self, answer: &str, queue: &mut VecDeque<String>, blobs: bool) {
        let words: Vec<&str> = answer.split(' ').collect();
        let n = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "job" => {
                let id = JobId(n(2));
                if self.jobs.iter().all(|(have, ..)| *have != id) {
                    self.jobs.push((id, 0, false));
                }
                queue.push_back(format!("left {id} 1"));
                for round in 1..4 {
                    queue.extend((1..4).map(|p| format!("produce {id} {p} {}", round * p)));
                    queue.push_back(format!("section {id} {round}"));
                    if blobs {
                        let size = if round == 2 { 100_000 } else { 500 };
                        queue.push_back(format!("blob {} {size}", self.next_blob));
                        self.next_blob += 1;
                    }
                }
                // One that comes back after it left makes a checkpoint in the middle; what follows stands after it.
                queue.push_back(format!("left {id} 3"));
                queue.extend((1..4).map(|p| format!("produce {id} {p} 5")));
                queue.push_back(format!("end {id}"));
                queue.extend((1..4).map(|p| format!("produce {id} {p} 1")));
            }
            "ack" => {
                let ack = Ack { first: EventSeq(n(3)), last: EventSeq(n(4)) };
                self.ledger.answered(JobId(n(1)), ProducerId(n(2)), ack);
            }
            "section" => self.job(n(1)).1 = n(2),
            "ended" => self.job(n(1)).2 = true,
            "blob" => self.blobs.push(words[2].parse().unwrap()),
            "left" => {}
            // An error or a gap: each batch was sent with the number that follows the acks.
            _ => self.complaints.push(answer.to_owned()),
        }
    }

    fn job(&mut self, id: u64) -> &mut (JobId, u64, bool) {
        self.jobs.iter_mut().find(|(have, ..)| have.0 == id).unwrap()
    }

    /// What is not as it was promised.
    pub fn broken(&mut self) -> Vec<String> {
        let mut out = std::mem::take(&mut self.complaints);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = SqliteOptions { clock: clock(), ..SqliteOptions::default() };
        runtime.block_on(async {
            let store = SqliteStore::open(&self.folder, options).unwrap();
            match self.ledger.broken(&store).await {
                Ok(broken) => out.extend(broken),
                Err(e) => out.push(e.to_string()),
            }
            for (id, sections, ended) in &self.jobs {
                match store.job(*id).await {
                    Ok(info) if *ended && info.row.state != JobState::Completed => {
                        out.push(format!("job {id} had ended"));
                    }
                    Ok(_) => {}
                    Err(e) => out.push(e.to_string()),
                }
                let there = match store.reader(*id).await {
                    Ok(reader) => reader.events_after(EventSeq(0), usize::MAX).map_or(0, |all| {
                        all.iter().filter(|(_, e)| e.producer == producer(99)).count() as u64
                    }),
                    Err(_) => 0,
                };
                if there % 3 != 0 || there < 3 * sections {
                    out.push(format!("job {id} had {sections} sections, {there} of their events are there"));
                }
            }
            for hash in &self.blobs {
                if let Err(e) = store.get_blob(*hash).await {
                    out.push(e.to_string());
                }
            }
            store.close().await.unwrap();
        });
        out
    }

    /// All that was promised is there, and the store is sound.
    pub fn assert_kept(&mut self) {
        assert_eq!(self.broken(), Vec::<String>::new());
        let report =
            fsck(&self.folder, &FsckOptions::default(), &SqliteOptions::default(), |_, _| {}).unwrap();
        assert_eq!(report.findings, vec![]);
    }
}

/// Who says a step, or whom an answer is for: a job and one of its producers.
fn subject(text: &str) -> (u64, u64) {
    let text = text.strip_prefix("error ").unwrap_or(text);
    let words: Vec<&str> = text.split([' ', ':']).collect();
    let n = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    match words[0] {
        "produce" => (n(1), producer(n(2)).0),
        "append" | "ack" | "gap" => (n(1), n(2)),
        "section" => (n(1), 99),
        "left" => (n(1), 98),
        "end" | "ended" => (n(1), 1),
        "blob" => (0, n(1)),
        _ => (0, 0),
    }
}

struct Talk {
    out: UnixStream,
    answers: std::io::Lines<BufReader<UnixStream>>,
    /// Who waits for an answer.
    busy: Vec<(u64, u64)>,
}

impl Talk {
    fn say(&mut self, text: &str, who: (u64, u64)) {
        // It may be dead already; then there will be no answer.
        let _ = self.out.write_all(format!("{text}\n").as_bytes());
        self.busy.push(who);
    }

    /// The next answer; none when the process has ended.
    fn hear(&mut self) -> Option<String> {
        match self.answers.next()? {
            Ok(answer) => {
                let who = subject(&answer);
                self.busy.retain(|busy| *busy != who);
                Some(answer)
            }
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("no answer: {e}"),
        }
    }
}
