//! The targets of an attempt, as its target manager names them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::attempt::Course;
use super::desk::Desk;
use super::job::Job;
use crate::duration::GoDuration;
use crate::hosts::{self, Hosts};
use crate::locks::AcquireError;
use crate::plan::{CsvFile, ExternalManager, TargetManager};
use crate::plugin::manager::{self, Offered};
use crate::target::Target;

/// A file is waited for so long at least, however short the acquire timeout is: that is about targets that are busy.
const FILE: Duration = Duration::from_secs(1);
/// A plugin is told of so many targets that are busy.
const MOST_BUSY: usize = 10_000;
/// What could not be locked is given back to a plugin within this time.
const GRACE_RELEASE: GoDuration = GoDuration::from_secs(30);

/// Targets; an id may be there twice.
#[derive(Debug)]
pub(super) struct Roster<'p> {
    targets: Cow<'p, [Target]>,
    /// Where in `targets` each id stands first: those are locked and run.
    unique: Vec<usize>,
    /// For each of `targets` its place in `unique`.
    runs_as: Vec<usize>,
}

impl<'p> Roster<'p> {
    pub(super) fn new(targets: impl Into<Cow<'p, [Target]>>) -> Self {
        let targets = targets.into();
        let mut places = HashMap::with_capacity(targets.len());
        let mut unique = Vec::with_capacity(targets.len());
        let mut runs_as = Vec::with_capacity(targets.len());
        for (at, target) in targets.iter().enumerate() {
            let place = *places.entry(target.id.as_str()).or_insert_with(|| {
                unique.push(at);
                unique.len() - 1
            });
            runs_as.push(place);
        }
        drop(places);
        Roster { targets, unique, runs_as }
    }

    /// How many there are, those twice that are listed twice.
    pub(super) fn len(&self) -> usize {
        self.targets.len()
    }

    /// Those that run.
    pub(super) fn unique(&self) -> Vec<&Target> {
        self.unique.iter().map(|at| &self.targets[*at]).collect()
    }

    /// All of them, each with the place at which it runs, and whether it is the first to run there.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&Target, usize, bool)> {
        let listed = self.targets.iter().zip(&self.runs_as).enumerate();
        listed.map(|(at, (target, place))| (target, *place, self.unique[*place] == at))
    }

    /// Where each of them runs.
    pub(super) fn runs_as(&self) -> &[usize] {
        &self.runs_as
    }
}

