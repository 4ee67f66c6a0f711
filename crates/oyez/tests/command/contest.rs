//! The descriptors that a real ConTest answered, through `oyez run`: what it refused is refused before anything begins,
//! what it took ends as it ended there, or better where ConTest is defective.

use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Lab, golden, poll};

/// Steps, target managers and fetchers that are built in, in lower case.
const BUILT_IN: [&str; 6] = ["cmd", "echo", "sleep", "variables", "targetlist", "literal"];

struct Recording {
    name: String,
    descriptor: Value,
    error: Option<String>,
    status: Value,
}

fn recordings(golden: &Path) -> Vec<Recording> {
    let mut files: Vec<_> =
        std::fs::read_dir(golden.join("recorded")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let whole: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let body: Value = serde_json::from_str(whole["start"]["body"].as_str().unwrap()).unwrap();
        Recording {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            descriptor: whole["jobDesc"].clone(),
            error: body["Error"].as_str().map(str::to_owned),
            status: whole["status"]["body"]["Data"]["Status"].clone(),
        }
    };
    files.iter().map(read).collect()
}

/// Whether a descriptor uses only plugins that are built in.
fn is_ours(descriptor: &Value) -> bool {
    let known =
        |name: &Value| name.as_str().is_some_and(|name| BUILT_IN.contains(&name.to_lowercase().as_str()));
    descriptor["TestDescriptors"].as_array().is_some_and(|tests| {
        tests.iter().all(|test| {
            let steps = test["TestFetcherFetchParameters"]["Steps"].as_array();
            known(&test["TargetManagerName"])
                && known(&test["TestFetcherName"])
                && steps.is_some_and(|steps| steps.iter().all(|step| known(&step["name"])))
        })
    })
}

/// What reporters said of the job, as ConTest records it: run, name, success, data.
fn reports(lab: &Lab) -> Vec<Value> {
    let reports = lab.events().into_iter().filter(|event| event["kind"] == "report");
    reports.map(|r| json!([r["run"], r["reporter"], r["success"], r["data"]])).collect()
}

fn recorded_reports(status: &Value) -> Vec<Value> {
    let report = &status["JobReport"];
    let one = |run: Value, r: &Value| json!([run, r["ReporterName"], r["Success"], r["Data"]]);
    let mut out = Vec::new();
    for run in report["RunReports"].as_array().into_iter().flatten() {
        out.extend(run.as_array().into_iter().flatten().map(|r| one(r["RunID"].clone(), r)));
    }
    out.extend(report["FinalReports"].as_array().into_iter().flatten().map(|r| one(Value::Null, r)));
    out
}

#[test]
fn every_refused_descriptor_says_reason_and_place_and_starts_nothing() {
    let Some(golden) = golden() else { return };
    let mut seen = 0;
    for recording in recordings(&golden) {
        let Some(answer) = &recording.error else { continue };
        let lab = Lab::new();
        lab.write("job.json", recording.descriptor.to_string());
        let done = lab.oyez(&["run", "job.json"]).ended(2);
        let first = done.err.lines().find_map(|line| line.strip_prefix("error: job.json"));
        let first = first.unwrap_or_else(|| panic!("{}: {}", recording.name, done.err));
        // `:LINE:COLUMN: PATH: MESSAGE`
        let mut parts = first.splitn(5, ':').skip(1);
        let position = (parts.next().unwrap().parse::<u32>(), parts.next().unwrap().parse::<u32>());
        assert!(matches!(position, (Ok(_), Ok(_))), "{}: {first}", recording.name);
        assert!(!parts.next().unwrap().trim().is_empty(), "{}: {first}", recording.name);
        let message = parts.next().unwrap().trim();
        assert!(answer.ends_with(message), "{}: {message:?} is not the end of {answer:?}", recording.name);
        assert!(done.err.contains("nothing was started"), "{}: {}", recording.name, done.err);
        assert!(!lab.path("store").exists(), "{}: a store was made", recording.name);
        assert!(!lab.path("oyez-out").exists(), "{}: a folder was made", recording.name);
        assert_eq!(lab.jobs(), [Value::Null; 0], "{}", recording.name);
        seen += 1;
    }
    assert!(seen >= 22, "only {seen}");
}

