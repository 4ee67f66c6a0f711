//! What a results file says of one object, taken piece by piece.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use oyez_model::{Outcome, Value};

use crate::pyats::objects;
use crate::pyats::tree::{Counter, Kind, Verdict};

/// What is said at an object's end, and not at its beginning.
const AT_THE_END: [&str; 11] = [
    "stoptime",
    "runtime",
    "logs",
    "summary",
    "pluginsummary",
    "result",
    "totaltasks",
    "health_result",
    "health_summary",
    "sections",
    "ignore",
];

/// The keys and values of an object that are not yet in any event.
pub(super) struct Object {
    pairs: Vec<(Value, Value)>,
    /// Nanoseconds since the Unix epoch.
    pub(super) started: Option<i64>,
    zone: Option<i32>,
}

impl Object {
    pub(super) fn new(pairs: Vec<(Value, Value)>) -> Self {
        Object { pairs, started: None, zone: None }
    }

    pub(super) fn add(&mut self, more: Vec<(Value, Value)>) {
        self.pairs.extend(more);
    }

    pub(super) fn put(&mut self, key: &str, value: Value) {
        self.pairs.push((Value::text(key), value));
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.pairs.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.pairs.iter().position(|(k, _)| k.as_str() == Some(key))?;
        Some(self.pairs.remove(at).1)
    }

