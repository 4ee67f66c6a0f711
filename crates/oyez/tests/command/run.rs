//! `oyez run` and `oyez plan`.

use std::io::Write;
use std::process::Stdio;

use crate::lab::{Done, Lab, descriptor, shell};

fn hello() -> String {
    descriptor(&["T1", "T2"], &["{name: echo, label: hi, parameters: {text: [\"hello {{ .ID }}\"]}}"])
}

#[test]
fn a_job_whose_targets_pass_ends_with_0_and_its_documents() {
    let lab = Lab::new();
    let done = lab.run(&hello()).ended(0);
    assert!(done.text().contains("SUCCESS"), "{}", done.text());
    for file in ["report.json", "junit.xml", "summary.md", "report.html"] {
        assert!(!lab.read(&format!("out/{file}")).is_empty(), "{file}");
    }
    let report: serde_json::Value = serde_json::from_str(&lab.read("out/report.json")).unwrap();
    assert!(report.is_object());
    assert!(lab.read("out/junit.xml").contains("<testsuites"));
    let left: Vec<_> = std::fs::read_dir(lab.path("out")).unwrap().collect();
    assert_eq!(left.len(), 4, "nothing half written is left: {left:?}");
}

#[test]
fn a_job_whose_targets_fail_ends_with_1_and_says_which() {
    let lab = Lab::new();
    let step = shell("check", "echo \"$1 looks\"; [ $1 = good ] || { echo \"$1 is broken\" >&2; exit 7; }");
    let done = lab.run(&descriptor(&["good", "bad"], &[&step])).ended(1);
    assert!(done.text().contains("FAILURE"), "{}", done.text());
    assert!(done.err.contains("bad failed: exit status 7"), "{}", done.err);
    assert_eq!(lab.job()["complete"], "yes");
    assert!(lab.read("out/summary.md").contains("bad is broken"), "{}", lab.read("out/summary.md"));
}

#[test]
fn a_wrong_descriptor_ends_with_2_and_nothing_is_started() {
    let lab = Lab::new();
    let done = lab.run("JobName: x\n").ended(2);
    assert!(done.err.contains("nothing was started"), "{}", done.err);
    assert!(!lab.path("store").exists());
    assert!(!lab.path("out").exists());
}

#[test]
fn a_descriptor_that_is_not_there_ends_with_2() {
    let lab = Lab::new();
    for arguments in [["run", "nowhere.yaml"], ["plan", "nowhere.yaml"]] {
        let done = lab.oyez(&arguments).ended(2);
        assert!(done.err.contains("nowhere.yaml"), "{}", done.err);
    }
}

#[test]
fn reports_that_cannot_be_written_are_found_before_anything_starts() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    lab.write("file", "");
    let done = lab.oyez(&["run", "job.yaml", "--out", "file/out"]).ended(2);
    assert!(done.err.contains("file/out"), "{}", done.err);
    assert!(!lab.path("store").exists());
}

#[test]
fn a_store_that_cannot_be_made_ends_with_3_and_says_where() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    lab.write("file", "");
    let done = lab.oyez(&["run", "job.yaml", "--data", "file/store"]).ended(3);
    assert!(done.err.contains("file/store"), "{}", done.err);
}

#[test]
fn a_wrong_argument_ends_with_2() {
    let lab = Lab::new();
    for arguments in [&["run"][..], &["run", "x", "--format", "xml"], &["status", "--nope"], &["nope"]] {
        lab.oyez(arguments).ended(2);
    }
}

/// A call that reads its descriptor from standard input.
fn piped(lab: &Lab, arguments: &[&str], input: &str) -> Done {
    let mut command = lab.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_dash_reads_the_descriptor_from_standard_input() {
    let lab = Lab::new();
    piped(&lab, &["plan", "-"], &hello()).ended(0);
    piped(&lab, &["run", "-", "--out", "out"], &hello()).ended(0);
    assert_eq!(lab.job()["name"], "A job");
    let done = piped(&lab, &["run", "-"], "{\"JobName\": 5}").ended(2);
    assert!(done.err.contains("standard input"), "{}", done.err);
}

#[test]
fn jsonl_prints_every_event_and_the_job_last() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    let lines = lab.oyez(&["run", "job.yaml", "--format", "jsonl"]).ended(0).lines();
    let (job, events) = lines.split_last().unwrap();
    assert_eq!(
        (&job["kind"], &job["state"], &job["complete"]),
        (&"job".into(), &"Completed".into(), &"yes".into())
    );
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("job_submitted", "job_state"));
    let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    // What was shown is what was kept.
    assert_eq!(events, lab.events());
}

#[test]
fn quiet_prints_nothing_of_a_job_that_succeeds() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    let done = lab.oyez(&["run", "job.yaml", "--format", "quiet"]).ended(0);
    assert_eq!((done.text().as_str(), done.err.as_str()), ("", ""));
    assert!(lab.path("oyez-out/report.html").is_file(), "the usual folder has the documents");
}

