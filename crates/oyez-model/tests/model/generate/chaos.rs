//! Any event after any other: references to nowhere, starts without ends, ends without starts, final states midway.

use oyez_model::{Event, EventNumber, ProducerId, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::bodies::{PRODUCERS, body};

/// An event of no particular sense.
pub fn event() -> impl Strategy<Value = Event> {
    let producer = prop_oneof![6 => select(&PRODUCERS[..3]), 1 => select(&PRODUCERS[..])];
    let number = prop_oneof![8 => 1..1000u64, 1 => any::<u64>()];
    let time = prop_oneof![4 => 1_795_193_683_000_000_000..1_795_193_684_000_000_000i64, 1 => any::<i64>()];
    (producer, number, time, body()).prop_map(|(producer, number, time, body)| Event {
        producer: ProducerId(producer),
        number: EventNumber(number),
        time: Time(time),
        body,
    })
}

/// Up to `n` of them.
pub fn events(n: usize) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 0..n)
}
