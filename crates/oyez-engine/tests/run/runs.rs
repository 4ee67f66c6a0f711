//! Runs, tests and targets: how often, how many, and what counts.

use oyez_model::{JobState, Outcome, Verdict};
use serde_json::json;

use super::lab::{Lab, echo, job, shell, step, target, test};

#[tokio::test]
async fn runs_are_reported_one_by_one_and_at_the_end_by_their_mean() {
    let lab = Lab::new();
    let again = lab.path("again");
    let script = format!("test -e {0} || {{ touch {0}; exit 1; }}", again.display());
    let mut job = job(vec![test("A", &["T1"], vec![shell("s", &script)])]);
    job["Runs"] = json!(2);
    job["RunInterval"] = json!("1ms");
    job["Reporting"]["FinalReporters"] =
        json!([{"Name": "TargetSuccess", "Parameters": {"AverageSuccessExpression": ">=50%"}}]);
    let ran = lab.run(&job).await;
    let verdicts: Vec<_> = ran.run_reports().into_iter().map(|(run, _, success, _)| (run, success)).collect();
    assert_eq!(verdicts, [(1, false), (2, true)]);
    let data = json!(["Test A passes success criteria: 50.00% >= 50.00%"]);
    assert_eq!(ran.final_reports(), [("TargetSuccess".to_owned(), true, data)]);
    assert_eq!((ran.end.state, ran.end.verdict), (JobState::Completed, Some(Verdict::Success)));
    assert_eq!(ran.row.runs, 2);
}

#[tokio::test]
async fn without_targets_the_job_ends_with_a_clear_verdict_and_no_retry() {
    let lab = Lab::new();
    let mut test = test("A", &[], vec![echo("s", "x")]);
    test["RetryParameters"] = json!({"NumRetries": 3, "RetryInterval": "1h"});
    let ran = lab.run(&job(vec![test])).await;
    assert_eq!((ran.end.state, ran.end.verdict), (JobState::Completed, Some(Verdict::Failure)));
    assert_eq!(ran.row.outcome, Some(Outcome::Errored));
    assert_eq!(ran.count("test_started"), 1);
    assert_eq!(ran.row.complete.as_str(), "yes");
}

#[tokio::test]
async fn disabled_tests_are_left_out_also_when_all_are() {
    let lab = Lab::new();
    let mut disabled = test("A", &["T1"], vec![shell("s", "exit 1")]);
    disabled["Disabled"] = json!(true);
    let ran = lab.run(&job(vec![disabled.clone(), test("B", &["T2"], vec![echo("s", "x")])])).await;
    assert_eq!(ran.count("test_started"), 1);
    assert_eq!(ran.end.verdict, Some(Verdict::Success));
    for runs in [1, 0] {
        let mut job = job(vec![disabled.clone()]);
        job["Runs"] = json!(runs);
        let ran = lab.run(&job).await;
        assert_eq!(ran.run_reports(), [(1, "TargetSuccess".to_owned(), true, json!(null))]);
        assert_eq!(ran.end.state, JobState::Completed);
        assert_eq!(ran.row.complete.as_str(), "yes");
    }
}

#[tokio::test]
async fn targets_go_through_the_steps_independently() {
    let lab = Lab::new();
    let fifo = lab.path("fifo");
    super::lab::fifo(&fifo);
    // T1 waits in its first step until T2 is through its second one.
    let script = format!("test {{{{.ID}}}} = T2 || read x < {}", fifo.display());
    let second = format!("test {{{{.ID}}}} = T1 || echo go > {}", fifo.display());
    let ran =
        lab.run(&job(vec![test("A", &["T1", "T2"], vec![shell("s1", &script), shell("s2", &second)])])).await;
    assert_eq!(ran.end.verdict, Some(Verdict::Success));
}

#[tokio::test]
async fn a_target_that_fails_does_not_keep_the_others_from_going_on() {
    let lab = Lab::new();
    let steps = vec![shell("s1", "test {{.ID}} != T2"), echo("s2", "{{.ID}}")];
    let mut job = job(vec![test("A", &["T1", "T2", "T3"], steps)]);
    job["Reporting"]["RunReporters"][0]["Parameters"]["SuccessExpression"] = json!(">=2");
    let ran = lab.run(&job).await;
    assert_eq!(ran.errors(), ["exit status 1"]);
    let text = json!(["Test A passes success criteria: 2.00 >= 2.00"]);
    assert_eq!(ran.run_reports(), [(1, "TargetSuccess".to_owned(), true, text)]);
    assert_eq!((ran.row.counts.of(Outcome::Passed), ran.row.counts.of(Outcome::Failed)), (2, 1));
}

