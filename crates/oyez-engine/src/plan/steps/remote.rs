//! `sshcmd`, `exec`: programs of other machines.

use serde_json::value::RawValue;

use super::{Parameters, Planner};
use crate::descriptor::{Level, Parameter, Reader};
use crate::diagnostic::{Path, Sink};
use crate::plan::{ExecParameters, SshCmdParameters, StepKind};

impl Planner<'_> {
    pub(super) fn sshcmd(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        const TEMPLATES: [&str; 8] =
            ["host", "port", "user", "private_key_file", "password", "executable", "timeout", "known_hosts"];
        let known: Vec<_> =
            TEMPLATES.into_iter().chain(["args", "expect", "skip_if_empty_host", "check_host_key"]).collect();
        parameters.known(&known);
        let needed =
            |name: &str| format!("invalid or missing '{name}' parameter, must be exactly one string");
        let host = parameters.needed("host", &needed("host"));
        let port = self.ssh_port(parameters);
        let user = parameters.needed("user", &needed("user"));
        let executable = parameters.needed("executable", &needed("executable"));
        for name in TEMPLATES {
            if let Some(parameter) = parameters.given(name) {
                self.inspect(&parameter, &parameters.path.field(name), parameters.sink);
            }
        }
        let args = parameters.step.values("args").to_vec();
        for (i, arg) in args.iter().enumerate() {
            self.inspect(arg, &parameters.path.field("args").item(i), parameters.sink);
        }
        for name in ["private_key_file", "password", "expect", "timeout", "known_hosts"] {
            parameters.only_one(name);
        }
        let expect = parameters.step.one("expect").into_owned();
        if let Err(e) = regex::Regex::new(&expect) {
            let message = format!("malformed expect parameter: Can not compile {expect} with {e}");
            let path = parameters.path.field("expect");
            parameters.sink.warning(&path, message).hint("every target will fail in this step");
        }
        let skip_if_empty_host = parameters.bool("skip_if_empty_host");
        let check_host_key = parameters.bool_or("check_host_key", true);
        Some(StepKind::SshCmd(Box::new(SshCmdParameters {
            host: host?,
            port: port?,
            user: user?,
            private_key_file: parameters.given("private_key_file"),
            password: parameters.given("password"),
            executable: executable?,
            args,
            expect,
            timeout: parameters.given("timeout"),
            skip_if_empty_host: skip_if_empty_host?,
            check_host_key: check_host_key?,
            known_hosts: parameters.given("known_hosts"),
        })))
    }

    /// A number is checked; a template, which ConTest does not take here, when it is expanded.
    #[expect(
        clippy::option_option,
        reason = "the outer one is whether it is right, the inner whether it is given"
    )]
    fn ssh_port(&self, parameters: &mut Parameters<'_>) -> Option<Option<Parameter>> {
        parameters.only_one("port");
        let Some(port) = parameters.given("port") else { return Some(None) };
        if port.text().contains("{{") {
            return Some(Some(port));
        }
        let path = parameters.path.field("port");
        match parameters.int("port") {
            Err(why) => {
                let message = format!("invalid 'port' parameter, not an integer: {why}");
                parameters.sink.error(&path, message);
                None
            }
            Ok(number) if u16::try_from(number).is_err() => {
                parameters.sink.error(&path, "invalid 'port' parameter: not in range 0-65535");
                None
            }
            Ok(_) => Some(Some(port)),
        }
    }

    pub(super) fn exec(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["bag"]);
        parameters.only_one("bag");
        let path = parameters.path.field("bag");
        let Some(bag) = parameters.step.values("bag").first() else {
            if !parameters.sink.has_error_at(&path) && !parameters.sink.has_error_at(parameters.path) {
                let example = "write \"bag\": [{\"bin\": {\"path\": \"/bin/true\"}, \"transport\": {\"proto\": \"local\"}}]";
                parameters.sink.error(&path, "failed to deserialize parameters").hint(example);
            }
            return None;
        };
        let path = path.item(0);
        if !check_bag(&bag.0, &path, parameters.sink) {
            return None;
        }
        self.inspect(bag, &path, parameters.sink);
        Some(StepKind::Exec(ExecParameters { bag: bag.0.clone() }))
    }
}

static BAG: Level =
    Level { go: "stepParams", fields: &["bin", "transport", "ocp_output", "constraints", "exitcode_map"] };
static BIN: Level = Level { go: "stepParams", fields: &["path", "args"] };
static TRANSPORT: Level = Level { go: "stepParams", fields: &["proto", "options"] };
static CONSTRAINTS: Level = Level { go: "stepParams", fields: &["time_quota"] };

/// Whether a bag has the types that it must have before anything in it is expanded. ConTest has one text for all that
/// can be wrong with it; where and what stands in ours.
fn check_bag(raw: &RawValue, path: &Path<'_>, sink: &mut Sink) -> bool {
    let mut own = Sink::new();
    let mut reader = Reader { sink: &mut own };
    let bag = reader.object(Some(raw), &BAG, path);
    let bin_path = path.field("bin");
    let bin = reader.object(bag.get("bin"), &BIN, &bin_path);
    let program = reader.string(bin.get("path"), &BIN, &bin_path.field("path"));
    let args_path = bin_path.field("args");
    for (i, arg) in reader.items(bin.get("args"), &BIN, "[]string", &args_path).into_iter().enumerate() {
        reader.string(Some(arg), &BIN, &args_path.item(i));
    }
    let transport_path = path.field("transport");
    let transport = reader.object(bag.get("transport"), &TRANSPORT, &transport_path);
    let proto = reader.string(transport.get("proto"), &TRANSPORT, &transport_path.field("proto"));
    reader.bool(bag.get("ocp_output"), &BAG, &path.field("ocp_output"));
    let constraints_path = path.field("constraints");
    let constraints = reader.object(bag.get("constraints"), &CONSTRAINTS, &constraints_path);
    reader.duration(constraints.get("time_quota"), &constraints_path.field("time_quota"));
    let map_path = path.field("exitcode_map");
    for (code, text) in reader.map(bag.get("exitcode_map"), &BAG, "map[int]string", &map_path) {
        if code.parse::<i64>().is_err() && !code.contains("{{") {
            reader.sink.error(&map_path.field(&code), "must be the number of an exit code");
        }
        reader.string(Some(text), &BAG, &map_path.field(&code));
    }
    let is_good = own.errors() == 0;
    for diagnostic in own.finish() {
        let said = match diagnostic.is_error() {
            true => {
                let message = format!("failed to deserialize parameters: {}", diagnostic.message);
                sink.error_as(path, message, "failed to deserialize parameters")
            }
            false => sink.warning(path, diagnostic.message),
        };
        said.path = diagnostic.path;
        said.hint = diagnostic.hint;
    }
    if !is_good {
        return false;
    }
    if program.is_empty() {
        sink.warning(&bin_path.field("path"), "there is no program to run").hint("every target will fail");
    }
    match proto.as_str() {
        "local" | "ssh" => {}
        proto if proto.contains("{{") => {}
        proto => {
            let path = transport_path.field("proto");
            let message = format!("fail to create transport: no such transport: {proto}");
            sink.warning(&path, message).hint("every target will fail; there are local and ssh");
        }
    }
    true
}
