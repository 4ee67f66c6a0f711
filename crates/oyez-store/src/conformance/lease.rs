//! Rules about leases: all or none, rights that end by themselves, epochs that only rise, fencing.

use std::time::Duration;

use oyez_model::{JobId, ProducerId};

use super::events::{at, job, lines, owner, producer, started};
use super::{Form, clock};
use crate::api::{Batch, LeaseName, Store};
use crate::error::StoreError;

const TTL: Duration = Duration::from_secs(10);
const SECOND: u64 = 1_000_000_000;

fn target(id: &str) -> LeaseName {
    LeaseName::Target(id.to_owned())
}

async fn epoch(store: &dyn Store, name: &LeaseName, who: u64) -> u64 {
    store.acquire(std::slice::from_ref(name), &owner(who), None, TTL).await.unwrap()[0].epoch
}

fn held_by(e: &StoreError) -> (&str, &str) {
    match e {
        StoreError::Held { name, owner, .. } => (name, owner),
        other => panic!("{other:?}"),
    }
}

/// One's own lease may be taken again; what was given back is anybody's.
pub async fn a_lease_is_taken_renewed_and_given_back(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    let names = [target("dut1")];
    let lease = store.acquire(&names, &owner(1), Some(JobId(7)), TTL).await.unwrap().remove(0);
    assert_eq!((lease.epoch, lease.expires), (1, at(10_000)));
    clock.advance(4 * SECOND);
    let renewed = store.renew(&names, &owner(1), TTL).await.unwrap().remove(0);
    assert_eq!((renewed.epoch, renewed.expires), (1, at(14_000)));
    assert_eq!(store.acquire(&names, &owner(1), None, TTL).await.unwrap()[0].epoch, 1);
    let held = store.acquire(&names, &owner(2), None, TTL).await.unwrap_err();
    assert_eq!(held_by(&held), ("target dut1", "process 100 on lab"));
    // Giving back what is somebody else's changes nothing.
    store.release(&names, &owner(2)).await.unwrap();
    assert!(store.acquire(&names, &owner(2), None, TTL).await.is_err());
    store.release(&names, &owner(1)).await.unwrap();
    store.release(&names, &owner(1)).await.unwrap();
    assert_eq!(epoch(&*store, &names[0], 2).await, 2);
    store.release(&[target("never taken")], &owner(2)).await.unwrap();
    assert_eq!(store.acquire(&[], &owner(2), None, TTL).await.unwrap(), vec![]);
}

/// A job that needs three targets does not sit on two of them.
pub async fn leases_are_taken_all_or_none(form: &dyn Form) {
    let store = form.open(clock());
    epoch(&*store, &target("b"), 1).await;
    let three = [target("a"), target("b"), target("c")];
    let held = store.acquire(&three, &owner(2), Some(JobId(3)), TTL).await.unwrap_err();
    assert_eq!(held_by(&held).0, "target b");
    for free in ["a", "c"] {
        assert_eq!(epoch(&*store, &target(free), 3).await, 1, "{free} was not touched");
        store.release(&[target(free)], &owner(3)).await.unwrap();
    }
    store.release(&[target("b")], &owner(1)).await.unwrap();
    let leases = store.acquire(&three, &owner(2), Some(JobId(3)), TTL).await.unwrap();
    assert_eq!(leases.iter().map(|l| l.epoch).collect::<Vec<_>>(), [2, 2, 2]);
    // The same name twice is one lease.
    let twice = store.acquire(&[target("d"), target("d")], &owner(2), None, TTL).await.unwrap();
    assert_eq!(twice.iter().map(|l| l.epoch).collect::<Vec<_>>(), [1, 1]);
}

/// Its owner may be dead: nobody waits for it for ever.
pub async fn a_lease_that_has_run_out_may_be_taken_and_its_epoch_rises(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    let name = target("dut1");
    for round in 1..=3 {
        assert_eq!(epoch(&*store, &name, round).await, round);
        clock.advance(10 * SECOND - 1);
        assert!(store.acquire(std::slice::from_ref(&name), &owner(9), None, TTL).await.is_err());
        clock.advance(1);
    }
    // Run out, but nobody took it: the owner goes on.
    let renewed = store.renew(std::slice::from_ref(&name), &owner(3), TTL).await.unwrap();
    assert_eq!(renewed[0].epoch, 3);
}

