//! The targets of an attempt take their seats: new ones, and those that they had before the job was halted.

use std::collections::HashMap;
use std::net::IpAddr;

use oyez_model::event::{self, SectionStarted, TargetAcquired};
use oyez_model::{Outcome, SectionRef};
use serde_json::value::RawValue;

use super::job::Job;
use super::pipeline::Seat;
use super::roster::Roster;
use super::standing::Stand;
use crate::target::Target;

/// Said of a target that stands in a list again.
const TWICE: &str = "listed again: it runs once and counts twice";

impl Job {
    /// The seats of an attempt's targets, in the order of the roster; what was recorded of them before stays.
    pub(super) async fn seats<'t>(
        &self,
        test: u64,
        roster: &'t Roster<'_>,
        before: Vec<Stand>,
    ) -> Vec<Seat<'t>> {
        let mut before: HashMap<String, Stand> =
            before.into_iter().map(|stand| (stand.target.id.clone(), stand)).collect();
        let mut twins: HashMap<usize, std::vec::IntoIter<u64>> = HashMap::new();
        let mut seats: Vec<Seat<'t>> = Vec::new();
        for (target, place, is_first) in roster.listed() {
            if is_first {
                seats.push(match before.remove(&target.id) {
                    Some(mut stand) => {
                        twins.insert(place, std::mem::take(&mut stand.twins).into_iter());
                        resumed(target, stand)
                    }
                    None => Seat::new(target, self.acquired(test, target)),
                });
            } else {
                // A target that is listed twice runs once and counts twice, as in ConTest (specs/contest.md 4).
                let known = twins.get_mut(&place).and_then(Iterator::next);
                seats[place].add_twin(known.unwrap_or_else(|| self.held(test, target, Some(TWICE))));
            }
            self.recorder.room().await;
        }
        seats
    }

    /// The same targets at the start of a clean-up.
    pub(super) async fn seats_again<'t>(
        &self,
        test: u64,
        seats: Vec<Seat<'t>>,
        before: Vec<Stand>,
    ) -> Vec<Seat<'t>> {
        let mut before: HashMap<String, Stand> =
            before.into_iter().map(|stand| (stand.target.id.clone(), stand)).collect();
        let mut again = Vec::with_capacity(seats.len());
        for seat in seats {
            again.push(match before.remove(&seat.target.id) {
                Some(mut stand) => {
                    let own = seat.variables.clone();
                    stand.variables = match (own, stand.variables.take()) {
                        (Some(mut all), Some(later)) => {
                            let map = std::sync::Arc::make_mut(&mut all);
                            later
                                .iter()
                                .for_each(|(label, name, value)| map.set(label, name, value.to_owned()));
                            Some(all)
                        }
                        (own, later) => later.or(own),
                    };
                    resumed(seat.target, stand)
                }
                None => {
                    let section = self.held(test, seat.target, None);
                    seat.again(section)
                }
            });
            self.recorder.room().await;
        }
        again
    }

    fn acquired(&self, test: u64, target: &Target) -> u64 {
        let id = self.node();
        let text = |address: Option<IpAddr>| address.map(|address| address.to_string());
        let target = event::Target {
            id: target.id.clone(),
            fqdn: Some(&target.fqdn).filter(|fqdn| !fqdn.is_empty()).cloned(),
            primary_ipv4: text(target.primary_ipv4),
            primary_ipv6: text(target.primary_ipv6),
            manager_state: target.manager_state.as_ref().map(|state| event::RawJson(state.get().to_owned())),
        };
        self.recorder.record(TargetAcquired { id, test: SectionRef::own(test), target });
        id
    }

    /// A section for a target that is held already.
    fn held(&self, test: u64, target: &Target, description: Option<&str>) -> u64 {
        let id = self.node();
        self.recorder.record(SectionStarted {
            id,
            parent: SectionRef::own(test),
            r#type: "Target".to_owned(),
            name: target.id.clone(),
            description: description.map(str::to_owned),
            ..Default::default()
        });
        id
    }
}

/// A target where it stood.
fn resumed(target: &Target, stand: Stand) -> Seat<'_> {
    let mut seat = Seat::new(target, stand.section);
    seat.step = stand.step;
    seat.visit = stand.visit;
    seat.variables = stand.variables;
    match (stand.ended, stand.failed) {
        (Some(outcome), _) => seat.ended(outcome == Outcome::Passed),
        (None, Some(failed)) => seat.failed(failed),
        (None, None) => seat,
    }
}

/// Targets as they were acquired: of a job whose target manager found them only then.
pub(super) fn targets(stands: &[Stand]) -> Vec<Target> {
    let address = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    let mut targets = Vec::with_capacity(stands.len());
    for stand in stands {
        let target = Target {
            id: stand.target.id.clone(),
            fqdn: stand.target.fqdn.clone().unwrap_or_default(),
            primary_ipv4: address(&stand.target.primary_ipv4),
            primary_ipv6: address(&stand.target.primary_ipv6),
            manager_state: stand
                .target
                .manager_state
                .as_ref()
                .and_then(|state| RawValue::from_string(state.0.clone()).ok()),
        };
        targets.extend(std::iter::repeat_n(target, 1 + stand.twins.len()));
    }
    targets
}
