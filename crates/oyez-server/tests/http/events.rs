//! Following a job.

use oyez_model::EventSeq;
use oyez_server::http::api::frames;
use serde_json::Value;

use crate::lab::{ECHO, Lab, SLEEP, descriptor};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_job_is_followed_to_its_end_in_each_form() {
    let lab = Lab::new();
    let job = lab.submit(&descriptor(&["T1", "T2"], &[ECHO]));
    let path = format!("/api/v1/jobs/{job}/events");
    let answer = lab.get(&path);
    assert!(answer.head.contains("application/x-ndjson"), "{}", answer.head);
    let all = lines(&answer.text());
    assert_eq!(seqs(&all), (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(all[0]["kind"], "job_submitted");
    assert_eq!(
        (&all[all.len() - 1]["kind"], &all[all.len() - 1]["state"]),
        (&"job_state".into(), &"Completed".into())
    );
    let sse = lab.ask("GET", &path, &[("Accept", "text/event-stream")], b"").text();
    let data: Vec<Value> = sse
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("id: ")?.split_once("\ndata: "))
        .map(|(id, data)| {
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["seq"].to_string(), id);
            data
        })
        .collect();
    assert_eq!(data, all);
    assert!(sse.ends_with("event: end\ndata: {\"state\":\"Completed\"}\n\n"), "{sse}");
    let body = lab.ask("GET", &path, &[("Accept", frames::MEDIA_TYPE)], b"").body;
    let (mut from, mut framed) = (&body[..], Vec::new());
    while let Some(events) = frames::read(&mut from).unwrap() {
        framed.extend(events.iter().map(|(seq, event)| event.to_json(*seq)));
    }
    assert_eq!(framed, all);
}

#[test]
fn a_follower_goes_on_where_it_was() {
    let lab = Lab::new();
    let job = lab.submit(&descriptor(&["T1"], &[ECHO]));
    lab.rest(job);
    let path = format!("/api/v1/jobs/{job}/events");
    let all = lines(&lab.get(&path).text());
    let after = lab.get(&format!("{path}?after=5"));
    assert_eq!(lines(&after.text()), all[5..]);
    let again = lab.ask("GET", &format!("{path}?after=1"), &[("Last-Event-ID", "7")], b"");
    assert_eq!(lines(&again.text()), all[7..]);
    assert_eq!(lab.get(&format!("{path}?after=100000")).text(), "");
    assert_eq!(lab.get(&format!("{path}?after=x")).problem(), "request");
    assert_eq!(lab.get("/api/v1/jobs/99/events").problem(), "no-job");
}

#[test]
fn events_come_as_they_happen_and_a_look_need_not_wait_for_the_end() {
    let lab = Lab::new();
    let job = lab.submit(&descriptor(&["T1"], &[SLEEP]));
    let path = format!("/api/v1/jobs/{job}/events");
    let mut client = lab.connect();
    use std::io::Write as _;
    write!(client.stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(client.until(b"\r\n\r\n").starts_with(b"HTTP/1.1 200"));
    let mut heard = String::new();
    while !heard.contains("\"kind\":\"target_in\"") {
        heard += &String::from_utf8(client.chunk().unwrap()).unwrap();
    }
    let now = lines(&lab.get(&format!("{path}?follow=false")).text());
    assert!(!seqs(&now).is_empty());
    lab.ask("POST", &format!("/api/v1/jobs/{job}/stop"), &[], b"");
    while let Some(more) = client.chunk() {
        heard += &String::from_utf8(more).unwrap();
    }
    let heard = lines(&heard);
    assert_eq!(seqs(&heard), (1..=heard.len() as u64).collect::<Vec<_>>());
    assert_eq!(heard[heard.len() - 1]["state"], "Cancelled");
}

#[test]
fn a_follower_that_does_not_read_holds_nobody_up_and_misses_nothing() {
    let lab = Lab::new();
    let steps: Vec<String> = (0..3)
        .map(|i| ECHO.replace("\"say\"", &format!("\"say{i}\"")).replace("hello", &"x".repeat(2000)))
        .collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let targets: Vec<String> = (0..1500).map(|i| format!("T{i}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let job = lab.submit(&descriptor(&targets, &steps));
    let mut slow = lab.connect();
    use std::io::Write as _;
    write!(slow.stream, "GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let row = lab.rest(job);
    assert_eq!(row["verdict"], "success");
    let text = slow.answer().text();
    assert_eq!(text.lines().count() as u64, row["events"].as_u64().unwrap());
}

#[test]
fn followers_are_let_go_when_the_server_ends() {
    let lab = Lab::new();
    let job = lab.submit(&descriptor(&["T1"], &[SLEEP]));
    let mut client = lab.connect();
    use std::io::Write as _;
    write!(client.stream, "GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.until(b"\"kind\":\"target_in\"");
    lab.service.end();
    lab.ending.send_replace(true);
    assert!(client.is_closed());
    let last = lab.runtime.block_on(lab.store.wait(oyez_model::JobId(job), EventSeq(0), Default::default()));
    assert!(last.unwrap() > EventSeq(0));
}