#[test]
fn every_descriptor_that_ran_to_its_end_ends_with_the_same_reports() {
    let Some(golden) = golden() else { return };
    let mut seen = 0;
    for recording in recordings(&golden) {
        let Recording { name, descriptor, status, .. } = &recording;
        // lock-conflict-second is what a job gets beside lock-conflict-first; see below.
        let skip = ["lock-conflict-second"].contains(&name.as_str());
        if recording.error.is_some() || !is_ours(descriptor) || status["State"] != "JobStateCompleted" || skip
        {
            continue;
        }
        let lab = Lab::new();
        let temporary = lab.path(".").display().to_string();
        lab.write("job.json", descriptor.to_string().replace("@TMP@", &temporary));
        let done = lab.oyez(&["run", "job.json", "--out", "out"]);
        let mut expected = recorded_reports(status);
        match name.as_str() {
            // ConTest's own final report is empty, and a failure, whatever the runs were.
            "final-targetsuccess" => {
                assert_eq!(expected[1], json!([null, "TargetSuccess", false, null]));
                let text = "Test Test 1 passes success criteria: 100.00% >= 50.00%";
                expected[1] = json!([null, "TargetSuccess", true, [text]]);
            }
            // ConTest takes two tests of one name for one.
            "same-test-name-twice" => {
                let bad = "Test Test 1 does not pass success criteria: 50.00% is not = 100.00%";
                assert_eq!(expected[0][3], json!([bad, bad]));
                expected[0][3] = json!([
                    "Test Test 1 passes success criteria: 100.00% = 100.00%",
                    "Test Test 1 does not pass success criteria: 0.00% is not = 100.00%"
                ]);
            }
            _ => {}
        }
        assert_eq!(reports(&lab), expected, "{name}");
        // noop has no opinion: it does not make a failed run good.
        let good = expected.iter().filter(|report| report[1] != "noop").all(|report| report[2] == true);
        assert_eq!(done.code, Some(i32::from(!good)), "{name}: {}", done.err);
        let job = lab.job();
        assert_eq!((&job["state"], &job["complete"]), (&json!("Completed"), &json!("yes")), "{name}: {job}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen}");
}

#[test]
fn a_bad_template_fails_its_targets_not_the_job() {
    let Some(golden) = golden() else { return };
    let recordings = recordings(&golden);
    let recording = recordings.iter().find(|r| r.name == "echo-bad-template").unwrap();
    // ConTest gives up the whole job.
    assert_eq!(recording.status["State"], "JobStateFailed");
    let lab = Lab::new();
    lab.write("job.json", recording.descriptor.to_string());
    let done = lab.oyez(&["run", "job.json"]).ended(1);
    assert!(done.err.contains("can't evaluate field Nope in type *target.Target"), "{}", done.err);
    assert_eq!(lab.job()["state"], "Completed");
}

#[test]
fn a_test_without_targets_gets_a_verdict_and_no_hang() {
    let Some(golden) = golden() else { return };
    let recordings = recordings(&golden);
    let recording = recordings.iter().find(|r| r.name == "zero-targets").unwrap();
    // ConTest never comes to an end.
    assert_eq!(recording.status["State"], "JobStateStarted");
    let lab = Lab::new();
    lab.write("job.json", recording.descriptor.to_string());
    let done = lab.oyez(&["run", "job.json"]).ended(1);
    assert!(done.err.contains("there are no targets"), "{}", done.err);
    assert!(done.text().contains("it had no targets"), "{}", done.text());
}

#[test]
fn a_job_that_runs_until_it_is_stopped_ends_cancelled() {
    let Some(golden) = golden() else { return };
    for recording in recordings(&golden) {
        if !["cancel", "runs-0-stop", "lock-conflict-first"].contains(&recording.name.as_str()) {
            continue;
        }
        let lab = Lab::new();
        lab.write("job.json", recording.descriptor.to_string());
        let mut run = lab.start(&["run", "job.json", "--out", "out"]);
        lab.wait_for("target_in");
        run.signal(rustix::process::Signal::INT);
        run.end().ended(4);
        assert_eq!(lab.job()["state"], "Cancelled", "{}", recording.name);
    }
}

#[test]
fn a_target_that_another_job_has_cannot_be_acquired() {
    let Some(golden) = golden() else { return };
    let recordings = recordings(&golden);
    let named = |name: &str| recordings.iter().find(|r| r.name == name).unwrap();
    let (first, second) = (named("lock-conflict-first"), named("lock-conflict-second"));
    let lab = Lab::new();
    lab.write("first.json", first.descriptor.to_string());
    // ConTest refuses at once; here the second job waits for its target, and gets ConTest's answer when its time is up.
    let mut waits = second.descriptor.clone();
    waits["TargetManagerAcquireTimeout"] = json!("200ms");
    lab.write("second.json", waits.to_string());
    let mut run = lab.start(&["run", "first.json", "--out", "first"]);
    lab.wait_for("target_in");
    let done = lab.oyez(&["run", "second.json", "--out", "second"]);
    assert_eq!(reports(&lab), recorded_reports(&second.status));
    assert!(done.err.contains("is already locked by 1"), "{}", done.err);
    let job = lab.jobs().into_iter().next().unwrap();
    // Its target never started: that is said, and no success is made of it.
    assert_eq!(job["complete"], "no", "{job}");
    assert_eq!(done.code, Some(3), "{}", done.err);
    run.signal(rustix::process::Signal::INT);
    run.end().ended(4);
    poll("the first job did not end", || {
        let jobs = lab.jobs();
        (jobs.last().unwrap()["state"] == "Cancelled").then_some(())
    });
}
