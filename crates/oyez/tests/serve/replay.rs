//! The scenarios of a real ConTest, replayed against the built server by the tool that comes with them.

use std::process::Command;

use crate::lab::{Lab, golden};
use crate::serve::serve;

#[test]
fn recorded_scenarios_get_the_recorded_answers() {
    let Some(golden) = golden() else { return };
    if Command::new("python3").arg("--version").output().is_err() {
        return crate::skipped::skipped("python3 is not there");
    }
    let lab = Lab::new();
    let server = serve(&lab, &["--server-id", "labsrv"]);
    let mut replay = Command::new("python3");
    replay.arg(golden.join("../../tools/contest_replay.py")).arg(&server.url).arg("--show");
    let output = replay.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.ends_with(" 0 failed") && !last.starts_with("0 "),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
