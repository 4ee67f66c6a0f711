//! Sections and plugins.

use oyez_model::event::{LogRebased, LogSpan, SectionRemoved, SectionStarted, SourceRef};
use oyez_model::{Outcome, SectionRef, Value};

use super::argument::{Arguments, Sorted};
use super::dispatch::Answer;
use super::{CallError, Count, Session};
use crate::pyats::objects::text_of_id;
use crate::pyats::tree::{ASKED, Ix, Kind, PLACEHOLDER, Verdict};

impl Session {
    pub(super) fn start_section(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let context = self.context(client);
        let parent = context.filter(|ix| self.tree.node(*ix).kind != Kind::Suite).ok_or_else(|| {
            let context = self.describe(context);
            CallError::invalid(format!(
                "Unable to start Section. Parent context {context} is not Task, Section, or Plugin."
            ))
        })?;
        let asked = arguments.id("id").ok_or_else(|| CallError::key("Section must have an id."))?;
        let sorted = Sorted::of(Kind::Section, arguments, &["id", "type"]).map_err(|r| r.error)?;
        let mut id = asked.clone();
        if self.tree.child(parent, &asked).is_some() {
            if self.rules.strict {
                let error = CallError::duplicate(format!("Section with id {asked} already exists."));
                self.placeholder(parent, &asked, &error);
                return Err(error);
            }
            id = self.tree.free_id(parent, &asked);
        }
        let path = arguments.get("logfile").and_then(Value::as_str);
        let kind = arguments.get("type").cloned().unwrap_or(Value::text("Section"));
        let span = path.map(|path| self.log_begins(path));
        self.begin(client, parent, kind, &id, sorted, span, |sorted| {
            match arguments.get("id") {
                Some(said) if !matches!(said, Value::Text(_)) && id == asked => {
                    sorted.with("id", said.clone())
                }
                _ => {}
            }
            if id != asked {
                sorted.with(ASKED, Value::text(asked.clone()));
            }
        });
        Ok(Value::Null)
    }

    /// Emits the beginning of a section or plugin.
    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    fn begin(
        &mut self,
        client: u64,
        parent: Ix,
        kind: Value,
        id: &str,
        mut sorted: Sorted,
        span: Option<LogSpan>,
        more: impl FnOnce(&mut Sorted),
    ) -> Ix {
        let number = self.tree.next_seq();
        let source =
            sorted.peer.iter().find(|(key, _)| key.as_str() == Some("xref")).and_then(|(_, xref)| {
                let line = match xref.get("line") {
                    Some(Value::Int(line)) => u64::try_from(*line).ok(),
                    _ => None,
                };
                Some(SourceRef { file: xref.get("file")?.as_str()?.to_owned(), line })
            });
        if let Some(result) = sorted.result.take() {
            sorted.with("result", crate::pyats::objects::result(&result));
        }
        if !matches!(kind, Value::Text(_)) {
            sorted.with("type", kind.clone());
        }
        more(&mut sorted);
        let aside = kind.as_str().is_some_and(|kind| PLUGINS.contains(&kind));
        self.emit(SectionStarted {
            id: number,
            parent: self.reference(parent),
            r#type: kind.as_str().unwrap_or("Section").to_owned(),
            name: sorted.name.take().unwrap_or_else(|| id.to_owned()),
            description: sorted.description.take(),
            source,
            parameters: sorted.parameters.take(),
            extra: sorted.extra(),
            peer_id: Some(id.to_owned()),
            peer: sorted.peer(),
            client: Some(client),
            span,
            aside: aside.then_some(true),
            ..SectionStarted::default()
        });
        let ix = self.made(number);
        let job_plugin = aside && self.tree.node(parent).kind == Kind::Suite;
        self.push(if job_plugin { "start_task" } else { "start_section" }, ix);
        self.recount_sibling(parent, ix);
        ix
    }

    /// The one before has grown by what was written since: its lines are counted again.
    fn recount_sibling(&mut self, parent: Ix, ix: Ix) {
        let children = &self.tree.node(parent).children;
        if self.tree.node(ix).logs.is_some()
            && let Some(&before) = children.iter().rev().nth(1)
            && let Some(logs) = &self.tree.node(before).logs
            && logs.size.is_some()
            && logs.size_lines.is_none()
        {
            self.want_count(before);
        }
    }

    pub(super) fn want_count(&mut self, ix: Ix) {
        let Some(logs) = &self.tree.node(ix).logs else { return };
        let span = LogSpan {
            file: logs.file.to_string(),
            begin: logs.begin,
            size: logs.size,
            begin_lines: logs.begin_lines,
            size_lines: None,
        };
        self.turn.counts.push(Count { ix, span });
    }

