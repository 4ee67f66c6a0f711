//! Many jobs: who is next, what is asked of them, and what becomes of them when their server ends.

use std::sync::Arc;
use std::time::Duration;

use oyez_engine::manager::RecoverError;
use oyez_engine::{ControlError, EngineOptions, Manager, ManagerOptions, OnRestart, Shutdown};
use oyez_model::event::{Control as Verb, JobControl};
use oyez_model::{EventBody, EventNumber, JobId, JobState, ProducerId};
use oyez_store::{Batch, Clock, LeaseName, MemoryStore, NewEvent, Owner, Store, SystemClock};
use serde_json::{Value, json};

use super::lab::{Lab, echo, job, request, step, test};

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn manager(store: &Arc<dyn Store>, max_jobs: usize) -> Manager {
    named(store, "lab", max_jobs, OnRestart::Resume)
}

fn named(store: &Arc<dyn Store>, name: &str, max_jobs: usize, on_restart: OnRestart) -> Manager {
    let options = ManagerOptions { max_jobs, on_restart, ..ManagerOptions::new(name) };
    Manager::new(store.clone(), options)
}

fn nap(target: &str, duration: &str) -> Value {
    job(vec![test("A", &[target], vec![step("sleep", "nap", json!({"duration": [duration]}))])])
}

async fn submit(manager: &Manager, descriptor: &Value, priority: i32) -> JobId {
    let mut request = request(descriptor);
    request.priority = priority;
    manager.submit(request).await.unwrap().0
}

