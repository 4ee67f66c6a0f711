//! ConTest's verbs, where they do something.

use oyez_server::service::ServiceOptions;
use serde_json::json;

use crate::lab::{ECHO, Lab, SLEEP, Setup, descriptor, poll};

fn start(lab: &Lab, descriptor: &str) -> u64 {
    let answer = lab.verb("start", &[("requestor", "me"), ("jobDesc", descriptor)]);
    let reply = answer.json();
    assert_eq!(reply["Error"], json!(null), "{reply}");
    reply["Data"]["JobID"].as_u64().unwrap()
}

#[test]
fn a_job_is_started_looked_at_and_stopped() {
    let lab = Lab::new();
    let job = start(&lab, &descriptor(&["T1"], &[SLEEP])).to_string();
    let status =
        || lab.verb("status", &[("requestor", "me"), ("jobID", &job)]).json()["Data"]["Status"].clone();
    poll("the target does not come into its step", || {
        let status = status();
        (!status["RunStatus"]["TestStatuses"][0]["TestStepStatuses"][0]["TargetStatuses"].is_null())
            .then_some(())
    });
    let running = status();
    assert_eq!((&running["State"], &running["EndTime"]), (&json!("JobStateStarted"), &json!(null)));
    let target = &running["RunStatus"]["TestStatuses"][0]["TargetStatuses"][0];
    assert_eq!(target["OutTime"], "0001-01-01T00:00:00Z");
    let stop = || lab.verb("stop", &[("requestor", "me"), ("jobID", &job)]).json()["Error"].clone();
    assert_eq!(stop(), json!(null));
    let row = lab.rest(1);
    assert_eq!(row["state"], "Cancelled");
    assert_eq!(stop(), json!("could not stop job: unknown job ID: 1"));
    assert_eq!(status()["State"], "JobStateCancelled");
}

#[test]
fn a_multipart_form_and_a_second_request_on_the_connection_are_read() {
    let lab = Lab::new();
    let part = |name: &str, value: &str| {
        format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!(
        "{}{}{}--xYz--\r\n",
        part("requestor", "me"),
        part("jobDesc", &descriptor(&["T1"], &[ECHO])),
        part("jobDesc", "the second of a name does not count")
    );
    let mut client = lab.connect();
    let form = [("Content-Type", "multipart/form-data; boundary=xYz")];
    let answer = client.ask("POST", "/start", &form, body.as_bytes());
    assert_eq!(answer.json()["Data"]["JobID"], 1, "{}", answer.text());
    let list = client.verb("/list", &[("requestor", "me")]);
    assert_eq!(list.json()["Data"]["JobIDs"], json!([1]));
}

#[test]
fn the_query_of_the_url_does_not_count() {
    let lab = Lab::new();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = lab.ask("POST", "/status?jobID=1&requestor=me", &form, b"requestor=me");
    assert_eq!(
        (answer.status, answer.text()),
        (400, "{\"Msg\":\"Status failed: job ID cannot be empty\"}".to_owned())
    );
}

#[test]
fn jobs_are_listed_by_any_of_the_states_and_all_of_the_tags() {
    let lab = Lab::new();
    for tags in ["\"a\"", "\"a\",\"b\"", "\"b\""] {
        let job = start(&lab, &descriptor(&["T1"], &[ECHO]).replace("\"csv\",\"test\"", tags));
        lab.rest(job);
    }
    let list = |form: &[(&str, &str)]| {
        let form: Vec<_> = [("requestor", "me")].iter().chain(form).copied().collect();
        lab.verb("list", &form).json()["Data"]["JobIDs"].clone()
    };
    assert_eq!(list(&[("tags", "a")]), json!([1, 2]));
    assert_eq!(list(&[("tags", "b,a")]), json!([2]));
    assert_eq!(list(&[("states", "JobStateFailed,JobStateCompleted"), ("tags", "b")]), json!([2, 3]));
    assert_eq!(list(&[("states", "JobStateFailed")]), json!([]));
}

#[test]
fn an_instance_sees_its_own_jobs_only() {
    let options = ServiceOptions { instance_tag: Some("_lab".to_owned()) };
    let lab = Lab::of(Setup { options, ..Setup::default() });
    let mine = start(&lab, &descriptor(&["T1"], &[ECHO]));
    assert_eq!(lab.rest(mine)["tags"], json!(["csv", "test", "_lab"]));
    let text = lab.get(&format!("/api/v1/jobs/{mine}/events?follow=false")).text();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["extended"]["Tags"], json!(["csv", "test", "_lab"]));
    // One that another process put into the same store.
    let other = crate::tree::Job::new("other").store(&lab);
    let list = lab.verb("list", &[("requestor", "me")]);
    assert_eq!(list.json()["Data"]["JobIDs"], json!([mine]));
    let status = lab.verb("status", &[("requestor", "me"), ("jobID", &other.to_string())]).json();
    let error = format!("job {other} belongs to a different instance, this is \"_lab\"");
    assert_eq!((&status["Data"]["Status"], &status["Error"]), (&json!(null), &json!(error)));
}

#[test]
fn a_job_is_repeated_and_one_that_is_not_there_is_not() {
    let lab = Lab::new();
    let job = start(&lab, &descriptor(&["T1"], &[ECHO]));
    lab.rest(job);
    let retry = |job: &str| lab.verb("retry", &[("requestor", "you"), ("jobID", job)]).json();
    assert_eq!(retry("1")["Data"], json!({"JobID": 1, "NewJobID": 2}));
    let again = lab.rest(2);
    assert_eq!((&again["state"], &again["requestor"]), (&json!("Completed"), &json!("you")));
    let none = retry("99");
    assert_eq!(none["Data"], json!({"JobID": 99, "NewJobID": 0}));
    assert_eq!(none["Error"], "could not retry job: unknown job ID: 99");
    let lost = retry("-1");
    assert_eq!(lost["Error"], format!("could not retry job: unknown job ID: {}", u64::MAX));
}

#[test]
fn a_server_that_ends_takes_no_new_jobs_and_still_tells_of_those_it_has() {
    let lab = Lab::new();
    let job = start(&lab, &descriptor(&["T1"], &[SLEEP]));
    lab.service.drain();
    let refused =
        lab.verb("start", &[("requestor", "me"), ("jobDesc", &descriptor(&["T2"], &[ECHO]))]).json();
    assert_eq!(refused["Error"], "the server is shutting down and takes no new jobs");
    assert_eq!(lab.ask("POST", "/api/v1/jobs", &[], b"{}").problem(), "draining");
    assert_eq!(lab.get("/readyz").status, 503);
    assert_eq!(lab.get("/healthz").status, 200);
    let stopped = lab.verb("stop", &[("requestor", "me"), ("jobID", &job.to_string())]);
    assert_eq!(stopped.json()["Error"], json!(null));
    assert_eq!(lab.rest(job)["state"], "Cancelled");
}