    fn placeholder(&mut self, parent: Ix, asked: &str, error: &CallError) {
        let n = self.tree.node(parent).duplicates + 1;
        let id = format!("{asked}_DUP{n}");
        let number = self.tree.next_seq();
        let peer = Value::Map(vec![
            (Value::text(PLACEHOLDER), Value::Bool(true)),
            (Value::text("details"), Value::List(vec![Value::Text(error.repr())])),
        ]);
        self.emit(SectionStarted {
            id: number,
            parent: self.reference(parent),
            r#type: "Section".to_owned(),
            name: id.clone(),
            peer_id: Some(id),
            peer: Some(peer),
            ..SectionStarted::default()
        });
        let ix = self.made(number);
        self.push("start_section", ix);
        let result = Verdict::new(Outcome::Errored, "Duplicate Section ID".into(), Value::Null);
        self.end_section(ix, Some(result), true, Some(self.now));
    }

    /// Where a log stands when its section begins. A file that is not there yet begins at its first byte.
    fn log_begins(&self, path: &str) -> LogSpan {
        LogSpan { file: self.relative(path), begin: self.files.size(path).unwrap_or(0), ..LogSpan::default() }
    }

    /// A path relative to the run's folder, as `os.path.relpath` gives it.
    pub(super) fn relative(&self, path: &str) -> String {
        let folder = &self.rules.folder;
        if !path.starts_with('/') || folder.is_empty() {
            return path.to_owned();
        }
        let from: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        let to: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n("..", from.len() - common);
        up.chain(to.into_iter().skip(common)).collect::<Vec<_>>().join("/")
    }

    pub(super) fn stop_section(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let refuse = |context| {
            CallError::invalid(format!("Unable to stop Section since context {context} is not a Section."))
        };
        let ix = self.context_of_kind(client, Kind::Section).map_err(refuse)?;
        // A process cannot end what its parent opened.
        if self.clients.own(client) != Some(ix) {
            return Err(refuse("None".to_owned()));
        }
        let node = self.tree.node(ix);
        if let Some(id) = arguments.get("id").filter(|id| **id != Value::Null).map(text_of_id)
            && id != node.id
            && node.asked.as_deref() != Some(&id)
        {
            let text = format!("Unable to stop Section {id} since the current one is {}.", node.id);
            return Err(CallError::invalid(text));
        }
        let sorted = Sorted::of(Kind::Section, arguments, &["id"]).map_err(|r| r.error)?;
        self.stop(ix, sorted, None);
        Ok(Value::Null)
    }

    fn stop(&mut self, ix: Ix, mut sorted: Sorted, default: Option<Verdict>) {
        let result = sorted.result.take().or(default);
        let rollup = sorted.rollup.take().unwrap_or(true);
        self.update(ix, &mut sorted);
        self.end_section(ix, result, rollup, None);
    }

    /// Where a log stands when its section ends.
    pub(super) fn log_ends(&self, ix: Ix) -> Option<LogSpan> {
        let node = self.tree.node(ix);
        let logs = node.logs.as_ref()?;
        let path = match node.text("logfile") {
            Some(path) if path.starts_with('/') => path.to_owned(),
            _ => format!("{}/{}", self.rules.folder, logs.file),
        };
        Some(LogSpan {
            file: logs.file.to_string(),
            begin: logs.begin,
            // A file that has become shorter has nothing of this section any more.
            size: Some(self.files.size(&path).unwrap_or(logs.begin).saturating_sub(logs.begin)),
            begin_lines: logs.begin_lines,
            size_lines: None,
        })
    }

