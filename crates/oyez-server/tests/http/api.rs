//! The native API.

use oyez_server::http::api::openapi;
use serde_json::{Value, json};

use crate::lab::{ECHO, Lab, SLEEP, Setup, descriptor, poll};

#[test]
fn a_job_is_submitted_looked_at_and_reported_on() {
    let lab = Lab::new();
    let body = descriptor(&["T1"], &[ECHO]);
    let path = "/api/v1/jobs?requestor=ci&guid=build%2017&guid=other&priority=5";
    let answer =
        lab.ask("POST", path, &[("Content-Type", "application/json; charset=utf-8")], body.as_bytes());
    assert_eq!(answer.status, 201);
    assert!(answer.head.contains("Location: /api/v1/jobs/1\r\n"), "{}", answer.head);
    let taken = answer.json();
    assert_eq!(taken["warnings"], json!([]));
    assert_eq!(taken["job"]["guids"], json!(["build 17", "other"]));
    let row = lab.rest(1);
    for (field, value) in [
        ("state", json!("Completed")),
        ("verdict", json!("success")),
        ("complete", json!("yes")),
        ("requestor", json!("ci")),
        ("server", json!("labsrv")),
        ("source", json!("engine")),
        ("runs", json!(1)),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    let uid = row["uid"].as_str().unwrap();
    for id in ["1", uid, "latest", "build%2017"] {
        assert_eq!(lab.get(&format!("/api/v1/jobs/{id}")).json(), row, "{id}");
    }
    let tests = lab.get("/api/v1/jobs/1/tests").json();
    let shown: Vec<Value> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| json!([t["kind"], t["name"], t["outcome"]]))
        .collect();
    assert_eq!(shown, [json!(["run", "Run 1", "passed"]), json!(["test", "A test", "passed"])]);
    assert_eq!(lab.get("/api/v1/jobs/1/tests?limit=1").json()["more"], true);
    let json = lab.get("/api/v1/jobs/1/report");
    assert!(json.head.contains("Content-Type: application/json\r\n"), "{}", json.head);
    assert_eq!(json.json()["job"]["name"], "A job");
    let junit = lab.get("/api/v1/jobs/1/report?format=junit");
    assert!(
        junit.head.contains("application/xml") && junit.text().contains("<testsuite"),
        "{}",
        junit.text()
    );
    assert_eq!(lab.get("/api/v1/jobs/1/report?format=pdf").problem(), "request");
}

#[test]
fn a_descriptor_may_be_yaml_and_is_refused_with_all_that_is_wrong() {
    let lab = Lab::new();
    let yaml = "JobName: j\nRuns: 1\nTestDescriptors:\n  - TargetManagerName: TargetLits\n    TestFetcherName: Literal\n";
    let answer = lab.ask("POST", "/api/v1/jobs", &[("Content-Type", "application/yaml")], yaml.as_bytes());
    assert_eq!((answer.status, answer.problem()), (422, "descriptor".to_owned()));
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    assert!(errors.len() > 2, "{errors:#?}");
    let wrong = |errors: &[Value]| {
        errors.iter().find(|e| e["path"] == "TestDescriptors[0].TargetManagerName").unwrap().clone()
    };
    let of_yaml = wrong(&errors);
    assert_eq!(of_yaml["severity"], "error");
    assert!(of_yaml["hint"].as_str().unwrap().contains("TargetList"), "{of_yaml}");
    // In JSON the place is known.
    let json = descriptor(&["T1"], &[ECHO])
        .replace("[{\"TargetManagerName\":\"TargetList", "[\n {\"TargetManagerName\":\"TargetLits");
    let answer = lab.ask("POST", "/api/v1/jobs", &[], json.as_bytes()).json();
    let of_json = wrong(answer["errors"].as_array().unwrap());
    assert_eq!((&of_json["line"], &of_json["column"]), (&json!(2), &json!(23)), "{of_json}");
    assert_eq!(answer["detail"], "TargetManager TargetLits is not registered");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(lab.ask("POST", "/api/v1/jobs", &form, b"x=1").problem(), "media-type");
    let long = format!("/api/v1/jobs?requestor={}", "x".repeat(33));
    assert_eq!(lab.ask("POST", &long, &[], b"{}").problem(), "request");
    assert_eq!(lab.ask("POST", "/api/v1/jobs?prio=1", &[], b"{}").problem(), "request");
    assert_eq!(lab.get("/api/v1/jobs").json()["jobs"], json!([]));
}

