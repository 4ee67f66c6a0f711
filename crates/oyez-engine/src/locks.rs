//! The right to use targets, as leases in the store, renewed with the job's own lease as long as the job runs.
//!
//! ConTest's second job on a busy target fails at once (specs/contest.md 1.5); here it waits for the target, up to the
//! acquire timeout, and only then gets ConTest's error.

use std::sync::Arc;
use std::time::Duration;

use oyez_model::JobId;
use oyez_model::event::{LockChange, TargetLock};
use oyez_store::{LeaseName, Owner, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::control::{Halt, Stops};
use crate::line::{Line, Ticket};
use crate::process::reap;
use crate::recorder::Recorder;
use crate::stop::Stop;
use crate::target::Target;

/// A lease ends by itself after this time,
const TTL: Duration = Duration::from_secs(10);
/// unless it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// As long as a job is paused: until it goes on or is cancelled, which may be any time. Who holds what can be looked at,
/// and taken away, by people.
const WHILE_PAUSED: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The store's word for no owner.
const NOBODY: &str = "nobody";
/// How often a busy target is asked for, at first and at most.
const ASK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The leases of a job that runs.
pub(crate) struct Locks {
    store: Arc<dyn Store>,
    owner: Owner,
    job: JobId,
    stops: Arc<Stops>,
    recorder: Recorder,
    /// How long the store is tried again after the job was stopped.
    grace: Duration,
    line: Arc<Line>,
    priority: i32,
    /// Held while the leases are changed, so that a renewal sees all or none of a change.
    held: Mutex<Vec<LeaseName>>,
}

/// What locks need.
pub(crate) struct Locking {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) owner: Owner,
    pub(crate) job: JobId,
    pub(crate) stops: Arc<Stops>,
    pub(crate) recorder: Recorder,
    /// How long the store is tried again after the job was stopped.
    pub(crate) grace: Duration,
    /// Who else of this engine waits for targets.
    pub(crate) line: Arc<Line>,
    pub(crate) priority: i32,
}

/// Why targets are not held.
#[derive(Debug)]
pub(crate) enum AcquireError {
    /// They are busy, or the store says no: the attempt fails, the job goes on.
    Failed(String),
    /// Not even that could be found out in time: the job fails.
    TimedOut,
    /// They were held before the job was halted, and are another's now: the job fails.
    Lost(String),
    /// The job was stopped, or paused, meanwhile.
    Halted(Halt),
}

/// Why not enough targets were taken.
enum TakeError {
    /// So many are free.
    TooFew(usize),
    Store(StoreError),
}

