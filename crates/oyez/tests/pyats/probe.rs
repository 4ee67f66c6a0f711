//! Recorded answers of the real server.

use std::process::Command;
use std::time::Duration;

use crate::support::{oyez, run, shared, text};

#[test]
fn every_recorded_case_is_answered_as_the_real_server_did() {
    let Some(shared) = shared() else { return };
    let cases = shared.join("golden/pyats/cases");
    let server = format!("{} pyats serve {{runtimedir}} --data {{runtimedir}}/.data --strict", oyez());
    let output = run(
        Command::new("python3")
            .arg(shared.join("tools/pyats_probe.py"))
            .args(["--server", &server, "--cases"])
            .arg(&cases)
            .arg("--check")
            .arg(cases.join("recorded.json")),
        Duration::from_secs(240),
    );
    assert!(output.status.success(), "{}", text(&output.stdout));
}