#[tokio::test]
async fn a_target_that_is_listed_twice_runs_once_and_counts_twice() {
    let lab = Lab::new();
    let steps = || vec![shell("s", "test {{.ID}} = T2")];
    let ran = lab.run(&job(vec![test("A", &["T1", "T2", "T1"], steps())])).await;
    assert_eq!(ran.count("target_in"), 2);
    assert_eq!(
        (ran.count("target_acquired"), ran.count("section_stopped"), ran.count("target_released")),
        (2, 3, 2)
    );
    let text = json!(["Test A does not pass success criteria: 33.33% is not = 100.00%"]);
    assert_eq!(ran.run_reports()[0].3, text);
    assert_eq!(ran.row.complete.as_str(), "yes");
}

#[tokio::test]
async fn two_tests_of_one_name_are_kept_apart() {
    let lab = Lab::new();
    let tests =
        vec![test("A", &["T1"], vec![shell("s", "true")]), test("A", &["T1"], vec![shell("s", "false")])];
    let ran = lab.run(&job(tests)).await;
    let expected = json!([
        "Test A passes success criteria: 100.00% = 100.00%",
        "Test A does not pass success criteria: 0.00% is not = 100.00%"
    ]);
    assert_eq!(ran.run_reports()[0].3, expected);
}

#[tokio::test]
async fn a_template_error_is_the_failure_of_its_target_in_every_plugin() {
    let lab = Lab::new();
    let bad = ["{{ .Nope }}", "{{ nosuch }}", "{{ StringVar \"a.b\" }}"];
    for text in bad {
        let steps = [
            echo("e", text),
            step("sleep", "z", json!({"duration": [text]})),
            step("cmd", "c", json!({"executable": ["true"], "args": [text]})),
            step("cmd", "d", json!({"executable": ["true"], "dir": [text]})),
        ];
        for step in steps {
            let mut other = test("B", &["T2"], vec![echo("e", "fine")]);
            other["TargetManagerAcquireParameters"]["Targets"][0] = target("T2");
            let ran = lab.run(&job(vec![test("A", &["T1"], vec![step.clone()]), other])).await;
            assert_eq!((ran.end.state, ran.errors().len()), (JobState::Completed, 1), "{step}");
            assert_eq!((ran.count("target_out"), ran.count("named")), (1, 0), "{step}");
        }
    }
}

#[tokio::test]
async fn variables_reach_later_steps_and_the_clean_up() {
    let lab = Lab::new();
    let steps = vec![step("variables", "v", json!({"who": ["{{.ID}}"]})), shell("s", "exit 1")];
    let mut test = test("A", &["T1", "T2"], steps);
    test["CleanupFetcherName"] = json!("Literal");
    test["CleanupFetcherFetchParameters"] = json!({"Steps": [echo("c", "{{ StringVar \"v.who\" }}")]});
    let ran = lab.run(&job(vec![test])).await;
    assert_eq!(ran.errors(), ["exit status 1", "exit status 1"]);
    assert_eq!(ran.text(oyez_model::event::Stream::Log), b"{{.ID}}\n{{.ID}}\n");
    assert_eq!(ran.count("variable_emitted"), 2);
}

#[tokio::test(start_paused = true)]
async fn sleepers_sleep_side_by_side_and_pauses_are_kept() {
    let lab = Lab::new();
    let ids: Vec<String> = (0..500).map(|i| format!("T{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut job = job(vec![test("A", &ids, vec![step("sleep", "z", json!({"duration": ["1h"]}))])]);
    job["Runs"] = json!(2);
    job["RunInterval"] = json!("30m");
    let begin = tokio::time::Instant::now();
    let ran = lab.run_long(&job).await;
    assert_eq!(ran.end.verdict, Some(Verdict::Success));
    let took = begin.elapsed().as_secs();
    assert!((9000..9060).contains(&took), "{took}");
}
