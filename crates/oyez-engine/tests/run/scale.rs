//! Many targets.

use oyez_model::{JobState, Outcome, Verdict};
use serde_json::json;

use super::lab::{Lab, echo, job, shell, step, test};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_targets_go_through_steps_of_all_kinds() {
    for lab in [Lab::new(), Lab::on_disk()] {
        let ids: Vec<String> = (0..1000).map(|i| format!("T{i}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let steps = vec![
            echo("e", "hello {{.ID}}"),
            step("variables", "v", json!({"n": [7]})),
            step("sleep", "z", json!({"duration": ["1ms"]})),
            shell("s", "exit $(( {{ IntVar \"v.n\" }} - 7 ))"),
            echo("f", "bye"),
        ];
        let ran = lab.run(&job(vec![test("A", &ids, steps)])).await;
        assert_eq!((ran.end.state, ran.end.verdict), (JobState::Completed, Some(Verdict::Success)));
        assert_eq!((ran.count("target_out"), ran.row.counts.of(Outcome::Passed)), (5000, 1000));
        assert_eq!(ran.row.complete.as_str(), "yes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_targets_that_all_are_cancelled_end_in_order() {
    let lab = Lab::new();
    let ids: Vec<String> = (0..20_000).map(|i| format!("T{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (control, watcher) = (oyez_engine::Control::new(), std::sync::Arc::<super::lab::Watcher>::default());
    let cancel = async {
        watcher.until("target_in", 20_000).await;
        control.cancel("enough");
    };
    let job = job(vec![test("A", &ids, vec![step("sleep", "z", json!({"duration": ["1h"]}))])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
    assert_eq!((ran.end.state, ran.errors().len()), (JobState::Cancelled, 20_000));
}

#[tokio::test]
async fn a_descriptor_that_is_too_long_for_an_event_is_kept_as_blobs() {
    let lab = Lab::new();
    let ids: Vec<String> = (0..100_000).map(|i| format!("a-target-with-a-rather-long-name-{i:08}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut long = test("A", &ids, vec![echo("e", "x")]);
    long["Disabled"] = json!(true);
    let job = job(vec![long, test("B", &["T1"], vec![echo("e", "x")])]);
    let ran = lab.run(&job).await;
    assert_eq!((ran.end.state, ran.count("target_out")), (JobState::Completed, 1));
    let mut blobs = Vec::new();
    for event in &ran.events {
        if let oyez_model::EventBody::Artifact(e) = &event.body {
            blobs.push((e.name.clone(), lab.store.get_blob(e.blob).await.unwrap()));
        }
    }
    assert_eq!((blobs[0].0.as_str(), blobs[1].0.as_str()), ("request", "extended-descriptor.json"));
    assert!(blobs[0].1 == job.to_string().as_bytes());
    assert!(serde_json::from_slice::<serde_json::Value>(&blobs[1].1).is_ok());
}
