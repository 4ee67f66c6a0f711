//! Search in logs, tags and their jobs: by the API, and as ConTest's admin server.

use serde_json::{Value, json};

use crate::lab::{ECHO, Lab, descriptor, escaped};

/// Three jobs: they say hello, then what is in quotes.
fn filled() -> Lab {
    let lab = Lab::new();
    for (tag, text) in
        [("even", "ERROR: no route"), ("odd", "all is well"), ("even", "WARN two\\nerror: no Route")]
    {
        let step =
            format!("{{\"name\":\"echo\",\"label\":\"say2\",\"parameters\":{{\"text\":[\"{text}\"]}}}}");
        let job =
            descriptor(&["T1"], &[ECHO, &step]).replace("\"csv\",\"test\"", &format!("\"{tag}\",\"all\""));
        let job = job.replace("{\"Name\":\"noop\"}", "{\"Name\":\"noop\"},{\"Name\":\"TargetSuccess\",\"Parameters\":{\"AverageSuccessExpression\":\"=100%\"}}");
        lab.rest(lab.submit(&job));
    }
    lab
}

fn find(lab: &Lab, query: &str) -> Vec<(u64, String)> {
    let answer = lab.get(&format!("/api/v1/logs?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["next"], Value::Null, "{query}");
    let line = |line: &Value| (line["job"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned());
    answer["lines"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn logs_are_searched_by_text_expression_job_tag_level_and_time() {
    let lab = filled();
    let jobs = |query: &str| find(&lab, query).into_iter().map(|(job, _)| job).collect::<Vec<_>>();
    assert_eq!(jobs("text=NO%20route"), [3, 1]);
    assert_eq!(jobs("regex=%5Eall%7Croute%24"), [3, 2, 1]);
    assert_eq!(jobs("text=hello"), [3, 2, 1]);
    assert_eq!(jobs("text=hello&tag=even"), [3, 1]);
    assert_eq!(jobs("text=hello&tag=even,odd"), [0u64; 0]);
    assert_eq!(jobs("text=hello&job=latest"), [3]);
    assert_eq!(jobs("text=hello&job=2"), [2]);
    assert_eq!(jobs("level=error,critical"), [3, 1]);
    assert_eq!(jobs("level=warn"), [3]);
    assert_eq!(jobs("level=error&until=2000-01-01T00:00:00Z"), [0u64; 0]);
    assert_eq!(jobs("level=error&since=2000-01-01T00:00:00Z"), [3, 1]);
    let page = lab.get("/api/v1/logs?text=error&job=3").json();
    let line = &page["lines"][0];
    for (field, value) in [
        ("name", json!("A job")),
        ("path", json!("A test/T1/say2")),
        ("target", json!("T1")),
        ("level", json!("error")),
        ("stream", json!("log")),
        ("text", json!("error: no Route")),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    assert!(line.get("cut").is_none() && page.get("notes").is_none(), "{page}");
}

#[test]
fn a_search_is_read_page_by_page() {
    let lab = filled();
    let whole = find(&lab, "");
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = lab.get(&format!("/api/v1/logs?limit=2{after}")).json();
        let lines = page["lines"].as_array().unwrap();
        assert!(lines.len() <= 2);
        seen.extend(
            lines
                .iter()
                .map(|line| (line["job"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned())),
        );
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", escaped(next));
    }
    assert_eq!(seen, whole);
}

#[test]
fn a_search_that_makes_no_sense_is_refused_with_its_place() {
    let lab = filled();
    for query in [
        "text=",
        "text=a&regex=b",
        "level=loud",
        "since=yesterday",
        "until=1",
        "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        "limit=0",
        "limit=101",
        "after=here",
        "txt=a",
    ] {
        let answer = lab.get(&format!("/api/v1/logs?{query}"));
        assert_eq!((answer.status, answer.problem()), (400, "request".to_owned()), "{query}");
    }
    let wrong = lab.get("/api/v1/logs?regex=ab%28c");
    assert_eq!(wrong.problem(), "request");
    let errors = wrong.json()["errors"].clone();
    assert_eq!((&errors[0]["path"], &errors[0]["column"]), (&json!("regex"), &json!(3)));
    assert!(errors[0]["message"].as_str().unwrap().contains("unclosed group"), "{errors}");
    let huge = format!("/api/v1/logs?regex={}", escaped("(a{500}){500}"));
    assert!(lab.get(&huge).json()["detail"].as_str().unwrap().contains("too large"));
    // It takes no longer than another, whatever its form.
    let slow = format!("/api/v1/logs?regex={}", escaped("(.*)*(.*)*(.*)*(a|a|a)*x$"));
    assert_eq!(lab.get(&slow).status, 200);
    assert_eq!(lab.get("/api/v1/logs?job=17").problem(), "no-job");
}

#[test]
fn tags_are_listed_with_their_jobs_and_what_was_said_of_them() {
    let lab = filled();
    let tags = lab.get("/api/v1/tags").json();
    assert_eq!(
        tags,
        json!({"tags": [{"name": "all", "jobs": 3}, {"name": "even", "jobs": 2}, {"name": "odd", "jobs": 1}], "next": null})
    );
    assert_eq!(lab.get("/api/v1/tags?text=E.E").json()["tags"], json!([{"name": "even", "jobs": 2}]));
    let page = lab.get("/api/v1/tags?limit=1&after=all").json();
    assert_eq!((&page["tags"][0]["name"], &page["next"]), (&json!("even"), &json!("even")));
    assert_eq!(lab.get("/api/v1/tags?text=%28").problem(), "request");
    let jobs = lab.get("/api/v1/tags/even/jobs").json();
    let ids: Vec<&Value> = jobs["jobs"].as_array().unwrap().iter().map(|job| &job["job"]["id"]).collect();
    assert_eq!(ids, [3, 1]);
    let first = &jobs["jobs"][0];
    assert_eq!((&first["job"]["state"], &first["job"]["verdict"]), (&json!("Completed"), &json!("success")));
    let reports: Vec<(&Value, &Value)> =
        first["reports"].as_array().unwrap().iter().map(|r| (&r["reporter"], &r["success"])).collect();
    assert_eq!(reports, [(&json!("noop"), &json!(true)), (&json!("TargetSuccess"), &json!(true))]);
    let next = lab.get("/api/v1/tags/even/jobs?limit=1").json()["next"].clone();
    assert_eq!(next, 3);
    assert_eq!(lab.get("/api/v1/tags/even/jobs?limit=1&before=3").json()["jobs"][0]["job"]["id"], 1);
    assert_eq!(lab.get("/api/v1/tags/nobody/jobs").json(), json!({"jobs": [], "next": null}));
}

#[test]
fn contests_admin_server_is_there_with_its_shapes_and_errors() {
    let lab = filled();
    for above in ["", "/contest"] {
        let logs = lab.get(&format!("{above}/log?text=no.route&page_size=1&page=1")).json();
        assert_eq!((&logs["count"], &logs["page"], &logs["page_size"]), (&json!(2), &json!(1), &json!(1)));
        let line = &logs["logs"][0];
        assert_eq!(
            (&line["job_id"], &line["log_data"], &line["log_level"]),
            (&json!(1), &json!("ERROR: no route"), &json!("error"))
        );
        assert!(line["date"].as_str().unwrap().ends_with('Z') && line.as_object().unwrap().len() == 4);
        let none = lab.get(&format!("{above}/log?text=nowhere")).json();
        assert_eq!(none, json!({"logs": null, "count": 0, "page": 0, "page_size": 100}));
        let by_level = lab.get(&format!("{above}/log?log_level=warning,panic&job_id=3&page_size=500")).json();
        assert_eq!((&by_level["count"], &by_level["page_size"]), (&json!(1), &json!(100)));
        assert_eq!(lab.get(&format!("{above}/log?log_level=loud")).json()["count"], 0);
        assert_eq!(lab.get(&format!("{above}/log?job_id=77&unknown=1")).json()["logs"], Value::Null);
        let early = format!("{above}/log?end_date={}", escaped("2006-01-02T15:04:05.000+07:00"));
        assert_eq!(lab.get(&early).json()["count"], 0);
        for wrong in ["page=x", "job_id=-1", "start_date=today", "text=%28"] {
            let answer = lab.get(&format!("{above}/log?{wrong}"));
            assert_eq!((answer.status, &answer.json()["status"]), (400, &json!("err")), "{wrong}");
            assert!(answer.json()["msg"].as_str().unwrap().starts_with("bad formatted query"), "{wrong}");
        }
        assert_eq!(lab.get(&format!("{above}/tag?text=o")).json(), json!([{"name": "odd", "jobs_count": 1}]));
        assert_eq!(lab.get(&format!("{above}/tag?text=none")).json(), json!([]));
        let jobs = lab.get(&format!("{above}/tag/odd/jobs")).json();
        let seen: Vec<_> =
            jobs.as_array().unwrap().iter().map(|j| (&j["job_id"], &j["report"]["reporter_name"])).collect();
        assert_eq!(seen, [(&json!(2), &json!("noop")), (&json!(2), &json!("TargetSuccess"))]);
        assert_eq!(jobs[1]["report"]["success"], true);
        assert!(jobs[1]["report"]["data"].is_string() && jobs[1]["report"]["time"].is_string(), "{jobs}");
        assert_eq!(lab.get(&format!("{above}/tag/nobody/jobs")).json(), json!([]));
    }
    // Whatever else is asked there is a verb of ConTest's.
    let post = lab.ask("POST", "/log", &[("Content-Type", "application/json")], b"[]");
    assert_eq!(post.status, 400);
    assert!(!post.text().is_empty());
}
