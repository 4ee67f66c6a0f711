//! Descriptors from a user's point of view: what is wrong, where, and what to do.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oyez_engine::descriptor::ParseOptions;
use oyez_engine::plan::{SleepDuration, StepKind, TargetManager};
use oyez_engine::{Diagnostic, Environment, FetchLimits, Position, Prepared, Reporter, Uri, prepare};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Machine;

impl Environment for Machine {
    fn find_executable(&self, name: &str) -> Result<PathBuf, String> {
        match name {
            "echo" | "false" => Ok(Path::new("/usr/bin").join(name)),
            _ => Err(format!("exec: {name:?}: executable file not found in $PATH")),
        }
    }

    fn check_executable(&self, path: &Path) -> Result<(), String> {
        if path == Path::new("/bin/sh") { Ok(()) } else { Err("no such file or directory".to_owned()) }
    }

    fn fetch(&self, uri: &Uri, _limits: FetchLimits) -> Result<Vec<u8>, String> {
        Err(format!("{uri} is not there"))
    }
}

fn read(text: &str) -> Prepared {
    prepare(text.as_bytes(), &ParseOptions::default(), &Machine)
}

/// What is said, without line and column: the descriptors here are on one line.
fn said(prepared: &Prepared) -> Vec<String> {
    let without_position = |d: &Diagnostic| Diagnostic { position: None, ..d.clone() }.to_string();
    prepared.diagnostics.iter().map(without_position).collect()
}

/// A job of one test with these steps.
fn job(steps: Value) -> Value {
    json!({
        "JobName": "job",
        "Runs": 1,
        "TestDescriptors": [{
            "TargetManagerName": "TargetList",
            "TargetManagerAcquireParameters": {"Targets": [{"ID": "T1"}]},
            "TargetManagerReleaseParameters": {},
            "TestFetcherName": "Literal",
            "TestFetcherFetchParameters": {"TestName": "Test 1", "Steps": steps}
        }],
        "Reporting": {"RunReporters": [{"Name": "TargetSuccess", "Parameters": {"SuccessExpression": "=100%"}}]}
    })
}

