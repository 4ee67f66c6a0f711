//! Rules about beginning, listing and finding jobs.

use std::time::Duration;

use oyez_model::{EventSeq, JobId, JobState, ProducerId};

use super::events::{self, job, owner, state};
use super::{Form, clock};
use crate::api::{JobFilter, LeaseName, MAX_BATCH_EVENTS, Store};
use crate::error::StoreError;

async fn list(store: &dyn Store, filter: JobFilter) -> Vec<u64> {
    store.jobs(filter).await.unwrap().iter().map(|info| info.id.0).collect()
}

/// Every way to name a job leads to it.
pub async fn a_job_is_found_by_its_number_its_uid_its_guid_and_as_the_latest(form: &dyn Form) {
    let store = form.open(clock());
    assert_eq!(store.find("latest").await.unwrap(), vec![]);
    let first = store.create_job(job(1, &[], &["ticket 7"])).await.unwrap();
    let second = store.create_job(job(2, &[], &["1", "ticket 8"])).await.unwrap();
    assert_eq!((first, second), (JobId(1), JobId(2)));
    assert_eq!(store.find("latest").await.unwrap(), vec![second]);
    // A number is a number before it is a guid.
    assert_eq!(store.find("1").await.unwrap(), vec![first]);
    assert_eq!(store.find(&events::uid(2).to_string()).await.unwrap(), vec![second]);
    assert_eq!(store.find("ticket 7").await.unwrap(), vec![first]);
    for nothing in ["", "3", "0", "-1", "18446744073709551616", "ticket", "LATEST", "' OR 1 --", "a\0b"] {
        assert_eq!(store.find(nothing).await.unwrap(), vec![], "{nothing:?}");
    }
    let info = store.job(second).await.unwrap();
    assert_eq!((info.id, info.row.uid, info.row.name.as_str()), (second, events::uid(2), "job 2"));
    assert_eq!((info.row.state, info.row.events, info.owner), (JobState::Unknown, 1, None));
}

/// A caller that does not know whether its job was taken asks again.
pub async fn the_same_uid_again_is_a_success_with_the_first_number(form: &dyn Form) {
    let store = form.open(clock());
    let first = store.create_job(job(1, &["a"], &[])).await.unwrap();
    let other = store.create_job(job(2, &[], &[])).await.unwrap();
    let mut again = job(1, &["b"], &[]);
    again.owner = Some(owner(1));
    assert_eq!(store.create_job(again).await.unwrap(), first);
    let info = store.job(first).await.unwrap();
    assert_eq!((info.row.tags, info.row.events, info.owner), (vec!["a".to_owned()], 1, None));
    assert_eq!(list(&*store, JobFilter::default()).await, vec![other.0, first.0]);
}

/// What comes with a job is numbered from 2 and kept in the same commit.
pub async fn a_job_begins_with_the_events_that_come_with_it(form: &dyn Form) {
    let store = form.open(clock());
    let mut new = job(1, &[], &[]);
    new.then = vec![state(JobState::Queued), state(JobState::Started)];
    let id = store.create_job(new).await.unwrap();
    let info = store.job(id).await.unwrap();
    assert_eq!((info.row.state, info.row.events), (JobState::Started, 3));
    // The producer goes on after them, and they are known when they are sent again.
    let ack = store
        .append(
            id,
            events::batch(ProducerId::FIRST, 2, vec![state(JobState::Queued), state(JobState::Started)]),
        )
        .await
        .unwrap();
    assert_eq!((ack.first, ack.last), (EventSeq(2), EventSeq(3)));
    let ack = store.append(id, events::lines(ProducerId::FIRST, 4, 1)).await.unwrap();
    assert_eq!((ack.first, ack.last), (EventSeq(4), EventSeq(4)));
}

/// No job without events, no row without a job.
pub async fn a_job_that_is_refused_leaves_no_trace(form: &dyn Form) {
    let store = form.open(clock());
    let mut new = job(1, &[], &["g"]);
    new.then = (0..MAX_BATCH_EVENTS).map(|_| state(JobState::Started)).collect();
    let refused = store.create_job(new).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused:?}");
    // Somebody holds the lease of the next job already.
    let name = [LeaseName::Job(JobId(1))];
    store.acquire(&name, &owner(9), None, Duration::from_secs(10)).await.unwrap();
    let mut new = job(2, &[], &["g"]);
    new.owner = Some(owner(1));
    let refused = store.create_job(new).await.unwrap_err();
    assert!(matches!(refused, StoreError::Held { .. }), "{refused:?}");
    store.release(&name, &owner(9)).await.unwrap();
    assert_eq!(list(&*store, JobFilter::default()).await, Vec::<u64>::new());
    assert_eq!(store.find("g").await.unwrap(), vec![]);
    assert_eq!(store.find("latest").await.unwrap(), vec![]);
    // Both can begin now.
    let (a, b) = (store.create_job(job(1, &[], &["g"])).await, store.create_job(job(2, &[], &["g"])).await);
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a < b);
    assert_eq!(list(&*store, JobFilter::default()).await, vec![b.0, a.0]);
}

