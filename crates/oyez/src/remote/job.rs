//! A job of the API as the rest of the command knows jobs: so that it is shown the same from wherever it comes.

use oyez_model::fold::Gap;
use oyez_model::{Completeness, Counts, Guid, JobId, JobRow, JobSource, JobState, Outcome, Time, Verdict};
use oyez_server::http::api::types::Job;
use oyez_store::{JobInfo, Owner};

/// The job. What this version does not know is as if it were not said.
#[must_use]
pub fn info(job: &Job) -> JobInfo {
    let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Time>().ok());
    let gap = |gap: &oyez_server::http::api::types::Gap| Gap {
        code: gap.code.clone(),
        count: gap.count,
        text: gap.text.clone(),
    };
    let complete = match job.complete.as_str() {
        "yes" => Completeness::Yes,
        "no" => Completeness::No(job.gaps.iter().map(gap).collect()),
        _ => Completeness::Unknown,
    };
    let row = JobRow {
        uid: job.uid.parse().unwrap_or_default(),
        name: job.name.clone(),
        requestor: job.requestor.clone(),
        source: JobSource::default(),
        tags: job.tags.clone(),
        guids: job.guids.iter().filter_map(|guid| Guid::new(guid.as_str()).ok()).collect(),
        project: job.project.clone(),
        state: job.state.parse::<JobState>().unwrap_or_default(),
        error: job.error.clone(),
        submitted: job.submitted.parse().unwrap_or_default(),
        started: time(&job.started),
        ended: time(&job.ended),
        outcome: job.outcome.as_ref().and_then(|word| word.parse::<Outcome>().ok()),
        verdict: match job.verdict.as_deref() {
            Some("success") => Some(Verdict::Success),
            Some("failure") => Some(Verdict::Failure),
            _ => None,
        },
        complete,
        counts: counts(&job.counts),
        runs: job.runs,
        events: job.events,
        version: None,
        command: None,
        server_id: job.server.clone(),
    };
    let owner = job.owner.as_deref().and_then(owner).map(|owner| (owner, Time::default()));
    JobInfo { id: JobId(job.id), row, owner, damage: job.damage.clone() }
}

/// Counts by outcome.
#[must_use]
pub fn counts(counts: &std::collections::BTreeMap<String, u64>) -> Counts {
    let mut out = Counts::default();
    for outcome in Outcome::ALL {
        out.0[Counts::place(Some(outcome))] = counts.get(outcome.as_str()).copied().unwrap_or(0);
    }
    out.0[Counts::place(None)] = counts.get("none").copied().unwrap_or(0);
    out
}

/// `process 17 on lab`.
fn owner(text: &str) -> Option<Owner> {
    let (pid, host) = text.strip_prefix("process ")?.split_once(" on ")?;
    Some(Owner { host: host.to_owned(), pid: pid.parse().ok()?, started: 0, token: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_the_same_after_its_way_over_the_wire() {
        let mut counts = Counts::default();
        for outcome in [Some(Outcome::Passed), Some(Outcome::Failed), Some(Outcome::Failed), None] {
            counts.add(outcome);
        }
        let gap = Gap { code: "never_ended".to_owned(), count: 2, text: "2 sections".to_owned() };
        let row = JobRow {
            name: "j".to_owned(),
            state: JobState::Cancelled,
            submitted: Time(1_795_193_600_123_456_789),
            started: Some(Time(1_795_193_601_000_000_000)),
            outcome: Some(Outcome::Aborted),
            verdict: Some(Verdict::Failure),
            complete: Completeness::No(vec![gap]),
            guids: vec![Guid::new("g 1").unwrap()],
            counts,
            server_id: Some("lab".to_owned()),
            ..JobRow::default()
        };
        let owner = Owner { host: "lab on hill".to_owned(), pid: 17, started: 0, token: 0 };
        let before = JobInfo { id: JobId(3), row, owner: Some((owner, Time::default())), damage: None };
        let json = serde_json::to_string(&Job::from(&before)).unwrap();
        assert_eq!(info(&serde_json::from_str(&json).unwrap()), before);
    }
}
