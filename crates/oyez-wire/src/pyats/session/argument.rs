//! A call's arguments: those that an object has are set on it, the others are extras.

use oyez_model::Value;

use super::CallError;
use crate::pyats::objects;
use crate::pyats::tree::Kind;

/// Arguments of a call by name; anything but a map is none.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a>(pub &'a [(Value, Value)]);

impl<'a> Arguments<'a> {
    /// The arguments in a request's `data`.
    #[must_use]
    pub fn of(data: Option<&'a Value>) -> Self {
        match data {
            Some(Value::Map(pairs)) => Arguments(pairs),
            _ => Arguments(&[]),
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    }

    /// The text of one that is there and not null.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<String> {
        let given = self.get(name).filter(|value| is_true(value));
        given.map(objects::text_of_id).filter(|id| !id.is_empty())
    }
}

/// Arguments of a call that starts or stops an object, sorted out.
#[derive(Debug, Default)]
pub struct Sorted {
    /// What is set on the object, as events carry it.
    pub peer: Vec<(Value, Value)>,
    /// What goes to its extras.
    pub extra: Vec<(Value, Value)>,
    /// A text `name`.
    pub name: Option<String>,
    /// A text `description`.
    pub description: Option<String>,
    /// A map `parameters`.
    pub parameters: Option<Value>,
    /// A `result`.
    pub result: Option<crate::pyats::tree::Verdict>,
    /// A `result_rollup`.
    pub rollup: Option<bool>,
}

impl Sorted {
    /// Sorts arguments for an object of `kind`, but those in `skip`. One that cannot be set refuses all of them;
    /// what came before it is in [`Refused::before`].
    pub fn of(kind: Kind, arguments: Arguments<'_>, skip: &[&str]) -> Result<Self, Box<Refused>> {
        let mut out = Sorted::default();
        for (key, value) in arguments.0 {
            let Some(name) = key.as_str() else {
                out.extra.push((key.clone(), value.clone()));
                continue;
            };
            if skip.contains(&name) {
                continue;
            }
            if !kind.has(name) {
                out.extra.push((key.clone(), value.clone()));
                continue;
            }
            if let Err(error) = out.take(kind, name, value) {
                return Err(Box::new(Refused { error, before: out }));
            }
        }
        Ok(out)
    }

    fn take(&mut self, kind: Kind, name: &str, value: &Value) -> Result<(), CallError> {
        match (name, value) {
            ("fullid" | "idlist", _) => return Err(no_setter(name, kind)),
            ("result", _) if kind == Kind::Suite => return Err(no_setter(name, kind)),
            ("sections" | "tasks" | "seq_num", _) => {
                return Err(CallError::invalid(format!("'{name}' cannot be set by a call")));
            }
            ("result", Value::Null) => {}
            ("result", value) => match objects::verdict(value) {
                Some(result) => self.result = Some(result),
                None => {
                    let class = class_of(value);
                    return Err(CallError::attribute(format!("'{class}' object has no attribute 'clone'")));
                }
            },
            ("result_rollup", value) => {
                self.rollup = Some(!matches!(value, Value::Bool(false) | Value::Null | Value::Int(0)));
            }
            ("starttime" | "stoptime", Value::DateTime(t)) if t.offset.is_none() => {
                return Err(CallError::type_error("can't subtract offset-naive and offset-aware datetimes"));
            }
            ("starttime" | "stoptime", Value::DateTime(_) | Value::Null) => self.set(name, value),
            ("starttime" | "stoptime", other) => {
                let class = class_of(other);
                return Err(CallError::type_error(format!(
                    "'{name}' must be a datetime with a zone, not '{class}'"
                )));
            }
            ("health_result", value) if *value != Value::Null && objects::verdict(value).is_none() => {
                let class = class_of(value);
                return Err(CallError::attribute(format!("'{class}' object has no attribute 'clone'")));
            }
            ("name", Value::Text(text)) => self.name = Some(text.clone()),
            ("description", Value::Text(text)) => self.description = Some(text.clone()),
            ("parameters", Value::Map(_)) => self.parameters = Some(value.clone()),
            _ => self.set(name, value),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value) {
        self.peer.push((Value::text(name), value.clone()));
    }

    /// Adds something of our own to what the peer said.
    pub fn with(&mut self, name: &str, value: impl Into<Value>) {
        self.peer.push((Value::text(name), value.into()));
    }

    /// What the peer said, when it said something.
    pub fn peer(&mut self) -> Option<Value> {
        let peer = std::mem::take(&mut self.peer);
        (!peer.is_empty()).then_some(Value::Map(peer))
    }

    /// Extras, when there are any.
    pub fn extra(&mut self) -> Option<Value> {
        let extra = std::mem::take(&mut self.extra);
        (!extra.is_empty()).then_some(Value::Map(extra))
    }
}

/// Arguments of which one cannot be set.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: CallError,
    /// What came before it.
    pub before: Sorted,
}

fn no_setter(name: &str, kind: Kind) -> CallError {
    CallError::attribute(format!("property '{name}' of '{}' object has no setter", kind.class()))
}

/// The name of a value's class in Python.
#[must_use]
pub fn class_of(value: &Value) -> &str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Big(_) => "int",
        Value::Float(_) => "float",
        Value::Text(_) | Value::Surrogates(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::List(_) => "list",
        Value::Tuple(_) => "tuple",
        Value::Set(_) => "set",
        Value::Map(_) => "dict",
        Value::DateTime(_) => "datetime",
        Value::Opaque(o) => &o.name,
    }
}

/// Whether Python takes a value for true.
#[must_use]
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Int(n) => *n != 0,
        Value::Float(n) => *n != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::Surrogates(bytes) | Value::Bytes(bytes) => !bytes.is_empty(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => !items.is_empty(),
        Value::Map(pairs) => !pairs.is_empty(),
        Value::Big(_) | Value::DateTime(_) | Value::Opaque(_) => true,
    }
}
