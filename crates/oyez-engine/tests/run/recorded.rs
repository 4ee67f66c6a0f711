//! The jobs that a real ConTest ran: they end as recorded, or better where ConTest is known to be wrong.

use std::path::PathBuf;

use oyez_engine::Control;
use oyez_model::{EventBody, JobState};
use serde_json::{Value, json};

use super::lab::{Lab, Ran, Watcher};

const BUILT_IN: [&str; 12] = [
    "cmd",
    "echo",
    "sleep",
    "variables",
    "randecho",
    "gathercmd",
    "waitport",
    "exec",
    "sshcmd",
    "targetlist",
    "csvfiletargetmanager",
    "literal",
];

fn recordings() -> Option<PathBuf> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/contest/recorded");
    if path.is_dir() {
        Some(path)
    } else {
        crate::skipped::skipped("../shared is not there");
        None
    }
}

fn load(path: &std::path::Path, place: &str) -> Value {
    let golden = path.parent().unwrap().parent().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap().replace("@TMP@", place).replace("@GOLDEN@", golden);
    serde_json::from_str(&text).unwrap()
}

fn is_ours(descriptor: &Value) -> bool {
    let known =
        |name: &Value| name.as_str().is_some_and(|name| BUILT_IN.contains(&name.to_lowercase().as_str()));
    descriptor["TestDescriptors"].as_array().is_some_and(|tests| {
        tests.iter().all(|test| {
            let steps = test["TestFetcherFetchParameters"]["Steps"].as_array();
            known(&test["TargetManagerName"]) && steps.is_some_and(|s| s.iter().all(|s| known(&s["name"])))
        })
    })
}

/// Reports of a recording: those on runs, those on the job; without their times.
fn reports(status: &Value) -> (Vec<Value>, Vec<Value>) {
    let plain = |report: &Value| json!([report["ReporterName"], report["Success"], report["Data"]]);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of_runs = list(&status["JobReport"]["RunReports"]);
    let of_runs = of_runs.iter().enumerate().flat_map(|(run, reports)| {
        list(reports).iter().map(|report| json!([run + 1, plain(report)])).collect::<Vec<_>>()
    });
    (of_runs.collect(), list(&status["JobReport"]["FinalReports"]).iter().map(plain).collect())
}

fn our_reports(ran: &Ran) -> (Vec<Value>, Vec<Value>) {
    let of_runs = ran.run_reports().into_iter();
    let of_runs = of_runs.map(|(run, name, success, data)| json!([run, [name, success, data]]));
    let of_job = ran.final_reports().into_iter();
    (of_runs.collect(), of_job.map(|(name, success, data)| json!([name, success, data])).collect())
}

/// A visit: test, step, target, and the named events with their payloads.
type Visit = (String, String, String, Vec<(String, Value)>);

/// What each target's last step said, and the named events of each visit, in ConTest's shape.
fn visits(status: &Value) -> Vec<Visit> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    for run in list(&status["RunStatuses"]) {
        for step in list(&run["TestStatuses"]).iter().flat_map(|test| list(&test["TestStepStatuses"])) {
            for target in list(&step["TargetStatuses"]) {
                let events = list(&target["Events"]);
                let events = events
                    .iter()
                    .map(|event| (text(&event["Data"]["EventName"]), event["Data"]["Payload"].clone()));
                let events = events.filter(|(name, _)| name != "VariableEmitted").collect();
                out.push((
                    text(&step["TestStepLabel"]),
                    text(&target["Target"]["ID"]),
                    text(&target["Error"]),
                    events,
                ));
            }
        }
    }
    out.sort_by_key(|visit| format!("{visit:?}"));
    out
}

