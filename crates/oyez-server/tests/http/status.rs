//! The long reply to `status`, for jobs that the recordings do not have.

use oyez_model::event::{LogText, Named, RawJson, Report, SectionStarted, Stream, TargetAcquireErr};
use oyez_model::{JobState, RunNumber, SectionRef};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::tree::Job;

fn status_of(job: Job) -> Value {
    let lab = Lab::new();
    let id = job.store(&lab).to_string();
    let reply = lab.verb("status", &[("requestor", "me"), ("jobID", &id)]).json();
    assert_eq!(reply["Error"], json!(null), "{reply}");
    reply["Data"]["Status"].clone()
}

fn test_of(status: &Value) -> &Value {
    &status["RunStatuses"][0]["TestStatuses"][0]
}

fn ids(targets: &Value) -> Vec<&str> {
    targets.as_array().unwrap().iter().map(|t| t["Target"]["ID"].as_str().unwrap_or("-")).collect()
}

#[test]
fn a_job_that_waits_is_unknown_and_has_nothing() {
    let mut job = Job::new("waits").tests(&[("A", &["s"])]);
    job.state(JobState::Queued);
    let status = status_of(job);
    assert_eq!(
        status,
        json!({
            "Name": "waits", "State": "Unknown", "StateErrMsg": "", "StartTime": "0001-01-01T00:00:00Z",
            "EndTime": null, "RunStatus": null, "RunStatuses": null,
            "JobReport": {"JobID": 1, "RunReports": null, "FinalReports": null}
        })
    );
}

#[test]
fn a_test_that_has_not_begun_shows_its_steps() {
    let mut job = Job::new("j").tests(&[("A", &["s1", "s2"]), ("B", &[])]);
    job.state(JobState::Started);
    job.run(1);
    let status = status_of(job);
    let tests = &status["RunStatus"]["TestStatuses"];
    let step = |label: &str| {
        json!({"JobID": 1, "RunID": 1, "TestName": "A", "TestStepName": "Echo", "TestStepLabel": label,
            "Events": null, "TargetStatuses": null})
    };
    assert_eq!(
        tests[0],
        json!({"JobID": 1, "RunID": 1, "TestName": "A", "TestStepStatuses": [step("s1"), step("s2")],
            "TargetStatuses": null})
    );
    assert_eq!(tests[1]["TestStepStatuses"], json!([]));
    assert_ne!(status["RunStatus"]["StartTime"], "0001-01-01T00:00:00Z");
    assert_eq!(status["RunStatus"], status["RunStatuses"][0]);
}

#[test]
fn each_step_shows_the_highest_attempt_that_came_to_it_and_each_target_its_last_step_of_the_last_attempt() {
    let mut job = Job::new("j").tests(&[("A", &["s1", "s2"])]);
    job.state(JobState::Started);
    let run = job.run(1);
    let first = job.test(run, 0, 0, "A");
    let (t1, t2) = (job.target(first, "T1"), job.target(first, "T2"));
    job.pass(t1, "s1");
    job.pass(t1, "s2");
    let visit = job.enter(t2, "s1");
    job.fail(visit, "first");
    job.end_test(first, true);
    let second = job.test(run, 0, 1, "A");
    let (t1, t2) = (job.target(second, "T1"), job.target(second, "T2"));
    for target in [t1, t2] {
        let visit = job.enter(target, "s1");
        job.fail(visit, "second");
    }
    job.end_test(second, false);
    job.end(run);
    let status = status_of(job);
    let test = test_of(&status);
    let shown = |targets: &Value| -> Vec<String> {
        let one = |t: &Value| {
            format!("{} {} {}", t["Target"]["ID"], t["TestStepLabel"], t["Error"]).replace('"', "")
        };
        targets.as_array().unwrap().iter().map(one).collect()
    };
    assert_eq!(shown(&test["TestStepStatuses"][0]["TargetStatuses"]), ["T1 s1 second", "T2 s1 second"]);
    assert_eq!(shown(&test["TestStepStatuses"][1]["TargetStatuses"]), ["T1 s2 "]);
    assert_eq!(shown(&test["TargetStatuses"]), ["T1 s1 second", "T2 s1 second"]);
}

