//! The parameters of steps: what is refused is refused with ConTest's text, what it takes is taken.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

use std::path::{Path, PathBuf};

use oyez_engine::descriptor::ParseOptions;
use oyez_engine::plan::StepKind;
use oyez_engine::{Environment, FetchLimits, Prepared, Uri, prepare};
use serde_json::{Value, json};

struct Machine;

impl Environment for Machine {
    fn find_executable(&self, name: &str) -> Result<PathBuf, String> {
        match name {
            "echo" => Ok(PathBuf::from("/usr/bin/echo")),
            _ => Err(format!("exec: {name:?}: executable file not found in $PATH")),
        }
    }

    fn check_executable(&self, _path: &Path) -> Result<(), String> {
        Ok(())
    }

    fn fetch(&self, uri: &Uri, _limits: FetchLimits) -> Result<Vec<u8>, String> {
        Err(format!("{uri} is not there"))
    }
}

fn prepared(name: &str, parameters: &Value) -> Prepared {
    let job = json!({
        "JobName": "job", "Runs": 1,
        "TestDescriptors": [{
            "TargetManagerName": "TargetList",
            "TargetManagerAcquireParameters": {"Targets": [{"ID": "T1"}]},
            "TargetManagerReleaseParameters": {},
            "TestFetcherName": "Literal",
            "TestFetcherFetchParameters": {
                "TestName": "Test 1", "Steps": [{"name": name, "label": "s", "parameters": parameters}]
            }
        }],
        "Reporting": {"RunReporters": [{"Name": "noop"}]}
    });
    prepare(job.to_string().as_bytes(), &ParseOptions::default(), &Machine)
}

/// The step as it is planned, and what is said about it.
fn planned(name: &str, parameters: Value) -> (StepKind, Vec<String>) {
    let prepared = prepared(name, &parameters);
    let said = prepared.diagnostics.iter().map(|d| d.message.clone()).collect();
    assert!(prepared.plan.is_some(), "{name}: {:#?}", prepared.diagnostics);
    let plan = prepared.plan.unwrap();
    (plan.tests[0].steps[0].kind.clone(), said)
}

/// ConTest's answer, without what stands before it for every step.
fn refused(name: &str, parameters: Value) -> String {
    let prepared = prepared(name, &parameters);
    assert!(prepared.plan.is_none(), "{name} {parameters}");
    let first = prepared.diagnostics.iter().find(|d| d.is_error()).unwrap();
    let prefix = format!(
        "could not build test steps: could not create test steps bundles: NewStepBundle for test step '{name}' with index \
         0 failed: could not validate parameters for test step {name}: "
    );
    assert!(first.path.starts_with("TestDescriptors[0].Steps[0].parameters"), "{first}");
    assert!(first.contest.starts_with(&prefix), "{}", first.contest);
    first.contest[prefix.len()..].to_owned()
}

/// The parameters with one of them changed, or left out.
fn but(whole: &Value, name: &str, value: Value) -> Value {
    let mut changed = whole.clone();
    match value {
        Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
        value => changed[name] = value,
    }
    changed
}

#[test]
fn waitport() {
    let whole = json!({"port": [80], "protocol": ["TCP4"], "check_interval": ["1s"], "timeout": ["1m"]});
    let (kind, said) = planned("waitport", whole.clone());
    assert_eq!((kind.plugin(), said), ("waitport", vec![]));
    assert_eq!(
        serde_json::to_value(kind).unwrap()["parameters"],
        json!({"port": 80, "protocol": "tcp4", "check_interval": "1s", "timeout": "1m0s"})
    );
    let refused = |name, value| refused("waitport", but(&whole, name, value));
    assert_eq!(refused("target", json!(["a", "b"])), "0 or 1 'target' parameters should be provided");
    assert_eq!(
        refused("port", Value::Null),
        "failed to parse 'port' parameter: expected an integer string, got an empty string"
    );
    assert_eq!(
        refused("port", json!(["x"])),
        "failed to parse 'port' parameter: cannot convert 'x' to int: strconv.ParseInt: parsing \"x\": invalid syntax"
    );
    assert_eq!(
        refused("port", json!([65536])),
        "'port' parameter should be a positive integer that is less than 65535, got: '65536'"
    );
    assert_eq!(refused("protocol", json!([])), "a single 'protocol' should be provided");
    assert_eq!(
        refused("protocol", json!(["icmp"])),
        "'protocol' should be one of [tcp, tcp4, tcp6, udp, udp4, udp6]"
    );
    assert_eq!(refused("timeout", Value::Null), "a single 'timeout' should be provided");
    assert_eq!(
        refused("check_interval", json!(["5"])),
        "failed to convert '5' duration parameter, err: time: missing unit in duration \"5\""
    );
}

#[test]
fn randecho_and_gathercmd() {
    assert_eq!(refused("randecho", json!({})), "Missing 'text' field in echo parameters");
    assert_eq!(planned("randecho", json!({"text": ["x"]})).1, [""; 0]);
    let (kind, said) = planned("gathercmd", json!({"binary": ["echo"], "args": ["{{ ToUpper \"x\" }}"]}));
    assert_eq!((kind.plugin(), said), ("GatherCmd", vec![]));
    assert_eq!(refused("gathercmd", json!({})), "invalid or missing 'binary' parameter");
    assert!(
        refused("gathercmd", json!({"binary": ["no"]})).starts_with("cannot find 'no' executable in PATH: ")
    );
    let unknown = refused("gathercmd", json!({"binary": ["echo"], "args": ["{{ Nope }}"]}));
    assert!(
        unknown.starts_with("failed to expand argument: {{ Nope }} -> failed to parse template: "),
        "{unknown}"
    );
}

