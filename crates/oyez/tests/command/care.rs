//! The command as a tool: help, colours, completions, `doctor`, `fsck`.

use std::process::{Command, Stdio};

use crate::lab::{Done, Lab};

const COMMANDS: [&str; 11] =
    ["run", "exec", "plan", "list", "status", "events", "logs", "report", "doctor", "fsck", "completions"];

#[test]
fn help_lists_the_commands_and_the_exit_codes() {
    let lab = Lab::new();
    let help = lab.oyez(&["--help"]).ended(0).text();
    for word in COMMANDS {
        assert!(help.lines().any(|line| line.trim_start().starts_with(word)), "{word}: {help}");
    }
    for code in 0..=5 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}: {help}");
    }
    assert!(lab.oyez(&["--version"]).ended(0).text().starts_with("oyez "));
}

#[test]
fn help_of_every_command_has_examples() {
    let lab = Lab::new();
    for command in COMMANDS {
        let help = lab.oyez(&[command, "--help"]).ended(0).text();
        let examples = help.split("Examples:").nth(1).unwrap_or_else(|| panic!("{command}: {help}"));
        assert!(examples.contains(&format!("oyez {command}")), "{command}: {help}");
    }
}

#[test]
fn colours_are_left_out_where_no_color_is_set_or_nobody_looks() {
    let lab = Lab::new();
    lab.oyez(&["exec", "--", "false"]).ended(1);
    let printed = |name: &str, value: &str, also: Option<&str>| {
        let mut command = lab.command(&["status", "latest"]);
        command.env(name, value);
        if let Some(also) = also {
            command.env(also, "1");
        }
        Done::from(command.output().unwrap()).text()
    };
    assert!(!printed("TERM", "xterm", None).contains('\x1b'), "a pipe gets none");
    assert!(printed("CLICOLOR_FORCE", "1", None).contains("\x1b["), "it can be told to");
    assert!(!printed("CLICOLOR_FORCE", "1", Some("NO_COLOR")).contains('\x1b'), "NO_COLOR is stronger");
}

#[test]
fn text_of_a_job_cannot_steer_the_terminal() {
    let lab = Lab::new();
    lab.oyez(&["exec", "--name", "a\x1b[31mb", "--", "printf", "\\033]0;title\\007x\\n"]).ended(0);
    for arguments in [&["list"][..], &["status"], &["logs"], &["events"]] {
        assert!(!lab.oyez(arguments).ended(0).text().contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn every_shell_gets_completions() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.oyez(&["completions", shell]).ended(0).text();
        assert!(script.contains("doctor"), "{shell}");
    }
    lab.write("oyez.bash", lab.oyez(&["completions", "bash"]).out);
    let mut bash = Command::new("bash");
    bash.arg("-n").arg(lab.path("oyez.bash")).stdin(Stdio::null());
    match bash.status() {
        Ok(status) => assert!(status.success(), "bash does not read its completions"),
        Err(e) => crate::skipped::skipped(&format!("no bash: {e}")),
    }
}

#[test]
fn a_doctor_finds_nothing_wrong_with_a_sound_place() {
    let lab = Lab::new();
    lab.oyez(&["doctor"]).ended(0);
    assert!(!lab.path("store").exists(), "looking makes no store");
    lab.oyez(&["exec", "--", "true"]).ended(0);
    let found = lab.oyez(&["doctor", "--format", "json"]).ended(0).json();
    let checks: Vec<_> =
        found.as_array().unwrap().iter().map(|f| f["check"].as_str().unwrap().to_owned()).collect();
    for check in ["version", "disk", "store", "jobs"] {
        assert!(checks.iter().any(|c| c == check), "{check}: {checks:?}");
    }
}

#[test]
fn a_doctor_says_what_is_wrong_with_a_store_that_cannot_be_opened() {
    let lab = Lab::new();
    lab.write("store/oyez.db", "not a database at all, but long enough to look like one of them");
    let done = lab.oyez(&["doctor"]).ended(3);
    assert!(done.text().contains("is damaged"), "{}", done.text());
}

#[test]
fn fsck_finds_a_flipped_byte_and_says_where() {
    let lab = Lab::new();
    lab.oyez(&["exec", "--", "seq", "100"]).ended(0);
    lab.oyez(&["exec", "--", "seq", "100"]).ended(0);
    let sound = lab.oyez(&["fsck", "--format", "json"]).ended(0).json();
    assert_eq!((&sound["sound"], &sound["jobs"]), (&true.into(), &2.into()));
    let file = lab.path("store").join(oyez_store::sqlite::FILE);
    let db = rusqlite::Connection::open(&file).unwrap();
    let first = "SELECT id, data FROM chunk ORDER BY id LIMIT 1";
    let (id, mut data): (i64, Vec<u8>) =
        db.query_row(first, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let middle = data.len() / 2;
    data[middle] ^= 0x20;
    db.execute("UPDATE chunk SET data = ?1 WHERE id = ?2", (&data, id)).unwrap();
    drop(db);
    let done = lab.oyez(&["fsck"]).ended(3);
    assert!(done.text().contains("job 1"), "{}", done.text());
    // The rest can still be read.
    lab.oyez(&["status", "2"]).ended(0);
    lab.oyez(&["logs", "2", "--raw"]).ended(0);
}

#[test]
fn a_job_that_cannot_be_read_does_not_hide_the_others() {
    let lab = Lab::new();
    for name in ["first", "second", "third"] {
        lab.oyez(&["exec", "--name", name, "--", "true"]).ended(0);
    }
    let file = lab.path("store").join(oyez_store::sqlite::FILE);
    let db = rusqlite::Connection::open(&file).unwrap();
    let mut row: Vec<u8> = db.query_row("SELECT row FROM job WHERE id = 2", [], |row| row.get(0)).unwrap();
    row[0] ^= 0xff;
    db.execute("UPDATE job SET row = ?1 WHERE id = 2", [&row]).unwrap();
    // Another one has lost its journal, and nobody may take that for what there is.
    db.execute("DELETE FROM chunk WHERE id = (SELECT max(id) FROM chunk)", []).unwrap();
    drop(db);
    let done = lab.oyez(&["list"]).ended(3);
    let text = done.text();
    assert!(text.contains("first") && text.contains("DAMAGED") && text.contains("third"), "{text}");
    assert!(done.err.contains("fsck"), "{}", done.err);
    lab.oyez(&["doctor"]).ended(3);
    lab.oyez(&["fsck", "--rebuild"]).ended(3);
    let jobs = lab.oyez(&["list", "--format", "json"]).ended(0).json();
    let names: Vec<_> = jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["third", "second", "first"], "what could be mended was, the rest was left alone");
}
