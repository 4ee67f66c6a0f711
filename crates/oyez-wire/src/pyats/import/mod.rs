//! A results file of pyATS back into the events that would have made it.
//!
//! The file is read object by object: a section's beginning becomes an event when its first child comes, its end when
//! the object ends, so that of a large file only its text and what is open is held. Times are the file's own. What the file says of an object beyond its children (results, counters,
//! runtimes) goes along as the peer's word, so that the tree shows it even where pyATS's own rules, or a file that was
//! changed by hand, come to something else.

mod json;
mod place;
mod source;
mod yaml;

use oyez_model::event::{
    ContextClosed, ContextOpened, EventBody, LogSpan, LogSpanned, SectionDetail, SectionStarted,
    SectionStopped, SectionUpdated, TestStarted, TestStopped,
};
use oyez_model::{SectionRef, Value};

use self::json::Json;
use self::place::Object;
use self::source::{Next, Source};
use self::yaml::Yaml;
use super::tree::Kind;

/// How deep sections may nest in a file.
const DEEPEST: usize = 400;

/// Which text a results file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `results.json`.
    Json,
    /// `results.yaml`.
    Yaml,
}

/// What was in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The version of the results format that the file names; empty when it names none.
    pub version: String,
    /// How many objects became events.
    pub objects: u64,
}

/// Why a results file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The text is no JSON, or no YAML.
    #[error("the results file is wrong at byte {at}: {what}; give the file that pyATS wrote")]
    Syntax {
        /// Where.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// It is another kind of file.
    #[error("the file holds no report of pyATS: {what}; give a results.json or results.yaml")]
    NoReport {
        /// What is missing.
        what: &'static str,
    },
    /// Sections within sections without end.
    #[error("sections nest deeper than {DEEPEST} in the results file; such a report cannot be imported")]
    TooDeep,
}

/// Gives `to` the events of a results file, each with its time in nanoseconds since the Unix epoch.
///
/// The numbers of nodes are `first` and those that follow. The events are those of a producer of source
/// [`oyez_model::JobSource::Pyats`]; what stands before and after them (the job, its state) is the caller's.
///
/// # Errors
/// [`ImportError`]; what was given to `to` by then is not the whole report.
pub fn read(
    text: &[u8],
    format: Format,
    first: u64,
    to: &mut dyn FnMut(i64, EventBody),
) -> Result<Imported, ImportError> {
    let mut import =
        Import { to, next: first, now: 0, found: Imported::default(), suite: false, unhealthy: false };
    match format {
        Format::Json => import.all(&mut Json::new(text))?,
        Format::Yaml => {
            let utf8 = |e: std::str::Utf8Error| ImportError::Syntax {
                at: e.valid_up_to(),
                what: "the text is not UTF-8".to_owned(),
            };
            let text = yaml::without_surrogates(std::str::from_utf8(text).map_err(utf8)?);
            import.all(&mut Yaml::new(&text))?;
        }
    }
    if !import.suite {
        return Err(ImportError::NoReport { what: "it has no key 'report' with an object" });
    }
    Ok(import.found)
}

struct Import<'f> {
    to: &'f mut dyn FnMut(i64, EventBody),
    next: u64,
    /// The latest time so far: events are given in the order in which they happened.
    now: i64,
    found: Imported,
    suite: bool,
    /// Whether some health check went wrong: from then on nothing is left to the rules.
    unhealthy: bool,
}

/// An object that is open.
struct Open {
    kind: Kind,
    id: SectionRef,
    /// How many stand above it.
    level: usize,
    /// What the file said of it and no event has said yet.
    of: Object,
}

