//! A job that was begun goes on in this process: one that waited in the queue, was paused, or whose server is gone.

use oyez_model::event::{JobStateChanged, JobSubmitted};
use oyez_model::{EventBody, EventNumber, EventSeq, JobId, JobState, ProducerId};
use oyez_store::{Batch, JobReader, LeaseName, NewEvent, Owner, StoreError, owner};
use thiserror::Error;

use super::begin::{EXTENDED, JOB_LEASE, REQUEST};
use super::snapshot;
use super::standing::Standing;
use super::{Engine, JobHandle};
use crate::plan::{Plan, prepare_stored};
use crate::process::end_leftovers;

/// The first events of a job, among which its request is.
const FIRST_EVENTS: usize = 16;

/// Why a job does not go on here.
#[derive(Clone, Debug, Error)]
pub enum ReopenError {
    /// It has come to its end.
    #[error("job {job} has come to its end: it is {state}")]
    Ended {
        /// The job.
        job: JobId,
        /// Its last state.
        state: JobState,
    },
    /// Another process runs it.
    #[error("job {job} is run by {owner}")]
    Elsewhere {
        /// The job.
        job: JobId,
        /// Who runs it.
        owner: String,
    },
    /// It cannot go on and has failed with this; its targets stay as they are.
    #[error("job {job} cannot go on: {why}")]
    Failed {
        /// The job.
        job: JobId,
        /// Why.
        why: String,
    },
    /// The store's own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a job was begun with.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) submitted: JobSubmitted,
    pub(crate) text: Option<String>,
    pub(crate) extended: Option<String>,
}

/// What is needed to go on.
struct Read {
    plan: Result<Plan, String>,
    submitted: JobSubmitted,
    standing: Standing,
    seen: EventSeq,
}

impl Engine {
    /// Opens a job that was begun before, to [`Engine::run`] it from where it stands. Nothing is fetched again: all
    /// that it needs is in the store.
    ///
    /// # Errors
    /// See [`ReopenError`]; after [`ReopenError::Failed`] the job is in state Failed.
    pub async fn reopen(&self, id: JobId) -> Result<JobHandle, ReopenError> {
        let info = self.store.job(id).await?;
        let prior = info.row.state;
        if prior.is_final() {
            return Err(ReopenError::Ended { job: id, state: prior });
        }
        let me = self.owner();
        let epoch = self.take(id, &me, info.owner.map(|(owner, _)| owner)).await?;
        // Nobody else can change it any more: what is read now holds.
        let info = self.store.job(id).await?;
        if info.row.state.is_final() {
            self.store.release(&[LeaseName::Job(id)], &me).await?;
            return Err(ReopenError::Ended { job: id, state: info.row.state });
        }
        let prior = info.row.state;
        let uid = info.row.uid;
        let reader = self.store.reader(id).await?;
        let environment = self.options.programs.clone();
        let read = tokio::task::spawn_blocking(move || {
            // What a dead server has left running would go on with what is about to be done again.
            end_leftovers(&uid.to_string());
            let request = request(&*reader)?;
            let standing = Standing::read(&*reader)?;
            let seen = reader.live().last_seq();
            let extended = request.extended.unwrap_or_default();
            let prepared = prepare_stored(&extended, &environment);
            let error = prepared.diagnostics.iter().find(|d| d.is_error()).map(ToString::to_string);
            let plan = prepared.plan.ok_or_else(|| error.unwrap_or_else(|| "there is no plan".to_owned()));
            Ok::<_, StoreError>(Read { plan, submitted: request.submitted, standing, seen })
        });
        let Read { plan, submitted, mut standing, seen } = read.await.map_err(|_| StoreError::Closed)??;
        let plan = match (plan, restore(prior, id, &mut standing)) {
            (Ok(mut plan), Ok(())) => {
                plan.tags.clone_from(&submitted.tags);
                plan
            }
            (Err(why), _) | (_, Err(why)) => return self.refuse(id, &me, epoch, &standing, why).await,
        };
        let inherited = self.store.inherit(id, &me, JOB_LEASE).await?;
        Ok(JobHandle {
            id,
            uid,
            plan,
            requestor: submitted.requestor,
            priority: submitted.priority.unwrap_or(0),
            owner: me,
            epoch,
            first: Vec::new(),
            prior,
            standing,
            inherited,
            seen,
        })
    }