    /// A text; a value of another kind stays.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(k, v)| k.as_str() == Some(key) && v.as_str().is_some())?;
        match self.pairs.remove(at).1 {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A list's items; a value of another kind is the one item.
    pub(super) fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::List(items)) => items,
            Some(Value::Null) | None => Vec::new(),
            Some(one) => vec![one],
        }
    }

    /// Which class it is of; a file does not say it. Plugins have counters as tasks do, and no health counters.
    pub(super) fn kind(&self, parent: Option<Kind>) -> Kind {
        let is_plugin = |text: &str| text.ends_with("Plugin");
        match parent {
            None => Kind::Suite,
            Some(Kind::Suite) => {
                let has = |key| self.get(key).is_some();
                let named = self.get("type").and_then(Value::as_str);
                match named {
                    Some("Task") => Kind::Task,
                    _ if has("pluginsummary") || has("script_type") || has("testscript") => Kind::Task,
                    Some(name) if is_plugin(name) || has("summary") => Kind::Plugin,
                    _ => Kind::Task,
                }
            }
            Some(Kind::Task) if self.get("summary").is_some() => Kind::Plugin,
            Some(Kind::Task) if self.get("type").and_then(Value::as_str).is_some_and(is_plugin) => {
                Kind::Plugin
            }
            Some(_) => Kind::Section,
        }
    }

    /// Its name, and the id that it has below its parent.
    pub(super) fn names(&mut self) -> (String, String) {
        let id = self.take("id").map_or_else(String::new, |id| objects::text_of_id(&id));
        let name = self.text("name").unwrap_or_else(|| id.clone());
        (name, id)
    }

    /// When it began.
    pub(super) fn start(&mut self) -> Option<i64> {
        let (time, zone) = time_of(&self.take("starttime")?)?;
        (self.started, self.zone) = (Some(time), zone);
        Some(time)
    }

    /// When it ended. A runtime that follows from both times is not kept.
    pub(super) fn stop(&mut self) -> Option<i64> {
        let stopped = self.take("stoptime").and_then(|v| time_of(&v)).map(|(time, _)| time);
        if let (Some(started), Some(stopped)) = (self.started, stopped)
            && let Some(Value::Float(said)) = self.get("runtime")
        {
            let computed = (stopped.div_euclid(1000) - started.div_euclid(1000)) as f64 / 1e6;
            // In YAML it has two digits after the point.
            let short = ((said * 100.0).round() - said * 100.0).abs() < 1e-6;
            if *said == computed || short && (said - computed).abs() < 0.005_1 {
                self.take("runtime");
            }
        }
        stopped
    }

    /// Everything that is said of it at its beginning and has no field of its own in an event.
    pub(super) fn beginning(&mut self, kind: Kind) -> Vec<(Value, Value)> {
        let (later, mut now): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|(key, _)| key.as_str().is_some_and(|key| AT_THE_END.contains(&key)));
        self.pairs = later;
        // These follow from where it stands.
        now.retain(|(key, _)| !matches!(key.as_str(), Some("fullid" | "idlist")));
        now.retain(|(key, value)| key.as_str() != Some("type") || value.as_str() != Some(kind.class()));
        if kind == Kind::Suite
            && let Some(zone) = self.zone.filter(|zone| *zone != 0)
        {
            now.push((Value::text(crate::pyats::tree::ZONE), Value::Text(zone.to_string())));
        }
        now
    }

    /// Everything that is left.
    pub(super) fn end(&mut self) -> Vec<(Value, Value)> {
        let mut left = std::mem::take(&mut self.pairs);
        for (key, value) in &mut left {
            let whole = |value: &Value| Counter::NAMES.iter().all(|name| value.get(name).is_some());
            if matches!(key.as_str(), Some("summary" | "pluginsummary" | "health_summary"))
                && whole(value)
                && let Some(mut counter) = objects::counter_of_map(value)
            {
                // In YAML a sum says its total twice, in JSON once as any counter: there it is not known.
                let totals = match value {
                    Value::Map(pairs) => {
                        pairs.iter().filter(|(key, _)| key.as_str() == Some("total")).count()
                    }
                    _ => 0,
                };
                counter.summed = totals > 1;
                *value = objects::counter_object(&counter);
            }
        }
        left.retain(|(key, _)| !matches!(key.as_str(), Some("fullid" | "idlist")));
        left
    }

    /// Its result.
    pub(super) fn verdict(&mut self) -> Option<Verdict> {
        let value = self.take("result")?;
        let verdict = verdict_of(&value);
        if verdict.is_none() && value != Value::Null {
            self.put("result", value);
        }
        verdict
    }

    /// Says the result as pyATS's own object, where an event has no field for it.
    pub(super) fn say_result(&mut self, result: Option<&Verdict>) {
        if let Some(result) = result {
            self.put("result", objects::result(result));
        }
    }

    /// Leaves of its health what does not follow from the rules.
    pub(super) fn health(&mut self, by_rule: bool, unhealthy: &mut bool) {
        let said = self.take("health_result").and_then(|value| verdict_of(&value));
        let counter = self.take("health_summary");
        let is_zero = |c: &Value| objects::counter_of_map(c).is_some_and(|c| c.total() == 0);
        let passed = said.as_ref().is_none_or(|v| *v == Verdict::of(Outcome::Passed));
        *unhealthy |= !passed || !counter.as_ref().is_none_or(is_zero);
        match said {
            Some(_) if by_rule && !*unhealthy => {}
            Some(said) => self.put("health_result", objects::result(&said)),
            None if *unhealthy => self.put("health_result", Value::Null),
            None => {}
        }
        if let Some(counter) = counter.filter(|c| *unhealthy || !is_zero(c)) {
            self.put("health_summary", counter);
        }
    }
}

fn verdict_of(value: &Value) -> Option<Verdict> {
    let outcome = value.get("value")?.as_str()?.parse().ok()?;
    let part = |key| value.get(key).cloned().unwrap_or(Value::Null);
    Some(Verdict::new(outcome, part("reason"), part("data")))
}

/// A time as Python prints it, in nanoseconds since the Unix epoch, and its offset in seconds; one without an offset is
/// taken as UTC.
fn time_of(value: &Value) -> Option<(i64, Option<i32>)> {
    let text = match value {
        Value::DateTime(t) => return objects::nanos(t, &jiff::tz::TimeZone::UTC).map(|n| (n, t.offset)),
        value => value.as_str()?,
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        let zone = Pieces::parse(text).ok().and_then(|p| p.to_numeric_offset()).map(|o| o.seconds());
        return i64::try_from(at.as_nanosecond()).ok().map(|nanos| (nanos, zone));
    }
    let civil: DateTime = text.parse().ok()?;
    let at = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
    i64::try_from(at.as_nanosecond()).ok().map(|nanos| (nanos, None))
}
