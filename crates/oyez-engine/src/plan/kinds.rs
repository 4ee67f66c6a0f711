//! The kinds of steps, with their parameters as far as they are known before a target is (specs/contest.md 4).

use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use super::expand::hide_secrets;
use super::external::ExternalStep;
use crate::descriptor::Parameter;
use crate::duration::GoDuration;

/// The step plugins.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "plugin", content = "parameters")]
pub enum StepKind {
    /// Runs a program for each target.
    Cmd(CmdParameters),
    /// Writes a line to the log for each target.
    Echo {
        /// The line, a template.
        text: Parameter,
    },
    /// Waits, each target for itself.
    Sleep {
        /// How long.
        duration: SleepDuration,
    },
    /// Sets variables for each target.
    #[serde(rename = "variables")]
    Variables(Vec<(String, Box<RawValue>)>),
    /// Writes a line to the log, and fails every other target.
    RandEcho {
        /// The line.
        text: Parameter,
    },
    /// Waits until a port can be connected to.
    #[serde(rename = "waitport")]
    WaitPort(WaitPortParameters),
    /// Runs a program once for all targets.
    GatherCmd(GatherCmdParameters),
    /// Runs a program on each target over ssh.
    #[serde(rename = "SSHCmd")]
    SshCmd(Box<SshCmdParameters>),
    /// Runs a program here or over ssh, which may report as OCP diagnostics do.
    Exec(ExecParameters),
    /// Waits for a text on a serial port.
    TerminalExpect(TerminalExpectParameters),
    /// Runs a virtual machine and talks with it.
    Qemu(Box<QemuParameters>),
    /// Puts a file into an S3 bucket.
    #[serde(rename = "s3FileUpload")]
    S3FileUpload(Box<S3FileUploadParameters>),
    /// An external plugin.
    External(Box<ExternalStep>),
}

impl StepKind {
    /// The plugin's own name, as it stands in status and reports.
    #[must_use]
    pub fn plugin(&self) -> &str {
        match self {
            StepKind::Cmd(_) => "Cmd",
            StepKind::Echo { .. } => "Echo",
            StepKind::Sleep { .. } => "Sleep",
            StepKind::Variables(_) => "variables",
            StepKind::RandEcho { .. } => "RandEcho",
            StepKind::WaitPort(_) => "waitport",
            StepKind::GatherCmd(_) => "GatherCmd",
            StepKind::SshCmd(_) => "SSHCmd",
            StepKind::Exec(_) => "Exec",
            StepKind::TerminalExpect(_) => "TerminalExpect",
            StepKind::Qemu(_) => "Qemu",
            StepKind::S3FileUpload(_) => "s3FileUpload",
            StepKind::External(step) => &step.plugin.name,
        }
    }
}

/// The parameters of `cmd`.
#[derive(Debug, Clone, Serialize)]
pub struct CmdParameters {
    /// The program: where it was found, or the absolute path that was given.
    pub executable: PathBuf,
    /// Its arguments, each a template.
    pub args: Vec<Parameter>,
    /// Where it runs, a template; `None`, or empty when expanded, is where we run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<Parameter>,
    /// Whether its standard output is an event as well (`CmdStdout`).
    pub emit_stdout: bool,
    /// Whether its standard error is.
    pub emit_stderr: bool,
}

/// How long to sleep.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum SleepDuration {
    /// So long; a negative time is none.
    Fixed(GoDuration),
    /// A template of a duration. ConTest knows none here.
    Template(Parameter),
}

/// The parameters of `waitport`.
#[derive(Debug, Clone, Serialize)]
pub struct WaitPortParameters {
    /// The host, a template; without one, or empty when expanded, the target's name and addresses in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Parameter>,
    /// The port, from 1.
    pub port: u16,
    /// How it is connected to.
    pub protocol: Protocol,
    /// The pause between two tries.
    pub check_interval: GoDuration,
    /// How long it is tried.
    pub timeout: GoDuration,
}

/// A protocol, in Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP over either.
    Tcp,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either.
    Udp,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
}

