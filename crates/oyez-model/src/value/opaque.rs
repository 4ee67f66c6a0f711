//! Objects of classes that nobody here looks into.

use super::Value;

/// An object whose class is not resolved: how it is made, and what is put into it afterwards, in this order: `items`,
/// `entries`, `members`, `state`. That is what a pickle says of an object, and enough to make the same object again
/// where its class is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opaque {
    /// The module of its class, or of the function that makes it.
    pub module: String,
    /// The name of its class or of that function, with dots when it is nested.
    pub name: String,
    /// The arguments that it is made with; with [`OpaqueForm::CallObject`] and [`OpaqueForm::NewObject`] what is called
    /// comes first.
    pub args: Vec<Value>,
    /// The state that is set on it afterwards.
    pub state: Option<Value>,
    /// How it is made.
    pub form: OpaqueForm,
    /// The named arguments that it is made with; only with [`OpaqueForm::New`] and [`OpaqueForm::NewObject`].
    pub kwargs: Vec<(Value, Value)>,
    /// What is appended to it, as to a list.
    pub items: Vec<Value>,
    /// What is set in it under keys, as in a dictionary.
    pub entries: Vec<(Value, Value)>,
    /// What is added to it, as to a set.
    pub members: Vec<Value>,
}

/// How an [`Opaque`] is made. The numbers are those of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpaqueForm {
    /// The class or function is called with the arguments.
    #[default]
    Call = 0,
    /// It is the class or function itself, not called.
    Global = 1,
    /// The class makes an empty object (`__new__`) from the arguments, and does not initialise it.
    New = 2,
    /// As [`OpaqueForm::Call`], but what is called is an object too, and stands first among the arguments.
    CallObject = 3,
    /// As [`OpaqueForm::New`], but the class is the outcome of a call, and stands first among the arguments.
    NewObject = 4,
    /// It cannot be made again: it stands for something that could not be kept, and its name says why.
    Placeholder = 5,
}

impl OpaqueForm {
    /// The form with this number; `None` for one of a newer version.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<OpaqueForm> {
        Some(match number {
            0 => OpaqueForm::Call,
            1 => OpaqueForm::Global,
            2 => OpaqueForm::New,
            3 => OpaqueForm::CallObject,
            4 => OpaqueForm::NewObject,
            5 => OpaqueForm::Placeholder,
            _ => return None,
        })
    }

    /// Its number in the journal.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            OpaqueForm::Call => "call",
            OpaqueForm::Global => "global",
            OpaqueForm::New => "new",
            OpaqueForm::CallObject => "call_object",
            OpaqueForm::NewObject => "new_object",
            OpaqueForm::Placeholder => "placeholder",
        }
    }
}

impl Opaque {
    /// The class or function itself.
    #[must_use]
    pub fn global(module: impl Into<String>, name: impl Into<String>) -> Opaque {
        Opaque { form: OpaqueForm::Global, ..Opaque::call(module, name, Vec::new()) }
    }

    /// What a class or function gives for these arguments.
    #[must_use]
    pub fn call(module: impl Into<String>, name: impl Into<String>, args: Vec<Value>) -> Opaque {
        Opaque { module: module.into(), name: name.into(), args, ..Opaque::default() }
    }

    /// All values in it, in the order in which they are used.
    pub fn parts(&self) -> impl Iterator<Item = &Value> {
        self.args
            .iter()
            .chain(self.kwargs.iter().flat_map(|(k, v)| [k, v]))
            .chain(&self.items)
            .chain(self.entries.iter().flat_map(|(k, v)| [k, v]))
            .chain(&self.members)
            .chain(&self.state)
    }
}
