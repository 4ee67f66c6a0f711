//! Many at once.

use std::process::{Command, Stdio};

use crate::lab::{Lab, descriptor};

#[test]
fn sixty_four_at_once_on_a_fresh_store_are_sixty_four_jobs() {
    let lab = Lab::new();
    let start = |_| {
        let mut command: Command = lab.command(&["exec", "--", "true"]);
        command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = (0..64).map(start).collect();
    for child in all {
        let done = crate::lab::Done::from(child.wait_with_output().unwrap()).ended(0);
        assert_eq!((done.text().as_str(), done.err.as_str()), ("", ""));
    }
    let jobs = lab.jobs();
    let mut ids: Vec<_> = jobs.iter().map(|job| job["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=64).collect::<Vec<_>>());
    for job in jobs {
        assert_eq!((&job["state"], &job["complete"]), (&"Completed".into(), &"yes".into()), "{job}");
    }
    lab.oyez(&["fsck"]).ended(0);
}

#[test]
fn jobs_of_several_processes_do_not_disturb_each_other() {
    let lab = Lab::new();
    let ids: Vec<_> = (0..200).map(|i| format!("T{i}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let start = |i: usize| {
        let step = format!("{{name: echo, label: s, parameters: {{text: [\"job {i}, {{{{ .ID }}}}\"]}}}}");
        // Each job has targets of its own: the same ones would be locked.
        let text = descriptor(&ids, &[&step, &step.replace("label: s", "label: t")])
            .replace("ID: T", &format!("ID: J{i}T"));
        lab.write(&format!("job{i}.yaml"), text);
        let (file, out) = (format!("job{i}.yaml"), format!("out{i}"));
        lab.start(&["run", &file, "--out", &out])
    };
    let all: Vec<_> = (0..4).map(start).collect();
    for running in all {
        running.end().ended(0);
    }
    for job in lab.jobs() {
        assert_eq!((&job["counts"]["passed"], &job["complete"]), (&200.into(), &"yes".into()), "{job}");
    }
    lab.oyez(&["fsck"]).ended(0);
}