#[test]
fn no_more_processes_run_at_once_than_allowed() {
    let lab = Lab::new();
    // Each takes a place; one that finds a third place taken says so.
    let script =
        "mkdir a 2>/dev/null && p=a || { mkdir b 2>/dev/null && p=b; } || exit 9; sleep 0.02; rmdir $p";
    let ids: Vec<_> = (0..20).map(|i| format!("T{i}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    lab.write("job.yaml", descriptor(&ids, &[&shell("place", script)]));
    lab.oyez(&["run", "job.yaml", "--max-processes", "2"]).ended(0);
    assert_eq!(lab.job()["counts"]["passed"], 20);
}

#[test]
fn guids_tags_and_the_requestor_stand_with_the_job() {
    let lab = Lab::new();
    lab.write("job.yaml", format!("{}Tags: [nightly]\n", hello()));
    lab.oyez(&["run", "job.yaml", "--guid", "build 17", "--guid", "b", "--requestor", "me"]).ended(0);
    let job = lab.job();
    assert_eq!(job["guids"], serde_json::json!(["build 17", "b"]));
    assert_eq!((&job["requestor"], &job["tags"]), (&"me".into(), &serde_json::json!(["nightly"])));
    lab.oyez(&["status", "build 17"]).ended(0);
    let long = "x".repeat(257);
    let done = lab.oyez(&["run", "job.yaml", "--guid", &long]).ended(2);
    assert!(done.err.contains("--guid"), "{}", done.err);
}

#[test]
fn a_step_out_of_time_is_killed_with_all_its_children() {
    let lab = Lab::new();
    // The pid of a grandchild, which would sleep on.
    let script = "sleep 600 & echo $! > pid; wait";
    let step = shell("hang", script).replace("label: hang,", "label: hang, X-Oyez: {timeout: 300ms},");
    let done = lab.run(&descriptor(&["T1"], &[&step])).ended(1);
    assert!(done.err.contains("timed out after 300ms"), "{}", done.err);
    let pid: u32 = lab.read("pid").trim().parse().unwrap();
    crate::lab::poll("the grandchild lives on", || {
        crate::lab::state_of(pid).is_none_or(|state| state == 'Z').then_some(())
    });
}

#[test]
fn a_ci_run_gets_the_summary_appended() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    let summary = lab.write("summary", "before\n");
    let done = lab.command(&["run", "job.yaml"]).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    Done::from(done).ended(0);
    let done = lab.command(&["exec", "--", "true"]).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    Done::from(done).ended(0);
    let text = lab.read("summary");
    assert!(text.starts_with("before\n"), "{text}");
    let own = lab.read("oyez-out/summary.md");
    assert!(text.contains(own.trim_end()), "{text}");
    assert!(text.len() > own.len() + "before\n".len() + 40, "that of `oyez exec` is there, too: {text}");
}

#[test]
fn a_summary_that_cannot_be_appended_costs_a_warning_and_nothing_else() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    let call = |arguments: &[&str]| {
        let mut command = lab.command(arguments);
        Done::from(command.env("GITHUB_STEP_SUMMARY", "/nowhere/summary").output().unwrap()).ended(0)
    };
    let run = call(&["run", "job.yaml"]);
    assert!(run.text().contains("SUCCESS") && run.err.contains("warning: cannot append"), "{run:?}");
    let exec = call(&["exec", "--", "true"]);
    assert!(exec.err.contains("warning: cannot append") && !exec.err.contains("recorded"), "{exec:?}");
}

#[test]
fn a_plan_shows_targets_and_steps_and_makes_no_store() {
    let lab = Lab::new();
    lab.write("job.yaml", hello());
    let done = lab.oyez(&["plan", "job.yaml"]).ended(0);
    for word in ["A job", "A test", "2 targets: T1, T2", "step hi: Echo", "TargetSuccess"] {
        assert!(done.text().contains(word), "{word}: {}", done.text());
    }
    let plan = lab.oyez(&["plan", "job.yaml", "--format", "json"]).ended(0).json();
    assert_eq!(plan["tests"][0]["steps"][0]["label"], "hi");
    assert!(!lab.path("store").exists());
}

#[test]
fn a_plan_shows_every_parameter_as_one_target_gets_it() {
    let lab = Lab::new();
    let steps = [
        "{name: variables, label: v, parameters: {x: [abc]}}",
        "{name: echo, label: hi, parameters: {text: ['I am {{ .ID }}, {{ StringVar \"v.x\" }}']}}",
        "{name: cmd, label: c, parameters: {executable: [echo], args: ['{{ .Nope }}', '{{ .ID }}']}}",
    ];
    lab.write("job.yaml", descriptor(&["T1", "T2"], &steps));
    let first = lab.oyez(&["plan", "job.yaml", "--data", "elsewhere"]).ended(0);
    for said in
        ["as T1 gets them", "text: I am T1, abc", "args[0]: it would fail", "can't evaluate field Nope"]
    {
        assert!(first.text().contains(said), "{said}: {}", first.text());
    }
    assert!(!lab.path("elsewhere").exists());
    let plan = lab.oyez(&["plan", "job.yaml", "--target", "T2", "--format", "json"]).ended(0).json();
    let steps = &plan["expanded"][0]["steps"];
    assert_eq!(steps[1]["parameters"]["text"][0], "I am T2, abc", "{plan:#}");
    assert_eq!(steps[2]["parameters"]["args"][1], "T2");
    assert_eq!(steps[2]["errors"][0]["parameter"], "args[0]");
    let wrong = lab.oyez(&["plan", "job.yaml", "--target", "T3"]).ended(2);
    assert!(wrong.err.contains("there are T1, T2"), "{}", wrong.err);
}

#[test]
fn a_mistake_in_yaml_has_its_line_and_column() {
    let lab = Lab::new();
    let text = descriptor(&["T1"], &["{name: ecoh, label: hi, parameters: {text: [a]}}"]);
    let (at, _) = text.match_indices("ecoh").next().unwrap();
    let line = text[..at].matches('\n').count() + 1;
    let column = at - text[..at].rfind('\n').map_or(0, |end| end + 1) + 1;
    lab.write("job.yaml", text);
    let done = lab.oyez(&["plan", "job.yaml"]).ended(2);
    assert!(
        done.err.contains(&format!("job.yaml:{line}:{column}: TestDescriptors[0].Steps[0].name:")),
        "{}",
        done.err
    );
}
