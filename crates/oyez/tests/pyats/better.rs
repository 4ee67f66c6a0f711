//! Where the real server is at fault, its users get what they would want (specs/pyats.md sections 7 and 9).

use std::os::unix::fs::PermissionsExt;

use oyez_model::value::{Opaque, OpaqueForm};
use oyez_model::{Outcome, Value};

use crate::support::Server;
use crate::wire::{Wire, begin, end, refusal, request, result};

fn results(server: &Server) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(server.folder().join("results.json")).unwrap()).unwrap()
}

#[test]
fn equal_step_ids_of_parallel_children_each_get_a_section() {
    let server = Server::start(&[]);
    let mut parent = Wire::client(&server.socket(), "100", "1");
    begin(&mut parent);
    parent.does("start_section", &[("id", "t".into())]);
    let mut one = Wire::client(&server.socket(), "201", "100");
    let mut two = Wire::client(&server.socket(), "202", "100");
    one.does("start_section", &[("id", "STEP 1".into()), ("name", "one".into())]);
    two.does("start_section", &[("id", "STEP 1".into()), ("name", "two".into())]);
    one.does("stop_section", &[("id", "STEP 1".into()), ("result", result(Outcome::Passed))]);
    two.does("stop_section", &[("id", "STEP 1".into()), ("result", result(Outcome::Passx))]);
    parent.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut parent);
    let results = results(&server);
    let sections = &results["report"]["tasks"][0]["sections"][0]["sections"];
    let seen: Vec<(&str, &str, &str)> = sections
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (s["id"].as_str().unwrap(), s["name"].as_str().unwrap(), s["result"]["value"].as_str().unwrap())
        })
        .collect();
    assert_eq!(seen, [("STEP 1", "one", "passed"), ("STEP 1 #2", "two", "passx")]);
}

#[test]
fn a_child_cannot_end_what_its_parent_opened() {
    let server = Server::start(&["--strict"]);
    let mut parent = Wire::client(&server.socket(), "100", "1");
    begin(&mut parent);
    parent.does("start_section", &[("id", "s".into())]);
    let mut child = Wire::client(&server.socket(), "201", "100");
    for call in ["stop_section", "stop_task", "stop_plugin"] {
        let (class, _) = child.refused(call, &[("result", result(Outcome::Failed))]);
        assert_eq!(class, "InvalidRequestError", "{call}");
    }
    assert_eq!(parent.call("get_section", &[]).get("id"), Some(&"s".into()));
    parent.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut parent);
    assert_eq!(results(&server)["report"]["result"]["value"], "passed");
}

#[test]
fn a_result_that_is_none_is_refused_and_the_section_can_still_be_stopped() {
    let server = Server::start(&["--strict"]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    client.does("start_section", &[("id", "s".into())]);
    let (class, text) =
        client.refused("stop_section", &[("name", "new".into()), ("result", "failed".into())]);
    assert_eq!((class.as_str(), text.as_str()), ("AttributeError", "'str' object has no attribute 'clone'"));
    // Refused whole: not even what was right about it was taken.
    let section = client.call("get_section", &[]);
    assert_eq!((section.get("id"), section.get("name")), (Some(&"s".into()), Some(&"s".into())));
    client.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut client);
}

