//! What a call is refused with.

use oyez_model::Value;

use crate::pyats::objects;

/// An error of a call: the exception that the client raises.
#[derive(Clone, Debug, PartialEq)]
pub struct CallError {
    /// The exception's module.
    pub module: &'static str,
    /// The exception's class.
    pub class: &'static str,
    /// Its arguments: mostly one text.
    pub args: Vec<Value>,
    /// Raised by the call itself: pyATS sends a traceback along then.
    pub traced: bool,
}

const PYATS: &str = "pyats.reporter.exceptions";
const BUILTINS: &str = "builtins";

impl CallError {
    fn new(module: &'static str, class: &'static str, text: impl Into<String>) -> Self {
        CallError { module, class, args: vec![Value::Text(text.into())], traced: true }
    }

    /// The call makes no sense now.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(PYATS, "InvalidRequestError", text)
    }

    /// The id is taken.
    pub fn duplicate(text: impl Into<String>) -> Self {
        Self::new(PYATS, "DuplicateIDError", text)
    }

    /// The socket has registered before.
    pub fn existing(text: impl Into<String>) -> Self {
        Self::new(PYATS, "ExistingClientError", text)
    }

    /// Something is missing.
    pub fn key(text: impl Into<String>) -> Self {
        Self::new(BUILTINS, "KeyError", text)
    }

    /// A value of a kind that cannot be taken.
    pub fn value(text: impl Into<String>) -> Self {
        Self::new(BUILTINS, "ValueError", text)
    }

    /// An object of the wrong type.
    pub fn type_error(text: impl Into<String>) -> Self {
        Self::new(BUILTINS, "TypeError", text)
    }

    /// Something that cannot be read or set.
    pub fn attribute(text: impl Into<String>) -> Self {
        Self::new(BUILTINS, "AttributeError", text)
    }

    /// The socket has not registered.
    #[must_use]
    pub fn unregistered() -> Self {
        let text = "Unkown client. Must register with server before calling other functions";
        Self::new(PYATS, "UnregisteredClientError", text).dispatch()
    }

    /// What came was no message.
    #[must_use]
    pub fn message() -> Self {
        let text = "Unable to unpickle received message. Size of sent data may exceed advertised size.";
        Self::new(PYATS, "MessageReceiveError", text).dispatch()
    }

    /// The system said no: what it was doing, and its error.
    #[must_use]
    pub fn os(error: &std::io::Error, what: &str) -> Self {
        let code = error.raw_os_error().unwrap_or(5);
        let args = vec![Value::Int(i64::from(code)), Value::Text(format!("{what}: {error}"))];
        CallError { module: BUILTINS, class: "OSError", args, traced: true }
    }

    /// Raised before the call was found: without a traceback.
    #[must_use]
    pub fn dispatch(mut self) -> Self {
        self.traced = false;
        self
    }

    /// The exception as Python unpickles it.
    #[must_use]
    pub fn object(&self) -> Value {
        objects::exception(self.module, self.class, self.args.clone())
    }

    /// `repr()` of the exception.
    #[must_use]
    pub fn repr(&self) -> String {
        let args: Vec<String> = self.args.iter().map(crate::pyats::repr::repr).collect();
        format!("{}({})", self.class, args.join(", "))
    }

    /// What the client logs: the last line says the error as Python does.
    #[must_use]
    pub fn traceback(&self, call: &str) -> String {
        let name = match self.module {
            BUILTINS => self.class.to_owned(),
            module => format!("{module}.{}", self.class),
        };
        let text = match (self.class, &self.args[..]) {
            ("KeyError", [one]) => crate::pyats::repr::repr(one),
            (_, [one]) => crate::pyats::repr::plain(one),
            (_, many) => crate::pyats::repr::repr(&Value::Tuple(many.to_vec())),
        };
        format!("Traceback (most recent call last):\n  File \"oyez\", in {call}\n{name}: {text}\n")
    }

    /// The whole reply.
    #[must_use]
    pub fn reply(&self, call: &str) -> Value {
        let mut pairs = vec![(Value::text("exception"), self.object())];
        if self.traced {
            pairs.push((Value::text("traceback"), Value::Text(self.traceback(call))));
        }
        Value::Map(pairs)
    }
}