impl Protocol {
    /// All of them, by name.
    pub const ALL: [(&'static str, Protocol); 6] = [
        ("tcp", Protocol::Tcp),
        ("tcp4", Protocol::Tcp4),
        ("tcp6", Protocol::Tcp6),
        ("udp", Protocol::Udp),
        ("udp4", Protocol::Udp4),
        ("udp6", Protocol::Udp6),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Protocol::ALL.into_iter().find(|(_, protocol)| *protocol == self).map_or("", |(name, _)| name)
    }
}

/// The parameters of `gathercmd`.
#[derive(Debug, Clone, Serialize)]
pub struct GatherCmdParameters {
    /// The program: where it was found, or the absolute path that was given.
    pub binary: PathBuf,
    /// Its arguments, each a template that knows no target.
    pub args: Vec<Parameter>,
}

/// The parameters of `sshcmd`; all that are not numbers or truth values are templates.
#[derive(Debug, Clone, Serialize)]
pub struct SshCmdParameters {
    /// The host.
    pub host: Parameter,
    /// Its port: a number, or a template of one; 22 when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Parameter>,
    /// As whom.
    pub user: Parameter,
    /// The private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key_file: Option<Parameter>,
    /// The password.
    #[serde(skip_serializing)]
    pub password: Option<Parameter>,
    /// The program.
    pub executable: Parameter,
    /// Its arguments.
    pub args: Vec<Parameter>,
    /// A regular expression that its output must match; not a template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expect: String,
    /// How long it may take; 10 minutes when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Parameter>,
    /// A target without a host passes instead of failing.
    pub skip_if_empty_host: bool,
    /// Ours: whether the host must be known. It must, unless this says no.
    pub check_host_key: bool,
    /// Ours: the file of known hosts, if not the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<Parameter>,
}

/// The parameters of `exec`.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct ExecParameters {
    /// The bag as it was written: an object whose every string is a template, names of members as well. Serialised it is
    /// without passwords.
    #[serde(serialize_with = "without_secrets")]
    pub bag: Box<RawValue>,
}

fn without_secrets<S: serde::Serializer>(bag: &RawValue, s: S) -> Result<S::Ok, S::Error> {
    let mut value: serde_json::Value = serde_json::from_str(bag.get()).map_err(serde::ser::Error::custom)?;
    hide_secrets(&mut value);
    value.serialize(s)
}

/// The parameters of `terminalexpect`.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalExpectParameters {
    /// The device; ours: a template.
    pub port: Parameter,
    /// Its speed in baud.
    pub speed: u32,
    /// The text that a line must hold; ours: a template.
    pub r#match: Parameter,
    /// How long it is waited for.
    pub timeout: GoDuration,
}

/// The parameters of `qemu`, all of them templates.
#[derive(Debug, Clone, Serialize)]
pub struct QemuParameters {
    /// The program.
    pub executable: Parameter,
    /// The firmware that it boots.
    pub firmware: Parameter,
    /// How many processors; 3 when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nproc: Option<Parameter>,
    /// How much memory, in MiB; 5000 when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Parameter>,
    /// A disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Parameter>,
    /// A file that gets what the machine prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logfile: Option<Parameter>,
    /// How long each expectation is waited for that says nothing else; 10 minutes when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Parameter>,
    /// What is expected and sent, in order.
    pub steps: Vec<Parameter>,
}

/// The parameters of `s3fileupload`.
#[derive(Debug, Clone, Serialize)]
pub struct S3FileUploadParameters {
    /// The file, a template.
    pub path: Parameter,
    /// What it is called there, a template.
    pub filename: Parameter,
    /// The region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The folder in it.
    pub folder: String,
    /// The file of credentials, if not the user's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub credentials_file: String,
    /// Which of them, if not `default`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// Whether it goes there as a compressed archive.
    pub compress: bool,
    /// Ours: another server than Amazon's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Ours: who may read it, as S3 names it; `public-read` when it is not given, as in ConTest. Empty is the bucket's
    /// own rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub acl: String,
}
