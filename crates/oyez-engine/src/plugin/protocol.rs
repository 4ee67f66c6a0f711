//! The messages between Oyez and a plugin, and their limits.
//!
//! A message is a JSON object on one line, its kind in `type`. Each side passes over kinds and fields that it does not
//! know, so that either may be newer than the other.

use std::collections::BTreeMap;

use oyez_model::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::target::Target;

/// The version of the protocol.
pub const VERSION: u32 = 1;
/// The longest line that a plugin may write, in bytes without its end.
pub const LONGEST_LINE: usize = 1 << 20;
/// The longest line that a plugin is sent.
pub const LONGEST_SENT: usize = 8 << 20;
/// The messages about one target in one step that are taken from a plugin; more are a flood.
pub const MOST_MESSAGES: u64 = 100_000;
/// The bytes of the same.
pub const MOST_BYTES: u64 = 64 << 20;
/// The targets that a target manager may hand out.
pub const MOST_TARGETS: usize = 1_000_000;
/// The bytes that the name of an event may have.
pub const LONGEST_NAME: usize = 64;
/// The events on one page of an answer.
pub const PAGE: usize = 1000;

/// What a plugin can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It does something with targets.
    Step,
    /// It hands out targets.
    TargetManager,
    /// It gives a verdict.
    Reporter,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Step, Role::TargetManager, Role::Reporter];

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Step => "step",
            Role::TargetManager => "target_manager",
            Role::Reporter => "reporter",
        }
    }
}

/// What can be done with a target that was in a step when the job was halted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// It goes on: the plugin gives its state when it is paused, and gets it back.
    Resumed,
    /// It is done again from the beginning.
    Repeated,
    /// Neither: it comes to its end before the job is paused, and is lost when the server dies.
    #[default]
    Lost,
}

/// Which parameters are validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those of a step.
    Step,
    /// Those with which a target manager acquires.
    Acquire,
    /// Those with which it releases.
    Release,
    /// Those of a reporter on runs.
    Run,
    /// Those of a reporter on the job.
    Final,
}

/// Which attempt of which test it is about.
#[derive(Clone, Debug, Serialize)]
pub struct At<'a> {
    /// The job's uid.
    pub job: &'a str,
    /// The run, from 1.
    pub run: u32,
    /// The test's name.
    pub test: &'a str,
    /// The attempt, from 0.
    pub attempt: u32,
}

/// What a plugin is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/plugins.md has each field")]
pub enum Say<'a> {
    /// The first message; the plugin answers with its own.
    Hello { protocol: u32, oyez: &'a str, role: Role },
    /// Are these parameters right? Answered by `validated`.
    Validate { which: Which, parameters: &'a RawValue },
    /// A step begins an attempt.
    Begin {
        #[serde(flatten)]
        at: &'a At<'a>,
        cleanup: bool,
        label: &'a str,
        parameters: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// A target comes in; answered by `target_out`, `target_err` or `paused`.
    TargetIn {
        target: &'a Target,
        parameters: &'a RawValue,
        variables: BTreeMap<&'a str, BTreeMap<&'a str, &'a RawValue>>,
        began: Time,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<&'a RawValue>,
    },
    /// No other target will come; the plugin ends when it is done with those that it has.
    NoMoreTargets {},
    /// Give this target up, or all of them and end.
    Cancel {
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
        reason: &'a str,
    },
    /// Halt: `paused` for each target that can be, the others come to their end; then end.
    Pause {},
    /// Hand out targets; answered by `targets` or `error`.
    Acquire {
        #[serde(flatten)]
        at: &'a At<'a>,
        parameters: &'a RawValue,
        timeout_ms: u64,
        busy: Vec<String>,
    },
    /// These targets are not needed any more; answered by `released` or `error`.
    Release {
        #[serde(flatten)]
        at: &'a At<'a>,
        parameters: &'a RawValue,
        timeout_ms: u64,
        targets: &'a [&'a Target],
    },
    /// Report; answered by any number of `query` and one `report`.
    Report {
        job: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<u32>,
        parameters: &'a RawValue,
        status: &'a serde_json::Value,
        timeout_ms: u64,
    },
    /// The answer to a `query`: a page, and where the next one begins; without `next` it was the last.
    Events {
        events: Vec<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    },
}

impl Say<'_> {
    /// The message as a line.
    ///
    /// # Errors
    /// It is longer than [`LONGEST_SENT`].
    pub fn line(&self) -> Result<Vec<u8>, String> {
        // Only maps whose keys are no texts cannot be written, and there are none here.
        let mut line = serde_json::to_vec(self).map_err(|e| e.to_string())?;
        if line.len() > LONGEST_SENT {
            let long = line.len();
            return Err(format!(
                "a message to a plugin would have {long} bytes: at most {LONGEST_SENT} are sent"
            ));
        }
        line.push(b'\n');
        Ok(line)
    }
}

