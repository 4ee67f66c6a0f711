//! Everything that happens becomes an [`Event`] of a job.
//!
//! [`bodies`] has one struct for each kind, [`record`] the form of events in the journal. Each kind has a number for
//! ever; fields are numbered too, so that an older reader skips a field that it does not know and keeps a whole kind
//! that it does not know as [`Unknown`], bytes and all, and says so.

mod bodies;
mod record;

use serde::Serialize;
use serde::ser::SerializeMap;

pub use bodies::*;
pub use record::{Record, RecordError, RecordWriter, Records, encode_body};

use crate::ids::{EventNumber, ProducerId};
use crate::time::Time;

/// One thing that happened, as its producer says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Who says it.
    pub producer: ProducerId,
    /// The producer's own number for it: 1, 2, 3, ... without gaps.
    pub number: EventNumber,
    /// When it happened, by the producer's clock.
    pub time: Time,
    /// What happened.
    pub body: EventBody,
}

/// A kind that this version does not know: kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The number of the kind.
    pub kind: u16,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Serialize for Unknown {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(2))?;
        map.serialize_entry("kind_number", &self.kind)?;
        map.serialize_entry("bytes", &self.bytes.len())?;
        map.end()
    }
}

impl Event {
    /// The event as one JSON object: `seq`, `time`, `producer`, `number`, `kind` and the fields of its body.
    #[must_use]
    pub fn to_json(&self, seq: crate::ids::EventSeq) -> serde_json::Value {
        let mut out = serde_json::Map::new();
        out.insert("seq".into(), seq.0.into());
        out.insert("time".into(), self.time.to_string().into());
        out.insert("producer".into(), format!("{:x}", self.producer.0).into());
        out.insert("number".into(), self.number.0.into());
        out.insert("kind".into(), self.body.name().into());
        // A body is a struct of plain fields: it always becomes an object.
        if let Ok(serde_json::Value::Object(body)) = serde_json::to_value(&self.body) {
            out.extend(body);
        }
        serde_json::Value::Object(out)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $name:literal $variant:ident),* $(,)?) => {
        /// What happened: one variant for each kind of event.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum EventBody {
            $($(#[$doc])* $variant(bodies::$variant),)*
            /// Of a kind that a newer version made.
            Unknown(Unknown),
        }

        impl EventBody {
            /// The number of its kind, the same for ever.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(EventBody::$variant(_) => $number,)*
                    EventBody::Unknown(u) => u.kind,
                }
            }

            /// The name of its kind, as `oyez events` prints it.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(EventBody::$variant(_) => $name,)*
                    EventBody::Unknown(_) => "unknown",
                }
            }

            fn encode_into(&self, out: &mut Vec<u8>) {
                match self {
                    // Writing CBOR into a vector cannot fail: the vector's writer has no error.
                    $(EventBody::$variant(body) => { let _ = minicbor::encode(body, &mut *out); })*
                    EventBody::Unknown(u) => out.extend_from_slice(&u.bytes),
                }
            }

            fn decode(kind: u16, bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
                Ok(match kind {
                    $($number => EventBody::$variant(minicbor::decode(bytes)?),)*
                    _ => EventBody::Unknown(Unknown { kind, bytes: bytes.to_vec() }),
                })
            }
        }

        $(impl bodies::$variant {
            /// The number of its kind.
            pub const KIND: u16 = $number;
        })*

        $(impl From<bodies::$variant> for EventBody {
            fn from(body: bodies::$variant) -> Self {
                EventBody::$variant(body)
            }
        })*

        /// Number and name of every kind that this version knows.
        pub const KINDS: &[(u16, &str)] = &[$(($number, $name)),*];
    };
}

kinds! {
    /// A job begins: its request and what it will run.
    1 "job_submitted" JobSubmitted,
    /// A job's state changed.
    2 "job_state" JobStateChanged,
    /// Somebody asked for something: cancel, pause, resume.
    3 "job_control" JobControl,
    /// What a paused job needs to go on.
    4 "job_paused" JobPaused,
    /// This job has to do with another one: it repeats it.
    5 "job_linked" JobLinked,
    /// How long this job is kept.
    6 "job_retention" JobRetention,
    /// A run began.
    10 "run_started" RunStarted,
    /// A run ended.
    11 "run_stopped" RunStopped,
    /// An attempt of a test began.
    12 "test_started" TestStarted,
    /// An attempt of a test ended.
    13 "test_stopped" TestStopped,
    /// A producer came.
    20 "producer_joined" ProducerJoined,
    /// A producer said that it is done.
    21 "producer_left" ProducerLeft,
    /// A producer went away without a word.
    22 "producer_broke" ProducerBroke,
    /// A process connected to a producer that gathers for several.
    23 "client_joined" ClientJoined,
    /// Such a process went away.
    24 "client_left" ClientLeft,
    /// A section became the current one of its producer.
    25 "context_opened" ContextOpened,
    /// A section is no longer the current one.
    26 "context_closed" ContextClosed,
    /// A client's numbered call was answered.
    27 "call_answered" CallAnswered,
    /// A section will come.
    30 "section_announced" SectionAnnounced,
    /// A section began.
    31 "section_started" SectionStarted,
    /// Something of a section changed.
    32 "section_updated" SectionUpdated,
    /// A remark on a section.
    33 "section_detail" SectionDetail,
    /// A section ended.
    34 "section_stopped" SectionStopped,
    /// A section was taken back.
    35 "section_removed" SectionRemoved,
    /// The place of a section's log changed.
    36 "log_rebased" LogRebased,
    /// Where a section's log stands in a file.
    37 "log_span" LogSpanned,
    /// A target was acquired for a test.
    40 "target_acquired" TargetAcquired,
    /// A target entered a step.
    41 "target_in" TargetIn,
    /// A target left a step.
    42 "target_out" TargetOut,
    /// A target failed in a step.
    43 "target_err" TargetErr,
    /// A target was released.
    44 "target_released" TargetReleased,
    /// Targets could not be acquired.
    45 "target_acquire_err" TargetAcquireErr,
    /// A lock on a target was taken or lost.
    46 "target_lock" TargetLock,
    /// A step gave a variable for a target.
    50 "variable_emitted" VariableEmitted,
    /// A named event with a payload.
    51 "named" Named,
    /// Log text.
    52 "log_text" LogText,
    /// A file or a piece of data.
    53 "artifact" Artifact,
    /// A number with a unit.
    54 "measurement" Measurement,
    /// A structured log entry.
    55 "entry" Entry,
    /// The life of a child process.
    56 "child_life" ChildLife,
    /// What a reporter said.
    57 "report" Report,
    /// Output was not kept.
    58 "output_dropped" OutputDropped,
    /// The source of these events was cut off.
    59 "source_cut" SourceCut,
}
