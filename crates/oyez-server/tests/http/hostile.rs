//! Bad clients: they are refused or cut off, and the others do not notice.

use std::io::Write;
use std::time::{Duration, Instant};

use oyez_engine::descriptor::input::LONGEST;
use oyez_server::http::{Hosts, Limits, ListenError, Listener, router};
use serde_json::json;

use crate::lab::{ECHO, Lab, Setup, descriptor};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn impatient() -> Lab {
    let limits = Limits { connections: 8, head: Duration::from_millis(300), ..Limits::default() };
    Lab::of(Setup { limits, ..Setup::default() })
}

fn is_well(lab: &Lab) {
    assert_eq!(lab.verb("version", &[]).json()["Data"]["Version"], 5);
}

#[test]
fn only_loopback_addresses_are_listened_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "10.1.2.3:0"] {
        let refused = runtime.block_on(Listener::bind(address.parse().unwrap(), Limits::default()));
        let Err(e @ ListenError::NotLoopback(_)) = refused else { panic!("{refused:?}") };
        assert!(e.to_string().contains("only loopback addresses"), "{e}");
    }
}

#[test]
fn other_methods_than_post_are_refused_as_contest_does() {
    let lab = Lab::new();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for path in ["/start", "/contest/list", "/", "//version"] {
            let answer = lab.ask(method, path, &[FORM], b"requestor=me");
            assert_eq!((answer.status, answer.text()), (400, "Only POST requests are supported".to_owned()));
        }
    }
}

#[test]
fn bad_forms_have_no_fields() {
    let lab = Lab::new();
    let missing = "{\"Msg\":\"Missing job description\"}";
    let body = format!("requestor=me&jobDesc={}", crate::lab::escaped(&descriptor(&["T1"], &[ECHO])));
    for (kind, body) in [
        ("application/json", body.as_str()),
        ("multipart/form-data", body.as_str()),
        ("multipart/form-data; boundary=x", "--x\r\nthis is no part"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"jobDesc\"\r\n\r\nbroken off",
        ),
        ("application/x-www-form-urlencoded", "jobDesc=%zz&jobDesc;=1&&=&%"),
        ("application/x-www-form-urlencoded", ""),
        ("?", body.as_str()),
    ] {
        let answer = lab.ask("POST", "/start", &[("Content-Type", kind)], body.as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (400, missing), "{kind} {body}");
    }
    let file =
        "--x\r\nContent-Disposition: form-data; name=\"jobDesc\"; filename=\"a\"\r\n\r\n{}\r\n--x--\r\n";
    let answer =
        lab.ask("POST", "/start", &[("Content-Type", "multipart/form-data; boundary=x")], file.as_bytes());
    assert_eq!(answer.text(), missing);
}

#[test]
fn a_form_of_more_than_ten_megabytes_is_read_and_one_beyond_the_longest_descriptor_is_refused_by_name() {
    let lab = Lab::new();
    let pad = format!("{{\"Pad\":\"{}\",", "x".repeat(11 << 20));
    let long = descriptor(&["T1"], &[ECHO]).replacen('{', &pad, 1);
    let body = format!("requestor=me&jobDesc={}", crate::lab::escaped(&long));
    let answer = lab.ask("POST", "/start", &[FORM], body.as_bytes());
    assert_eq!(answer.json()["Data"]["JobID"], 1, "{}", answer.text());
    let mut body = b"requestor=me&jobDesc=".to_vec();
    body.resize(LONGEST + (1 << 20), b'x');
    let answer = lab.ask("POST", "/start", &[FORM], &body);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("the form is too long"), "{}", answer.text());
    let answer = lab.ask("POST", "/api/v1/jobs", &[], &body);
    assert_eq!((answer.status, answer.problem()), (413, "too-large".to_owned()));
    assert!(answer.text().contains(&LONGEST.to_string()), "{}", answer.text());
    is_well(&lab);
}

