//! Events into the tree.

use oyez_model::event::{EventBody, LogSpan, SectionStarted, SectionStopped, SectionUpdated, TestStarted};
use oyez_model::{Event, JobSource, Outcome, ProducerId, SectionId, SectionRef, Value};

use super::{Ix, Kind, Logs, Tree, Verdict};
use crate::pyats::objects;

/// In what a peer says of the suite: the name of the time zone that its times are shown in.
pub(crate) const ZONE: &str = "oyez.zone";
/// In what a peer says of the suite: the run's folder.
pub(crate) const FOLDER: &str = "oyez.folder";
/// In what a peer says of a section: the id that was asked for, when a sibling had it.
pub(crate) const ASKED: &str = "oyez.asked";
/// In what a peer says of a section: it stands for a duplicate that was refused.
pub(crate) const PLACEHOLDER: &str = "oyez.placeholder";
/// In what a peer says of a task: only its result was set, it has not come to its end.
pub(crate) const UPDATE: &str = "oyez.update";
/// In what a peer says of a task's end: its children are not summed up.
pub(crate) const ALONE: &str = "oyez.alone";
/// In what a peer says of a task: its summary is one of its result.
pub(crate) const ONE: &str = "oyez.one";

impl Tree {
    /// Changes the tree by one event. What makes no sense changes nothing.
    pub fn apply(&mut self, event: &Event) {
        self.apply_body(event.producer, event.time.0, &event.body);
    }

