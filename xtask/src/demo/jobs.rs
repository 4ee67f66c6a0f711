//! The jobs of `examples/` through `oyez run`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::Stage;
use crate::error::Error;

/// Shows each of them; an error if one ends otherwise than its own file says.
pub(super) fn show(stage: &mut Stage) -> Result<(), Error> {
    println!("\n== part two: job descriptors, run by the engine");
    stage.call(&["plan", "examples/hundred-targets.yaml"], &[0], "what would run")?;
    let out = stage.folder.join("out").join("lab");
    let shown = out.display().to_string();
    let why = "1: fewer than 99 % of the targets have the right firmware";
    stage.call(&["run", "examples/hundred-targets.yaml", "--out", &shown], &[1], why)?;
    stage.looks.push((
        out.join("report.html"),
        "100 targets, four tests, two runs: who failed and why (node-042, node-013, node-077, node-066), the retry of\n    \
         Memory, what both reporters said",
    ));
    stage.looks.push((out.join("junit.xml"), "the same for whatever reads JUnit"));
    stage.looks.push((out.join("report.json"), "the same with everything in it; schema in docs/schemas"));
    stage.call(&["logs", "latest", "--section", "node-042"], &[0], "one target's log out of all")?;
    for (file, code, why) in [
        ("hello.json", 0, "the smallest job"),
        ("retry.yaml", 0, "passed at the second attempt"),
        ("fails.yaml", 1, "two of three targets fail"),
    ] {
        let out = stage.folder.join("out").join(file).display().to_string();
        stage.call(&["run", &format!("examples/{file}"), "--out", &out], &[code], why)?;
    }
    stage.call(&["plan", "examples/wrong.yaml"], &[2], "all that is wrong, said at once")?;
    endless(stage)
}

/// A job without end, stopped by what Ctrl-C sends as soon as its first run is over.
fn endless(stage: &mut Stage) -> Result<(), Error> {
    let out = stage.folder.join("out").join("endless");
    let shown = out.display().to_string();
    let arguments = ["run", "examples/endless.yaml", "--format", "jsonl", "--out", &shown];
    let line = format!("oyez {}", arguments.join(" "));
    println!("\n$ {line}      # stopped by Ctrl-C after its first run");
    let begin = Instant::now();
    let failed = |source| Error::Start { command: line.clone(), source };
    let mut child = stage.oyez(&arguments).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut events: u64 = 0;
    if let Some(stdout) = child.stdout.take() {
        let mut asked = false;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            events += 1;
            if !asked && line.contains("\"run_stopped\"") {
                asked = true;
                let kill = format!("kill -INT {}", child.id());
                // The shell's own `kill`: the program of that name is not on every machine.
                let _ = Command::new("sh").args(["-c", &kill]).status();
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.code() != Some(4) {
        return Err(Error::Failed { command: line, status });
    }
    let took = begin.elapsed().as_secs_f64();
    println!(
        "-- exit code 4 (cancelled), {events} lines of JSON, {took:.1} s; the reports say that it was cancelled"
    );
    stage.looks.push((out.join("summary.md"), "a job that was cancelled says so"));
    Ok(())
}
