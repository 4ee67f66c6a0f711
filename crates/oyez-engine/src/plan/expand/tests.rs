use serde_json::{Value, json};

use super::*;
use crate::descriptor::ParseOptions;
use crate::environment::SearchPath;
use crate::plan::prepare;

fn plan(tests: &Value) -> Plan {
    let descriptor = json!({
        "JobName": "j", "Runs": 1, "TestDescriptors": tests, "Reporting": {"RunReporters": [{"Name": "noop"}]}});
    let programs = SearchPath::from_env();
    let prepared = prepare(descriptor.to_string().as_bytes(), &ParseOptions::default(), &programs);
    prepared.plan.unwrap_or_else(|| panic!("{:?}", prepared.diagnostics))
}

fn test(manager: &str, acquire: Value, steps: Value) -> Value {
    json!({
        "TargetManagerName": manager, "TargetManagerAcquireParameters": acquire,
        "TargetManagerReleaseParameters": {}, "TestFetcherName": "Literal",
        "TestFetcherFetchParameters": {"TestName": "t", "Steps": steps},
        "CleanupFetcherName": "Literal", "CleanupFetcherFetchParameters": {"Steps": [
            {"name": "echo", "label": "last", "parameters": {"text": ["bye {{ .ID }} {{ StringVar \"v.x\" }}"]}}]}})
}

fn of_list(ids: &[&str], steps: Value) -> Value {
    let targets: Vec<_> = ids.iter().map(|id| json!({"ID": id, "FQDN": format!("{id}.lab")})).collect();
    test("TargetList", json!({"Targets": targets}), steps)
}

fn shown(plan: &Plan, asked: Option<&str>) -> Vec<Value> {
    let expanded = expand(plan, &Functions::default(), asked).unwrap();
    expanded.iter().map(|test| serde_json::to_value(test).unwrap()).collect()
}

#[test]
fn each_kind_of_step_has_its_templates_and_nothing_else_expanded() {
    let id = "{{ .ID }}";
    let plan = plan(&json!([of_list(
        &["T1", "T2"],
        json!([
            {"name": "variables", "label": "v", "parameters": {"x": ["{{ .ID }}"]}},
            {"name": "echo", "label": "a", "parameters": {"text": ["hi {{ .FQDN }} {{ StringVar \"v.x\" }}"]}},
            {"name": "randecho", "label": "b", "parameters": {"text": [id]}},
            {"name": "cmd", "label": "c", "parameters": {
                "executable": ["sh"], "args": ["-c", id, 1.50], "dir": ["/tmp/{{ .ID }}"], "emit_stdout": [true]}},
            {"name": "sshcmd", "label": "d", "parameters": {
                "host": [id], "user": ["u"], "password": [id], "executable": ["e"], "expect": [id]}},
            {"name": "exec", "label": "e", "parameters": {"bag": [{
                "bin": {"path": "/bin/true", "args": [id]},
                "transport": {"proto": "ssh", "options": {"host": id, "user": "u", "password": "p"}},
                "exitcode_map": {"3": id}}]}},
            {"name": "gathercmd", "label": "g", "parameters": {"binary": ["sh"], "args": ["x"]}},
        ])
    )]));
    let test = &shown(&plan, Some("T2"))[0];
    assert_eq!(test["target"]["ID"], "T2");
    let parameters: Vec<&Value> =
        test["steps"].as_array().unwrap().iter().map(|step| &step["parameters"]).collect();
    assert_eq!(
        parameters,
        [
            &json!({"x": [id]}),
            &json!({"text": [format!("hi T2.lab {id}")]}),
            &json!({"text": [id]}),
            &json!({"executable": ["sh"], "args": ["-c", "T2", 1.5], "dir": ["/tmp/T2"], "emit_stdout": [true]}),
            &json!({"host": ["T2"], "user": ["u"], "password": ["(not shown)"], "executable": ["e"], "expect": [id]}),
            &json!({"bag": [{
                "bin": {"path": "/bin/true", "args": ["T2"]},
                "transport": {"proto": "ssh", "options": {"host": "T2", "user": "u", "password": "(not shown)"}},
                "exitcode_map": {"3": "T2"}}]}),
            &json!({"binary": ["sh"], "args": ["x"]}),
        ]
    );
    assert_eq!(test["cleanup_steps"][0]["parameters"]["text"][0], format!("bye T2 {id}"));
    assert!(!serde_json::to_string(&plan).unwrap().contains("\"p\""), "a password is shown");
}

