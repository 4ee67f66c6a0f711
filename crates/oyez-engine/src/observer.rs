//! Who watches a job while it runs.

use oyez_store::{NewEvent, StoreError};

/// Hears of everything that a job records, in order, before it is kept.
///
/// It is called while the recorder is locked: it must not wait, and not call back. What takes time goes through a
/// bounded channel of its own that drops when it is full; whoever needs every event reads the journal.
pub trait Observer: Send + Sync {
    /// An event was recorded. `seq_hint` is its number by this producer, which is also its number in the journal as
    /// long as nobody else writes to the job.
    fn event(&self, seq_hint: u64, event: &NewEvent);

    /// Something that a person should know now, and that is no event of the job: whom it waits for, that the store
    /// cannot be written.
    fn notice(&self, text: &str);
    /// The job cannot write to its store and waits (`Some`), or goes on (`None`); said once for each.
    fn trouble(&self, trouble: Option<&StoreError>) {
        match trouble {
            Some(e) => self.notice(&format!("{e}; the job waits and tries again")),
            None => self.notice("the store works again; the job goes on"),
        }
    }
}
