//! The first Ctrl-C cancels and writes reports that say so, the second one kills.

use rustix::process::Signal;

use crate::lab::{Lab, descriptor, poll, shell, state_of};

#[test]
fn the_first_ctrl_c_cancels_and_the_reports_say_so() {
    let lab = Lab::new();
    lab.write(
        "job.yaml",
        descriptor(&["T1", "T2"], &["{name: sleep, label: s, parameters: {duration: [10m]}}"]),
    );
    for signal in [Signal::INT, Signal::TERM] {
        let mut running = lab.start(&["run", "job.yaml", "--out", "out"]);
        lab.wait_for("target_in");
        running.signal(signal);
        let done = running.end().ended(4);
        assert!(done.err.contains("cancelling"), "{}", done.err);
        assert!(done.text().contains("CANCELLED"), "{}", done.text());
        for file in ["report.json", "junit.xml", "summary.md", "report.html"] {
            let text = lab.read(&format!("out/{file}")).to_lowercase();
            assert!(text.contains("cancelled"), "{file} does not say that the job was cancelled");
        }
        std::fs::remove_dir_all(lab.path("out")).unwrap();
        std::fs::remove_dir_all(lab.path("store")).unwrap();
    }
}

#[test]
fn the_second_ctrl_c_kills_what_does_not_listen() {
    let lab = Lab::new();
    // It and its child ignore what they are asked.
    let script = "trap '' TERM INT; sleep 600 & echo $! > pid; echo ready; while :; do wait; done";
    lab.write("job.yaml", descriptor(&["T1"], &[&shell("deaf", script)]));
    let mut running = lab.start(&["run", "job.yaml", "--out", "out"]);
    lab.wait_for("log_text");
    running.signal(Signal::INT);
    lab.wait_for("job_control");
    running.signal(Signal::INT);
    running.end().ended(4);
    let pid = lab.read("pid").trim().parse().unwrap();
    poll("its child lives on", || state_of(pid).is_none_or(|state| state == 'Z').then_some(()));
    assert!(lab.path("out/report.html").is_file());
}
