//! `oyez exec`: the command must not notice.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;

use crate::lab::{Done, Lab, poll, state_of};

/// A command as it is without us.
fn bare(lab: &Lab, script: &str) -> Output {
    Command::new("sh").args(["-c", script]).current_dir(lab.path(".")).stdin(Stdio::null()).output().unwrap()
}

/// The same wrapped.
fn wrapped(lab: &Lab, script: &str) -> Output {
    lab.command(&["exec", "--", "sh", "-c", script]).output().unwrap()
}

fn same_as_bare(lab: &Lab, script: &str) {
    let (bare, wrapped) = (bare(lab, script), wrapped(lab, script));
    assert_eq!(wrapped.status.code(), bare.status.code(), "{script}");
    assert!(wrapped.stdout == bare.stdout, "standard output of {script}");
    assert!(
        wrapped.stderr == bare.stderr,
        "standard error of {script}: {:?}",
        String::from_utf8_lossy(&wrapped.stderr)
    );
}

#[test]
fn bytes_of_any_kind_pass_unchanged() {
    let lab = Lab::new();
    // Every byte, in an order that no encoding likes, a megabyte of it, without a newline at the end.
    let mut state = 1u32;
    let bytes: Vec<u8> = (0..1_000_001)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    lab.write("bytes", &bytes);
    same_as_bare(&lab, "cat bytes");
    same_as_bare(&lab, "cat bytes >&2");
    let kept = lab.oyez(&["logs", "latest", "--raw"]).ended(0);
    assert!(kept.out == bytes, "and they are kept so");
}

#[test]
fn both_streams_pass_whole_when_they_alternate() {
    let lab = Lab::new();
    same_as_bare(&lab, "for i in $(seq 3000); do echo \"out $i\"; echo \"err $i\" >&2; done");
    same_as_bare(&lab, "printf 'no newline'; printf 'nor here' >&2");
    same_as_bare(&lab, "seq 400000; seq 300000 >&2");
}

#[test]
fn the_exit_code_is_the_commands_own() {
    let lab = Lab::new();
    for script in ["exit 0", "exit 3", "exit 255", "nosuchcommand"] {
        same_as_bare(&lab, script);
    }
    let done = lab.oyez(&["exec", "--", "no-such-command"]).ended(127);
    assert!(done.err.contains("no-such-command"), "{}", done.err);
    lab.write("not-executable", "#!/bin/sh\n");
    lab.oyez(&["exec", "--", "./not-executable"]).ended(126);
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        lab.oyez(&["exec", "--", "sh", "-c", &format!("kill -{signal} $$")]).ended(code);
    }
    let outcomes: Vec<_> = lab.jobs().iter().map(|job| job["outcome"].as_str().unwrap().to_owned()).collect();
    let expected =
        ["errored", "errored", "errored", "errored", "errored", "failed", "failed", "failed", "passed"];
    assert_eq!(outcomes, expected);
}

#[test]
fn standard_input_folder_and_environment_are_the_callers() {
    let lab = Lab::new();
    let mut command = lab.command(&["exec", "--", "sh", "-c", "cat; pwd; echo $MARK"]);
    command.env("MARK", "set").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"typed\n").unwrap();
    let done = Done::from(child.wait_with_output().unwrap()).ended(0);
    let folder = std::fs::canonicalize(lab.path(".")).unwrap();
    assert_eq!(done.text(), format!("typed\n{}\nset\n", folder.display()));
}

#[test]
fn arguments_that_look_like_ours_are_the_commands() {
    let lab = Lab::new();
    let done = lab.oyez(&["exec", "--name", "n", "--", "echo", "--data", "x", "--", "--help"]).ended(0);
    assert_eq!(done.text(), "--data x -- --help\n");
    assert_eq!(lab.job()["name"], "n");
}