#[test]
fn jobs_are_listed_a_page_at_a_time_and_by_what_is_known_of_them() {
    let lab = Lab::new();
    for i in 1..=5 {
        let tag = if i % 2 == 0 { "\"even\"" } else { "\"odd\"" };
        lab.rest(lab.submit(&descriptor(&["T1"], &[ECHO]).replace("\"csv\",\"test\"", tag)));
    }
    let list = |query: &str| {
        let page = lab.get(&format!("/api/v1/jobs?{query}")).json();
        let ids: Vec<u64> =
            page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect();
        (ids, page["next"].clone())
    };
    assert_eq!(list(""), (vec![5, 4, 3, 2, 1], Value::Null));
    assert_eq!(list("limit=2"), (vec![5, 4], json!(4)));
    assert_eq!(list("limit=2&before=4"), (vec![3, 2], json!(2)));
    assert_eq!(list("tag=even"), (vec![4, 2], Value::Null));
    assert_eq!(list("id=1,3&id=9"), (vec![3, 1], Value::Null));
    assert_eq!(list("server=labsrv&limit=1"), (vec![5], json!(5)));
    assert_eq!(list("server=other"), (vec![], Value::Null));
    assert_eq!(list("state=Completed,Failed&tag=odd&before=5"), (vec![3, 1], Value::Null));
    assert_eq!(lab.get("/api/v1/jobs?state=Foo").problem(), "request");
    assert_eq!(lab.get("/api/v1/jobs?limit=0").problem(), "request");
    assert_eq!(lab.get("/api/v1/jobs?limit=1001").problem(), "request");
}

#[test]
fn jobs_are_controlled_and_who_asked_is_kept() {
    let lab = Lab::new();
    let job = lab.submit(&descriptor(&["T1"], &[SLEEP]));
    let ask =
        |verb: &str, body: &str| lab.ask("POST", &format!("/api/v1/jobs/{job}/{verb}"), &[], body.as_bytes());
    let state = || lab.get(&format!("/api/v1/jobs/{job}")).json()["state"].as_str().unwrap().to_owned();
    poll("it does not start", || (state() == "Started").then_some(()));
    assert_eq!(ask("resume", "").problem(), "state");
    assert_eq!(ask("pause", "{\"by\":\"ann\",\"why\":\"lunch\"}").status, 202);
    poll("it does not pause", || (state() == "Paused").then_some(()));
    assert_eq!(ask("resume", "").status, 202);
    poll("it does not go on", || (state() == "Started").then_some(()));
    assert_eq!(ask("pause", "{\"kill\":true}").problem(), "request");
    assert_eq!(ask("stop", "{\"who\":1}").problem(), "request");
    assert_eq!(ask("stop", "{\"by\":\"bob\"}").status, 202);
    lab.rest(job);
    let gone = ask("stop", "");
    assert_eq!((gone.status, gone.problem()), (409, "state".to_owned()));
    let text = lab.get(&format!("/api/v1/jobs/{job}/events?follow=false")).text();
    let asked: Vec<(String, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["kind"] == "job_control")
        .map(|event| (event["verb"].as_str().unwrap().to_owned(), event["by"].as_str().unwrap().to_owned()))
        .collect();
    let pair = |verb: &str, by: &str| (verb.to_owned(), by.to_owned());
    assert_eq!(asked, [pair("pause", "ann"), pair("resume", "api"), pair("cancel", "bob")]);
    let again = lab.ask("POST", &format!("/api/v1/jobs/{job}/retry"), &[], b"{\"by\":\"eve\"}");
    assert_eq!((again.status, &again.json()["job"]["requestor"]), (201, &json!("eve")));
    let second = again.json()["job"]["id"].as_u64().unwrap();
    let killed = lab.ask("POST", &format!("/api/v1/jobs/{second}/stop"), &[], b"{\"kill\":true}");
    assert_eq!(killed.status, 202);
    assert_eq!(lab.rest(second)["state"], "Cancelled");
}

