//! Which call a request is, and whether its connection may make it (specs/pyats.md 1.3 and 1.4).

use oyez_model::Value;
use oyez_model::event::{CallAnswered, ClientJoined};

use super::argument::{Arguments, class_of};
use super::{CallError, Conn, Effect, Session};
use crate::pyats::objects::text_of_id;

/// What a call gives when it goes well.
pub(super) type Answer = Result<Value, CallError>;

impl Session {
    pub(super) fn dispatch(&mut self, conn: Conn, request: &Value) {
        let (name, data) = match parts(request) {
            Ok(parts) => parts,
            Err(error) => {
                self.turn.reply = error.reply("receive", self.rules.strict);
                return;
            }
        };
        if let Some(known) = self.repeated(conn, request) {
            self.turn.reply = known.map_or(Value::Null, |error| error);
            // What has to do with files is done again: it may be what was cut off.
            self.turn.effect = effect_of(name);
            return;
        }
        let answer = self.call(conn, name, data);
        self.turn.reply = match answer {
            Ok(value) => value,
            Err(error) => error.reply(name, self.rules.strict),
        };
        self.remember(conn, request);
    }

    /// The answer to a numbered call that was answered before.
    fn repeated(&self, conn: Conn, request: &Value) -> Option<Option<Value>> {
        let Some(Value::Int(number)) = request.get("number") else { return None };
        let client = self.clients.get(*self.conns.get(&conn)?)?;
        let known = client.answered.iter().find(|(known, _)| *known == number.cast_unsigned());
        known.map(|(_, error)| error.clone())
    }

    /// A numbered call that changed something is remembered with its answer, in the same commit.
    fn remember(&mut self, conn: Conn, request: &Value) {
        if let Some(Value::Int(number)) = request.get("number")
            && !self.turn.events.is_empty()
            && let Some(client) = self.conns.get(&conn).copied()
        {
            let error = self.turn.reply.get("exception").is_some().then(|| self.turn.reply.clone());
            self.emit(CallAnswered { client, number: number.cast_unsigned(), error });
        }
    }

    fn call(&mut self, conn: Conn, name: &str, data: Option<&Value>) -> Answer {
        let arguments = Arguments::of(data);
        match name {
            "ping" => return Ok(Value::text("pong")),
            "subscribe_client" | "unsubscribe_client" => {
                self.turn.effect = effect_of(name);
                return Ok(Value::Null);
            }
            "register_client" => return self.register(conn, arguments),
            _ if name.starts_with('_') || name == "start_server" => {
                return Err(CallError::attribute(format!("Cannot access attribute {name}")).dispatch());
            }
            _ => {}
        }
        let Some(client) = self.conns.get(&conn).copied() else { return Err(CallError::unregistered()) };
        if !is_known(name) || name == "generate_xml" && self.tree.suite().is_none() {
            return Err(CallError::attribute(format!("Cannot find function {name}")).dispatch());
        }
        if data.is_none() {
            return Err(CallError::key("data").dispatch());
        }
        match name {
            "start_testsuite" => self.start_testsuite(client, arguments),
            "stop_testsuite" => self.stop_testsuite(client, arguments),
            "start_task" => self.start_task(client, arguments),
            "stop_task" => self.stop_task(client, arguments),
            "update_task_result" => self.update_task_result(arguments),
            "finalize_task" => self.finalize_task(arguments),
            "start_plugin" => self.start_plugin(client, arguments),
            "stop_plugin" => self.stop_plugin(client, arguments),
            "start_section" => self.start_section(client, arguments),
            "stop_section" => self.stop_section(client, arguments),
            "remove_section" => self.remove_section(arguments),
            "update_logfile_data" => self.update_logfile_data(arguments),
            "add_detail" => self.add_detail(client, arguments),
            "add_extra" => self.add_extra(client, arguments),
            "add_running_extra" => self.add_running_extra(arguments),
            "add_testsuite_extra" => self.add_testsuite_extra(arguments),
            "get_section" => self.get_section(client, arguments),
            "get_section_ctx" => self.get_section_ctx(client, arguments),
            "get_testsuite" => self.get_testsuite(),
            "stop_open_contexts" => self.stop_open_contexts(client),
            "generate_report" => self.may_report().map(|()| self.effect(name)),
            "generate_xml" if self.rules.strict => self.may_write_xml().map(|()| self.effect(name)),
            "stop_server" if self.rules.strict => self.may_stop(client).map(|()| self.effect(name)),
            _ => Ok(self.effect(name)),
        }
    }

    fn effect(&mut self, name: &str) -> Value {
        self.turn.effect = effect_of(name);
        Value::Null
    }

