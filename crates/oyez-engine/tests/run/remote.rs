//! `sshcmd`, and `exec` over ssh, against a real OpenSSH server.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oyez_engine::{Control, EngineOptions};
use oyez_model::JobState;
use oyez_model::event::Stream;
use serde_json::{Value, json};

use super::exec::{report, script, sections};
use super::lab::{Lab, Ran, Watcher, job, step, test};
use super::sshd::{Sshd, program};

/// Where a program of root's own server, which passes on no signals, is not waited for long.
fn hasty() -> Lab {
    Lab::with(EngineOptions { grace: Duration::from_millis(200), ..EngineOptions::default() })
}

async fn sshcmd(lab: &Lab, parameters: Value) -> Ran {
    lab.run(&job(vec![test("t", &["T1"], vec![step("sshcmd", "s", parameters)])])).await
}

fn with(mut parameters: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    parameters
}

#[tokio::test]
async fn a_program_of_the_other_machine_runs_with_its_words_and_its_output_is_kept() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    let parameters =
        sshd.parameters("sh", &["-c", "echo \"$0\" \"$1\"; echo err >&2", "it's {{ .ID }}", "$HOME  *"]);
    let ran = sshcmd(&lab, parameters).await;
    assert_eq!(ran.errors(), [""; 0]);
    assert_eq!(ran.text(Stream::Stdout), b"it's T1 $HOME  *\n");
    assert_eq!(ran.text(Stream::Stderr), b"err\n");
}

#[tokio::test]
async fn ends_of_remote_programs_are_said_in_gos_words() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    for (script, error) in [
        ("exit 3", "Process exited with status 3"),
        ("kill -9 $$", "Process exited with status 137 from signal KILL"),
    ] {
        assert_eq!(sshcmd(&lab, sshd.parameters("sh", &["-c", script])).await.errors(), [error]);
    }
}

