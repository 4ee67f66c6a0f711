//! A store that does not always work.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oyez_engine::{Control, EngineError, EngineOptions};
use oyez_model::event::Stream;
use oyez_model::{BlobHash, EventBody, EventSeq, JobId, JobState};
use oyez_store::{
    Ack, Batch, HeldTarget, JobFilter, JobInfo, JobReader, Lease, LeaseName, MemoryStore, NewJob, Owner,
    Store, StoreError, TargetNote,
};
use serde_json::json;

use super::lab::{Lab, Watcher, echo, job, shell, step, test};

/// A store in memory with something put before its appends and blobs.
#[derive(Debug)]
struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    calls: AtomicU64,
}

#[derive(Debug)]
enum Fault {
    /// These calls fail, by the rule: 0 of 3 nothing, 1 before it had its effect, 2 after.
    Now,
    /// All fail once so many have worked.
    After(u64),
    /// Targets cannot be given back.
    Release,
    /// Targets cannot be taken, for no fault of theirs.
    Acquire,
    /// Slow, and looks at this path when a process is about to be begun.
    Looks(PathBuf, AtomicU64),
}

impl Faulty {
    fn lab(fault: Fault, options: EngineOptions) -> Lab {
        Lab::on(Arc::new(Faulty { inner: MemoryStore::new(), fault, calls: AtomicU64::new(0) }), options)
    }

    fn full(&self) -> StoreError {
        StoreError::Full { path: "/lab".into() }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn append(&self, job: JobId, batch: Batch) -> Result<Ack, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match &self.fault {
            Fault::Now if call % 3 == 1 => Err(self.full()),
            Fault::Now if call % 3 == 2 => {
                self.inner.append(job, batch).await?;
                Err(StoreError::Io { path: "/lab".into(), reason: "nobody knows".to_owned() })
            }
            Fault::After(count) if call >= *count => Err(self.full()),
            Fault::Looks(path, seen) => {
                let begins = |e: &EventBody| matches!(e, EventBody::Named(e) if e.name == "CmdStart");
                if batch.events.iter().any(|event| begins(&event.body)) {
                    // Time enough for a process that does not wait.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    seen.fetch_add(1 + 100 * u64::from(path.exists()), Ordering::Relaxed);
                }
                self.inner.append(job, batch).await
            }
            _ => self.inner.append(job, batch).await,
        }
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<BlobHash, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if matches!(self.fault, Fault::Now) && !call.is_multiple_of(3) {
            return Err(self.full());
        }
        self.inner.put_blob(bytes).await
    }

