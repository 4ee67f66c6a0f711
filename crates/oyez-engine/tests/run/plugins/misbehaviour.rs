//! What plugins do wrong is an error of their targets, with what they said on standard error; the job goes on.

use oyez_model::JobState;
use serde_json::json;

use super::bench::{Bench, step_doing, test_errors};
use crate::lab::{echo, job, step, test};

/// Runs a step that does `body` with one target, then a test that has nothing to do with it; gives the target's error.
async fn error_of(body: &str) -> String {
    let bench = Bench::new();
    bench.write("bad", &step_doing(body));
    let mut bad = step("bad", "bad", json!({}));
    bad["X-Oyez"] = json!({"timeout": "5s"});
    let tests =
        vec![test("t", &["T1"], vec![bad, echo("after", "x")]), test("u", &["T2"], vec![echo("e", "x")])];
    let ran = bench.run(&job(tests)).await;
    assert_eq!(ran.end.state, JobState::Completed);
    let errors = ran.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(ran.row.complete.gaps().is_empty(), "{:?}", ran.row.complete);
    let reported = test_errors(&ran);
    assert!(
        reported.iter().all(|e| *e == errors[0] || e.starts_with("test step bad did not give up target T1 within 500ms")),
        "{reported:?}"
    );
    errors[0].clone()
}

fn check(error: &str, text: &str) {
    assert!(error.starts_with(text), "{error}");
    assert!(error.ends_with("; its standard error ends with: about to do T1"), "{error}");
}

#[tokio::test]
async fn a_result_for_a_target_that_it_does_not_have() {
    check(
        &error_of("say('target_out', target='T7')").await,
        "test step bad returned unexpected result for T7",
    );
}

#[tokio::test]
async fn an_event_for_a_target_that_it_does_not_have() {
    let error = error_of("say('event', target='T7', name='X')").await;
    check(&error, "test step bad wrote a message `event` for target T7, which is not in it");
}

#[tokio::test]
async fn an_end_in_the_middle() {
    check(&error_of("sys.exit(3)").await, "test step bad lost targets [T1]: it ended: exit status 3");
    check(&error_of("os.abort()").await, "test step bad lost targets [T1]: it ended: signal: aborted");
}

#[tokio::test]
async fn what_is_no_message() {
    check(
        &error_of("print('Segmentation fault', flush=True)").await,
        "test step bad wrote what is no message: ",
    );
    let error = error_of("sys.stdout.buffer.write(b'\\xff\\x00\\n'); sys.stdout.flush()").await;
    check(&error, "test step bad wrote what is no message: ");
    check(
        &error_of("say('target_err', target=target)").await,
        "test step bad wrote a message `target_err` without `error`",
    );
    check(
        &error_of("say('report', success=True)").await,
        "test step bad wrote a message `report`, which is none of a step's",
    );
}

#[tokio::test]
async fn a_line_without_end() {
    let error = error_of("while True: sys.stdout.write('x' * 65536)").await;
    check(&error, "test step bad wrote a line of more than 1048576 bytes");
}

#[tokio::test]
async fn a_flood() {
    let error = error_of("while True: say('event', target=target, name='Again', payload='x' * 100000)").await;
    check(&error, "test step bad flooded target T1: at most 100000 messages and 64 MiB are taken for one");
}

#[tokio::test]
async fn silence() {
    check(&error_of("time.sleep(600)").await, "timed out after 5s");
}

#[tokio::test]
async fn a_state_that_nobody_asked_for_and_an_event_that_is_oyez_own() {
    let error = error_of("say('paused', target=target, state=1)").await;
    check(&error, "test step bad paused target T1, though it says that it cannot resume");
    let error = error_of("say('event', target=target, name='TargetErr', payload={'Error': 'x'})").await;
    check(&error, "test step bad wrote an event 'TargetErr', which is Oyez's own");
    let error = error_of("say('variable', target=target, name='a b', value=1)").await;
    check(&error, "test step bad wrote a variable of a wrong name 'a b': ");
}

#[tokio::test]
async fn twice_the_same_target_is_an_error_of_those_that_are_inside() {
    let bench = Bench::new();
    let body = "if len(targets) == 2:\n    say('target_out', target='T1'); say('target_out', target='T1')";
    bench.write("bad", &step_doing(body));
    let ran = bench.run(&job(vec![test("t", &["T1", "T2"], vec![step("bad", "bad", json!({}))])])).await;
    assert_eq!(ran.end.state, JobState::Completed);
    let errors = ran.errors();
    // Which of the two is sent first is open.
    let both = "test step bad returned duplicate result for T1";
    assert!(errors.len() == 1 && errors[0].starts_with(both), "{errors:?}");
    assert_eq!(test_errors(&ran), errors);
}

#[tokio::test]
async fn an_end_without_need_breaks_the_step_for_those_that_come_later() {
    let bench = Bench::new();
    bench.write("bad", &step_doing("say('target_out', target=target); time.sleep(0.1); sys.exit(0)"));
    let later = crate::lab::shell("later", "test \"$0\" = T1 || sleep 1");
    let mut later = later;
    later["parameters"]["args"].as_array_mut().unwrap().push(json!("{{ .ID }}"));
    let ran =
        bench.run(&job(vec![test("t", &["T1", "T2"], vec![later, step("bad", "bad", json!({}))])])).await;
    let errors = ran.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("closed output channels (api violation): it ended with exit status 0"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn what_does_not_end_when_it_is_done_is_ended() {
    let bench = Bench::new();
    bench.write(
        "bad",
        &step_doing("say('target_out', target=target)")
            .replace("        break\n", "        time.sleep(600)\n"),
    );
    let ran = bench.run(&job(vec![test("t", &["T1"], vec![step("bad", "bad", json!({}))])])).await;
    assert_eq!((ran.end.state, ran.errors()), (JobState::Completed, vec![]));
    let errors = test_errors(&ran);
    assert!(errors.len() == 1 && errors[0].starts_with("test step bad did not return"), "{errors:?}");
}

#[tokio::test]
async fn an_exit_code_after_all_targets_are_out_is_recorded() {
    let bench = Bench::new();
    bench.write(
        "bad",
        &step_doing("say('target_out', target=target)").replace("        break\n", "        sys.exit(4)\n"),
    );
    let ran = bench.run(&job(vec![test("t", &["T1"], vec![step("bad", "bad", json!({}))])])).await;
    assert_eq!((ran.end.state, ran.errors()), (JobState::Completed, vec![]));
    let errors = test_errors(&ran);
    assert!(errors[0].starts_with("test step bad returned error: it ended: exit status 4"), "{errors:?}");
}