#[test]
fn what_is_not_there_is_a_problem_of_its_own() {
    let lab = Lab::new();
    for path in
        ["/api/v1/jobs/7", "/api/v1/jobs/latest", "/api/v1/jobs/no%20such/report", "/api/v1/jobs/7/events"]
    {
        let answer = lab.get(path);
        assert_eq!((answer.status, answer.problem()), (404, "no-job".to_owned()), "{path}");
    }
    for verb in ["stop", "pause", "resume", "retry"] {
        assert_eq!(
            lab.ask("POST", &format!("/api/v1/jobs/7/{verb}"), &[], b"").problem(),
            "no-job",
            "{verb}"
        );
    }
    assert_eq!(lab.get("/api/v1/nothing").problem(), "no-such-path");
    assert_eq!(lab.get("/api").problem(), "no-such-path");
    assert_eq!(lab.ask("DELETE", "/api/v1/jobs", &[], b"").problem(), "method");
    assert_eq!(lab.ask("GET", "/api/v1/jobs/1/stop", &[], b"").problem(), "method");
    for _ in 0..2 {
        lab.ask("POST", "/api/v1/jobs?guid=same", &[], descriptor(&["T1"], &[ECHO]).as_bytes());
    }
    let several = lab.get("/api/v1/jobs/same");
    assert_eq!((several.status, several.problem()), (409, "ambiguous".to_owned()));
    assert_eq!(several.json()["jobs"], json!([2, 1]));
}

#[test]
fn jobs_beyond_the_cap_wait_and_read_as_unknown_to_contest() {
    let lab = Lab::of(Setup { max_jobs: Some(1), ..Setup::default() });
    let first = lab.submit(&descriptor(&["T1"], &[SLEEP]));
    let second = lab.submit(&descriptor(&["T2"], &[ECHO]));
    poll("the first does not start", || {
        (lab.get(&format!("/api/v1/jobs/{first}")).json()["state"] == "Started").then_some(())
    });
    assert_eq!(lab.get(&format!("/api/v1/jobs/{second}")).json()["state"], "Queued");
    let status = lab.verb("status", &[("requestor", "me"), ("jobID", &second.to_string())]).json();
    assert_eq!(status["Data"]["Status"]["State"], "Unknown");
    lab.ask("POST", &format!("/api/v1/jobs/{first}/stop"), &[], b"");
    assert_eq!(lab.rest(second)["state"], "Completed");
}

#[test]
fn the_api_describes_itself() {
    let lab = Lab::new();
    assert_eq!(lab.get("/api/v1/openapi.json").text(), openapi::description());
    let described = lab.get("/api/v1/openapi.json").json();
    let mut seen = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{id}", "none").replace("{verb}", "hold").replace("{name}", "none");
            let answer = lab.ask(&method.to_uppercase(), &path, &[], b"");
            let word = if answer.status >= 400 { answer.problem() } else { String::new() };
            assert!(
                !["no-such-path", "method"].contains(&word.as_str()),
                "{method} {path}: {}",
                answer.text()
            );
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{method} {path}: {status} is not described");
            }
            assert!(operation["operationId"].is_string(), "{method} {path}");
            seen += 1;
        }
    }
    assert!(seen >= 17, "only {seen}");
    let version = lab.get("/api/v1/version").json();
    assert_eq!(
        version,
        json!({"oyez": env!("CARGO_PKG_VERSION"), "descriptor": "1.0", "contest": 5, "server": "labsrv"})
    );
}

#[test]
fn a_descriptor_is_planned_with_its_parameters_for_one_target_and_nothing_is_kept() {
    let lab = Lab::new();
    let step = "{\"name\":\"echo\",\"label\":\"say\",\"parameters\":{\"text\":[\"I am {{ .ID }}\"]}}";
    let text = descriptor(&["T1", "T2"], &[step]);
    let plan =
        |query: &str, body: &str| lab.ask("POST", &format!("/api/v1/plan{query}"), &[], body.as_bytes());
    let said = |answer: crate::lab::Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["expanded"][0]["steps"][0]["parameters"]["text"][0].clone()
    };
    assert_eq!(said(plan("", &text)), "I am T1");
    assert_eq!(said(plan("?target=T2", &text)), "I am T2");
    assert_eq!(plan("", &text).json()["plan"]["tests"][0]["steps"][0]["label"], "say");
    let wrong = plan("?target=T3", &text);
    assert!(wrong.text().contains("there are T1, T2"), "{}", wrong.text());
    assert_eq!((wrong.status, wrong.problem()), (400, "request".to_owned()));
    assert_eq!(plan("", "{}").problem(), "descriptor");
    assert_eq!(plan("?targets=T1", &text).problem(), "request");
    assert_eq!(lab.get("/api/v1/jobs").json()["jobs"], json!([]));
}