fn as_count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Locks {
    pub(crate) fn new(locking: Locking, inherited: Vec<LeaseName>) -> Self {
        let Locking { store, owner, job, stops, recorder, grace, line, priority } = locking;
        Locks { store, owner, job, stops, recorder, grace, line, priority, held: Mutex::new(inherited) }
    }

    /// Takes targets that the job held before it was halted. Nobody is waited for: what was done to them is done.
    ///
    /// # Errors
    /// Who has one of them now.
    pub(crate) async fn take_again(&self, targets: &[&Target]) -> Result<(), String> {
        let names: Vec<_> = targets.iter().map(|target| LeaseName::Target(target.id.clone())).collect();
        let mut pause = ASK.0;
        loop {
            match self.take(&names).await {
                Ok(()) => return Ok(()),
                Err(e @ StoreError::Held { .. }) => {
                    let why = already_locked(&e, targets);
                    return Err(format!("cannot go on where the job was halted: {why}"));
                }
                Err(e) if e.is_transient() && self.stops.sleep(pause).await.is_ok() => {
                    pause = (pause * 2).min(ASK.1);
                }
                Err(e) => return Err(format!("cannot go on where the job was halted: {e}")),
            }
        }
    }

    /// Keeps what is held without renewal, until the job goes on.
    ///
    /// # Errors
    /// The store does not take it.
    pub(crate) async fn keep_for_later(&self) -> Result<(), StoreError> {
        let held = self.held.lock().await;
        if held.is_empty() {
            return Ok(());
        }
        self.store.renew(&held, &self.owner, WHILE_PAUSED).await.map(|_| ())
    }

    /// Takes the targets, all or none; waits for busy ones up to `timeout`, behind those that waited before.
    pub(crate) async fn acquire(&self, targets: &[&Target], timeout: Duration) -> Result<(), AcquireError> {
        if targets.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = targets.iter().map(|target| LeaseName::Target(target.id.clone())).collect();
        let end = Instant::now() + timeout;
        let (mut pause, mut said) = (ASK.0, String::new());
        let mut ticket = (!self.line.is_empty()).then(|| self.line.join(self.priority, &names));
        loop {
            // Listens before it looks, so that no change falls in between.
            let mut moved = std::pin::pin!(self.line.moved());
            moved.as_mut().enable();
            let is_first = ticket.as_ref().is_none_or(Ticket::is_first);
            let error = match is_first {
                true => match self.take(&names).await {
                    Ok(()) => return Ok(()),
                    Err(e) if e.is_transient() => Some(e),
                    Err(e) => return Err(AcquireError::Failed(e.to_string())),
                },
                false => None,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(match self.take(&names).await {
                    Ok(()) => return Ok(()),
                    Err(e @ StoreError::Held { .. }) => AcquireError::Failed(already_locked(&e, targets)),
                    Err(_) => AcquireError::TimedOut,
                });
            }
            let says =
                error.as_ref().map_or_else(|| "waiting for targets: others are first".to_owned(), waits_for);
            if says != said {
                self.recorder.notice(&says);
                said = says;
            }
            ticket.get_or_insert_with(|| self.line.join(self.priority, &names));
            tokio::select! {
                halted = self.stops.sleep(pause.min(left)) => halted.map_err(AcquireError::Halted)?,
                () = moved => {}
            }
            pause = (pause * 2).min(ASK.1);
        }
    }

    /// Takes as many of the targets as are free, in their order, up to `most`; waits up to `timeout` until that is
    /// `least` of them, and holds none meanwhile. Says for each whether it was taken.
    pub(crate) async fn acquire_some(
        &self,
        targets: &[Target],
        most: u32,
        least: u32,
        timeout: Duration,
    ) -> Result<Vec<bool>, AcquireError> {
        let names: Vec<_> = targets.iter().map(|target| LeaseName::Target(target.id.clone())).collect();
        let (most, least) = (as_count(most), as_count(least));
        let end = Instant::now() + timeout;
        let (mut pause, mut said) = (ASK.0, false);
        let mut ticket = (!self.line.is_empty()).then(|| self.line.join(self.priority, &names));
        loop {
            // Listens before it looks, so that no change falls in between.
            let mut moved = std::pin::pin!(self.line.moved());
            moved.as_mut().enable();
            let left = end.saturating_duration_since(Instant::now());
            // What others wait for that came before is theirs, but for the last try.
            let open = ticket.as_ref().filter(|_| !left.is_zero()).map(Ticket::is_first_for);
            let is_open = |at: &usize| open.as_ref().is_none_or(|open| open[*at]);
            let open: Vec<usize> = (0..names.len()).filter(is_open).collect();
            let candidates: Vec<_> = open.iter().map(|at| names[*at].clone()).collect();
            let error = match self.take_some(&candidates, most, least).await {
                Ok(taken) => {
                    let mut all = vec![false; names.len()];
                    open.iter().zip(taken).for_each(|(at, taken)| all[*at] = taken);
                    return Ok(all);
                }
                Err(TakeError::TooFew(free)) => format!("waiting for targets: {free} of {least} are free"),
                Err(TakeError::Store(e)) if e.is_transient() && !matches!(e, StoreError::Held { .. }) => {
                    if left.is_zero() {
                        return Err(AcquireError::TimedOut);
                    }
                    waits_for(&e)
                }
                Err(TakeError::Store(e)) => {
                    return Err(AcquireError::Failed(format!("failed to lock targets: {e}")));
                }
            };
            // Waiting makes no more of them than there are.
            if left.is_zero() || most < least || names.len() < least {
                return Err(AcquireError::Failed("can't lock enough targets".to_owned()));
            }
            if !std::mem::replace(&mut said, true) {
                self.recorder.notice(&error);
            }
            ticket.get_or_insert_with(|| self.line.join(self.priority, &names));
            tokio::select! {
                halted = self.stops.sleep(pause.min(left)) => halted.map_err(AcquireError::Halted)?,
                () = moved => {}
            }
            pause = (pause * 2).min(ASK.1);
        }
    }

    /// One try of that.
    async fn take_some(
        &self,
        names: &[LeaseName],
        most: usize,
        least: usize,
    ) -> Result<Vec<bool>, TakeError> {
        let mut held = self.held.lock().await;
        held.clear();
        let mut taken = vec![false; names.len()];
        let mut from = 0;
        while from < names.len() && held.len() < most {
            let to = names.len().min(from + most - held.len());
            let error = self.store.acquire(&names[from..to], &self.owner, Some(self.job), TTL).await.err();
            let busy = match &error {
                // All before it were free a moment ago.
                Some(StoreError::Held { name, .. }) => {
                    names[from..to].iter().position(|candidate| candidate.to_string() == *name)
                }
                _ => None,
            };
            if let Some(e) = error.filter(|_| busy.is_none()) {
                self.undo(&mut held).await;
                return Err(TakeError::Store(e));
            }
            match busy {
                None => {
                    held.extend_from_slice(&names[from..to]);
                    taken[from..to].fill(true);
                    from = to;
                }
                Some(0) => from += 1,
                Some(free) => {
                    let to = from + free;
                    if self.store.acquire(&names[from..to], &self.owner, Some(self.job), TTL).await.is_ok() {
                        held.extend_from_slice(&names[from..to]);
                        taken[from..to].fill(true);
                        from = to + 1;
                    }
                    // Else somebody was faster, and the next look says who.
                }
            }
        }
        if held.len() >= least {
            return Ok(taken);
        }
        let free = held.len();
        self.undo(&mut held).await;
        Err(TakeError::TooFew(free))
    }

    /// Gives back what was taken in vain; what cannot be given back runs out.
    async fn undo(&self, held: &mut Vec<LeaseName>) {
        let _runs_out = self.store.release(held, &self.owner).await;
        held.clear();
    }

    async fn take(&self, names: &[LeaseName]) -> Result<(), StoreError> {
        let mut held = self.held.lock().await;
        self.store.acquire(names, &self.owner, Some(self.job), TTL).await?;
        held.clear();
        held.extend_from_slice(names);
        Ok(())
    }

    /// Targets that others hold, at most so many; none when the store does not say.
    pub(crate) async fn busy(&self, most: usize) -> Vec<String> {
        let held = self.store.held_targets(None, most).await.unwrap_or_default();
        held.into_iter().filter(|held| held.job != Some(self.job)).map(|held| held.target).collect()
    }

    /// Gives all targets back; tries again while the store's trouble may pass, up to `timeout`, and not for long once the
    /// job was stopped: then they run out by themselves.
    ///
    /// # Errors
    /// ConTest's text (specs/contest.md 1.5).
    pub(crate) async fn release(&self, timeout: Duration) -> Result<(), String> {
        let mut held = self.held.lock().await;
        let mut patience_ends = std::pin::pin!(self.stops.patience_ends(self.grace));
        let result = tokio::select! {
            biased;
            result = self.give_back(&held, timeout) => result,
            () = &mut patience_ends => {
                let notice = "the store takes no word of the targets' release: they are free in";
                self.recorder.notice(&format!("{notice} {} s", TTL.as_secs()));
                Ok(())
            }
        };
        // Nobody renews them any more.
        held.clear();
        self.line.wake();
        result
    }

    async fn give_back(&self, held: &[LeaseName], timeout: Duration) -> Result<(), String> {
        if held.is_empty() {
            return Ok(());
        }
        let end = Instant::now() + timeout;
        let mut pause = ASK.0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.store.release(held, &self.owner).await {
                Ok(()) => return Ok(()),
                Err(e) if e.is_transient() && !left.is_zero() => {
                    tokio::time::sleep(pause.min(left)).await;
                    pause = (pause * 2).min(ASK.1);
                }
                Err(e) if e.is_transient() => {
                    let timeout = crate::GoDuration(i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX));
                    return Err(format!("target manager release timed out after {timeout}"));
                }
                Err(e) => return Err(format!("Failed to release targets: {e}")),
            }
        }
    }

    /// Renews the leases for ever; a lease that somebody else took ends the job's work.
    pub(crate) async fn keep(&self) {
        loop {
            tokio::time::sleep(RENEW).await;
            // Another thing to be done now and then while a job runs.
            reap();
            let held = self.held.lock().await;
            let mut names = Vec::with_capacity(held.len() + 1);
            names.push(LeaseName::Job(self.job));
            names.extend(held.iter().cloned());
            // Other trouble passes, or the recorder has it too and says so. Nobody can take a lease meanwhile from a
            // store that does not work, and one that has run out but was not taken is renewed as well.
            if let Err(StoreError::Held { name, owner, job, .. }) =
                self.store.renew(&names, &self.owner, TTL).await
            {
                drop(held);
                self.lost(&name, &owner, job);
                return;
            }
        }
    }

    fn lost(&self, name: &str, owner: &str, job: Option<JobId>) {
        let by = match job {
            Some(job) => format!("job {job} ({owner})"),
            None => owner.to_owned(),
        };
        if let Some(target) = name.strip_prefix("target ") {
            self.recorder.record(TargetLock { target: target.to_owned(), change: LockChange::Lost });
        }
        if owner == NOBODY {
            return self
                .stops
                .abort(Stop::Lost(format!("{name} was unlocked by force while this job held it")));
        }
        self.stops.abort(Stop::Lost(format!(
            "{name} was taken over by {by}: its lease had run out, because this process stood still for more than {} s",
            TTL.as_secs()
        )));
    }

    /// Gives the job's own lease back. What cannot be given back runs out.
    pub(crate) async fn leave(&self) {
        let _runs_out = self.store.release(&[LeaseName::Job(self.job)], &self.owner).await;
    }
}

