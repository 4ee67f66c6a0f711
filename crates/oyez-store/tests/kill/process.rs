//! The process that has the store open and is killed.
//!
//! It speaks lines over the socket that is its standard input; each is answered when its task is done, so answers come in
//! any order:
//!
//! | line | answer |
//! |---|---|
//! | `create N` | `job N ID` |
//! | `append JOB PRODUCER FIRST COUNT` | `ack JOB PRODUCER FIRST-SEQ LAST-SEQ` or `gap JOB PRODUCER EXPECTED` |
//! | `section JOB NUMBER` | `section JOB NUMBER` |
//! | `left JOB FIRST` | `left JOB` |
//! | `end JOB` | `ended JOB` |
//! | `blob SEED BYTES` | `blob SEED HASH` |
//! | `close` | `closed`, and the process ends |
//!
//! Anything that goes wrong is answered by `error ...`.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use oyez_model::{JobId, JobState, ProducerId};
use oyez_store::conformance::events::{batch, begin, end, job, left, line, lines, producer, state};
use oyez_store::conformance::{blob, clock};
use oyez_store::{SqliteOptions, SqliteStore, Store, StoreError};

pub const FOLDER: &str = "OYEZ_KILL_FOLDER";
pub const POINT: &str = "OYEZ_KILL_POINT";
pub const PASS: &str = "OYEZ_KILL_PASS";
pub const INDEX: &str = "OYEZ_KILL_INDEX";
pub const SKIP_RECOVERY: &str = "OYEZ_KILL_SKIP_RECOVERY";

/// Serves, if this process was started for it.
pub fn serve() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    arm();
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let out = Arc::new(Mutex::new(socket.try_clone().unwrap()));
    let say = move |text: String| {
        // When nobody listens any more, the end is near.
        let _ = out.lock().unwrap().write_all((text + "\n").as_bytes());
    };
    let options = SqliteOptions { clock: clock(), ..SqliteOptions::default() };
    let store = match SqliteStore::open(Path::new(&folder), options) {
        Ok(store) => Arc::new(store),
        Err(e) => return say(format!("error open {e}")),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for text in BufReader::new(socket).lines() {
        let Ok(text) = text else { break };
        if text == "close" {
            runtime.block_on(store.close()).unwrap();
            say("closed".to_owned());
            break;
        }
        let (store, say) = (store.clone(), say.clone());
        runtime.spawn(async move {
            let answer = answer(&store, &text).await;
            say(answer.unwrap_or_else(|e| format!("error {text}: {e}")));
        });
    }
}

/// Sets the failpoint at which this process kills itself.
fn arm() {
    if std::env::var_os(SKIP_RECOVERY).is_some() {
        fail::cfg("store::skip-recovery", "return").unwrap();
    }
    let (Ok(point), Ok(pass)) = (std::env::var(POINT), std::env::var(PASS)) else { return };
    let (pass, passed) = (pass.parse::<u64>().unwrap(), AtomicU64::new(0));
    let kill = move || {
        if passed.fetch_add(1, Ordering::SeqCst) + 1 == pass {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // Until the signal has come.
            loop {
                std::thread::park();
            }
        }
    };
    fail::cfg_callback(point, kill).unwrap();
}

async fn answer(store: &SqliteStore, text: &str) -> Result<String, StoreError> {
    let words: Vec<&str> = text.split(' ').collect();
    let n = |at: usize| words[at].parse::<u64>().unwrap();
    Ok(match words[0] {
        "create" => {
            let mut new = job(n(1) as u8, &["kill"], &[]);
            new.then.push(state(JobState::Started));
            format!("job {} {}", n(1), store.create_job(new).await?)
        }
        "append" => match store.append(JobId(n(1)), lines(ProducerId(n(2)), n(3), n(4))).await {
            Ok(ack) => format!("ack {} {} {} {}", n(1), n(2), ack.first, ack.last),
            Err(StoreError::Gap { expected, .. }) => format!("gap {} {} {expected}", n(1), n(2)),
            Err(e) => return Err(e),
        },
        "section" => {
            let id = n(2);
            let events = vec![begin(id, 0, "s"), line(id, "log"), end(id, None)];
            store.append(JobId(n(1)), batch(producer(99), 3 * id - 2, events)).await?;
            format!("section {} {id}", n(1))
        }
        "left" => {
            store.append(JobId(n(1)), batch(producer(98), n(2), vec![line(0, "bye"), left()])).await?;
            format!("left {}", n(1))
        }
        "end" => {
            let ended = batch(ProducerId::FIRST, 3, vec![state(JobState::Completed)]);
            store.append(JobId(n(1)), ended).await?;
            if std::env::var_os(INDEX).is_some() {
                store.index_logs().await?;
            }
            format!("ended {}", n(1))
        }
        "blob" => {
            let hash = store.put_blob(blob::noise(n(1), n(2) as usize)).await?;
            format!("blob {} {hash}", n(1))
        }
        other => format!("error unknown word {other}"),
    })
}
