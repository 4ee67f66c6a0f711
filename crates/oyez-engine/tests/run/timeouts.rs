//! What takes too long.

use oyez_model::{JobState, Outcome};
use serde_json::json;

use super::lab::{Lab, echo, job, shell, step, test};

#[tokio::test]
async fn a_step_that_takes_too_long_is_its_targets_failure() {
    let lab = Lab::new();
    let late = |mut step: serde_json::Value| {
        step["X-Oyez"] = json!({"timeout": "50ms"});
        test("A", &["T1"], vec![step, echo("e", "not reached")])
    };
    let sleep = step("sleep", "z", json!({"duration": ["1h"]}));
    for step in [sleep, shell("s", "echo begun; exec sleep 3600"), shell("s", "sleep 3600 & wait")] {
        let ran = lab.run(&job(vec![late(step)])).await;
        assert_eq!(ran.errors(), ["timed out after 50ms"]);
        assert_eq!((ran.end.state, ran.row.outcome), (JobState::Completed, Some(Outcome::Failed)));
        assert_eq!(ran.count("target_in"), 1);
    }
}

#[tokio::test]
async fn a_step_that_is_done_in_time_is_not_touched_by_its_timeout() {
    let lab = Lab::new();
    let mut sleep = step("sleep", "z", json!({"duration": ["1ms"]}));
    sleep["X-Oyez"] = json!({"timeout": "1h"});
    let mut cmd = shell("s", "true");
    cmd["X-Oyez"] = json!({"timeout": "1h"});
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![sleep, cmd])])).await;
    assert_eq!(ran.row.outcome, Some(Outcome::Passed));
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_fails_and_is_tried_again() {
    let lab = Lab::new();
    let begun = lab.path("begun");
    let script = format!("test -e {0} || {{ touch {0}; exec sleep 3600; }}", begun.display());
    let mut test = test("A", &["T1", "T2"], vec![shell("s", &script), echo("e", "x")]);
    test["X-Oyez"] = json!({"timeout": "700ms"});
    test["RetryParameters"] = json!({"NumRetries": 1, "RetryInterval": "0s"});
    let ran = lab.run(&job(vec![test])).await;
    // Both targets may have looked before either had begun.
    let errors = ran.errors();
    assert!(!errors.is_empty() && errors.iter().all(|e| e == "timed out after 700ms"), "{errors:?}");
    assert_eq!(ran.count("test_started"), 2);
    assert_eq!((ran.end.state, ran.row.outcome), (JobState::Completed, Some(Outcome::Passed)));
}

#[tokio::test]
async fn a_job_that_takes_too_long_fails_and_cleans_up() {
    let lab = Lab::new();
    let mut test = test("A", &["T1"], vec![step("sleep", "z", json!({"duration": ["1h"]}))]);
    test["CleanupFetcherName"] = json!("Literal");
    test["CleanupFetcherFetchParameters"] = json!({"Steps": [shell("c", "true")]});
    let mut job = job(vec![test]);
    job["X-Oyez"] = json!({"timeout": "100ms"});
    let ran = lab.run(&job).await;
    assert_eq!((ran.end.state, ran.end.error.as_deref()), (JobState::Failed, Some("timed out after 100ms")));
    assert_eq!(ran.errors(), ["timed out after 100ms"]);
    assert_eq!((ran.count("test_started"), ran.count("target_out"), ran.count("report")), (2, 1, 0));
    assert_eq!(ran.count("target_released"), 1);
}