#[test]
fn sshcmd() {
    let whole =
        json!({"host": ["{{ .FQDN }}"], "user": ["root"], "executable": ["true"], "port": ["{{ 22 }}"]});
    let (kind, said) = planned("sshcmd", but(&whole, "password", json!(["secret"])));
    assert_eq!((kind.plugin(), said), ("SSHCmd", vec![]));
    assert!(!serde_json::to_string(&kind).unwrap().contains("secret"), "a plan is shown to anybody");
    let refused = |name, value| refused("sshcmd", but(&whole, name, value));
    for name in ["host", "user", "executable"] {
        let message = format!("invalid or missing '{name}' parameter, must be exactly one string");
        assert_eq!(refused(name, Value::Null), message);
    }
    assert_eq!(refused("port", json!([65536])), "invalid 'port' parameter: not in range 0-65535");
    assert!(
        refused("port", json!(["ssh"]))
            .starts_with("invalid 'port' parameter, not an integer: cannot convert 'ssh'")
    );
    let (_, said) = planned("sshcmd", but(&whole, "expect", json!(["("])));
    assert!(said[0].starts_with("malformed expect parameter: Can not compile ("), "{said:?}");
}

#[test]
fn exec() {
    let whole = json!({"bin": {"path": "/bin/{{ .ID }}", "args": ["a"]}, "transport": {"proto": "local"}});
    let (kind, said) = planned("exec", json!({"bag": [whole]}));
    assert_eq!((kind.plugin(), said), ("Exec", vec![]));
    for bag in [
        json!("x"),
        json!({"bin": {"path": 5}}),
        json!({"exitcode_map": {"x": "y"}}),
        json!({"ocp_output": "yes"}),
    ] {
        assert_eq!(refused("exec", json!({"bag": [bag]})), "failed to deserialize parameters");
    }
    assert_eq!(refused("exec", json!({})), "failed to deserialize parameters");
    let first = prepared("exec", &json!({"bag": [{"bin": {"args": "a"}}]})).diagnostics.remove(0);
    assert_eq!(first.path, "TestDescriptors[0].Steps[0].parameters.bag[0].bin.args");
    assert!(first.message.contains("must be a list, not a string"), "{first}");
    let (_, said) = planned("exec", json!({"bag": [but(&whole, "transport", json!({"proto": "ftp"}))]}));
    assert_eq!(said, ["fail to create transport: no such transport: ftp"]);
}

#[test]
fn terminalexpect_and_qemu() {
    let whole = json!({"port": ["/dev/ttyUSB0"], "speed": [115_200], "match": ["login"], "timeout": ["30s"]});
    assert_eq!(planned("terminalexpect", whole.clone()).1, [""; 0]);
    let terminal = |name, value| refused("terminalexpect", but(&whole, name, value));
    for name in ["port", "match", "timeout"] {
        let message = format!("invalid or missing '{name}' parameter, must be exactly one string");
        assert_eq!(terminal(name, Value::Null), message);
    }
    assert_eq!(
        terminal("speed", Value::Null),
        "invalid or missing 'speed' parameter: expected an integer string, got an empty string"
    );
    assert_eq!(terminal("timeout", json!(["x"])), "invalid terminal timeout x");
    let machine =
        json!({"executable": ["qemu-system-x86_64"], "firmware": ["/bios"], "steps": [{"expect": "x"}]});
    assert_eq!(planned("qemu", machine.clone()).1, [""; 0]);
    assert_eq!(refused("qemu", but(&machine, "executable", Value::Null)), "No Qemu executable given");
    assert_eq!(
        refused("qemu", but(&machine, "firmware", Value::Null)),
        "Missing 'firmware' field in qemu parameters"
    );
}

#[test]
fn s3fileupload() {
    let whole =
        json!({"path": ["/x"], "filename": ["x"], "s3region": ["r"], "s3bucket": ["b"], "s3path": ["p"]});
    let (kind, said) = planned("s3fileupload", whole.clone());
    assert_eq!((kind.plugin(), said), ("s3FileUpload", vec![]));
    for name in ["path", "filename", "s3region", "s3bucket", "s3path"] {
        let message = format!("missing or empty '{name}' parameter");
        assert_eq!(refused("s3fileupload", but(&whole, name, json!([""]))), message);
    }
    assert_eq!(
        refused("s3fileupload", but(&whole, "compgzip", json!(["perhaps"]))),
        "invalid non-boolean `compgzip` parameter: strconv.ParseBool: parsing \"perhaps\": invalid syntax"
    );
}

#[test]
fn a_parameter_that_no_step_knows_is_pointed_out() {
    for name in
        ["waitport", "sshcmd", "exec", "terminalexpect", "qemu", "s3fileupload", "gathercmd", "randecho"]
    {
        let warnings = prepared(name, &json!({"hots": ["x"]})).diagnostics;
        assert!(warnings.iter().any(|d| d.message.contains("unknown parameter")), "{name}: {warnings:?}");
    }
}