impl Import<'_> {
    fn all(&mut self, from: &mut impl Source) -> Result<(), ImportError> {
        if from.next()? != Next::Map {
            // What is cut off or no such text at all says so itself.
            from.value(0)?;
            return Err(ImportError::NoReport { what: "it is no object with keys" });
        }
        from.enter()?;
        let mut first = true;
        while let Some(key) = from.key(&mut first)? {
            match key.as_str() {
                Some("report") if from.next()? == Next::Map => self.object(from, None)?,
                Some("version") => {
                    let version = from.value(0)?;
                    self.found.version = super::repr::plain(&version);
                }
                _ => {
                    from.value(0)?;
                }
            }
        }
        Ok(())
    }

    // Calls itself for each section within a section, at most `DEEPEST` deep.
    fn object(&mut self, from: &mut impl Source, parent: Option<&Open>) -> Result<(), ImportError> {
        from.enter()?;
        let (mut pairs, mut first, mut open) = (Vec::new(), true, None);
        while let Some(key) = from.key(&mut first)? {
            if !(matches!(key.as_str(), Some("sections" | "tasks")) && from.next()? == Next::List) {
                pairs.push((key, from.value(0)?));
                continue;
            }
            let this = match open.take() {
                Some(this) => this,
                None => self.open(parent, Object::new(std::mem::take(&mut pairs)))?,
            };
            from.enter()?;
            let mut first = true;
            while from.item(&mut first)? {
                if from.next()? == Next::Map {
                    self.object(from, Some(&this))?;
                } else {
                    from.value(0)?;
                }
            }
            open = Some(this);
        }
        self.end(parent, open, pairs)
    }

    fn end(
        &mut self,
        parent: Option<&Open>,
        open: Option<Open>,
        rest: Vec<(Value, Value)>,
    ) -> Result<(), ImportError> {
        let mut this = match open {
            Some(this) => this,
            None => return self.open(parent, Object::new(rest)).map(|this| self.close(this, parent)),
        };
        this.of.add(rest);
        self.close(this, parent);
        Ok(())
    }

    /// The events of an object's beginning.
    fn open(&mut self, parent: Option<&Open>, mut of: Object) -> Result<Open, ImportError> {
        self.found.objects += 1;
        let level = parent.map_or(0, |p| p.level + 1);
        if level > DEEPEST {
            return Err(ImportError::TooDeep);
        }
        let kind = of.kind(parent.map(|p| p.kind));
        let id = match parent {
            None => SectionRef::default(),
            Some(_) => {
                self.next += 1;
                SectionRef::own(self.next - 1)
            }
        };
        let started = of.start();
        self.at(started);
        let details = of.list("details");
        match parent {
            None => self.open_suite(&mut of),
            Some(parent) if kind == Kind::Task => self.open_task(id, parent, &mut of),
            Some(parent) => self.open_section(kind, id, parent, &mut of),
        }
        for detail in details {
            self.give(SectionDetail { id, detail });
        }
        Ok(Open { kind, id, level, of })
    }

    fn open_suite(&mut self, of: &mut Object) {
        self.suite = true;
        let id = SectionRef::default();
        let extra = of.take("extra");
        // The job has its name, too.
        let name = of.text("name");
        self.give(SectionUpdated {
            id,
            name,
            extra,
            peer: some(of.beginning(Kind::Suite)),
            ..Default::default()
        });
        if of.started.is_some() {
            self.give(ContextOpened { id, client: None, at: of.started });
        }
    }

    fn open_task(&mut self, id: SectionRef, parent: &Open, of: &mut Object) {
        let extra = of.take("extra");
        let (name, peer_id) = of.names();
        self.give(TestStarted {
            id: id.number,
            parent: parent.id,
            name,
            began: of.started,
            peer_id: Some(peer_id),
            peer: some(of.beginning(Kind::Task)),
            ..Default::default()
        });
        if extra.is_some() {
            self.give(SectionUpdated { id, extra, ..Default::default() });
        }
        if of.started.is_some() {
            self.give(ContextOpened { id, client: None, at: of.started });
        }
    }

    fn open_section(&mut self, kind: Kind, id: SectionRef, parent: &Open, of: &mut Object) {
        let (name, peer_id) = of.names();
        let r#type = of.text("type").unwrap_or_else(|| kind.class().to_owned());
        let description = of.text("description");
        let (parameters, extra) = (of.take("parameters"), of.take("extra"));
        self.give(SectionStarted {
            id: id.number,
            parent: parent.id,
            r#type,
            name,
            began: of.started,
            description,
            parameters,
            extra,
            peer_id: Some(peer_id),
            peer: some(of.beginning(kind)),
            aside: (kind == Kind::Plugin).then_some(true),
            ..Default::default()
        });
    }

    /// The events of an object's end.
    fn close(&mut self, this: Open, parent: Option<&Open>) {
        let Open { kind, id, level, mut of, .. } = this;
        let ended = of.stop();
        self.at(ended);
        let span = of.take("logs").and_then(|logs| match span_of(&logs) {
            Some(span) => Some(span),
            None => {
                of.put("logs", logs);
                None
            }
        });
        // At depth 2 and below the health is that of what is below, or passed; elsewhere it is nothing unless said.
        let by_rule = level > 2 || kind == Kind::Section && parent.is_some_and(|p| p.kind == Kind::Plugin);
        of.health(by_rule, &mut self.unhealthy);
        let result = of.verdict();
        let outcome = result.as_ref().map(|v| v.outcome);
        let reason = result.as_ref().and_then(|v| v.reason().as_str()).map(str::to_owned);
        let data = result.as_ref().map(|v| v.data().clone()).filter(|data| *data != Value::Null);
        // Said after the end: the end computes it.
        let runtime = of.take("runtime");
        match kind {
            _ if ended.is_none() => {
                if let Some(span) = span {
                    self.give(LogSpanned { id, span });
                }
                of.say_result(result.as_ref());
                let peer = some(of.end());
                self.give(SectionUpdated { id, peer, ..Default::default() });
            }
            Kind::Suite => {
                of.say_result(result.as_ref());
                self.give(ContextClosed { id, peer: some(of.end()), at: ended });
            }
            Kind::Task => {
                of.say_result(result.as_ref().filter(|_| data.is_some()));
                self.give(TestStopped {
                    id,
                    outcome,
                    reason,
                    ended,
                    peer: some(of.end()),
                    ..Default::default()
                });
            }
            Kind::Section | Kind::Plugin => {
                let rollup = (of.take("ignore") == Some(Value::Bool(true))).then_some(false);
                let peer = some(of.end());
                self.give(SectionStopped { id, outcome, reason, data, rollup, ended, peer, span });
            }
        }
        if let Some(runtime) = runtime {
            let peer = some(vec![(Value::text("runtime"), runtime)]);
            self.give(SectionUpdated { id, peer, ..Default::default() });
        }
    }

    fn at(&mut self, time: Option<i64>) {
        self.now = self.now.max(time.unwrap_or(self.now));
    }

    fn give(&mut self, body: impl Into<EventBody>) {
        (self.to)(self.now, body.into());
    }
}

/// A map that says something.
fn some(map: Vec<(Value, Value)>) -> Option<Value> {
    (!map.is_empty()).then_some(Value::Map(map))
}

/// A log's place from `logs`, when it is one that pyATS made.
fn span_of(logs: &Value) -> Option<LogSpan> {
    let Value::Map(pairs) = logs else { return None };
    let number = |key: &str| match logs.get(key) {
        Some(Value::Int(n)) => u64::try_from(*n).ok(),
        _ => None,
    };
    let span = LogSpan {
        file: logs.get("file")?.as_str()?.to_owned(),
        begin: number("begin")?,
        size: number("size"),
        begin_lines: number("begin_lines"),
        size_lines: number("size_lines"),
    };
    let said = 2 + [span.size, span.begin_lines, span.size_lines].iter().flatten().count();
    (pairs.len() == said).then_some(span)
}

#[cfg(test)]
mod tests;
