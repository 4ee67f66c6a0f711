//! What a real ConTest answered, byte for byte, dates aside; and what the real client sends.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::lab::{Answer, ECHO, Lab, descriptor};

fn golden() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/contest/http-examples");
    if path.is_dir() {
        return Some(path);
    }
    crate::skipped::skipped("../shared is not there");
    None
}

/// The answer as it came over the wire, its date aside.
fn raw(answer: &Answer) -> String {
    dateless(&format!("{}{}", answer.head, answer.text()))
}

fn dateless(answer: &str) -> String {
    answer.split_inclusive('\n').filter(|line| !line.starts_with("Date: ")).collect()
}

#[test]
fn recorded_requests_get_the_recorded_bytes() {
    let Some(golden) = golden() else { return };
    let lab = Lab::new();
    assert_eq!(lab.submit(&descriptor(&["T1"], &[ECHO])), 1);
    lab.rest(1);
    let mut compared = 0;
    for entry in std::fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let Some((request, reply)) = text.strip_prefix("### curl ").and_then(|rest| rest.split_once('\n'))
        else {
            continue;
        };
        let mut parts = request.split(" -d ");
        let url = parts.next().unwrap();
        let target = url.rsplit_once("http://127.0.0.1:18080").unwrap().1;
        let method = if url.starts_with("-X POST") { "POST" } else { "GET" };
        // As curl sends it.
        let form = [("Accept", "*/*"), ("Content-Type", "application/x-www-form-urlencoded")];
        let body = parts.collect::<Vec<_>>().join("&");
        let answer = lab.ask(method, target, &form, body.as_bytes());
        let expected = dateless(reply.strip_suffix('\n').unwrap());
        match path.file_stem().unwrap().to_str().unwrap() {
            // It is another job, in chunks as ConTest's.
            "status-1" => {
                let head = expected.split_inclusive("\r\n\r\n").next().unwrap();
                assert_eq!(dateless(&answer.head), head);
                assert_eq!(answer.json()["Data"]["Status"]["Name"], "A job");
            }
            // ConTest never made it.
            "retry-1" => {
                let envelope = "{\"ServerID\":\"labsrv\",\"Type\":\"ResponseTypeRetry\",\"Data\":{\"JobID\":1,\"NewJobID\":2},\"Error\":null}\n";
                assert_eq!(answer.text(), envelope);
                lab.rest(2);
                continue;
            }
            // Other jobs than the first are there by then.
            name @ ("list" | "list-state" | "list-tag") => {
                let first =
                    raw(&answer).replace("[1,2]", "[1]").replace("Content-Length: 85", "Content-Length: 83");
                assert_eq!(first, expected, "{name}");
            }
            name => assert_eq!(raw(&answer), expected, "{name}"),
        }
        compared += 1;
    }
    assert!(compared >= 22, "only {compared}");
}

#[test]
fn the_bytes_of_the_real_client_are_answered() {
    let Some(golden) = golden() else { return };
    let lab = Lab::new();
    let text = std::fs::read_to_string(golden.join("cli-wire.txt")).unwrap();
    let mut answers = Vec::new();
    for request in text.split("\n-----\n").filter(|request| !request.trim().is_empty()) {
        let mut client = lab.connect();
        client.stream.write_all(request.as_bytes()).unwrap();
        answers.push(client.answer());
    }
    // Its first request goes to a server below `/base`.
    assert_eq!(
        (answers[0].status, answers[0].text()),
        (400, "{\"Msg\":\"unknown verb: base/list\"}".to_owned())
    );
    assert_eq!(answers[1].status, 200);
    assert_eq!(answers[1].json()["Error"], "could not stop job: unknown job ID: 5");
    // The same, where ConTest's verbs are: also below `/contest`.
    for base in ["", "/contest", "/contest/"] {
        let list =
            text.split("\n-----\n").next().unwrap().replace("POST /base/list", &format!("POST {base}/list"));
        let mut client = lab.connect();
        client.stream.write_all(list.as_bytes()).unwrap();
        let answer = client.answer();
        assert_eq!(answer.json()["Data"]["JobIDs"], serde_json::json!([]), "{base}");
    }
}
