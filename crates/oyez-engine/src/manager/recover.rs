//! Jobs of servers that are gone: at the start of this one its own, later also those of others on the same store.

use std::time::Duration;

use oyez_model::event::JobStateChanged;
use oyez_model::{JobId, JobState};
use oyez_store::{JobFilter, JobInfo, LeaseName, NewEvent, Owner, StoreError, owner};

use super::Manager;
use crate::control::Control;
use crate::runner::ReopenError;

/// The lease on a server's name ends by itself after this time,
const SERVER_LEASE: Duration = Duration::from_secs(10);
/// unless it is renewed. As often jobs without a server are looked for.
const LOOK: Duration = Duration::from_secs(3);

/// What becomes of jobs that a dead server had begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRestart {
    /// They go on where they were.
    #[default]
    Resume,
    /// They fail, as ConTest's "zombies" do; their targets are free.
    Fail,
}

/// What was found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs that go on, or have their turn still before them.
    pub resumed: usize,
    /// Jobs that failed because of [`OnRestart::Fail`].
    pub failed: usize,
    /// Jobs that somebody paused: they wait until somebody lets them go on.
    pub paused: usize,
}

/// Why a server does not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecoverError {
    /// Another server has this name.
    #[error(
        "server \"{name}\" runs already on this store: {owner}; end it, or give this one another --server-id"
    )]
    Taken {
        /// The name.
        name: String,
        /// Who has it.
        owner: String,
    },
    /// The store's own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Manager {
    /// Takes the server's name, and takes up the jobs of its predecessor and of servers that are gone; goes on looking
    /// for such jobs until [`Manager::shutdown`].
    ///
    /// # Errors
    /// See [`RecoverError`].
    pub async fn recover(&self) -> Result<Recovered, RecoverError> {
        self.take_name().await?;
        let recovered = self.sweep(true).await?;
        let manager = self.clone();
        let keeper = tokio::spawn(async move { manager.keep().await });
        if let Ok(mut place) = self.0.keeper.lock() {
            *place = Some(keeper);
        }
        self.turn();
        Ok(recovered)
    }

    async fn take_name(&self) -> Result<(), RecoverError> {
        let name = self.0.options.server_id.clone();
        let lease = [LeaseName::Server(name.clone())];
        let end = tokio::time::Instant::now() + SERVER_LEASE + Duration::from_secs(1);
        loop {
            let holder = self.0.store.holder(&lease[0]).await?;
            if let Some(former) = holder.map(|holder| holder.owner).filter(is_dead) {
                self.0.store.release(&lease, &former).await?;
            }
            match self.0.store.acquire(&lease, &self.0.owner, None, SERVER_LEASE).await {
                Ok(_) => return Ok(()),
                // It may have died on another host: then nobody renews it.
                Err(StoreError::Held { owner, .. }) => {
                    let holder = self.0.store.holder(&lease[0]).await?;
                    let is_here = holder.is_some_and(|holder| holder.owner.host == owner::host());
                    if is_here || tokio::time::Instant::now() >= end {
                        return Err(RecoverError::Taken { name, owner });
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Renews the name and looks for jobs without a server, for ever.
    async fn keep(&self) {
        let name = [LeaseName::Server(self.0.options.server_id.clone())];
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(e @ StoreError::Held { .. }) =
                self.0.store.renew(&name, &self.0.owner, SERVER_LEASE).await
            {
                self.0.say(&format!("the name of this server was taken: {e}"));
                return;
            }
            // Trouble passes, or is said by the jobs that have it.
            let _again = self.sweep(false).await;
        }
    }

    /// Looks for jobs without a server.
    async fn sweep(&self, is_start: bool) -> Result<Recovered, StoreError> {
        let mut found = Recovered::default();
        let states = vec![JobState::Queued, JobState::Started, JobState::Cancelling, JobState::Paused];
        let filter = JobFilter { states, ..JobFilter::default() };
        let mut ids = self.0.store.job_ids(filter).await?;
        ids.reverse();
        for id in ids {
            // Somebody else's, who is not known to be dead.
            let holder = self.0.store.holder(&LeaseName::Job(id)).await?;
            if self.0.knows(id) || holder.is_some_and(|holder| !is_dead(&holder.owner)) {
                continue;
            }
            let info = self.0.store.job(id).await?;
            let Some(server) = info.row.server_id.clone().filter(|_| info.damage.is_none()) else { continue };
            let is_own = server == self.0.options.server_id;
            // A queued job of another server is that one's as long as it lives.
            let is_orphan = match &info.owner {
                Some((owner, _)) => is_dead(owner),
                // One that is not started may just be on its way into the queue.
                None if is_own => {
                    is_start || matches!(info.row.state, JobState::Started | JobState::Cancelling)
                }
                None => self.is_gone(&server).await?,
            };
            if is_orphan {
                self.take_up(id, &info, &mut found).await?;
            }
        }
        if found.resumed > 0 {
            self.turn();
        }
        Ok(found)
    }

    async fn is_gone(&self, server: &str) -> Result<bool, StoreError> {
        let holder = self.0.store.holder(&LeaseName::Server(server.to_owned())).await?;
        Ok(holder.is_none_or(|holder| is_dead(&holder.owner)))
    }

    async fn take_up(&self, id: JobId, info: &JobInfo, found: &mut Recovered) -> Result<(), StoreError> {
        let request = self.0.engine.request(id).await?;
        let state = info.row.state;
        let waits = state == JobState::Paused && !self.0.engine.is_handed_on(id).await?;
        let fails = self.0.options.on_restart == OnRestart::Fail && state != JobState::Queued && !waits;
        if waits {
            found.paused += 1;
            self.0.lock().left_alone.insert(id);
        } else if fails && state != JobState::Paused {
            self.fail(id).await?;
            found.failed += 1;
        } else {
            let priority = request.submitted.priority.unwrap_or(0);
            self.0.lock().queue.push(id, priority, Control::new(), None);
            found.resumed += 1;
        }
        Ok(())
    }

    /// ConTest's rule (specs/contest.md 1.10), but for the targets, which are free at once.
    async fn fail(&self, id: JobId) -> Result<(), StoreError> {
        let handle = match self.0.engine.reopen(id).await {
            Ok(handle) => handle,
            Err(ReopenError::Store(e)) => return Err(e),
            // It has ended, or failed on its own.
            Err(_) => return Ok(()),
        };
        let error = Some(format!("Job {id} was zombieed"));
        let now = self.0.options.engine.clock.now();
        let change = NewEvent::new(now, JobStateChanged { state: JobState::Failed, error });
        self.0.engine.give_up(handle, change).await
    }
}

impl super::Inner {
    /// Whether a job runs or waits here.
    fn knows(&self, id: JobId) -> bool {
        let state = self.lock();
        state.running.contains_key(&id) || state.queue.get(id).is_some() || state.left_alone.contains(&id)
    }
}

/// Whether an owner is known to be dead: one of this host whose process is gone.
fn is_dead(owner: &Owner) -> bool {
    !owner.is_person() && owner.host == owner::host() && !owner.is_alive()
}
