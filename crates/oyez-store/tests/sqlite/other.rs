//! Another process on the same store: this test's own executable, started again with orders in its environment.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use oyez_model::{EventSeq, JobId, JobState, ProducerId};
use oyez_store::conformance::events::{batch, job, lines, producer, state};
use oyez_store::{SqliteOptions, SqliteStore, Store, StoreError};

use super::{journal, options, runtime, try_open};

const FOLDER: &str = "OYEZ_OTHER_FOLDER";
const ORDERS: &str = "OYEZ_OTHER_ORDERS";

/// Does what the orders say; nothing when this process was not started by [`start`].
#[test]
fn another_process_does_as_it_is_told() {
    let (Some(folder), Ok(orders)) = (std::env::var_os(FOLDER), std::env::var(ORDERS)) else { return };
    let folder = Path::new(&folder);
    let words: Vec<&str> = orders.split(' ').collect();
    let n = |at: usize| words[at].parse::<u64>().unwrap();
    runtime().block_on(async {
        match words[0] {
            "append" => append(folder, JobId(n(1)), n(2), n(3)).await,
            "whole-job" => whole_job(folder, n(1) as u8).await,
            "only-read" => only_read(folder, n(1)).await,
            other => panic!("{other}"),
        }
    });
}

/// Starts it; `as_nobody` without the rights of the system's owner.
pub fn start(folder: &Path, orders: &str, as_nobody: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "other::another_process_does_as_it_is_told";
    command.args(["--exact", name, "--nocapture"]).env(FOLDER, folder).env(ORDERS, orders);
    if as_nobody && rustix::process::getuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    command.spawn().unwrap()
}

/// Batches of one producer to a job that is there, one event at a time.
async fn append(folder: &Path, job: JobId, who: u64, n: u64) {
    let store = try_open(folder).unwrap();
    for number in 1..=n {
        store.append(job, lines(producer(who), number, 1)).await.unwrap();
    }
    store.close().await.unwrap();
}

/// What `oyez exec` does: a job of its own from begin to end.
async fn whole_job(folder: &Path, n: u8) {
    let store = SqliteStore::open(folder, options()).unwrap();
    let mut new = job(n, &["exec"], &[]);
    new.then.push(state(JobState::Started));
    let id = store.create_job(new).await.unwrap();
    store.append(id, lines(producer(1), 1, 20)).await.unwrap();
    store.append(id, batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)])).await.unwrap();
    assert_eq!(store.job(id).await.unwrap().row.events, 23);
    store.close().await.unwrap();
}

/// A folder that this process cannot write: everything can be read, nothing is taken.
async fn only_read(folder: &Path, events: u64) {
    let refused = try_open(folder).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    let options = SqliteOptions { read_only: true, ..options() };
    let store = SqliteStore::open(folder, options).unwrap();
    let id = store.find("latest").await.unwrap()[0];
    assert_eq!(journal(&store, id).await.unwrap().len() as u64, events);
    assert_eq!(store.jobs(Default::default()).await.unwrap().len() as u64, id.0);
    assert_eq!(store.wait(id, EventSeq(0), std::time::Duration::ZERO).await.unwrap(), EventSeq(events));
    let reader = store.reader(id).await.unwrap();
    oyez_store::conformance::read::whole_tree(&*reader).unwrap();
    for refused in [
        store.append(id, lines(producer(1), 1, 1)).await.unwrap_err(),
        store.create_job(job(9, &[], &[])).await.unwrap_err(),
        store.put_blob(bytes::Bytes::from_static(b"small")).await.unwrap_err(),
        store.put_blob(bytes::Bytes::from(vec![7; 100_000])).await.unwrap_err(),
    ] {
        assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    }
    store.close().await.unwrap();
    let folder = folder.to_owned();
    let report = tokio::task::spawn_blocking(move || super::check(&folder, false).unwrap()).await.unwrap();
    assert_eq!((report.findings, report.jobs), (vec![], id.0));
}
