//! Targets by hand: who has which, hold one back from all jobs, give it free again, take it from whoever has it, write
//! something down about it. Who did what and why is kept.

use std::time::Duration;

use oyez_model::Time;
use oyez_store::{Clock, HeldTarget, Holder, LeaseName, Owner, Store, StoreError, TargetNote};
use thiserror::Error;

/// A hold without an end: it lasts until it is released.
const UNTIL_RELEASED: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The bytes that a name, and that a reason may have.
const LONGEST: (usize, usize) = (200, 4000);

/// Who does something to a target by hand, and why.
#[derive(Clone, Debug)]
pub struct ByHand {
    /// The target's id.
    pub target: String,
    /// Who.
    pub by: String,
    /// Why; for a note, what is to be known.
    pub why: String,
}

/// Why a target is not what somebody wants it to be.
#[derive(Clone, Debug, Error)]
pub enum TargetError {
    /// Somebody else has it.
    #[error(
        "{target} is held by {owner}{}: wait for its end, or take it away with `oyez targets force-unlock`",
        job.as_ref().map(|job| format!(" for job {job}")).unwrap_or_default()
    )]
    Busy {
        /// The target.
        target: String,
        /// By whom.
        owner: String,
        /// For which job.
        job: Option<oyez_model::JobId>,
    },
    /// Nobody has it.
    #[error("{0} is not held by anybody")]
    Free(String),
    /// Something about the request is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The store's own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A target that is held, with the last that was written down about it.
#[derive(Clone, Debug)]
pub struct Held {
    /// Who holds it.
    pub held: HeldTarget,
    /// What was done to it by hand last.
    pub note: Option<TargetNote>,
}

/// Targets that are held, by their ids: those after `after`, at most `limit`.
///
/// # Errors
/// The store's own trouble.
pub async fn list(store: &dyn Store, after: Option<&str>, limit: usize) -> Result<Vec<Held>, StoreError> {
    let mut out = Vec::new();
    for held in store.held_targets(after, limit).await? {
        // Of those that jobs hold nobody wrote anything down, as a rule.
        let note = match held.owner.is_person() {
            // Something else may have been written down since.
            true => {
                let notes = store.target_notes(Some(&held.target), NOTES).await?;
                notes.into_iter().find(|note| note.what == "hold")
            }
            false => None,
        };
        out.push(Held { held, note });
    }
    Ok(out)
}

/// Among so many notes the reason of a hold is looked for.
const NOTES: usize = 100;

/// Holds a free target back from all jobs, until it is released or the time is over; again by the same person it
/// begins anew.
///
/// # Errors
/// [`TargetError::Busy`] when somebody else has it.
pub async fn hold(
    store: &dyn Store,
    clock: &dyn Clock,
    hand: &ByHand,
    time: Option<Duration>,
) -> Result<Time, TargetError> {
    check(hand)?;
    let name = [LeaseName::Target(hand.target.clone())];
    let owner = Owner::person(&hand.by);
    match store.acquire(&name, &owner, None, time.unwrap_or(UNTIL_RELEASED)).await {
        Ok(leases) => {
            note(store, clock, hand, "hold").await?;
            Ok(leases.first().map_or_else(|| clock.now(), |lease| lease.expires))
        }
        Err(StoreError::Held { owner, job, .. }) => {
            Err(TargetError::Busy { target: hand.target.clone(), owner, job })
        }
        Err(e) => Err(e.into()),
    }
}

/// Gives a target free that a person holds: one's own, or anybody's.
///
/// # Errors
/// [`TargetError::Busy`] when a job has it, [`TargetError::Free`] when nobody does.
pub async fn release(store: &dyn Store, clock: &dyn Clock, hand: &ByHand) -> Result<(), TargetError> {
    let held = holder(store, hand).await?;
    if !held.owner.is_person() {
        let (target, owner) = (hand.target.clone(), held.owner.to_string());
        return Err(TargetError::Busy { target, owner, job: held.job });
    }
    store.release(&[LeaseName::Target(hand.target.clone())], &held.owner).await?;
    note(store, clock, hand, "release").await
}

/// Takes a target from whoever has it. A job that had it fails as soon as it notices.
///
/// # Errors
/// [`TargetError::Free`] when nobody has it.
pub async fn force_unlock(
    store: &dyn Store,
    clock: &dyn Clock,
    hand: &ByHand,
) -> Result<HeldTarget, TargetError> {
    let held = holder(store, hand).await?;
    store.release(&[LeaseName::Target(hand.target.clone())], &held.owner).await?;
    note(store, clock, hand, "force-unlock").await?;
    Ok(held)
}

/// Writes something down about a target.
///
/// # Errors
/// The store's own trouble.
pub async fn write_note(store: &dyn Store, clock: &dyn Clock, hand: &ByHand) -> Result<(), TargetError> {
    check(hand)?;
    note(store, clock, hand, "note").await
}

async fn holder(store: &dyn Store, hand: &ByHand) -> Result<HeldTarget, TargetError> {
    check(hand)?;
    let name = LeaseName::Target(hand.target.clone());
    let Some(Holder { owner, job, expires }) = store.holder(&name).await? else {
        return Err(TargetError::Free(hand.target.clone()));
    };
    Ok(HeldTarget { target: hand.target.clone(), owner, job, expires })
}

fn check(hand: &ByHand) -> Result<(), TargetError> {
    let wrong = |what: &str| Err(TargetError::Wrong(what.to_owned()));
    if hand.target.trim().is_empty() {
        return wrong("the target has no name");
    }
    if hand.by.trim().is_empty() || hand.by.len() > LONGEST.0 {
        return wrong("who does it must be said, in at most 200 bytes");
    }
    if hand.why.trim().is_empty() || hand.why.len() > LONGEST.1 {
        return wrong(
            "why it is done must be said, in at most 4,000 bytes: the next one at the rack will want to know",
        );
    }
    Ok(())
}

async fn note(store: &dyn Store, clock: &dyn Clock, hand: &ByHand, what: &str) -> Result<(), TargetError> {
    let ByHand { target, by, why } = hand.clone();
    Ok(store.note_target(TargetNote { target, at: clock.now(), what: what.to_owned(), by, why }).await?)
}
