//! The golden job with its report server killed by SIGKILL: the job does not notice, and nothing is lost or doubled.

use crate::golden::{Golden, Way};

/// Runs the golden job once for each moment: where in a call, of which name, the how manieth.
fn survives(moments: &[(&str, &str, u32)]) {
    for (moment, call, number) in moments {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("killed");
        let plan = format!("{moment} {call} {number} {}", mark.display());
        let Some(golden) = Golden::run(Way::Command, true, &[("OYEZ_CRASH", plan.clone())]) else { return };
        assert!(mark.exists(), "{plan}: was not killed");
        for file in ["results.json", "ResultsDetails.xml", "ResultsSummary.xml"] {
            let differences = golden.differences(file);
            assert!(differences.is_empty(), "{plan}: {file}: {differences:#?}\n{}", golden.said());
        }
        let job = golden.listed();
        assert_eq!((&job["complete"], &job["state"]), (&"yes".into(), &"Completed".into()), "{plan}: {job}");
    }
}

#[test]
fn killed_between_commit_and_reply() {
    survives(&[
        ("kept", "start_testsuite", 1),
        ("kept", "start_task", 2),
        ("kept", "start_section", 7),
        ("kept", "stop_section", 31),
        ("kept", "add_extra", 1),
    ]);
}

#[test]
fn killed_before_the_commit_and_after_the_reply() {
    survives(&[
        ("before", "start_section", 25),
        ("handled", "stop_section", 12),
        ("handled", "stop_task", 1),
        ("answered", "start_section", 40),
        ("answered", "register_client", 4),
    ]);
}

#[test]
fn killed_in_a_forked_child_s_connection_and_at_the_end_of_the_suite() {
    survives(&[
        ("kept", "register_client", 3),
        ("handled", "register_client", 6),
        ("kept", "stop_testsuite", 1),
        ("handled", "stop_testsuite", 1),
        ("kept", "stop_plugin", 1),
    ]);
}

#[test]
fn killed_in_the_walk_and_in_the_reports() {
    survives(&[
        ("answered", "get_section", 150),
        ("handled", "get_section", 300),
        ("before", "generate_report", 1),
        ("writing", "generate_report", 1),
        ("handled", "generate_xml", 1),
    ]);
}
