//! Python's pickles as data: read into a [`Value`], written from one. Nothing is resolved, imported, called or run.
//!
//! A pickle is a program for a small stack machine, and the ordinary reader of Python runs whatever it names. Here the
//! machine knows data only: what Python would import stays a name, what it would call stays a call, both in an
//! [`Opaque`](oyez_model::value::Opaque) node that can be written again as the same object. All opcodes of the protocols
//! 0 to 5 are read; what is written is protocol 4, as pyATS does.
//!
//! Reading has two steps. The machine builds nodes that name each other by number (`arena`), because a pickle may fill
//! a list long after it put it into a tuple, and may name one object often, itself included. Then the tree is made of
//! them (`build`): an object that was named twice stands there twice, one that is within itself becomes a placeholder.
//! A small pickle can so say a huge tree; [`Limits`] end that.
//!
//! | Python | here |
//! |---|---|
//! | `None`, `bool`, `int`, `float`, `str`, `bytes`, `list`, `tuple`, `set`, `dict` | the same word of [`Value`] |
//! | `datetime.datetime`, naive or with a `datetime.timezone` of whole seconds | [`Value::DateTime`] |
//! | `frozenset`, `bytearray` | called with one list, one bytes |
//! | anything else | [`Value::Opaque`] |
//! | an object within itself | placeholder `oyez.recursive reference` with the levels up to it; written, it is that object again |
//! | what is nested deeper than [`Limits::depth`] | placeholder `oyez.nested too deep` |
//! | persistent references, codes of the `copyreg` extension registry | placeholders that hold the reference or code |
//!
//! Not kept: that two places hold one object; the setter functions of Python 3.8's six-part `__reduce__`, which run beside
//! the object and leave nothing on the stack; of two states set on one object the first.

mod arena;
mod build;
mod literal;
mod machine;
mod names;
pub(super) mod number;
mod opcode;
mod shapes;
mod text;
mod write;
mod writer;

use oyez_model::Value;
use oyez_model::value::MAX_DEPTH;

pub use text::{to_text, without_opaque};
pub use write::{write, write_into};
pub use writer::Writer;

/// How much one pickle may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep values may be nested, the outermost and the innermost included. What is deeper becomes a placeholder. More
    /// than [`MAX_DEPTH`] counts as that: such values could not be kept.
    pub depth: usize,
    /// How many values there may be, each list, key and number counted, and what is shared each time again.
    pub nodes: usize,
    /// How many bytes there may be in texts, bytes and big numbers, what is shared each time again.
    pub bytes: usize,
    /// How many objects the pickle may number to come back to them.
    pub memo: usize,
    /// How long the pickle may be, in bytes.
    pub message: usize,
}

impl Default for Limits {
    /// As deep as a value can be kept; 2 million values; 256 MiB.
    fn default() -> Self {
        Limits { depth: MAX_DEPTH, nodes: 2_000_000, bytes: 256 << 20, memo: 2_000_000, message: 256 << 20 }
    }
}

/// Why bytes are not taken as a pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The bytes end before the pickle does.
    #[error("the pickle is cut off: it ends after {at} bytes without a STOP; send it whole")]
    Truncated {
        /// How many bytes there are.
        at: usize,
    },
    /// A byte that no protocol knows as an opcode.
    #[error("byte {at} of the pickle is no opcode that is known: {opcode:#04x}; use a protocol up to 5")]
    Opcode {
        /// Where it stands.
        at: usize,
        /// The byte.
        opcode: u8,
    },
    /// A newer protocol than 5.
    #[error("the pickle has protocol {version}; use a protocol up to 5")]
    Protocol {
        /// Its number.
        version: u8,
    },
    /// An opcode does not fit what came before it, or what follows it is not of its kind.
    #[error("the pickle is wrong at byte {at}: {what}; write it with Python's pickle module")]
    Malformed {
        /// Where the opcode stands.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It says more than the limits allow.
    #[error("the pickle holds more than {limit} {what}; send less in one call")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// The value that a pickle of any protocol up to 5 says. Bytes after its end are ignored, as in Python.
///
/// # Errors
/// When it is cut off, wrong, or says more than `limits` allow. Time and memory are linear in the length of the bytes and
/// in what the limits allow.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Value, PickleError> {
    if bytes.len() > limits.message {
        return Err(PickleError::TooMuch { what: "bytes", limit: limits.message });
    }
    let (arena, root) = machine::run(bytes, limits)?;
    build::value(&arena, root, limits)
}
