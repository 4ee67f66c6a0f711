//! Every call of the file system fails once, in each way it can: what was acked stays, and the store goes on.

#![expect(clippy::unwrap_used, reason = "these are tests: a panic is their report")]

use std::path::Path;
use std::sync::Arc;

use oyez_model::{JobId, JobState, Outcome, ProducerId};
use oyez_store::blobs::Blobs;
use oyez_store::conformance::events::{batch, begin, end, job, left, owner, producer, state, test};
use oyez_store::conformance::ledger::Ledger;
use oyez_store::conformance::{blob, clock};
use oyez_store::sim::{Fault, FaultyObjects, SimFiles, Vfs};
use oyez_store::sqlite::{FsckOptions, fsck};
use oyez_store::{Durability, LeaseName, SqliteOptions, SqliteStore, Store, StoreError};

const FOLDER: &str = "/store";

struct Machine {
    files: SimFiles,
    vfs: Vfs,
    blobs: Blobs,
    durability: Durability,
}

impl Machine {
    fn new(files: SimFiles, durability: Durability) -> Self {
        let vfs = Vfs::register(Arc::new(files.clone())).unwrap();
        let blobs = Blobs::new(Arc::new(FaultyObjects::new()), Path::new("objects"));
        Machine { files, vfs, blobs, durability }
    }

    fn options(&self) -> SqliteOptions {
        SqliteOptions {
            durability: self.durability,
            clock: clock(),
            vfs: Some(self.vfs.name()),
            blobs: Some(self.blobs.clone()),
            ..SqliteOptions::default()
        }
    }

    fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(Path::new(FOLDER), self.options())
    }

    /// Moves the log into the file, as another process may at any time.
    fn checkpoint(&self) {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let file = format!("{FOLDER}/oyez.db");
        if let Ok(conn) = rusqlite::Connection::open_with_flags_and_vfs(file, flags, self.vfs.name().as_str())
        {
            let _ = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }

    fn assert_clean(&self) {
        let report = fsck(Path::new(FOLDER), &FsckOptions::default(), &self.options(), |_, _| {}).unwrap();
        assert!(report.jobs > 0 && report.events > 0);
        assert_eq!(report.findings, vec![]);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The life of a job; steps that fail are done again when `insist` is set.
async fn workload(machine: &Machine, store: &SqliteStore, ledger: &mut Ledger, insist: bool) {
    let check = |e: &StoreError| {
        assert!(!insist, "{e}");
        // Trouble of the device is never taken for damage of what is stored.
        assert!(!matches!(e, StoreError::Damaged { .. }), "{e}");
    };
    let mut new = job(1, &["t"], &["g"]);
    new.then.push(state(JobState::Started));
    let Ok(id) = store.create_job(new).await.inspect_err(check) else { return };
    let tree = vec![test(1, "t"), begin(2, 1, "s"), end(2, Some(Outcome::Failed)), begin(3, 1, "open")];
    let _ = store.append(id, batch(producer(7), 1, tree)).await.inspect_err(check);
    for round in 1..4 {
        for p in 1..3 {
            let _ = ledger.send(store, id, producer(p), round * p).await.inspect_err(check);
        }
        if round == 2 {
            machine.checkpoint();
        }
        let _ = store.put_blob(blob::noise(round, 3000)).await.inspect_err(check);
    }
    let names = [LeaseName::Job(id)];
    let _ = store
        .acquire(&names, &owner(1), Some(id), std::time::Duration::from_secs(9))
        .await
        .inspect_err(check);
    let rest = vec![end(3, None), end(1, None), left()];
    let _ = store.append(id, batch(producer(7), 5, rest)).await;
    let _ = store
        .append(id, batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)]))
        .await
        .inspect_err(check);
    // A late word, so that a merged job is touched again.
    let _ = ledger.send(store, id, producer(1), 2).await.inspect_err(check);
}

/// One run with a fault at the n-th call; says whether there was such a call.
fn run(fault: Fault, nth: u64, for_good: bool, durability: Durability) -> bool {
    let machine = Machine::new(SimFiles::new(), durability);
    let runtime = runtime();
    let mut ledger = Ledger::new();
    machine.files.arm(fault, nth, for_good);
    let store = machine.open().inspect_err(|e| assert!(!matches!(e, StoreError::Damaged { .. }), "{e}")).ok();
    if let Some(store) = &store {
        runtime.block_on(workload(&machine, store, &mut ledger, false));
        if !for_good {
            assert_eq!(runtime.block_on(ledger.broken(store)).unwrap_or_default(), Vec::<String>::new());
        }
    }
    let hit = machine.files.hits() > 0;
    machine.files.disarm();
    // The trouble is over, and the same store goes on.
    let store = store.unwrap_or_else(|| machine.open().unwrap());
    runtime.block_on(async {
        ledger.send_open(&store).await.unwrap();
        workload(&machine, &store, &mut ledger, true).await;
        store.close().await.unwrap();
    });
    drop(store);
    machine.checkpoint();
    let store = machine.open().unwrap();
    assert_eq!(runtime.block_on(ledger.broken(&store)).unwrap(), Vec::<String>::new());
    assert_eq!(runtime.block_on(store.job(JobId(1))).unwrap().row.state, JobState::Completed);
    runtime.block_on(store.close()).unwrap();
    drop(store);
    machine.assert_clean();
    hit
}

