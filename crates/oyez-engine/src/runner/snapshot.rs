//! The payload of a pause, as ConTest writes it into `JobStatePaused` (specs/contest.md 1.10).
//!
//! `V` version, `J` job, `R` run, `T` test from 1, `TA` attempt, `NTA` when the next attempt begins, `S` when the next
//! run begins, `TT` targets, `TRS` and `CRS` where they stand in the steps and in the clean-up.
//!
//! Where a job stands is read from its journal ([`super::standing`]); of the payload only the states of the steps are
//! taken, which nobody but they can know, and it must be one that is understood.

use std::collections::BTreeMap;

use oyez_model::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::pipeline::Seat;
use super::standing::{OpenAttempt, Stand};
use crate::steps::{Resumption, Step};
use crate::target::Target;

/// The version of the payload.
const VERSION: i64 = 1;
/// The version of what stands in `TRS` and `CRS`.
const STATE_VERSION: u32 = 2;

/// What a paused job needs to go on.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Payload {
    #[serde(rename = "V")]
    pub(super) version: i64,
    #[serde(rename = "J")]
    pub(super) job: u64,
    #[serde(rename = "R")]
    pub(super) run: u32,
    #[serde(rename = "T", skip_serializing_if = "is_zero")]
    pub(super) test: usize,
    #[serde(rename = "TA")]
    pub(super) attempt: u32,
    #[serde(rename = "NTA", skip_serializing_if = "Option::is_none")]
    pub(super) next_attempt: Option<Time>,
    #[serde(rename = "S", skip_serializing_if = "Option::is_none")]
    pub(super) start_at: Option<Time>,
    #[serde(rename = "TT", skip_serializing_if = "Vec::is_empty")]
    pub(super) targets: Vec<Target>,
    #[serde(rename = "TRS", skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<RunnerState>,
    #[serde(rename = "CRS", skip_serializing_if = "Option::is_none")]
    pub(super) cleanup: Option<RunnerState>,
    /// Ours: the server paused the job because it ended.
    #[serde(rename = "X-Oyez-HandedOn", skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_handed_on: bool,
}

/// Whether a job was paused because its server ended.
pub(super) fn is_handed_on(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "X-Oyez-HandedOn", default)]
        is_handed_on: bool,
    }
    serde_json::from_str::<Head>(text).is_ok_and(|head| head.is_handed_on)
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Where targets stand in steps.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunnerState {
    #[serde(rename = "V")]
    version: u32,
    #[serde(rename = "T")]
    targets: BTreeMap<String, TargetState>,
    #[serde(rename = "SRS", skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Option<StepState>>,
}

#[derive(Clone, Debug, Serialize)]
struct TargetState {
    #[serde(rename = "S")]
    step: usize,
    #[serde(rename = "P")]
    phase: u8,
    #[serde(rename = "V", skip_serializing_if = "Option::is_none")]
    variables: Option<BTreeMap<String, BTreeMap<String, Box<RawValue>>>>,
}

/// A target has not entered its step,
const BEFORE: u8 = 1;
/// is inside,
const INSIDE: u8 = 3;
/// or has come to its end.
const ENDED: u8 = 5;

#[derive(Clone, Debug, Serialize)]
struct StepState {
    #[serde(rename = "V")]
    version: u32,
    #[serde(rename = "TWD", skip_serializing_if = "Vec::is_empty")]
    targets: Vec<TargetWithData>,
}

#[derive(Clone, Debug, Serialize)]
struct TargetWithData {
    #[serde(rename = "Target")]
    target: Target,
    #[serde(rename = "Data")]
    data: Box<RawValue>,
}

impl Payload {
    pub(super) fn new() -> Payload {
        Payload { version: VERSION, ..Payload::default() }
    }
}

impl RunnerState {
    /// Where these targets stand in these steps.
    pub(super) fn of(steps: &[Step], seats: &[Seat<'_>]) -> RunnerState {
        let state = |seat: &Seat<'_>| {
            let phase = match (seat.is_parked(), &seat.visit) {
                (false, _) => ENDED,
                (true, Some(_)) => INSIDE,
                (true, None) => BEFORE,
            };
            let variables = seat.variables.as_ref().map(|variables| {
                let mut all: BTreeMap<String, BTreeMap<String, Box<RawValue>>> = BTreeMap::new();
                for (label, name, value) in variables.iter() {
                    all.entry(label.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
                }
                all
            });
            (seat.target.id.clone(), TargetState { step: seat.step, phase, variables })
        };
        let of_step = |(at, step): (usize, &Step)| {
            let is_open = seats.iter().any(|seat| seat.is_parked() && seat.step <= at);
            let with_data = seats.iter().filter(|seat| seat.is_parked() && seat.step == at);
            let targets = with_data.filter_map(|seat| {
                let data = seat.visit.as_ref()?.state.clone()?;
                Some(TargetWithData { target: seat.target.clone(), data })
            });
            (step.resumption() == Resumption::Resumed && is_open)
                .then(|| StepState { version: 1, targets: targets.collect() })
        };
        RunnerState {
            version: STATE_VERSION,
            targets: seats.iter().map(state).collect(),
            steps: steps.iter().enumerate().map(of_step).collect(),
        }
    }
}

/// Takes the states of steps from what a pause left; refuses what is not understood, in ConTest's words.
///
/// # Errors
/// Why the job cannot go on.
pub(super) fn restore(text: &str, job: u64, attempt: Option<&mut OpenAttempt>) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "V", default)]
        version: i64,
        #[serde(rename = "J", default)]
        job: u64,
        #[serde(rename = "TRS")]
        steps: Option<States>,
        #[serde(rename = "CRS")]
        cleanup: Option<States>,
    }
    #[derive(Deserialize)]
    struct States {
        #[serde(rename = "SRS", default)]
        steps: Vec<Option<OneStep>>,
    }
    #[derive(Deserialize)]
    struct OneStep {
        #[serde(rename = "TWD", default)]
        targets: Vec<WithData>,
    }
    #[derive(Deserialize)]
    struct WithData {
        #[serde(rename = "Target")]
        target: Named,
        #[serde(rename = "Data")]
        data: Box<RawValue>,
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "ID")]
        id: String,
    }
    let head: Head =
        serde_json::from_str(text).map_err(|e| format!("invald resume state for job {job}: {e}"))?;
    if head.version != VERSION {
        let got = head.version;
        return Err(format!("incompatible resume state version (want {VERSION}, got {got})"));
    }
    if head.job != job {
        return Err(format!("wrong resume state, job id {} (want {job})", head.job));
    }
    let Some(attempt) = attempt else { return Ok(()) };
    let cleanup = attempt.cleanup.as_mut().map(|cleanup| &mut cleanup.seats);
    for (states, seats) in [(head.steps, Some(&mut attempt.seats)), (head.cleanup, cleanup)] {
        let (Some(states), Some(seats)) = (states, seats) else { continue };
        let mut data: BTreeMap<(usize, String), Box<RawValue>> = BTreeMap::new();
        for (at, step) in states.steps.into_iter().enumerate() {
            let targets = step.into_iter().flat_map(|step| step.targets);
            data.extend(targets.map(|with| ((at, with.target.id), with.data)));
        }
        for Stand { target, step, visit, .. } in seats {
            if let Some(visit) = visit {
                visit.state = data.remove(&(*step, target.id.clone()));
            }
        }
    }
    Ok(())
}