/// ConTest's text for a target that another job has.
fn already_locked(error: &StoreError, targets: &[&Target]) -> String {
    let StoreError::Held { name, job, .. } = error else { return error.to_string() };
    let id = name.strip_prefix("target ").unwrap_or(name);
    let target = targets.iter().find(|target| target.id == id).map_or_else(String::new, ToString::to_string);
    format!("target {} is already locked by {}", go_quoted(&target), job.map_or(0, |job| job.0))
}

/// As Go's `%q` prints a text: what a target's text may hold that needs it is quotes and backslashes.
fn go_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whom a job waits for.
fn waits_for(error: &StoreError) -> String {
    match error {
        StoreError::Held { name, owner, job: Some(job), .. } => {
            format!("waiting for {name}: job {job} has it ({owner})")
        }
        StoreError::Held { name, owner, .. } => format!("waiting for {name}: {owner} has it"),
        other => format!("waiting for targets: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_target_is_said_as_contest_says_it() {
        let target = Target { id: "T1".into(), fqdn: "t1.example.org".into(), ..Target::default() };
        let error = StoreError::Held {
            name: "target T1".into(),
            owner: "process 7 on lab".into(),
            until: None,
            job: Some(JobId(19)),
        };
        assert_eq!(
            already_locked(&error, &[&target]),
            r#"target "Target{ID: \"T1\", FQDN: \"t1.example.org\"}" is already locked by 19"#
        );
        assert_eq!(waits_for(&error), "waiting for target T1: job 19 has it (process 7 on lab)");
    }
}