fn echo(label: &str) -> Value {
    json!({"name": "echo", "label": label, "parameters": {"text": ["hello"]}})
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_place() {
    let mut job = job(json!([
        {"name": "ehco", "label": "a", "parameters": {"text": ["x"]}},
        {"name": "cmd", "label": "a b", "parameters": {"executable": ["nosuch"], "emit_stdout": ["maybe"]}},
        {"name": "sleep", "label": "c", "parameters": {"duration": ["3"], "durations": []}},
        {"name": "echo", "label": "c", "parameters": {"text": "not a list"}, "lable": "d"},
        null
    ]));
    job["JobName"] = json!("");
    job["Tags"] = json!(["ok", "not ok"]);
    job["RunIntervall"] = json!("3s");
    job["Reporting"]["RunReporters"][0]["Parameters"]["SuccessExpression"] = json!("80%");
    let prepared = read(&job.to_string());
    assert!(prepared.plan.is_none());
    let step = |i: usize, rest: &str| format!("TestDescriptors[0].Steps[{i}].{rest}");
    assert_eq!(
        said(&prepared),
        [
            "warning: RunIntervall: unknown field; it is ignored (hint: did you mean \"RunInterval\"?)".to_owned(),
            "error: Tags[1]: \"not ok\" is not a valid tag (hint: a tag is made of letters, digits, - and _)".into(),
            "error: JobName: job name cannot be empty".into(),
            "error: Reporting.RunReporters[0].Parameters.SuccessExpression: could not parse success expression \
             (hint: the operator stands first: \">=80%\")"
                .into(),
            format!("warning: {}: unknown field; it is ignored (hint: did you mean \"label\"?)", step(3, "lable")),
            format!(
                "error: {}: must be a list, not a string (\"not a list\") (hint: write [\"not a list\"])",
                step(3, "parameters.text")
            ),
            format!(
                "error: {}: TestStep ehco is not registered (hint: did you mean \"Echo\"?)",
                step(0, "name")
            ),
            format!(
                "error: {}: cannot find 'nosuch' executable in PATH: exec: \"nosuch\": executable file not found \
                 in $PATH (hint: install it, or give its whole path)",
                step(1, "parameters.executable")
            ),
            format!(
                "error: {}: invalid non-boolean `emit_stdout` parameter: strconv.ParseBool: parsing \"maybe\": \
                 invalid syntax (hint: write [true] or [false])",
                step(1, "parameters.emit_stdout")
            ),
            format!(
                "error: {}: 'a b' doesn't match variable name format: identifier should be an non-empty string \
                 that matches: [a-zA-Z]\\w* (hint: a label is made of letters, digits and _, and starts with a letter)",
                step(1, "label")
            ),
            format!(
                "warning: {}: unknown parameter; it is ignored (hint: did you mean \"duration\"?)",
                step(2, "parameters.durations")
            ),
            format!(
                "error: {}: invalid duration \"3\": time: missing unit in duration \"3\" (hint: write a duration \
                 with its unit: \"1m30s\", \"300ms\")",
                step(2, "parameters.duration")
            ),
            "error: TestDescriptors[0].Steps[4]: test step description is null".into(),
            format!("error: {}: found duplicated labels across test/cleanup steps: c", step(3, "label")),
        ]
    );
}

#[test]
fn a_mistake_has_its_line_and_column() {
    let text =
        serde_json::to_string_pretty(&job(json!([{"name": "echo", "label": "a b", "parameters": {}}])))
            .unwrap();
    let prepared = read(&text);
    let places: Vec<_> =
        prepared.diagnostics.iter().map(|d| (d.path.as_str(), d.position.unwrap())).collect();
    let line = |what: &str| 1 + text.lines().position(|line| line.contains(what)).unwrap();
    let column = |what: &str| 1 + text.lines().find_map(|line| line.find(what)).unwrap();
    assert_eq!(
        places,
        [
            (
                "TestDescriptors[0].Steps[0].parameters.text",
                Position {
                    line: line("\"parameters\": {}"),
                    column: column("\"parameters\": {}") + "\"parameters\": ".len()
                }
            ),
            (
                "TestDescriptors[0].Steps[0].label",
                Position { line: line("\"a b\""), column: column("\"a b\"") }
            ),
        ]
    );
    assert!(prepared.diagnostics[1].to_string().starts_with("error: line "));
}

#[test]
fn names_of_fields_match_in_any_case() {
    let text = job(json!([echo("a")])).to_string();
    let lower = text
        .replace("JobName", "jobname")
        .replace("TestDescriptors", "TESTDESCRIPTORS")
        .replace("TargetManagerName", "targetmanagername")
        .replace("TestFetcherFetchParameters", "testFetcherFetchParameters")
        .replace("\"Steps\"", "\"steps\"")
        .replace("\"label\"", "\"Label\"")
        .replace("SuccessExpression", "successexpression")
        .replace("\"ID\"", "\"id\"");
    assert_ne!(text, lower);
    let prepared = read(&lower);
    assert_eq!(said(&prepared), [""; 0]);
    assert_eq!(prepared.plan.unwrap().tests[0].steps[0].label, "a");
}

#[test]
fn nothing_is_the_same_as_null() {
    let mut job = job(json!([echo("a")]));
    for field in ["Tags", "RunInterval", "TargetManagerAcquireTimeout", "X-Oyez"] {
        job[field] = Value::Null;
    }
    job["Reporting"]["FinalReporters"] = Value::Null;
    for field in ["Disabled", "RetryParameters", "CleanupFetcherName", "X-Oyez"] {
        job["TestDescriptors"][0][field] = Value::Null;
    }
    let prepared = read(&job.to_string());
    assert_eq!(said(&prepared), [""; 0]);
    assert!(prepared.plan.is_some());
}

#[test]
fn a_test_whose_parameters_are_missing_is_refused_as_contest_refuses_it() {
    let mut job = job(json!([echo("a")]));
    let test = job["TestDescriptors"][0].as_object_mut().unwrap();
    for field in
        ["TargetManagerAcquireParameters", "TargetManagerReleaseParameters", "TestFetcherFetchParameters"]
    {
        test.remove(field);
    }
    job["TestDescriptors"].as_array_mut().unwrap().push(Value::Null);
    let prepared = read(&job.to_string());
    let errors: Vec<_> = prepared.diagnostics.iter().map(|d| (d.path.as_str(), d.contest.as_str())).collect();
    assert_eq!(
        errors,
        [
            (
                "TestDescriptors[0].TestFetcherFetchParameters",
                "could not get steps descriptors: could not validate TestFetcher fetch parameters: unexpected end \
                 of JSON input"
            ),
            ("TestDescriptors[1]", "could not get steps descriptors: test description is null"),
            (
                "TestDescriptors[0].TargetManagerAcquireParameters",
                "could not build test steps: could not validate TargetManager acquire parameters: unexpected end \
                 of JSON input"
            ),
            (
                "TestDescriptors[0].TargetManagerReleaseParameters",
                "could not build test steps: could not validate TargetManager release parameters: unexpected end \
                 of JSON input"
            ),
        ]
    );
}

#[test]
fn fields_of_our_own_are_read_and_checked() {
    let mut job = job(json!([echo("a")]));
    job["X-Oyez"] = json!({"project": "p", "variant": {"board": "x1"}, "timeout": "1h", "colour": "red"});
    job["TestDescriptors"][0]["X-Oyez"] = json!({"timeout": "10m"});
    job["TestDescriptors"][0]["TestFetcherFetchParameters"]["Steps"][0]["X-Oyez"] =
        json!({"timeout": "5s", "repeatable": true, "repeatible": true});
    let prepared = read(&job.to_string());
    assert_eq!(
        said(&prepared),
        [
            "warning: X-Oyez.colour: unknown field; it is ignored",
            "warning: TestDescriptors[0].Steps[0].X-Oyez.repeatible: unknown field; it is ignored (hint: did you \
             mean \"repeatable\"?)",
        ]
    );
    let plan = prepared.plan.unwrap();
    assert_eq!(plan.extensions.project.as_deref(), Some("p"));
    assert_eq!(plan.extensions.variant["board"], "x1");
    assert_eq!(plan.extensions.timeout.unwrap().to_string(), "1h0m0s");
    assert_eq!(plan.tests[0].extensions.timeout.unwrap().to_string(), "10m0s");
    let step = plan.tests[0].steps[0].extensions;
    assert!(step.repeatable && step.timeout.unwrap().to_string() == "5s");
}

#[test]
fn a_timeout_of_our_own_is_not_negative_and_numbers_say_their_limit() {
    let mut job = job(json!([echo("a")]));
    job["X-Oyez"] = json!({"timeout": "-5s"});
    job["Runs"] = json!(7777);
    job["TestDescriptors"][0]["X-Oyez"] = json!({"timeout": "-1ns"});
    job["TestDescriptors"][0]["TestFetcherFetchParameters"]["Steps"][0]["X-Oyez"] = json!({"timeout": "-1h"});
    let said = said(&read(&job.to_string().replace("7777", "18446744073709551616")));
    let negative = |place: &str| {
        format!("error: {place}X-Oyez.timeout: a timeout cannot be negative (hint: leave it out for none)")
    };
    for place in ["", "TestDescriptors[0].", "TestDescriptors[0].Steps[0]."] {
        assert!(said.contains(&negative(place)), "{said:#?}");
    }
    assert!(said.iter().any(|line| line.starts_with("error: Runs: must be at most ")), "{said:#?}");
}

#[test]
fn a_plan_holds_what_will_be_done() {
    let mut job = job(json!([
        {"name": "variables", "label": "v", "parameters": {"message": ["Hello"], "o": [{"a": 1}]}},
        {"name": "CMD", "label": "c", "parameters": {
            "executable": ["echo"], "args": ["{{ StringVar \"v.message\" }}", 1.50], "dir": ["/tmp"]}},
        {"name": "sleep", "label": "s", "parameters": {"duration": ["1m30s"]}},
        {"name": "sleep", "label": "t", "parameters": {"duration": ["{{ IntVar \"v.o\" }}s"]}}
    ]));
    job["Runs"] = json!(0);
    job["TestDescriptors"][0]["RetryParameters"] = json!({"NumRetries": 2, "RetryInterval": "10s"});
    job["TestDescriptors"][0]["CleanupFetcherName"] = json!("literal");
    job["TestDescriptors"][0]["CleanupFetcherFetchParameters"] = json!({"Steps": [echo("e")]});
    let mut disabled = job["TestDescriptors"][0].clone();
    disabled["Disabled"] = json!(true);
    job["TestDescriptors"].as_array_mut().unwrap().insert(0, disabled);
    job["Reporting"]["FinalReporters"] = json!([{"Name": "noop"}, {"Name": "targetsuccess", "Parameters": {"AverageSuccessExpression": ">=50%"}}]);
    let prepared = read(&job.to_string());
    assert_eq!(said(&prepared), [""; 0]);
    let (descriptor, plan) = (prepared.descriptor.unwrap(), prepared.plan.unwrap());
    assert_eq!(plan.runs, None);
    assert_eq!((plan.disabled.len(), plan.disabled[0].index, plan.tests.len()), (1, 0, 1));
    let test = &plan.tests[0];
    assert_eq!((test.index, test.retry.retries, test.cleanup_steps.len()), (1, 2, 1));
    let TargetManager::TargetList { targets } = &test.target_manager else { panic!("{test:?}") };
    assert_eq!(targets[0].id, "T1");
    let plugins: Vec<_> = test.steps.iter().map(|step| step.kind.plugin()).collect();
    assert_eq!(plugins, ["variables", "Cmd", "Sleep", "Sleep"]);
    let StepKind::Cmd(cmd) = &test.steps[1].kind else { panic!("{:?}", test.steps[1]) };
    assert_eq!(cmd.executable, Path::new("/usr/bin/echo"));
    assert!(!cmd.emit_stdout);
    let StepKind::Sleep { duration: SleepDuration::Fixed(duration) } = &test.steps[2].kind else { panic!() };
    assert_eq!(duration.to_string(), "1m30s");
    assert!(matches!(&test.steps[3].kind, StepKind::Sleep { duration: SleepDuration::Template(_) }));
    let names: Vec<_> = plan.final_reporters.iter().map(|r| r.reporter.name()).collect();
    assert_eq!(names, ["noop", "TargetSuccess"]);
    assert!(matches!(plan.run_reporters[0].reporter, Reporter::TargetSuccess(_)));

    let extended: Value = serde_json::to_value(plan.extended(&descriptor)).unwrap();
    let text = serde_json::to_string(&plan.extended(&descriptor)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), extended);
    assert_eq!(extended["JobName"], "job");
    assert_eq!(extended["Version"], "1.0");
    assert_eq!(extended["TestDescriptors"][0]["Disabled"], true);
    let steps = &extended["TestStepsDescriptors"];
    assert_eq!(steps.as_array().unwrap().len(), 2);
    assert_eq!(steps[1]["TestName"], "Test 1");
    assert_eq!(steps[1]["TestSteps"][1]["Parameters"]["dir"], json!(["/tmp"]));
    assert_eq!(steps[1]["CleanupSteps"][0]["Label"], "e");
    // What is stored can be read again, with nothing to complain about.
    let again = read(&serde_json::to_string(&descriptor).unwrap());
    assert_eq!(said(&again), [""; 0]);
    assert_eq!(again.plan.unwrap().tests[0].steps.len(), 4);
    assert!(serde_json::to_string(&plan).unwrap().contains("\"expression\":\"=100%\""));
}