/// Who a plugin is.
#[derive(Clone, Debug, Deserialize)]
pub struct Hello {
    /// The version of the protocol that it speaks.
    pub protocol: u32,
    /// What it is called.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// What it can be.
    pub roles: Vec<Role>,
    /// As a step: what can be done with a target that was inside.
    #[serde(default)]
    pub resume: Resume,
    /// Parameters that are right, for the kit.
    #[serde(default)]
    pub example: Option<Box<RawValue>>,
    /// Parameters that are wrong, for the kit.
    #[serde(default)]
    pub bad_example: Option<Box<RawValue>>,
}

/// One thing that is wrong with parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct ParameterError {
    /// The parameter's name, if it is about one.
    #[serde(default)]
    pub parameter: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
}

/// What a plugin says.
#[derive(Debug)]
#[expect(missing_docs, reason = "docs/plugins.md has each field")]
pub enum Heard {
    Hello(Hello),
    Validated {
        errors: Vec<ParameterError>,
    },
    Log {
        target: Option<String>,
        text: String,
        level: Option<String>,
    },
    Event {
        target: String,
        name: String,
        payload: Option<Box<RawValue>>,
    },
    Variable {
        target: String,
        name: String,
        value: Box<RawValue>,
    },
    TargetOut {
        target: String,
    },
    TargetErr {
        target: String,
        error: String,
    },
    Paused {
        target: String,
        state: Option<Box<RawValue>>,
    },
    Targets {
        targets: Vec<Box<RawValue>>,
        more: bool,
        least: Option<u32>,
        most: Option<u32>,
    },
    Released {},
    Error {
        message: String,
    },
    Query(Query),
    Report {
        success: bool,
        data: serde_json::Value,
        error: Option<String>,
    },
    /// Of a kind that is not known here.
    Unknown(String),
}

/// What a reporter asks of the journal: all that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Query {
    /// The run, from 1.
    pub run: Option<u32>,
    /// The test's name.
    pub test: Option<String>,
    /// The step's label.
    pub label: Option<String>,
    /// The target's id.
    pub target: Option<String>,
    /// Any of these names; empty: all.
    pub names: Vec<String>,
    /// Not before this time, RFC 3339.
    pub since: Option<String>,
    /// Before this time.
    pub until: Option<String>,
    /// After the event of this number.
    pub after: u64,
    /// At most so many; [`PAGE`] when it is not said.
    pub limit: Option<usize>,
}

/// The members of a message, whatever it is.
#[derive(Deserialize)]
struct Head {
    r#type: String,
}