    async fn create_job(&self, job: NewJob) -> Result<JobId, StoreError> {
        self.inner.create_job(job).await
    }
    async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobInfo>, StoreError> {
        self.inner.jobs(filter).await
    }
    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<JobId>, StoreError> {
        self.inner.job_ids(filter).await
    }
    async fn search_logs(&self, query: oyez_store::LogQuery) -> Result<oyez_store::LogPage, StoreError> {
        self.inner.search_logs(query).await
    }
    async fn tags(&self, filter: oyez_store::TagFilter) -> Result<Vec<oyez_store::TagCount>, StoreError> {
        self.inner.tags(filter).await
    }
    async fn holder(&self, name: &LeaseName) -> Result<Option<oyez_store::Holder>, StoreError> {
        self.inner.holder(name).await
    }
    async fn note_target(&self, note: TargetNote) -> Result<(), StoreError> {
        self.inner.note_target(note).await
    }
    async fn target_notes(&self, target: Option<&str>, limit: usize) -> Result<Vec<TargetNote>, StoreError> {
        self.inner.target_notes(target, limit).await
    }
    async fn inherit(&self, job: JobId, owner: &Owner, ttl: Duration) -> Result<Vec<LeaseName>, StoreError> {
        self.inner.inherit(job, owner, ttl).await
    }
    async fn held_targets(&self, after: Option<&str>, limit: usize) -> Result<Vec<HeldTarget>, StoreError> {
        self.inner.held_targets(after, limit).await
    }
    async fn job(&self, id: JobId) -> Result<JobInfo, StoreError> {
        self.inner.job(id).await
    }
    async fn find(&self, text: &str) -> Result<Vec<JobId>, StoreError> {
        self.inner.find(text).await
    }
    async fn reader(&self, job: JobId) -> Result<Box<dyn JobReader>, StoreError> {
        self.inner.reader(job).await
    }
    async fn wait(&self, job: JobId, after: EventSeq, timeout: Duration) -> Result<EventSeq, StoreError> {
        self.inner.wait(job, after, timeout).await
    }
    async fn acquire(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        job: Option<JobId>,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        if matches!((&self.fault, names.first()), (Fault::Acquire, Some(LeaseName::Target(_)))) {
            return Err(self.full());
        }
        self.inner.acquire(names, owner, job, ttl).await
    }
    async fn renew(
        &self,
        names: &[LeaseName],
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        self.inner.renew(names, owner, ttl).await
    }
    async fn release(&self, names: &[LeaseName], owner: &Owner) -> Result<(), StoreError> {
        if matches!((&self.fault, names.first()), (Fault::Release, Some(LeaseName::Target(_)))) {
            return Err(self.full());
        }
        self.inner.release(names, owner).await
    }
    async fn release_all(&self, owner: &Owner) -> Result<(), StoreError> {
        self.inner.release_all(owner).await
    }
    async fn get_blob(&self, hash: BlobHash) -> Result<Bytes, StoreError> {
        self.inner.get_blob(hash).await
    }
    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_now_and_then_gets_everything_once_and_in_order() {
    let lab = Faulty::lab(Fault::Now, EngineOptions::default());
    let ids: Vec<String> = (0..3000).map(|i| format!("T{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ran = lab.run_long(&job(vec![test("A", &ids, vec![echo("e", "x"), echo("f", "y")])])).await;
    assert_eq!((ran.end.state, ran.count("target_out")), (JobState::Completed, 6000));
    assert!(ran.events.iter().zip(1..).all(|(event, number)| event.number.0 == number));
    assert_eq!(ran.row.complete.as_str(), "yes");
    let (trouble, good): (Vec<_>, Vec<_>) = ran.notices.iter().partition(|n| n.contains("tries again"));
    assert!(!trouble.is_empty() && trouble.len() == good.len(), "{:?}", ran.notices);
}

#[tokio::test]
async fn output_waits_for_a_store_that_fails_now_and_then() {
    let options = EngineOptions { output_limit: 1000, ..EngineOptions::default() };
    let lab = Faulty::lab(Fault::Now, options);
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", "seq 1 10000")])])).await;
    let mut out = ran.text(Stream::Stdout);
    for event in &ran.events {
        if let EventBody::Artifact(e) = &event.body {
            out.extend_from_slice(&lab.store.get_blob(e.blob).await.unwrap());
        }
    }
    assert!(out == (1..=10000).flat_map(|n| format!("{n}\n").into_bytes()).collect::<Vec<u8>>());
    assert_eq!((ran.end.state, ran.count("output_dropped")), (JobState::Completed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_does_not_wait_for_a_store_for_ever() {
    let lab = Faulty::lab(Fault::After(1), EngineOptions::default());
    let watcher = Arc::new(Watcher::default());
    let control = Control::new();
    let handle = lab
        .submit(&job(vec![test("A", &["T1"], vec![step("sleep", "z", json!({"duration": ["1s"]}))])]))
        .await;
    let cancel = async {
        watcher.until_notice("tries again").await;
        control.cancel("it is full");
    };
    let run = lab.engine.run(handle, control.clone(), Some(watcher.clone()));
    let (end, ()) = tokio::join!(run, cancel);
    assert!(matches!(end, Err(EngineError::Store(StoreError::Full { .. }))), "{end:?}");
}

#[tokio::test]
async fn a_process_begins_only_after_its_start_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("begun");
    let inner = MemoryStore::new();
    let fault = Fault::Looks(path.clone(), AtomicU64::new(0));
    let store = Arc::new(Faulty { inner, fault, calls: AtomicU64::new(0) });
    let lab = Lab::on(store.clone(), EngineOptions::default());
    let script = format!("touch {}", path.display());
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", &script)])])).await;
    assert_eq!(ran.count("target_out"), 1);
    assert!(path.exists());
    let Fault::Looks(_, seen) = &store.fault else { unreachable!() };
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn targets_that_cannot_be_given_back_fail_the_job() {
    let lab = Faulty::lab(Fault::Release, EngineOptions::default());
    let mut job = job(vec![test("A", &["T1"], vec![step("sleep", "z", json!({"duration": ["10ms"]}))])]);
    job["TargetManagerReleaseTimeout"] = json!("60ms");
    let ran = lab.run(&job).await;
    let error = "target manager release timed out after 60ms";
    assert_eq!((ran.end.state, ran.end.error.as_deref()), (JobState::Failed, Some(error)));
    let test = &mut job["TestDescriptors"][0];
    test["TestFetcherFetchParameters"]["Steps"][0]["parameters"]["duration"] = json!(["1h"]);
    // The first one still is the other job's.
    test["TargetManagerAcquireParameters"]["Targets"][0]["ID"] = json!("T2");
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until("target_in", 1).await;
        control.cancel("enough");
    };
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
    assert_eq!((ran.end.state, ran.end.error.as_deref()), (JobState::CancellationFailed, Some(error)));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_does_not_wait_for_ever_to_give_its_targets_back() {
    for kill in [false, true] {
        let lab = Faulty::lab(Fault::Release, EngineOptions::default());
        let mut job = job(vec![test("A", &["T1"], vec![step("sleep", "z", json!({"duration": ["1s"]}))])]);
        job["TargetManagerReleaseTimeout"] = json!("1h");
        let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
        let cancel = async {
            watcher.until("target_released", 1).await;
            control.cancel("enough");
            if kill {
                control.kill();
            }
            tokio::time::Instant::now()
        };
        let (ran, asked) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
        assert_eq!((ran.end.state, ran.end.error), (JobState::Cancelled, None));
        let waited = asked.elapsed();
        assert!(waited < Duration::from_secs(if kill { 2 } else { 8 }), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_target_is_waited_for_as_long_as_was_asked() {
    let lab = Lab::new();
    let mut job = job(vec![test("A", &["T1"], vec![step("sleep", "z", json!({"duration": ["1h"]}))])]);
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let held = job.clone();
    let holder = lab.run_watched(&held, control.clone(), watcher.clone());
    job["TargetManagerAcquireTimeout"] = json!("1s");
    let waiter = async {
        watcher.until("target_in", 1).await;
        let begun = tokio::time::Instant::now();
        let ran = lab.run(&job).await;
        control.cancel("enough");
        (ran, begun.elapsed())
    };
    let (_, (ran, waited)) = tokio::join!(holder, waiter);
    assert_eq!(ran.count("target_acquire_err"), 1);
    assert!((Duration::from_secs(1)..Duration::from_millis(1500)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn targets_of_which_nothing_can_be_found_out_fail_the_job() {
    let lab = Faulty::lab(Fault::Acquire, EngineOptions::default());
    let mut job = job(vec![test("A", &["T1"], vec![echo("e", "x")])]);
    job["TargetManagerAcquireTimeout"] = json!("60ms");
    let ran = lab.run(&job).await;
    let error = "target manager acquire timed out after 60ms";
    assert_eq!((ran.end.state, ran.end.error.as_deref()), (JobState::Failed, Some(error)));
    assert_eq!((ran.count("target_acquire_err"), ran.count("report")), (0, 0));
}