    /// The same, of an event that has no number yet.
    pub fn apply_body(&mut self, producer: ProducerId, time: i64, body: &EventBody) {
        let at = |r: SectionRef| r.resolve(producer);
        match body {
            EventBody::JobSubmitted(b) if b.source != JobSource::Pyats => {
                self.submitted = Some((b.name.clone(), time));
            }
            EventBody::JobStateChanged(b) if b.state.is_final() => self.job_ended(time, b.error.as_deref()),
            EventBody::RunStarted(b) => {
                self.need_suite();
                // Runs have no place in pyATS's report: their tests are the suite's.
                if let Some(suite) = self.suite {
                    self.by_id.insert(SectionId::new(producer, b.id), suite);
                }
            }
            EventBody::TestStarted(b) => {
                self.test_started(SectionId::new(producer, b.id), at(b.parent), time, b)
            }
            EventBody::ContextOpened(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    let node = self.node_mut(ix);
                    if node.started.is_none() {
                        node.started = Some(b.at.unwrap_or(time));
                    }
                    node.owner = b.client;
                }
            }
            EventBody::ContextClosed(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    self.set_all(ix, b.peer.as_ref());
                    self.end(ix, b.at.unwrap_or(time));
                    self.sum_suite(ix);
                }
            }
            EventBody::TestStopped(b) => {
                let Some(ix) = self.by_id(at(b.id)) else { return };
                let said = |key| b.peer.as_ref().and_then(|p| p.get(key)).is_some();
                if !said(UPDATE) {
                    self.end(ix, b.ended.unwrap_or(time));
                    if !said(ALONE) {
                        self.sum_task(ix);
                    }
                }
                if let Some(outcome) = b.outcome
                    && b.peer.as_ref().and_then(|p| p.get("result")).is_none()
                {
                    let reason = b.reason.clone().map_or(Value::Null, Value::Text);
                    self.set_result(ix, Some(Verdict::new(outcome, reason, Value::Null)));
                }
                self.set_all(ix, b.peer.as_ref());
            }
            EventBody::SectionStarted(b) => {
                self.section_started(SectionId::new(producer, b.id), at(b.parent), time, b);
            }
            EventBody::SectionUpdated(b) => self.section_updated(at(b.id), b),
            EventBody::SectionDetail(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    self.node_mut(ix).details.push(b.detail.clone());
                }
            }
            EventBody::SectionStopped(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    self.section_stopped(ix, time, b);
                }
            }
            EventBody::SectionRemoved(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    self.remove(ix);
                }
            }
            EventBody::LogSpanned(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    self.span(ix, &b.span);
                }
            }
            EventBody::LogRebased(b) => {
                if let Some(ix) = self.by_id(at(b.id)) {
                    self.span(ix, &b.span);
                }
            }
            EventBody::TargetAcquired(b) => {
                let id = SectionId::new(producer, b.id);
                self.plain_section(id, at(b.test), "Target", &b.target.id, time);
            }
            EventBody::TargetIn(b) => {
                self.plain_section(SectionId::new(producer, b.id), at(b.target), &b.step, &b.label, time);
            }
            EventBody::TargetOut(b) => self.plain_stop(at(b.id), Outcome::Passed, None, time),
            EventBody::TargetErr(b) => {
                self.plain_stop(at(b.id), b.outcome.unwrap_or(Outcome::Failed), Some(&b.error), time);
            }
            EventBody::TargetReleased(b) => {
                if let Some(ix) = self.by_id(at(b.id))
                    && self.node(ix).stopped.is_none()
                {
                    self.end(ix, time);
                    self.roll_up(ix);
                }
            }
            _ => {}
        }
    }

    /// A job of another kind says nothing of a suite: it is one itself.
    fn need_suite(&mut self) {
        if self.suite.is_none()
            && let Some((name, time)) = self.submitted.take()
        {
            let ix = self.create_suite(name);
            self.node_mut(ix).started = Some(time);
        }
    }

    fn create_suite(&mut self, id: String) -> Ix {
        let ix = self.insert(Kind::Suite, None, SectionId::ROOT, id);
        self.suite = Some(ix);
        if let Some(totals) = &mut self.node_mut(ix).totals {
            totals.summary = Some(super::Counter::default());
        }
        ix
    }

    fn test_started(&mut self, id: SectionId, parent: SectionId, time: i64, b: &TestStarted) {
        self.need_suite();
        let (Some(suite), Some(parent)) = (self.suite, self.by_id(parent)) else { return };
        if self.by_id(id).is_some() || parent != suite {
            return;
        }
        let from_peer = b.peer_id.is_some();
        let text = match &b.peer_id {
            Some(id) => id.clone(),
            None => self.free_id(suite, &b.name),
        };
        let ix = self.insert(Kind::Task, Some(suite), id, text);
        if let Some(totals) = &mut self.node_mut(ix).totals {
            totals.summary = Some(super::Counter::default());
        }
        if b.name != self.node(ix).id {
            self.set(ix, "name", Value::Text(b.name.clone()));
        }
        if !from_peer {
            self.node_mut(ix).started = Some(b.began.unwrap_or(time));
        }
        self.set_all(ix, b.peer.as_ref());
    }

    fn section_started(&mut self, id: SectionId, parent: SectionId, time: i64, b: &SectionStarted) {
        self.need_suite();
        let Some(parent) = self.by_id(parent) else { return };
        if self.by_id(id).is_some() {
            return;
        }
        let kind = match b.aside {
            Some(true) => Kind::Plugin,
            _ => Kind::Section,
        };
        let text = match &b.peer_id {
            Some(id) => id.clone(),
            None => self.free_id(parent, &b.name),
        };
        let ix = self.insert(kind, Some(parent), id, text);
        let job_plugin = kind == Kind::Plugin && self.node(parent).kind == Kind::Suite;
        let file = b.span.as_ref().map(|span| self.file(&span.file));
        if job_plugin && let Some(totals) = &mut self.node_mut(ix).totals {
            totals.summary = Some(super::Counter::default());
        }
        if b.r#type != kind.class() {
            self.set(ix, "type", Value::Text(b.r#type.clone()));
        }
        if b.name != self.node(ix).id {
            self.set(ix, "name", Value::Text(b.name.clone()));
        }
        if let Some(text) = &b.description {
            self.set(ix, "description", Value::Text(text.clone()));
        }
        if let Some(parameters) = &b.parameters {
            self.set(ix, "parameters", parameters.clone());
        }
        if let Some(file) = &file {
            self.log_in(ix, file);
        }
        let node = self.node_mut(ix);
        node.started = Some(b.began.unwrap_or(time));
        node.owner = b.client;
        if let (Some(span), Some(file)) = (&b.span, file) {
            node.logs = Some(Box::new(Logs { file, begin: span.begin, ..Logs::default() }));
        }
        let placeholder = b.peer.as_ref().and_then(|p| p.get(PLACEHOLDER)).is_some();
        self.set_all(ix, b.peer.as_ref());
        if let Some(Value::Map(extra)) = &b.extra {
            Tree::merge_extra(&mut self.node_mut(ix).extra, extra);
        }
        if placeholder || self.node(ix).asked.is_some() {
            self.node_mut(parent).duplicates += 1;
        }
        self.extend_sibling(parent, ix);
    }

    /// What was written between two siblings belongs to the first of them.
    fn extend_sibling(&mut self, parent: Ix, ix: Ix) {
        let children = &self.node(parent).children;
        let Some(&before) = children.iter().rev().nth(1) else { return };
        let Some(own) = &self.node(ix).logs else { return };
        let (file, begin) = (std::sync::Arc::clone(&own.file), own.begin);
        if let Some(old) = &mut self.node_mut(before).logs
            && old.file == file
            && old.size.is_some()
            && begin >= old.begin
            && Some(begin - old.begin) != old.size
        {
            old.size = Some(begin - old.begin);
            old.size_lines = None;
        }
    }

    fn section_updated(&mut self, id: SectionId, b: &SectionUpdated) {
        if id == SectionId::ROOT && self.suite.is_none() {
            let Some(id) = b.peer.as_ref().and_then(|p| p.get("id")) else { return };
            let id = objects::text_of_id(id);
            self.create_suite(id);
        }
        let Some(ix) = self.by_id(id) else { return };
        if let Some(name) = &b.name
            && (name != &self.node(ix).id || self.node(ix).attribute("name").is_some())
        {
            self.set(ix, "name", Value::Text(name.clone()));
        }
        if let Some(text) = &b.description {
            self.set(ix, "description", Value::Text(text.clone()));
        }
        if let Some(parameters) = &b.parameters {
            self.set(ix, "parameters", parameters.clone());
        }
        self.set_all(ix, b.peer.as_ref());
        if let Some(Value::Map(extra)) = &b.extra {
            Tree::merge_extra(&mut self.node_mut(ix).extra, extra);
        }
    }

    fn section_stopped(&mut self, ix: Ix, time: i64, b: &SectionStopped) {
        self.set_all(ix, b.peer.as_ref());
        if let Some(span) = &b.span {
            self.span(ix, span);
        }
        if let Some(outcome) = b.outcome {
            let said = b.peer.as_ref().and_then(|p| p.get("result")).is_some();
            if !said {
                let reason = b.reason.clone().map_or(Value::Null, Value::Text);
                self.set_result(
                    ix,
                    Some(Verdict::new(outcome, reason, b.data.clone().unwrap_or(Value::Null))),
                );
            }
        }
        self.end(ix, b.ended.unwrap_or(time));
        if b.rollup == Some(false) && self.node(ix).rolled_up {
            self.forget_result(ix);
        }
        self.node_mut(ix).rolled_up = b.rollup != Some(false);
        if b.rollup != Some(false) {
            self.roll_up(ix);
        }
    }

    fn plain_section(&mut self, id: SectionId, parent: SectionId, kind: &str, name: &str, time: i64) {
        let Some(parent) = self.by_id(parent) else { return };
        if self.by_id(id).is_some() {
            return;
        }
        let text = self.free_id(parent, name);
        let ix = self.insert(Kind::Section, Some(parent), id, text);
        self.set(ix, "type", Value::text(kind));
        self.set(ix, "name", Value::text(name));
        self.node_mut(ix).started = Some(time);
    }

    fn plain_stop(&mut self, id: SectionId, outcome: Outcome, reason: Option<&str>, time: i64) {
        let Some(ix) = self.by_id(id) else { return };
        self.set_result(
            ix,
            Some(Verdict::new(outcome, reason.map_or(Value::Null, Value::text), Value::Null)),
        );
        self.end(ix, time);
        self.roll_up(ix);
    }

    fn end(&mut self, ix: Ix, time: i64) {
        let node = self.node_mut(ix);
        // A time that the client said is kept.
        let stopped = *node.stopped.get_or_insert(time);
        if let Some(started) = node.started {
            node.runtime = Some(seconds(started, stopped));
        }
        let node = self.node(ix);
        if matches!(node.kind, Kind::Task | Kind::Plugin)
            && let Some(path) = node.text("logfile")
        {
            let inside = self.relative(path).to_owned();
            self.set(ix, "logfile", Value::Text(inside));
        }
    }

    fn job_ended(&mut self, time: i64, error: Option<&str>) {
        self.need_suite();
        // Why a job failed is told where pyATS has remarks.
        if let (Some(suite), Some(error)) = (self.suite, error) {
            self.node_mut(suite).details.push(Value::text(error));
        }
        if let Some(suite) = self.suite
            && self.node(suite).stopped.is_none()
            && self.node(suite).started.is_some()
        {
            self.end(suite, time);
            self.sum_suite(suite);
        }
    }

    fn remove(&mut self, ix: Ix) {
        let Some(parent) = self.node(ix).parent else { return };
        self.forget_result(ix);
        self.unindex(ix);
        self.node_mut(ix).removed = true;
        self.node_mut(parent).children.retain(|child| *child != ix);
    }

    fn span(&mut self, ix: Ix, span: &LogSpan) {
        let file = self.file(&span.file);
        self.log_in(ix, &file);
        self.node_mut(ix).logs = Some(Box::new(Logs {
            file,
            begin: span.begin,
            begin_lines: span.begin_lines,
            size: span.size,
            size_lines: span.size_lines,
        }));
    }

    /// Sets everything that a peer says of an object.
    fn set_all(&mut self, ix: Ix, peer: Option<&Value>) {
        let Some(Value::Map(pairs)) = peer else { return };
        for (key, value) in pairs {
            if let Some(key) = key.as_str() {
                self.set_one(ix, key, value);
            }
        }
    }

    fn set_one(&mut self, ix: Ix, key: &str, value: &Value) {
        let time = || match value {
            Value::DateTime(t) => objects::nanos(t, &self.zone),
            _ => None,
        };
        match key {
            ZONE => {
                if let Some(name) = value.as_str() {
                    self.zone = objects::zone_of(name);
                }
            }
            FOLDER => value.as_str().unwrap_or_default().clone_into(&mut self.folder),
            ONE => {
                if let Some(outcome) = self.outcome(ix)
                    && let Some(totals) = &mut self.node_mut(ix).totals
                {
                    totals.summary = Some(super::Counter::one(outcome));
                }
            }
            ASKED => self.node_mut(ix).asked = value.as_str().map(Box::from),
            "id" => {
                let text = objects::text_of_id(value);
                if text != self.node(ix).id {
                    self.rename(ix, text);
                }
                if !matches!(value, Value::Text(_)) {
                    self.set(ix, "id", value.clone());
                }
            }
            "starttime" => {
                let time = time();
                if time.is_some() || *value == Value::Null {
                    self.node_mut(ix).started = time;
                }
            }
            "stoptime" => {
                let time = time();
                if time.is_some() || *value == Value::Null {
                    self.node_mut(ix).stopped = time;
                }
            }
            "runtime" => {
                self.node_mut(ix).runtime = match value {
                    Value::Float(f) => Some(*f),
                    Value::Int(n) => Some(*n as f64),
                    _ => None,
                }
            }
            "result" => {
                let result = objects::verdict(value);
                self.set_result(ix, result);
            }
            "health_result" => self.node_mut(ix).health = objects::verdict(value),
            "details" => {
                if let Value::List(details) = value {
                    self.node_mut(ix).details.clone_from(details);
                }
            }
            "extra" => {
                if let Value::Map(extra) = value {
                    self.node_mut(ix).extra.clone_from(extra);
                }
            }
            "health_summary" => match objects::counter(value) {
                Some(counter) => self.node_mut(ix).health_counter = Some(Box::new(counter)),
                None => self.set(ix, "health_summary", value.clone()),
            },
            _ => {
                let kind = self.node(ix).kind;
                let known = kind.order().iter().copied().find(|name| *name == key);
                if let Some(name) = known.or((key == "logfile").then_some("logfile")) {
                    self.set(ix, name, value.clone());
                }
                // `summary` as it was said: what counts for the suite is read from it.
                if key == "summary"
                    && let Some(counter) = objects::counter_of_map(value)
                    && let Some(totals) = &mut self.node_mut(ix).totals
                {
                    totals.summary = Some(counter);
                }
            }
        }
    }
}

/// Seconds between two times, to the microsecond as pyATS has it.
fn seconds(from: i64, to: i64) -> f64 {
    let micros = to.div_euclid(1000) - from.div_euclid(1000);
    micros as f64 / 1e6
}