#[test]
fn the_json_of_a_parameter_is_kept_as_it_was_written() {
    let text =
        job(json!([{"name": "cmd", "label": "c", "parameters": {"executable": ["echo"], "args": ["@"]}}]));
    let text = text.to_string().replace("\"@\"", "1.50, {\"a\":  1}");
    let plan = read(&text).plan.unwrap();
    let StepKind::Cmd(cmd) = &plan.tests[0].steps[0].kind else { panic!() };
    let args: Vec<_> = cmd.args.iter().map(|arg| arg.text()).collect();
    assert_eq!(args, ["1.50", "{\"a\":  1}"]);
}

#[test]
fn templates_that_will_fail_are_pointed_out() {
    let prepared = read(
        &job(json!([
            {"name": "variables", "label": "v", "parameters": {"a": [1]}},
            {"name": "echo", "label": "e", "parameters": {"text": ["{{ .Fqdn }}"]}},
            {"name": "cmd", "label": "c", "parameters": {"executable": ["/no/such"], "args": [
                "{{ Upper .ID }}", "{{ IntVar \"v.a\" }}{{ IntVar \"v.b\" }}{{ IntVar \"w.a\" }}"]}}
        ]))
        .to_string(),
    );
    assert!(prepared.plan.is_some());
    let messages: Vec<_> =
        prepared.diagnostics.iter().map(|d| format!("{}: {}", d.path, d.message)).collect();
    let step = |i: usize, rest: &str| format!("TestDescriptors[0].Steps[{i}].parameters.{rest}");
    assert_eq!(
        messages,
        [
            format!("{}: can't evaluate field Fqdn in type *target.Target", step(1, "text")),
            format!("{}: /no/such cannot be executed here: no such file or directory", step(2, "executable")),
            format!(
                "{}: failed to parse template: template: :1: function \"Upper\" not defined",
                step(2, "args[0]")
            ),
            format!("{}: step 'v' sets no variable 'b'", step(2, "args[1]")),
            format!("{}: no step before this one has the label 'w'", step(2, "args[1]")),
        ]
    );
}