/// Newest first; states are any of, tags are all of, and everything holds together.
pub async fn a_list_is_newest_first_and_all_filters_hold_at_once(form: &dyn Form) {
    let store = form.open(clock());
    store.create_job(job(1, &["x", "y"], &["g"])).await.unwrap();
    store.create_job(job(2, &["y"], &["g", "h"])).await.unwrap();
    store.create_job(job(3, &[], &[])).await.unwrap();
    events::started(&*store, 4).await;
    let all = JobFilter::default;
    assert_eq!(list(&*store, all()).await, [4, 3, 2, 1]);
    assert_eq!(list(&*store, JobFilter { limit: 2, ..all() }).await, [4, 3]);
    assert_eq!(list(&*store, JobFilter { limit: 2, before: Some(JobId(3)), ..all() }).await, [2, 1]);
    assert_eq!(list(&*store, JobFilter { before: Some(JobId(1)), ..all() }).await, Vec::<u64>::new());
    assert_eq!(list(&*store, JobFilter { before: Some(JobId(u64::MAX)), ..all() }).await, [4, 3, 2, 1]);
    assert_eq!(list(&*store, JobFilter { tags: vec!["y".into()], ..all() }).await, [2, 1]);
    assert_eq!(list(&*store, JobFilter { tags: vec!["y".into(), "x".into()], ..all() }).await, [1]);
    assert_eq!(list(&*store, JobFilter { tags: vec!["z".into()], ..all() }).await, Vec::<u64>::new());
    assert_eq!(list(&*store, JobFilter { guid: Some("g".into()), ..all() }).await, [2, 1]);
    let both = JobFilter { guid: Some("g".into()), tags: vec!["x".into()], ..all() };
    assert_eq!(list(&*store, both).await, [1]);
    let states = vec![JobState::Started, JobState::Failed];
    assert_eq!(list(&*store, JobFilter { states, ..all() }).await, [4]);
    let states = vec![JobState::Started, JobState::Unknown];
    assert_eq!(list(&*store, JobFilter { states, limit: 3, ..all() }).await, [4, 3, 2]);
}

/// Several servers may share a store.
pub async fn jobs_are_listed_by_their_server_and_their_numbers(form: &dyn Form) {
    let store = form.open(clock());
    for (n, server) in [(1, Some("a")), (2, None), (3, Some("b")), (4, Some("a"))] {
        let mut new = job(n, &["t"], &[]);
        new.submitted.server_id = server.map(str::to_owned);
        store.create_job(new).await.unwrap();
    }
    let by_server = JobFilter { server: Some("a".to_owned()), ..JobFilter::default() };
    assert_eq!(list(&*store, by_server.clone()).await, [4, 1]);
    assert_eq!(store.job_ids(by_server.clone()).await.unwrap(), [JobId(4), JobId(1)]);
    let ids = vec![JobId(1), JobId(3), JobId(9)];
    assert_eq!(list(&*store, JobFilter { ids: ids.clone(), ..JobFilter::default() }).await, [3, 1]);
    assert_eq!(list(&*store, JobFilter { ids, ..by_server }).await, [1]);
    assert_eq!(store.job(JobId(3)).await.unwrap().row.server_id.as_deref(), Some("b"));
}

/// A job moves from list to list as its state changes.
pub async fn a_list_follows_a_jobs_state(form: &dyn Form) {
    let store = form.open(clock());
    let id = events::started(&*store, 1).await;
    let with = |s: JobState| JobFilter { states: vec![s], ..JobFilter::default() };
    assert_eq!(list(&*store, with(JobState::Started)).await, [id.0]);
    let batch = events::batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)]);
    store.append(id, batch).await.unwrap();
    assert_eq!(list(&*store, with(JobState::Started)).await, Vec::<u64>::new());
    assert_eq!(list(&*store, with(JobState::Completed)).await, [id.0]);
    let info = store.job(id).await.unwrap();
    assert_eq!((info.row.state, info.row.ended), (JobState::Completed, Some(events::at(1))));
}

/// Whoever asks by guid decides what to do with several.
pub async fn a_guid_of_several_jobs_finds_them_newest_first(form: &dyn Form) {
    let store = form.open(clock());
    for n in 1..=120 {
        store.create_job(job(n, &[], &["nightly"])).await.unwrap();
    }
    let found = store.find("nightly").await.unwrap();
    assert_eq!(found, (21..=120).rev().map(JobId).collect::<Vec<_>>());
}

/// Also for numbers that no store can ever give.
pub async fn a_job_that_is_not_there_is_a_typed_error_everywhere(form: &dyn Form) {
    let store = form.open(clock());
    let here = events::started(&*store, 1).await;
    for n in [0, here.0 + 1, (1 << 27) + here.0, (1 << 28) + here.0, 1 << 63, u64::MAX] {
        let id = JobId(n);
        let no = StoreError::NoJob(id);
        assert_eq!(store.job(id).await.unwrap_err(), no, "{n}");
        assert_eq!(store.append(id, events::lines(ProducerId::FIRST, 1, 1)).await.unwrap_err(), no, "{n}");
        assert_eq!(store.append(id, events::lines(ProducerId::FIRST, 3, 1)).await.unwrap_err(), no, "{n}");
        assert_eq!(store.reader(id).await.err(), Some(no.clone()), "{n}");
        assert_eq!(store.wait(id, EventSeq(0), Duration::from_millis(1)).await.unwrap_err(), no, "{n}");
        assert_eq!(store.find(&n.to_string()).await.unwrap(), vec![], "{n}");
    }
    assert_eq!(store.job(here).await.unwrap().row.events, 2);
}