#[test]
fn a_length_that_is_only_claimed_is_refused_at_once() {
    let lab = Lab::new();
    let answer = lab.ask("POST", "/api/v1/jobs", &[("Content-Length", "1099511627776")], b"");
    assert_eq!(answer.problem(), "too-large");
    let answer = lab.ask("POST", "/api/v1/jobs/1/stop", &[("Content-Length", "1000000")], b"");
    assert_eq!(answer.problem(), "too-large");
}

#[test]
fn json_that_nests_too_deep_is_an_error_like_any_other() {
    let lab = Lab::new();
    let deep = "[".repeat(1_000_000);
    let answer = lab.verb("start", &[("requestor", "me"), ("jobDesc", &deep)]);
    assert_eq!(answer.json()["Data"]["JobID"], 0, "{}", answer.text());
    let object = format!("{{\"JobName\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(lab.ask("POST", "/api/v1/jobs", &[], object.as_bytes()).problem(), "descriptor");
    assert_eq!(lab.ask("POST", "/api/v1/jobs/1/stop", &[], &deep.as_bytes()[..60_000]).problem(), "request");
    is_well(&lab);
}

#[test]
fn a_head_that_is_endless_or_no_head_at_all_is_refused() {
    let lab = Lab::new();
    let answer = lab.ask("POST", "/version", &[("X-Long", &"x".repeat(200_000))], b"");
    assert_eq!(answer.status, 431);
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\0\0\0\0\r\n\r\n",
        b"POST\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut client = lab.connect();
        client.stream.write_all(garbage).unwrap();
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.is_closed());
    }
    is_well(&lab);
}

#[test]
fn a_client_that_says_nothing_or_half_a_head_is_let_go() {
    let lab = impatient();
    for said in ["", "POST /version HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut client = lab.connect();
        client.stream.write_all(said.as_bytes()).unwrap();
        let began = Instant::now();
        assert!(client.is_closed());
        assert!(began.elapsed() < Duration::from_secs(20), "{said:?}");
    }
    // Also after it was served once.
    let mut client = lab.connect();
    assert_eq!(client.verb("version", &[]).status, 200);
    assert!(client.is_closed());
}

#[test]
fn more_connections_than_may_be_wait_until_others_are_let_go() {
    let lab = impatient();
    let idle: Vec<_> = (0..30).map(|_| lab.connect()).collect();
    is_well(&lab);
    drop(idle);
    let clients: Vec<_> = (0..40).map(|_| lab.connect()).collect();
    for mut client in clients.into_iter().rev() {
        // Those that waited too long for their turn to speak may have been let go of.
        if client
            .stream
            .write_all(b"POST /version HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
        {
            client.until(b"\r\n\r\n");
        }
    }
    is_well(&lab);
}

#[test]
fn a_page_in_a_browser_cannot_reach_it() {
    let lab = Lab::new();
    let start = format!("requestor=me&jobDesc={}", crate::lab::escaped(&descriptor(&["T1"], &[ECHO])));
    for (name, value, status) in [
        ("Host", "evil.example:80", 421),
        ("Host", "", 421),
        ("Origin", "http://evil.example", 403),
        ("Origin", "null", 403),
    ] {
        for (method, path) in
            [("POST", "/start"), ("POST", "/api/v1/jobs"), ("GET", "/api/v1/jobs"), ("GET", "/healthz")]
        {
            let answer = lab.ask(method, path, &[FORM, (name, value)], start.as_bytes());
            assert_eq!(
                (answer.status, answer.problem()),
                (status, "host".to_owned()),
                "{name}: {value} {path}"
            );
        }
    }
    assert_eq!(lab.get("/api/v1/jobs").json()["jobs"], json!([]));
    // A proxy of ours goes by another name, if it is told.
    let hosts = Hosts::new(["lab.example.org".to_owned()]);
    let _router = router(lab.service.clone(), hosts);
}

#[test]
fn requests_that_follow_one_another_without_waiting_are_answered_in_order() {
    let lab = Lab::new();
    let mut client = lab.connect();
    let one = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    let all: String = ["/version", "/nope", "/version"].map(one).concat();
    client.stream.write_all(all.as_bytes()).unwrap();
    let statuses: Vec<u16> = (0..3).map(|_| client.answer().status).collect();
    assert_eq!(statuses, [200, 400, 200]);
}