#[test]
fn what_would_fail_is_said_at_its_place_and_stays_as_it_was_written() {
    let plan = plan(&json!([of_list(
        &["T1"],
        json!([
            {"name": "variables", "label": "v", "parameters": {"x": [5]}},
            {"name": "cmd", "label": "c", "parameters": {"executable": ["sh"], "args": [
                "{{ IntVar \"v.x\" }}", "{{ .Nope }}", "{{ nope }}", "{{", "{{ StringVar \"v.y\" }}"]}},
            {"name": "exec", "label": "e", "parameters": {"bag": [{
                "bin": {"path": "/bin/true", "args": ["{{ .Nope }}"]}, "transport": {"proto": "local"}}]}},
        ])
    )]));
    let test = &shown(&plan, None)[0];
    let args = &test["steps"][1]["parameters"]["args"];
    assert_eq!(*args, json!(["5", "{{ .Nope }}", "{{ nope }}", "{{", "{{ StringVar \"v.y\" }}"]));
    let places = |step: usize| -> Vec<&str> {
        let errors = test["steps"][step]["errors"].as_array().unwrap();
        errors.iter().map(|error| error["parameter"].as_str().unwrap()).collect()
    };
    assert_eq!(places(1), ["args[1]", "args[2]", "args[3]", "args[4]"]);
    assert_eq!(places(2), ["bag[0].bin.args[0]"]);
    assert_eq!(test["cleanup_steps"][0]["errors"][0]["parameter"], "text[0]", "v.x is no text");
}

#[test]
fn each_test_is_shown_for_its_own_first_target_or_for_the_one_that_is_asked_for() {
    let step = || json!([{"name": "echo", "label": "a", "parameters": {"text": ["{{ .ID }}"]}}]);
    let plan = plan(&json!([of_list(&["T1", "T2"], step()), of_list(&["T3"], step()), of_list(&[], step())]));
    let first = shown(&plan, None);
    assert_eq!((&first[0]["target"]["ID"], &first[1]["target"]["ID"]), (&json!("T1"), &json!("T3")));
    assert_eq!((&first[2]["target"], &first[2]["steps"]), (&Value::Null, &json!([])));
    let second = shown(&plan, Some("T2"));
    assert_eq!(second[0]["steps"][0]["parameters"]["text"][0], "T2");
    assert_eq!(second[1]["note"], "it does not run on T2");
    let wrong = expand(&plan, &Functions::default(), Some("t9")).unwrap_err();
    let expected = "no test runs on a target \"t9\"; there are T1, T2, T3: did you mean \"T1\"?";
    assert_eq!(wrong.to_string(), expected);
}

#[test]
fn targets_of_a_file_are_read_and_without_it_their_fields_stand_as_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.csv");
    let step = json!([{"name": "echo", "label": "a", "parameters": {"text": ["{{ .ID }} {{ .FQDN }}"]}}]);
    let acquire = json!({"FileURI": file, "MinNumberDevices": 1, "MaxNumberDevices": 2});
    let plan = plan(&json!([test("CSVFileTargetManager", acquire, step)]));
    let missing = &shown(&plan, None)[0];
    assert_eq!(missing["steps"][0]["parameters"]["text"][0], "<ID> <FQDN>");
    assert!(missing["note"].as_str().unwrap().contains("hosts.csv"), "{missing}");
    assert_eq!(shown(&plan, Some("X"))[0]["target"]["ID"], "X");
    std::fs::write(&file, "a,a.lab,,\nb,b.lab,,\n").unwrap();
    assert_eq!(shown(&plan, Some("b"))[0]["steps"][0]["parameters"]["text"][0], "b b.lab");
    assert!(expand(&plan, &Functions::default(), Some("X")).is_err());
}

#[test]
fn what_is_shown_is_bounded() {
    let long = &format!("{{{{ $x := printf \"%9000d\" 1 }}}}{{{{ print {}}}}}", "$x ".repeat(60));
    let steps: Vec<_> = (0..40)
        .map(|i| json!({"name": "echo", "label": format!("s{i}"), "parameters": {"text": [long]}}))
        .collect();
    let plan = plan(&json!([of_list(&["T1"], json!(steps))]));
    let test = &shown(&plan, None)[0];
    assert!(test.to_string().len() < 20 << 20);
    let last = &test["steps"][39];
    assert!(last["parameters"]["text"][0] == long.as_str());
    assert!(last["errors"][0]["error"].as_str().unwrap().contains("longer than 16 MiB"));
}