#[test]
fn targets_that_never_came_into_a_step_or_are_listed_twice_stand_in_the_test() {
    let mut job = Job::new("j").tests(&[("A", &["s1"])]);
    job.state(JobState::Started);
    let run = job.run(1);
    let test = job.test(run, 0, 0, "A");
    let t1 = job.target(test, "T1");
    // The same target listed again: a section without a life of its own.
    job.say(SectionStarted {
        id: 1000,
        parent: test,
        r#type: "Target".to_owned(),
        name: "T1".to_owned(),
        description: Some("listed again".to_owned()),
        ..Default::default()
    });
    job.target(test, "T2");
    job.pass(t1, "s1");
    let status = status_of(job);
    let test = test_of(&status);
    assert_eq!(ids(&test["TestStepStatuses"][0]["TargetStatuses"]), ["T1"]);
    assert_eq!(ids(&test["TargetStatuses"]), ["T1", "-", "T1"]);
    assert_eq!(
        test["TargetStatuses"][1],
        json!({"JobID": 0, "RunID": 0, "TestName": "", "TestStepName": "", "TestStepLabel": "", "Target": null,
            "InTime": "0001-01-01T00:00:00Z", "OutTime": "0001-01-01T00:00:00Z", "Error": "", "Events": null})
    );
}

#[test]
fn targets_that_could_not_be_acquired_are_one_that_failed() {
    let mut job = Job::new("j").tests(&[("A", &["s1"])]);
    job.state(JobState::Started);
    let run = job.run(1);
    let test = job.test(run, 0, 0, "A");
    job.say(TargetAcquireErr { test, error: "locked \"by\" 19".to_owned() });
    job.end_test(test, false);
    let status = status_of(job);
    let targets = &test_of(&status)["TargetStatuses"];
    assert_eq!(targets.as_array().unwrap().len(), 1);
    let target = &targets[0];
    assert_eq!((&target["Target"], &target["Error"]), (&json!(null), &json!("locked \"by\" 19")));
    assert_eq!(target["InTime"], target["OutTime"]);
    let event = &target["Events"][0];
    assert_eq!(event["Data"]["EventName"], "TargetAcquireErr");
    assert_eq!(event["Data"]["Payload"], json!({"Error": "locked \"by\" 19"}));
    assert_eq!(event["Header"]["TestStepLabel"], "");
}

#[test]
fn events_stand_at_their_target_those_of_the_step_at_the_step_and_logs_nowhere() {
    let mut job = Job::new("j").tests(&[("A", &["s1"])]);
    job.state(JobState::Started);
    let run = job.run(1);
    let test = job.test(run, 0, 0, "A");
    let target = job.target(test, "T1");
    let visit = job.enter(target, "s1");
    let named = |name: &str, target: Option<&str>, payload: Option<&str>| Named {
        id: visit,
        name: name.to_owned(),
        target: target.map(str::to_owned),
        payload: payload.map(|json| RawJson(json.to_owned())),
    };
    job.say(named("Mine", Some("T1"), Some("{ \"a\" : [1, 2] }")));
    job.say(LogText { id: visit, stream: Stream::Log, text: b"hello\n".to_vec().into(), level: None });
    job.say(named("Bare", Some("T1"), None));
    job.say(named("OfStep", None, Some("7")));
    job.say(named("TestError", Some("T1"), Some("\"test step [s1] did not return\"")));
    job.leave(visit);
    let status = status_of(job);
    let step = &test_of(&status)["TestStepStatuses"][0];
    let shown = |events: &Value| -> Vec<Value> {
        let one =
            |e: &Value| json!([e["Data"]["EventName"], e["Data"]["Payload"], e["Data"]["Target"]["ID"]]);
        events.as_array().unwrap().iter().map(one).collect()
    };
    let target = &step["TargetStatuses"][0];
    assert_eq!(shown(&target["Events"]), [json!(["Mine", {"a": [1, 2]}, "T1"]), json!(["Bare", null, "T1"])]);
    assert_eq!(
        shown(&step["Events"]),
        [json!(["OfStep", 7, null]), json!(["TestError", "test step [s1] did not return", null])]
    );
    assert_eq!(test_of(&status)["TargetStatuses"][0], *target);
}

