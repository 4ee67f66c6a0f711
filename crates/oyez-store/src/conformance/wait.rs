//! Rules about waiting for events. Times are limits for a test that hangs, never measures.

use std::time::Duration;

use oyez_model::EventSeq;

use super::events::{lines, producer, started};
use super::{Form, clock};

const LONG: Duration = Duration::from_secs(30);

/// Whether the one who waits was first or the commit.
pub async fn waiting_ends_with_the_next_commit(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let other = started(&*store, 2).await;
    for n in 1..=50 {
        let waiting = {
            let store = store.clone();
            tokio::spawn(async move { store.wait(job, EventSeq(1 + n), LONG).await })
        };
        if n % 2 == 0 {
            tokio::task::yield_now().await;
        }
        store.append(other, lines(producer(1), n, 1)).await.unwrap();
        store.append(job, lines(producer(1), n, 1)).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), EventSeq(2 + n));
    }
}

/// Nobody waits for what has been.
pub async fn waiting_for_what_is_there_ends_at_once(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    store.append(job, lines(producer(1), 1, 5)).await.unwrap();
    for after in 0..7 {
        assert_eq!(store.wait(job, EventSeq(after), LONG).await.unwrap(), EventSeq(7));
    }
}

/// And says where the job stands.
pub async fn waiting_ends_at_its_limit(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    for limit in [0, 1, 20] {
        let got = store.wait(job, EventSeq(2), Duration::from_millis(limit)).await.unwrap();
        assert_eq!(got, EventSeq(2));
    }
}

/// A follower's life: each wait is a new one, with pauses in between, and several follow.
pub async fn one_waits_again_and_again(form: &dyn Form) {
    let store = form.open(clock());
    let job = started(&*store, 1).await;
    let follow = || {
        let store = store.clone();
        tokio::spawn(async move {
            let mut seen = EventSeq(2);
            while seen.0 < 202 {
                let last = store.wait(job, seen, LONG).await.unwrap();
                assert!(last > seen, "woken in time");
                seen = last;
            }
        })
    };
    let followers = [follow(), follow(), follow()];
    for n in 1..=200 {
        store.append(job, lines(producer(1), n, 1)).await.unwrap();
        tokio::task::yield_now().await;
    }
    for follower in followers {
        follower.await.unwrap();
    }
}