    /// Whether a paused job was paused because its server ended, so that the next one goes on with it by itself.
    pub(crate) async fn is_handed_on(&self, id: JobId) -> Result<bool, StoreError> {
        let reader = self.store.reader(id).await?;
        let standing = tokio::task::spawn_blocking(move || Standing::read(&*reader));
        let standing = standing.await.map_err(|_| StoreError::Closed)??;
        Ok(standing.paused.is_some_and(|payload| snapshot::is_handed_on(&payload)))
    }

    /// Ends a job that was opened and is not to go on; its targets are free.
    pub(crate) async fn give_up(&self, handle: JobHandle, change: NewEvent) -> Result<(), StoreError> {
        let JobHandle { id, owner, epoch, standing, mut inherited, .. } = handle;
        let batch = Batch {
            producer: ProducerId::FIRST,
            first: EventNumber(standing.recorded + 1),
            events: vec![change],
            epoch: Some(epoch),
        };
        self.store.append(id, batch).await?;
        inherited.push(LeaseName::Job(id));
        self.store.release(&inherited, &owner).await
    }

    /// What a job was begun with.
    pub(crate) async fn request(&self, id: JobId) -> Result<Request, StoreError> {
        let reader = self.store.reader(id).await?;
        tokio::task::spawn_blocking(move || request(&*reader)).await.map_err(|_| StoreError::Closed)?
    }

    /// Takes a job's lease; from a dead owner of this host at once.
    async fn take(&self, id: JobId, me: &Owner, former: Option<Owner>) -> Result<u64, ReopenError> {
        let name = [LeaseName::Job(id)];
        if let Some(former) = former.filter(|former| former.host == owner::host() && !former.is_alive()) {
            self.store.release(&name, &former).await?;
        }
        match self.store.acquire(&name, me, Some(id), JOB_LEASE).await {
            Ok(leases) => Ok(leases.first().map_or(1, |lease| lease.epoch)),
            Err(StoreError::Held { owner, .. }) => Err(ReopenError::Elsewhere { job: id, owner }),
            Err(e) => Err(e.into()),
        }
    }

    /// The job fails as it is; its targets stay locked, since nobody knows what state they are in.
    async fn refuse(
        &self,
        id: JobId,
        me: &Owner,
        epoch: u64,
        standing: &Standing,
        why: String,
    ) -> Result<JobHandle, ReopenError> {
        let change = JobStateChanged { state: JobState::Failed, error: Some(why.clone()) };
        let batch = Batch {
            producer: ProducerId::FIRST,
            first: EventNumber(standing.recorded + 1),
            events: vec![NewEvent::new(self.options.clock.now(), change)],
            epoch: Some(epoch),
        };
        self.store.append(id, batch).await?;
        self.store.release(&[LeaseName::Job(id)], me).await?;
        Err(ReopenError::Failed { job: id, why })
    }
}

/// Takes what the pause left; a job that was killed has nothing to be taken.
fn restore(prior: JobState, id: JobId, standing: &mut Standing) -> Result<(), String> {
    if prior != JobState::Paused {
        return Ok(());
    }
    let payload = standing.paused.take().ok_or_else(|| format!("no resume state found for job {id}"))?;
    let attempt = standing.run.as_mut().and_then(|run| run.last.as_mut());
    snapshot::restore(&payload, id.0, attempt)
}

/// Reads what a job was begun with. Blocks.
fn request(reader: &dyn JobReader) -> Result<Request, StoreError> {
    let damaged = |detail: &str| StoreError::Damaged {
        what: format!("the request of job {}", reader.id()),
        detail: detail.to_owned(),
    };
    let mut found: Option<Request> = None;
    for (_, event) in reader.events_after(EventSeq(0), FIRST_EVENTS)? {
        match (event.body, &mut found) {
            (EventBody::JobSubmitted(mut submitted), None) => {
                let text = submitted.request.take();
                let extended = submitted.extended.take().map(|json| json.0);
                found = Some(Request { submitted, text, extended });
            }
            (EventBody::Artifact(artifact), Some(request)) => {
                let place = match artifact.name.as_str() {
                    REQUEST => &mut request.text,
                    EXTENDED => &mut request.extended,
                    _ => continue,
                };
                let bytes = reader.blob(artifact.blob)?;
                let text = String::from_utf8(bytes.to_vec());
                *place = Some(text.map_err(|_| damaged("it is not UTF-8 text"))?);
            }
            _ => {}
        }
    }
    found.ok_or_else(|| damaged("its first event is missing"))
}