#[test]
fn a_start_time_without_a_zone_is_refused_and_leaves_the_context_as_it_was() {
    let server = Server::start(&[]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    let civil = "2026-01-02T03:04:05".parse().unwrap();
    let naive = Value::DateTime(Box::new(oyez_model::value::DateTime { civil, offset: None, zone: None }));
    let (class, _) = client.refused("start_section", &[("id", "s".into()), ("starttime", naive)]);
    assert_eq!(class, "TypeError");
    assert_eq!(client.call("get_section", &[]).get("id"), Some(&"T".into()));
    end(&mut client);
}

#[test]
fn an_id_that_is_not_the_open_section_s_is_an_error_and_renames_nothing() {
    let server = Server::start(&["--strict"]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    client.does("start_section", &[("id", "b".into())]);
    let (class, text) =
        client.refused("stop_section", &[("id", "other".into()), ("result", result(Outcome::Passed))]);
    assert_eq!(class, "InvalidRequestError");
    assert!(text.contains("other") && text.contains('b'), "{text}");
    client.does("stop_section", &[("id", "b".into()), ("result", result(Outcome::Passed))]);
    end(&mut client);
}

#[test]
fn a_log_that_is_not_there_yet_is_no_error_of_the_test() {
    let server = Server::start(&["--strict"]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    let path = server.folder().join("TaskLog.late");
    let log: Value = path.to_str().unwrap().into();
    client.does("start_section", &[("id", "late".into()), ("logfile", log.clone())]);
    std::fs::write(&path, "one\ntwo\n").unwrap();
    client.does("stop_section", &[("result", result(Outcome::Passed))]);
    let gone: Value = server.folder().join("TaskLog.never").to_str().unwrap().into();
    client.does("start_section", &[("id", "never".into()), ("logfile", gone)]);
    client.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut client);
    let results = results(&server);
    let sections = &results["report"]["tasks"][0]["sections"];
    let logs = &sections[0]["logs"];
    assert_eq!((&logs["begin"], &logs["size"], &logs["size_lines"]), (&0.into(), &8.into(), &2.into()));
    // That it cannot be counted is said in the report.
    assert!(sections[1]["details"][0].as_str().unwrap().contains("TaskLog.never"), "{}", sections[1]);
}

#[test]
fn values_that_json_cannot_hold_do_not_cost_the_report() {
    let server = Server::start(&[]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    client.does("start_section", &[("id", "s".into())]);
    let decimal = Opaque {
        module: "decimal".to_owned(),
        name: "Decimal".to_owned(),
        args: vec!["1.50".into()],
        ..Opaque::default()
    };
    let class = Opaque {
        module: "builtins".to_owned(),
        name: "ValueError".to_owned(),
        form: OpaqueForm::Global,
        ..Opaque::default()
    };
    client.does(
        "add_extra",
        &[
            ("a_set", Value::Set(vec![Value::Int(1)])),
            ("some_bytes", Value::Bytes(vec![0, 255])),
            ("a_decimal", Value::Opaque(Box::new(decimal))),
            ("a_class", Value::Opaque(Box::new(class))),
            ("control", "bell \u{7} and escape \u{1b}[0m".into()),
        ],
    );
    client.does("add_detail", &[("detail", Value::Map(vec![("not".into(), "text".into())]))]);
    client.does("add_detail", &[("detail", "control \u{1b}".into())]);
    client.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut client);
    let results = results(&server);
    let extra = &results["report"]["tasks"][0]["sections"][0]["extra"];
    for key in ["a_set", "some_bytes", "a_decimal", "a_class", "control"] {
        assert!(!extra[key].is_null(), "{key} of {extra}");
    }
    for file in ["ResultsDetails.xml", "ResultsSummary.xml"] {
        let text = std::fs::read_to_string(server.folder().join(file)).unwrap();
        assert!(text.ends_with(">\n") || text.ends_with('>'), "{file} is whole");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{file} is XML");
    }
}

#[test]
fn a_client_that_breaks_off_within_a_header_harms_nobody() {
    use std::io::Write;
    let server = Server::start(&["--strict"]);
    let mut broken = Wire::connect(&server.socket());
    broken.stream.write_all(&[0, 0]).unwrap();
    drop(broken);
    let mut client = Wire::client(&server.socket(), "100", "1");
    assert_eq!(client.call("ping", &[]), "pong".into());
}

#[test]
fn a_plugin_without_a_result_does_not_block_the_report() {
    let server = Server::start(&["--strict"]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    let plugin =
        [("id", "p".into()), ("name", "n".into()), ("type", "PreTaskPlugin".into()), ("task_id", "T".into())];
    client.does("start_plugin", &plugin);
    client.does("stop_plugin", &[("result", Value::Null)]);
    end(&mut client);
    assert_eq!(results(&server)["report"]["tasks"][0]["sections"][0]["type"], "PreTaskPlugin");
}

#[test]
fn the_socket_is_its_user_s_alone() {
    let server = Server::start(&[]);
    let mode = std::fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_slow_subscriber_loses_nothing_and_stalls_nobody() {
    let server = Server::start(&[]);
    let mut slow = Wire::connect(&server.socket());
    assert_eq!(slow.call("subscribe_client", &[]), Value::Null);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    let many = 20_000;
    let text = "x".repeat(400);
    for n in 0..many {
        client.does(
            "start_section",
            &[("id", format!("s{n}").as_str().into()), ("name", text.as_str().into())],
        );
        client.does("stop_section", &[("result", result(Outcome::Passed))]);
    }
    client.does("stop_task", &[]);
    let mut seen = 0;
    while let Some(event) = slow.receive() {
        match event.get("event").and_then(Value::as_str) {
            Some("stop_section") => seen += 1,
            Some("stop_task") => break,
            _ => {}
        }
    }
    assert_eq!(seen, many);
}

#[test]
fn a_numbered_call_that_is_sent_again_is_answered_again_and_done_once() {
    let mut server = Server::start(&["--strict"]);
    let register = |wire: &mut Wire| {
        let token: Value = "0123456789abcdef0123456789abcdef".into();
        let arguments = [("pid", "100".into()), ("ppid", "1".into()), ("token", token)];
        assert_eq!(wire.call("register_client", &arguments), Value::Null);
    };
    let mut wire = Wire::connect(&server.socket());
    register(&mut wire);
    begin(&mut wire);
    let start = request("start_section", &[("id", "s".into())], Some(1));
    assert_eq!(wire.request(&start), Value::Null);
    assert_eq!(wire.request(&start), Value::Null);
    assert_eq!(wire.call("get_section", &[]).get("fullid"), Some(&"T.s".into()));
    wire.does("stop_section", &[("result", result(Outcome::Passed))]);
    let again = request("start_section", &[("id", "s".into())], Some(2));
    let first = refusal(&wire.request(&again));
    assert_eq!(first.0, "DuplicateIDError");
    server.kill_and_restart(&["--strict"]);
    let mut wire = Wire::connect(&server.socket());
    register(&mut wire);
    // The context is the task again, the answer is the same error, and there is one placeholder, not two.
    assert_eq!(refusal(&wire.request(&again)), first);
    let task = wire.call("get_section", &[]);
    assert_eq!(task.get("sections"), Some(&Value::List(vec!["s".into(), "s_DUP1".into()])));
    end(&mut wire);
}

#[test]
fn a_killed_server_goes_on_where_it_was() {
    let mut server = Server::start(&[]);
    let token: Value = "fedcba9876543210fedcba9876543210".into();
    let arguments = [("pid", "100".into()), ("ppid", "1".into()), ("token", token)];
    let mut wire = Wire::connect(&server.socket());
    wire.does("register_client", &arguments);
    begin(&mut wire);
    wire.does("start_section", &[("id", "tc".into()), ("type", "Testcase".into())]);
    wire.does("add_extra", &[("k", Value::Int(1))]);
    let before = wire.call("get_section", &[]);
    server.kill_and_restart(&[]);
    let mut wire = Wire::connect(&server.socket());
    wire.does("register_client", &arguments);
    assert_eq!(wire.call("get_section", &[]), before);
    wire.does("stop_section", &[("result", result(Outcome::Passed))]);
    end(&mut wire);
    assert_eq!(results(&server)["report"]["summary"]["passed"], 1);
    wire.does("stop_server", &[]);
    assert!(server.ended().success(), "{}", server.log());
}

#[test]
fn a_termination_stops_what_is_open_and_tells_subscribers_to_the_end() {
    let mut server = Server::start(&[]);
    let mut subscriber = Wire::connect(&server.socket());
    assert_eq!(subscriber.call("subscribe_client", &[]), Value::Null);
    let mut client = Wire::client(&server.socket(), "100", "1");
    begin(&mut client);
    client.does("start_section", &[("id", "s".into())]);
    server.terminate();
    assert!(server.ended().success(), "{}", server.log());
    let mut seen = Vec::new();
    while let Some(event) = subscriber.receive() {
        seen.push(event.get("event").and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    assert_eq!(seen[seen.len() - 3..], ["stop_section", "stop_task", "stop_testsuite"], "{seen:?}");
    assert_eq!(client.receive(), None);
}

#[test]
fn a_run_s_folder_with_a_long_path_is_served_through_a_link() {
    let long = "x".repeat(120);
    let server = Server::start_in(&long, &[]);
    assert!(server.socket().as_os_str().len() > 108);
    // What a client does whose system takes no such path: through the folder's descriptor.
    let folder = std::fs::File::open(server.folder()).unwrap();
    let short = format!("/proc/self/fd/{}/reporter.sock", std::os::fd::AsRawFd::as_raw_fd(&folder));
    let mut client = Wire::client(std::path::Path::new(&short), "100", "1");
    assert_eq!(client.call("ping", &[]), "pong".into());
}

#[test]
fn bytes_that_are_no_pickle_are_refused_and_the_connection_goes_on() {
    use std::io::Write;
    let server = Server::start(&[]);
    let mut client = Wire::client(&server.socket(), "100", "1");
    for junk in [&b""[..], b"\x80\x04junk", b"not a pickle", b"\x80\x04cos\nsystem\n(S'true'\ntR."] {
        let mut bytes = Vec::new();
        oyez_wire::pyats::frame::encode(junk, &mut bytes);
        client.stream.write_all(&bytes).unwrap();
        let reply = client.receive().unwrap();
        assert!(reply.get("exception").is_some(), "{junk:?}: {reply:?}");
    }
    assert_eq!(client.call("ping", &[]), "pong".into());
}