#[test]
fn reporters_are_checked_each_in_its_own_way() {
    let mut job = job(json!([echo("a")]));
    job["Reporting"] = json!({
        "RunReporters": [{"Name": " "}, {"Name": "n".repeat(33)}, {"Name": "TargetSuccess"}],
        "FinalReporters": [
            {"Name": ""},
            {"Name": "TargetSuccess", "Parameters": {"SuccessExpression": "=100%"}},
            {"Name": "TargetSucess", "Parameters": {}},
        ]
    });
    let prepared = read(&job.to_string());
    let errors: Vec<_> =
        prepared.diagnostics.iter().map(|d| if d.is_error() { &d.contest } else { &d.message }).collect();
    assert_eq!(
        errors,
        [
            "could not validate job descriptor: run reporters cannot have empty or all-whitespace names",
            "error while building reporters bundles: Reporter name is too long: 33 > 32",
            "error while building reporters bundles: failed to create bundle for run reporter 'TargetSuccess': could \
             not validate run reporter parameters: unexpected end of JSON input",
            "error while building reporters bundles: invalid empty or all-whitespace final reporter name",
            "unknown field; it is ignored",
            "error while building reporters bundles: failed to create bundle for final reporter 'TargetSuccess': \
             could not validate run reporter parameters: could not parse average success expression",
            "error while building reporters bundles: failed to create bundle for final reporter 'TargetSucess': \
             could not get reporter 'TargetSucess': Reporter TargetSucess is not registered",
        ]
    );
    assert_eq!(prepared.diagnostics[4].hint.as_deref(), Some("did you mean \"AverageSuccessExpression\"?"));
}