/// Renewing is for all of them or none, too.
pub async fn only_the_owner_renews(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    let (a, b) = (target("a"), target("b"));
    store.acquire(&[a.clone(), b.clone()], &owner(1), None, TTL).await.unwrap();
    let held = store.renew(std::slice::from_ref(&a), &owner(2), TTL).await.unwrap_err();
    assert_eq!(held_by(&held).0, "target a");
    clock.advance(11 * SECOND);
    epoch(&*store, &b, 2).await;
    let held = store.renew(&[a.clone(), b], &owner(1), TTL).await.unwrap_err();
    assert_eq!(held_by(&held).0, "target b");
    // The first was not renewed with it.
    assert_eq!(epoch(&*store, &a, 2).await, 2);
    let nobody = store.renew(&[target("new")], &owner(1), TTL).await.unwrap_err();
    assert_eq!(held_by(&nobody), ("target new", "nobody"));
    // An owner is the whole of it: another process with the same number and token is another one.
    let mut twin = owner(2);
    twin.started = 2;
    assert!(store.renew(std::slice::from_ref(&a), &twin, TTL).await.is_err());
    store.release(std::slice::from_ref(&a), &twin).await.unwrap();
    assert!(store.acquire(&[a], &owner(1), None, TTL).await.is_err());
}

/// Whoever finds it dead needs not know what it held.
pub async fn all_that_a_dead_owner_held_is_given_back_at_once(form: &dyn Form) {
    let store = form.open(clock());
    let (a, b, c) = (target("a"), target("b"), target("c"));
    store.acquire(&[a.clone(), b.clone()], &owner(1), Some(JobId(1)), TTL).await.unwrap();
    store.acquire(std::slice::from_ref(&c), &owner(2), None, TTL).await.unwrap();
    store.release_all(&owner(1)).await.unwrap();
    let taken = store.acquire(&[a, b], &owner(3), None, TTL).await.unwrap();
    assert_eq!(taken.iter().map(|l| l.epoch).collect::<Vec<_>>(), [2, 2]);
    assert!(store.acquire(&[c], &owner(3), None, TTL).await.is_err(), "others keep theirs");
}

/// A process that slept through its lease finds out at its first write.
pub async fn a_former_owner_cannot_append_any_more(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    let job = started(&*store, 1).await;
    let name = [LeaseName::Job(job)];
    let with = |epoch: u64, first: u64| Batch { epoch: Some(epoch), ..lines(producer(1), first, 1) };
    let first = store.acquire(&name, &owner(1), Some(job), TTL).await.unwrap().remove(0);
    store.append(job, with(first.epoch, 1)).await.unwrap();
    clock.advance(20 * SECOND);
    // Run out, but nobody has taken it over.
    store.append(job, with(first.epoch, 2)).await.unwrap();
    let second = store.acquire(&name, &owner(2), Some(job), TTL).await.unwrap().remove(0);
    let fenced = StoreError::Fenced { job, held: first.epoch, current: second.epoch };
    assert_eq!(store.append(job, with(first.epoch, 3)).await.unwrap_err(), fenced);
    // Not even what is kept already, and not when the new owner has given it back.
    assert_eq!(store.append(job, with(first.epoch, 1)).await.unwrap_err(), fenced);
    store.append(job, with(second.epoch, 3)).await.unwrap();
    store.release(&name, &owner(2)).await.unwrap();
    assert_eq!(store.append(job, with(first.epoch, 4)).await.unwrap_err(), fenced);
    // Those who do not run the job (forks, late reporters) show no epoch.
    store.append(job, lines(producer(2), 1, 1)).await.unwrap();
    assert_eq!(store.job(job).await.unwrap().row.events, 2 + 4);
}

/// Taken in the commit that creates the job, so that nobody comes in between.
pub async fn a_jobs_first_owner_holds_its_lease(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    let mut new = job(1, &[], &[]);
    new.owner = Some(owner(5));
    let id = store.create_job(new).await.unwrap();
    let (who, until) = store.job(id).await.unwrap().owner.unwrap();
    assert_eq!((who, until), (owner(5), at(10_000)));
    let name = [LeaseName::Job(id)];
    let held = store.acquire(&name, &owner(6), None, TTL).await.unwrap_err();
    assert!(matches!(held, StoreError::Held { job: Some(held_for), .. } if held_for == id), "{held:?}");
    assert_eq!(store.renew(&name, &owner(5), TTL).await.unwrap()[0].epoch, 1);
    clock.advance(10 * SECOND);
    assert_eq!(store.job(id).await.unwrap().owner, None);
    assert_eq!(epoch(&*store, &name[0], 6).await, 2);
    let batch = Batch { epoch: Some(1), ..lines(ProducerId::FIRST, 2, 1) };
    assert!(matches!(store.append(id, batch).await, Err(StoreError::Fenced { .. })));
    store.release(&name, &owner(6)).await.unwrap();
    assert_eq!(store.job(id).await.unwrap().owner, None);
    // Somebody had the lease of a job before there was one.
    let name = [LeaseName::Job(JobId(id.0 + 1))];
    store.acquire(&name, &owner(7), None, TTL).await.unwrap();
    store.release(&name, &owner(7)).await.unwrap();
    let mut new = job(2, &[], &[]);
    new.owner = Some(owner(8));
    store.create_job(new).await.unwrap();
    assert_eq!(store.renew(&name, &owner(8), TTL).await.unwrap()[0].epoch, 1);
}

