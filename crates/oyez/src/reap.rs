//! Jobs whose process is gone: they read `Failed`, cut off, instead of running for ever.
//!
//! A process that ends by SIGKILL cannot say so. Whoever opens the store next says it for it: when the owner is known
//! dead on this host, or its lease has run out and it cannot be asked. The same words get the same numbers of the same
//! producer whoever says them, so that two at once say them only once. Jobs of `oyez serve` are not among them: the next
//! server goes on with those.

use std::time::Duration;

use oyez_model::event::{JobStateChanged, ProducerBroke};
use oyez_model::{EventNumber, EventSeq, JobId, JobState, ProducerId};
use oyez_store::owner::host;
use oyez_store::{Batch, Clock, JobFilter, JobInfo, NewEvent, Store, StoreError, SystemClock};

/// Says of each job whose owner is gone that it was cut off.
///
/// # Errors
/// The store's own trouble.
pub async fn reap(store: &dyn Store) -> Result<(), StoreError> {
    let running = vec![JobState::Unknown, JobState::Started, JobState::Cancelling];
    for info in store.jobs(JobFilter { states: running, ..JobFilter::default() }).await? {
        // A server's jobs are taken over by the next server.
        if info.row.server_id.is_some() {
            continue;
        }
        // What cannot be read cannot be written to either.
        if let (Some(why), None) = (is_gone(&info), &info.damage) {
            cut_off(store, &info, &why).await?;
            if let Some((owner, _)) = info.owner.as_ref().filter(|(owner, _)| owner.host == host()) {
                // Its targets, too: the next job does not wait until they run out.
                store.release_all(owner).await?;
            }
        }
    }
    Ok(())
}

/// Waits until a job has events after `after`, and says what its process cannot say any more if that is gone.
///
/// # Errors
/// The store's own trouble.
pub async fn wait(store: &dyn Store, job: JobId, after: EventSeq) -> Result<(), StoreError> {
    if store.wait(job, after, LOOK).await? <= after {
        // A store that can only be read is followed as it is.
        let _ = reap(store).await;
    }
    Ok(())
}

/// How often a job that says nothing is looked after.
const LOOK: Duration = Duration::from_secs(2);

/// How it is known that nobody runs this job any more.
fn is_gone(info: &JobInfo) -> Option<String> {
    if info.row.server_id.is_some() {
        // A job of a server waits for the next one, which takes it up.
        return None;
    }
    let quiet = SystemClock.now().since(info.row.submitted) > 15_000_000_000;
    match &info.owner {
        Some((owner, _)) if owner.host == host() => {
            (!owner.is_alive()).then(|| format!("process {} ended without a word", owner.pid))
        }
        Some(_) => None,
        None if quiet => Some("its process ended without a word".to_owned()),
        None => None,
    }
}

async fn cut_off(store: &dyn Store, info: &JobInfo, why: &str) -> Result<(), StoreError> {
    let now = SystemClock.now();
    let uid = info.row.uid.as_bytes();
    let bits = uid.iter().fold(0u64, |bits, b| bits.rotate_left(5) ^ u64::from(*b).wrapping_mul(0x9e37_79b9));
    let events = vec![
        NewEvent::new(
            now,
            ProducerBroke { producer: Some(ProducerId::FIRST), reason: "ended without a word".to_owned() },
        ),
        NewEvent::new(
            now,
            JobStateChanged { state: JobState::Failed, error: Some(format!("cut off: {why}")) },
        ),
    ];
    let batch = Batch { producer: ProducerId::from_random(bits), first: EventNumber(1), events, epoch: None };
    store.append(info.id, batch).await.map(|_| ())
}
