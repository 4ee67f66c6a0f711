//! Processes of `cmd`.

use std::sync::Arc;

use oyez_engine::{Control, EngineOptions};
use oyez_model::event::Stream;
use oyez_model::{EventBody, SectionId};
use serde_json::json;

use super::lab::{Lab, Watcher, fifo, job, lives, read, shell, step, test, write};

#[tokio::test]
async fn never_more_processes_than_allowed_run_at_once() {
    let lab = Lab::with(EngineOptions { max_processes: 3, ..EngineOptions::default() });
    let log = lab.path("log");
    std::fs::write(&log, "").unwrap();
    // Each says when it begins and ends, and goes on only when three have begun: fewer slots would hang.
    let script =
        format!("echo + >> {0}; while [ $(grep -c + {0}) -lt 3 ]; do :; done; echo - >> {0}", log.display());
    let ids: Vec<String> = (0..24).map(|i| format!("T{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ran = lab.run(&job(vec![test("A", &ids, vec![shell("s", &script)])])).await;
    assert_eq!(ran.count("target_out"), 24);
    let (mut now, mut most) = (0, 0);
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        now += if line == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 3));
}

#[tokio::test]
async fn ends_are_said_in_gos_words() {
    let lab = Lab::new();
    for (script, error) in [
        ("exit 3", "exit status 3"),
        ("kill -TERM $$", "signal: terminated"),
        ("kill -9 $$", "signal: killed"),
    ] {
        let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", script)])])).await;
        assert_eq!(ran.errors(), [error]);
    }
    let nowhere = step("cmd", "s", json!({"executable": ["/no/such/program"]}));
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![nowhere])])).await;
    assert_eq!(ran.errors(), ["fork/exec /no/such/program: no such file or directory"]);
    assert_eq!(ran.count("named"), 1, "it has a CmdStart and no CmdEnd");
    let no_dir = step("cmd", "s", json!({"executable": ["true"], "dir": ["/no/such/{{.ID}}"]}));
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![no_dir])])).await;
    assert_eq!(ran.errors(), ["chdir /no/such/T1: no such file or directory"]);
    let nul = step("cmd", "s", json!({"executable": ["true"], "args": ["a\u{0}b"]}));
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![nul])])).await;
    assert_eq!(ran.errors().len(), 1);
}

#[tokio::test]
async fn a_process_has_a_group_of_its_own_no_input_and_knows_its_section() {
    let lab = Lab::new();
    let script = "cat; [ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && echo $OYEZ_JOB $OYEZ_SECTION $(pwd)";
    let mut step = shell("s", script);
    step["parameters"]["dir"] = json!([lab.folder.path().canonicalize().unwrap()]);
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![step])])).await;
    let section = ran.events.iter().find_map(|event| match &event.body {
        EventBody::TargetIn(e) => Some(SectionId::new(event.producer, e.id)),
        _ => None,
    });
    let place = lab.folder.path().canonicalize().unwrap();
    let expected = format!("{} {} {}\n", ran.row.uid, section.unwrap(), place.display());
    assert_eq!(String::from_utf8(ran.text(Stream::Stdout)).unwrap(), expected);
}

#[tokio::test]
async fn what_a_process_leaves_in_its_group_is_ended_with_it_and_that_is_said() {
    let lab = Lab::new();
    let pid = lab.path("pid");
    let script = format!("sleep 600 >/dev/null 2>&1 </dev/null & echo $! > {}; exit 3", pid.display());
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", &script)])])).await;
    assert_eq!(ran.errors(), ["exit status 3"]);
    let pid = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    // It has got its signal.
    while lives(pid) {
        tokio::task::yield_now().await;
    }
    let said = String::from_utf8(ran.text(Stream::Log)).unwrap();
    assert!(said.contains("left running in its group"), "{said}");
    // A step that leaves nothing says nothing.
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", "(sleep 0.01 &); echo x")])])).await;
    assert_eq!(ran.text(Stream::Stdout), b"x\n");
}

#[tokio::test]
async fn a_process_that_closes_its_outputs_and_lives_on_is_waited_for() {
    let lab = Lab::new();
    let (closed, go) = (lab.path("closed"), lab.path("go"));
    fifo(&closed);
    fifo(&go);
    let script = format!("exec >&- 2>&-; echo > {}; read x < {}; exit 7", closed.display(), go.display());
    let job = job(vec![test("A", &["T1"], vec![shell("s", &script)])]);
    let watcher = Arc::new(Watcher::default());
    let tell = async {
        read(closed.clone()).await;
        assert_eq!(watcher.events.lock().unwrap().iter().filter(|e| e.name() == "target_err").count(), 0);
        write(go.clone(), "go\n").await;
    };
    let (ran, ()) = tokio::join!(lab.run_watched(&job, Control::new(), watcher.clone()), tell);
    assert_eq!(ran.errors(), ["exit status 7"]);
}

#[tokio::test]
async fn what_a_process_leaves_behind_with_its_output_open_is_killed_and_said() {
    let lab = Lab::new();
    let pids = lab.path("pids");
    let script = format!("sleep 3600 & echo $! > {}; echo done", pids.display());
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", &script)])])).await;
    assert_eq!((ran.count("target_out"), ran.text(Stream::Stdout)), (1, b"done\n".to_vec()));
    let log = String::from_utf8(ran.text(Stream::Log)).unwrap();
    assert!(log.contains("kept its output open for 2s and was killed"), "{log}");
    assert!(!lives(std::fs::read_to_string(pids).unwrap().trim().parse().unwrap()));
}

#[tokio::test]
async fn what_a_process_leaves_in_a_session_of_its_own_is_left_alone() {
    let lab = Lab::new();
    let pids = lab.path("pids");
    let script = format!(
        "setsid sh -c 'echo $$ > {0}; exec sleep 3600' > /dev/null 2>&1 & until [ -s {0} ]; do :; done",
        pids.display()
    );
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", &script)])])).await;
    assert_eq!((ran.count("target_out"), ran.count("log_text")), (1, 0));
    let pid: i32 = std::fs::read_to_string(pids).unwrap().trim().parse().unwrap();
    assert!(lives(pid));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[tokio::test]
async fn targets_that_have_begun_get_a_slot_before_new_ones() {
    let lab = Lab::with(EngineOptions { max_processes: 1, ..EngineOptions::default() });
    let steps = vec![shell("s1", "true"), shell("s2", "true")];
    let ran = lab.run(&job(vec![test("A", &["T1", "T2", "T3"], steps)])).await;
    let ends = ran.events.iter().filter_map(|event| match &event.body {
        EventBody::TargetIn(e) => Some(e.label.clone()),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), ["s1", "s2", "s1", "s2", "s1", "s2"]);
}

#[tokio::test]
async fn jobs_of_one_engine_share_its_slots() {
    let lab = Lab::with(EngineOptions { max_processes: 1, ..EngineOptions::default() });
    let one = job(vec![test("A", &["T1", "T2"], vec![shell("s", "true")])]);
    let two = job(vec![test("B", &["T3", "T4"], vec![shell("s", "true")])]);
    let (one, two) = tokio::join!(lab.run(&one), lab.run(&two));
    assert_eq!((one.count("target_out"), two.count("target_out")), (2, 2));
}

#[tokio::test]
async fn a_job_runs_on_a_task_of_its_own() {
    let lab = Arc::new(Lab::new());
    let job = job(vec![test("A", &["T1"], vec![shell("s", "true")])]);
    let task = tokio::spawn({
        let lab = lab.clone();
        async move { lab.run(&job).await.count("target_out") }
    });
    assert_eq!(task.await.unwrap(), 1);
}