#[test]
fn a_long_error_is_whole_and_many_events_and_targets_all_come() {
    let mut job = Job::new("j").tests(&[("A", &["s1", "s2"])]);
    job.state(JobState::Started);
    let run = job.run(1);
    let test = job.test(run, 0, 0, "A");
    let error = "ä".repeat(5000);
    for i in 0..700 {
        let target = job.target(test, &format!("T{i:03}"));
        job.pass(target, "s1");
        let visit = job.enter(target, "s2");
        if i == 333 {
            for n in 0..1000 {
                job.say(Named {
                    id: visit,
                    name: "Tick".to_owned(),
                    target: Some("T333".to_owned()),
                    payload: Some(RawJson(n.to_string())),
                });
            }
        }
        job.fail(visit, &error);
    }
    let status = status_of(job);
    let test = test_of(&status);
    for list in [
        &test["TestStepStatuses"][0]["TargetStatuses"],
        &test["TestStepStatuses"][1]["TargetStatuses"],
        &test["TargetStatuses"],
    ] {
        let expected: Vec<String> = (0..700).map(|i| format!("T{i:03}")).collect();
        assert_eq!(ids(list), expected);
    }
    let target = &test["TargetStatuses"][333];
    assert_eq!(target["Error"], error);
    let ticks: Vec<_> =
        target["Events"].as_array().unwrap().iter().map(|e| e["Data"]["Payload"].clone()).collect();
    assert_eq!(ticks, (0..1000).map(|n| json!(n)).collect::<Vec<_>>());
    assert_eq!(status["RunStatus"], status["RunStatuses"][0]);
}

#[test]
fn two_tests_of_one_name_are_kept_apart_and_a_step_that_was_done_again_is_one() {
    let mut job = Job::new("j").tests(&[("A", &["s1"]), ("A", &["s1"])]);
    job.state(JobState::Started);
    let run = job.run(1);
    for (index, target) in ["T1", "T2"].into_iter().enumerate() {
        let test = job.test(run, u32::try_from(index).unwrap(), 0, "A");
        let target = job.target(test, target);
        let visit = job.enter(target, "s1");
        job.fail(visit, "cut off");
        job.pass(target, "s1");
        job.end_test(test, false);
    }
    job.end(run);
    let status = status_of(job);
    let tests = status["RunStatuses"][0]["TestStatuses"].as_array().unwrap();
    assert_eq!(tests.len(), 2);
    for (test, id) in tests.iter().zip(["T1", "T2"]) {
        assert_eq!(ids(&test["TargetStatuses"]), [id]);
        assert_eq!(test["TargetStatuses"][0]["Error"], "");
    }
}

#[test]
fn reports_stand_by_run_and_final_ones_apart() {
    let mut job = Job::new("j").tests(&[]);
    job.state(JobState::Started);
    let report = |run: Option<u32>, reporter: &str, data: &str| Report {
        run: run.map(RunNumber),
        reporter: reporter.to_owned(),
        success: true,
        data: RawJson(data.to_owned()),
        error: None,
        neutral: None,
    };
    let mut last = SectionRef::JOB;
    for run in 1..=2 {
        last = job.run(run);
        job.say(report(Some(run), "a", "[\"x\"]"));
        job.say(report(Some(run), "b", "null"));
    }
    job.say(report(None, "c", "\"end\""));
    job.end(last);
    let status = status_of(job);
    assert_eq!(status["RunStatus"]["TestStatuses"], json!(null));
    assert_eq!(status["RunStatuses"].as_array().unwrap().len(), 2);
    let mut reports = status["JobReport"].clone();
    for report in
        reports["RunReports"].as_array_mut().unwrap().iter_mut().flat_map(|run| run.as_array_mut().unwrap())
    {
        report.as_object_mut().unwrap().remove("ReportTime").unwrap();
    }
    let of = |run: u32, name: &str, data: Value| json!({"JobID": 1, "RunID": run, "ReporterName": name, "Success": true, "Data": data});
    assert_eq!(
        reports["RunReports"],
        json!([
            [of(1, "a", json!(["x"])), of(1, "b", json!(null))],
            [of(2, "a", json!(["x"])), of(2, "b", json!(null))]
        ])
    );
    let last = &reports["FinalReports"][0];
    assert_eq!((last.get("RunID"), &last["Data"]), (None, &json!("end")));
}

#[test]
fn a_job_that_was_not_run_from_a_descriptor_has_a_status_too() {
    let mut job = Job::new("reported");
    job.state(JobState::Started);
    let run = job.run(1);
    job.end(run);
    let status = status_of(job);
    assert_eq!((&status["Name"], &status["State"]), (&json!("reported"), &json!("JobStateCompleted")));
    assert_eq!(status["RunStatus"]["TestStatuses"], json!(null));
}
