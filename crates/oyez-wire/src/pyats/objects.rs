//! pyATS's and Python's own objects, as they stand in a [`Value`] and back.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use oyez_model::value::{DateTime, Opaque};
use oyez_model::{Outcome, Value};

use super::tree::{Counter, Verdict};

const RESULT: (&str, &str) = ("pyats.results.result", "TestResult");
const COUNTER: (&str, &str) = ("pyats.results.counter", "ResultCounter");

/// Code, value and TIMS's word of an outcome (specs/pyats.md 1.2).
#[must_use]
pub const fn codes(outcome: Outcome) -> (i64, &'static str, &'static str) {
    match outcome {
        Outcome::Failed => (0, "failed", "failed"),
        Outcome::Passed => (1, "passed", "passed"),
        Outcome::Aborted => (2, "aborted", "blocked"),
        Outcome::Blocked => (3, "blocked", "blocked"),
        Outcome::Skipped => (4, "skipped", "dropped"),
        Outcome::Errored => (5, "errored", "blocked"),
        Outcome::Passx => (8, "passx", "passx"),
    }
}

/// The text of an id: of a plain one, of a TestableId, or of whatever else was given.
#[must_use]
pub fn text_of_id(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Opaque(o) if o.name == "TestableId" => {
            o.args.first().and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        // The same object in protocols 0 and 1: its class, `str`, and the text.
        Value::Opaque(o)
            if o.name == "_reconstructor" && o.args.get(2).is_some_and(|t| t.as_str().is_some()) =>
        {
            o.args[2].as_str().unwrap_or_default().to_owned()
        }
        other => super::repr::plain(other),
    }
}

/// A TestResult; none when it is not one.
#[must_use]
pub fn verdict(value: &Value) -> Option<Verdict> {
    let Value::Opaque(o) = value else { return None };
    verdict_of(o)
}

/// A TestResult; none when it is not one.
#[must_use]
pub fn verdict_of(o: &Opaque) -> Option<Verdict> {
    if (o.module.as_str(), o.name.as_str()) != RESULT {
        return None;
    }
    // The state counts; the arguments (code, reason, data) stand in when there is none.
    let state = o.state.as_ref();
    let get = |key: &str, at: usize| {
        state.and_then(|s| s.get(key)).or_else(|| o.args.get(at)).cloned().unwrap_or(Value::Null)
    };
    let word = state.and_then(|s| s.get("value")).and_then(Value::as_str);
    let outcome = match word.and_then(|word| word.parse().ok()) {
        Some(outcome) => outcome,
        None => match get("code", 0) {
            Value::Int(code) => Outcome::ALL.into_iter().find(|o| codes(*o).0 == code)?,
            _ => return None,
        },
    };
    Some(Verdict::new(outcome, get("reason", 1), get("data", 2)))
}

/// A TestResult as Python unpickles it.
#[must_use]
pub fn result(verdict: &Verdict) -> Value {
    let (code, value, tims) = codes(verdict.outcome);
    let (reason, data) = (verdict.reason().clone(), verdict.data().clone());
    let state = map([
        ("code", Value::Int(code)),
        ("value", Value::text(value)),
        ("tims", Value::text(tims)),
        ("reason", reason.clone()),
        ("data", data.clone()),
    ]);
    Value::Opaque(Box::new(Opaque {
        form: oyez_model::value::OpaqueForm::New,
        state: Some(state),
        ..opaque(RESULT, vec![Value::Int(code), reason, data])
    }))
}

/// A ResultCounter as Python unpickles it.
#[must_use]
pub fn counter_object(counter: &Counter) -> Value {
    let mut pairs: Vec<(Value, Value)> = Counter::NAMES
        .iter()
        .zip(counter.of)
        .map(|(name, n)| (Value::text(*name), Value::Int(n.cast_signed())))
        .collect();
    if counter.summed {
        pairs.push((Value::text("total"), Value::Int(counter.total().cast_signed())));
        pairs.push((Value::text("success_rate"), Value::Float(counter.success_rate())));
    }
    Value::Opaque(Box::new(opaque(COUNTER, vec![Value::Map(pairs), Value::Float(counter.scale)])))
}

/// Counts from a ResultCounter; none when it is not a whole one.
#[must_use]
pub fn counter(value: &Value) -> Option<Counter> {
    let Value::Opaque(o) = value else { return None };
    if o.name != COUNTER.1 {
        return None;
    }
    let mut counter = counter_of_map(o.args.first()?)?;
    if let Some(Value::Float(scale)) = o.args.get(1) {
        counter.scale = *scale;
    }
    Some(counter)
}

/// Counts from a map of names; none when it is no map.
#[must_use]
pub fn counter_of_map(value: &Value) -> Option<Counter> {
    let Value::Map(_) = value else { return counter(value) };
    let mut out = Counter::default();
    for (i, name) in Counter::NAMES.iter().enumerate() {
        if let Some(Value::Int(n)) = value.get(name) {
            out.of[i] = u64::try_from(*n).unwrap_or(0);
        }
    }
    out.summed = value.get("total").is_some();
    Some(out)
}

/// A time as a datetime with the offset and the name that the zone has then.
#[must_use]
pub fn datetime(nanos: i64, zone: &TimeZone) -> Value {
    let at = timestamp(nanos);
    let info = zone.to_offset_info(at);
    let micros = at.as_nanosecond().rem_euclid(1_000_000_000) / 1000 * 1000;
    let civil = info.offset().to_datetime(at).with().subsec_nanosecond(micros as i32).build();
    Value::DateTime(Box::new(DateTime {
        civil: civil.unwrap_or_else(|_| info.offset().to_datetime(at)),
        offset: Some(info.offset().seconds()),
        zone: Some(info.abbreviation().to_owned()),
    }))
}

/// Nanoseconds since the Unix epoch; one without a zone is taken in `zone`.
#[must_use]
pub fn nanos(time: &DateTime, zone: &TimeZone) -> Option<i64> {
    let at = match time.offset {
        Some(seconds) => jiff::tz::Offset::from_seconds(seconds).ok()?.to_timestamp(time.civil).ok()?,
        None => zone.to_timestamp(time.civil).ok()?,
    };
    i64::try_from(at.as_nanosecond()).ok()
}

/// The moment, as jiff has it.
#[must_use]
pub fn timestamp(nanos: i64) -> Timestamp {
    // Every number of nanoseconds in 64 bits is within jiff's range.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A zone by its name, or by its offset in seconds; UTC when it is not known here.
#[must_use]
pub fn zone_of(name: &str) -> TimeZone {
    if let Ok(zone) = TimeZone::get(name) {
        return zone;
    }
    let offset = name.parse::<i32>().ok().and_then(|s| jiff::tz::Offset::from_seconds(s).ok());
    offset.map_or(TimeZone::UTC, jiff::tz::Offset::to_time_zone)
}

/// A map with text keys.
#[must_use]
pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(k, v)| (Value::text(k), v)).collect())
}

/// An exception, as Python unpickles it.
#[must_use]
pub fn exception(module: &str, name: &str, args: Vec<Value>) -> Value {
    Value::Opaque(Box::new(opaque((module, name), args)))
}

fn opaque((module, name): (&str, &str), args: Vec<Value>) -> Opaque {
    Opaque { module: module.to_owned(), name: name.to_owned(), args, ..Opaque::default() }
}
