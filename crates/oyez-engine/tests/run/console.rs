//! `terminalexpect` on a pseudo terminal; `qemu` with the real program, and with a stand-in where it must misbehave.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use oyez_engine::Control;
use oyez_model::JobState;
use oyez_model::event::Stream;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use super::lab::{Lab, Ran, Watcher, job, step, test};
use super::sshd::program;

/// A device that is a pseudo terminal: what is written here is read there.
fn device() -> (std::fs::File, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours.into(), name)
}

fn terminal(port: &str, text: &str, timeout: &str) -> Value {
    step(
        "terminalexpect",
        "t",
        json!({"port": [port], "speed": [115_200], "match": [text], "timeout": [timeout]}),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_on_a_serial_port_is_waited_for() {
    let lab = Lab::new();
    let (mut device, port) = device();
    let watcher = Arc::new(Watcher::default());
    let boot = async {
        watcher.until("target_in", 1).await;
        device.write_all(b"starting\nlogin on T").unwrap();
        watcher.until("log_text", 1).await;
        // A prompt, whose line never ends, and in two pieces.
        device.write_all(b"1: ").unwrap();
    };
    let job = job(vec![test("t", &["T1"], vec![terminal(&port, "login on {{ .ID }}:", "1m")])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, Control::new(), watcher.clone()), boot);
    assert_eq!(ran.errors(), [""; 0]);
    assert_eq!(ran.text(Stream::Stdout), b"starting\nlogin on T1: ");
}

#[tokio::test]
async fn a_text_that_does_not_come_fails_its_target_in_time() {
    let lab = Lab::new();
    let (mut device, port) = device();
    device.write_all(b"something else\n").unwrap();
    let ran = lab.run(&job(vec![test("t", &["T1"], vec![terminal(&port, "login", "200ms")])])).await;
    assert_eq!(ran.errors(), ["timed out after 200ms"]);
    for (port, error) in [
        ("/no/such/port".to_owned(), "open /no/such/port: no such file or directory".to_owned()),
        ("/dev/null".to_owned(), "/dev/null is no terminal".to_owned()),
    ] {
        let ran = lab.run(&job(vec![test("t", &["T1"], vec![terminal(&port, "x", "10s")])])).await;
        assert_eq!((ran.errors(), ran.end.state), (vec![error], JobState::Completed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_with_one_port_wait_for_each_other() {
    let lab = Lab::new();
    let (mut device, port) = device();
    let watcher = Arc::new(Watcher::default());
    let boot = async {
        for i in 0..2 {
            watcher.until("target_in", 2).await;
            watcher.until("target_out", i).await;
            device.write_all(b"login\n").unwrap();
        }
    };
    let job = job(vec![test("t", &["T1", "T2"], vec![terminal(&port, "login", "1m")])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, Control::new(), watcher.clone()), boot);
    assert_eq!(ran.errors(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_nobody_speaks_on_does_not_hold_a_job_that_is_cancelled() {
    let lab = Lab::new();
    let (device, port) = device();
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until("target_in", 1).await;
        control.cancel("enough");
    };
    let job = job(vec![test("t", &["T1"], vec![terminal(&port, "login", "1h")])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
    assert_eq!((ran.end.state, ran.errors()), (JobState::Cancelled, vec!["cancelled".to_owned()]));
    drop(device);
}

async fn qemu(lab: &Lab, executable: &Path, changes: Value) -> Ran {
    let mut parameters = json!({"executable": [executable], "firmware": ["/dev/null"]});
    for (name, value) in changes.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    lab.run(&job(vec![test("t", &["T1"], vec![step("qemu", "q", parameters)])])).await
}

#[tokio::test]
async fn a_real_machine_boots_its_firmware_and_answers() {
    let Some(executable) = program("qemu-system-x86_64") else { return };
    let firmware = Path::new("/usr/share/seabios/bios-256k.bin");
    if !firmware.is_file() {
        return crate::skipped::skipped("seabios is not installed");
    }
    let lab = Lab::new();
    let log = lab.path("log-T1");
    let steps = json!([
        {"expect": "SeaBIOS \\(version", "timeout": "2m"},
        {"expect": "No bootable device|failed", "timeout": "2m"},
        // The key that leads to the machine's monitor.
        {"send": "\u{1}c"},
        {"expect": "\\(qemu\\)", "send": "info name"},
        {"expect": "\\(qemu\\)"}
    ]);
    let changes = json!({
        "firmware": [firmware], "mem": ["64"], "nproc": ["1"], "steps": steps, "logfile": [lab.path("log-{{ .ID }}")]
    });
    let ran = qemu(&lab, &executable, changes).await;
    assert_eq!(ran.errors(), [""; 0], "{}", String::from_utf8_lossy(&ran.text(Stream::Stdout)));
    assert!(String::from_utf8_lossy(&std::fs::read(log).unwrap()).contains("SeaBIOS"));
}

/// A stand-in for qemu: a shell script that prints and reads.
fn stand_in(lab: &Lab, script: &str) -> std::path::PathBuf {
    let path = lab.path("qemu-stand-in");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn what_is_expected_and_sent_goes_in_order_and_the_machine_ends_with_it() {
    let lab = Lab::new();
    let script = "echo \"$@\"; printf 'name and more: '; read name; echo \"hello $name\"; sleep 1000";
    let executable = stand_in(&lab, script);
    let steps = json!([{"expect": "name"}, {"expect": "more: $", "send": "{{ .ID }}"}, {"Expect": "^\\s*hello T1\\n$"}]);
    let ran = qemu(&lab, &executable, json!({"steps": steps, "image": ["disk"]})).await;
    assert_eq!(ran.errors(), [""; 0]);
    let first = b"-nographic -nic none -bios /dev/null -m 5000 -smp 3 disk\n";
    assert!(ran.text(Stream::Stdout).starts_with(first));
}

#[tokio::test]
async fn machines_that_do_otherwise_fail_their_target_in_contests_words() {
    let lab = Lab::new();
    let refused = async |script: &str, steps: Value| {
        let executable = stand_in(&lab, script);
        qemu(&lab, &executable, json!({"steps": steps, "timeout": ["1s"]})).await.errors().remove(0)
    };
    let silent = refused("sleep 1000", json!([{"expect": "login"}])).await;
    assert_eq!(silent, "Error while expecting 'login': expect: timer expired after 1 seconds");
    let ended = refused("echo broken", json!([{"expect": "login", "timeout": "1m"}])).await;
    assert_eq!(ended, "Error while expecting 'login': expect: Process not running");
    assert_eq!(
        refused("true", json!([{"timeout": "1s"}])).await,
        "{\"timeout\":\"1s\"} is not a valid step statement"
    );
    assert!(refused("true", json!(["x"])).await.starts_with("Could not Unmarshal steps: "));
    assert!(refused("true", json!([{"expect": "("}])).await.starts_with("Error while expecting '(': "));
    let timeout = refused("true", json!([{"expect": "x", "timeout": "1"}])).await;
    assert_eq!(timeout, "Could not parse timeout '1' for step: 'x'. time: missing unit in duration \"1\"");
    let missing = qemu(&lab, Path::new("no-such-qemu"), json!({})).await.errors().remove(0);
    assert_eq!(
        missing,
        "unable to find qemu executable in PATH: exec: \"no-such-qemu\": executable file not found in $PATH"
    );
    let missing = qemu(&lab, Path::new("/no/such/qemu"), json!({})).await.errors().remove(0);
    assert_eq!(missing, "Could not start qemu: fork/exec /no/such/qemu: no such file or directory");
    let log =
        qemu(&lab, Path::new("/bin/true"), json!({"logfile": ["/no/such/log"]})).await.errors().remove(0);
    assert!(log.starts_with("Could not create Logfile: open /no/such/log: "), "{log}");
}
