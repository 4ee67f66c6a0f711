//! The bag: one JSON object, every string of which is a template, the names of members as well.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::descriptor::{Level, Reader};
use crate::diagnostic::{Path, Sink};
use crate::duration::GoDuration;
use crate::steps::Text;
use crate::steps::ssh::Login;
use crate::template::{Functions, Subject};

static BAG: Level =
    Level { go: "stepParams", fields: &["bin", "transport", "ocp_output", "constraints", "exitcode_map"] };
static BIN: Level = Level { go: "stepParams", fields: &["path", "args"] };
static TRANSPORT: Level = Level { go: "stepParams", fields: &["proto", "options"] };
static CONSTRAINTS: Level = Level { go: "stepParams", fields: &["time_quota"] };
static OPTIONS: Level = Level {
    go: "SSHTransportConfig",
    fields: &[
        "host",
        "port",
        "user",
        "password",
        "identity_file",
        "timeout",
        "send_binary",
        "async",
        "check_host_key",
        "known_hosts",
    ],
};
static ASYNC: Level = Level { go: "SSHTransportConfig", fields: &["agent", "time_quota"] };

/// The time to connect in where nothing is said.
const TIMEOUT: GoDuration = GoDuration::from_secs(600);

/// The bag with its templates parsed.
#[derive(Debug)]
pub(super) struct Bag(Tree);

#[derive(Debug)]
enum Tree {
    /// Nothing to expand.
    Leaf(Value),
    Text(Text),
    List(Vec<Tree>),
    Map(Vec<(Text, Tree)>),
}

/// What is to be done for one target.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) transport: Transport,
    pub(super) ocp_output: bool,
    /// How long it may take; none for as long as it likes.
    pub(super) time_quota: Option<GoDuration>,
    /// What is said of an exit code.
    pub(super) exit_codes: BTreeMap<i64, String>,
}

/// Where the program runs.
#[derive(Debug)]
pub(super) enum Transport {
    Local,
    Ssh(Box<Ssh>),
}

/// How it is run over ssh.
#[derive(Debug)]
pub(super) struct Ssh {
    pub(super) login: Login,
    /// How long connecting may take.
    pub(super) timeout: Duration,
    /// Whether the program is one of this machine that is sent there first.
    pub(super) send_binary: bool,
    pub(super) agent: Option<Agent>,
}

/// Who runs it when nobody is connected.
#[derive(Debug)]
pub(super) struct Agent {
    /// A program of this machine; empty for ours.
    pub(super) program: String,
    pub(super) time_quota: Option<GoDuration>,
}

impl Bag {
    pub(super) fn new(raw: &RawValue, functions: &Functions) -> Result<Bag, String> {
        let value: Value = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
        Ok(Bag(Tree::new(value, functions)))
    }

    /// What is to be done for a target.
    pub(super) fn expand(&self, subject: &Subject<'_>) -> Result<Task, String> {
        let raw = to_raw_value(&self.0.expand(subject)?).map_err(|e| e.to_string())?;
        let mut sink = Sink::new();
        let task = read(&raw, &mut Reader { sink: &mut sink });
        match sink.finish().into_iter().find(crate::Diagnostic::is_error) {
            Some(wrong) => {
                Err(format!("failed to deserialize parameters: {}: {}", wrong.path, wrong.message))
            }
            None => task,
        }
    }
}

impl Tree {
    fn new(value: Value, functions: &Functions) -> Tree {
        match value {
            Value::String(text) => Tree::Text(Text::parse(&text, functions)),
            Value::Array(items) => Tree::List(items.into_iter().map(|v| Tree::new(v, functions)).collect()),
            Value::Object(map) => {
                let member =
                    |(name, v): (String, Value)| (Text::parse(&name, functions), Tree::new(v, functions));
                Tree::Map(map.into_iter().map(member).collect())
            }
            leaf => Tree::Leaf(leaf),
        }
    }

    fn expand(&self, subject: &Subject<'_>) -> Result<Value, String> {
        Ok(match self {
            Tree::Leaf(value) => value.clone(),
            Tree::Text(text) => Value::String(text.expand(subject)?),
            Tree::List(items) => {
                Value::Array(items.iter().map(|item| item.expand(subject)).collect::<Result<_, _>>()?)
            }
            Tree::Map(members) => {
                let member =
                    |(name, value): &(Text, Tree)| Ok((name.expand(subject)?, value.expand(subject)?));
                Value::Object(members.iter().map(member).collect::<Result<Map<_, _>, String>>()?)
            }
        })
    }
}

