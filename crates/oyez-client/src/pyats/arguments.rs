//! What a call says, by name.

use oyez_model::Value;

/// The named arguments of a call, in order.
///
/// An argument whose name is one of the object's own (`name`, `description`, `type`, `logfile`, `xref`, `parameters`,
/// `result`, ...) is set on it; any other goes to its extras (specs/pyats.md section 2).
///
/// ```
/// use oyez_client::pyats::{Arguments, TestResult};
/// use oyez_model::Outcome;
///
/// let said = Arguments::new()
///     .with("name", "a name")
///     .with("attempts", 3)
///     .with("result", TestResult::new(Outcome::Failed).because("no answer"));
/// assert!(said.get("attempts").is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    pairs: Vec<(Value, Value)>,
}

impl Arguments {
    /// None.
    #[must_use]
    pub fn new() -> Arguments {
        Arguments::default()
    }

    /// One more; an earlier one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Argument>) -> Arguments {
        let value = value.into().0;
        match self.pairs.iter_mut().find(|(key, _)| key.as_str() == Some(name)) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((Value::text(name), value)),
        }
        self
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    }

    pub(super) fn into_value(self) -> Value {
        Value::Map(self.pairs)
    }
}

/// What [`Arguments::with`] takes: a [`Value`], and everything that is plainly one.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument(pub Value);

impl From<Value> for Argument {
    fn from(value: Value) -> Self {
        Argument(value)
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Argument(Value::text(text))
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Argument(Value::Text(text))
    }
}

impl From<bool> for Argument {
    fn from(b: bool) -> Self {
        Argument(Value::Bool(b))
    }
}

impl From<i64> for Argument {
    fn from(n: i64) -> Self {
        Argument(Value::Int(n))
    }
}

impl From<f64> for Argument {
    fn from(n: f64) -> Self {
        Argument(Value::Float(n))
    }
}

impl<T: Into<Argument>> From<Option<T>> for Argument {
    fn from(some: Option<T>) -> Self {
        some.map_or(Argument(Value::Null), Into::into)
    }
}

impl<T: Into<Argument>> From<Vec<T>> for Argument {
    fn from(items: Vec<T>) -> Self {
        Argument(Value::List(items.into_iter().map(|item| item.into().0).collect()))
    }
}

impl From<Arguments> for Argument {
    /// A dictionary.
    fn from(arguments: Arguments) -> Self {
        Argument(arguments.into_value())
    }
}
