//! Steps that are there to be tried out, and programs that run once for all.

use std::sync::Arc;

use oyez_engine::Control;
use oyez_engine::control::Pause;
use oyez_model::event::Stream;
use oyez_model::{EventBody, JobState};
use serde_json::{Value, json};

use super::lab::{Lab, Ran, Watcher, echo, job, shell, step, test};

/// The named events: name, target, payload.
pub fn named(ran: &Ran) -> Vec<(String, String, Value)> {
    let one = |event: &oyez_model::Event| match &event.body {
        EventBody::Named(e) => {
            let payload =
                e.payload.as_ref().map_or(Value::Null, |json| serde_json::from_str(&json.0).unwrap());
            Some((e.name.clone(), e.target.clone().unwrap_or_default(), payload))
        }
        _ => None,
    };
    ran.events.iter().filter_map(one).collect()
}

#[tokio::test]
async fn randecho_fails_about_half_of_its_targets_and_says_which() {
    let lab = Lab::new();
    let ids: Vec<String> = (0..64).map(|i| format!("T{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ran = lab.run(&job(vec![test("t", &ids, vec![step("randecho", "r", json!({"text": ["x"]}))])])).await;
    let events = named(&ran);
    let failed = events.iter().filter(|(name, ..)| name == "TargetFailed").count();
    assert_eq!(events.len(), 64);
    assert_eq!(ran.errors(), vec!["target randomly failed"; failed]);
    assert!((8..56).contains(&failed), "{failed}");
    let log = String::from_utf8(ran.text(Stream::Log)).unwrap();
    assert!(log.contains("Run: target Target{ID: \"T0\"} "), "{log}");
}

#[tokio::test]
async fn gathercmd_runs_once_when_all_have_come_and_lets_all_go_on() {
    let lab = Lab::new();
    let log = lab.path("log");
    let gather = step(
        "gathercmd",
        "g",
        json!({"binary": ["sh"], "args": ["-c", format!("echo gathered >> {}", log.display())]}),
    );
    let steps =
        vec![shell("a", &format!("echo {{{{ .ID }}}} >> {}", log.display())), gather, echo("b", "{{ .ID }}")];
    let ran = lab.run(&job(vec![test("t", &["T1", "T2", "T3"], steps)])).await;
    let lines = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines.lines().last(), Some("gathered"));
    assert_eq!(lines.lines().filter(|line| *line == "gathered").count(), 1);
    assert_eq!((ran.count("target_in"), ran.count("target_out"), ran.errors()), (9, 9, vec![]));
    let names: Vec<_> = named(&ran)
        .into_iter()
        .filter(|(name, ..)| name.starts_with("Gather"))
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(names, ["GatherCmdStart", "GatherCmdEnd"]);
}

#[tokio::test]
async fn a_target_that_failed_before_is_not_waited_for() {
    let lab = Lab::new();
    let gather = step("gathercmd", "g", json!({"binary": ["true"]}));
    let steps = vec![shell("a", "test {{ .ID }} != T2"), gather];
    let ran = lab.run(&job(vec![test("t", &["T1", "T2", "T3"], steps)])).await;
    assert_eq!((ran.count("target_in"), ran.errors()), (5, vec!["exit status 1".to_owned()]));
    assert_eq!(ran.end.state, JobState::Completed);
}

#[tokio::test]
async fn gathercmd_that_fails_fails_its_targets_and_not_the_job() {
    let lab = Lab::new();
    let gather =
        step("gathercmd", "g", json!({"binary": ["sh"], "args": ["-c", "echo out; echo err >&2; exit 3"]}));
    let ran = lab
        .run(&job(vec![test("t", &["T1", "T2"], vec![gather]), test("u", &["T1"], vec![echo("e", "x")])]))
        .await;
    assert_eq!(ran.end.state, JobState::Completed);
    assert_eq!(ran.errors(), ["exit status 3", "exit status 3"]);
    let end = named(&ran).into_iter().find(|(name, ..)| name == "GatherCmdEnd").unwrap();
    assert_eq!(end.2, json!({"ExitCode": 3, "Err": "stdout: out\n\nstderr: err\n"}));
    assert_eq!(ran.run_reports()[0].3[1], json!("Test u passes success criteria: 100.00% = 100.00%"));
}

#[tokio::test]
async fn gathercmd_that_cannot_start_says_so() {
    let lab = Lab::new();
    let gather = step("gathercmd", "g", json!({"binary": ["/no/such/program"]}));
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![gather])])).await;
    let why = "fork/exec /no/such/program: no such file or directory";
    assert_eq!(ran.errors(), [why]);
    let end = named(&ran).into_iter().find(|(name, ..)| name == "GatherCmdEnd").unwrap();
    assert_eq!(end.2, json!({"ExitCode": 0, "Err": format!("unknown error: {why}")}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gathercmd_is_killed_when_its_job_is_cancelled_or_paused() {
    for is_pause in [false, true] {
        let lab = Lab::new();
        let fifo = lab.path("fifo");
        super::lab::fifo(&fifo);
        let gather = step(
            "gathercmd",
            "g",
            json!({"binary": ["sh"], "args": ["-c", format!("echo $$ > {}; sleep 1000", fifo.display())]}),
        );
        let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
        let asked = async {
            let pid: i32 = super::lab::read(fifo.clone()).await.trim().parse().unwrap();
            match is_pause {
                true => control.pause(Pause::default()),
                false => control.cancel("enough"),
            }
            pid
        };
        let job = job(vec![test("t", &["T1", "T2"], vec![gather])]);
        let (ran, pid) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), asked);
        assert_eq!(ran.end.state, if is_pause { JobState::Paused } else { JobState::Cancelled });
        assert_eq!(ran.errors().len(), if is_pause { 0 } else { 2 });
        // Killed, it still has to be waited for by the thread that attends it.
        let gone = async {
            while super::lab::lives(pid) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.unwrap();
    }
}