fn read(raw: &RawValue, reader: &mut Reader<'_>) -> Result<Task, String> {
    let path = Path::Root.field("bag");
    let bag = reader.object(Some(raw), &BAG, &path);
    let bin_path = path.field("bin");
    let bin = reader.object(bag.get("bin"), &BIN, &bin_path);
    let program = reader.string(bin.get("path"), &BIN, &bin_path.field("path"));
    let args_path = bin_path.field("args");
    let args = reader.items(bin.get("args"), &BIN, "[]string", &args_path);
    let args: Vec<String> = args
        .into_iter()
        .enumerate()
        .map(|(i, arg)| reader.string(Some(arg), &BIN, &args_path.item(i)))
        .collect();
    let constraints_path = path.field("constraints");
    let constraints = reader.object(bag.get("constraints"), &CONSTRAINTS, &constraints_path);
    let quota = reader.duration(constraints.get("time_quota"), &constraints_path.field("time_quota"));
    let map_path = path.field("exitcode_map");
    let mut exit_codes = BTreeMap::new();
    for (code, text) in reader.map(bag.get("exitcode_map"), &BAG, "map[int]string", &map_path) {
        let path = map_path.field(&code);
        let text = reader.string(Some(text), &BAG, &path);
        match code.parse() {
            Ok(code) => drop(exit_codes.insert(code, text)),
            Err(_) => drop(reader.sink.error(&path, "must be the number of an exit code").clone()),
        }
    }
    let ocp_output = reader.bool(bag.get("ocp_output"), &BAG, &path.field("ocp_output"));
    let transport_path = path.field("transport");
    let transport = reader.object(bag.get("transport"), &TRANSPORT, &transport_path);
    let proto = reader.string(transport.get("proto"), &TRANSPORT, &transport_path.field("proto"));
    let transport = match proto.as_str() {
        "local" => Transport::Local,
        "ssh" => Transport::Ssh(Box::new(ssh(transport.get("options"), &transport_path, reader))),
        other => return Err(format!("fail to create transport: no such transport: {other}")),
    };
    let time_quota = quota.filter(|quota| quota.0 > 0);
    if std::iter::once(&program).chain(&args).any(|word| word.contains('\0')) {
        return Err("an argument holds a NUL character, which no program can be given".to_owned());
    }
    Ok(Task { program, args, transport, ocp_output, time_quota, exit_codes })
}

fn ssh(raw: Option<&RawValue>, transport: &Path<'_>, reader: &mut Reader<'_>) -> Ssh {
    let path = transport.field("options");
    let options = reader.object(raw, &OPTIONS, &path);
    let text =
        |name: &str, reader: &mut Reader<'_>| reader.string(options.get(name), &OPTIONS, &path.field(name));
    let port_path = path.field("port");
    // ConTest takes numbers only; a text may come from a template.
    let port = options.get("port").map(|raw| raw.get().trim_matches('"').parse::<u16>());
    let port = match port {
        None => 22,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            reader.sink.error(&port_path, "must be a number from 0 to 65535");
            0
        }
    };
    let agent = options.get("async").filter(|raw| raw.get() != "null").map(|raw| {
        let path = path.field("async");
        let own = reader.object(Some(raw), &ASYNC, &path);
        let program = reader.string(own.get("agent"), &ASYNC, &path.field("agent"));
        let quota = reader.duration(own.get("time_quota"), &path.field("time_quota"));
        Agent { program, time_quota: quota.filter(|quota| quota.0 > 0) }
    });
    let check = options.get("check_host_key");
    Ssh {
        login: Login {
            host: text("host", reader),
            port,
            user: text("user", reader),
            key_file: text("identity_file", reader),
            password: text("password", reader),
            check_host_key: check.is_none() || reader.bool(check, &OPTIONS, &path.field("check_host_key")),
            known_hosts: text("known_hosts", reader),
        },
        timeout: reader.duration(options.get("timeout"), &path.field("timeout")).unwrap_or(TIMEOUT).to_std(),
        send_binary: reader.bool(options.get("send_binary"), &OPTIONS, &path.field("send_binary")),
        agent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn expand(json: &str) -> Result<Task, String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let target = Target { id: "T1".into(), fqdn: "h.x".into(), ..Target::default() };
        Bag::new(raw, &Functions::default()).unwrap().expand(&Subject::new(&target, None))
    }

    #[test]
    fn every_string_is_a_template_names_of_members_too() {
        let task = expand(
            r#"{"bin":{"path":"/bin/{{ .ID }}","args":["{{ .FQDN }}","b"]},"transport":{"proto":"{{ \"ssh\" }}","options":
            {"host":"{{ .FQDN }}","us{{ \"er\" }}":"root","port":"22{{ 22 }}","async":{"agent":"/a","time_quota":"3s"},"known_hosts":null}},
            "ocp_output":true,"constraints":{"time_quota":"1m"},"exitcode_map":{"3":"three of {{ .ID }}"}}"#,
        )
        .unwrap();
        assert_eq!((task.program.as_str(), task.args), ("/bin/T1", vec!["h.x".to_owned(), "b".to_owned()]));
        assert_eq!((task.ocp_output, task.time_quota), (true, Some(GoDuration::from_secs(60))));
        assert_eq!(task.exit_codes[&3], "three of T1");
        let Transport::Ssh(ssh) = task.transport else { panic!() };
        assert_eq!((ssh.login.host.as_str(), ssh.login.user.as_str(), ssh.login.port), ("h.x", "root", 2222));
        assert!(ssh.login.check_host_key && !ssh.send_binary);
        assert_eq!(ssh.agent.unwrap().time_quota, Some(GoDuration::from_secs(3)));
    }

    #[test]
    fn what_is_wrong_with_it_for_a_target_is_that_targets_failure() {
        let refused = |json: &str| expand(json).unwrap_err();
        assert_eq!(
            refused(r#"{"transport":{"proto":"ftp"}}"#),
            "fail to create transport: no such transport: ftp"
        );
        assert!(refused(r#"{"bin":{"path":"{{ .Nope }}"}}"#).contains("can't evaluate field Nope"));
        let port = r#"{"transport":{"proto":"ssh","options":{"port":"x"}}}"#;
        assert!(refused(port).contains("bag.transport.options.port: must be a number"));
        assert!(refused(r#"{"exitcode_map":{"x":"y"},"transport":{"proto":"local"}}"#).contains("exit code"));
    }
}
