//! `waitport`: against listeners of this machine.

use std::sync::Arc;
use std::time::Duration;

use oyez_engine::Control;
use oyez_engine::control::Pause;
use oyez_model::JobState;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::lab::{Lab, Watcher, job, step, test};
use super::plain::named;

fn waitport(port: u16, changes: Value) -> Value {
    let mut parameters = json!({
        "target": ["127.0.0.1"], "port": [port], "protocol": ["tcp"], "check_interval": ["20ms"], "timeout": ["30s"]
    });
    for (name, value) in changes.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    step("waitport", "w", parameters)
}

/// A port on which nobody listens.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_port_that_listens_is_found_at_once() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![waitport(port, json!({}))])])).await;
    assert_eq!(ran.errors(), [""; 0]);
    let start = json!({
        "Address": "127.0.0.1", "Port": port, "Protocol": "tcp", "CheckInterval": 20_000_000, "Timeout": 30_000_000_000_u64
    });
    let t1 = || "T1".to_owned();
    assert_eq!(
        named(&ran),
        [("waitportStart".to_owned(), t1(), start), ("waitportEnd".to_owned(), t1(), Value::Null)]
    );
}

#[tokio::test]
async fn over_udp_nothing_is_asked_and_every_port_is_there() {
    let lab = Lab::new();
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![waitport(9, json!({"protocol": ["udp4"]}))])])).await;
    assert_eq!(ran.errors(), [""; 0]);
    let changes = json!({"protocol": ["udp6"], "timeout": ["50ms"]});
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![waitport(9, changes)])])).await;
    assert_eq!(ran.errors(), ["context deadline exceeded"], "the address is none of IPv6");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_listens_later_is_found_then() {
    let lab = Lab::new();
    let port = free_port().await;
    let watcher = Arc::new(Watcher::default());
    let listen = async {
        watcher.until("log_text", 1).await;
        TcpListener::bind(("127.0.0.1", port)).await.unwrap()
    };
    let job = job(vec![test("t", &["T1"], vec![waitport(port, json!({}))])]);
    let (ran, _listener) = tokio::join!(lab.run_watched(&job, Control::new(), watcher.clone()), listen);
    assert_eq!(ran.errors(), [""; 0]);
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_fails_its_target_in_time_and_without_a_busy_loop() {
    let lab = Lab::new();
    let port = free_port().await;
    let begin = Instant::now();
    let changes = json!({"timeout": ["300ms"], "check_interval": ["100ms"]});
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![waitport(port, changes)])])).await;
    assert_eq!(ran.errors(), ["context deadline exceeded"]);
    assert!(begin.elapsed() >= Duration::from_millis(300) && begin.elapsed() < Duration::from_secs(10));
    assert_eq!(named(&ran).len(), 2, "its end is said also when it fails");
    let log = String::from_utf8(ran.text(oyez_model::event::Stream::Log)).unwrap();
    assert_eq!(log.matches("failed to connect").count(), 1, "the same trouble is said once: {log}");
}

#[tokio::test]
async fn without_a_host_the_targets_own_addresses_are_tried_in_turn() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut wait = waitport(port, json!({"protocol": ["tcp4"]}));
    wait["parameters"].as_object_mut().unwrap().remove("target");
    let mut first = test("t", &[], vec![wait.clone()]);
    first["TargetManagerAcquireParameters"] =
        json!({"Targets": [{"ID": "T1", "FQDN": "no such host.invalid", "PrimaryIPv4": "127.0.0.1"}]});
    let ran = lab.run(&job(vec![first, test("u", &["T2"], vec![wait])])).await;
    assert_eq!(ran.errors(), ["the target has neither a name nor an address to connect to"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_is_paused_and_cancelled_at_once() {
    for is_pause in [false, true] {
        let lab = Lab::new();
        let port = free_port().await;
        let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
        let asked = async {
            watcher.until("named", 1).await;
            match is_pause {
                true => control.pause(Pause::default()),
                false => control.cancel("enough"),
            }
        };
        let job = job(vec![test("t", &["T1"], vec![waitport(port, json!({"timeout": ["1h"]}))])]);
        let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), asked);
        assert_eq!(ran.end.state, if is_pause { JobState::Paused } else { JobState::Cancelled });
        assert_eq!(ran.errors(), if is_pause { vec![] } else { vec!["cancelled".to_owned()] });
    }
}
