//! What the command itself costs: its start, a wrapped `true`, many at once, and the bytes that a job leaves.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure;
use crate::table::Table;

const ROUNDS: usize = 40;

/// All of it.
pub fn run(table: &mut Table) {
    let dir = measure::folder();
    let data = dir.path().join("data");
    let oyez = measure::oyez();
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        measure::child(command)
    };
    let wrapped = || quiet(Command::new(&oyez).args(["exec", "--data"]).arg(&data).args(["--", "true"]));
    let _ = wrapped();
    let mut added = Vec::new();
    for _ in 0..ROUNDS {
        let with = wrapped().seconds;
        added.push((with - quiet(&mut Command::new("true")).seconds) * 1e3);
    }
    table.at_most("`oyez exec -- true` adds to `true`", measure::median(added), 15.0, "ms");
    let starts = (0..ROUNDS).map(|_| quiet(Command::new(&oyez).arg("--version")).seconds * 1e3).collect();
    table.at_most("the binary starts", measure::median(starts), 5.0, "ms");
    many_at_once(table, dir.path());
    bytes_an_event(table, dir.path());
}

fn many_at_once(table: &mut Table, folder: &Path) {
    let data = folder.join("many");
    let children: Vec<_> = (0..64)
        .map(|_| {
            let mut command = Command::new(measure::oyez());
            command.args(["exec", "--data"]).arg(&data).args(["--", "true"]).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            measure::done(command.spawn())
        })
        .collect();
    let mut failed = 0;
    for child in children {
        let output = measure::done(child.wait_with_output());
        // A warning means that it was not recorded: that is a failure, too.
        failed += usize::from(!output.status.success() || !output.stderr.is_empty());
    }
    table.at_most("64 `oyez exec` at once on one new store: failed", failed as f64, 0.0, "");
}

/// The job of 20,000 targets through three `echo` steps, by the command, and what its folder weighs afterwards.
fn bytes_an_event(table: &mut Table, folder: &Path) {
    let (data, file) = (folder.join("targets"), folder.join("targets.json"));
    measure::done(std::fs::write(&file, descriptor(20_000)));
    let done = measure::child(
        Command::new(measure::oyez())
            .args(["run", "--format", "quiet", "--data"])
            .arg(&data)
            .arg("--out")
            .arg(folder.join("out"))
            .arg(&file),
    );
    if done.code != 0 {
        eprintln!("the job of 20,000 targets ended with {}", done.code);
    }
    table.note("`oyez run` of 20,000 targets x 3 echo, with its reports", done.seconds, "s");
    table.note("resident memory of that run", done.peak_mib, "MiB");
    let listed = measure::done(
        Command::new(measure::oyez()).args(["list", "--format", "jsonl", "--data"]).arg(&data).output(),
    );
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let events: f64 = listed
        .split_once("\"events\":")
        .and_then(|(_, rest)| rest.split([',', '}']).next()?.trim().parse().ok())
        .unwrap_or(1.0);
    let bytes = weigh(&data) as f64;
    table.note("events of that job", events, "");
    table.at_most("bytes on disk for each event, after the job's end", bytes / events, 60.0, "B");
}

/// A descriptor with so many targets, ids as labs have them.
#[must_use]
pub fn descriptor(targets: usize) -> String {
    let mut list = String::new();
    for i in 0..targets {
        let comma = if i == 0 { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(
            list,
            r#"{comma}{{"ID":"rack{:03}-node{:02}","FQDN":"rack{:03}-node{:02}.lab.example.org"}}"#,
            i / 40,
            i % 40,
            i / 40,
            i % 40
        );
    }
    let step = |label: &str| {
        format!(r#"{{"name":"echo","label":"{label}","parameters":{{"text":["{label} on {{{{ .ID }}}}"]}}}}"#)
    };
    format!(
        r#"{{"JobName":"bench","Version":"1.0","Runs":1,"TestDescriptors":[{{"TargetManagerName":"TargetList","TargetManagerAcquireParameters":{{"Targets":[{list}]}},"TargetManagerReleaseParameters":{{}},"TestFetcherName":"literal","TestFetcherFetchParameters":{{"TestName":"Test 1","Steps":[{},{},{}]}}}}],"Reporting":{{"RunReporters":[{{"Name":"TargetSuccess","Parameters":{{"SuccessExpression":"=100%"}}}}],"FinalReporters":[{{"Name":"noop"}}]}}}}"#,
        step("first"),
        step("second"),
        step("third")
    )
}

fn weigh(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => weigh(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