#[tokio::test]
async fn an_expectation_is_met_while_the_program_still_runs_or_not_at_all() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = hasty();
    let waits = sshd.parameters("sh", &["-c", "echo booting; echo ready; exec sleep 3"]);
    let ran = sshcmd(&lab, with(waits, json!({"expect": ["^boot(?s:.*)ready$|rea.y"]}))).await;
    assert_eq!(ran.errors(), [""; 0]);
    let ran = sshcmd(&lab, with(sshd.parameters("echo", &["no"]), json!({"expect": ["yes"]}))).await;
    assert_eq!(ran.errors(), ["match for yes not found for target Target{ID: \"T1\"}"]);
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_given_up() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = hasty();
    let ran = sshcmd(&lab, with(sshd.parameters("sleep", &["4"]), json!({"timeout": ["300ms"]}))).await;
    assert_eq!(ran.errors(), ["timed out after 300ms"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_does_not_wait_for_the_other_machine() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = hasty();
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until("log_text", 1).await;
        control.cancel("enough");
    };
    let parameters = sshd.parameters("sh", &["-c", "echo begun; exec sleep 12"]);
    let job = job(vec![test("t", &["T1"], vec![step("sshcmd", "s", parameters)])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
    assert_eq!((ran.end.state, ran.errors()), (JobState::Cancelled, vec!["cancelled".to_owned()]));
}

#[tokio::test]
async fn a_host_must_be_known_by_its_key_unless_it_need_not() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    sshd.write("nobody", "");
    let unknown = with(sshd.parameters("true", &[]), json!({"known_hosts": [sshd.path("nobody")]}));
    let error = sshcmd(&lab, unknown.clone()).await.errors().remove(0);
    let address = format!("127.0.0.1:{}", sshd.port);
    assert!(
        error.starts_with(&format!("cannot connect to SSH server {address}: host key verification failed")),
        "{error}"
    );
    assert!(error.contains("is not known by any key (ssh-ed25519 SHA256:"), "{error}");
    assert_eq!(sshcmd(&lab, with(unknown, json!({"check_host_key": [false]}))).await.errors(), [""; 0]);
    let other = std::fs::read_to_string(sshd.path("key.pub")).unwrap();
    sshd.write("nobody", &format!("[127.0.0.1]:{} {other}", sshd.port));
    let wrong = with(sshd.parameters("true", &[]), json!({"known_hosts": [sshd.path("nobody")]}));
    let error = sshcmd(&lab, wrong).await.errors().remove(0);
    assert!(error.contains("is known by another key than ssh-ed25519"), "{error}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    let refused =
        async |changes| sshcmd(&lab, with(sshd.parameters("true", &[]), changes)).await.errors().remove(0);
    let error = refused(json!({"private_key_file": [sshd.path("host")]})).await;
    assert!(
        error.contains("ssh: unable to authenticate as '") && error.contains("attempted methods [publickey]"),
        "{error}"
    );
    let error = refused(json!({"private_key_file": [sshd.path("none")]})).await;
    assert!(error.starts_with("cannot read private key at ") && error.contains("no such file"), "{error}");
    let error = refused(json!({"private_key_file": [sshd.path("config")]})).await;
    assert!(error.starts_with("cannot parse private key: "), "{error}");
    drop(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(json!({"port": [port]})).await;
    let expected = format!("cannot connect to SSH server 127.0.0.1:{port}: dial tcp: Connection refused");
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_target_without_a_host_is_skipped_where_that_is_asked_for() {
    let lab = Lab::new();
    let parameters = json!({"host": ["{{ .PrimaryIPv4 }}"], "user": ["root"], "executable": ["true"]});
    assert_eq!(sshcmd(&lab, parameters.clone()).await.errors(), ["host value is empty"]);
    let ran = sshcmd(&lab, with(parameters, json!({"skip_if_empty_host": [true]}))).await;
    assert_eq!(
        (ran.errors(), ran.text(Stream::Log)),
        (vec![], b"skipped: the target has no host\n".to_vec())
    );
}

/// Started by the test below with an agent in its environment.
#[tokio::test]
#[ignore = "started by the test of the agent"]
async fn as_a_child_with_an_agent() {
    let parameters: Value = serde_json::from_str(&std::env::var("OYEZ_TEST_PARAMETERS").unwrap()).unwrap();
    assert_eq!(sshcmd(&Lab::new(), parameters).await.errors(), [""; 0]);
}

#[tokio::test]
async fn the_users_agent_is_asked_when_there_is_neither_key_nor_password() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(agent) = program("ssh-agent") else { return };
    let socket = sshd.path("agent");
    let mut agent =
        Command::new(agent).arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        tokio::task::yield_now().await;
    }
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(sshd.path("key"))
        .env("SSH_AUTH_SOCK", &socket)
        .status()
        .unwrap();
    assert!(added.success());
    let mut parameters = sshd.parameters("true", &[]);
    parameters.as_object_mut().unwrap().remove("private_key_file");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "remote::as_a_child_with_an_agent", "--ignored"])
        .env("SSH_AUTH_SOCK", &socket)
        .env("OYEZ_TEST_PARAMETERS", parameters.to_string())
        .output()
        .unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

fn ssh(sshd: &Sshd, text: &str, options: Value, more: Value) -> Value {
    script("x", text, json!({"proto": "ssh", "options": with(sshd.options(), options)}), more)
}

async fn exec(lab: &Lab, step: Value) -> Ran {
    lab.run(&job(vec![test("t", &["T1"], vec![step])])).await
}

#[tokio::test]
async fn exec_runs_over_ssh_with_reports_exit_codes_and_quotas() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = hasty();
    let ran = exec(&lab, ssh(&sshd, &report("PASS"), json!({}), json!({"ocp_output": true}))).await;
    assert_eq!((ran.errors(), sections(&ran).len(), ran.count("measurement")), (vec![], 2, 1));
    assert_eq!(ran.text(Stream::Stdout), b"something else\n");
    let map = json!({"exitcode_map": {"3": "three"}});
    assert_eq!(
        exec(&lab, ssh(&sshd, "exit 3", json!({}), map)).await.errors(),
        ["exit code mapped error: three"]
    );
    let quota = json!({"constraints": {"time_quota": "300ms"}});
    assert_eq!(
        exec(&lab, ssh(&sshd, "exec sleep 1000", json!({}), quota)).await.errors(),
        ["timed out after 300ms"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exec_runs_over_ssh_ends_with_its_terminal() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = hasty();
    let pid = lab.path("pid");
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until("log_text", 1).await;
        control.cancel("enough");
    };
    let text = format!("echo $$ > {}; echo begun; exec sleep 1000", pid.display());
    let job = job(vec![test("t", &["T1"], vec![ssh(&sshd, &text, json!({}), json!({}))])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
    assert_eq!(ran.end.state, JobState::Cancelled);
    // Although root's server passes on no signals.
    let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let gone = async {
        while super::lab::lives(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test]
async fn exec_sends_its_program_and_takes_it_away_again() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    let program = lab.path("program");
    std::fs::write(&program, "#!/bin/sh\necho \"$0\" \"$1\"\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let bag = json!({
        "bin": {"path": program, "args": ["{{ .ID }}"]},
        "transport": {"proto": "ssh", "options": with(sshd.options(), json!({"send_binary": true}))}
    });
    let ran = exec(&lab, step("exec", "x", json!({"bag": [bag]}))).await;
    assert_eq!(ran.errors(), [""; 0]);
    let said = String::from_utf8(ran.text(Stream::Stdout)).unwrap();
    let sent = said.trim().strip_suffix(" T1").unwrap();
    assert!(sent.starts_with("/tmp/exec_bin_") && !std::path::Path::new(sent).exists(), "{said}");
}

/// What is left in `/tmp` of agents that ran scripts with this in them.
fn left_behind(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(mark)).count()
}

#[tokio::test]
async fn exec_leaves_its_program_to_an_agent_and_asks_for_it() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    let no_agent = json!({"async": {}});
    let text = format!("echo err >&2; printf '\\377\\n'; {}", report("PASS"));
    let ran = exec(&lab, ssh(&sshd, &text, no_agent.clone(), json!({"ocp_output": true}))).await;
    assert_eq!((ran.errors(), sections(&ran).len()), (vec![], 2));
    assert_eq!(
        (ran.text(Stream::Stdout), ran.text(Stream::Stderr)),
        (b"\xff\nsomething else\n".to_vec(), b"err\n".to_vec())
    );
    let ran = exec(&lab, ssh(&sshd, "exit 3", no_agent, json!({}))).await;
    assert_eq!(ran.errors(), ["process exited with non-zero code: 3"]);
    let quota = json!({"async": {"time_quota": "1s"}});
    let ran = exec(&lab, ssh(&sshd, "sleep 987654", quota, json!({}))).await;
    assert_eq!(ran.errors(), ["failed to wait on process: time quota of 1 s is over"]);
    assert_eq!(left_behind("sleep\0987654"), 0);
}

#[tokio::test]
async fn exec_speaks_with_an_agent_as_contests_does() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    // A stand-in for ConTest's own agent, which is a Go program: it says the same words.
    let agent = lab.path("agent");
    let polls = "#!/bin/sh\ncase $1 in\n--time-quota=1m0s) echo '{\"sid\":\"7\"}' ;;\n\
                 poll) [ $2 = 7 ] && printf '%s\\n' '{\"stdout\":\"from the agent\\n\",\"exitcode\":0}' ;;\nreap) ;;\nesac\n";
    std::fs::write(&agent, polls).unwrap();
    std::fs::set_permissions(&agent, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let options = json!({"async": {"agent": agent, "time_quota": "1m"}});
    let ran = exec(&lab, ssh(&sshd, "true", options, json!({}))).await;
    assert_eq!((ran.errors(), ran.text(Stream::Stdout)), (vec![], b"from the agent\n".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_runs_ends_with_its_job() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    let (control, watcher) = (Control::new(), Arc::new(Watcher::default()));
    let cancel = async {
        watcher.until("log_text", 1).await;
        control.cancel("enough");
    };
    let step = ssh(&sshd, "echo begun; sleep 876543", json!({"async": {}}), json!({}));
    let job = job(vec![test("t", &["T1"], vec![step])]);
    let (ran, ()) = tokio::join!(lab.run_watched(&job, control.clone(), watcher.clone()), cancel);
    assert_eq!(ran.end.state, JobState::Cancelled);
    assert_eq!(left_behind("sleep\0876543"), 0);
}