fn every_call(fault: Fault, for_good: bool, durability: Durability) {
    let calls = (1..).take_while(|n| run(fault, *n, for_good, durability)).count();
    println!("{fault:?} at each of {calls} calls");
    assert!(calls > 10, "{calls}");
}

#[test]
fn no_room_for_any_one_write_loses_nothing() {
    every_call(Fault::NoSpace, false, Durability::Process);
}

#[test]
fn a_short_write_anywhere_loses_nothing() {
    every_call(Fault::ShortWrite, false, Durability::Power);
}

#[test]
fn an_error_of_any_one_call_loses_nothing() {
    every_call(Fault::Io, false, Durability::Power);
}

#[test]
fn a_failed_sync_anywhere_loses_nothing() {
    every_call(Fault::Sync, false, Durability::Power);
}

#[test]
fn a_full_disk_stops_acks_and_not_the_process() {
    every_call(Fault::NoSpace, true, Durability::Process);
}

#[test]
fn a_device_that_fails_for_good_and_comes_back_loses_nothing() {
    every_call(Fault::Io, true, Durability::Power);
}

#[test]
fn a_producer_goes_on_where_it_was_once_there_is_room_again() {
    let machine = Machine::new(SimFiles::new(), Durability::Process);
    let store = machine.open().unwrap();
    runtime().block_on(async {
        let id = store.create_job(job(1, &[], &[])).await.unwrap();
        let mut ledger = Ledger::new();
        for round in 0..5 {
            ledger.send(&store, id, producer(1), 3).await.unwrap();
            machine.files.arm(Fault::NoSpace, 1, true);
            for _ in 0..3 {
                let full = ledger.send(&store, id, producer(1), 3).await.unwrap_err();
                assert!(matches!(full, StoreError::Full { .. }) && full.is_transient(), "{full:?}");
            }
            // What is kept can still be read, and its acks are given again.
            assert_eq!(store.job(id).await.unwrap().row.events, 1 + 3 + 6 * round);
            machine.files.disarm();
            ledger.send_open(&store).await.unwrap();
        }
        assert_eq!(ledger.acked(), 30);
        assert_eq!(ledger.broken(&store).await.unwrap(), Vec::<String>::new());
        store.close().await.unwrap();
    });
}

#[test]
fn a_blob_is_kept_or_refused_whatever_the_object_store_does() {
    let machine = Machine::new(SimFiles::new(), Durability::Process);
    let objects = Arc::new(FaultyObjects::new());
    let blobs = Blobs::new(objects.clone(), Path::new("objects"));
    let options = SqliteOptions { blobs: Some(blobs), ..machine.options() };
    let store = SqliteStore::open(Path::new(FOLDER), options).unwrap();
    runtime().block_on(async {
        for (n, fault) in Fault::ALL.into_iter().enumerate() {
            let bytes = blob::noise(n as u64, 100_000);
            // The first call looks whether it is there, the second puts it.
            objects.arm(fault, 2, false);
            let failed = store.put_blob(bytes.clone()).await.unwrap_err();
            let full = matches!(fault, Fault::NoSpace | Fault::ShortWrite);
            assert_eq!(matches!(failed, StoreError::Full { .. }), full, "{failed:?}");
            let hash = store.put_blob(bytes.clone()).await.unwrap();
            objects.arm(fault, 1, false);
            assert!(store.get_blob(hash).await.unwrap_err().is_transient());
            assert!(store.get_blob(hash).await.unwrap() == bytes);
            // What a disk has flipped is found out, and mended when the same is put again.
            let hex = hash.to_string();
            let key = object_store::path::Path::from(format!("{}/{}", &hex[..2], &hex[2..]));
            objects.flip(&key, 5000).await.unwrap();
            assert!(matches!(store.get_blob(hash).await, Err(StoreError::Damaged { .. })));
            store.put_blob(bytes.clone()).await.unwrap();
            assert!(store.get_blob(hash).await.unwrap() == bytes);
        }
        store.close().await.unwrap();
    });
}
