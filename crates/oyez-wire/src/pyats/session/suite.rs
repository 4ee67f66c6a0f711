//! The test suite and its tasks.

use oyez_model::event::{
    ContextClosed, ContextOpened, SectionStopped, SectionUpdated, TestStarted, TestStopped,
};
use oyez_model::{Outcome, SectionRef, Value};

use super::argument::{Arguments, Sorted};
use super::dispatch::Answer;
use super::{CallError, Session};
use crate::pyats::objects;
use crate::pyats::tree::{ALONE, FOLDER, Ix, Kind, ONE, UPDATE, Verdict, ZONE};

/// Why a section ended that its own process did not end.
const DANGLING: &str =
    "Section did not complete: the process running this section was terminated before a result was reported";

/// A call needs a suite, and there is none.
pub(super) const NO_SUITE: &str = "TestSuite does not exist and cannot be created without an id.";

impl Session {
    pub(super) fn another_suite(&self, id: &str, suite: Ix) -> CallError {
        let own = &self.tree.node(suite).id;
        CallError::invalid(format!(
            "TestSuite already exists with different id. {id} != {own}. Cannot create TestSuite"
        ))
    }

    pub(super) fn start_testsuite(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        if self.context(client).is_some() {
            return Err(CallError::invalid("Already an existing context, cannot start TestSuite"));
        }
        let suite = self.tree.suite();
        if let (Some(suite), Some(id)) = (suite, arguments.id("id"))
            && id != self.tree.node(suite).id
        {
            return Err(self.another_suite(&id, suite));
        }
        if suite.is_some_and(|suite| self.tree.node(suite).started.is_some()) {
            return Err(CallError::invalid("TestSuite already started, cannot start TestSuite"));
        }
        let suite = match (suite, arguments.get("id").filter(|id| **id != Value::Null)) {
            (None, None) => {
                return Err(CallError::invalid(NO_SUITE));
            }
            (None, Some(id)) => self.create_suite(id),
            (Some(suite), _) => suite,
        };
        let (mut sorted, error) = match Sorted::of(Kind::Suite, arguments, &["id"]) {
            Ok(sorted) => (sorted, None),
            // pyATS has made the suite by then, and keeps what came before the bad argument.
            Err(refused) => (Sorted { extra: Vec::new(), ..refused.before }, Some(refused.error)),
        };
        self.update(suite, &mut sorted);
        let opener = error.is_none().then_some(client);
        self.emit(ContextOpened { id: SectionRef::JOB, client: opener, at: None });
        if let Some(error) = error {
            return Err(error);
        }
        self.push("start_testsuite", suite);
        Ok(Value::Null)
    }

    pub(super) fn create_suite(&mut self, id: &Value) -> Ix {
        let peer = Value::Map(vec![
            (Value::text("id"), id.clone()),
            (Value::text(ZONE), Value::text(self.rules.zone.clone())),
            (Value::text(FOLDER), Value::text(self.rules.folder.clone())),
        ]);
        self.emit(SectionUpdated { id: SectionRef::JOB, peer: Some(peer), ..SectionUpdated::default() });
        let suite = self.tree.suite().unwrap_or_default();
        self.push("init_testsuite", suite);
        suite
    }

    /// Emits what arguments set on an object, if anything.
    pub(super) fn update(&mut self, ix: Ix, sorted: &mut Sorted) {
        if let Some(result) = &sorted.result {
            sorted.peer.push((Value::text("result"), objects::result(result)));
        }
        let body = SectionUpdated {
            id: self.reference(ix),
            name: sorted.name.take(),
            description: sorted.description.take(),
            parameters: sorted.parameters.take(),
            peer: sorted.peer(),
            extra: sorted.extra(),
        };
        if body != (SectionUpdated { id: body.id, ..SectionUpdated::default() }) {
            self.emit(body);
        }
    }

    pub(super) fn stop_testsuite(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let refuse = |context| {
            CallError::invalid(format!(
                "Unable to stop Testsuite since context {context} is not a Testsuite."
            ))
        };
        let suite = self.context_of_kind(client, Kind::Suite).map_err(refuse)?;
        let mut sorted = Sorted::of(Kind::Suite, arguments, &["num_tasks"]).map_err(|r| r.error)?;
        if let Some(count) = arguments.get("num_tasks") {
            sorted.with("totaltasks", count.clone());
        }
        self.update(suite, &mut sorted);
        self.end_dangling(suite);
        self.end_suite(suite);
        Ok(Value::Null)
    }

