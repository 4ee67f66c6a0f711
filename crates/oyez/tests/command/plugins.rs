//! External plugins, by the command: where they are found, and what is said of them.

use std::path::{Path, PathBuf};

use crate::lab::{Lab, descriptor};

fn examples() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins")).unwrap()
}

fn waiting() -> String {
    descriptor(&["T1"], &["{name: stopwatch, label: wait, parameters: {seconds: [0]}}"])
}

#[test]
fn plugins_are_found_in_the_folder_that_is_named_else_in_the_environments_else_in_the_stores() {
    let lab = Lab::new();
    lab.write("job.yaml", waiting());
    let done = lab.oyez(&["run", "job.yaml", "--out", "out"]).ended(2);
    assert!(done.err.contains("TestStep stopwatch is not registered"), "{}", done.err);
    assert!(done.err.contains("store/plugins holds no plugins"), "{}", done.err);
    let folder = examples();
    lab.oyez(&["run", "job.yaml", "--out", "out", "--plugins", folder.to_str().unwrap()]).ended(0);
    let mut command = lab.command(&["run", "job.yaml", "--out", "out"]);
    assert!(command.env("OYEZ_PLUGINS", &folder).output().unwrap().status.success());
    std::os::unix::fs::symlink(&folder, lab.path("store/plugins")).unwrap();
    lab.oyez(&["run", "job.yaml", "--out", "out"]).ended(0);
    let steps: Vec<_> = lab.events().into_iter().filter(|event| event["kind"] == "target_in").collect();
    assert!(steps.iter().any(|event| event.to_string().contains("stopwatch")), "{steps:?}");
}

#[test]
fn a_plan_shows_plugins_and_what_they_say_of_their_parameters() {
    let lab = Lab::new();
    lab.write("job.yaml", waiting());
    let folder = examples();
    let plugins = ["--plugins", folder.to_str().unwrap()];
    let done = lab.oyez(&[&["plan", "job.yaml"], &plugins[..]].concat()).ended(0);
    assert!(done.text().contains("step wait: stopwatch"), "{}", done.text());
    lab.write("job.yaml", waiting().replace("[0]", "[soon]"));
    let done = lab.oyez(&[&["plan", "job.yaml"], &plugins[..]].concat()).ended(2);
    assert!(done.err.contains("Steps[0].parameters.seconds: not a time: "), "{}", done.err);
}

#[test]
fn what_a_plugin_will_say_stands_in_a_plan_by_its_name() {
    let lab = Lab::new();
    let job = examples().join("job.yaml");
    let (job, plugins) = (job.to_str().unwrap(), examples());
    let plan = |more: &[&str]| {
        lab.oyez(&[&["plan", job, "--plugins", plugins.to_str().unwrap()], more].concat()).ended(0)
    };
    let text = plan(&[]).text();
    for said in ["targets of the plugin shelf", "text: <ID> waited <wait.waited> s"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let json = plan(&["--target", "box-1", "--format", "json"]).json();
    assert_eq!(json["tests"][0]["target_manager"]["name"], "shelf");
    assert_eq!(json["expanded"][0]["steps"][1]["parameters"]["text"][0], "box-1 waited <wait.waited> s");
}

#[test]
fn a_plugin_is_checked_with_a_line_for_each_case() {
    let lab = Lab::new();
    let stopwatch = examples().join("stopwatch");
    let done = lab.oyez(&["plugin", "check", stopwatch.to_str().unwrap()]).ended(0);
    assert!(done.text().contains("passed  step: resume\n"), "{}", done.text());
    assert!(done.text().ends_with("stopwatch: 12 cases, 0 failed, 0 left out\n"), "{}", done.text());
    let done = lab.oyez(&["plugin", "check", "/bin/cat", "--format", "json"]).ended(1);
    let cases = done.json();
    assert_eq!((&cases[0]["case"], &cases[0]["verdict"]), (&"hello".into(), &"failed".into()));
    assert!(
        cases[0]["why"].as_str().unwrap().starts_with("it wrote a message `hello` that is not right"),
        "{cases}"
    );
    let done = lab.oyez(&["plugin", "check", "nowhere"]).ended(2);
    assert!(done.err.contains("nowhere: there is no such file"), "{}", done.err);
    let help = lab.oyez(&["plugin", "check", "--help"]).ended(0);
    assert!(help.text().contains("Examples:"));
}
