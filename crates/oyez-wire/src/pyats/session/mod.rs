//! The rules of pyATS's report server, pure: a request gives events and a reply.
//!
//! The server moves bytes, keeps the events, and only then sends the reply. Every change goes through an event that
//! is applied to the [`Tree`] and the [`Clients`] at once, so that a session made again from the journal
//! ([`Session::replay`]) stands exactly where the killed one stood, contexts and answered calls included.
//!
//! | module | calls |
//! |---|---|
//! | `dispatch` | which call it is, who may make it |
//! | `suite` | test suite and tasks |
//! | `section` | sections and plugins |
//! | `remark` | details and extras |
//! | `query` | `get_section` and its like |
//! | `leave` | a client goes away, `stop_open_contexts` |

mod argument;
mod clients;
mod dispatch;
mod errors;
mod graph;
mod leave;
mod query;
mod remark;
mod section;
mod suite;

use std::collections::BTreeMap;

use oyez_model::event::{EventBody, LogSpan};
use oyez_model::{Event, ProducerId, SectionRef, Value};

pub use clients::{Client, Clients};
pub use errors::CallError;
pub use graph::write_object;

use super::tree::{Ix, Kind, Tree};

/// How long a file is; a server looks, a test says.
pub trait Files {
    /// Bytes of the file now.
    ///
    /// # Errors
    /// It is not there, or cannot be looked at.
    fn size(&self, path: &str) -> std::io::Result<u64>;
}

/// A connection, by the server's number for it.
pub type Conn = u64;

/// What the server has to do beside keeping events and answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write `results.json` or `results.yaml`.
    Report,
    /// Write both XML files.
    Xml,
    /// Send events to this connection from now on.
    Subscribe,
    /// Send it no more.
    Unsubscribe,
    /// End.
    Stop,
}

/// A line count that is wanted: of a section's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The section.
    pub ix: Ix,
    /// Its log's place so far.
    pub span: LogSpan,
}

/// What came of a request.
#[derive(Debug)]
pub struct Turn {
    /// When it happened, in nanoseconds since the Unix epoch.
    pub time: Option<i64>,
    /// To be kept before anything is said.
    pub events: Vec<EventBody>,
    /// For subscribers, in order.
    pub pushes: Vec<Value>,
    /// The answer.
    pub reply: Value,
    /// Answer with this object and all that it is connected to, instead of the reply.
    pub object: Option<Ix>,
    /// What else to do.
    pub effect: Option<Effect>,
    /// Logs that have come to an end.
    pub counts: Vec<Count>,
}

impl Default for Turn {
    fn default() -> Self {
        Turn {
            time: None,
            events: Vec::new(),
            pushes: Vec::new(),
            reply: Value::Null,
            object: None,
            effect: None,
            counts: Vec::new(),
        }
    }
}

/// How a session is run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The run's folder, absolute.
    pub folder: String,
    /// The name of the zone that times are shown in.
    pub zone: String,
    /// Answers to the letter as pyATS gives them, also where its users would want others.
    pub strict: bool,
    /// The process that may stop the server under strict rules.
    pub parent: String,
}

/// One job's report server.
pub struct Session {
    tree: Tree,
    clients: Clients,
    conns: BTreeMap<Conn, u64>,
    rules: Rules,
    producer: ProducerId,
    now: i64,
    listened: bool,
    files: Box<dyn Files + Send>,
    turn: Turn,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("nodes", &self.tree.len())
            .field("conns", &self.conns)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session in which nothing has been said. Its events are those of `producer`.
    #[must_use]
    pub fn new(rules: Rules, producer: ProducerId, files: Box<dyn Files + Send>) -> Self {
        Session {
            tree: Tree::new(),
            clients: Clients::default(),
            conns: BTreeMap::new(),
            rules,
            producer,
            now: 0,
            listened: false,
            files,
            turn: Turn::default(),
        }
    }

    /// Takes in an event of the journal.
    pub fn replay(&mut self, event: &Event) {
        self.tree.apply(event);
        self.clients.apply(&self.tree, event.producer, &event.body);
    }

    /// The report so far.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Who reports.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Whether anybody listens: without, no pushes are made.
    pub fn set_listened(&mut self, listened: bool) {
        self.listened = listened;
    }

    /// Whether a connection has said whose it is.
    #[must_use]
    pub fn is_registered(&self, conn: Conn) -> bool {
        self.conns.contains_key(&conn)
    }

    /// One request of a connection.
    pub fn handle(&mut self, conn: Conn, request: &Value, now: i64) -> Turn {
        self.now = now;
        self.turn = Turn { time: Some(now), ..Turn::default() };
        self.dispatch(conn, request);
        std::mem::take(&mut self.turn)
    }

