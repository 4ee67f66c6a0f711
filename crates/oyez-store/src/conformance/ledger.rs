//! What a producer was promised: its acks, held against the journal after something went wrong.

use std::collections::BTreeMap;

use oyez_model::{EventSeq, JobId, ProducerId};

use super::events::lines;
use crate::api::{Ack, Batch, Store};
use crate::error::StoreError;

/// Acks of producers that send [`lines`], and what was sent and not answered.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    producers: BTreeMap<(JobId, ProducerId), Account>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    /// The number of the last event that was acked.
    acked: u64,
    /// The numbers of the first and last event of each ack, and where they are.
    acks: Vec<(u64, u64, Ack)>,
    /// The last event of a batch that was sent and not answered; it may be there whole, or not at all.
    open: Option<u64>,
}

impl Ledger {
    /// Nothing was promised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events were acked.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.producers.values().map(|account| account.acked).sum()
    }

    /// The batch that comes next of a producer: the one that was not answered, or the next `n` events.
    pub fn next(&mut self, job: JobId, producer: ProducerId, n: u64) -> Batch {
        let account = self.producers.entry((job, producer)).or_default();
        let first = account.acked + 1;
        let last = *account.open.get_or_insert(account.acked + n);
        lines(producer, first, last + 1 - first)
    }

    /// The batch that came from [`Ledger::next`] was acked.
    pub fn answered(&mut self, job: JobId, producer: ProducerId, ack: Ack) {
        let account = self.producers.entry((job, producer)).or_default();
        if let Some(last) = account.open.take() {
            account.acks.push((account.acked + 1, last, ack));
            account.acked = last;
        }
    }

    /// Sends the next batch of a producer.
    ///
    /// # Errors
    /// The store's; the batch stays open then.
    pub async fn send(
        &mut self,
        store: &dyn Store,
        job: JobId,
        producer: ProducerId,
        n: u64,
    ) -> Result<Ack, StoreError> {
        let batch = self.next(job, producer, n);
        let ack = store.append(job, batch).await?;
        self.answered(job, producer, ack);
        Ok(ack)
    }

    /// Sends again what was not answered.
    ///
    /// # Errors
    /// The store's.
    pub async fn send_open(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let open: Vec<(JobId, ProducerId)> = self
            .producers
            .iter()
            .filter(|(_, account)| account.open.is_some())
            .map(|(key, _)| *key)
            .collect();
        for (job, producer) in open {
            self.send(store, job, producer, 0).await?;
        }
        Ok(())
    }

    /// Every promise that was not kept, in words; empty when all is well.
    ///
    /// # Errors
    /// The store's own trouble.
    pub async fn broken(&self, store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut out = Vec::new();
        let jobs: std::collections::BTreeSet<JobId> = self.producers.keys().map(|(job, _)| *job).collect();
        for job in jobs {
            let reader = match store.reader(job).await {
                Ok(reader) => reader,
                Err(StoreError::NoJob(_)) => {
                    out.push(format!("job {job} is gone"));
                    continue;
                }
                Err(e) => return Err(e),
            };
            let journal = reader.events_after(EventSeq(0), usize::MAX)?;
            let mut say = |what: String| out.push(format!("job {job}: {what}"));
            if !journal.iter().zip(1..).all(|((seq, _), n)| seq.0 == n) {
                say("its numbers have gaps".to_owned());
            }
            for ((_, producer), account) in self.producers.iter().filter(|((of, _), _)| *of == job) {
                let theirs: Vec<_> = journal.iter().filter(|(_, e)| e.producer == *producer).collect();
                let n = theirs.len() as u64;
                if n != account.acked && Some(n) != account.open {
                    say(format!(
                        "of {producer} {n} are there, {} were acked, open {:?}",
                        account.acked, account.open
                    ));
                }
                let sent = lines(*producer, 1, n);
                let wrong = theirs.iter().zip(1..).zip(&sent.events).find(|(((_, have), number), want)| {
                    have.number.0 != *number || have.time != want.time || have.body != want.body
                });
                if let Some((((seq, have), number), _)) = wrong {
                    say(format!(
                        "event {seq} is {producer}'s {}, or another one; expected is {number}",
                        have.number
                    ));
                }
                for (first, last, ack) in &account.acks {
                    for (number, seq) in [(*first, ack.first), (*last, ack.last)] {
                        let at = journal
                            .get((seq.0 as usize).wrapping_sub(1))
                            .map(|(_, e)| (e.producer, e.number.0));
                        if at != Some((*producer, number)) {
                            say(format!("event {number} of {producer} was acked as {seq}; {at:?} is there"));
                        }
                    }
                }
            }
        }
        Ok(out)
    }
}
