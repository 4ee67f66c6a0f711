//! Plugins as steps.

use std::sync::Arc;
use std::time::Duration;

use oyez_engine::control::{Asked, Pause};
use oyez_engine::{Control, EngineOptions};
use oyez_model::event::Stream;
use oyez_model::{EventBody, JobState, Outcome};
use serde_json::json;

use super::bench::{Bench, HEAD, named, step_doing, test_errors};
use crate::lab::{Watcher, echo, job, shell, step, test};

#[tokio::test]
async fn a_plugin_gets_each_target_and_says_what_it_did() {
    let bench = Bench::new();
    bench.example("stopwatch");
    let seconds = json!({"seconds": ["{{ if eq .ID \"T1\" }}0.2{{ else }}0.1{{ end }}"]});
    let steps =
        vec![step("StopWatch", "wait", seconds), echo("say", "waited {{ StringVar \"wait.waited\" }}")];
    let ran = bench.run(&job(vec![test("t", &["T1", "T2"], steps)])).await;
    assert_eq!((ran.end.state, ran.errors()), (JobState::Completed, vec![]));
    assert!(ran.run_reports()[0].2);
    let mut waited = named(&ran, "Waited");
    waited.sort_by_key(|(target, _)| target.clone());
    assert_eq!(waited, [("T1".into(), json!({"Seconds": 0.2})), ("T2".into(), json!({"Seconds": 0.1}))]);
    let log = String::from_utf8(ran.text(Stream::Log)).unwrap();
    for line in ["T1 waits 0.200000 s\n", "T2 waits 0.100000 s\n", "waited 0.2\n", "waited 0.1\n"] {
        assert!(log.contains(line), "{log}");
    }
    let steps: Vec<_> = ran
        .events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::TargetIn(e) => Some((e.label.clone(), e.step.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(steps.iter().filter(|s| **s == ("wait".into(), "stopwatch".into())).count(), 2);
    assert!(ran.row.complete.gaps().is_empty(), "{:?}", ran.row.complete);
    assert_eq!(test_errors(&ran), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_with_parameters_stands_at_its_place() {
    let bench = Bench::new();
    bench.example("stopwatch");
    let steps = vec![
        step("stopwatch", "a", json!({"seconds": ["soon"], "minutes": [1]})),
        step("nosuch", "b", json!({})),
    ];
    let wrong = bench.wrong(&job(vec![test("t", &["T1"], steps)]));
    let wrong: Vec<_> =
        wrong.iter().map(|d| (d.path.as_str(), d.message.as_str(), d.hint.as_deref().unwrap())).collect();
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert_eq!(
        wrong[0],
        ("TestDescriptors[0].Steps[0].parameters.minutes", "unknown parameter minutes", "there is: seconds")
    );
    assert_eq!(wrong[1].0, "TestDescriptors[0].Steps[0].parameters.seconds");
    assert!(wrong[1].1.starts_with("not a time: "), "{wrong:#?}");
    assert_eq!(wrong[2].1, "TestStep nosuch is not registered");
    assert!(wrong[2].2.ends_with("stopwatch"), "{wrong:#?}");
}

#[tokio::test]
async fn a_plugin_that_cannot_be_used_is_refused_with_what_it_said() {
    let bench = Bench::new();
    bench.write("mute", &format!("{HEAD}\nprint('no such module', file=sys.stderr)\nsys.exit(3)\n"));
    bench.write("chatty", "#!/bin/sh\necho hello\nsleep 100\n");
    bench.write("reporter", &format!("{HEAD}\nhello('reporter')\nsys.stdin.read()\n"));
    bench.write("old", "#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":0,\"name\":\"old\",\"roles\":[\"step\"]}'\ncat >/dev/null\n");
    bench.write("broken", "#!/no/such/interpreter\n");
    for (name, why) in [
        (
            "mute",
            "it ended: exit status 3, where `hello` was expected; its standard error ends with: no such module",
        ),
        ("chatty", "it wrote what is no message: "),
        ("reporter", "it is no step, but: reporter"),
        ("old", "it speaks version 0 of the plugin protocol, this Oyez version 1"),
        ("broken", "could not be started: fork/exec"),
    ] {
        let wrong = bench.wrong(&job(vec![test("t", &["T1"], vec![step(name, "a", json!({}))])]));
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        assert_eq!(wrong[0].path, "TestDescriptors[0].Steps[0].name");
        assert!(wrong[0].message.starts_with(&format!("the plugin {name} cannot be used: ")), "{wrong:#?}");
        assert!(wrong[0].message.contains(why), "{wrong:#?}");
    }
}

#[tokio::test]
async fn a_plugin_may_wait_for_all_targets_and_is_told_when_none_can_come() {
    let bench = Bench::new();
    bench.write(
        "gather",
        &format!(
            "{HEAD}
targets = []
for line in sys.stdin:
    message = json.loads(line)
    if message['type'] == 'hello': hello()
    elif message['type'] == 'validate': say('validated')
    elif message['type'] == 'target_in': targets.append(message['target']['ID'])
    elif message['type'] == 'no_more_targets':
        for target in sorted(targets): say('event', target=target, name='Of', payload=len(targets)), say('target_out', target=target)
        break
"
        ),
    );
    let first = shell("first", "[ \"$0\" != T2 ]");
    let mut first = first;
    first["parameters"]["args"].as_array_mut().unwrap().push(json!("{{ .ID }}"));
    let steps = vec![first, step("gather", "gather", json!({}))];
    let options = EngineOptions { max_processes: 2, ..EngineOptions::default() };
    let bench = Bench { lab: Bench::with(options).lab, ..bench };
    let ran = bench.run(&job(vec![test("t", &["T1", "T2", "T3"], steps)])).await;
    assert_eq!(ran.errors(), ["exit status 1"]);
    assert_eq!(named(&ran, "Of"), [("T1".to_owned(), json!(2)), ("T3".to_owned(), json!(2))]);
}

#[tokio::test]
async fn a_plugin_may_wait_for_very_many_targets() {
    let bench = Bench::new();
    let body = step_doing("pass").replace(
        "        break\n",
        "        [say('target_out', target=t) for t in targets]\n        break\n",
    );
    bench.write("gather", &body.replace("print(\"about", "0 and print(\"about"));
    let ids: Vec<String> = (0..3000).map(|n| format!("T{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ran = bench.run(&job(vec![test("t", &ids, vec![step("gather", "gather", json!({}))])])).await;
    assert_eq!((ran.end.state, ran.errors()), (JobState::Completed, vec![]));
    assert_eq!(ran.count("target_out"), 3000);
}

#[tokio::test]
async fn one_process_is_enough_for_a_plugin_between_programs() {
    let options = EngineOptions { max_processes: 1, ..EngineOptions::default() };
    let bench = Bench::with(options);
    bench.write("pass", &step_doing("say('target_out', target=target)"));
    let steps = vec![
        shell("a", "true"),
        step("pass", "b", json!({})),
        shell("c", "true"),
        step("pass", "d", json!({})),
    ];
    let ran = bench.run(&job(vec![test("t", &["T1", "T2", "T3"], steps)])).await;
    assert_eq!((ran.end.state, ran.errors()), (JobState::Completed, vec![]));
    assert_eq!(ran.count("target_out"), 12);
}

#[tokio::test]
async fn a_cancelled_plugin_is_told_so_and_its_targets_end_as_cancelled() {
    let bench = Bench::new();
    bench.example("stopwatch");
    let watcher = Arc::new(Watcher::default());
    let control = Control::new();
    let cancel = {
        let (watcher, control) = (watcher.clone(), control.clone());
        async move {
            watcher.until("log_text", 2).await;
            control.cancel("enough");
        }
    };
    let descriptor =
        job(vec![test("t", &["T1", "T2"], vec![step("stopwatch", "a", json!({"seconds": [600]}))])]);
    let (ran, ()) = tokio::join!(bench.run_with(&descriptor, control, watcher), cancel);
    assert_eq!(ran.end.state, JobState::Cancelled);
    assert_eq!(ran.errors(), ["cancelled", "cancelled"]);
}

#[tokio::test]
async fn a_plugin_that_does_not_hear_of_a_cancel_is_killed() {
    let bench = Bench::new();
    bench.write(
        "deaf",
        &step_doing("say('log', text='in'); subprocess.Popen(['setsid', 'sleep', '600']); import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"),
    );
    let watcher = Arc::new(Watcher::default());
    let control = Control::new();
    let cancel = {
        let (watcher, control) = (watcher.clone(), control.clone());
        async move {
            watcher.until("log_text", 2).await;
            control.cancel("enough");
        }
    };
    let descriptor = job(vec![test("t", &["T1"], vec![step("deaf", "a", json!({}))])]);
    let (ran, ()) = tokio::join!(bench.run_with(&descriptor, control, watcher), cancel);
    assert_eq!(ran.end.state, JobState::Cancelled);
    assert_eq!(ran.errors(), ["cancelled"]);
}

#[tokio::test]
async fn a_paused_plugin_gives_its_state_and_gets_it_back() {
    let bench = Bench::new();
    bench.example("stopwatch");
    let watcher = Arc::new(Watcher::default());
    let control = Control::new();
    let pause = {
        let (watcher, control) = (watcher.clone(), control.clone());
        async move {
            watcher.until("log_text", 1).await;
            let asked = Asked { by: None, why: None, is_recorded: false };
            control.pause(Pause { asked, timeout: None, is_handed_on: false });
        }
    };
    let descriptor = job(vec![test("t", &["T1"], vec![step("stopwatch", "a", json!({"seconds": [1.5]}))])]);
    let request = bench.request(&descriptor);
    let (id, _, handle) = bench.lab.engine.submit(request).await.unwrap();
    let (end, ()) = tokio::join!(bench.lab.engine.run(handle, control, Some(watcher)), pause);
    assert_eq!(end.unwrap().state, JobState::Paused);
    let paused = bench.lab.events(id).await.into_iter().find_map(|event| match event.body {
        EventBody::JobPaused(e) => Some(e.snapshot.0),
        _ => None,
    });
    let paused = paused.unwrap();
    assert!(paused.contains(r#""Data":{"left": "#), "the plugin's state is kept to the letter: {paused}");
    let options = EngineOptions { programs: bench.programs(), ..EngineOptions::default() };
    let engine = oyez_engine::Engine::new(bench.lab.store.clone(), options);
    let handle = engine.reopen(id).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), engine.run(handle, Control::new(), None)).await;
    let end = end.unwrap().unwrap();
    assert_eq!(end.state, JobState::Completed);
    let events = bench.lab.events(id).await;
    let logs: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::LogText(e) => Some(String::from_utf8_lossy(&e.text.0).into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert_ne!(logs[0], logs[1], "it waits only for what was left: {paused}");
    assert_eq!(events.iter().filter(|event| event.body.name() == "target_in").count(), 1);
}

#[tokio::test]
async fn a_target_that_takes_too_long_is_given_up_and_the_others_go_on() {
    let bench = Bench::new();
    bench.example("stopwatch");
    let mut slow =
        step("stopwatch", "a", json!({"seconds": ["{{ if eq .ID \"T1\" }}600{{ else }}0{{ end }}"]}));
    slow["X-Oyez"] = json!({"timeout": "1s"});
    let ran = bench.run(&job(vec![test("t", &["T1", "T2"], vec![slow])])).await;
    assert_eq!(ran.errors(), ["timed out after 1s"]);
    assert_eq!(ran.count("target_out"), 1);
    assert_eq!(test_errors(&ran), Vec::<String>::new());
    let outcome = |event: &oyez_model::Event| match &event.body {
        EventBody::TargetErr(e) => e.outcome,
        _ => None,
    };
    assert!(ran.events.iter().all(|event| outcome(event).is_none_or(|o| o == Outcome::Failed)));
}
