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

/// Where pyATS 26.9 raises it (golden/pyats/results.json).
const DUPLICATE: &str =
    "  File \"src/pyats/reporter/server.py\", line 1395, in pyats.reporter.server.ReportServer._client_call
  File \"src/pyats/reporter/server.py\", line 947, in pyats.reporter.server.ReportServer.start_section
";

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

    /// What the client logs: the last line says the error as Python does. Under strict rules a duplicate is told with the
    /// lines that pyATS's own server has there, because they stand in its users' logs and counts of lines.
    #[must_use]
    pub fn traceback(&self, call: &str, strict: bool) -> String {
        let name = match self.module {
            BUILTINS => self.class.to_owned(),
            module => format!("{module}.{}", self.class),
        };
        let text = match (self.class, &self.args[..]) {
            ("KeyError", [one]) => crate::pyats::repr::repr(one),
            (_, [one]) => crate::pyats::repr::plain(one),
            (_, many) => crate::pyats::repr::repr(&Value::Tuple(many.to_vec())),
        };
        let place = match (strict, self.class) {
            (true, "DuplicateIDError") => DUPLICATE.to_owned(),
            _ => format!("  File \"oyez\", in {call}\n"),
        };
        format!("Traceback (most recent call last):\n{place}{name}: {text}\n")
    }

    /// The whole reply.
    #[must_use]
    pub fn reply(&self, call: &str, strict: bool) -> Value {
        let mut pairs = vec![(Value::text("exception"), self.object())];
        if self.traced {
            pairs.push((Value::text("traceback"), Value::Text(self.traceback(call, strict))));
        }
        Value::Map(pairs)
    }
}
