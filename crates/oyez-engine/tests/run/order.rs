//! Which events, in which order.

use oyez_model::{EventBody, JobState, Outcome, SectionRef, Verdict};
use serde_json::json;

use super::lab::{Lab, Ran, echo, job, shell, step, test};

/// Each event in a short form of its own.
fn short(ran: &Ran) -> Vec<String> {
    let own = |r: &SectionRef| r.number;
    let end = |outcome: &Option<Outcome>, reason: &Option<String>| {
        let outcome = outcome.map_or("-", Outcome::as_str);
        reason.as_ref().map_or(outcome.to_owned(), |reason| format!("{outcome} ({reason})"))
    };
    let line = |body: &EventBody| match body {
        EventBody::JobStateChanged(e) => format!("state {}", e.state),
        EventBody::RunStarted(e) => format!("run {} id {} planned {}", e.run, e.id, e.planned.unwrap()),
        EventBody::RunStopped(e) => format!("run {} stopped {}", own(&e.id), end(&e.outcome, &None)),
        EventBody::TestStarted(e) => format!(
            "test {:?} id {} in {} index {} attempt {} planned {}{}",
            e.name,
            e.id,
            own(&e.parent),
            e.index,
            e.attempt,
            e.planned.unwrap(),
            if e.cleanup == Some(true) { " cleanup" } else { "" }
        ),
        EventBody::TestStopped(e) => format!(
            "test {} stopped {}{}",
            own(&e.id),
            end(&e.outcome, &e.reason),
            if e.retried == Some(true) { " retried" } else { "" }
        ),
        EventBody::TargetAcquired(e) => format!("acquired {} id {} in {}", e.target.id, e.id, own(&e.test)),
        EventBody::SectionStarted(e) => format!("{} {} id {} in {}", e.r#type, e.name, e.id, own(&e.parent)),
        EventBody::TargetIn(e) => format!("in {} {} id {} of {}", e.label, e.step, e.id, own(&e.target)),
        EventBody::TargetOut(e) => format!("out {}", own(&e.id)),
        EventBody::TargetErr(e) => format!(
            "err {} {}",
            own(&e.id),
            end(&Some(e.outcome.unwrap_or(Outcome::Failed)), &Some(e.error.clone()))
        ),
        EventBody::SectionStopped(e) => format!("section {} {}", own(&e.id), end(&e.outcome, &e.reason)),
        EventBody::TargetReleased(e) => format!("released {}", own(&e.id)),
        EventBody::Named(e) => format!(
            "{} of {} at {} {}",
            e.name,
            e.target.as_deref().unwrap(),
            own(&e.id),
            e.payload.as_ref().unwrap().0
        ),
        EventBody::LogText(e) => {
            format!("{:?} of {} {:?}", e.stream, own(&e.id), String::from_utf8_lossy(&e.text.0))
        }
        EventBody::VariableEmitted(e) => format!("variable {} of {} {}", e.name, own(&e.id), e.value.0),
        EventBody::Report(e) => format!("report {:?} {} {}", e.run.map(|run| run.0), e.reporter, e.success),
        other => other.name().to_owned(),
    };
    ran.events.iter().map(|event| line(&event.body)).collect()
}

#[tokio::test]
async fn a_small_job_records_exactly_this() {
    let lab = Lab::new();
    let mut cmd = shell("s2", "echo out");
    cmd["parameters"]["emit_stdout"] = json!([true]);
    let steps = vec![step("variables", "v", json!({"n": [5]})), echo("s1", "n is {{ IntVar \"v.n\" }}"), cmd];
    let ran = lab.run(&job(vec![test("A", &["T1"], steps)])).await;
    let sh = oyez_engine::Environment::find_executable(&oyez_engine::SearchPath::from_env(), "sh").unwrap();
    let sh = sh.display();
    assert_eq!(
        short(&ran),
        [
            "job_submitted",
            "producer_joined",
            "state Started",
            "run 1 id 1 planned 1",
            "test \"A\" id 2 in 1 index 0 attempt 0 planned 1",
            "acquired T1 id 3 in 2",
            "in v variables id 4 of 3",
            "variable n of 4 5",
            "out 4",
            "in s1 Echo id 5 of 3",
            "Log of 5 \"n is 5\\n\"",
            "out 5",
            "in s2 Cmd id 6 of 3",
            &format!(
                "CmdStart of T1 at 6 {{\"Path\":\"{sh}\",\"Args\":[\"{sh}\",\"-c\",\"echo out\"],\"Dir\":\"\"}}"
            ),
            "Stdout of 6 \"out\\n\"",
            "CmdEnd of T1 at 6 null",
            "CmdStdout of T1 at 6 {\"Msg\":\"out\\n\"}",
            "out 6",
            "section 3 passed",
            "released 3",
            "test 2 stopped passed",
            "report Some(1) TargetSuccess true",
            "run 1 stopped -",
            "report None noop true",
            "producer_left",
            "state Completed",
        ]
    );
    assert_eq!((ran.end.state, ran.end.verdict), (JobState::Completed, Some(Verdict::Success)));
    assert!(ran.events.iter().zip(1..).all(|(event, number)| event.number.0 == number));
    assert!(ran.events.is_sorted_by_key(|event| event.time));
    assert_eq!(ran.row.complete.as_str(), "yes");
}

#[tokio::test]
async fn a_retried_test_with_a_clean_up_records_exactly_this() {
    let lab = Lab::new();
    let again = lab.path("again");
    let script = format!("test -e {0} || {{ touch {0}; exit 3; }}", again.display());
    let mut test = test("A", &["T1"], vec![shell("s1", &script)]);
    test["RetryParameters"] = json!({"NumRetries": 2, "RetryInterval": "1ms"});
    test["CleanupFetcherName"] = json!("Literal");
    test["CleanupFetcherFetchParameters"] = json!({"Steps": [echo("c1", "bye")]});
    let ran = lab.run(&job(vec![test])).await;
    let lines = short(&ran);
    let lines: Vec<_> = lines.iter().filter(|line| !line.starts_with("Cmd")).map(String::as_str).collect();
    assert_eq!(
        lines[3..],
        [
            "run 1 id 1 planned 1",
            "test \"A\" id 2 in 1 index 0 attempt 0 planned 1",
            "acquired T1 id 3 in 2",
            "in s1 Cmd id 4 of 3",
            "err 4 failed (exit status 3)",
            "section 3 failed (exit status 3)",
            "test 2 stopped failed (1 of 1 target failed) retried",
            "test \"A [CLEANUP]\" id 5 in 1 index 0 attempt 0 planned 1 cleanup",
            "Target T1 id 6 in 5",
            "in c1 Echo id 7 of 6",
            "Log of 7 \"bye\\n\"",
            "out 7",
            "section 6 passed",
            "test 5 stopped passed",
            "released 3",
            "test \"A\" id 8 in 1 index 0 attempt 1 planned 1",
            "acquired T1 id 9 in 8",
            "in s1 Cmd id 10 of 9",
            "out 10",
            "section 9 passed",
            "test 8 stopped passed",
            "test \"A [CLEANUP]\" id 11 in 1 index 0 attempt 1 planned 1 cleanup",
            "Target T1 id 12 in 11",
            "in c1 Echo id 13 of 12",
            "Log of 13 \"bye\\n\"",
            "out 13",
            "section 12 passed",
            "test 11 stopped passed",
            "released 9",
            "report Some(1) TargetSuccess true",
            "run 1 stopped -",
            "report None noop true",
            "producer_left",
            "state Completed",
        ]
    );
    assert_eq!(ran.end.verdict, Some(Verdict::Success));
    assert_eq!(ran.row.outcome, Some(Outcome::Passed));
    assert_eq!(ran.row.complete.as_str(), "yes");
}
