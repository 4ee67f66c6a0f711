//! The client in Rust against the built command, and against pyATS's own server.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use oyez_client::pyats::{
    Arguments, Error, EventName, Events, Options, PluginStage, PushedEvent, ReportClient, TestResult,
    subscribe,
};
use oyez_model::{Outcome, Value};

use crate::support::Server;

async fn connected(server: &Server) -> ReportClient {
    ReportClient::connect(server.socket()).await.unwrap()
}

async fn next(events: &mut Events) -> Option<Result<PushedEvent, Error>> {
    poll_fn(|context| Stream::poll_next(Pin::new(&mut *events), context)).await
}

/// A suite, a task, and a section that is still open.
async fn begun(server: &Server) -> ReportClient {
    let mut client = connected(server).await;
    client.start_testsuite("job", Arguments::new().with("name", "a job")).await.unwrap();
    client.start_task("T1", Arguments::new()).await.unwrap();
    client.start_section("case", Arguments::new().with("type", "Testcase")).await.unwrap();
    client
}

async fn end(client: &mut ReportClient) {
    client.stop_section(Arguments::new()).await.unwrap();
    client.stop_task(Arguments::new()).await.unwrap();
    client.stop_testsuite(Arguments::new()).await.unwrap();
}

fn results(server: &Server) -> serde_json::Value {
    let text = std::fs::read(server.folder().join("results.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn every_call_of_a_whole_job_goes_through() {
    let mut server = Server::start(&[]);
    let mut client = connected(&server).await;
    client.ping().await.unwrap();
    assert_eq!(client.get_testsuite().await.unwrap(), None);
    client.start_plugin("Pre-1", PluginStage::PreJob("job"), Arguments::new()).await.unwrap();
    client.stop_plugin(Arguments::new()).await.unwrap();
    client.start_testsuite("job", Arguments::new()).await.unwrap();
    client.start_task("T1", Arguments::new().with("testscript", "smoke.rs")).await.unwrap();
    client.start_section("case", Arguments::new().with("type", "Testcase")).await.unwrap();
    client.start_section("step", Arguments::new().with("type", "Step")).await.unwrap();
    client.add_detail("a remark").await.unwrap();
    client.add_extra(Arguments::new().with("deep", Arguments::new().with("one", 1))).await.unwrap();
    client.add_running_extra(Arguments::new().with("build", "17")).await.unwrap();
    client.add_testsuite_extra(Arguments::new().with("lab", "here")).await.unwrap();
    let failed = TestResult::new(Outcome::Failed).because("no answer").with_data(Value::List(vec![3.into()]));
    client.stop_section(Arguments::new().with("result", failed.clone())).await.unwrap();
    let step = client.get_section(&["T1", "case", "step"]).await.unwrap().unwrap();
    assert_eq!((step.result, step.kind.as_str()), (Some(failed), "Step"));
    assert_eq!(step.details, [Value::text("a remark")]);
    assert!(step.started.unwrap() <= step.stopped.unwrap());
    assert_eq!(client.get_section(&[]).await.unwrap().unwrap().path, ["T1", "case"]);
    assert!(matches!(client.get_section_ctx(&["T1"]).await.unwrap(), Value::Opaque(o) if o.name == "Task"));
    client.start_section("gone", Arguments::new()).await.unwrap();
    client.stop_section(Arguments::new()).await.unwrap();
    client.remove_section(&["T1", "case", "gone"]).await.unwrap();
    client.update_logfile_data("a", "b", 7).await.unwrap();
    client.stop_section(Arguments::new()).await.unwrap();
    client.stop_task(Arguments::new()).await.unwrap();
    client.update_task_result("T1", Outcome::Aborted, Arguments::new()).await.unwrap();
    client.finalize_task("T2", Outcome::Errored, Arguments::new()).await.unwrap();
    let suite = client.get_testsuite().await.unwrap().unwrap();
    assert_eq!(suite.children, ["Pre-1", "T1", "T2"]);
    client.stop_open_contexts().await.unwrap();
    client.generate_report().await.unwrap();
    client.generate_xml().await.unwrap();
    client.stop_server().await.unwrap();
    assert!(server.ended().success());
    assert!(matches!(client.ping().await, Err(Error::ConnectionBroken { .. })));
    let report = &results(&server)["report"];
    assert_eq!(report["extra"]["lab"], "here");
    let tasks: Vec<_> = report["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect();
    assert_eq!(tasks, ["Pre-1", "T1", "T2"]);
}

#[tokio::test]
async fn errors_are_told_apart_by_their_type() {
    let server = Server::start(&["--strict"]);
    let mut client = connected(&server).await;
    let wrong = client.stop_section(Arguments::new()).await.unwrap_err();
    assert!(matches!(&wrong, Error::InvalidRequest(e) if e.traceback.is_some()), "{wrong}");
    let unknown = client.call("frobnicate", Arguments::new()).await.unwrap_err();
    assert_eq!(unknown.raised().unwrap().text(), "Cannot find function frobnicate");
    let mut client = begun(&server).await;
    client.start_section("one", Arguments::new()).await.unwrap();
    client.stop_section(Arguments::new()).await.unwrap();
    let twice = client.start_section("one", Arguments::new()).await.unwrap_err();
    assert!(matches!(twice, Error::DuplicateId(_)), "{twice}");
    let again = client.call("register_client", Arguments::new().with("pid", "1")).await.unwrap_err();
    assert!(matches!(again, Error::ExistingClient(_)), "{again}");
    let nowhere = client.get_section(&["T1", "nowhere"]).await.unwrap_err();
    assert_eq!(nowhere.raised().unwrap().name, "KeyError");
}

#[tokio::test]
async fn a_client_of_a_child_process_nests_in_what_its_parent_has_open() {
    let server = Server::start(&[]);
    let mut parent = begun(&server).await;
    let child = Options::new().pid("900001").ppid(std::process::id().to_string());
    let mut child = child.connect(server.socket()).await.unwrap();
    child.start_section("inner", Arguments::new()).await.unwrap();
    child.stop_section(Arguments::new().with("result", Outcome::Passx)).await.unwrap();
    assert_eq!(parent.get_section(&[]).await.unwrap().unwrap().children, ["inner"]);
}

#[tokio::test]
async fn a_server_that_is_killed_is_not_noticed() {
    // The next server is of the same owner: a stranger would wait until the lease of the killed one has run out.
    let owner = ["--owner", &std::process::id().to_string()];
    let mut server = Server::start(&owner);
    let mut client = begun(&server).await;
    for n in 0..6 {
        let id = format!("step-{n}");
        client.start_section(&id, Arguments::new()).await.unwrap();
        server.kill_and_restart(&owner);
        client.add_detail("still here").await.unwrap();
        server.kill_and_restart(&owner);
        client.stop_section(Arguments::new().with("result", Outcome::Passed)).await.unwrap();
    }
    let case = client.get_section(&["T1", "case"]).await.unwrap().unwrap();
    assert_eq!(case.children.len(), 6);
    for id in &case.children {
        let step = client.get_section(&["T1", "case", id]).await.unwrap().unwrap();
        assert_eq!((step.details.len(), step.result), (1, Some(Outcome::Passed.into())));
    }
    end(&mut client).await;
}

#[tokio::test]
async fn a_subscriber_gets_each_event_with_its_fields() {
    let mut server = Server::start(&[]);
    let mut events = subscribe(server.socket()).await.unwrap();
    let mut client = begun(&server).await;
    end(&mut client).await;
    client.stop_server().await.unwrap();
    let mut got = Vec::new();
    while let Some(event) = next(&mut events).await {
        got.push(event.unwrap());
    }
    assert!(server.ended().success());
    let names: Vec<EventName> = got.iter().map(|event| event.event.clone()).collect();
    use EventName::{
        InitTask, InitTestsuite, StartSection, StartTask, StartTestsuite, StopSection, StopTask,
        StopTestsuite,
    };
    let expected = [
        InitTestsuite,
        StartTestsuite,
        InitTask,
        StartTask,
        StartSection,
        StopSection,
        StopTask,
        StopTestsuite,
    ];
    assert_eq!(names, expected);
    let stop = &got[5];
    assert_eq!((stop.kind.as_deref(), stop.path.join("/")), (Some("Testcase"), "T1/case".to_owned()));
    assert_eq!((stop.seq_num, stop.parent_seq_num), (Some(3), Some(2)));
    assert!(stop.runtime.is_some() && stop.stopped >= stop.started && stop.started.is_some());
    assert_eq!(got[7].id.as_deref(), Some("job"));
}

#[tokio::test]
async fn a_subscriber_can_end_it() {
    let server = Server::start(&[]);
    let events = subscribe(server.socket()).await.unwrap();
    let mut client = begun(&server).await;
    events.unsubscribe().await.unwrap();
    end(&mut client).await;
}

#[tokio::test]
async fn without_a_server_connecting_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().patience(Duration::from_millis(50));
    let failed = options.connect(folder.path().join("reporter.sock")).await;
    assert!(matches!(failed, Err(Error::ServerNotStarted { .. })), "{failed:?}");
}

/// pyATS's own server, as pyATS starts it; it ends with the standard input of the process.
const REAL: &str = "\
import sys
from pyats.reporter import ReportServer
server = ReportServer(sys.argv[1])
server.start_server()
print('ready', flush=True)
sys.stdin.read()
server.stop_server()
";

#[tokio::test]
async fn pyats_own_server_takes_the_same_calls() {
    let Some(pyats) = crate::support::pyats() else { return };
    let folder = tempfile::Builder::new().prefix("oy").tempdir().unwrap();
    let mut process = std::process::Command::new(pyats.join("bin/python"))
        .args(["-c", REAL])
        .arg(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let socket = folder.path().join("reporter.sock");
    let mut client = ReportClient::connect(&socket).await.unwrap();
    let mut events = subscribe(&socket).await.unwrap();
    client.start_testsuite("job", Arguments::new()).await.unwrap();
    client.start_task("T1", Arguments::new()).await.unwrap();
    client.start_section("case", Arguments::new().with("type", "Testcase")).await.unwrap();
    let twice = client.start_task("T1", Arguments::new()).await.unwrap_err();
    assert!(matches!(&twice, Error::InvalidRequest(e) if e.traceback.is_some()), "{twice}");
    client.stop_section(Arguments::new().with("result", Outcome::Blocked)).await.unwrap();
    let case = client.get_section(&["T1", "case"]).await.unwrap().unwrap();
    assert_eq!((case.result, case.kind.as_str()), (Some(Outcome::Blocked.into()), "Testcase"));
    client.stop_task(Arguments::new()).await.unwrap();
    client.stop_testsuite(Arguments::new()).await.unwrap();
    let first = next(&mut events).await.unwrap().unwrap();
    assert_eq!((first.event, first.id.as_deref()), (EventName::InitTestsuite, Some("job")));
    client.generate_report().await.unwrap();
    assert!(folder.path().join("results.json").exists());
    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
    // It forgets its clients: nobody waits for another one.
    assert!(matches!(client.ping().await, Err(Error::ConnectionClosed { .. })));
}