/// What a target manager offers before anything is locked.
pub(super) enum Offer<'p> {
    /// These, known from the start.
    All(Roster<'p>),
    /// Those of a file that are free.
    File(&'p CsvFile),
    /// Those that an external plugin hands out.
    External(&'p ExternalManager),
}

impl<'p> Offer<'p> {
    pub(super) fn new(manager: &'p TargetManager) -> Self {
        match manager {
            TargetManager::TargetList { targets } => Offer::All(Roster::new(targets.as_slice())),
            TargetManager::CsvFile(file) => Offer::File(file),
            TargetManager::External(manager) => Offer::External(manager),
        }
    }

    /// How many targets there will be, where that is known.
    pub(super) fn planned(&self) -> Option<usize> {
        match self {
            Offer::All(roster) => Some(roster.len()),
            Offer::File(_) | Offer::External(_) => None,
        }
    }
}

/// What was acquired: known from the start, or just now.
pub(super) enum Acquired<'a, 'p> {
    Known(&'a Roster<'p>),
    Found(Roster<'static>),
}

impl<'p> Acquired<'_, 'p> {
    pub(super) fn roster(&self) -> &Roster<'p> {
        match self {
            Acquired::Known(roster) => roster,
            Acquired::Found(roster) => roster,
        }
    }
}

impl Job {
    /// Takes the targets of an offer, within the acquire timeout.
    pub(super) async fn acquire<'a, 'p>(
        &self,
        offer: &'a Offer<'p>,
        (course, desk): (&Course, &Desk),
        timeout: Duration,
    ) -> Result<Acquired<'a, 'p>, AcquireError> {
        match offer {
            Offer::All(roster) => {
                self.locks.acquire(&roster.unique(), timeout).await?;
                Ok(Acquired::Known(roster))
            }
            Offer::External(manager) => {
                self.ask_manager(manager, course, desk, timeout).await.map(Acquired::Found)
            }
            Offer::File(file) => {
                let begin = tokio::time::Instant::now();
                let mut targets = self.read_hosts(file, timeout).await?;
                if file.shuffle {
                    hosts::shuffle(&mut targets, || self.recorder.random());
                }
                let left = timeout.saturating_sub(begin.elapsed());
                let taken = self.locks.acquire_some(&targets, file.most, file.least, left).await?;
                let mut taken = taken.into_iter();
                targets.retain(|_| taken.next() == Some(true));
                Ok(Acquired::Found(Roster::new(targets)))
            }
        }
    }

    /// The targets that a plugin hands out. What it handed out and could not be locked goes back to it.
    async fn ask_manager(
        &self,
        manager: &ExternalManager,
        course: &Course,
        desk: &Desk,
        timeout: Duration,
    ) -> Result<Roster<'static>, AcquireError> {
        let begin = tokio::time::Instant::now();
        let busy = self.locks.busy(MOST_BUSY).await;
        let asked = tokio::select! {
            biased;
            why = self.stops.halted() => return Err(AcquireError::Halted(why)),
            asked = tokio::time::timeout(timeout, manager::acquire(desk, manager, course, timeout, busy)) => asked,
        };
        let Offered { mut targets, bounds } = match asked {
            Err(_) => return Err(AcquireError::TimedOut),
            Ok(Err(_)) if begin.elapsed() >= timeout => return Err(AcquireError::TimedOut),
            Ok(Err(why)) => return Err(AcquireError::Failed(why)),
            Ok(Ok(offered)) => offered,
        };
        let left = timeout.saturating_sub(begin.elapsed());
        let locked = match bounds {
            None => {
                let roster = Roster::new(targets.as_slice());
                self.locks.acquire(&roster.unique(), left).await
            }
            Some((least, most)) => {
                let mut known = HashSet::new();
                targets.retain(|target| known.insert(target.id.clone()));
                drop(known);
                let taken = self.locks.acquire_some(&targets, most, least, left).await;
                taken.map(|taken| {
                    let mut taken = taken.into_iter();
                    targets.retain(|_| taken.next() == Some(true));
                })
            }
        };
        match locked {
            Ok(()) => Ok(Roster::new(targets)),
            Err(e) => {
                let targets: Vec<_> = targets.iter().collect();
                if let Err(why) = self.hand_back(manager, course, desk, (GRACE_RELEASE, &targets)).await {
                    self.recorder.notice(&why);
                }
                Err(e)
            }
        }
    }

    /// Gives a plugin its targets back.
    ///
    /// # Errors
    /// ConTest's text (specs/contest.md 1.5).
    pub(super) async fn hand_back(
        &self,
        manager: &ExternalManager,
        course: &Course,
        desk: &Desk,
        (timeout, targets): (GoDuration, &[&Target]),
    ) -> Result<(), String> {
        let released = manager::release(desk, manager, course, timeout.to_std(), targets);
        let late = || format!("target manager release timed out after {timeout}");
        let begin = tokio::time::Instant::now();
        tokio::select! {
            released = tokio::time::timeout(timeout.to_std(), released) => match released {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) if begin.elapsed() >= timeout.to_std() => Err(late()),
                Ok(Err(why)) => Err(format!("Failed to release targets: {why}")),
                Err(_) => Err(late()),
            },
            () = self.stops.control().killed() => Err("Failed to release targets: the job was killed".to_owned()),
        }
    }

    /// The targets of a file, as they are now.
    async fn read_hosts(&self, file: &CsvFile, timeout: Duration) -> Result<Vec<Target>, AcquireError> {
        let from = file.clone();
        let reading = tokio::task::spawn_blocking(move || hosts::read(&from));
        let read = tokio::select! {
            biased;
            why = self.stops.halted() => return Err(AcquireError::Halted(why)),
            read = tokio::time::timeout(timeout.max(FILE), reading) => read,
        };
        match read {
            Err(_) => Err(AcquireError::TimedOut),
            Ok(Err(e)) => Err(AcquireError::Failed(format!("{} cannot be read: {e}", file.file.display()))),
            Ok(Ok(Err(why))) => Err(AcquireError::Failed(why)),
            Ok(Ok(Ok(Hosts { targets, repeated }))) => {
                if repeated > 0 {
                    let shown = file.file.display();
                    let notice = format!("{shown}: {repeated} lines name a target again; it runs once");
                    self.recorder.notice(&notice);
                }
                Ok(targets)
            }
        }
    }
}