    pub(super) fn start_plugin(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let context = self.context(client);
        let allowed = context.is_none_or(|ix| matches!(self.tree.node(ix).kind, Kind::Suite | Kind::Task));
        if !allowed {
            let context = self.describe(context);
            return Err(CallError::invalid(format!(
                "Unable to start Plugin. Parent context {context} is not TestSuite, Task, or None."
            )));
        }
        let id = arguments.id("id").ok_or_else(|| CallError::key("id"))?;
        if arguments.get("name").is_none() {
            return Err(CallError::key("Plugin must have a name."));
        }
        let kind = arguments.get("type").map(text_of_id).unwrap_or_default();
        let sorted = Sorted::of(Kind::Plugin, arguments, &["id", "type", "task_id"]).map_err(|r| r.error)?;
        let path = arguments.get("logfile").and_then(Value::as_str);
        let (parent, span, mut sorted) = match kind.as_str() {
            "PreJobPlugin" | "PostJobPlugin" => {
                let Some(job) = arguments.get("job_id").filter(|id| **id != Value::Null) else {
                    return Err(CallError::key("Job Plugin must provide a job id"));
                };
                let suite = match self.tree.suite() {
                    Some(suite) if text_of_id(job) != self.tree.node(suite).id => {
                        return Err(self.another_suite(&text_of_id(job), suite));
                    }
                    Some(suite) => suite,
                    None => self.create_suite(job),
                };
                let mut sorted = sorted;
                sorted.extra.retain(|(key, _)| key.as_str() != Some("job_id"));
                (suite, None, sorted)
            }
            "PreTaskPlugin" | "PostTaskPlugin" => {
                let Some(task_id) = arguments.id("task_id") else {
                    return Err(CallError::key("Task Plugin must provide a task id"));
                };
                if self.tree.suite().is_none() {
                    let job = arguments.get("job_id").filter(|id| **id != Value::Null);
                    self.create_suite(job.ok_or_else(|| CallError::invalid(super::suite::NO_SUITE))?);
                }
                let task = match self.task(&task_id) {
                    Some(task) => task,
                    None => self.create_task(arguments.get("task_id").unwrap_or(&Value::Null), &task_id),
                };
                (task, path.map(|path| self.log_begins(path)), sorted)
            }
            _ => {
                let kind = arguments.get("type").map_or_else(|| "None".to_owned(), text_of_id);
                return Err(CallError::value(format!("Cannot start plugin of unknown type: {kind}")));
            }
        };
        // The same plugin may come twice; the second is kept beside the first.
        let free = self.tree.free_id(parent, &id);
        if free != id {
            sorted.with(ASKED, Value::text(id.clone()));
            sorted.with("id", Value::text(id.clone()));
        }
        self.begin(client, parent, Value::Text(kind), &free, sorted, span, |_| {});
        Ok(Value::Null)
    }

    pub(super) fn stop_plugin(&mut self, client: u64, arguments: Arguments<'_>) -> Answer {
        let refuse = |context| {
            CallError::invalid(format!("Unable to stop Plugin since context {context} is not a Plugin."))
        };
        let ix = self.context_of_kind(client, Kind::Plugin).map_err(refuse)?;
        if self.clients.own(client) != Some(ix) {
            return Err(refuse("None".to_owned()));
        }
        let sorted = Sorted::of(Kind::Plugin, arguments, &["id"]).map_err(|r| r.error)?;
        let default = self.tree.node(ix).result.is_none().then_some(Verdict::of(Outcome::Passed));
        self.stop(ix, sorted, default);
        Ok(Value::Null)
    }

    pub(super) fn remove_section(&mut self, arguments: Arguments<'_>) -> Answer {
        let missing = || CallError::invalid("Must pass a list of ids to find a specific section");
        let list =
            arguments.get("id_list").filter(|list| super::argument::is_true(list)).ok_or_else(missing)?;
        let ix = self.find(list)?;
        let id = self.reference(ix);
        if id != SectionRef::JOB {
            self.emit(SectionRemoved { id });
        }
        Ok(Value::Null)
    }

    /// What a forked child logged has moved into its parent's log: its sections' places move along.
    pub(super) fn update_logfile_data(&mut self, arguments: Arguments<'_>) -> Answer {
        let (Some(from), Some(to)) = (arguments.get("logfile"), arguments.get("parent_logfile")) else {
            return Ok(Value::Null);
        };
        let (from, to) = (self.relative(&text_of_id(from)), self.relative(&text_of_id(to)));
        let shift = match arguments.get("parent_logfile_size") {
            Some(Value::Int(n)) => u64::try_from(*n).unwrap_or(0),
            _ => 0,
        };
        for ix in self.tree.logged_in(&from) {
            let Some(logs) = &self.tree.node(ix).logs else { continue };
            let span = LogSpan {
                file: to.clone(),
                begin: logs.begin.saturating_add(shift),
                begin_lines: None,
                size: logs.size,
                size_lines: logs.size_lines,
            };
            let id = self.reference(ix);
            self.emit(LogRebased { id, span });
            self.want_count(ix);
        }
        Ok(Value::Null)
    }

    /// A section is ended from outside.
    pub(super) fn abandon(&mut self, ix: Ix) {
        let node = self.tree.node(ix);
        let rolled = node.result.as_ref().map_or(Outcome::Errored, |r| r.outcome.rollup(Outcome::Errored));
        let result = Verdict::new(rolled, "Stopping context".into(), Value::Null);
        self.end_section(ix, Some(result), true, None);
    }
}

const PLUGINS: [&str; 4] = ["PreJobPlugin", "PostJobPlugin", "PreTaskPlugin", "PostTaskPlugin"];