impl Heard {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no message; says why.
    pub fn read(line: &[u8]) -> Result<Heard, String> {
        fn of<T: DeserializeOwned>(kind: &str, line: &[u8]) -> Result<T, String> {
            serde_json::from_slice(line).map_err(|e| format!("a message `{kind}` that is not right: {e}"))
        }
        #[derive(Deserialize)]
        struct Validated {
            #[serde(default)]
            errors: Vec<ParameterError>,
        }
        #[derive(Deserialize)]
        struct Log {
            #[serde(default)]
            target: Option<String>,
            text: String,
            #[serde(default)]
            level: Option<String>,
        }
        #[derive(Deserialize)]
        struct Event {
            target: String,
            name: String,
            #[serde(default)]
            payload: Option<Box<RawValue>>,
        }
        #[derive(Deserialize)]
        struct Variable {
            target: String,
            name: String,
            value: Box<RawValue>,
        }
        #[derive(Deserialize)]
        struct Target {
            target: String,
            #[serde(default)]
            error: Option<String>,
            #[serde(default)]
            state: Option<Box<RawValue>>,
        }
        #[derive(Deserialize)]
        struct Targets {
            targets: Vec<Box<RawValue>>,
            #[serde(default)]
            more: bool,
            #[serde(default)]
            least: Option<u32>,
            #[serde(default)]
            most: Option<u32>,
        }
        #[derive(Deserialize)]
        struct Error {
            message: String,
        }
        #[derive(Deserialize)]
        struct Report {
            success: bool,
            #[serde(default)]
            data: serde_json::Value,
            #[serde(default)]
            error: Option<String>,
        }
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err("what is no message: a message is a JSON object on one line".to_owned());
        }
        let kind =
            serde_json::from_slice::<Head>(line).map_err(|e| format!("what is no message: {e}"))?.r#type;
        Ok(match kind.as_str() {
            "hello" => Heard::Hello(of(&kind, line)?),
            "validated" => Heard::Validated { errors: of::<Validated>(&kind, line)?.errors },
            "log" => {
                let Log { target, text, level } = of(&kind, line)?;
                Heard::Log { target, text, level }
            }
            "event" => {
                let Event { target, name, payload } = of(&kind, line)?;
                Heard::Event { target, name, payload }
            }
            "variable" => {
                let Variable { target, name, value } = of(&kind, line)?;
                Heard::Variable { target, name, value }
            }
            "target_out" => Heard::TargetOut { target: of::<Target>(&kind, line)?.target },
            "target_err" => {
                let Target { target, error, .. } = of(&kind, line)?;
                let error = error.filter(|error| !error.trim().is_empty());
                let error = error.ok_or_else(|| "a message `target_err` without `error`".to_owned())?;
                Heard::TargetErr { target, error }
            }
            "paused" => {
                let Target { target, state, .. } = of(&kind, line)?;
                Heard::Paused { target, state }
            }
            "targets" => {
                let Targets { targets, more, least, most } = of(&kind, line)?;
                Heard::Targets { targets, more, least, most }
            }
            "released" => Heard::Released {},
            "error" => Heard::Error { message: of::<Error>(&kind, line)?.message },
            "query" => Heard::Query(of(&kind, line)?),
            "report" => {
                let Report { success, data, error } = of(&kind, line)?;
                Heard::Report { success, data, error }
            }
            _ => Heard::Unknown(kind),
        })
    }

    /// Its kind, as it stands in the message.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Heard::Hello(_) => "hello",
            Heard::Validated { .. } => "validated",
            Heard::Log { .. } => "log",
            Heard::Event { .. } => "event",
            Heard::Variable { .. } => "variable",
            Heard::TargetOut { .. } => "target_out",
            Heard::TargetErr { .. } => "target_err",
            Heard::Paused { .. } => "paused",
            Heard::Targets { .. } => "targets",
            Heard::Released {} => "released",
            Heard::Error { .. } => "error",
            Heard::Query(_) => "query",
            Heard::Report { .. } => "report",
            Heard::Unknown(kind) => kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_its_kind() {
        let hello = Say::Hello { protocol: VERSION, oyez: "0.1.0", role: Role::TargetManager };
        let line = String::from_utf8(hello.line().unwrap()).unwrap();
        assert_eq!(
            line,
            "{\"type\":\"hello\",\"protocol\":1,\"oyez\":\"0.1.0\",\"role\":\"target_manager\"}\n"
        );
    }

    #[test]
    fn what_a_plugin_sends_is_kept_to_the_letter() {
        let line =
            br#"{"type":"variable","target":"T1","name":"n","value":12345678901234567890123,"new":[]}"#;
        let Ok(Heard::Variable { value, .. }) = Heard::read(line) else { panic!("no variable") };
        assert_eq!(value.get(), "12345678901234567890123");
    }

    #[test]
    fn kinds_that_are_not_known_are_passed_over_and_what_is_no_message_is_said() {
        let unknown = Heard::read(br#"{"type":"weather","sun":true}"#).unwrap();
        assert_eq!(unknown.kind(), "weather");
        for (line, said) in [
            (&b"hello"[..], "what is no message: "),
            (b"[1]", "what is no message: "),
            (b"{}", "what is no message: missing field `type`"),
            (b"\xff\xfe", "what is no message: "),
            (br#"{"type":"target_out"}"#, "a message `target_out` that is not right: missing field `target`"),
            (br#"{"type":"target_err","target":"T"}"#, "a message `target_err` without `error`"),
        ] {
            let why = Heard::read(line).unwrap_err();
            assert!(why.starts_with(said), "{why}");
        }
    }
}