/// Ours of all attempts that count.
fn our_visits(ran: &Ran) -> Vec<Visit> {
    let mut targets = std::collections::HashMap::new();
    let mut open = std::collections::HashMap::new();
    let mut tests = std::collections::HashMap::new();
    let mut out = Vec::new();
    for event in &ran.events {
        match &event.body {
            EventBody::TestStarted(e) => drop(tests.insert(e.id, e.cleanup == Some(true))),
            EventBody::TestStopped(e) if e.retried == Some(true) => out.clear(),
            EventBody::TargetAcquired(e) if !tests[&e.test.number] => {
                drop(targets.insert(e.id, e.target.id.clone()))
            }
            EventBody::TargetIn(e) => {
                if let Some(id) = targets.get(&e.target.number) {
                    open.insert(e.id, (e.label.clone(), id.clone(), String::new(), Vec::new()));
                }
            }
            EventBody::Named(e) => {
                if let Some(visit) = open.get_mut(&e.id.number) {
                    let payload =
                        e.payload.as_ref().map_or(Value::Null, |json| serde_json::from_str(&json.0).unwrap());
                    visit.3.push((e.name.clone(), payload));
                }
            }
            EventBody::TargetErr(e) => {
                if let Some(mut visit) = open.remove(&e.id.number) {
                    visit.2 = e.error.clone();
                    out.push(visit);
                }
            }
            EventBody::TargetOut(e) => out.extend(open.remove(&e.id.number)),
            _ => {}
        }
    }
    out.sort_by_key(|visit| format!("{visit:?}"));
    out
}