    pub(super) fn end_suite(&mut self, suite: Ix) {
        self.emit(ContextClosed { id: SectionRef::JOB, peer: None, at: None });
        self.push("stop_testsuite", suite);
    }

    /// Ends what is open below tasks that have ended.
    fn end_dangling(&mut self, suite: Ix) {
        let tasks: Vec<Ix> = self.tree.node(suite).children.clone();
        for task in tasks {
            let Some(stopped) = self.tree.node(task).stopped else { continue };
            let mut open = Vec::new();
            let mut todo = vec![task];
            while let Some(ix) = todo.pop() {
                let node = self.tree.node(ix);
                if node.stopped.is_none() {
                    open.push(ix);
                }
                todo.extend(&node.children);
            }
            // Parents come before their children here, and end after them.
            for ix in open.into_iter().rev() {
                let node = self.tree.node(ix);
                let ended = stopped.max(node.started.unwrap_or(stopped));
                self.end_section(
                    ix,
                    Some(Verdict::new(Outcome::Errored, DANGLING.into(), Value::Null)),
                    true,
                    Some(ended),
                );
            }
        }
    }

    /// Ends a section or plugin, and says so.
    pub(super) fn end_section(&mut self, ix: Ix, result: Option<Verdict>, rollup: bool, ended: Option<i64>) {
        let mut body = SectionStopped {
            id: self.reference(ix),
            rollup: (!rollup).then_some(false),
            ended,
            ..SectionStopped::default()
        };
        if let Some(result) = result {
            body.outcome = Some(result.outcome);
            match (result.reason(), result.data()) {
                (Value::Null, Value::Null) => {}
                (Value::Null | Value::Text(_), data) => {
                    body.reason = result.reason().as_str().map(str::to_owned);
                    body.data = (*data != Value::Null).then(|| data.clone());
                }
                _ => body.peer = Some(Value::Map(vec![(Value::text("result"), objects::result(&result))])),
            }
        }
        body.span = self.log_ends(ix);
        let has_log = body.span.is_some();
        let event = match self.tree.node(ix).kind {
            Kind::Plugin => "stop_plugin",
            _ => "stop_section",
        };
        self.emit(body);
        self.push(event, ix);
        if has_log {
            self.want_count(ix);
        }
    }

    pub(super) fn start_task(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let refuse = |context| {
            CallError::invalid(format!("Unable to start Task. Parent context {context} is not a TestSuite."))
        };
        let suite = self.context_of_kind(client, Kind::Suite).map_err(refuse)?;
        let id = arguments.id("id").ok_or_else(|| CallError::key("Task must have an id."))?;
        let known = self.tree.child(suite, &id).filter(|ix| self.tree.node(*ix).kind == Kind::Task);
        if known.is_some_and(|ix| self.tree.node(ix).started.is_some()) {
            return Err(CallError::duplicate(format!("Task with id {id} already started.")));
        }
        let mut sorted = Sorted::of(Kind::Task, arguments, &["id"]).map_err(|r| r.error)?;
        let task = match known {
            Some(task) => task,
            None => self.create_task(arguments.get("id").unwrap_or(&Value::Null), &id),
        };
        self.update(task, &mut sorted);
        self.emit(ContextOpened { id: self.reference(task), client: Some(client), at: None });
        self.push("start_task", task);
        Ok(Value::Null)
    }