/// Waits until a job is in one of these states.
async fn until(store: &Arc<dyn Store>, id: JobId, states: &[JobState]) -> JobState {
    let wait = async {
        loop {
            let row = store.job(id).await.unwrap().row;
            if states.contains(&row.state) {
                return row.state;
            }
            let last = oyez_model::EventSeq(row.events);
            store.wait(id, last, Duration::from_millis(200)).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap()
}

async fn done(store: &Arc<dyn Store>, id: JobId) -> JobState {
    until(store, id, &JobState::ALL.into_iter().filter(|s| s.is_final()).collect::<Vec<_>>()).await
}

async fn started(store: &Arc<dyn Store>, id: JobId) -> oyez_model::Time {
    store.job(id).await.unwrap().row.started.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_have_their_turn_by_priority_and_then_as_they_came() {
    let store = store();
    let manager = manager(&store, 1);
    let first = submit(&manager, &nap("T0", "100ms"), 0).await;
    let mut ids = Vec::new();
    for (at, priority) in [0, 0, 7, -1].into_iter().enumerate() {
        ids.push(submit(&manager, &nap(&format!("T{}", at + 1), "1ms"), priority).await);
    }
    assert_eq!(store.job(ids[0]).await.unwrap().row.state, JobState::Queued);
    assert_eq!((manager.load().running, manager.load().queued), (1, 4));
    for id in ids.iter().chain([&first]) {
        assert_eq!(done(&store, *id).await, JobState::Completed);
    }
    let mut order = Vec::new();
    for id in &ids {
        order.push((started(&store, *id).await, *id));
    }
    order.sort_unstable();
    let order: Vec<JobId> = order.into_iter().map(|(_, id)| id).collect();
    assert_eq!(order, [ids[2], ids[0], ids[1], ids[3]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_busy_target_has_it_by_priority_and_then_as_they_came() {
    let store = store();
    let manager = manager(&store, 100);
    let first = submit(&manager, &nap("T1", "400ms"), 0).await;
    until(&store, first, &[JobState::Started]).await;
    let mut ids = Vec::new();
    for priority in [0, 0, 7] {
        let id = submit(&manager, &nap("T1", "10ms"), priority).await;
        // It is in line before the next one comes.
        let wait = async {
            while store.job(id).await.unwrap().row.runs == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        ids.push(id);
    }
    let lab = Lab::on(store.clone(), EngineOptions::default());
    let mut order = Vec::new();
    for id in &ids {
        assert_eq!(done(&store, *id).await, JobState::Completed);
        let events = lab.events(*id).await;
        let had = events.iter().find(|event| event.body.name() == "target_acquired").unwrap();
        order.push((had.time, *id));
    }
    order.sort_unstable();
    let order: Vec<JobId> = order.into_iter().map(|(_, id)| id).collect();
    assert_eq!(order, [ids[2], ids[0], ids[1]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_job_is_cancelled_without_its_turn() {
    let store = store();
    let manager = manager(&store, 1);
    let first = submit(&manager, &nap("T0", "1h"), 0).await;
    let second = submit(&manager, &nap("T1", "1h"), 0).await;
    manager.control(second, Verb::Cancel, "me", Some("enough".to_owned())).await.unwrap();
    assert_eq!(done(&store, second).await, JobState::Cancelled);
    assert_eq!(store.job(second).await.unwrap().row.started, None);
    manager.control(first, Verb::Cancel, "me", None).await.unwrap();
    assert_eq!(done(&store, first).await, JobState::Cancelled);
    let again = manager.control(first, Verb::Cancel, "me", None).await.unwrap_err();
    assert!(matches!(again, ControlError::Ended { state: JobState::Cancelled, .. }), "{again}");
    let none = manager.control(JobId(99), Verb::Cancel, "me", None).await.unwrap_err();
    assert!(matches!(none, ControlError::NoJob(JobId(99))), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_job_keeps_its_targets_until_it_goes_on_or_is_cancelled() {
    let store = store();
    let manager = manager(&store, 10);
    let id = submit(&manager, &nap("T1", "300ms"), 0).await;
    until(&store, id, &[JobState::Started]).await;
    manager.control(id, Verb::Pause, "me", None).await.unwrap();
    until(&store, id, &[JobState::Paused]).await;
    let wrong = manager.control(id, Verb::Pause, "me", None).await;
    // It may still be on its way out of the list of those that run: then it hears of it once more.
    assert!(wrong.is_ok() || matches!(wrong, Err(ControlError::WrongState { .. })), "{wrong:?}");
    let held = store.held_targets(None, 9).await.unwrap();
    assert!(held.len() <= 1);
    while manager.load().running > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    manager.control(id, Verb::Resume, "me", None).await.unwrap();
    assert_eq!(done(&store, id).await, JobState::Completed);
    let other = submit(&manager, &nap("T2", "1h"), 0).await;
    let lab = Lab::on(store.clone(), EngineOptions::default());
    while !lab.events(other).await.iter().any(|event| event.body.name() == "target_in") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    manager.control(other, Verb::Pause, "me", None).await.unwrap();
    until(&store, other, &[JobState::Paused]).await;
    assert_eq!(store.held_targets(None, 9).await.unwrap()[0].target, "T2");
    while manager.load().running > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    manager.control(other, Verb::Cancel, "me", None).await.unwrap();
    assert_eq!(done(&store, other).await, JobState::Cancelled);
    manager.shutdown(Shutdown::Drain).await;
    assert_eq!(store.held_targets(None, 9).await.unwrap(), vec![]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_repeated_from_its_request_and_linked_to_it() {
    let store = store();
    let manager = manager(&store, 10);
    let mut descriptor = job(vec![test("A", &["T1"], vec![echo("s", "x")])]);
    descriptor["Tags"] = json!(["nightly"]);
    let id = submit(&manager, &descriptor, 3).await;
    done(&store, id).await;
    let (again, _) = manager.retry(id, "me").await.unwrap();
    assert_eq!(done(&store, again).await, JobState::Completed);
    let (first, second) = (store.job(id).await.unwrap().row, store.job(again).await.unwrap().row);
    assert_eq!((second.name, second.tags, second.requestor.as_str()), (first.name, first.tags, "me"));
    let lab = Lab::on(store.clone(), EngineOptions::default());
    let linked = lab.events(again).await.into_iter().find_map(|event| match event.body {
        EventBody::JobLinked(linked) => Some(linked),
        _ => None,
    });
    let linked = linked.unwrap();
    assert_eq!((linked.relation.as_str(), linked.job), ("repeats", first.uid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_writes_into_the_journal_is_obeyed() {
    let store = store();
    let manager = manager(&store, 10);
    let id = submit(&manager, &nap("T1", "1h"), 0).await;
    until(&store, id, &[JobState::Started]).await;
    let asked = JobControl { verb: Verb::Cancel, by: "somebody".to_owned(), why: Some("lunch".to_owned()) };
    let batch = Batch {
        producer: ProducerId::from_random(7),
        first: EventNumber(1),
        events: vec![NewEvent::new(SystemClock.now(), asked)],
        epoch: None,
    };
    store.append(id, batch).await.unwrap();
    assert_eq!(done(&store, id).await, JobState::Cancelled);
    let lab = Lab::on(store.clone(), EngineOptions::default());
    let asked = lab.events(id).await.iter().filter(|event| event.body.name() == "job_control").count();
    assert_eq!(asked, 1, "it is recorded once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_goes_on_with_what_was_paused_because_the_last_one_ended() {
    let store = store();
    let first = manager(&store, 2);
    first.recover().await.unwrap();
    let ids = [
        submit(&first, &nap("T1", "500ms"), 0).await,
        submit(&first, &nap("T2", "500ms"), 0).await,
        submit(&first, &nap("T3", "1ms"), 0).await,
    ];
    until(&store, ids[1], &[JobState::Started]).await;
    first.shutdown(Shutdown::Pause { timeout: None }).await;
    assert!(matches!(first.submit(request(&nap("T4", "1ms"))).await, Err(oyez_engine::SubmitError::Closing)));
    assert_eq!(store.job(ids[2]).await.unwrap().row.state, JobState::Queued);
    let second = manager(&store, 2);
    let found = second.recover().await.unwrap();
    assert_eq!((found.resumed, found.paused, found.failed), (3, 0, 0));
    for id in ids {
        assert_eq!(done(&store, id).await, JobState::Completed);
        assert_eq!(store.job(id).await.unwrap().row.complete.as_str(), "yes");
    }
    second.shutdown(Shutdown::Drain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_halted_in_time_when_the_server_ends_is_cancelled() {
    let store = store();
    let manager = manager(&store, 2);
    let slow = job(vec![test("A", &["T1"], vec![super::lab::shell("s", "sleep 60")])]);
    let (id, halts) = (submit(&manager, &slow, 0).await, submit(&manager, &nap("T2", "1h"), 0).await);
    let lab = Lab::on(store.clone(), EngineOptions::default());
    for id in [id, halts] {
        while !lab.events(id).await.iter().any(|event| event.body.name() == "target_in") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    manager.shutdown(Shutdown::Pause { timeout: Some(Duration::from_millis(300)) }).await;
    assert_eq!(store.job(id).await.unwrap().row.state, JobState::Cancelled);
    assert_eq!(store.job(halts).await.unwrap().row.state, JobState::Paused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_at_a_time_has_a_name() {
    let store = store();
    let first = manager(&store, 2);
    first.recover().await.unwrap();
    let second = manager(&store, 2).recover().await.unwrap_err();
    assert!(matches!(&second, RecoverError::Taken { name, .. } if name == "lab"), "{second}");
    named(&store, "other", 2, OnRestart::Resume).recover().await.unwrap();
    first.shutdown(Shutdown::Cancel).await;
    manager(&store, 2).recover().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_servers_jobs_go_on_or_fail_as_was_chosen_and_leave_no_lock() {
    for (rule, expected) in [(OnRestart::Resume, JobState::Completed), (OnRestart::Fail, JobState::Failed)] {
        let store = store();
        let lab = Lab::on(store.clone(), EngineOptions::default());
        let mut new = request(&nap("T1", "200ms"));
        new.server_id = Some("lab".to_owned());
        let queued = lab.engine.enqueue(new).await.unwrap();
        let id = queued.id();
        let handle = lab.engine.claim(&queued).await.unwrap();
        let run = lab.engine.run(handle, Default::default(), None);
        // Its process dies while the target sleeps.
        let _cut = tokio::time::timeout(Duration::from_millis(100), run).await;
        let owner = store.holder(&LeaseName::Job(id)).await.unwrap().unwrap().owner;
        let dead = Owner { pid: i32::MAX.unsigned_abs(), ..owner.clone() };
        // As if another process had held it.
        for name in [LeaseName::Job(id), LeaseName::Target("T1".to_owned())] {
            store.release(std::slice::from_ref(&name), &owner).await.unwrap();
            store.acquire(&[name], &dead, Some(id), Duration::from_secs(10)).await.unwrap();
        }
        let manager = named(&store, "lab", 2, rule);
        let found = manager.recover().await.unwrap();
        assert_eq!((found.resumed + found.failed, found.paused), (1, 0), "{rule:?}");
        assert_eq!(done(&store, id).await, expected, "{rule:?}");
        let row = store.job(id).await.unwrap().row;
        if rule == OnRestart::Fail {
            assert_eq!(row.error, Some(format!("Job {id} was zombieed")));
        }
        manager.shutdown(Shutdown::Drain).await;
        assert_eq!(store.held_targets(None, 9).await.unwrap(), vec![], "{rule:?}");
    }
}