    fn may_report(&self) -> Result<(), CallError> {
        if self.tree.suite().is_none() {
            return Err(CallError::invalid("No TestSuite to generate YAML results from."));
        }
        if self.clients.any_open() {
            let text = "Open contexts remaining. Stop them before generating YAML results";
            return Err(CallError::invalid(text));
        }
        Ok(())
    }

    /// pyATS takes details for text.
    fn may_write_xml(&self) -> Result<(), CallError> {
        let other = self.tree.suite().and_then(|suite| self.tree.first_odd_detail(suite));
        other.map_or(Ok(()), |detail| {
            let class = class_of(detail);
            Err(CallError::type_error(format!("expected string or bytes-like object, got '{class}'")))
        })
    }

    fn may_stop(&self, client: u64) -> Result<(), CallError> {
        match self.clients.get(client) {
            Some(client) if client.pid == self.rules.parent => Ok(()),
            _ => Err(CallError::invalid("Only parent process can stop ReportServer")),
        }
    }

    fn register(&mut self, conn: Conn, arguments: Arguments<'_>) -> Answer {
        if let Some(client) = self.conns.get(&conn).and_then(|n| self.clients.get(*n)) {
            let text = format!(
                "This socket already registered as client Client (pid: {}, num_ctx: {})",
                client.pid,
                client.stack.len()
            );
            return Err(CallError::existing(text));
        }
        let Some(pid) = arguments.get("pid") else {
            return Err(CallError::key("Missing \"pid\" from args passed to register_client"));
        };
        let Some(ppid) = arguments.get("ppid") else {
            return Err(CallError::key("Missing \"ppid\" from args passed to register_client"));
        };
        let token = arguments.get("token").and_then(Value::as_str);
        if let Some(known) = token.and_then(|token| self.clients.by_token(token)) {
            // Back after the connection or the server broke: what it had open is still its own.
            self.conns.retain(|_, client| *client != known);
            self.conns.insert(conn, known);
            return Ok(Value::Null);
        }
        let client = self.clients.next();
        self.emit(ClientJoined {
            client,
            pid: text_of_id(pid),
            ppid: Some(text_of_id(ppid)),
            token: token.map(str::to_owned),
        });
        self.conns.insert(conn, client);
        Ok(Value::Null)
    }
}

fn effect_of(name: &str) -> Option<Effect> {
    Some(match name {
        "generate_report" => Effect::Report,
        "generate_xml" => Effect::Xml,
        "subscribe_client" => Effect::Subscribe,
        "unsubscribe_client" => Effect::Unsubscribe,
        "stop_server" => Effect::Stop,
        _ => return None,
    })
}

fn is_known(name: &str) -> bool {
    matches!(
        name,
        "start_testsuite"
            | "stop_testsuite"
            | "start_task"
            | "stop_task"
            | "update_task_result"
            | "finalize_task"
            | "start_plugin"
            | "stop_plugin"
            | "start_section"
            | "stop_section"
            | "remove_section"
            | "update_logfile_data"
            | "add_detail"
            | "add_extra"
            | "add_running_extra"
            | "add_testsuite_extra"
            | "get_section"
            | "get_section_ctx"
            | "get_testsuite"
            | "stop_open_contexts"
            | "generate_report"
            | "generate_xml"
            | "stop_server"
    )
}

/// Name and data of a request, or Python's own words for what is wrong with it.
fn parts(request: &Value) -> Result<(&str, Option<&Value>), CallError> {
    let name = match request {
        Value::Map(_) => request.get("name").ok_or_else(|| CallError::key("name").dispatch())?,
        Value::List(_) => {
            return Err(CallError::type_error("list indices must be integers or slices, not str").dispatch());
        }
        Value::Tuple(_) => {
            return Err(CallError::type_error("tuple indices must be integers or slices, not str").dispatch());
        }
        Value::Text(_) | Value::Surrogates(_) => {
            return Err(CallError::type_error("string indices must be integers, not 'str'").dispatch());
        }
        Value::Bytes(_) => {
            return Err(CallError::type_error("byte indices must be integers or slices, not str").dispatch());
        }
        other => {
            let text = format!("'{}' object is not subscriptable", class_of(other));
            return Err(CallError::type_error(text).dispatch());
        }
    };
    match name.as_str() {
        Some(text) => Ok((text, request.get("data"))),
        None => {
            let text = format!("'{}' object has no attribute 'startswith'", class_of(name));
            Err(CallError::attribute(text).dispatch())
        }
    }
    .map_err(CallError::dispatch)
}