    /// Makes a task that has not started.
    pub(super) fn create_task(&mut self, said: &Value, id: &str) -> Ix {
        let number = self.tree.next_seq();
        let peer =
            (!matches!(said, Value::Text(_))).then(|| Value::Map(vec![(Value::text("id"), said.clone())]));
        let index = self.tree.suite().map_or(0, |suite| self.tree.node(suite).children.len());
        self.emit(TestStarted {
            id: number,
            parent: SectionRef::JOB,
            name: id.to_owned(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            peer_id: Some(id.to_owned()),
            peer,
            ..TestStarted::default()
        });
        let ix = self.made(number);
        self.push("init_task", ix);
        ix
    }

    /// The node that was made last, under this number.
    pub(super) fn made(&self, number: u64) -> Ix {
        self.tree.by_id(oyez_model::SectionId::new(self.producer, number)).unwrap_or_default()
    }

    pub(super) fn stop_task(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let refuse = |context| {
            CallError::invalid(format!("Unable to stop Task since context {context} is not a Task."))
        };
        let task = self.context_of_kind(client, Kind::Task).map_err(refuse)?;
        if self.clients.own(client) != Some(task) {
            return Err(refuse("None".to_owned()));
        }
        if let Some(id) = arguments.get("id") {
            let (own, id) = (&self.tree.node(task).id, objects::text_of_id(id));
            return Err(CallError::invalid(format!(
                "Cannot change Task id from {own} to {id} after Task has already started."
            )));
        }
        let sorted = Sorted::of(Kind::Task, arguments, &[]).map_err(|r| r.error)?;
        self.end_task(task, sorted, false);
        Ok(Value::Null)
    }

    /// Ends a task; `one`: its summary is one of its result.
    pub(super) fn end_task(&mut self, task: Ix, mut sorted: Sorted, one: bool) {
        let result = sorted.result.take();
        let mut peer: Vec<(Value, Value)> = Vec::new();
        let (summaries, others) = std::mem::take(&mut sorted.peer)
            .into_iter()
            .partition(|(key, _)| key.as_str() == Some("summary"));
        sorted.peer = others;
        // A summary that is said counts when the children's do not.
        let said: Vec<(Value, Value)> = summaries;
        if sorted.rollup == Some(false) {
            peer.extend(said);
            peer.push((Value::text(ALONE), Value::Bool(true)));
        }
        self.update(task, &mut sorted);
        let mut body = TestStopped { id: self.reference(task), ..TestStopped::default() };
        if let Some(result) = &result {
            body.outcome = Some(result.outcome);
            match (result.reason(), result.data()) {
                (Value::Null | Value::Text(_), Value::Null) => {
                    body.reason = result.reason().as_str().map(str::to_owned);
                }
                _ => peer.push((Value::text("result"), objects::result(result))),
            }
            if one {
                peer.push((Value::text(ONE), Value::Bool(true)));
            }
        }
        body.peer = (!peer.is_empty()).then_some(Value::Map(peer));
        self.emit(body);
        self.push("stop_task", task);
    }

    pub(super) fn update_task_result(&mut self, arguments: Arguments<'_>) -> Answer {
        let id = arguments.id("id").ok_or_else(|| CallError::key("Task must have an id."))?;
        if self.tree.suite().is_none() {
            return Err(CallError::invalid(NO_SUITE));
        }
        let Some(task) = self.task(&id) else {
            return Err(CallError::invalid(format!("Cannot update result for unknown task id {id}.")));
        };
        let sorted =
            Sorted::of(Kind::Task, only_result(arguments).as_arguments(), &[]).map_err(|r| r.error)?;
        if let Some(result) = sorted.result {
            let peer = Value::Map(vec![
                (Value::text("result"), objects::result(&result)),
                (Value::text(ONE), Value::Bool(true)),
                (Value::text(UPDATE), Value::Bool(true)),
            ]);
            let id = self.reference(task);
            if self.tree.node(task).stopped.is_some() {
                self.emit(TestStopped {
                    id,
                    outcome: Some(result.outcome),
                    reason: result.reason().as_str().map(str::to_owned),
                    peer: Some(peer),
                    ..TestStopped::default()
                });
            } else {
                self.emit(SectionUpdated { id, peer: Some(peer), ..SectionUpdated::default() });
            }
        }
        self.push("stop_task", task);
        Ok(Value::Null)
    }

    pub(super) fn finalize_task(&mut self, arguments: Arguments<'_>) -> Answer {
        let id = arguments.id("id").ok_or_else(|| CallError::key("Task must have an id."))?;
        if self.tree.suite().is_none() {
            return Err(CallError::invalid(NO_SUITE));
        }
        let sorted =
            Sorted::of(Kind::Task, only_result(arguments).as_arguments(), &[]).map_err(|r| r.error)?;
        let task = match self.task(&id) {
            Some(task) => task,
            None => self.create_task(arguments.get("id").unwrap_or(&Value::Null), &id),
        };
        if self.tree.node(task).started.is_none() {
            self.emit(ContextOpened { id: self.reference(task), client: None, at: None });
            self.push("start_task", task);
        }
        self.end_task(task, sorted, true);
        Ok(Value::Null)
    }

    /// The task of this id.
    pub(super) fn task(&self, id: &str) -> Option<Ix> {
        self.tree.child(self.tree.suite()?, id).filter(|ix| self.tree.node(*ix).kind == Kind::Task)
    }
}

/// Only the result of the arguments: pyATS takes nothing else here.
struct Only(Vec<(Value, Value)>);

impl Only {
    fn as_arguments(&self) -> Arguments<'_> {
        Arguments(&self.0)
    }
}

fn only_result(arguments: Arguments<'_>) -> Only {
    Only(arguments.get("result").map(|result| (Value::text("result"), result.clone())).into_iter().collect())
}