    /// A message that was no pickle.
    #[must_use]
    pub fn refuse(&self) -> Value {
        CallError::message().reply("receive", false)
    }

    /// A connection has ended: what its client had open is stopped.
    pub fn closed(&mut self, conn: Conn, now: i64) -> Turn {
        self.now = now;
        self.turn = Turn { time: Some(now), ..Turn::default() };
        if let Some(client) = self.conns.remove(&conn)
            && !self.conns.values().any(|other| *other == client)
        {
            self.leave(client);
        }
        std::mem::take(&mut self.turn)
    }

    /// Clients that have no connection and will not come back go away. One that shows a token comes back at its next
    /// call, however late, as long as its process lives.
    pub fn give_up(&mut self, now: i64, lives: &dyn Fn(&str) -> bool) -> Turn {
        self.now = now;
        self.turn = Turn { time: Some(now), ..Turn::default() };
        for number in self.clients.here() {
            let gone = |client: &Client| client.token.is_none() || !lives(&client.pid);
            if !self.conns.values().any(|with| *with == number) && self.clients.get(number).is_some_and(gone)
            {
                self.leave(number);
            }
        }
        std::mem::take(&mut self.turn)
    }

    /// Whether a client without a connection may come back.
    #[must_use]
    pub fn awaits(&self) -> bool {
        self.clients.here().iter().any(|number| !self.conns.values().any(|with| with == number))
    }

    /// A line count came in: it is kept as an event.
    pub fn counted(&mut self, ix: Ix, span: LogSpan, now: i64) -> Turn {
        self.now = now;
        self.turn = Turn { time: Some(now), ..Turn::default() };
        // The log may have been moved or extended since; then another count is under way.
        let current = self.tree.node(ix).logs.as_deref();
        if current.is_some_and(|logs| {
            *logs.file == *span.file && logs.begin == span.begin && logs.size == span.size
        }) {
            let id = self.reference(ix);
            self.emit(oyez_model::event::LogSpanned { id, span });
        }
        std::mem::take(&mut self.turn)
    }

    /// The logs that have come to an end and were not counted: after a restart nobody else will ask.
    #[must_use]
    pub fn uncounted(&self) -> Vec<Count> {
        let mut counts = Vec::new();
        for ix in 0..self.tree.len() as Ix {
            let logs = self.tree.node(ix).logs.as_deref();
            counts.extend(logs.filter(|logs| logs.size.is_some() && logs.size_lines.is_none()).map(|logs| {
                Count {
                    ix,
                    span: LogSpan {
                        file: logs.file.to_string(),
                        begin: logs.begin,
                        size: logs.size,
                        begin_lines: logs.begin_lines,
                        size_lines: None,
                    },
                }
            }));
        }
        counts
    }

    /// Something about the report that its reader must know, as a detail of a section.
    pub fn remark(&mut self, ix: Ix, text: String, now: i64) -> Turn {
        self.now = now;
        self.turn = Turn { time: Some(now), ..Turn::default() };
        let id = self.reference(ix);
        self.emit(oyez_model::event::SectionDetail { id, detail: Value::Text(text) });
        std::mem::take(&mut self.turn)
    }

    /// Keeps an event, and changes everything by it.
    fn emit(&mut self, body: impl Into<EventBody>) {
        let body = body.into();
        self.tree.apply_body(self.producer, self.now, &body);
        self.clients.apply(&self.tree, self.producer, &body);
        self.turn.events.push(body);
    }

    /// Tells subscribers.
    fn push(&mut self, event: &'static str, ix: Ix) {
        if self.listened {
            let push = query::pushed(&self.tree, event, ix);
            self.turn.pushes.push(push);
        }
    }

    fn reference(&self, ix: Ix) -> SectionRef {
        let node = self.tree.node(ix);
        match node.kind {
            Kind::Suite => SectionRef::JOB,
            _ => SectionRef::own(node.number),
        }
    }

    fn context(&self, client: u64) -> Option<Ix> {
        self.clients.context(client)
    }

    fn context_of_kind(&self, client: u64, kind: Kind) -> Result<Ix, String> {
        let context = self.context(client);
        match context {
            Some(ix) if self.tree.node(ix).kind == kind => Ok(ix),
            _ => Err(self.describe(context)),
        }
    }

    /// A context in an error message: `None`, or what Python prints of such an object.
    fn describe(&self, context: Option<Ix>) -> String {
        context.map_or_else(
            || "None".to_owned(),
            |ix| {
                let node = self.tree.node(ix);
                format!("<pyats.reporter.testsuite.{} object {}>", node.kind.class(), node.id)
            },
        )
    }
}