#[test]
fn a_store_that_cannot_be_written_costs_one_warning() {
    let lab = Lab::new();
    lab.write("file", "");
    for (script, code) in [("echo out; echo err >&2; exit 3", 3), ("seq 100000", 0)] {
        let bare = bare(&lab, script);
        let mut command = lab.command(&["exec", "--parse", "junit=none.xml", "--", "sh", "-c", script]);
        let output = command.env("OYEZ_DATA", lab.path("file/store")).output().unwrap();
        let done = Done {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
        .ended(code);
        assert!(done.out == bare.stdout);
        let own = String::from_utf8(bare.stderr).unwrap();
        let warnings: Vec<_> = done.err.lines().filter(|line| !own.lines().any(|o| o == *line)).collect();
        assert_eq!(warnings.len(), 1, "{}", done.err);
        assert!(warnings[0].contains("file/store"), "{}", warnings[0]);
    }
    lab.command(&["exec", "--", "no-such-command"])
        .env("OYEZ_DATA", lab.path("file/store"))
        .output()
        .map(Done::from)
        .unwrap()
        .ended(127);
}

#[test]
fn results_in_a_file_become_the_jobs_cases() {
    let lab = Lab::new();
    lab.write("r.xml", RESULTS);
    let script = "cp r.xml sub.xml; exit 1";
    lab.oyez(&["exec", "--parse", "junit=s*.xml", "--", "sh", "-c", script]).ended(1);
    let job = lab.job();
    let counts = &job["counts"];
    assert_eq!(
        (&counts["passed"], &counts["failed"], &counts["skipped"]),
        (&1.into(), &1.into(), &1.into()),
        "{job}"
    );
    assert_eq!(job["complete"], "yes", "{job}");
    let junit = lab.oyez(&["report", "latest", "--format", "junit"]).ended(0).text();
    assert!(junit.contains("bad apple"), "{junit}");
}

const RESULTS: &str = r#"<testsuites><testsuite name="fruit" tests="3"><testcase name="a"/>
<testcase name="b"><failure message="bad apple">at line 3</failure></testcase>
<testcase name="c"><skipped/></testcase></testsuite></testsuites>"#;

#[test]
fn a_wrong_parse_argument_is_refused_before_the_command_runs() {
    let lab = Lab::new();
    for wrong in ["r.xml", "junit=", "pickle=r", "junit=a***b["] {
        let done = lab.oyez(&["exec", "--parse", wrong, "--", "touch", "ran"]).ended(2);
        assert!(done.err.contains("--parse"), "{}", done.err);
        assert!(!lab.path("ran").exists());
    }
}

#[test]
fn signals_to_us_reach_the_command() {
    let lab = Lab::new();
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP")] {
        let script =
            format!("trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.02; done");
        let mut running = lab.start(&["exec", "--", "sh", "-c", &script]);
        let mut lines = BufReader::new(running.stdout()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        running.signal(signal);
        let rest: Vec<_> = lines.map_while(Result::ok).collect();
        assert_eq!(rest, [format!("got {name}")]);
        running.end().ended(5);
    }
}

#[test]
fn a_reader_that_goes_away_is_felt_by_the_command() {
    let lab = Lab::new();
    let mut running = lab.start(&["exec", "--", "yes"]);
    let mut line = String::new();
    BufReader::new(running.stdout()).read_line(&mut line).unwrap();
    assert_eq!(line, "y\n");
    // The reader is dropped: `yes` ends by SIGPIPE, as it does in a shell.
    running.end().ended(128 + 13);
}

#[test]
fn what_the_command_leaves_behind_does_not_keep_it() {
    let lab = Lab::new();
    let done = lab.oyez(&["exec", "--", "sh", "-c", "sleep 600 & echo $! > pid; echo done"]).ended(0);
    assert_eq!(done.text(), "done\n");
    let pid: i32 = lab.read("pid").trim().parse().unwrap();
    assert!(state_of(pid.unsigned_abs()).is_some(), "it goes on, as it would without us");
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    poll("it was killed", || state_of(pid.unsigned_abs()).is_none_or(|state| state == 'Z').then_some(()));
}