#[test]
fn a_version_without_quotes_in_yaml_says_how_to_write_it() {
    let prepared = read("JobName: x\nVersion: 1.0\n");
    let first = said(&prepared).remove(0);
    assert!(first.starts_with("error: Version: must be a string, not a number"), "{first}");
}

#[test]
fn a_million_targets_are_read_in_no_time() {
    let targets: Vec<_> =
        (0..1_000_000).map(|n| format!("{{\"ID\":\"T{n}\",\"FQDN\":\"t{n}.example.org\"}}")).collect();
    let text = job(json!([echo("a")])).to_string().replace("{\"ID\":\"T1\"}", &targets.join(","));
    let start = Instant::now();
    let prepared = read(&text);
    let elapsed = start.elapsed();
    assert_eq!(said(&prepared), [""; 0]);
    let plan = prepared.plan.unwrap();
    let TargetManager::TargetList { targets } = &plan.tests[0].target_manager else { panic!("{plan:?}") };
    assert_eq!(targets.len(), 1_000_000);
    // Far above what it takes even in a debug build on a busy machine, far below anything quadratic.
    assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
    println!("{elapsed:?}");
}

#[test]
fn a_million_wrong_targets_are_said_in_a_few_lines() {
    let targets = vec!["{\"id\":5}"; 300_000].join(",");
    let text = job(json!([echo("a")])).to_string().replace("{\"ID\":\"T1\"}", &targets);
    let prepared = read(&text);
    assert!(prepared.diagnostics.len() <= 201);
    assert!(said(&prepared).last().unwrap().contains("more that are not listed"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "cmd",
            "echo",
            "sleep",
            "variables",
            "TargetList",
            "literal",
            "TargetSuccess",
            "noop",
            "=100%",
            "1.0",
            "3s",
            "{{ .ID }}",
            "{{",
            "_x"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let names = prop::sample::select(vec![
            "JobName",
            "Version",
            "Tags",
            "Runs",
            "RunInterval",
            "TestDescriptors",
            "Reporting",
            "RunReporters",
            "FinalReporters",
            "Name",
            "Parameters",
            "SuccessExpression",
            "TargetManagerName",
            "X-Oyez",
            "variant",
            "TargetManagerAcquireParameters",
            "TargetManagerReleaseParameters",
            "TestFetcherName",
            "Targets",
            "ID",
            "TestFetcherFetchParameters",
            "TestName",
            "Steps",
            "label",
            "parameters",
            "text",
            "executable",
            "args",
            "duration",
            "VariablesMapping",
            "CleanupFetcherName",
            "CleanupFetcherFetchParameters",
            "bogus",
            "",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics(value in any_json(), place in prop::sample::select(vec!["", "/TestDescriptors/0", "/Reporting", "/TestDescriptors/0/TestFetcherFetchParameters", "/TestDescriptors/0/TestFetcherFetchParameters/Steps/0", "/TestDescriptors/0/TargetManagerAcquireParameters", "/TestDescriptors/0/TestFetcherFetchParameters/Steps/0/parameters"])) {
        let mut job = job(json!([echo("a")]));
        *job.pointer_mut(place).unwrap() = value;
        let prepared = read(&job.to_string());
        let errors = prepared.diagnostics.iter().filter(|d| d.is_error()).count();
        prop_assert_eq!(prepared.plan.is_none(), errors > 0);
        for diagnostic in prepared.diagnostics.iter().filter(|d| d.is_error()) {
            prop_assert!(!diagnostic.contest.is_empty());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = prepare(&bytes, &ParseOptions::default(), &Machine);
    }

    #[test]
    fn no_text_panics(text in "[{}\\[\\]:,\"a-zA-Z0-9 \\n\\\\-]{0,120}") {
        let _any = read(&text);
    }
}