async fn run_all(lab: &Lab) {
    let Some(folder) = recordings() else { return };
    let mut seen = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let place = tempfile::tempdir().unwrap();
        let recording = load(&path, place.path().to_str().unwrap());
        let descriptor = &recording["jobDesc"];
        let is_alone = !["cancel", "runs-0-stop", "lock-conflict-first", "lock-conflict-second"]
            .contains(&name.as_str());
        if recording["status"].is_null() || !is_ours(descriptor) || !is_alone {
            continue;
        }
        let ran = lab.run(descriptor).await;
        let status = &recording["status"]["body"]["Data"]["Status"];
        let (of_runs, of_job) = our_reports(&ran);
        assert_eq!(ran.end.state, JobState::Completed, "{name}: {:?}", ran.end);
        match name.as_str() {
            // ConTest hangs for ever.
            "zero-targets" => assert_eq!(of_runs, [json!([1, ["TargetSuccess", false, null]])]),
            // ConTest merges the two tests.
            "same-test-name-twice" => assert_eq!(
                of_runs,
                [json!([
                    1,
                    [
                        "TargetSuccess",
                        false,
                        [
                            "Test Test 1 passes success criteria: 100.00% = 100.00%",
                            "Test Test 1 does not pass success criteria: 0.00% is not = 100.00%"
                        ]
                    ]
                ])]
            ),
            // ConTest ends the whole job.
            "echo-bad-template" => {
                assert_eq!(of_runs[0][1][1], json!(false));
                let why = "template: :1:3: executing \"\" at <.Nope>: can't evaluate field Nope in type *target.Target";
                assert_eq!(ran.errors(), [why]);
            }
            // An address that is not set is empty, and a port is read.
            "sshcmd-empty-host-skip" => {
                assert_eq!((ran.errors(), of_runs[0][1][1].clone()), (vec![], json!(true)))
            }
            "sshcmd-with-port" => {
                let error = ran.errors().remove(0);
                assert!(error.starts_with("cannot connect to SSH server localhost:22: "), "{error}");
            }
            // Chance, and the order in which targets come.
            "randecho" | "gathercmd" => {
                let succeeded = our_visits(&ran).iter().filter(|visit| visit.2.is_empty()).count();
                let all = our_visits(&ran).len();
                assert_eq!(all, visits(status).len());
                for (label, _, error, events) in our_visits(&ran) {
                    let known =
                        visits(status).iter().any(|v| (&v.0, &v.2, &v.3) == (&label, &error, &events));
                    assert!(known || succeeded == 0 || succeeded == all, "{name}: {error} {events:?}");
                }
            }
            // A stub that always fails.
            "final-targetsuccess" => {
                let data = ["Test Test 1 passes success criteria: 100.00% >= 50.00%"];
                assert_eq!(of_job, [json!(["TargetSuccess", true, data])]);
            }
            _ => {
                assert_eq!((of_runs, of_job), reports(status), "{name}");
                assert_eq!(our_visits(&ran), visits(status), "{name}");
            }
        }
        seen.push(name);
    }
    assert!(seen.len() >= 19, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_jobs_end_as_recorded_or_better() {
    run_all(&Lab::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_jobs_end_as_recorded_on_disk_too() {
    run_all(&Lab::on_disk()).await;
}

#[tokio::test]
async fn a_recorded_job_that_was_cancelled_ends_cancelled_without_a_stray_error() {
    let Some(folder) = recordings() else { return };
    let lab = Lab::new();
    for name in ["cancel", "lock-conflict-first"] {
        let recording = load(&folder.join(format!("{name}.json")), "");
        let (control, watcher) = (Control::new(), std::sync::Arc::new(Watcher::default()));
        let cancel = async {
            watcher.until("target_in", 1).await;
            control.cancel("stopped by the test");
        };
        let run = lab.run_watched(&recording["jobDesc"], control.clone(), watcher.clone());
        let (ran, ()) = tokio::join!(run, cancel);
        assert_eq!(ran.end.state, JobState::Cancelled, "{name}");
        assert_eq!(ran.errors(), ["cancelled"]);
        assert_eq!(ran.count("named"), 0);
        assert_eq!(our_reports(&ran), (vec![], vec![]));
    }
}

#[tokio::test]
async fn the_recorded_job_without_end_gets_its_final_report_when_it_is_stopped() {
    let Some(folder) = recordings() else { return };
    let lab = Lab::new();
    let recording = load(&folder.join("runs-0-stop.json"), "");
    let (control, watcher) = (Control::new(), std::sync::Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until("run_stopped", 3).await;
        control.cancel("enough");
    };
    let run = lab.run_watched(&recording["jobDesc"], control.clone(), watcher.clone());
    let (ran, ()) = tokio::join!(run, cancel);
    assert_eq!(ran.end.state, JobState::Cancelled);
    assert!(ran.run_reports().len() >= 3 && ran.run_reports().iter().all(|(.., success, _)| *success));
    assert_eq!(ran.final_reports().len(), 1);
}

#[tokio::test]
async fn the_recorded_pair_on_one_target_conflicts_as_recorded() {
    let Some(folder) = recordings() else { return };
    let lab = Lab::new();
    let first = load(&folder.join("lock-conflict-first.json"), "")["jobDesc"].clone();
    let second = load(&folder.join("lock-conflict-second.json"), "");
    let mut impatient = second["jobDesc"].clone();
    impatient["TargetManagerAcquireTimeout"] = json!("0s");
    let (control, watcher) = (Control::new(), std::sync::Arc::new(Watcher::default()));
    let conflict = async {
        watcher.until("target_in", 1).await;
        let ran = lab.run(&impatient).await;
        control.cancel("it was seen");
        ran
    };
    let run = lab.run_watched(&first, control.clone(), watcher.clone());
    let (held, ran) = tokio::join!(run, conflict);
    assert_eq!((held.end.state, ran.end.state), (JobState::Cancelled, JobState::Completed));
    assert_eq!(our_reports(&ran), reports(&second["status"]["body"]["Data"]["Status"]));
    let error = ran.errors().remove(0).replace(&format!("by {}", held.end.job), "by 19");
    let recorded = &second["status"]["body"]["Data"]["Status"]["RunStatuses"][0]["TestStatuses"][0];
    assert_eq!(error, recorded["TargetStatuses"][0]["Error"].as_str().unwrap());
}