/// A store that keeps nothing is left out.
pub async fn epochs_rise_over_opening_again(form: &dyn Form) {
    if !form.is_lasting() {
        return;
    }
    let name = target("dut1");
    for round in 1..=3 {
        let store = form.open(clock());
        assert_eq!(epoch(&*store, &name, round).await, round);
        store.release(std::slice::from_ref(&name), &owner(round)).await.unwrap();
        store.close().await.unwrap();
    }
    let store = form.open(clock());
    assert_eq!(epoch(&*store, &name, 4).await, 4);
    drop(store);
    let store = form.open(clock());
    assert!(store.acquire(&[name], &owner(5), None, TTL).await.is_err());
}

/// A job that is taken over, or goes on after a pause, keeps the targets that it had.
pub async fn the_next_owner_of_a_job_inherits_its_targets(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    let id = store.create_job(job(1, &[], &[])).await.unwrap();
    store.acquire(&[LeaseName::Job(id)], &owner(1), Some(id), TTL).await.unwrap();
    store.acquire(&[target("a"), target("b"), target("c")], &owner(1), Some(id), TTL).await.unwrap();
    store.acquire(&[target("d")], &owner(1), Some(JobId(99)), TTL).await.unwrap();
    store.release(&[target("c")], &owner(1)).await.unwrap();
    let holder = store.holder(&target("a")).await.unwrap().unwrap();
    assert_eq!((holder.owner, holder.job, holder.expires), (owner(1), Some(id), at(10_000)));
    assert_eq!(store.holder(&target("c")).await.unwrap(), None);
    assert_eq!(store.holder(&LeaseName::Server("a".to_owned())).await.unwrap(), None);
    let held = store.inherit(id, &owner(2), TTL).await.unwrap_err();
    assert_eq!(held_by(&held), (format!("job {id}").as_str(), "process 100 on lab"));
    // Its leases have run out; meanwhile somebody else took one of them.
    clock.advance(11 * SECOND);
    assert_eq!(store.holder(&target("a")).await.unwrap(), None);
    store.acquire(&[target("b")], &owner(3), Some(JobId(98)), TTL).await.unwrap();
    store.acquire(&[LeaseName::Job(id)], &owner(2), Some(id), TTL).await.unwrap();
    assert_eq!(store.inherit(id, &owner(2), TTL).await.unwrap(), vec![target("a")]);
    assert!(store.renew(&[target("a")], &owner(1), TTL).await.is_err(), "it is another's now");
    assert_eq!(store.renew(&[target("a")], &owner(2), TTL).await.unwrap()[0].epoch, 2);
}

/// What is held can be looked at, a page at a time.
pub async fn held_targets_are_listed_by_their_ids(form: &dyn Form) {
    let clock = clock();
    let store = form.open(clock.clone());
    store.acquire(&[LeaseName::Job(JobId(1))], &owner(1), Some(JobId(1)), TTL).await.unwrap();
    let names: Vec<_> = (0..5).map(|n| target(&format!("t{n}"))).collect();
    store.acquire(&names, &owner(1), Some(JobId(1)), TTL).await.unwrap();
    store.release(&[target("t1")], &owner(1)).await.unwrap();
    let ids = |page: Vec<crate::HeldTarget>| page.into_iter().map(|held| held.target).collect::<Vec<_>>();
    let first = store.held_targets(None, 2).await.unwrap();
    assert_eq!((first[0].job, first[0].expires, &first[0].owner), (Some(JobId(1)), at(10_000), &owner(1)));
    assert_eq!(ids(first), ["t0", "t2"]);
    assert_eq!(ids(store.held_targets(Some("t2"), 9).await.unwrap()), ["t3", "t4"]);
    clock.advance(10 * SECOND);
    assert_eq!(ids(store.held_targets(None, 9).await.unwrap()), [""; 0]);
}

/// Who did what to a target by hand, and why, is kept.
pub async fn what_people_do_to_targets_is_kept(form: &dyn Form) {
    let store = form.open(clock());
    let note = |n: i64, target: &str| crate::TargetNote {
        target: target.to_owned(),
        at: at(n),
        what: "hold".to_owned(),
        by: "me".to_owned(),
        why: format!("{n}"),
    };
    for (n, target) in [(1, "a"), (2, "b"), (3, "a")] {
        store.note_target(note(n, target)).await.unwrap();
    }
    assert_eq!(store.target_notes(None, 2).await.unwrap(), [note(3, "a"), note(2, "b")]);
    assert_eq!(store.target_notes(Some("a"), 9).await.unwrap(), [note(3, "a"), note(1, "a")]);
    assert_eq!(store.target_notes(Some("c"), 9).await.unwrap(), []);
}
