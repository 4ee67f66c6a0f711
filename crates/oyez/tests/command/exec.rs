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
    let signals = [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
        (Signal::CONT, "CONT"),
        (Signal::ALARM, "ALRM"),
    ];
    for (signal, name) in signals {
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
fn the_order_of_both_streams_is_kept_where_they_go_to_one_place() {
    let lab = Lab::new();
    let script = "for i in $(seq 3000); do echo \"out $i\"; echo \"err $i\" >&2; done";
    let into = |name: &str, mut command: Command| {
        let file = std::fs::File::create(lab.path(name)).unwrap();
        let done = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        assert!(done.success());
        lab.read(name)
    };
    let mut bare = Command::new("sh");
    bare.args(["-c", script]);
    let (bare, wrapped) = (into("a", bare), into("b", lab.command(&["exec", "--", "sh", "-c", script])));
    assert!(bare == wrapped, "a file");
    assert_eq!(lab.oyez(&["logs", "latest", "--raw"]).ended(0).text(), bare, "and so it is kept");
    let (mut ours, theirs) = std::io::pipe().unwrap();
    let mut command = lab.command(&["exec", "--", "sh", "-c", script]);
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut ours, &mut text).unwrap();
    assert!(bare == text, "a pipe");
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_the_command_left_behind_prints_later_arrives_and_the_report_says_so() {
    let lab = Lab::new();
    let script =
        "(until [ -e go ]; do sleep 0.02; done; seq 50000; echo late >&2; : > written) & echo started";
    let (out, err) = (lab.write("out", ""), lab.write("err", ""));
    let file = |path| std::fs::File::options().append(true).open(path).unwrap();
    let mut command = lab.command(&["exec", "--", "sh", "-c", script]);
    let status = command.stdout(file(&out)).stderr(file(&err)).status().unwrap();
    // It is not waited for: it waits for us.
    assert_eq!((status.code(), lab.read("out").as_str()), (Some(0), "started\n"));
    let job = lab.job();
    assert_eq!((&job["state"], &job["complete"]), (&"Completed".into(), &"no".into()), "{job}");
    assert!(job["gaps"][0]["text"].as_str().unwrap().contains("left behind"), "{job}");
    lab.write("go", "");
    let last = "49999\n50000\n";
    poll("what came later was lost", || {
        (lab.read("out").ends_with(last) && lab.read("err") == "late\n").then_some(())
    });
    assert!(lab.path("written").exists(), "nothing stopped it");
    assert_eq!(lab.oyez(&["logs", "latest", "--raw"]).ended(0).text(), "started\n");
}

#[test]
fn a_store_that_somebody_else_holds_does_not_keep_the_command_from_starting() {
    let lab = Lab::new();
    lab.oyez(&["exec", "--", "true"]).ended(0);
    let hold_lock = || {
        let file = std::fs::File::open(lab.path("store/oyez.lock")).unwrap();
        file.lock().unwrap();
        Box::new(file) as Box<dyn std::any::Any>
    };
    let hold_file = || {
        let db = rusqlite::Connection::open(lab.path("store").join(oyez_store::sqlite::FILE)).unwrap();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        Box::new(db) as Box<dyn std::any::Any>
    };
    for hold in [&hold_lock as &dyn Fn() -> Box<dyn std::any::Any>, &hold_file] {
        let held = hold();
        let begun = std::time::Instant::now();
        let done = lab.oyez(&["exec", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]).ended(3);
        assert_eq!(done.text(), "out\n");
        let waited = begun.elapsed().as_secs();
        assert!(waited < 20, "the end waited for {waited} s");
        let warnings: Vec<_> = done.err.lines().filter(|line| *line != "err").collect();
        assert!(warnings.len() == 1 && warnings[0].contains("not recorded"), "{warnings:?}");
        // It is recorded when the store is given back in time, whole.
        let running = lab.start(&[
            "exec",
            "--",
            "sh",
            "-c",
            "echo begun; : > here; until [ -e go ]; do sleep 0.02; done",
        ]);
        poll("the command waits for the store", || lab.path("here").exists().then_some(()));
        drop(held);
        lab.write("go", "");
        assert_eq!(running.end().ended(0).err, "");
        assert_eq!(lab.oyez(&["logs", "latest", "--raw"]).ended(0).text(), "begun\n");
        assert_eq!(lab.jobs()[0]["complete"], "yes");
        for name in ["here", "go"] {
            std::fs::remove_file(lab.path(name)).unwrap();
        }
    }
}

#[test]
fn a_command_that_prints_much_and_fast_is_kept_whole() {
    let lab = Lab::new();
    let done = lab.oyez(&["exec", "--", "seq", "8000000"]).ended(0);
    let job = lab.job();
    assert_eq!(job["complete"], "yes", "{job}");
    assert!(lab.oyez(&["logs", "latest", "--raw"]).ended(0).out == done.out);
}

#[test]
fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    let mut command = lab.command(&["exec", "--", "printf", "%s"]);
    let output = command.arg(std::ffi::OsStr::from_bytes(b"a\xff\xfeb")).output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"a\xff\xfeb"[..]));
    assert_eq!(lab.job()["name"], "printf %s a\u{fffd}\u{fffd}b");
}

#[test]
fn output_that_cannot_be_written_is_said_and_counted() {
    let lab = Lab::new();
    let mut command = lab.command(&["exec", "--", "sh", "-c", "trap '' PIPE; seq 200000 && echo all >&2"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !err.contains("all"), "the command feels it: {err}");
    assert_eq!(err.matches("oyez: standard output cannot be written: No space").count(), 1, "{err}");
    let job = lab.job();
    assert_eq!(job["gaps"][0]["code"], "dropped_output", "{job}");
    // Not even a warning can be written: that is no reason to fall over.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = lab.command(&["exec", "--", "true"]);
    command.env("OYEZ_DATA", lab.write("file", "").join("store")).stderr(full);
    assert_eq!(command.status().unwrap().code(), Some(0));
}

#[test]
fn what_the_caller_ignores_the_command_ignores() {
    let lab = Lab::new();
    let script = "grep SigIgn /proc/self/status";
    let wrapper = "trap '' HUP USR1; \"$@\"";
    let ask = |call: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", wrapper, "sh"]).args(call).env("OYEZ_DATA", lab.path("store"));
        String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stdout).unwrap()
    };
    let bare = ask(&["sh", "-c", script]);
    assert!(bare.starts_with("SigIgn"), "{bare}");
    assert_eq!(ask(&[env!("CARGO_BIN_EXE_oyez"), "exec", "--", "sh", "-c", script]), bare);
}

#[test]
fn what_the_command_leaves_behind_does_not_keep_it() {
    let lab = Lab::new();
    let mut command = lab.command(&["exec", "--", "sh", "-c", "sleep 600 & echo $! > pid; echo done"]);
    // Into files: it holds our output as it would without us, so that a pipe would not end.
    let file = |name| std::fs::File::create(lab.path(name)).unwrap();
    let status = command.stdout(file("out")).stderr(file("err")).status().unwrap();
    assert_eq!((status.code(), lab.read("out").as_str()), (Some(0), "done\n"));
    let pid: i32 = lab.read("pid").trim().parse().unwrap();
    assert!(state_of(pid.unsigned_abs()).is_some(), "it goes on, as it would without us");
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    poll("it was killed", || state_of(pid.unsigned_abs()).is_none_or(|state| state == 'Z').then_some(()));
}
