//! Which events of a batch are new. The rule (invariant 3 of DESIGN): what is kept already is a success, a gap is an
//! error that names the expected number, nothing is counted twice.

use oyez_model::{EventNumber, JobId, ProducerId};

use crate::api::{MAX_BATCH_EVENTS, MAX_EVENT_BYTES};
use crate::error::StoreError;

/// Whether a batch may have so many events.
///
/// # Errors
/// [`StoreError::TooLarge`] when it has none, or more than [`MAX_BATCH_EVENTS`].
pub fn check_batch(events: usize) -> Result<(), StoreError> {
    if (1..=MAX_BATCH_EVENTS).contains(&events) {
        return Ok(());
    }
    Err(StoreError::TooLarge {
        what: "a batch",
        size: events as u64,
        limit: MAX_BATCH_EVENTS as u64,
        hint: "send 1 to 16384 events at a time",
    })
}

/// Whether an event's body may have so many bytes.
///
/// # Errors
/// [`StoreError::TooLarge`] when they are more than [`MAX_EVENT_BYTES`].
pub fn check_event(bytes: usize) -> Result<(), StoreError> {
    if bytes <= MAX_EVENT_BYTES {
        return Ok(());
    }
    Err(StoreError::TooLarge {
        what: "an event",
        size: bytes as u64,
        limit: MAX_EVENT_BYTES as u64,
        hint: "put large content into a blob and send an artifact event",
    })
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Keep the events from this index on; those before it are kept already.
    From(usize),
    /// All are kept already: find the first ack.
    Repeat,
}

/// Holds a batch (`first`, `len` events) against the last number that is kept of its producer (0: none).
///
/// # Errors
/// [`StoreError::Gap`] when numbers are missing between what is kept and what came.
pub fn admit(
    job: JobId,
    producer: ProducerId,
    last: u64,
    first: EventNumber,
    len: usize,
) -> Result<Admission, StoreError> {
    let expected = last + 1;
    if first.0 == 0 || first.0 > expected {
        return Err(StoreError::Gap { job, producer, expected: EventNumber(expected), got: first });
    }
    let known = usize::try_from(expected - first.0).unwrap_or(usize::MAX);
    if known >= len { Ok(Admission::Repeat) } else { Ok(Admission::From(known)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_new_repeated_overlapping_or_leaves_a_gap() {
        let admit = |last, first, len| admit(JobId(1), ProducerId(7), last, EventNumber(first), len);
        assert_eq!(admit(0, 1, 3), Ok(Admission::From(0)));
        assert_eq!(admit(3, 1, 3), Ok(Admission::Repeat));
        assert_eq!(admit(3, 2, 4), Ok(Admission::From(2)));
        assert_eq!(admit(3, 4, 1), Ok(Admission::From(0)));
        let gap = admit(3, 5, 1).unwrap_err();
        assert!(
            matches!(gap, StoreError::Gap { expected: EventNumber(4), got: EventNumber(5), .. }),
            "{gap}"
        );
        assert!(admit(3, 0, 1).is_err());
    }
}
